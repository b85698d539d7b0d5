"""Duties are shared out evenly, and few of them move when a process comes or goes."""

from __future__ import annotations

from collections import Counter

import pytest

from gateway.sharing.contract import Group, of_lanes
from gateway.sharing.quota import moves
from gateway.store.leases import Shared, There

LANES = of_lanes("broker")
SINGLE = Group("broker", ("purge", "filing", "timers", "presence", "mover"))
SORTS = Group("broker", tuple(f"sort channel-{number}" for number in range(6)))


class Table:
    """The leases, and workers that come and go."""

    def __init__(self, *groups: Group) -> None:
        self.groups = groups
        self.workers: list[There] = []
        self.holders: dict[str, str] = {}

    def comes(self, worker: str, *roles: str) -> None:
        self.workers.append(There(worker, frozenset(roles or ("broker",)), late=False))

    def goes(self, worker: str) -> None:
        self.workers = [one for one in self.workers if one.id != worker]
        self.holders = {duty: holder for duty, holder in self.holders.items() if holder != worker}

    def beats(self, times: int = 4) -> int:
        """How many duties have changed hands."""
        before = dict(self.holders)
        for _ in range(times):
            for one in self.workers:
                found = moves(one.id, Shared(self.workers, dict(self.holders), 1e9), self.groups, ())
                assert not any(duty in self.holders for duty in found.claims)
                for duty in found.surplus:
                    del self.holders[duty]
                for duty in found.claims:
                    self.holders[duty] = one.id
        return sum(self.holders.get(duty) != holder for duty, holder in before.items())

    def counts(self, group: Group) -> list[int]:
        found = Counter(self.holders[duty] for duty in group.duties)
        return sorted((found[one.id] for one in self.workers), reverse=True)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 64, 70])
def test_all_duties_are_done_and_nobody_has_two_more_than_another(count: int) -> None:
    table = Table(LANES, SINGLE, SORTS)
    for number in range(count):
        table.comes(f"w{number:02d}")
        table.beats()
    for group in table.groups:
        counts = table.counts(group)
        assert sum(counts) == len(group.duties)
        assert counts[0] - counts[-1] <= 1


def test_who_comes_moves_no_more_than_its_share() -> None:
    table = Table(LANES)
    for worker in ("a", "b", "c"):
        table.comes(worker)
        table.beats()
    table.comes("d")
    assert table.beats() == 16


def test_what_one_had_who_is_gone_is_all_that_moves() -> None:
    table = Table(LANES)
    for worker in ("a", "b", "c", "d"):
        table.comes(worker)
        table.beats()
    table.goes("b")
    assert table.beats() <= 2, "of a quota that can't be divided"
    assert table.counts(LANES) == [22, 21, 21]


def test_only_the_role_counts() -> None:
    table = Table(LANES)
    table.comes("a")
    table.comes("b", "api")
    table.beats()
    assert table.counts(LANES) == [64, 0]


def test_one_that_is_late_is_waited_for_by_nobody() -> None:
    late = [There("a", frozenset({"broker"}), late=False), There("b", frozenset({"broker"}), late=True)]
    assert moves("a", Shared(late, {}, 1e9), (LANES,), ()).claims == frozenset(LANES.duties)


def test_what_is_let_go_of_already_counts_until_it_is_free() -> None:
    workers = [There("a", frozenset({"broker"}), late=False), There("b", frozenset({"broker"}), late=False)]
    shared = Shared(workers, dict.fromkeys(LANES.duties, "a"), 1e9)
    surplus = moves("a", shared, (LANES,), ()).surplus
    assert len(surplus) == 32
    again = moves("a", shared, (LANES,), surplus)
    assert again.surplus == frozenset()
    assert again.claims == frozenset()
