"""WhatsApp's own side: phones that write to our number, and a Graph API as strict as Meta's.

Its rooms: `simulator_world` (state and webhooks), `simulator_api` and `simulator_rules` (what is answered and refused),
`simulator_files`, `simulator_customers` (what happens on the phones).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from adapters.contract import Answer, RawRequest
from adapters.simulation import Action, Outcome, ProviderCall, Shown, SimFile, digits_of
from adapters.whatsapp.account import WhatsAppAccount
from adapters.whatsapp.simulator_api import Api
from adapters.whatsapp.simulator_customers import Customers
from adapters.whatsapp.simulator_files import Files
from adapters.whatsapp.simulator_world import World


class WhatsApp:
    """The simulated Cloud API for one number. The rates (burst, per second) are wide; Meta's are `pair=(45, 1/6)`, `number=(80, 80)`."""

    def __init__(
        self, account: WhatsAppAccount, *, pair: tuple[float, float] = (500, 20), number: tuple[float, float] = (2000, 1000)
    ) -> None:
        self.world = World(account, pair)
        self._files = Files(self.world)
        self._api = Api(self.world, self._files, number)
        self._customers = Customers(self.world, self._files)

    def handle(self, request: RawRequest, now: datetime) -> Outcome:
        """A call of ours, answered as Graph answers."""
        return self._api.handle(request, now)

    def act(self, action: Action, now: datetime) -> Outcome:
        """The customer does something on the phone."""
        return self._customers.act(action, now)

    def settled(self, call: ProviderCall, answer: Answer | None, now: datetime) -> tuple[ProviderCall, ...]:
        """A webhook was answered, or a file fetched."""
        return self._api.fetched(call, answer, now) if call.purpose == "fetch" else self.world.settled(call, answer)

    def refresh(self, customer: str, now: datetime) -> tuple[ProviderCall, ...]:
        """Nothing is fetched late here."""
        return ()

    def handset(self, customer: str) -> list[Shown]:
        """The chat on the customer's phone."""
        phone = self.world.phones.get(customer)
        return list(phone.lines.values()) if phone else []

    def file(self, file_id: str) -> SimFile | None:
        """A file that a handset shows."""
        return self._files.get(file_id)


def simulate(account: WhatsAppAccount) -> WhatsApp:
    """Meta's side of this number."""
    return WhatsApp(account)


def demo(channel_id: str, base: str, hook: str) -> dict[str, Any]:
    """Settings for the demo; all secrets are made up."""
    return {
        "phone_number_id": f"107{digits_of(channel_id, 12)}",
        "app_secrets": [f"demo-app-secret-{channel_id}"],
        "verify_token": f"demo-verify-token-{channel_id}",
        "access_token": f"demo-access-token-{channel_id}",
        "api_base": base,
    }
