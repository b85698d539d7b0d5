"""Simulator and adapter, each as the other's judge; and what the simulator refuses."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from adapters.apple import ADAPTER, mmcs, tokens
from adapters.apple.account import AppleAccount, demo
from adapters.apple.simulator import AppleSimulator
from adapters.apple.wire import BALLOON
from adapters.contract import Answer, Flow, HttpCall, HttpReply, RawRequest
from adapters.envelope import (
    Address,
    ChannelId,
    ChoicePart,
    Inbound,
    InboundEnded,
    InboundMessage,
    InboundTyping,
    MediaPart,
    Outbound,
    TextPart,
)
from adapters.errors import SendFailed, Verdict
from adapters.referral import Referral
from adapters.simulation import Action, CannotAct, Outcome, ProviderCall, Shown, SimFile
from tests.adapters.apple.account import ANA, NOW, PHOTO, notice, say, typing

BASE = "http://127.0.0.1:8080/simulated/apple"
HOOK = "http://127.0.0.1:8080/webhooks/apple"
PICTURE = SimFile(name="kim.jpg", mime_type="image/jpeg", content=b"\xff\xd8 made up")


class World:
    """A phone on one side and our adapter on the other; calls are carried by hand."""

    def __init__(self, **options: Any) -> None:
        settings = demo("apple", BASE, HOOK)
        self.account = AppleAccount.model_validate({**settings, "channel_id": "apple", "webhook_url": HOOK})
        self.simulator = AppleSimulator(self.account, **options)
        self.memory: dict[str, Any] = {}
        self.address = ""

    def act(self, kind: Any, *, customer: str = "kim", **fields: Any) -> tuple[Outcome, list[Inbound]]:
        outcome = self.simulator.act(Action(kind=kind, customer=customer, **fields), NOW)
        return outcome, self.deliver(outcome.calls)

    def deliver(self, calls: Iterable[ProviderCall]) -> list[Inbound]:
        events = [event for call in calls for event in self._taken(call)]
        for event in events:
            self.memory |= event.remember
            self.address = event.end_user.address if event.end_user else self.address
        return events

    def _taken(self, call: ProviderCall) -> list[Inbound]:
        request = webhook(call)
        ADAPTER.verify(request, self.account, NOW)
        events = ADAPTER.parse(request, self.account)
        assert self.simulator.settled(call, ADAPTER.accepted, NOW) == ()
        return events

    def run(self, flow: Flow[Any]) -> Any:
        """Carry the flow's calls to the simulator."""
        try:
            call = next(flow)
            while True:
                assert not call.foreign
                call = flow.send(self.answer(call))
        except StopIteration as end:
            return end.value

    def answer(self, call: HttpCall, **changes: Any) -> HttpReply:
        answer = self.simulator.handle(replace(as_request(call), **changes), NOW).answer
        return HttpReply(answer.status, answer.headers, answer.body)

    def send(self, message: Outbound, **fields: Any) -> Any:
        addressed = message.model_copy(update={"to": Address(self.address), "memory": self.memory, **fields})
        return self.run(ADAPTER.send(addressed, self.account, NOW))

    def shown(self, customer: str = "kim") -> list[Shown]:
        return self.simulator.handset(customer)


def webhook(call: ProviderCall) -> RawRequest:
    headers = {name.lower(): value for name, value in call.headers.items()}
    path = call.url.removeprefix(HOOK)
    return RawRequest(call.method, call.url, path, (), headers, call.body, NOW)


def as_request(call: HttpCall) -> RawRequest:
    headers = {name.lower(): value for name, value in call.headers.items()}
    path = urlsplit(call.url).path.removeprefix(urlsplit(BASE).path)
    return RawRequest(call.method, call.url, path, (), headers, call.body, NOW)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def talking(world: World) -> World:
    world.act("say", text="hello")
    return world


