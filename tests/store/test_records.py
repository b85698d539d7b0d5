"""What is thrown away when it is old, a portion at a time."""

from __future__ import annotations

from datetime import timedelta

from gateway.store.contract import Transaction
from tests.store.backends import Jobs

DAY = timedelta(days=1).total_seconds()


def note(stored: Transaction, name: str) -> None:
    stored.conversations.first_sight("sms", name)
    stored.records.keep_answer("acme", "ana", name, "fingerprint", "answer")
    stored.events.add(org="acme", session_id=None, type="presence", audience={"rep:ana"}, data={})


def test_the_oldest_go_first_and_it_says_whether_more_is_left(jobs: Jobs) -> None:
    for number in range(5):
        jobs(lambda stored, name=f"event-{number}": note(stored, name), number)  # type: ignore[misc]
    jobs(lambda stored: note(stored, "young"), 10 * DAY)

    def left(stored: Transaction) -> tuple[list[bool], int]:
        """Which answers are there still, and how many events."""
        names = [*(f"event-{number}" for number in range(5)), "young"]
        return [stored.records.first_answer("acme", "ana", name) is not None for name in names], len(stored.events.after(0))

    steps = [(jobs(lambda stored: stored.records.purge(2), 10 * DAY), jobs(left)) for _ in range(3)]
    assert steps == [
        (True, ([False, False, True, True, True, True], 4)),
        (True, ([False, False, False, False, True, True], 2)),
        (False, ([False, False, False, False, False, True], 1)),
    ]
    assert jobs(lambda stored: [stored.conversations.first_sight("sms", name) for name in ("event-4", "young")]) == [True, False]
