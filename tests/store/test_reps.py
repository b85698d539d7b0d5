"""Reps' presence in the store, for one rep and for a whole org."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.session.model import Presence
from gateway.store.contract import Transaction
from tests.store.backends import Jobs

LOGINS = [f"rep{number:02d}" for number in range(30)]
STEADY = datetime(2026, 11, 2, tzinfo=UTC)


def statuses(stored: Transaction, org: str = "acme", logins: list[str] | None = None) -> dict[str, Presence]:
    asked = LOGINS if logins is None else logins
    return {login: stored.reps.presence(org, login, steady=lambda: STEADY, grace_seconds=60).status for login in asked}


@pytest.mark.parametrize("asked", [1, 8, 9, 30])
def test_however_many_are_asked_for_each_has_their_own(jobs: Jobs, asked: int) -> None:
    online = LOGINS[::3]
    for org, login in [*(("acme", login) for login in online), ("other", "rep01")]:
        jobs(lambda stored, who=(org, login): stored.reps.set_presence(*who, Presence.online))  # type: ignore[misc]
    found = jobs(lambda stored: statuses(stored, logins=LOGINS[:asked]))
    assert found == {login: Presence.online if login in online else Presence.offline for login in LOGINS[:asked]}


def test_a_change_is_seen_by_whoever_has_asked_for_all_before(jobs: Jobs) -> None:
    def work(stored: Transaction) -> tuple[dict[str, Presence], dict[str, Presence]]:
        before = statuses(stored)
        stored.reps.set_presence("acme", "rep29", Presence.online)
        return before, statuses(stored)

    before, after = jobs(work)
    assert set(before.values()) == {Presence.offline}
    assert [login for login, status in after.items() if status is Presence.online] == ["rep29"]