def test_a_first_contact_types_before_it_writes(world: World) -> None:
    outcome, events = world.act("say", text="hello", details={"intent": "order_status", "group": "sales", "locale": "de_DE"})
    typed, message = events
    assert isinstance(typed, InboundTyping)
    assert isinstance(message, InboundMessage)
    assert (message.plain, message.end_user.locale) == ("hello", "de-DE")
    assert message.referral == Referral(source="link", ref="order_status", group="sales")
    assert message.end_user.address.startswith("urn:mbid:")
    assert [(line.id, line.sender, line.text, line.status) for line in world.shown()] == [
        (outcome.line_id, "me", "hello", "sent")
    ]
    assert [event.kind for event in world.act("say", text="again")[1]] == ["message"]


def test_webhooks_look_as_apples(world: World) -> None:
    call = world.act("say", text="hello")[0].calls[-1]
    assert (call.method, call.url) == ("POST", f"{HOOK}/message")
    assert set(call.headers) == {
        "Authorization",
        "Content-Type",
        "Content-Encoding",
        "id",
        "source-id",
        "destination-id",
        "capability-list",
        "device-agent",
    }
    body = json.loads(gzip.decompress(call.body))
    assert {name: body[name] for name in ("v", "type", "id", "destinationId")} == {
        "v": 1,
        "type": "text",
        "id": call.headers["id"],
        "destinationId": world.account.business_id,
    }


def test_a_customer_has_one_address_at_one_business(world: World) -> None:
    first, again, other = (world.act("say", customer=one, text="x")[1][-1].end_user for one in ("kim", "kim", "lee"))
    assert first == again != other


def test_our_text_notice_and_picture_reach_the_phone(talking: World) -> None:
    talking.send(notice())
    talking.send(say("Ana: hi", speaker=ANA))
    talking.send(say("Ana: look", file=PHOTO), retry_key="k2")
    notice_line, text, picture = talking.shown()[1:]
    assert (notice_line.kind, notice_line.text, notice_line.sender) == ("notice", "Ana joined the chat", "them")
    assert (text.kind, text.text, text.speaker) == ("message", "Ana: hi", None)
    assert picture.media is not None
    assert (picture.text, picture.media["name"], picture.media["mime_type"]) == ("Ana: look", "hinge.png", "image/png")
    file = talking.simulator.file(picture.media["file_id"])
    assert file is not None
    assert file.content == PHOTO.content
    assert talking.simulator.file("f99") is None


def test_a_link_card(talking: World) -> None:
    talking.send(say("https://shop.example.test/p/1"))
    card = talking.shown()[-1]
    assert card.text == "shop.example.test/p/1\nhttps://shop.example.test/p/1"
    assert card.model_dump()["link"]["url"] == "https://shop.example.test/p/1"


def test_typing_both_ways(talking: World) -> None:
    (on,) = talking.act("typing")[1]
    (off,) = talking.act("typing", on=False)[1]
    assert isinstance(on, InboundTyping)
    assert isinstance(off, InboundTyping)
    assert (on.on, off.on) == (True, False)
    seen = []
    for signal in (typing(True), typing(False), typing(True), say("done")):
        talking.send(signal)
        seen.append(talking.simulator.we_type("kim"))
    assert seen == [True, False, True, False]
    assert len(talking.shown()) == 2


def test_a_picture_of_the_customers_is_fetched(talking: World) -> None:
    (event,) = talking.act("say", file=PICTURE, text="my hinge")[1]
    assert isinstance(event, InboundMessage)
    picture, words = event.parts
    assert isinstance(picture, MediaPart)
    assert words == TextPart(text="my hinge")
    fetched = talking.run(ADAPTER.media(picture, talking.account, NOW))
    assert (fetched.content, fetched.mime_type, fetched.name) == (PICTURE.content, "image/jpeg", "kim.jpg")


