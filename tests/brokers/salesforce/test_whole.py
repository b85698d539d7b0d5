"""The whole road, there and back, with a real org's protocol between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.envelope import Address, ChannelId, EndUser, InboundMessage, TextPart
from gateway import clock
from gateway.brokers.salesforce.simulator.contract import Chosen, CustomerSays, HistoryEntry, Upload
from gateway.brokers.salesforce.simulator.plain_org import static_text
from tests.brokers.salesforce.whole import ANN, BOB, Sandbox, conversation_of, gateway_of, sandbox, supervisor
from tests.world import PNG, World, wait_until


@pytest.fixture
async def org(tmp_path: Path) -> AsyncIterator[Sandbox]:
    async with sandbox(tmp_path / "org") as one:
        yield one


@pytest.fixture
async def world(org: Sandbox, tmp_path: Path) -> AsyncIterator[World]:
    async with gateway_of(org, tmp_path / "gateway") as one:
        yield one


async def texts_on(world: World, channel_id: str, count: int) -> list[str]:
    async def shown() -> list[str] | None:
        lines = [line["text"] for line in await world.customer(channel_id).seen()]
        return lines if len(lines) >= count else None

    return list(await wait_until(shown, what=f"{count} lines on the handset"))


def heard(org: Sandbox, conversation: str) -> list[str]:
    """What the customer said, as the org has it."""
    return [words_of(entry) for entry in org.plain.threads[conversation].entries]


def words_of(entry: CustomerSays | HistoryEntry) -> str:
    content = entry.content if isinstance(entry, CustomerSays) else entry
    if isinstance(content, Upload):
        return f"{content.name} {len(content.content)} {content.text}".strip()
    if isinstance(content, Chosen):
        return f"chose {content.options}"
    return str(getattr(content, "text", content))


async def says(world: World, org: Sandbox, channel_id: str, text: str = "hello") -> str:
    """Kim writes for the first time, and Ann takes it; the conversation."""
    assert (await world.customer(channel_id).says(text)).status == 201
    conversation = await conversation_of(org, channel_id)
    org.plain.join(conversation, ANN)
    return conversation


@pytest.mark.parametrize("channel_id", ["open", "whatsapp"])
async def test_there_and_back(org: Sandbox, world: World, channel_id: str) -> None:
    conversation = await says(world, org, channel_id)
    org.plain.say(conversation, ANN, "How can I **help**?")
    joined, answer = await texts_on(world, channel_id, 2)
    assert "Ann has joined the conversation." in joined
    assert answer.endswith("How can I *help*?" if channel_id == "whatsapp" else "How can I help?")
    await world.customer(channel_id).says("My lamp is broken")
    await wait_until(lambda: heard(org, conversation) == ["hello", "My lamp is broken"], what="both messages in the org")
    thread = org.plain.threads[conversation]
    await wait_until(lambda: "Delivered" in [one.status for one in thread.receipts], what="a receipt")


async def test_a_conference_and_its_notices(org: Sandbox, world: World) -> None:
    conversation = await says(world, org, "open")
    org.plain.join(conversation, BOB)
    org.plain.say(conversation, BOB, "I can help")
    org.plain.leave(conversation, ANN)
    shown = await texts_on(world, "open", 4)
    assert shown == [
        "Ann has joined the conversation.",
        "Bob has joined the conversation.",
        "I can help",
        "Ann has left the conversation.",
    ]


async def test_a_transfer_is_one_notice(org: Sandbox, world: World) -> None:
    conversation = await says(world, org, "open")
    org.plain.swap(conversation, ANN, BOB)
    org.plain.say(conversation, BOB, "Good day")
    shown = await texts_on(world, "open", 3)
    assert len(shown) == 3
    assert "Ann" in shown[1]
    assert "Bob" in shown[1]


async def test_a_notice_that_is_late_is_no_news_and_a_message_is(org: Sandbox, world: World) -> None:
    conversation = await says(world, org, "open")
    await texts_on(world, "open", 1)
    late = timedelta(minutes=world.gateway.loaded.config.salesforce["production"].stale_after_minutes + 1)
    org.plain._clock = lambda: clock.now() - late
    org.plain.join(conversation, BOB)
    org.plain.say(conversation, BOB, "Sorry that we are late")
    assert await texts_on(world, "open", 2) == ["Ann has joined the conversation.", "Sorry that we are late"]


async def test_whispers_and_flags_never_reach_the_customer(org: Sandbox, world: World) -> None:
    conversation = await says(world, org, "open")
    for entry_type in ("Note", "FlagRaise", "FlagLower", "ConsultConversationInfo", "SomethingNew"):
        org.plain.publish(conversation, ANN, entry_type, static_text(f"secret {entry_type}"))
    org.plain.say(conversation, ANN, "Good day")
    await texts_on(world, "open", 2)
    session = (await supervisor(world).items("/sessions"))[0]
    lines = await supervisor(world).transcript(session["id"])
    assert "secret" not in str(lines)
    assert "secret" not in str(await world.customer("open").handset())


async def test_files_both_ways(org: Sandbox, world: World) -> None:
    conversation = await says(world, org, "whatsapp")
    await world.customer("whatsapp").says("look", file=PNG)
    await wait_until(lambda: len(heard(org, conversation)) == 2, what="the file in the org")
    assert heard(org, conversation)[1].endswith(f"{len(PNG)} look")
    file = {"id": "068000000000001", "name": "dot.png", "mimeType": "image/png", "url": f"{org.url}/files/dot.png"}
    content = {"formatType": "Attachments", "text": "Here it is", "attachments": [file]}
    org.plain.publish(conversation, ANN, "Message", {"messageType": "StaticContentMessage", "staticContent": content})
    shown = await wait_until(lambda: picture_on(world), what="the rep's picture on the handset")
    assert shown["media"]["mime_type"] == "image/png" if isinstance(shown["media"], dict) else shown["media"]


async def picture_on(world: World) -> Any:
    return next((line for line in await world.customer("whatsapp").seen("message") if line["media"]), None)


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/dot.png", "{org}/files/elsewhere.png"])
async def test_a_file_at_a_strange_address_is_not_fetched_and_salesforce_learns_it(
    org: Sandbox, world: World, address: str
) -> None:
    conversation = await says(world, org, "open")
    url = address.format(org=org.url)
    file = {"id": "068000000000001", "name": "dot.png", "mimeType": "image/png", "url": url}
    content = {"formatType": "Attachments", "attachments": [file]}
    entry = org.plain.publish(conversation, ANN, "Message", {"messageType": "StaticContentMessage", "staticContent": content})
    thread = org.plain.threads[conversation]
    await wait_until(lambda: entry in [failed for failed, _ in thread.failures], what="the failure in Salesforce")


async def test_a_numbered_answer_is_the_choice(org: Sandbox, world: World) -> None:
    conversation = await says(world, org, "open")
    options = [
        {"itemType": "TitleOptionItem", "optionIdentifier": key, "titleItem": {"itemType": "TitleItem", "title": title}}
        for key, title in (("yes", "Yes, please"), ("no", "No, thanks"))
    ]
    choices = {"formatType": "Buttons", "text": "Shall we send another?", "optionItems": options}
    org.plain.publish(conversation, ANN, "Message", {"messageType": "ChoicesMessage", "choices": choices})
    shown = (await texts_on(world, "open", 2))[1]
    assert shown.splitlines()[0] == "Shall we send another?"
    assert "2" in shown
    assert "No, thanks" in shown
    await world.customer("open").says("2")
    await wait_until(lambda: len(heard(org, conversation)) == 2, what="the answer in the org")
    assert "no" in heard(org, conversation)[1]
    assert heard(org, conversation)[1].startswith("chose")


async def test_what_the_channel_cannot_deliver_is_reported_to_the_org(org: Sandbox, world: World) -> None:
    conversation = await says(world, org, "open")
    definition = {"messageType": "StaticContentMessage", "staticContent": {"formatType": "ExperienceType", "values": []}}
    entry = org.plain.publish(conversation, ANN, "Message", definition)
    thread = org.plain.threads[conversation]
    await wait_until(lambda: entry in [failed for failed, _ in thread.failures], what="the failure in Salesforce")


async def test_without_idempotency_only_a_lost_answer_doubles_and_only_there(org: Sandbox, world: World) -> None:
    org.faults.apply({"idempotent": False, "answer": [{"code": 0, "when": "after", "path": "/interactions"}]})
    await world.customer("open").says("one")
    conversation = await conversation_of(org, "open")
    await world.customer("open").says("two")
    await wait_until(lambda: heard(org, conversation)[-1:] == ["two"], what="both")
    assert heard(org, conversation) == ["one", "one", "two"]
    ids = [entry.entry_id for entry in org.plain.threads[conversation].entries if isinstance(entry, CustomerSays)]
    assert ids[0] == ids[1]  # so that the org can tell


async def test_typing_both_ways(org: Sandbox, world: World) -> None:
    conversation = await says(world, org, "open")
    await world.customer("open").does("typing", on=True)
    await wait_until(lambda: org.plain.threads[conversation].typing, what="the customer's typing in the org")


async def test_an_event_for_nobody_we_know_is_stuck_and_later_ones_go_on(org: Sandbox, world: World) -> None:
    conversation = await says(world, org, "open")
    thread = org.plain.threads[conversation]
    known, thread.customer = thread.customer, "a stranger"
    org.plain.say(conversation, ANN, "Who are you?")
    thread.customer = known
    org.plain.say(conversation, ANN, "Good day")
    await texts_on(world, "open", 2)
    rows = await world.gateway.inbox.read(lambda inbox: inbox.kept("stuck", 10))
    assert [(row.channel_id, row.reason) for row in rows] == [("salesforce:production", "could not be applied: NotKnown")]


async def test_unreadable_events_are_stuck_with_their_place(org: Sandbox, world: World) -> None:
    await says(world, org, "open")
    await org.bus.log.append_text("Interaction", "{no json")
    await wait_until(lambda: stuck(world), what="the event stuck")
    (row,) = await world.gateway.inbox.read(lambda inbox: inbox.kept("stuck", 10))
    assert row.request.headers["replay-id"] in str(row.reason)


async def stuck(world: World) -> int:
    return await world.gateway.inbox.read(lambda inbox: inbox.counts().stuck)


async def test_what_our_own_reps_command_is_refused(org: Sandbox, world: World) -> None:
    await says(world, org, "open")
    sam = supervisor(world)
    session = (await sam.items("/sessions"))[0]
    assert session["can"]["invite"]["code"] == "conferencing_controlled_by_salesforce"
    for path, body in (("end", None), ("messages", {"text": "hi"}), ("flag", {"text": "help"})):
        refused = await sam.post(f"/sessions/{session['id']}/{path}", body)
        assert (refused.status, refused.json["code"]) == (409, "conferencing_controlled_by_salesforce"), path
    ask = {"recipient": {"type": "agent", "id": "ana"}}
    for path in ("invitations", "transfers"):
        refused = await sam.post(f"/sessions/{session['id']}/{path}", ask)
        assert (refused.status, refused.json["code"]) == (409, "conferencing_controlled_by_salesforce"), path


async def test_the_end_there_is_the_end_here_and_the_next_message_begins_anew(org: Sandbox, world: World) -> None:
    conversation = await says(world, org, "open")
    org.plain.finish(conversation)
    sam = supervisor(world)
    await wait_until(lambda: ended(sam), what="the session ended")
    await world.customer("open").says("one more thing")
    await wait_until(lambda: len(org.plain.threads[conversation].sessions) == 2, what="a second messaging session")
    assert [one["status"] for one in await sam.items("/sessions")] == ["waiting", "ended"]


async def ended(sam: Any) -> bool:
    return [one["status"] for one in await sam.items("/sessions")] == ["ended"]


async def test_a_fault_of_the_org_holds_the_rows_and_its_repair_loses_none(org: Sandbox, world: World) -> None:
    org.faults.apply({"inactive": ["address-of-open"]})
    await world.customer("open").says("one")
    await world.customer("open").says("two")
    await world.customer("whatsapp").says("elsewhere")
    await conversation_of(org, "whatsapp")  # another channel's rows don't wait
    assert org.conversation("open") is None
    org.faults.apply({"inactive": []})
    conversation = await conversation_of(org, "open")
    await wait_until(lambda: heard(org, conversation) == ["one", "two"], what="both, in order")


async def test_L4_who_ended_it_is_sent_nothing_more_and_the_rep_learns_it(org: Sandbox, world: World) -> None:
    conversation = await says(world, org, "open")
    await texts_on(world, "open", 1)
    await world.customer("open").does("end")
    await wait_until(lambda: ended(supervisor(world)), what="the session ended")
    entry = org.plain.say(conversation, ANN, "Are you still there?")
    thread = org.plain.threads[conversation]
    await wait_until(lambda: (entry, "conversation_closed") in thread.failures, what="the failure in Salesforce")
    assert len(await world.customer("open").seen()) == 1


async def test_a_rep_who_ends_as_the_customer_writes_ends_nothing_here(org: Sandbox, world: World) -> None:
    """Salesforce opens another session for the message that was on its way; who takes that is announced."""
    conversation = await says(world, org, "open")
    await texts_on(world, "open", 1)
    org.faults.apply({"read_only": True})
    await world.customer("open").says("one more thing")
    await wait_until(lambda: queued(world), what="the message on its way")
    org.plain.finish(conversation)
    await wait_until(lambda: nobody_in(world), what="Ann gone")
    org.faults.apply({"read_only": False})
    thread = org.plain.threads[conversation]
    await wait_until(lambda: len(thread.sessions) == 2, what="another session there")
    org.plain.join(conversation, BOB)
    org.plain.say(conversation, BOB, "I am here")
    shown = await wait_until(lambda: shown_until(world, "I am here"), what="Bob's words")
    assert [line for line in shown if "left" not in line] == [
        "Ann has joined the conversation.",
        "Bob has joined the conversation.",
        "I am here",
    ]


async def shown_until(world: World, last: str) -> list[str] | None:
    lines = [line["text"] for line in await world.customer("open").seen()]
    return lines if lines[-1:] == [last] else None


async def queued(world: World) -> bool:
    rows = await world.gateway.store.read(lambda stored: stored.outbox.waiting(10))
    return any(row.kind == "call" and row.code for row in rows)


async def nobody_in(world: World) -> bool:
    (session,) = await supervisor(world).items("/sessions")
    return [one["role"] for one in session["participants"]] == ["end_user"] and session["status"] == "waiting"


async def test_a_customer_with_a_new_address_is_the_same_over_there(org: Sandbox, world: World) -> None:
    conversation = await says(world, org, "open")
    await texts_on(world, "open", 1)
    old = org.plain.threads[conversation].customer
    inbound = InboundMessage(
        channel_id=ChannelId("open"),
        event_id="moved",
        message_id="moved",
        end_user=EndUser(address=Address("kim-anew"), formerly=(Address(old),)),
        received_at=clock.now(),
        parts=(TextPart(text="I have another number"),),
    )
    assert await world.gateway.broker.take_in([inbound]) == [None]
    await wait_until(lambda: heard(org, conversation) == ["hello", "I have another number"], what="the same conversation")
    org.plain.say(conversation, ANN, "Noted")

    async def sent() -> list[str]:
        (session, *_) = await supervisor(world).items("/sessions")
        return [line["text"] for line in await supervisor(world).transcript(session["id"]) if line["kind"] == "message"]

    async def all_said() -> bool:
        return await sent() == ["hello", "I have another number", "Noted"]

    await wait_until(all_said, what="one session with all of it")
    assert list(org.plain.threads) == [conversation]


async def test_who_has_a_number_after_a_customer_is_somebody_else_over_there(org: Sandbox, world: World) -> None:
    """Else a rep's words to one of the two would reach the other."""

    async def writes(number: str, text: str, *, formerly: tuple[Address, ...] = ()) -> None:
        message = InboundMessage(
            channel_id=ChannelId("open"),
            event_id=text,
            message_id=text,
            end_user=EndUser(address=Address(number), lent=(Address(number),), formerly=formerly),
            received_at=clock.now(),
            parts=(TextPart(text=text),),
        )
        assert await world.gateway.broker.take_in([message]) == [None]

    await writes("+4915100001", "hello")
    kims = await conversation_of(org, "open")
    org.plain.join(kims, ANN)
    await writes("+4915100002", "I have another number", formerly=(Address("+4915100001"),))
    await wait_until(lambda: heard(org, kims) == ["hello", "I have another number"], what="the same conversation")
    await writes("+4915100001", "Who was here?")
    others = str(await wait_until(lambda: next((key for key in org.plain.threads if key != kims), None), what="another one"))
    await wait_until(lambda: heard(org, others) == ["Who was here?"], what="their words")
    org.plain.join(others, BOB)
    org.plain.say(kims, ANN, "For Kim alone")
    org.plain.say(others, BOB, "For the other")
    sam = supervisor(world)

    async def by_customer() -> dict[str, list[str]] | None:
        found = {
            one["end_user"]["id"]: [line["text"] for line in await sam.transcript(one["id"]) if line["kind"] == "message"]
            for one in await sam.items("/sessions")
        }
        return found if sum(map(len, found.values())) == 5 else None

    assert await wait_until(by_customer, what="all five messages") == {
        "+4915100002": ["hello", "I have another number", "For Kim alone"],
        "+4915100001": ["Who was here?", "For the other"],
    }


