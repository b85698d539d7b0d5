"""What differs from SMS: addresses, the window, captions, typing, read marks, and what people do on WhatsApp."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from adapters.conformance import NOW, PICTURE, World
from adapters.contract import Answer, HttpReply, RawRequest, Sent
from adapters.envelope import (
    Address,
    ChannelId,
    ChoicePart,
    Inbound,
    InboundMessage,
    InboundReceipt,
    LocationPart,
    MediaPart,
    Notice,
    OutboundFile,
    Say,
    Speaker,
    TypingSignal,
)
from adapters.errors import SendFailed, Verdict
from adapters.referral import Referral
from adapters.simulation import Action, CannotAct, SimFile
from adapters.text import prepare
from adapters.whatsapp_twilio import ADAPTER
from adapters.whatsapp_twilio.simulator import WhatsAppTwilio
from tests.adapters.whatsapp_twilio.account import ACCOUNT
from tests.adapters.whatsapp_twilio.suite import SUITE

COMMON: dict[str, Any] = {
    "channel_id": ChannelId("whatsapp-twilio"),
    "to": Address("whatsapp:+34600111222"),
    "retry_key": "0f3b6d62-6c3e-4a39-9a3f-000000000001",
    "created_at": NOW,
    "last_inbound_at": NOW - timedelta(hours=1),
}
PDF = OutboundFile(name="offer.pdf", mime_type="application/pdf", size_bytes=9, url="https://gw.example.net/f/1", content=b"x")


def say(**more: Any) -> Say:
    return Say(**{"id": "msg_1", **COMMON, **more})


def form(message: Any) -> dict[str, str]:
    return dict(parse_qsl(next(ADAPTER.send(message, ACCOUNT, NOW)).body.decode()))


def world() -> World:
    found = World(SUITE)
    found.says_text("hello")
    return found


def events(ours: World, action: Action) -> list[Inbound]:
    return [event for call in ours.act(action) for event in ours.understood(call)]


def message(ours: World, action: Action) -> InboundMessage:
    return next(event for event in events(ours, action) if isinstance(event, InboundMessage))


# --------------------------------------------------------------------------------------------------- sending


@pytest.mark.parametrize("number", ["+15550002222", "whatsapp:+15550002222"])
def test_addresses_carry_the_channel(number: str) -> None:
    account = ACCOUNT.model_copy(update={"number": number})
    fields = dict(parse_qsl(next(ADAPTER.send(say(text="hi"), account, NOW)).body.decode()))
    assert fields["From"] == "whatsapp:+15550002222"
    assert fields["To"] == "whatsapp:+34600111222"
    assert fields["StatusCallback"] == "https://gw.example.net/webhooks/whatsapp-twilio/status?m=msg_1#rc=5&rp=all"


def test_the_number_goes_out_as_the_provider_gave_it() -> None:
    """Number shapes: Brazil's ninth digit and Mexico's 1 are neither added nor taken away."""
    for address in ("whatsapp:+5511987654321", "whatsapp:+551187654321", "whatsapp:+5215512345678", "whatsapp:ES.309x"):
        assert form(say(text="hi", to=Address(address)))["To"] == address


@pytest.mark.parametrize(("hours", "open_"), [(0, True), (23.99, True), (24, False), (30, False), (None, False)])
def test_the_window(hours: float | None, open_: bool) -> None:
    last = None if hours is None else NOW - timedelta(hours=hours)
    for each in (
        say(text="hi", last_inbound_at=last),
        Notice(**{"id": "ntc_1", **COMMON, "last_inbound_at": last}, code="left", text="bye"),
    ):
        flow = ADAPTER.send(each, ACCOUNT, NOW)
        if open_:
            assert next(flow).visible
        else:
            with pytest.raises(SendFailed) as error:
                next(flow)
            assert (error.value.verdict, error.value.code) == (Verdict.dead, "outside_window")


def test_nothing_after_stop() -> None:
    with pytest.raises(SendFailed) as error:
        form(say(text="hi", memory={"opted_out": True}))
    assert error.value.code == "opted_out"


@pytest.mark.parametrize(
    ("text", "shown"), [("Ana joined", "_Ana joined_"), ("a_b joined", "a_b joined"), ("two\nlines", "two\nlines")]
)
def test_a_notice_stands_in_italics(text: str, shown: str) -> None:
    assert form(Notice(**{"id": "ntc_1", **COMMON}, code="joined", text=text))["Body"] == shown


def test_only_a_picture_carries_its_text() -> None:
    """Twilio drops the text beside a document, a video or a sound; so it goes ahead as a message of its own."""
    ana = Speaker(id="ana", name="Ana")
    photo = PDF.model_copy(update={"name": "x.png", "mime_type": "image/png"})
    assert [
        (part.text, bool(part.file)) for part in prepare(say(text="look", file=photo, speaker=ana), ADAPTER.capabilities)
    ] == [("*Ana*\nlook", True)]
    assert [(part.text, bool(part.file)) for part in prepare(say(text="look", file=PDF, speaker=ana), ADAPTER.capabilities)] == [
        ("*Ana*\nlook", False),
        (None, True),
    ]
    assert form(say(file=PDF))["MediaUrl"] == PDF.url


def test_wrong_media_goes_as_a_link() -> None:
    """Some pictures come back as 63019 only after the customer has seen nothing; their types are known before."""
    gif = PDF.model_copy(update={"mime_type": "image/gif"})
    assert prepare(say(file=gif), ADAPTER.capabilities)[0].file is None


def typing(on: bool, memory: dict[str, Any]) -> TypingSignal:
    return TypingSignal(**{"id": "typ_1", **COMMON, "memory": memory}, on=on)


def test_typing_stands_under_the_last_message() -> None:
    flow = ADAPTER.send(typing(True, {"last_sid": "SM7"}), ACCOUNT, NOW)
    call = next(flow)
    assert (call.method, call.url, call.visible) == ("POST", "https://messaging.twilio.com/v3/Indicators/Typing.json", False)
    assert json.loads(call.body) == {"channel": "WHATSAPP", "messageId": "SM7"}
    with pytest.raises(StopIteration) as end:
        flow.send(HttpReply(200, {}, b'{"success":true}'))
    assert end.value.value == Sent()


@pytest.mark.parametrize("signal", [typing(False, {"last_sid": "SM7"}), typing(True, {}), typing(True, {"last_sid": None})])
def test_no_message_to_type_under_no_call(signal: TypingSignal) -> None:
    with pytest.raises(StopIteration):
        next(ADAPTER.send(signal, ACCOUNT, NOW))


def test_typing_that_is_refused_is_a_failure() -> None:
    flow = ADAPTER.send(typing(True, {"last_sid": "SM7"}), ACCOUNT, NOW)
    next(flow)
    with pytest.raises(SendFailed):
        flow.send(HttpReply(404, {}, b'{"code":20404}'))


# ----------------------------------------------------------------------------------------------- there and back


def test_read_marks_come_when_they_read_or_write() -> None:
    ours = world()
    ours.send(ours.say(text="1"))
    [read] = events(ours, Action(kind="read", customer="kim"))
    assert isinstance(read, InboundReceipt)
    assert (read.status, read.outbox_id) == ("read", "msg_1")
    ours.send(ours.say(text="2"))
    found = events(ours, Action(kind="say", customer="kim", text="ok"))
    assert [type(event) for event in found] == [InboundReceipt, InboundMessage]
    assert events(ours, Action(kind="read", customer="kim")) == []


def test_typing_is_taken_by_the_provider() -> None:
    ours = world()
    ours.send(TypingSignal(**{"id": "typ_1", **COMMON, "memory": ours.memory}, on=True))
    assert isinstance(ours.simulator, WhatsAppTwilio)
    assert list(ours.simulator.typing) == [ours.simulator.address_of("kim")]
    with pytest.raises(SendFailed):
        ours.send(typing(True, {"last_sid": "SM999"}))


def test_the_person_has_a_name() -> None:
    assert message(world(), Action(kind="say", customer="kim", text="x")).end_user.name == "Kim"


def test_who_clicked_on_an_ad_says_so_with_the_first_message() -> None:
    ad = {
        "ReferralSourceType": "ad",
        "ReferralSourceId": "120208",
        "ReferralSourceUrl": "https://fb.me/3cr4Wq",
        "ReferralHeadline": "20 % off",
        "ReferralBody": "Only this week",
        "ReferralMediaUrl": "https://shop.example/lamp.jpg",
        "ReferralMediaContentType": "image/jpeg",
        "ReferralNumMedia": "1",
        "ReferralCtwaClid": "ARAkL",
    }
    said = message(world(), Action(kind="say", customer="kim", text="still on?", details={"extra": ad}))
    assert said.referral == Referral(
        source="ad",
        id="120208",
        url="https://fb.me/3cr4Wq",
        headline="20 % off",
        body="Only this week",
        media_url="https://shop.example/lamp.jpg",
        click_id="ARAkL",
        extra={"ReferralMediaContentType": "image/jpeg", "ReferralNumMedia": "1"},
    )


def test_a_place_a_card_and_a_button() -> None:
    ours = world()
    where = {"latitude": 53.5, "longitude": -9.9, "name": "Rathaus"}
    assert message(ours, Action(kind="location", customer="kim", details=where)).parts == (
        LocationPart(latitude=53.5, longitude=-9.9, name="Rathaus"),
    )
    card = message(ours, Action(kind="contact", customer="kim", details={"name": "Leo"})).parts[0]
    assert isinstance(card, MediaPart)
    assert b"FN:Leo" in ours.run(ADAPTER.media(card, ACCOUNT, NOW)).content
    ours.send(ours.say(text="Yes or no?"))
    target = ours.handset()[-1].id
    pressed = message(ours, Action(kind="choose", customer="kim", target=target, details={"id": "y", "title": "Yes"}))
    assert pressed.parts == (ChoicePart(id="y", title="Yes"),)
    assert pressed.reply_to == target


def test_a_picture_with_its_caption() -> None:
    part = message(world(), Action(kind="say", customer="kim", text="my hinge", file=PICTURE)).parts
    assert [(one.type, one.caption) for one in part if isinstance(one, MediaPart)] == [("media", "my hinge")]
    assert len(part) == 1


@pytest.mark.parametrize(
    ("kind", "details"), [("react", {}), ("edit", {}), ("unsend", {}), ("sticker", {}), ("typing", {}), ("end", {}), ("location", {}), ("choose", {})]
)  # fmt: skip
def test_what_twilio_tells_nothing_of(kind: Any, details: dict[str, Any]) -> None:
    with pytest.raises(CannotAct):
        world().act(Action(kind=kind, customer="kim", target="x", details=details))


def fate(ours: World, message_: Say) -> InboundReceipt:
    """The last thing that the provider tells of a message that it took."""
    outcome = ours.simulator.handle(ours.as_request(next(ADAPTER.send(message_, ACCOUNT, ours.now))), ours.now)
    assert outcome.answer.status == 201
    found = [event for call in ours.settle(outcome.calls) for event in ours.understood(call)]
    assert isinstance(found[-1], InboundReceipt)
    return found[-1]


def test_blocked_is_told_by_the_callback_alone() -> None:
    ours = world()
    ours.act(Action(kind="block", customer="kim"))
    assert fate(ours, ours.say(text="hi")).code == "blocked"
    ours.act(Action(kind="unblock", customer="kim"))
    assert fate(ours, ours.say(text="hi")).status == "delivered"


def test_outside_the_window_the_provider_takes_it_and_fails_it() -> None:
    """What our own clock let through is refused afterwards, in a callback."""
    ours = world()
    ours.now = NOW + timedelta(hours=25)
    late = ours.say(text="hi").model_copy(update={"last_inbound_at": ours.now})
    assert fate(ours, late).code == "outside_window"
    assert [line.sender for line in ours.handset()] == ["me"]


@pytest.mark.parametrize(
    ("mime_type", "size", "code"),
    [("image/gif", 9, "media_refused"), ("image/png", 5_000_001, "media_refused"), ("video/mp4", 9, None)],
)
def test_files_that_whatsapp_does_not_carry(mime_type: str, size: int, code: str | None) -> None:
    ours = world()
    outcome = ours.simulator.handle(ours.as_request(next(ADAPTER.send(ours.say(file=PDF), ACCOUNT, NOW))), NOW)
    calls = ours.simulator.settled(outcome.calls[0], Answer(200, b"x" * size, {"content-type": mime_type}), NOW)
    last = ours.understood(calls[-1])[0]
    assert isinstance(last, InboundReceipt)
    assert last.code == code


def test_two_files_at_once_are_refused() -> None:
    ours = world()
    request = ours.as_request(next(ADAPTER.send(ours.say(file=PDF), ACCOUNT, NOW)))
    twice = replace(request, body=request.body + b"&MediaUrl=https%3A%2F%2Fx.example%2F2")
    assert json.loads(ours.simulator.handle(twice, NOW).answer.body)["code"] == 21623


def test_stop_counts_with_a_service_only() -> None:
    account = ACCOUNT.model_copy(update={"messaging_service_sid": "MG1"})
    ours = World(replace(SUITE, account=account))
    calls = ours.act(Action(kind="say", customer="kim", text="STOP"))
    assert [type(event).__name__ for event in ours.understood(calls[0])] == ["InboundMessage", "InboundEnded"]
    plain = world()
    calls = plain.act(Action(kind="say", customer="kim", text="STOP"))
    assert [type(event).__name__ for event in plain.understood(calls[0])] == ["InboundMessage"]
    plain.send(plain.say(text="what shall I stop?"))


def test_a_voice_note() -> None:
    file = SimFile(name="voice.ogg", mime_type="audio/ogg", content=b"ogg")
    part = message(world(), Action(kind="say", customer="kim", file=file)).parts[0]
    assert isinstance(part, MediaPart)
    assert part.media == "audio"


def test_demo_settings_are_an_account() -> None:
    account = ADAPTER.account.model_validate(ADAPTER.demo("wa2", "http://127.0.0.1:8080/_sim/wa2", "http://x/y"))
    assert account.api_base == account.messaging_base == "http://127.0.0.1:8080/_sim/wa2"


# ------------------------------------------------------------------------------------------------- who it is, and which number


def heard(**fields: str) -> Inbound:
    known = {"MessageSid": "SM" + "1" * 32, "From": "whatsapp:+34600111222", "To": "whatsapp:+15550002222", "Body": "hi"}
    headers = {"content-type": "application/x-www-form-urlencoded"}
    request = RawRequest("POST", ACCOUNT.webhook_url, "", (), headers, urlencode(known | fields).encode(), NOW)
    return ADAPTER.parse(request, ACCOUNT)[0]


@pytest.mark.parametrize("written", ["whatsapp:+34600111222", "+34600111222", "34600111222"])
def test_a_number_without_its_prefix_is_the_same_person(written: str) -> None:
    for event in (heard(From=written), heard(To=written, MessageStatus="sent")):
        assert event.end_user is not None
        assert event.end_user.address == "whatsapp:+34600111222"
    ids = heard(From=written, ExternalUserId="ES.30900000000000000001").end_user
    assert ids is not None
    assert (ids.aliases, ids.lent) == (("whatsapp:ES.30900000000000000001",), ("whatsapp:+34600111222",))


def test_both_spellings_of_a_brazilian_number_name_the_same_person() -> None:
    person = heard(From="whatsapp:+5511987654321").end_user
    assert person is not None
    assert (person.address, person.aliases) == ("whatsapp:+5511987654321", ("whatsapp:+551187654321",))
    assert set(person.lent) == {person.address, *person.aliases}


@pytest.mark.parametrize("to", ["whatsapp:+15550002223", "+15550002223"])
def test_a_message_to_another_sender_is_put_aside(to: str) -> None:
    event: Any = heard(To=to)
    assert (event.kind, event.reason, event.meant_for) == ("unknown", "other_number", to)


def test_a_service_answers_from_the_sender_that_was_written_to() -> None:
    account = ACCOUNT.model_copy(update={"messaging_service_sid": "MG" + "1" * 32})
    ours = World(replace(SUITE, account=account))
    second = {"To": "whatsapp:+15550007777"}
    said = message(ours, Action(kind="say", customer="kim", text="hello", details={"extra": second}))
    memory = {key: value for key, value in said.remember.items() if value is not None}
    ours.run(ADAPTER.send(say(to=said.end_user.address, text="good day", memory=memory, last_inbound_at=NOW), account, NOW))
    twilio: Any = ours.simulator
    (record,) = twilio.records.values()
    assert (record.sender, record.service) == (second["To"], account.messaging_service_sid)