def test_a_picture_cannot_be_fetched_once_its_address_has_died() -> None:
    world = World(url_life=timedelta(0))
    event = world.act("say", file=PICTURE)[1][-1]
    assert isinstance(event, InboundMessage)
    assert isinstance(event.parts[0], MediaPart)
    with pytest.raises(SendFailed) as fault:
        world.run(ADAPTER.media(event.parts[0], world.account, NOW))
    assert fault.value.code == "media_gone"


def test_a_choice(talking: World) -> None:
    (event,) = talking.act("choose", details={"id": "c2", "title": "Blue", "request": "req-9"})[1]
    assert isinstance(event, InboundMessage)
    assert event.parts == (ChoicePart(id="c2", title="Blue", fields={"request": "req-9"}),)


def test_a_choice_told_twice_under_two_ids_is_one_event(talking: World) -> None:
    outcome, events = talking.act("choose", details={"title": "Blue", "again_as_new": True})
    assert len({call.headers["id"] for call in outcome.calls}) == 2
    assert len({event.event_id for event in events}) == 1


def test_a_large_choice_is_decoded(talking: World) -> None:
    (event,) = talking.act("choose", details={"title": "Blue", "large": True})[1]
    assert isinstance(event, InboundMessage)
    title, answer = event.parts
    assert title == ChoicePart(title="Blue")
    assert isinstance(answer, MediaPart)
    fetched = talking.run(ADAPTER.media(answer, talking.account, NOW))
    assert json.loads(fetched.content)["data"]["replyMessage"]["title"] == "Blue"


@pytest.mark.parametrize(
    ("emoji", "words"),
    [(None, "Liked “hi”"), ("❤️", "Loved “hi”"), ("🎉", "Reacted 🎉 to “hi”")],
)
def test_a_tapback_is_a_text(talking: World, emoji: str | None, words: str) -> None:
    talking.send(say("hi"))
    (event,) = talking.act("react", target=talking.shown()[-1].id, text=emoji)[1]
    assert isinstance(event, InboundMessage)
    assert event.plain == words


def test_a_tapback_on_a_picture(talking: World) -> None:
    talking.send(say(file=PHOTO))
    (event,) = talking.act("react", target=talking.shown()[-1].id)[1]
    assert isinstance(event, InboundMessage)
    assert event.plain == "Liked an image"


def test_after_a_close_nothing_passes_until_the_customer_writes(talking: World) -> None:
    (event,) = talking.act("end")[1]
    assert isinstance(event, InboundEnded)
    with pytest.raises(SendFailed) as before_any_call:
        talking.send(say("are you there?"))
    assert before_any_call.value.provider_code is None
    with pytest.raises(SendFailed) as by_apple:
        talking.send(say("are you there?"), memory={})
    assert (by_apple.value.provider_code, by_apple.value.code) == ("http_410", "conversation_closed")
    with pytest.raises(CannotAct):
        talking.act("end")
    talking.act("typing")
    assert talking.memory["closed"] is True
    talking.act("say", text="hello again")
    talking.send(say("welcome back"))
    assert talking.shown()[-1].text == "welcome back"


def test_a_business_cannot_begin(world: World) -> None:
    world.act("typing")
    with pytest.raises(SendFailed) as fault:
        world.send(say("hello?"))
    assert fault.value.code == "refused"


def test_not_delivered_and_what_comes_again(talking: World) -> None:
    outcome = talking.simulator.act(Action(kind="say", customer="kim", text="lost"), NOW)
    assert talking.simulator.settled(outcome.calls[0], Answer(503), NOW) == ()
    assert talking.shown()[-1].status == "failed"
    outcome = talking.simulator.act(Action(kind="say", customer="kim", text="late", details={"redeliver": 2}), NOW)
    call, tries = outcome.calls[0], []
    while again := talking.simulator.settled(call, None, NOW):
        (call,) = again
        tries.append((call.attempt, call.delay_seconds, call.body == outcome.calls[0].body))
    assert tries == [(2, 1.0, True), (3, 2.0, True)]
    assert len({call.id, outcome.calls[0].id}) == 2


