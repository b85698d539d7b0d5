"""WhatsApp's own side: phones that write to our number, and a Graph API as strict as Meta's.

Its rooms: `world` (phones and webhooks), `api` and `rules` (what is answered and refused), `files`, `customers` (what happens on the phones);
what all of Meta's channels share stands in `adapters._meta.simulator`.
"""

from __future__ import annotations

from typing import Any

from adapters._meta.simulator.graph import demo_app
from adapters.simulation import digits_of
from adapters.whatsapp.account import WhatsAppAccount
from adapters.whatsapp.simulator.api import Api
from adapters.whatsapp.simulator.customers import Customers


class WhatsApp(Customers, Api):
    """The simulated Cloud API for one number. The rates (burst, per second) are wide; Meta's are `pair=(45, 1/6)`, `number=(80, 80)`."""

    def __init__(
        self, account: WhatsAppAccount, *, pair: tuple[float, float] = (500, 20), number: tuple[float, float] = (2000, 1000)
    ) -> None:
        super().__init__(account, pair, number)


def simulate(account: WhatsAppAccount) -> WhatsApp:
    """Meta's side of this number."""
    return WhatsApp(account)


def demo(channel_id: str, base: str, hook: str) -> dict[str, Any]:
    """Settings for the demo."""
    return {
        "phone_number_id": f"107{digits_of(channel_id, 12)}",
        **demo_app(channel_id, base),
    }
