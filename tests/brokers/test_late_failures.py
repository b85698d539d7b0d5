"""A provider takes a message and calls it failed later: the row is over and says so, or is really sent once more, and no word about one
try is taken for one about another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.contract import Sent
from adapters.envelope import InboundReceipt
from adapters.replies import CODES, notice_sentence_of, sentence_of
from gateway.journal.contract import OutboxItem
from gateway.session.model import DeliveryState
from gateway.store.contract import Over, Why
from tests.brokers.desk import Desk, desk
from tests.chosen import examples

WAIT = 60.0
HOUR = 3600.0


def too_many(one: Desk, *message_ids: str, **more: Any) -> InboundReceipt:
    """As WhatsApp's 130429: nothing was delivered, and trying later helps."""
    code = {"code": "rate_limited", "provider_code": "130429", "again_after_seconds": WAIT}
    return one.receipt("failed", message_ids=message_ids, **code, **more)


def refused(one: Desk, *message_ids: str, **more: Any) -> InboundReceipt:
    """Final."""
    return one.receipt("failed", message_ids=message_ids, code="provider_unavailable", provider_code="131000", **more)


async def told(one: Desk, session_id: str) -> list[DeliveryState]:
    return [state for line in await one.lines(session_id) for state in line.delivery]


async def sent(one: Desk, session_id: str, *ids: str) -> OutboxItem:
    """The next message goes out under these ids."""
    (item,) = await one.begun()
    await one.broker.outbox.settle(item, Sent(ids))
    return item


async def quiet_conversation(one: Desk) -> str:
    """With the notice that Ana has joined out of the way."""
    session_id = await one.conversation()
    await one.deliver()
    return session_id


