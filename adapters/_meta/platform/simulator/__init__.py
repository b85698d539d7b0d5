"""The Messenger Platform's own side, for Messenger and Instagram: chats with a Page or account, and a Send API as strict as Meta's.

What differs between the two stands in a `Dialect`. Its rooms: `world` (chats and webhooks), `api` and `rules` (what is answered and refused),
`files`, `customers` (what happens in the chats); what all of Meta's channels share stands in `adapters._meta.simulator`.
"""

from __future__ import annotations

from datetime import timedelta

from adapters._meta.account import PlatformAccount
from adapters._meta.platform.simulator.api import Api
from adapters._meta.platform.simulator.customers import Customers
from adapters._meta.platform.simulator.rules import Dialect


class PlatformSimulator(Customers, Api):
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
        super().__init__(account, dialect, rate, account.human_agent if human_agent is None else human_agent, patience)