def test_the_same_webhook_twice_and_a_late_one(talking: World) -> None:
    outcome, events = talking.act("say", text="twice", details={"times": 2})
    assert [event.event_id for event in events] == [events[0].event_id] * 2
    assert len({call.id for call in outcome.calls}) == 2
    assert [line.status for line in talking.shown()] == ["sent"] * 2


def test_a_late_webhook_is_overtaken_and_one_comes_again_after_six_days(talking: World) -> None:
    late, prompt = (
        talking.simulator.act(Action(kind="say", customer="kim", text=one, details=details), NOW).calls
        for one, details in (("late", {"delay_seconds": 3}), ("prompt", {"again_after_seconds": 518_400}))
    )
    assert (late[0].delay_seconds, prompt[0].delay_seconds) == (3.0, 0.0)
    assert len({late[0].lane, prompt[0].lane, prompt[1].lane}) == 3
    then = NOW + timedelta(days=6)
    ADAPTER.verify(webhook(prompt[1]), talking.account, then)  # with a token of its own time
    first, again = (ADAPTER.parse(webhook(call), talking.account)[0] for call in prompt)
    assert (first.event_id, first.id) == (again.event_id, again.id)


@pytest.mark.parametrize("details", [{"times": "often"}, {"delay_seconds": []}, {"mischief": [{"novelty": 1}]}, {"mischief": 7}])
def test_wishes_that_cannot_be(talking: World, details: dict[str, Any]) -> None:
    with pytest.raises(CannotAct):
        talking.act("say", text="x", details=details)
    assert len(talking.shown()) == 1


@pytest.mark.parametrize(
    ("planned", "verdict", "shown"),
    [
        ({"status": 503}, Verdict.again, False),
        ({"status": 429, "retry_after": 7}, Verdict.again, False),
        ({"status": 504, "taken": True}, Verdict.unknown, True),
        ({"status": 500}, Verdict.again, False),
    ],
)
def test_the_gateway_misbehaves_on_command(talking: World, planned: dict[str, Any], verdict: Verdict, shown: bool) -> None:
    talking.act("say", text="now watch", details={"mischief": [planned]})
    with pytest.raises(SendFailed) as fault:
        talking.send(say("hi"))
    assert fault.value.verdict is verdict
    assert fault.value.again_at == (NOW + timedelta(seconds=7) if "retry_after" in planned else None)
    assert (talking.shown()[-1].text == "hi") is shown
    talking.send(say("hi again"))
    assert talking.shown()[-1].text == "hi again"


@pytest.mark.parametrize("kind", ["edit", "unsend", "location", "sticker", "contact", "block", "unblock", "offline", "online"])
def test_what_a_phone_cannot_do(talking: World, kind: str) -> None:
    before = talking.shown()
    with pytest.raises(CannotAct):
        talking.act(kind, target=before[0].id)
    assert talking.shown() == before


@pytest.mark.parametrize(
    "action", [Action(kind="say", customer="kim"), Action(kind="react", customer="kim"), Action(kind="choose", customer="kim")]
)
def test_an_action_that_lacks_something_changes_nothing(world: World, action: Action) -> None:
    with pytest.raises(CannotAct):
        world.simulator.act(action, NOW)
    assert world.shown() == []
    assert world.simulator.refresh("kim", NOW) == ()


def test_reading_tells_nobody(talking: World) -> None:
    assert talking.act("read")[0].calls == ()


# ------------------------------------------------------------------------------------- what the gateway refuses


def call_of(world: World, message: Outbound) -> HttpCall:
    return next(ADAPTER.send(message.model_copy(update={"to": Address(world.address)}), world.account, NOW))


def with_body(call: HttpCall, **fields: Any) -> HttpCall:
    """The same call with these fields of the body changed; None takes one out."""
    body = {name: value for name, value in {**json.loads(call.body), **fields}.items() if value is not None}
    return replace(call, body=json.dumps(body).encode())