async def test_what_the_provider_could_not_deliver_is_sent_once_more_and_says_that_it_waits(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await quiet_conversation(one)
        await one.say(session_id)
        first = await sent(one, session_id, "wamid.1")
        assert await one.take_in(too_many(one, "wamid.1")) == [None]
        state = (await told(one, session_id))[-1]
        assert (state.status, state.code, state.reason) == ("queued", "rate_limited", sentence_of("rate_limited", waits=True))
        one.later(WAIT - 1)
        assert await one.ready() == [], "paced: not sooner than the provider's limit has passed"
        one.later(WAIT + 1)
        again = await sent(one, session_id, "wamid.2")
        assert (again.id, again.lost_at) == (first.id, None)
        assert again.message.retry_key != first.message.retry_key, "a new message to the provider"
        assert await one.states(session_id) == ["sent", "sent"]


async def test_only_once(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await quiet_conversation(one)
        await one.say(session_id)
        await sent(one, session_id, "wamid.1")
        await one.take_in(too_many(one, "wamid.1"))
        one.later(3 * WAIT)
        await sent(one, session_id, "wamid.2")
        await one.take_in(too_many(one, "wamid.2"))
        state = (await told(one, session_id))[-1]
        assert (state.status, state.code, state.reason) == ("failed", "rate_limited", sentence_of("rate_limited"))
        one.later(HOUR)
        assert await one.ready() == []


async def test_a_day_later_nobody_wants_it_any_more(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await quiet_conversation(one)
        await one.say(session_id)
        await sent(one, session_id, "wamid.1")
        one.later(24 * HOUR)
        await one.take_in(too_many(one, "wamid.1"))
        state = (await told(one, session_id))[-1]
        assert (state.status, state.reason) == ("failed", sentence_of("rate_limited"))


async def test_a_notice_is_skipped(tmp_path: Path) -> None:
    """M3"""
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        await sent(one, session_id, "wamid.1")
        await one.take_in(too_many(one, "wamid.1"))
        (state,) = await told(one, session_id)
        assert (state.status, state.reason) == ("skipped", notice_sentence_of("rate_limited"))
        one.later(HOUR)
        assert await one.ready() == []


async def test_what_follows_in_the_conversation_waits_behind_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await quiet_conversation(one)
        await one.say(session_id, "first")
        first = await sent(one, session_id, "wamid.1")
        await one.say(session_id, "second")
        await one.take_in(too_many(one, "wamid.1"))
        assert await one.ready() == []
        one.later(3 * WAIT)
        (again,) = await one.begun()
        assert again.id == first.id
        await one.broker.outbox.settle(again, Sent(("wamid.2",)))
        (second,) = await one.begun()
        assert second.message.text == "second"  # type: ignore[union-attr]


async def test_a_crash_after_the_late_failure_changes_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await quiet_conversation(one)
        await one.say(session_id)
        first = await sent(one, session_id, "wamid.1")
        failure = too_many(one, "wamid.1")
        await one.take_in(failure)
        await one.restart()
        await one.take_in(failure)
        assert await one.states(session_id) == ["sent", "queued"]
        assert await one.ready() == []
        one.later(3 * WAIT)
        again = await sent(one, session_id, "wamid.2")
        assert again.id == first.id
        assert await one.states(session_id) == ["sent", "sent"]


@pytest.mark.parametrize("status", ["sent", "delivered", "read", "failed"])
@pytest.mark.parametrize("moment", ["waiting", "in the call", "sent again"])
@pytest.mark.parametrize("by_whom", ["ourselves", "the rep"])
async def test_what_is_said_of_the_first_try_says_nothing_of_the_second(
    by_whom: str, moment: str, status: str, tmp_path: Path
) -> None:
    async with desk(tmp_path) as one:
        session_id = await quiet_conversation(one)
        await one.say(session_id)
        row = await sent(one, session_id, "wamid.1")
        if by_whom == "ourselves":
            await one.take_in(too_many(one, "wamid.1"))
        else:
            await one.take_in(refused(one, "wamid.1"))
            await one.replay(row.id)
        expected = "queued"
        if moment != "waiting":
            one.later(3 * WAIT)
            (again,) = await one.begun()
            expected = "sending"
        if moment == "sent again":
            await one.broker.outbox.settle(again, Sent(("wamid.2",)))
            expected = "sent"
        late = one.receipt(status, message_ids=("wamid.1",), outbox_id=row.id, code="refused")
        assert await one.take_in(late) == [None]
        assert (await one.states(session_id))[-1] == expected
        if moment == "in the call":
            await one.broker.outbox.settle(again, Sent(("wamid.2",)))
        if moment != "waiting":
            await one.take_in(one.receipt("delivered", message_ids=("wamid.2",), outbox_id=row.id))
            assert (await one.states(session_id))[-1] == "delivered"


async def test_a_failure_that_overtakes_the_answer_to_our_call_counts(tmp_path: Path) -> None:
    """The status carries our id, so it is known before the provider's id is."""
    for failure, expected in ((refused, "failed"), (too_many, "queued")):
        async with desk(tmp_path / expected) as one:
            session_id = await quiet_conversation(one)
            await one.say(session_id)
            (item,) = await one.begun()
            await one.take_in(failure(one, "wamid.1", outbox_id=item.id))
            await one.broker.outbox.settle(item, Sent(("wamid.1",)))
            assert (await one.states(session_id))[-1] == expected


async def test_a_lost_tries_failure_is_not_the_present_ones(tmp_path: Path) -> None:
    """The first answer was lost, the rep sent again; then the first try's failure comes."""
    async with desk(tmp_path) as one:
        session_id = await quiet_conversation(one)
        await one.say(session_id)
        (item,) = await one.begun()
        await one.broker.outbox.settle(item, Over("unknown", Why(code="no_answer", reason="No answer came.")))
        await one.replay(item.id)
        await one.take_in(refused(one, "wamid.1", outbox_id=item.id))
        assert (await one.states(session_id))[-1] == "queued", "it is on its way"
        await sent(one, session_id, "wamid.2")
        await one.take_in(refused(one, "wamid.1", outbox_id=item.id))
        await one.take_in(refused(one, "wamid.0", outbox_id=item.id))
        assert (await one.states(session_id))[-1] == "sent"


async def test_where_ids_are_the_same_on_each_try_the_second_can_be_delivered(tmp_path: Path) -> None:
    """An open channel names messages by our ids."""
    async with desk(tmp_path) as one:
        session_id = await quiet_conversation(one)
        await one.say(session_id)
        row = await sent(one, session_id, "our-id")
        await one.take_in(refused(one, "our-id"))
        await one.replay(row.id)
        (again,) = await one.begun()
        await one.take_in(one.receipt("delivered", message_ids=("our-id",), outbox_id=row.id))
        await one.broker.outbox.settle(again, Sent(("our-id",)))
        assert (await one.states(session_id))[-1] == "delivered", "though it overtook the answer"


async def test_what_the_provider_said_is_kept_for_operators(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await quiet_conversation(one)
        await one.say(session_id)
        row = await sent(one, session_id, "wamid.1")
        await one.take_in(refused(one, "wamid.1", detail="Something went wrong"))
        tries = await one.rows(f"SELECT outcome, detail FROM outbox_attempts WHERE outbox_id = '{row.id}' ORDER BY attempt")  # noqa: S608
        assert tries[-1] == ("failed_later", "provider_unavailable 131000: Something went wrong")


RECEIPTS = st.tuples(st.sampled_from(["sent", "delivered", "read", "failed", "too many"]), st.integers(0, 2), st.booleans())
STEPS = st.one_of(RECEIPTS, st.sampled_from(["lease", "take", "replay", "restart"]))


@given(steps=st.lists(STEPS, min_size=1, max_size=14))
@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_comes_in_whatever_order_each_state_has_its_cause_and_each_promise_is_kept(
    steps: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Steps of the provider, the sender, an operator and crashes."""
    async with desk(tmp_path_factory.mktemp("order")) as one:
        session_id = await quiet_conversation(one)
        await one.say(session_id)
        tries, taken, in_call, row_id = 0, 0, None, ""
        said: dict[int, list[str]] = {}
        for step in steps:
            one.later(3 * WAIT)
            if step == "restart":
                await one.restart()
                in_call = None
            elif step == "replay" and row_id:
                await one.replay(row_id)
            elif step == "lease" and in_call is None:
                leased = await one.ready()
                in_call = leased[0] if leased else None
                if in_call and in_call.lost_at is None:
                    assert await one.broker.outbox.begin(in_call)
                if in_call and in_call.lost_at is not None:
                    await one.broker.outbox.settle(
                        in_call, Over("unknown", Why(code="no_answer", reason=sentence_of("no_answer")))
                    )
                    in_call = None
                elif in_call:
                    tries, row_id = tries + 1, in_call.id
            elif step == "take" and in_call:
                await one.broker.outbox.settle(in_call, Sent((f"wamid.{tries}",)))
                in_call, taken = None, tries
            elif isinstance(step, tuple) and tries:
                status, back, ours = step
                about = max(1, tries - back)
                said.setdefault(about, []).append(status)
                named = {"outbox_id": row_id} if ours else {}
                receipt = too_many(one, f"wamid.{about}", **named) if status == "too many" else None
                await one.take_in(receipt or one.receipt(status, message_ids=(f"wamid.{about}",), code="refused", **named))
        state = (await told(one, session_id))[-1]
        if state.status in ("delivered", "read"):
            assert any({"delivered", "read"} & set(words) for words in said.values())
        if state.status == "failed":
            told_of = said.get(tries, []) if taken == tries else [word for words in said.values() for word in words]
            assert {"failed", "too many"} & set(told_of), "of the last try, where it is known"
            assert state.reason in {words.over for words in CODES.values()}
        if state.status == "queued" and state.reason:
            assert state.reason in {words.waits for words in CODES.values()}
            one.later(3 * WAIT)
            assert await one.ready(), "it promises a try, and there is one"


async def test_a_failure_that_could_not_be_kept_is_taken_when_it_comes_again(tmp_path: Path) -> None:
    """A crash in the transaction: nothing of it has happened."""
    async with desk(tmp_path) as one:
        session_id = await quiet_conversation(one)
        await one.say(session_id)
        await sent(one, session_id, "wamid.1")
        failure = too_many(one, "wamid.1")
        with one.failing_at("event_marked"):
            assert [type(result) for result in await one.take_in(failure)] == [ValueError]
        await one.restart()
        assert (await one.states(session_id))[-1] == "sent"
        assert await one.take_in(failure) == [None]
        assert (await one.states(session_id))[-1] == "queued"
