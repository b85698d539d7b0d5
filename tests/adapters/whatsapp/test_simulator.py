"""The simulated Cloud API: as strict as Meta's, and the same again for the same inputs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from adapters._meta import graph
from adapters.conformance import PICTURE, World
from adapters.contract import Answer, FormFile, HttpCall, RawRequest
from adapters.envelope import InboundMessage, InboundReceipt, OutboundFile
from adapters.errors import SendFailed, Verdict
from adapters.simulation import Action, CannotAct, ProviderCall, SimFile
from adapters.whatsapp.simulator import WhatsApp
from adapters.whatsapp.simulator.rules import canonical
from tests.adapters.whatsapp.account import NOW, TOKEN, account
from tests.adapters.whatsapp.suite import SUITE

MESSAGES = "/v25.0/107000000000002/messages"


@pytest.fixture
def world() -> World:
    """A customer who has written, so that the window is open."""
    world = World(SUITE)
    world.says_text("hello")
    return world


def post(body: Any, path: str = MESSAGES, token: str = TOKEN) -> RawRequest:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    return RawRequest("POST", f"https://graph.facebook.com{path}", path, (), headers, raw, NOW)


def text(to: str, body: str = "Hi", **more: Any) -> dict[str, Any]:
    return {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": to,
        "type": "text",
        "text": {"body": body},
        **more,
    }


def upload(world: World, mime_type: str) -> RawRequest:
    form = FormFile("file", "f", mime_type, b"abc")
    return world.as_request(
        graph.upload(account(), "107000000000002/media", {"messaging_product": "whatsapp", "type": mime_type}, form)
    )


def number_of(customer: str = "kim") -> str:
    simulator = WhatsApp(account())
    simulator.act(Action(kind="say", customer=customer, text="x"), NOW)
    return simulator.phone(customer).wa_id


def error(answer: Answer) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(answer.body)["error"]
    return told


def sent_events(world: World, calls: Sequence[ProviderCall]) -> list[Any]:
    return [event for call in calls for event in world.understood(call)]


def receipts(simulator: Any, calls: Sequence[ProviderCall]) -> list[tuple[str, str | None]]:
    found = []
    for call in calls:
        for status in json.loads(call.body)["entry"][0]["changes"][0]["value"].get("statuses", []):
            errors = status.get("errors")
            found.append((status["status"], str(errors[0]["code"]) if errors else None))
    return found


def test_what_we_send_is_sent_delivered_and_read(world: World) -> None:
    outcome = world.simulator.handle(post(text(number_of(), biz_opaque_callback_data="msg_7")), NOW)
    assert outcome.answer.status == 200
    assert receipts(world.simulator, outcome.calls) == [("sent", None), ("delivered", None)]
    events = sent_events(world, outcome.calls)
    assert all(isinstance(one, InboundReceipt) and one.outbox_id == "msg_7" for one in events)
    assert receipts(world.simulator, world.act(Action(kind="read", customer="kim"))) == [("read", None)]
    assert world.act(Action(kind="read", customer="kim")) == []


def test_who_answers_has_read_before(world: World) -> None:
    world.hears_text("how can I help?")
    calls = world.act(Action(kind="say", customer="kim", text="like so"))
    kinds = [(one.kind, getattr(one, "status", None)) for one in sent_events(world, calls)]
    assert kinds == [("receipt", "read"), ("message", None)]


def test_a_phone_that_is_off_gets_it_later(world: World) -> None:
    world.act(Action(kind="offline", customer="kim"))
    outcome = world.simulator.handle(post(text(number_of())), NOW)
    assert receipts(world.simulator, outcome.calls) == [("sent", None)]
    assert receipts(world.simulator, world.act(Action(kind="online", customer="kim"))) == [("delivered", None)]


def test_a_closed_window_is_told_after_the_200(world: World) -> None:
    outcome = world.simulator.handle(post(text(number_of())), NOW + timedelta(hours=24, seconds=1))
    assert outcome.answer.status == 200
    assert receipts(world.simulator, outcome.calls) == [("failed", "131047")]
    assert sent_events(world, outcome.calls)[0].code == "outside_window"
    assert [line.sender for line in world.handset()] == ["me"]


def test_strangers_and_those_who_blocked_us_are_not_reached(world: World) -> None:
    stranger = world.simulator.handle(post(text("34999999999")), NOW)
    assert receipts(world.simulator, stranger.calls) == [("failed", "131026")]
    world.act(Action(kind="block", customer="kim"))
    assert receipts(world.simulator, world.simulator.handle(post(text(number_of())), NOW).calls) == [("failed", "131026")]
    with pytest.raises(CannotAct):
        world.act(Action(kind="say", customer="kim", text="x"))
    world.act(Action(kind="unblock", customer="kim"))
    world.says_text("back")


KIM = number_of()
REFUSED: list[tuple[str, Any, int, int]] = [
    ("not_json", b"{", 400, 100),
    ("no_object", b"[]", 400, 100),
    ("no_product", {"to": KIM, "type": "text", "text": {"body": "x"}}, 400, 100),
    ("unknown_field", text(KIM, colour="red"), 400, 100),
    ("unknown_field_in_text", text(KIM) | {"text": {"body": "x", "size": 3}}, 400, 100),
    ("no_recipient", text(""), 400, 131008),
    ("empty_text", text(KIM, ""), 400, 100),
    ("over_long_text", text(KIM, "x" * 4097), 400, 100),
    ("no_text", {"messaging_product": "whatsapp", "to": KIM, "type": "text"}, 400, 131008),
    ("over_long_callback_data", text(KIM, biz_opaque_callback_data="x" * 513), 400, 131009),
    ("unknown_type", {"messaging_product": "whatsapp", "to": KIM, "type": "hologram"}, 400, 131051),
    (
        "caption_on_audio",
        {"messaging_product": "whatsapp", "to": KIM, "type": "audio", "audio": {"id": "1", "caption": "x"}},
        400,
        100,
    ),
    (
        "over_long_caption",
        {"messaging_product": "whatsapp", "to": KIM, "type": "image", "image": {"id": "1", "caption": "x" * 1025}},
        400,
        100,
    ),
    ("neither_id_nor_link", {"messaging_product": "whatsapp", "to": KIM, "type": "image", "image": {}}, 400, 100),
    ("unknown_media", {"messaging_product": "whatsapp", "to": KIM, "type": "image", "image": {"id": "1"}}, 400, 131009),
    ("read_mark_of_nothing", {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.NO"}, 400, 131009),
]


@pytest.mark.parametrize(("body", "status", "code"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refusals(world: World, body: Any, status: int, code: int) -> None:
    outcome = world.simulator.handle(post(body), NOW)
    assert (outcome.answer.status, error(outcome.answer)["code"]) == (status, code)
    assert outcome.calls == ()
    assert [line.sender for line in world.handset()] == ["me"]


def test_bad_tokens_and_unknown_paths(world: World) -> None:
    denied = world.simulator.handle(post(text(KIM), token="other"), NOW)
    assert (denied.answer.status, error(denied.answer)["code"]) == (401, 190)
    for path in ("/messages", "/v25.0", "/v25.0/999/messages", "/v25.0/107000000000002/hologram", "", "/v25.0/9/8/7"):
        assert world.simulator.handle(post(text(KIM), path), NOW).answer.status == 400


def test_rates(world: World) -> None:
    strict = WhatsApp(account(), pair=(2, 1 / 6), number=(3, 80))
    strict.act(Action(kind="say", customer="kim", text="x"), NOW)
    codes = []
    for _ in range(4):
        answer = strict.handle(post(text(KIM)), NOW).answer
        codes.append(None if answer.status == 200 else error(answer)["code"])
    assert codes == [None, None, 131056, 130429]
    assert strict.handle(post(text(KIM)), NOW + timedelta(seconds=6)).answer.status == 200


def test_files_die(world: World) -> None:
    calls = world.act(Action(kind="say", customer="kim", file=PICTURE))
    item = json.loads(calls[-1].body)["entry"][0]["changes"][0]["value"]["messages"][0]["image"]
    path, _, query = item["url"].removeprefix("https://graph.facebook.com").partition("?")
    pairs = tuple((key, value) for key, _, value in (one.partition("=") for one in query.split("&")))

    def get(at: datetime, token: str = TOKEN) -> int:
        headers = {"authorization": f"Bearer {token}"}
        return world.simulator.handle(RawRequest("GET", item["url"], path, pairs, headers, b"", NOW), at).answer.status

    def look(at: datetime) -> int:
        headers = {"authorization": "Bearer sample-token"}
        request = RawRequest("GET", "", f"/v25.0/{item['id']}", (), headers, b"", NOW)
        return world.simulator.handle(request, at).answer.status

    assert (get(NOW), get(NOW, "other"), get(NOW + timedelta(minutes=6))) == (200, 401, 404)
    assert (look(NOW), look(NOW + timedelta(days=8))) == (200, 400)


def test_a_link_is_fetched_before_it_is_shown(world: World) -> None:
    body = text(KIM) | {"type": "image", "image": {"link": "https://gw.example.test/f/1/a.png?s=1", "caption": "look"}}
    del body["text"]
    (call,) = world.simulator.handle(post(body), NOW).calls
    assert (call.purpose, call.url) == ("fetch", "https://gw.example.test/f/1/a.png?s=1")
    assert len(world.handset()) == 1
    calls = world.simulator.settled(call, Answer(200, b"png", {"Content-Type": "image/png"}), NOW)
    assert receipts(world.simulator, calls) == [("sent", None), ("delivered", None)]
    line = world.handset()[-1]
    assert (line.text, line.media and line.media["name"]) == ("look", "a.png")
    (other,) = world.simulator.handle(post(body), NOW).calls
    assert receipts(world.simulator, world.simulator.settled(other, None, NOW)) == [("failed", "131053")]


def test_what_is_not_taken_comes_again_at_growing_gaps() -> None:
    simulator = WhatsApp(account())
    (call,) = simulator.act(Action(kind="say", customer="kim", text="x"), NOW).calls
    delays = []
    for answer in (None, Answer(500), Answer(404)):
        (call,) = simulator.settled(call, answer, NOW)
        delays.append(call.delay_seconds)
        assert simulator.handset("kim")[0].status == "sending"
    assert delays == [1, 2, 5]
    assert (call.attempt, call.id) == (4, "hook-1.4")
    assert simulator.settled(call, Answer(200), NOW) == ()
    assert simulator.handset("kim")[0].status == "sent"


def test_meta_gives_up_in_the_end() -> None:
    simulator = WhatsApp(account())
    calls = simulator.act(Action(kind="say", customer="kim", text="x"), NOW).calls
    while calls:
        calls = simulator.settled(calls[0], None, NOW)
    assert simulator.handset("kim")[0].status == "failed"


ACTIONS: list[tuple[Action, str, str]] = [
    (
        Action(kind="say", customer="kim", file=SimFile(name="b.pdf", mime_type="application/pdf", content=b"%PDF"), text="bill"),
        "message",
        "[file: b.pdf] bill",
    ),
    (
        Action(
            kind="say", customer="kim", file=SimFile(name="v.ogg", mime_type="audio/ogg", content=b"ogg"), details={"voice": True}
        ),
        "message",
        "[voice]",
    ),
    (Action(kind="say", customer="kim", file=SimFile(name="v.mp4", mime_type="video/mp4", content=b"mp4")), "message", "[video]"),
    (Action(kind="sticker", customer="kim"), "message", "[sticker]"),
    (
        Action(kind="location", customer="kim", details={"latitude": 40.41, "longitude": -3.7, "name": "Shop"}),
        "message",
        "[location: Shop, 40.41, -3.7]",
    ),
    (
        Action(kind="contact", customer="kim", details={"name": "Leo Paz", "phone_number": "+34 600"}),
        "message",
        "[contact: Leo Paz, +34 600]",
    ),
    (Action(kind="choose", customer="kim", details={"id": "yes", "title": "Yes"}), "message", "Yes"),
    (
        Action(kind="choose", customer="kim", details={"id": "r1", "title": "Red", "form": "list_reply", "description": "warm"}),
        "message",
        "Red",
    ),
    (Action(kind="choose", customer="kim", details={"id": "Y_1", "title": "Yes", "form": "button"}), "message", "Yes"),
]


@pytest.mark.parametrize(
    ("action", "kind", "plain"), ACTIONS, ids=[f"{row[0].kind}-{number}" for number, row in enumerate(ACTIONS)]
)
def test_what_customers_do_is_understood(world: World, action: Action, kind: str, plain: str) -> None:
    (event,) = sent_events(world, world.act(action))
    assert isinstance(event, InboundMessage)
    assert (event.kind, event.plain) == (kind, plain)
    assert world.handset()[-1].status == "sent"


def test_reactions_edits_and_deletions(world: World) -> None:
    world.hears_text("how can I help?")
    mine, theirs = world.handset()
    reaction = sent_events(world, world.act(Action(kind="react", customer="kim", target=theirs.id, text="👍")))[-1]
    assert (reaction.message_id, reaction.emoji) == (theirs.id, "👍")
    gone = sent_events(world, world.act(Action(kind="react", customer="kim", target=theirs.id)))[-1]
    assert gone.emoji is None
    edit = sent_events(world, world.act(Action(kind="edit", customer="kim", target=mine.id, text="hullo")))[-1]
    assert (edit.kind, edit.message_id, edit.parts[0].plain) == ("edit", mine.id, "hullo")
    deletion = sent_events(world, world.act(Action(kind="unsend", customer="kim", target=mine.id)))[-1]
    assert (deletion.kind, deletion.message_id) == ("deletion", mine.id)
    assert (world.handset()[0].text, len(world.handset())) == (None, 2)


@pytest.mark.parametrize(
    "action",
    [
        Action(kind="typing", customer="kim"),
        Action(kind="end", customer="kim"),
        Action(kind="say", customer="kim"),
        Action(kind="location", customer="kim"),
        Action(kind="choose", customer="kim"),
        Action(kind="react", customer="kim", target="nothing", text="x"),
        Action(kind="edit", customer="kim", target="nothing", text="x"),
        Action(kind="unsend", customer="leo", target="nothing"),
    ],
)
def test_what_can_t_be_done_changes_nothing(world: World, action: Action) -> None:
    before = world.handset()
    with pytest.raises(CannotAct):
        world.act(action)
    assert world.handset() == before
    assert world.simulator.handset("leo") == []


@pytest.mark.parametrize("how", ["omit", "empty"])
def test_a_customer_without_a_number_is_answered(how: str) -> None:
    world = World(SUITE)
    calls = world.act(Action(kind="say", customer="kim", text="hello", details={"phone": how}))
    (event,) = sent_events(world, calls)
    assert (event.end_user.address[:3], event.end_user.aliases, event.end_user.username) == ("ES.", (), "kim")
    world.address = event.end_user.address
    world.hears_text("hello yourself")


def test_replies_forwards_and_ads(world: World) -> None:
    world.hears_text("how can I help?")
    target = world.handset()[-1].id
    action = Action(
        kind="say", customer="kim", text="this", target=target, details={"forwarded": True, "referral": {"source_type": "ad"}}
    )
    event = sent_events(world, world.act(action))[-1]
    assert (event.reply_to, event.referral.source) == (target, "ad")


def test_our_reply_quotes_on_the_handset(world: World) -> None:
    mine = world.handset()[0].id
    world.send(world.say(text="this one", reply_to=mine))
    assert world.handset()[-1].reply_to == mine


def test_typing_reaches_the_phone(world: World) -> None:
    from tests.adapters.whatsapp.account import typing

    assert isinstance(world.simulator, WhatsApp)
    world.send(typing(memory=dict(world.memory)))
    assert world.simulator.phone("kim").typing_until == NOW + timedelta(seconds=25)
    assert world.handset()[0].model_extra == {"seen": True}


def test_typing_works_after_a_reaction(world: World) -> None:
    from tests.adapters.whatsapp.account import typing

    world.hears_text("how can I help?")
    world.act(Action(kind="react", customer="kim", target=world.handset()[-1].id, text="👍"))
    world.send(typing(memory=dict(world.memory)))
    assert isinstance(world.simulator, WhatsApp)
    assert world.simulator.phone("kim").typing_until is not None


def test_the_same_inputs_make_the_same_provider() -> None:
    def run() -> tuple[Any, ...]:
        simulator = WhatsApp(account())
        first = simulator.act(Action(kind="say", customer="kim", file=PICTURE, text="x"), NOW)
        second = simulator.handle(post(text(KIM)), NOW)
        return first, second, simulator.handset("kim")

    assert run() == run()


def test_twice_and_late(world: World) -> None:
    calls = world.simulator.act(Action(kind="say", customer="kim", text="x", details={"times": 3, "delay_seconds": 4}), NOW).calls
    assert [call.delay_seconds for call in calls] == [4, 4, 4]
    assert len({call.id for call in calls}) == 3
    assert len({call.body for call in calls}) == 1


def test_the_adapter_hears_the_simulator_s_refusals(world: World) -> None:
    long = world.say(text="x" * 4097)
    with pytest.raises(SendFailed) as failed:
        world.send(long)
    assert (failed.value.verdict, failed.value.code) == (Verdict.dead, "content_refused")


def test_uploads_are_checked(world: World) -> None:
    assert isinstance(world.simulator, WhatsApp)
    for call in (
        HttpCall(
            "POST", f"https://graph.facebook.com{MESSAGES.replace('messages', 'media')}", fields={"messaging_product": "whatsapp"}
        ),
        HttpCall("POST", f"https://graph.facebook.com{MESSAGES.replace('messages', 'media')}", body=b"x"),
    ):
        request = post(call.body, "/v25.0/107000000000002/media")
        assert world.simulator.handle(request, NOW).answer.status == 400


@pytest.mark.parametrize("mime_type", ["text/csv", "application/zip", "image/gif", "image/heic", "video/quicktime", "audio/wav"])
def test_a_type_that_meta_does_not_take_is_refused_and_the_customer_gets_a_link(world: World, mime_type: str) -> None:
    refused = world.simulator.handle(upload(world, mime_type), NOW).answer
    assert (refused.status, error(refused)["code"]) == (400, 100)
    assert error(refused)["message"].startswith("(#100) Param file must be a file with one of the following types: audio/aac, ")
    assert error(refused)["message"].endswith(f"Received file of type '{mime_type}'.")
    file = OutboundFile(name="f", mime_type=mime_type, size_bytes=3, url="https://x.test/f", content=b"abc")
    world.send(world.say(text="look", file=file))
    assert [(line.text, line.media) for line in world.handset()][1:] == [("look\nf: https://x.test/f", None)]


def test_opus_under_its_own_name_is_taken_and_then_refused(world: World) -> None:
    uploaded = json.loads(world.simulator.handle(upload(world, "audio/opus"), NOW).answer.body)
    message = {**text(number_of()), "type": "audio", "audio": {"id": uploaded["id"]}}
    del message["text"]
    refused = world.simulator.handle(post(message), NOW).answer
    assert error(refused)["code"] == 131053
    assert error(refused)["error_data"]["details"].startswith("Unsupported Audio mime type audio/opus.")
    sound = OutboundFile(name="v.opus", mime_type="audio/opus", size_bytes=3, url="https://x.test/v", content=b"abc")
    world.send(world.say(file=sound))
    shown = world.handset()[-1].media
    assert shown is not None
    assert shown["mime_type"] == "audio/ogg"


@pytest.mark.parametrize(
    ("dialled", "known"),
    [
        ("+551199991111", "5511999991111"),
        ("5215511112222", "525511112222"),
        ("5491155551111", "541155551111"),
        ("34600", "34600"),
    ],
)
def test_numbers_are_rewritten_as_whatsapp_does(dialled: str, known: str) -> None:
    assert canonical(dialled) == known


def test_mischief_refuses_or_takes_and_lies(world: World) -> None:
    """One entry befalls one message; a taken one is on the handset though the answer says otherwise."""
    orders = [{"status": 503, "retry_after": 7}, {"status": 500, "taken": True}, {"code": 130429}, {"error": 131049}]
    world.act(Action(kind="read", customer="kim", details={"mischief": orders}))
    failures = []
    for number in range(3):
        with pytest.raises(SendFailed) as failed:
            world.send(world.say(text=f"Hi {number}"))
        failures.append((failed.value.verdict, failed.value.provider_code, failed.value.again_at))
    assert failures == [
        (Verdict.again, "2", NOW + timedelta(seconds=7)),
        (Verdict.again, "1", None),
        (Verdict.again, "130429", None),
    ]
    assert [line.text for line in world.handset()] == ["hello", "Hi 1"]
    assert receipts(world.simulator, world.simulator.handle(post(text(KIM)), NOW).calls) == [("failed", "131049")]
    world.hears_text("all well again")


def test_mischief_with_webhooks(world: World) -> None:
    world.act(Action(kind="read", customer="kim", details={"mischief": [{"shuffled": True, "times": 2}]}))
    calls = world.simulator.handle(post(text(KIM)), NOW).calls
    assert receipts(world.simulator, calls) == [("delivered", None), ("sent", None)] * 2
    assert len({call.lane for call in calls[:2]}) == 2
    ids = [event.event_id for event in sent_events(world, calls)]
    assert len(set(ids)) == 2
    with pytest.raises(CannotAct):
        world.act(Action(kind="read", customer="kim", details={"mischief": [{"weather": "bad"}]}))


def test_a_thousand_updates_in_one_delivery(world: World) -> None:
    (call,) = world.act(Action(kind="say", customer="kim", text="spam", details={"batch": 1000}))
    assert [event.plain for event in sent_events(world, [call])[:2]] == ["spam 1", "spam 2"]
    assert len(world.handset()) == 1001
    with pytest.raises(CannotAct):
        world.act(Action(kind="say", customer="kim", text="spam", details={"batch": 1001}))


def test_staff_write_in_the_phone_app(world: World) -> None:
    (event,) = sent_events(world, world.act(Action(kind="say", customer="kim", text="We close at six", details={"staff": True})))
    assert (event.author, event.plain, event.end_user.address) == ("business", "We close at six", world.address)
    assert (world.handset()[-1].sender, world.handset()[-1].text) == ("them", "We close at six")


@pytest.mark.parametrize(
    ("event", "kind", "words"),
    [
        ("unsupported", "message", "[poll: Message type is currently not supported.]"),
        ("changed_number", "message", f"User Kim changed from {KIM} to 34699{KIM[5:]}"),
        ("marketing_stop", "unknown", "marketing_stop"),
        ("marketing_resume", "unknown", "marketing_resume"),
    ],
)
def test_what_happens_beside_messages(world: World, event: str, kind: str, words: str) -> None:
    (found,) = sent_events(world, world.act(Action(kind="say", customer="kim", details={"event": event})))
    assert (found.kind, found.plain if kind == "message" else found.reason) == (kind, words)
    with pytest.raises(CannotAct):
        world.act(Action(kind="say", customer="kim", details={"event": "rain"}))


def test_a_flow_is_answered(world: World) -> None:
    action = Action(
        kind="choose", customer="kim", details={"id": "t-1", "title": "Sent", "form": "flow", "fields": {"size": "M"}}
    )
    (event,) = sent_events(world, world.act(action))
    assert (event.parts[0].id, event.parts[0].fields) == ("t-1", {"flow_token": "t-1", "size": "M"})


# -------------------------------------------------------------------------- ads, orders, calls, and who answers


AD = {
    "source_url": "https://fb.me/3cr4Wq",
    "source_id": "120208",
    "source_type": "ad",
    "headline": "20 % off",
    "body": "Only this week",
    "image_url": "https://shop.example/lamp.jpg",
    "ctwa_clid": "ARAkL",
}


def test_who_clicked_on_an_ad_says_so_with_the_first_message(world: World) -> None:
    said = Action(kind="say", customer="kim", text="still on?", details={"referral": AD})
    event = sent_events(world, world.act(said))[-1]
    found = event.referral
    assert (found.source, found.id, found.headline, found.click_id) == ("ad", "120208", "20 % off", "ARAkL")


def test_who_asks_about_a_product_names_it(world: World) -> None:
    product = {"catalog_id": "35416", "product_retailer_id": "LAMP-17"}
    said = Action(kind="say", customer="kim", text="in red?", details={"product": product})
    event = sent_events(world, world.act(said))[-1]
    assert (event.referral.source, event.referral.product.id, event.referral.product.catalog_id) == (
        "product",
        "LAMP-17",
        "35416",
    )


def test_an_order_with_a_note(world: World) -> None:
    items = [{"product_retailer_id": "LAMP-17", "quantity": 2, "item_price": 40, "currency": "USD"}]
    said = Action(
        kind="say", customer="kim", details={"order": {"catalog_id": "35416", "text": "a gift", "product_items": items}}
    )
    event = sent_events(world, world.act(said))[-1]
    assert event.plain == "[order: 2 × LAMP-17 at 40 USD] a gift"


@pytest.mark.parametrize("order", [None, {}, {"product_items": []}, {"product_items": [{}]}])
def test_an_order_of_nothing_is_none(world: World, order: Any) -> None:
    with pytest.raises(CannotAct):
        world.act(Action(kind="say", customer="kim", details={"order": order}))


@pytest.mark.parametrize(
    ("details", "words"),
    [
        ({"id": "accept"}, "May be called on WhatsApp"),
        ({"id": "accept", "expires": 1789640000}, "May be called on WhatsApp until 2026-09-17 10:13 UTC"),
        ({"id": "reject"}, "Doesn't want to be called"),
    ],
)
def test_the_answer_to_may_we_call_you(world: World, details: dict[str, Any], words: str) -> None:
    chosen = Action(kind="choose", customer="kim", details={"form": "call_permission", "title": "Allow", **details})
    event = sent_events(world, world.act(chosen))[-1]
    assert (event.parts[0].id, event.plain) == (details["id"], words)


def test_a_call_that_nobody_answers_is_a_message_and_opens_the_window() -> None:
    world = World(SUITE)
    rings, missed = sent_events(world, world.act(Action(kind="say", customer="kim", details={"event": "missed_call"})))
    assert (rings.kind, rings.reason) == ("unknown", "call_connect")
    assert (missed.kind, missed.author, missed.plain) == ("message", "end_user", "[missed call]")
    world.address = missed.end_user.address
    world.hears_text("You called?")


def test_metas_agent_answers_and_hands_over(world: World) -> None:
    (taken,) = sent_events(world, world.act(Action(kind="say", customer="kim", details={"owner": "bot"})))
    assert (taken.kind, taken.change, taken.app) == ("handover", "away", "Meta's business agent")
    (said,) = sent_events(world, world.act(Action(kind="say", customer="kim", text="my money back")))
    (answered,) = sent_events(world, world.act(Action(kind="say", customer="kim", text="a person?", details={"staff": True})))
    assert [(one.plain, one.author, one.standby) for one in (said, answered)] == [
        ("my money back", "end_user", True),
        ("a person?", "business", True),
    ]
    back = Action(kind="say", customer="kim", details={"owner": "us", "metadata": "wants a refund"})
    (given,) = sent_events(world, world.act(back))
    assert (given.change, given.app, given.metadata) == ("to_us", "Meta's business agent", "wants a refund")
    (said,) = sent_events(world, world.act(Action(kind="say", customer="kim", text="hello?")))
    assert not said.standby


def test_who_sends_takes_the_conversation_over(world: World) -> None:
    sent_events(world, world.act(Action(kind="say", customer="kim", details={"owner": "bot"})))
    world.hears_text("I'm a person")
    (said,) = sent_events(world, world.act(Action(kind="say", customer="kim", text="good")))[-1:]
    assert not said.standby


@pytest.mark.parametrize(
    ("event", "names"),
    [
        ("changed_number", {"from", "from_user_id", "wa_id"}),
        ("changed_both", {"from", "from_user_id", "wa_id", "user_id"}),
        ("changed_id", {"user_id", "previous_user_id"}),
    ],
)
def test_who_changes_is_reached_as_told_and_no_more_as_before(world: World, event: str, names: set[str]) -> None:
    before = number_of()
    (call,) = world.act(Action(kind="say", customer="kim", details={"event": event}))
    item = json.loads(call.body)["entry"][0]["changes"][0]["value"]["messages"][0]
    assert {"from", "from_user_id"} & set(item) | set(item["system"]) - {"type", "body"} == names
    told: Any
    (told,) = world.understood(call)
    number = told.remember["wa_id"]
    assert told.end_user.formerly
    assert (number is None) == (event == "changed_id")
    lost = world.simulator.handle(post(text(before)), NOW)
    assert receipts(world.simulator, lost.calls) == [("failed", "131026")]
    found = world.simulator.handle(
        post(text(number) if number else {**text("x"), "to": "", "recipient": told.end_user.address}), NOW
    )
    assert receipts(world.simulator, found.calls) == [("sent", None), ("delivered", None)]


def test_a_number_that_was_given_up_is_somebody_elses_now(world: World) -> None:
    before = number_of()
    taking = Action(kind="say", customer="zoe", details={"event": "changed_number", "number": before})
    with pytest.raises(CannotAct, match="already in use"):
        world.act(taking)
    world.act(Action(kind="say", customer="kim", details={"event": "changed_id"}))
    world.act(taking)
    (call,) = world.act(Action(kind="say", customer="zoe", text="hello"))
    said: Any
    (said,) = world.understood(call)
    assert before in (said.end_user.address, *said.end_user.aliases)