def with_headers(call: HttpCall, **fields: str) -> HttpCall:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return replace(call, headers={name: value for name, value in {**call.headers, **named}.items() if value})


def test_bad_tokens(talking: World) -> None:
    good = call_of(talking, say("hi"))
    secret = talking.account.secrets[0].get_secret_value()
    now = int(NOW.timestamp())
    wrong = [
        "Bearer x",
        f"Bearer {tokens.sign({'iss': 'another', 'iat': now}, secret)}",
        f"Bearer {tokens.sign({'aud': talking.account.msp_id, 'iat': now}, secret)}",
        f"Bearer {tokens.sign({'iss': talking.account.msp_id, 'iat': now - 4000}, secret)}",
        tokens.bearer(talking.account.msp_id, base64.b64encode(b"another").decode(), NOW),
    ]
    assert [talking.answer(with_headers(good, Authorization=one)).status for one in wrong] == [403] * 5
    assert talking.answer(with_headers(good, Authorization="")).status == 401
    assert talking.answer(good).status == 200


def test_malformed_messages(talking: World) -> None:
    good = call_of(talking, say("hi"))
    bad = [
        replace(good, body=b"{"),
        replace(good, body=b"[" * 3000),
        replace(good, body=b"[]"),
        with_headers(good, Content_Type="text/plain"),
        with_body(good, v=2),
        with_body(good, id="another"),
        with_body(good, destinationId=None),
        with_body(good, type="close"),
        with_body(good, type="hologram"),
        with_body(good, novelty=1),
        with_body(good, body=None),
        with_body(good, body="  "),
        with_body(good, body="x" * 10_002),
        with_body(good, body="\ufffc"),
        with_body(good, type="richLink", body=None, richLinkData={"url": "ftp://x.test", "title": "x"}),
        with_body(good, type="richLink", body=None, richLinkData={"url": "https://x.test"}),
        with_body(
            good,
            type="richLink",
            body=None,
            richLinkData={
                "url": "https://x.test",
                "title": "x",
                "assets": {"image": {"data": base64.b64encode(bytes(200_001)).decode()}},
            },
        ),
        with_body(good, type="interactive", body=None, interactiveData={"data": {}}),
        with_body(good, type="interactive", body=None, interactiveData={"bid": BALLOON, "data": {}}),
        with_body(good, type="interactive", body=None, interactiveData={"bid": "x:ABC:app", "data": {}}),
    ]
    answers = [talking.answer(one) for one in bad]
    assert [one.status for one in answers] == [400] * len(bad)
    assert all(one.body == b"" and one.headers["x-simulator-reason"] for one in answers)
    assert len(talking.shown()) == 1


def test_unknown_parties_and_calls(talking: World) -> None:
    good = call_of(talking, say("hi"))
    assert talking.answer(with_headers(good, Source_Id="another")).status == 404
    stranger = with_headers(with_body(good, destinationId="urn:mbid:x"), Destination_Id="urn:mbid:x")
    assert talking.answer(stranger).status == 404
    assert talking.answer(good, path="/messages").status == 404
    assert talking.answer(good, method="GET").status == 404
    assert talking.answer(good, path="/mmcs/file/1").status == 404


def test_pickers_of_other_tools_are_shown(talking: World) -> None:
    good = call_of(talking, say("hi"))
    picker = {
        "bid": BALLOON,
        "data": {
            "version": "1.0",
            "requestIdentifier": "req-77",
            "listPicker": {"sections": [{"title": "Colours", "items": [{"identifier": "c1", "title": "Red"}]}]},
        },
        "receivedMessage": {"title": "Pick a colour"},
    }
    assert talking.answer(with_body(good, type="interactive", body=None, interactiveData=picker)).status == 200
    assert talking.shown()[-1].text == "Pick a colour\n• Red"


