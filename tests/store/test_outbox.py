"""The outbox, on each store: one message of a conversation at a time, in order, whatever befalls the one before."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest

from adapters.contract import Sent
from adapters.envelope import Address, ChannelId, Notice, Say
from gateway.store.contract import Again, OutboxRow, Outcome, Over, OverState, Why
from gateway.store.outbox import message_of
from tests.store.backends import Jobs

CREATED = datetime(2026, 11, 2, 8, tzinfo=UTC)
CHANNEL = "line"


_ids = itertools.count(1)


def add(jobs: Jobs, text: str, to: str = "kim", *, notice: bool = False) -> str:
    made = {
        "id": f"msg_{next(_ids)}",
        "retry_key": f"key of {text}",
        "created_at": CREATED,
        "to": Address(to),
        "channel_id": ChannelId(CHANNEL),
        "text": text,
    }
    message = Notice(**made, code="joined") if notice else Say(**made)  # type: ignore[arg-type]
    about = {"org": "acme", "session_id": f"ses_{to}"}
    jobs(lambda stored: stored.outbox.add(message, **about, entry_number=1, media_id=None))
    return str(made["id"])


def ready(jobs: Jobs, now: float = 0, *, busy: tuple[str, ...] = (), limit: int = 10) -> list[OutboxRow]:
    return list(jobs(lambda stored: stored.outbox.ready(CHANNEL, steady=now, limit=limit, busy=busy)).rows)


def settle(jobs: Jobs, row: OutboxRow, outcome: Outcome, now: float) -> None:
    jobs(lambda stored: stored.outbox.settle(row, outcome, steady=0), now)


def requeue(jobs: Jobs, message_id: str, retry_key: str) -> OutboxRow | None:
    return jobs(lambda stored: stored.outbox.requeue(message_id, retry_key), 2)


def state_of(jobs: Jobs, row: OutboxRow) -> str:
    found = jobs(lambda stored: stored.outbox.report(row.id))
    assert found is not None
    return found[0].state


def texts(rows: list[OutboxRow]) -> list[str]:
    return [message_of(row).text or "" for row in rows]  # type: ignore[union-attr]


def test_one_at_a_time_of_each_conversation_in_order(jobs: Jobs) -> None:
    for text, to in (("k1", "kim"), ("k2", "kim"), ("l1", "lee")):
        add(jobs, text, to)
    first = ready(jobs)
    assert texts(first) == ["k1", "l1"]
    assert ready(jobs, busy=tuple(row.id for row in first)) == [], "both conversations have one under way"
    settle(jobs, first[0], Sent(("m1",)), 1)
    assert texts(ready(jobs, 1, busy=(first[1].id,))) == ["k2"]


def test_a_conversation_in_hand_is_left_alone_and_takes_no_room(jobs: Jobs) -> None:
    kim, *_ = [add(jobs, to, to) for to in ("kim", "lee", "max")]
    assert texts(ready(jobs, busy=(kim,), limit=2)) == ["lee", "max"]


def test_it_says_what_it_leaves(jobs: Jobs) -> None:
    def left(limit: int, *busy: str) -> tuple[bool, bool]:
        found = jobs(lambda stored: stored.outbox.ready(CHANNEL, steady=0, limit=limit, busy=busy))
        return found.full, found.held

    first, *_ = [add(jobs, *one) for one in (("k1", "kim"), ("k2", "kim"), ("l1", "lee"))]
    assert left(2) == (True, False), "as many as were asked for: there may be more"
    assert left(3) == (False, False)
    assert left(3, first) == (False, False), "what follows in the conversation is nobody's turn yet"
    (row, _) = ready(jobs)
    settle(jobs, row, Sent(("m1",)), 1)
    assert left(3, first) == (False, True), "whoever works on the first doesn't know yet that it has ended"


def test_whether_a_conversation_goes_on(jobs: Jobs) -> None:
    for text, to in (("k1", "kim"), ("k2", "kim"), ("l1", "lee"), ("m1", "max")):
        add(jobs, text, to)
    kim, lee, to_max = ready(jobs)
    for row in (kim, lee):
        settle(jobs, row, Sent((f"of {row.id}",)), 1)
    settle(jobs, to_max, Again(Why("rate_limited", "It waits."), 100), 1)
    rows = [kim, lee, to_max]
    assert jobs(lambda stored: stored.outbox.go_on(rows)) == {kim.id, to_max.id}, "Kim has another, and Max the same once more"


def test_words_go_before_notices_where_conversations_compete(jobs: Jobs) -> None:
    add(jobs, "Ana has joined", "kim", notice=True)
    add(jobs, "good day", "lee")
    assert texts(ready(jobs, limit=1)) == ["good day"]
    assert texts(ready(jobs)) == ["good day", "Ana has joined"]


def test_a_message_that_waits_for_its_next_try_holds_its_place(jobs: Jobs) -> None:
    add(jobs, "k1")
    add(jobs, "k2")
    (row,) = ready(jobs)
    settle(jobs, row, Again(Why("rate_limited", "It waits.", "429"), 100), 1)
    assert ready(jobs, 99) == []
    assert jobs(lambda stored: stored.outbox.heads()) == [(CHANNEL, 100.0)]
    (again,) = ready(jobs, 100)
    assert (texts([again]), again.attempts, again.lost_at) == (["k1"], 2, None)


@pytest.mark.parametrize("state", ["failed", "unknown", "skipped"])
def test_one_that_is_over_lets_the_next_go(state: OverState, jobs: Jobs) -> None:
    add(jobs, "k1")
    add(jobs, "k2")
    (row,) = ready(jobs)
    settle(jobs, row, Over(state, Why("refused", "No.", "99")), 1)
    assert texts(ready(jobs, 1)) == ["k2"]
    (troubled,) = jobs(lambda stored: stored.outbox.troubled(10))
    assert (troubled.state, troubled.reason) == (state, "No.")


def test_what_was_in_hand_is_as_it_was_until_its_call_begins(jobs: Jobs) -> None:
    message_id = add(jobs, "k1")
    ready(jobs, 5)
    (row,) = ready(jobs, 6)
    assert (row.lost_at, row.attempts) == (None, 1)
    assert jobs(lambda stored: stored.outbox.begin([message_id]), 7) == {message_id}
    (row,) = ready(jobs, 8)
    assert row.lost_at == 7.0, "when the lost call began"


@pytest.mark.parametrize("state", ["failed", "unknown", "skipped"])
def test_what_is_over_is_not_begun(state: OverState, jobs: Jobs) -> None:
    message_id = add(jobs, "k1")
    (row,) = ready(jobs)
    settle(jobs, row, Over(state, Why("refused", "No.")), 1)
    assert jobs(lambda stored: stored.outbox.begin([message_id]), 2) == set()
    assert state_of(jobs, row) == state


def test_a_late_outcome_changes_nothing_that_is_settled(jobs: Jobs) -> None:
    """A receipt, say, came before the answer to our call."""
    add(jobs, "k1")
    (row,) = ready(jobs, 0)
    settle(jobs, row, Sent(("m1",)), 61)
    settle(jobs, row, Over("failed", Why("refused", "No.")), 62)
    settle(jobs, row, Again(Why("rate_limited", "It waits."), 63), 62)
    assert state_of(jobs, row) == "sent"


def test_sending_again_keeps_the_key_of_what_isnt_known_and_renews_that_of_a_refusal(jobs: Jobs) -> None:
    for state in ("unknown", "failed"):
        message_id = add(jobs, state)
        (row,) = ready(jobs)
        settle(jobs, row, Over(state, Why("x", "x")), 1)
        assert requeue(jobs, message_id, "a new key") is not None
        assert requeue(jobs, message_id, "a third key") is None, "it is on its way"
        (again,) = ready(jobs, 3)
        assert message_of(again).retry_key == ("key of unknown" if state == "unknown" else "a new key")
        assert again.attempts == 1
        settle(jobs, again, Sent(()), 4)


def test_a_read_message_is_never_less_again(jobs: Jobs) -> None:
    add(jobs, "k1")
    (row,) = ready(jobs)
    assert jobs(lambda stored: stored.outbox.raise_state(row, "read"), 1), "the receipt came before the answer"
    settle(jobs, row, Sent(("m1",)), 2)
    assert not jobs(lambda stored: stored.outbox.raise_state(row, "delivered"), 3)
    over, again = Over("failed", Why("x", "x")), Again(Why("x", "x"), 0)
    assert not jobs(lambda stored: stored.outbox.fail_late(row, over), 4)
    assert not jobs(lambda stored: stored.outbox.resend_late(row, again, retry_key="another", steady=4), 4)
    assert state_of(jobs, row) == "read"


def test_every_attempt_is_written_down(jobs: Jobs) -> None:
    add(jobs, "k1")
    (row,) = ready(jobs)
    settle(jobs, row, Again(Why("rate_limited", "It waits.", "429", "Slow down"), 0), 1)
    (row,) = ready(jobs, 2)
    settle(jobs, row, Sent(("m1",)), 3)
    found = jobs(lambda stored: stored.outbox.report(row.id))
    assert found is not None
    assert [(one.outcome, one.detail) for one in found[1]] == [("again", "rate_limited 429: Slow down"), ("sent", "m1")]


def test_what_waits_for_its_account_is_due_sooner_once_that_works_and_what_waits_for_itself_is_not(jobs: Jobs) -> None:
    for to in ("kim", "lee", "max"):
        add(jobs, f"to {to}", to)
    kim, lee, sam = ready(jobs)
    settle(jobs, kim, Again(Why("provider_unavailable", "It waits."), 100, sooner=0), 1)
    settle(jobs, lee, Again(Why("provider_unavailable", "It waits."), 100, sooner=50), 1)
    settle(jobs, sam, Again(Why("recipient_unreachable", "It waits."), 100), 1)
    assert ready(jobs, 99) == []
    assert jobs(lambda stored: stored.outbox.hasten("another", limit=10)) == 0
    assert jobs(lambda stored: stored.outbox.hasten(CHANNEL, limit=10)) == 2
    assert [(message_of(row).text, row.hastened) for row in ready(jobs, 1)] == [("to kim", 1)]  # type: ignore[union-attr]
    assert texts(ready(jobs, 50)) == ["to kim", "to lee"]
    reports = {row.id: row.next_at for row in jobs(lambda stored: stored.outbox.waiting(10))}
    assert reports == {kim.id: 0, lee.id: 50, sam.id: 100}, "what operators read"
    assert jobs(lambda stored: stored.outbox.hasten(CHANNEL, limit=10)) == 0, "they don't wait for it any more"


def test_so_many_at_a_time_are_due_sooner_the_oldest_first(jobs: Jobs) -> None:
    for to in ("kim", "lee", "max"):
        add(jobs, to, to)
    for row in ready(jobs):
        settle(jobs, row, Again(Why("provider_unavailable", "It waits."), 100, sooner=0), 1)
    assert jobs(lambda stored: stored.outbox.hasten(CHANNEL, limit=2)) == 2
    assert texts(ready(jobs, 1)) == ["kim", "lee"]
    assert jobs(lambda stored: stored.outbox.hasten(CHANNEL, limit=2)) == 1


@pytest.mark.parametrize("state", ["sent", "failed"])
def test_what_is_over_does_not_wait_for_its_account(state: str, jobs: Jobs) -> None:
    add(jobs, "k1")
    (row,) = ready(jobs)
    settle(jobs, row, Again(Why("provider_unavailable", "It waits."), 100, sooner=0), 1)
    settle(jobs, row, Sent(("m1",)) if state == "sent" else Over("failed", Why("refused", "No.")), 2)
    assert jobs(lambda stored: stored.outbox.hasten(CHANNEL, limit=10)) == 0
    assert state_of(jobs, row) == state