async def test_who_stopped_consent_gets_no_notices(org: Sandbox, world: World) -> None:
    conversation = await says(world, org, "open")
    org.plain.emit(
        conversation, "EndUserConsentUpdated", {"consentStatus": "OptOut", "endUserSubject": "kim", "isEndUserInitiated": True}
    )
    org.plain.join(conversation, BOB)
    org.plain.emit(
        conversation, "EndUserConsentUpdated", {"consentStatus": "OptIn", "endUserSubject": "kim", "isEndUserInitiated": True}
    )
    org.plain.leave(conversation, BOB)
    shown = await texts_on(world, "open", 2)
    assert shown == ["Ann has joined the conversation.", "Bob has left the conversation."]


async def test_an_org_in_maintenance_is_told_of_at_the_desk_and_by_readyz(org: Sandbox, world: World) -> None:
    org.faults.apply({"read_only": True})
    await world.customer("open").says("one")
    sam = supervisor(world)

    async def waits() -> Any:
        sessions = await sam.items("/sessions")
        lines = await sam.transcript(sessions[0]["id"]) if sessions else []
        return next((state for line in lines for state in line["delivery"] if state["reason"]), None)

    state = await wait_until(waits, what="the reason at the line")
    assert state["status"] == "queued"
    assert state["reason"] == "The org is read-only while Salesforce moves it. Rows wait and go on by themselves."
    ready = await world.call("GET", "/readyz?verbose")
    assert ready.status == 200
    assert "1 for provider_unavailable 10019" in ready.json["remarks"]["salesforce"]
    org.faults.apply({"read_only": False})
    conversation = await conversation_of(org, "open")
    await wait_until(lambda: heard(org, conversation) == ["one"], what="the message")