def test_too_many_at_once(talking: World) -> None:
    good = call_of(talking, typing())
    statuses = {talking.answer(good).status for _ in range(1100)}
    assert statuses == {200, 429}
    assert talking.simulator.handle(as_request(good), NOW + timedelta(seconds=1)).answer.status == 200


def upload_steps(world: World) -> tuple[HttpCall, HttpCall, HttpCall]:
    """The three calls of a file, the first two already answered."""
    flow = ADAPTER.send(say(file=PHOTO, to=Address(world.address)), world.account, NOW)
    place = next(flow)
    upload = flow.send(world.answer(place))
    message = flow.send(world.answer(upload))
    return place, upload, message


def test_files_that_do_not_fit(talking: World) -> None:
    place, upload, _ = upload_steps(talking)
    sizes = ["", "0", "x", "-1", "100000001"]
    assert [talking.answer(with_headers(place, MMCS_Size=size)).status for size in sizes] == [400] * 5
    assert talking.answer(upload).status == 404  # used before
    assert talking.answer(replace(upload, url=f"{BASE}/mmcs/upload/zz")).status == 404
    again = json.loads(talking.answer(place).body)["upload-url"]
    assert talking.answer(replace(upload, url=again, body=b"other size")).status == 400


@pytest.mark.parametrize(
    "change",
    [
        {"key": mmcs.key_field(bytes(32))[2:]},
        {"key": "01" + "00" * 32},
        {"key": "zz" * 33},
        {"size": "17"},
        {"size": 16},
        {"owner": "x"},
        {"url": f"{BASE}/mmcs/file/none"},
        {"signature-base64": "gaqq"},
        {"signature": "81aa"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_attachments_that_do_not_fit(talking: World, change: dict[str, Any]) -> None:
    """A checksum in hex, a number for a size: what leaves the customer with "Not Delivered"."""
    _, _, message = upload_steps(talking)
    (attachment,) = json.loads(message.body)["attachments"]
    assert talking.answer(with_body(message, attachments=[{**attachment, **change}])).status == 400
    assert talking.answer(with_body(message, body="no mark")).status == 400
    assert talking.answer(message).status == 200


def test_downloads_that_do_not_fit(talking: World) -> None:
    (event,) = talking.act("say", file=PICTURE)[1]
    assert isinstance(event, InboundMessage)
    assert isinstance(event.parts[0], MediaPart)
    good = next(ADAPTER.media(event.parts[0], talking.account, NOW))
    hex_signature = base64.b64decode(good.headers["MMCS-Signature"]).hex()
    assert talking.answer(good).status == 200
    assert talking.answer(with_headers(good, MMCS_Signature=hex_signature)).status == 400
    assert talking.answer(with_headers(good, MMCS_Owner="x")).status == 400
    assert talking.answer(with_headers(good, MMCS_Url="https://x.test/1")).status == 400
    assert talking.answer(replace(good, url=f"{BASE}/mmcs/download/none")).status == 404
    decode = replace(good, method="POST", url=f"{BASE}/decodePayload", body=b"x")
    assert talking.answer(decode).status == 400
    assert talking.answer(with_headers(decode, bid=BALLOON)).status == 403


def test_the_demo_settings_are_sound_and_tell_channels_apart() -> None:
    one, other = demo("apple", BASE, HOOK), demo("apple-2", BASE, HOOK)
    assert AppleAccount.model_validate(one).channel_id == ChannelId("")
    assert one == demo("apple", BASE, HOOK)
    assert not {one["msp_id"], one["business_id"], *one["secrets"]} & {other["msp_id"], other["business_id"], *other["secrets"]}


def test_the_same_inputs_give_the_same_provider() -> None:
    def told() -> list[tuple[str, bytes]]:
        world = World()
        calls = [
            *world.act("say", text="hello", file=PICTURE)[0].calls,
            *world.act("choose", details={"title": "x", "large": True})[0].calls,
        ]
        return [(call.id, call.body) for call in calls]

    assert told() == told()
