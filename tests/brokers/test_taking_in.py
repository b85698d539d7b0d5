"""What customers and providers tell, on the real broker: each event once, whatever its order, and one bad event costs only itself."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from adapters.contract import Sent
from adapters.envelope import Address, ChannelId, EndUser
from gateway.session.commands import AcceptWork, SayToCustomer
from gateway.session.decision import Refusal
from gateway.session.model import Login
from gateway.store.contract import Again, Over, Why
from tests.brokers.desk import Desk, desk


async def test_an_event_that_comes_again_does_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        event = one.message("hello")
        assert await one.take_in(event, event) == [None, None]
        await one.restart()
        assert await one.take_in(event) == [None]
        session = await one.session()
        assert await one.texts(session.id) == ["hello"]


async def test_a_message_under_another_event_id_is_the_same_message(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        await one.take_in(one.message("hello", message_id="m1"), one.message("hello", message_id="m1"))
        session = await one.session()
        assert await one.texts(session.id) == ["hello"]


async def test_first_messages_that_come_together_open_one_session(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        await one.take_in(*(one.message(f"hello {n}") for n in range(20)))
        (session,) = await one.sessions()
        assert await one.texts(session.id) == [f"hello {n}" for n in range(20)]


async def test_another_address_of_the_same_person_finds_the_same_session(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        phone, scoped = Address("+15551234567"), Address("US.123")
        await one.take_in(one.message("by phone", end_user=EndUser(address=phone, aliases=(scoped,))))
        await one.take_in(one.message("by the other", end_user=EndUser(address=scoped)))
        (session,) = await one.sessions()
        assert session.end_user.id == phone
        assert await one.texts(session.id) == ["by phone", "by the other"]


async def test_the_customers_end_ends_it_and_the_next_message_opens_another(tmp_path: Path) -> None:
    """L4"""
    async with desk(tmp_path) as one:
        first = await one.conversation()
        await one.take_in(one.ended())
        assert (await one.session()).status.value == "ended"
        await one.take_in(one.message("one more thing"))
        newest, _ = sorted(await one.sessions(), key=lambda s: s.id == first)
        assert newest.status.value == "waiting"
        assert await one.texts(newest.id) == ["one more thing"]


async def test_one_event_that_cant_be_applied_costs_only_itself(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        stray = one.message("who am I", channel_id=ChannelId("gone"))
        before, after = one.message("before"), one.message("after")
        results = await one.take_in(before, stray, after)
        assert [result is None for result in results] == [True, False, True]
        (session,) = await one.sessions()
        assert await one.texts(session.id) == ["before", "after"]
        assert await one.rows("SELECT count(*) FROM seen_events") == [(2,)], "the bad one may come again"


# ------------------------------------------------------------------------------------------- later changes


async def test_an_edit_that_overtakes_its_message_waits_for_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        await one.take_in(one.edit("m1", "hello, corrected"))
        assert await one.sessions() == []
        await one.take_in(one.message("hello", message_id="m1"))
        session = await one.session()
        (first, *_) = await one.lines(session.id)
        assert first.edited


async def test_what_was_taken_back_is_shown_to_nobody(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        await one.take_in(one.message("my card is 4111", message_id="m2"), one.deletion("m2"))
        for login in ("ana", "sam"):
            told = " ".join(line.model_dump_json() for line in await one.lines(session_id, login))
            assert "4111" not in told


async def test_changes_to_a_message_that_never_comes_dont_fill_the_disk(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        await one.take_in(*(one.reaction("never", "👍") for _ in range(100)))
        ((parked,),) = await one.rows("SELECT count(*) FROM parked")
        assert parked <= 20


# ------------------------------------------------------------------------------------------------ receipts


async def test_receipts_only_raise(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        await one.deliver()
        ((theirs,),) = await one.rows("SELECT message_id FROM message_ids WHERE outbox_id IS NOT NULL")
        for status, expected in (("read", "read"), ("delivered", "read"), ("sent", "read"), ("failed", "read")):
            await one.take_in(one.receipt(status, message_ids=(theirs,)))
            assert await one.states(session_id) == [expected]


async def test_a_receipt_that_overtakes_the_answer_to_our_call_counts_after_all(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        (item,) = await one.begun()
        await one.take_in(one.receipt("delivered", message_ids=(f"their-{item.id}",)))
        assert await one.states(session_id) == ["sending"]
        await one.broker.outbox.settle(item, Sent((f"their-{item.id}",)))
        assert await one.states(session_id) == ["delivered"]


@pytest.mark.parametrize("code", ["recipient_unreachable", "a_plug_in_s_own"])
async def test_a_message_that_failed_after_it_was_taken_says_so(code: str, tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        await one.deliver()
        await one.say(session_id)
        await one.deliver()
        _, (theirs,) = await one.rows("SELECT message_id FROM message_ids WHERE outbox_id IS NOT NULL ORDER BY number")
        failed = one.receipt("failed", message_ids=(theirs,), code=code, provider_code="131026")
        assert await one.take_in(failed) == [None]
        _, delivery = (line.delivery[0] for line in await one.lines(session_id) if line.delivery)
        assert (delivery.status, delivery.code) == ("failed", code)
        assert delivery.reason


async def test_a_watermark_raises_what_was_sent_until_then(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        await one.deliver()
        seen_at = one.now
        one.later(10)
        await one.say(session_id, "are you there?")
        await one.deliver()
        await one.take_in(one.receipt("read", up_to=seen_at + timedelta(seconds=1)))
        assert await one.states(session_id) == ["read", "sent"]


async def test_a_watermark_says_nothing_of_a_message_whose_fate_isnt_known(tmp_path: Path) -> None:
    """It speaks of what the provider has; whether it has that one is the question."""
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        (item,) = await one.begun()
        await one.broker.outbox.settle(item, Over("unknown", Why(code="no_answer", reason="No answer came.")))
        one.later(10)
        await one.say(session_id, "are you there?")
        await one.deliver()
        one.later(1)
        await one.take_in(one.receipt("read", up_to=one.now))
        assert await one.states(session_id) == ["unknown", "read"]


async def test_a_receipt_by_our_own_id_settles_what_wasnt_known(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        (item,) = await one.begun()
        await one.restart()
        (again,) = await one.begun()
        assert again.lost_at is not None
        await one.broker.outbox.settle(again, Over("unknown", Why(code="no_answer", reason="No answer came.")))
        await one.take_in(one.receipt("delivered", outbox_id=item.id, message_ids=("their-1",)))
        assert await one.states(session_id) == ["delivered"]


async def test_nobody_elses_channel_speaks_of_our_messages(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        (item,) = await one.begun()
        await one.take_in(one.receipt("read", outbox_id=item.id, channel_id=ChannelId("line")))
        assert await one.states(session_id) == ["sending"]


# --------------------------------------------------------------------------------------- the customer's end


@pytest.mark.parametrize("channel_id", ["whatsapp", "sms", "line", "apple", "webchat"])
async def test_L4_what_waits_to_go_out_is_not_sent_after_the_customers_end(channel_id: str, tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        one.channel_id = ChannelId(channel_id)
        session_id = await one.conversation()
        await one.deliver()
        for number in range(3):
            await one.say(session_id, f"line {number}")
        (begun,) = await one.begun()
        await one.take_in(one.ended())
        assert (await one.states(session_id))[-3:] == ["sending", "skipped", "skipped"]
        await one.broker.outbox.settle(begun, Sent(("their-last",)))
        assert await one.begun() == []
        skipped = [d for line in await one.lines(session_id) for d in line.delivery if d.status == "skipped"]
        assert all(d.code == "customer_ended" and d.reason for d in skipped)
        again = await one.broker.resend(one.caller("sam"), session_id, skipped[0].outbox_id)
        assert isinstance(again, Refusal)
        await one.take_in(one.message("me again"))
        following = (await one.session()).id
        assert following != session_id
        await one.does(AcceptWork(by=Login("ana")), following)
        await one.say(following, "welcome back")
        await one.deliver()
        assert set(await one.states(following)) == {"sent"}


async def test_L4_a_message_in_hand_is_not_called_out_after_the_customers_end(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        await one.deliver()
        await one.say(session_id, "a picture that goes up first, say")
        (item,) = await one.ready()
        await one.take_in(one.ended())
        assert not await one.broker.outbox.begin(item)


async def test_L4_what_a_provider_could_not_deliver_is_not_sent_again_after_the_customers_end(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        await one.deliver()
        await one.say(session_id, "on its way when Kim ended it")
        (begun,) = await one.begun()
        await one.broker.outbox.settle(begun, Sent(("wamid.1",)))
        await one.take_in(one.ended())
        await one.take_in(one.receipt("failed", message_ids=("wamid.1",), code="rate_limited", again_after_seconds=1))
        one.later(10)
        assert await one.begun() == []
        (delivery,) = [d for line in (await one.lines(session_id))[-2:] for d in line.delivery]
        assert (delivery.status, delivery.code) == ("failed", "rate_limited")


async def test_L4_a_call_that_the_provider_did_not_take_is_not_made_again_after_the_customers_end(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        await one.deliver()
        await one.say(session_id, "in the call when Kim ended it")
        (begun,) = await one.begun()
        await one.take_in(one.ended())
        await one.broker.outbox.settle(begun, Again(Why(code="rate_limited", reason="It waits."), 1))
        one.later(2)
        assert await one.begun() == []
        last = (await one.lines(session_id))[-2:]
        (delivery,) = [d for line in last for d in line.delivery]
        assert (delivery.status, delivery.code) == ("skipped", "customer_ended")


async def test_an_answer_names_what_it_answers_by_the_providers_id(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        await one.take_in(one.message("which of the two?", message_id="kim-2"))
        asked = next(line.entry.number for line in await one.lines(session_id) if line.entry.text == "which of the two?")
        await one.does(SayToCustomer(by=Login("ana"), text="the red one", reply_to=asked), session_id)
        assert await _answers(one) == "kim-2"
        await one.deliver()
        said = next(line.entry.number for line in await one.lines(session_id) if line.entry.text == "the red one")
        ((provider_id,),) = await one.rows(f"SELECT message_id FROM message_ids WHERE number = {said}")  # noqa: S608
        await one.does(SayToCustomer(by=Login("ana"), text="or the blue one", reply_to=said), session_id)
        assert await _answers(one) == provider_id


async def _answers(one: Desk) -> str | None:
    """What the last message to the customer answers."""
    ((found,),) = await one.rows("SELECT json_extract(payload, '$.reply_to') FROM outbox ORDER BY ordinal DESC LIMIT 1")
    return found  # type: ignore[no-any-return]
