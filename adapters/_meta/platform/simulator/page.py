"""One Page or account of the simulated Messenger Platform."""

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
