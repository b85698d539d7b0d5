"""Duties that a process has finished with become free, also when the database was away at that moment."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from gateway.errors import StoreUnavailable
from gateway.sharing.contract import of_lanes
from gateway.sharing.worker import Worker
from gateway.store.leases import About, Changes, Leases, Shared
from gateway.store.postgresql.database import PostgresDatabase
from tests.sharing.test_worker import a_database, worker_of
from tests.world import wait_until


class Fragile(Leases):
    """The beat that would let go of something fails, once."""

    failed = False

    def beat(self, worker: str, decide: Callable[[Shared], Changes]) -> Any:
        def decided(shared: Shared) -> Changes:
            changes = decide(shared)
            if changes.let_go and not self.failed:
                self.failed = True
                raise StoreUnavailable("as the test asked")
            return changes

        return super().beat(worker, decided)


async def test_a_duty_is_let_go_of_even_if_the_first_try_fails() -> None:
    with a_database() as url:
        leases = Fragile(PostgresDatabase(url), lease_seconds=6.0)
        one, two = Worker(leases, About("one", "here", os.getpid(), "1")), worker_of(url)
        try:
            await one.start([of_lanes("broker")])
            await wait_until(lambda: len(one.lanes("broker")) == 64, what="all are the first one's")
            await two.start([of_lanes("broker")])
            await wait_until(lambda: len(two.lanes("broker")) == 32, what="half are the second one's")
            assert leases.failed
            assert len(one.lanes("broker")) == 32
        finally:
            await one.close()
            await two.close()