async def test_what_waits_is_counted_over_both_lanes_of_an_org(org: Sandbox, world: World) -> None:
    orgs = world.gateway.salesforce
    assert orgs is not None
    waiting = {"salesforce:production": {"account_fault 10031": 2}, "salesforce:production:receipts": {"account_fault 10031": 3}}
    assert "5 for account_fault 10031" in str(orgs.told(waiting.__getitem__))


@pytest.mark.parametrize("code", [10019, 10055, 10056, 10094, 0])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_what_is_to_be_tried_again_is_there_once(org: Sandbox, world: World, code: int, when: str) -> None:
    org.faults.apply({"idempotent": True, "answer": [{"code": code, "when": when, "path": "/interactions", "times": 2}]})
    await world.customer("open").says("one")
    conversation = await conversation_of(org, "open")
    await world.customer("open").says("two")
    await wait_until(lambda: len(heard(org, conversation)) >= 2, what="both")
    assert heard(org, conversation) == ["one", "two"]


async def test_double_delivery_cuts_and_expired_tokens_double_nothing(org: Sandbox, world: World) -> None:
    conversation = await says(world, org, "open")
    org.faults.apply({"deliver_twice": True})
    for number in range(20):
        org.plain.say(conversation, ANN, f"line {number}")
        if number % 7 == 3:
            org.faults.apply({"expire_tokens": True, "disconnect_streams": True})
    shown = await texts_on(world, "open", 21)
    assert shown == ["Ann has joined the conversation.", *(f"line {number}" for number in range(20))]
