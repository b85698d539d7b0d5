"""The Messenger Platform's own side, for Messenger and Instagram: chats with a Page or account, and a Send API as strict as Meta's.

What differs between the two stands in a `Dialect`. Its rooms: `simulator_world` (state and webhooks), `simulator_api` and `simulator_rules`
(what is answered and refused), `simulator_files`, `simulator_customers` (what happens in the chats).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from adapters._meta.account import PlatformAccount
from adapters._meta.platform.simulator_api import Api
from adapters._meta.platform.simulator_customers import Customers
from adapters._meta.platform.simulator_files import Files
from adapters._meta.platform.simulator_world import Dialect, World
from adapters.contract import Answer, RawRequest
from adapters.simulation import Action, Outcome, ProviderCall, Shown, SimFile


class PlatformSimulator:
    """One Page or account. The rate (burst, per second) is wide; Meta's is `(300, 300)`. Meta has `patience` for an hour of failing
    webhooks, then takes the subscription away; without one it never does."""

    def __init__(
        self,
        account: PlatformAccount,
        dialect: Dialect,
        *,
        rate: tuple[float, float] = (2000, 1000),
        human_agent: bool | None = None,
        patience: timedelta | None = None,
    ) -> None:
        self.world = World(account, dialect, patience)
        self._files = Files(self.world)
        self.api = Api(self.world, self._files, rate, account.human_agent if human_agent is None else human_agent)
        self._customers = Customers(self.world, self._files)

    def handle(self, request: RawRequest, now: datetime) -> Outcome:
        """A call of ours, answered as Graph answers."""
        return self.api.handle(request, now)

    def act(self, action: Action, now: datetime) -> Outcome:
        """The customer does something in the chat."""
        return self._customers.act(action, now)

    def settled(self, call: ProviderCall, answer: Answer | None, now: datetime) -> tuple[ProviderCall, ...]:
        """A webhook was answered, or a file fetched."""
        return self.api.fetched(call, answer, now) if call.purpose == "fetch" else self.world.settled(call, answer, now)

    def refresh(self, customer: str, now: datetime) -> tuple[ProviderCall, ...]:
        """Nothing is fetched late here."""
        return ()

    def handset(self, customer: str) -> list[Shown]:
        """The chat as the customer sees it."""
        chat = self.world.chats.get(customer)
        return list(chat.lines.values()) if chat else []

    def file(self, file_id: str) -> SimFile | None:
        """A file that a handset shows."""
        return self._files.get(file_id)
