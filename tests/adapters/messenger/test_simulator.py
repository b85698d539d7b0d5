"""The simulated Messenger Platform: as strict as Meta's, and the same again for the same inputs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from adapters._meta.platform.simulator import PlatformSimulator
from adapters.conformance import PICTURE, World
from adapters.contract import Answer, RawRequest
from adapters.envelope import EndUser, InboundMessage, Speaker
from adapters.errors import SendFailed, Verdict
from adapters.messenger.outbound import profile
from adapters.messenger.simulator import MESSENGER
from adapters.simulation import Action, CannotAct, ProviderCall
from tests.adapters.messenger.account import APP, NOW, PAGE, TOKEN, account, typing
from tests.adapters.messenger.suite import SUITE

MESSAGES = f"/v25.0/{PAGE}/messages"


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


def simulated(**more: Any) -> PlatformSimulator:
    simulator = PlatformSimulator(account(), MESSENGER, **more)
    simulator.act(Action(kind="say", customer="kim", text="x"), NOW)
    return simulator


KIM = simulated().phone("kim").address


def text(body: Any = "Hi", **more: Any) -> dict[str, Any]:
    return {"recipient": {"id": KIM}, "messaging_type": "RESPONSE", "message": {"text": body}, **more}


def codes(answer: Answer) -> tuple[int, int | None]:
    error = json.loads(answer.body)["error"]
    return error["code"], error.get("error_subcode")


def heard(world: World, calls: Sequence[ProviderCall]) -> list[Any]:
    return [event for call in calls for event in world.understood(call)]


def test_what_we_send_is_echoed_delivered_and_read(world: World) -> None:
    outcome = world.simulator.handle(post(text(message={"text": "Hi", "metadata": "msg_7"})), NOW)
    mid = json.loads(outcome.answer.body)["message_id"]
    echo, delivery = heard(world, outcome.calls)
    assert (echo.status, echo.outbox_id, echo.message_ids) == ("sent", "msg_7", (mid,))
    assert (delivery.status, delivery.message_ids) == ("delivered", (mid,))
    (read,) = heard(world, world.act(Action(kind="read", customer="kim")))
    assert (read.status, read.message_ids) == ("read", ())
    assert read.up_to >= NOW
    assert world.act(Action(kind="read", customer="kim")) == []


def test_the_handset_shows_who_speaks(world: World) -> None:
    world.hears_text("how can I help?")
    world.hears_notice("Ana joined")
    spoken, notice = world.handset()[-2:]
    assert (spoken.speaker, spoken.text) == ("Ana", "how can I help?")
    assert (notice.speaker, notice.kind) == (None, "notice")


def test_a_deleted_persona_is_made_anew(world: World) -> None:
    assert isinstance(world.simulator, PlatformSimulator)
    world.hears_text("one")
    world.simulator.personas.clear()
    world.hears_text("two")
    assert world.handset()[-1].speaker == "Ana"


def test_a_phone_that_is_off_gets_it_later(world: World) -> None:
    world.act(Action(kind="offline", customer="kim"))
    assert [one.status for one in heard(world, world.simulator.handle(post(text()), NOW).calls)] == ["sent"]
    assert [one.status for one in heard(world, world.act(Action(kind="online", customer="kim")))] == ["delivered"]


REFUSED: list[tuple[str, Any, tuple[int, int | None]]] = [
    ("not_json", b"{", (100, None)),
    ("unknown_field", text(colour="red"), (100, None)),
    ("unknown_field_in_message", text(message={"text": "x", "colour": "red"}), (100, None)),
    ("over_long_text", text("x" * 2001), (100, None)),
    ("empty_text", text(""), (100, None)),
    ("text_and_attachment", text(message={"text": "x", "attachment": {}}), (100, 2018047)),
    ("nothing", text(message={}), (100, 2018047)),
    ("over_long_metadata", text(message={"text": "x", "metadata": "x" * 1001}), (100, None)),
    ("stranger", text(recipient={"id": "1"}), (100, 2018001)),
    ("no_recipient", text(recipient=None), (100, 2018001)),
    ("unknown_type", text(messaging_type="SHOUT"), (100, None)),
    ("tag_without_its_type", text(tag="HUMAN_AGENT"), (100, None)),
    ("tag_without_the_feature", text(messaging_type="MESSAGE_TAG", tag="HUMAN_AGENT"), (10, 2018065)),
    ("tag_that_is_gone", text(messaging_type="MESSAGE_TAG", tag="ACCOUNT_UPDATE"), (100, 1893061)),
    ("unknown_persona", text(persona_id="1"), (100, None)),
    ("quote_of_nothing", text(reply_to={"mid": "m_NO"}), (9000001, None)),
    ("unknown_attachment_id", text(message={"attachment": {"type": "image", "payload": {"attachment_id": "1"}}}), (100, 2018074)),
    ("message_with_action", text(sender_action="typing_on"), (100, 2018014)),
    ("unknown_action", {"recipient": {"id": KIM}, "sender_action": "dance"}, (100, None)),
]


@pytest.mark.parametrize(("body", "expected"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refusals(world: World, body: Any, expected: tuple[int, int | None]) -> None:
    outcome = world.simulator.handle(post(body), NOW)
    assert (outcome.answer.status, codes(outcome.answer)) == (400, expected)
    assert outcome.calls == ()
    assert len(world.handset()) == 1


def test_bad_tokens_and_unknown_paths(world: World) -> None:
    denied = world.simulator.handle(post(text(), token="other"), NOW)
    assert (denied.answer.status, codes(denied.answer)[0]) == (401, 190)
    for path in ("/messages", "/v25.0", "/v25.0/999/messages", f"/v25.0/{PAGE}/hologram", "", "/cdn/"):
        assert world.simulator.handle(post(text(), path), NOW).answer.status in (400, 403)
    assert world.simulator.handle(post(text(), "/v25.0/me/messages"), NOW).answer.status == 200


def test_the_window(world: World) -> None:
    late = NOW + timedelta(hours=24, seconds=1)
    assert codes(world.simulator.handle(post(text()), late).answer) == (10, 2018278)
    tagged = text(messaging_type="MESSAGE_TAG", tag="HUMAN_AGENT")
    allowed = simulated(human_agent=True)
    assert allowed.handle(post(tagged), late).answer.status == 200
    assert codes(allowed.handle(post(tagged), NOW + timedelta(days=8)).answer) == (10, 2018278)


def test_who_blocked_us_is_not_reached(world: World) -> None:
    world.act(Action(kind="block", customer="kim"))
    assert codes(world.simulator.handle(post(text()), NOW).answer) == (551, 1545041)
    with pytest.raises(SendFailed) as failed:
        world.send(world.say(text="Hi"))
    assert (failed.value.verdict, failed.value.code) == (Verdict.dead, "blocked")
    with pytest.raises(CannotAct):
        world.act(Action(kind="say", customer="kim", text="x"))
    world.act(Action(kind="unblock", customer="kim"))
    world.says_text("back")


def test_rates() -> None:
    strict = simulated(rate=(2, 1))
    answers = [strict.handle(post(text()), NOW).answer for _ in range(3)]
    assert [one.status for one in answers] == [200, 200, 400]
    assert codes(answers[2]) == (613, None)


def test_a_link_is_fetched_before_it_is_shown(world: World) -> None:
    message = {"attachment": {"type": "image", "payload": {"url": "https://gw.example.test/f/a.png?s=1"}}, "metadata": "msg_1"}
    (call,) = world.simulator.handle(post(text(message=message)), NOW).calls
    assert (call.purpose, len(world.handset())) == ("fetch", 1)
    calls = world.simulator.settled(call, Answer(200, b"png", {"Content-Type": "image/png"}), NOW)
    assert [one.status for one in heard(world, calls)] == ["sent", "delivered"]
    assert (world.handset()[-1].media or {})["name"] == "a.png"
    (other,) = world.simulator.handle(post(text(message=message)), NOW).calls
    assert world.simulator.settled(other, None, NOW) == ()


def test_files_of_customers_die(world: World) -> None:
    calls = world.act(Action(kind="say", customer="kim", file=PICTURE))
    url = json.loads(calls[-1].body)["entry"][0]["messaging"][0]["message"]["attachments"][0]["payload"]["url"]
    path, _, query = url.removeprefix("https://graph.facebook.com").partition("?")

    def get(at: datetime, expires: str) -> int:
        return world.simulator.handle(RawRequest("GET", url, path, (("oe", expires),), {}, b"", NOW), at).answer.status

    good = query.removeprefix("oe=")
    assert (get(NOW, good), get(NOW + timedelta(days=2), good), get(NOW, "zz"), get(NOW, "")) == (200, 403, 403, 403)


ACTIONS: list[tuple[Action, str]] = [
    (Action(kind="say", customer="kim", text="look", file=PICTURE), "look\n[image]"),
    (Action(kind="sticker", customer="kim"), "[sticker: 👍]"),
    (Action(kind="sticker", customer="kim", details={"twice": True, "sticker_id": 7}), "[sticker]"),
    (Action(kind="location", customer="kim", details={"latitude": 40.41, "longitude": -3.7}), "[location: 40.41, -3.7]"),
    (Action(kind="choose", customer="kim", details={"id": "Y", "title": "Yes"}), "Yes"),
    (Action(kind="choose", customer="kim", details={"id": "START", "title": "Get started", "form": "postback"}), "Get started"),
]


@pytest.mark.parametrize(("action", "plain"), ACTIONS, ids=[f"{row[0].kind}-{number}" for number, row in enumerate(ACTIONS)])
def test_what_customers_do_is_understood(world: World, action: Action, plain: str) -> None:
    (event,) = heard(world, world.act(action))
    assert isinstance(event, InboundMessage)
    assert event.plain == plain
    assert world.handset()[-1].status == "sent"


def test_reactions_and_edits(world: World) -> None:
    world.hears_text("how can I help?")
    mine, theirs = world.handset()
    reaction = heard(world, world.act(Action(kind="react", customer="kim", target=theirs.id, text="❤")))[-1]
    assert (reaction.message_id, reaction.emoji) == (theirs.id, "❤")
    gone = heard(world, world.act(Action(kind="react", customer="kim", target=theirs.id)))[-1]
    assert gone.emoji is None
    first = heard(world, world.act(Action(kind="edit", customer="kim", target=mine.id, text="hullo")))[-1]
    second = heard(world, world.act(Action(kind="edit", customer="kim", target=mine.id, text="hallo")))[-1]
    assert (first.message_id, first.event_id == second.event_id) == (mine.id, False)
    assert world.handset()[0].text == "hallo"


def test_messenger_tells_nobody_of_a_deletion(world: World) -> None:
    mine = world.handset()[0]
    assert world.act(Action(kind="unsend", customer="kim", target=mine.id)) == []
    assert world.handset()[0].text is None
    world.send(world.say(text="as you wrote", reply_to=mine.id))
    assert world.handset()[-1].model_extra == {}


def test_our_reply_quotes_on_the_handset(world: World) -> None:
    mine = world.handset()[0].id
    world.send(world.say(text="this one", reply_to=mine))
    assert world.handset()[-1].reply_to == mine


@pytest.mark.parametrize(
    "action",
    [
        Action(kind="typing", customer="kim"),
        Action(kind="end", customer="kim"),
        Action(kind="contact", customer="kim"),
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


def test_typing_shows_under_the_persona(world: World) -> None:
    assert isinstance(world.simulator, PlatformSimulator)
    world.hears_text("one moment")
    world.send(typing(to=world.address, memory=dict(world.memory), speaker=Speaker(id="ana", name="Ana")))
    assert world.simulator.phone("kim").typing_as == "Ana"
    assert world.handset()[0].model_extra == {"seen": True}
    world.send(typing(False, to=world.address))
    assert world.simulator.phone("kim").typing_as is None


def test_the_inbox_takes_the_thread_and_gives_it_back(world: World) -> None:
    (taken,) = heard(world, world.act(Action(kind="say", customer="kim", details={"owner": "inbox"})))
    assert (taken.change, taken.app, taken.remember) == ("away", "Meta's inbox", {"thread_owner": "263902037430900"})
    (echo,) = heard(world, world.act(Action(kind="say", customer="kim", text="We close at six", details={"staff": True})))
    assert (echo.author, echo.standby) == ("business", True)
    (back,) = heard(world, world.act(Action(kind="say", customer="kim", details={"owner": "us", "metadata": "your turn"})))
    assert (back.change, back.app, back.metadata, back.remember) == ("to_us", "Meta's inbox", "your turn", {"thread_owner": APP})
    world.says_text("hello again")
    (echo,) = heard(world, world.act(Action(kind="say", customer="kim", text="We close at six", details={"staff": True})))
    assert (echo.author, echo.plain, echo.end_user.address) == ("business", "We close at six", world.address)


def test_after_an_hour_of_failures_we_must_subscribe_again() -> None:
    """Meta takes the subscription away: nothing comes any more, and a look at `subscribed_apps` tells."""
    simulator = PlatformSimulator(account(), MESSENGER, patience=timedelta(hours=1))
    subscriptions = RawRequest("GET", "", f"/v25.0/{PAGE}/subscribed_apps", (), {"authorization": f"Bearer {TOKEN}"}, b"", NOW)
    (call,) = simulator.act(Action(kind="say", customer="kim", text="x"), NOW).calls
    (call,) = simulator.settled(call, None, NOW)
    assert simulator.settled(call, None, NOW + timedelta(hours=1)) == ()
    assert simulator.act(Action(kind="say", customer="kim", text="y"), NOW).calls == ()
    assert json.loads(simulator.handle(subscriptions, NOW).answer.body) == {"data": []}
    simulator.handle(post({}, f"/v25.0/{PAGE}/subscribed_apps"), NOW)
    assert len(simulator.act(Action(kind="say", customer="kim", text="z"), NOW).calls) == 1


def test_mischief_refuses_or_takes_and_lies(world: World) -> None:
    orders = [
        {"status": 503},
        {"code": 1, "subcode": 1357046, "status": 500, "taken": True},
        {"code": 613},
        {"times": 2, "shuffled": True},
    ]
    world.act(Action(kind="read", customer="kim", details={"mischief": orders}))
    failures = []
    for number in range(3):
        with pytest.raises(SendFailed) as failed:
            world.send(world.say(text=f"Hi {number}"))
        failures.append((failed.value.verdict, failed.value.provider_code))
    assert failures == [(Verdict.again, "2"), (Verdict.unknown, "1/1357046"), (Verdict.again, "613")]
    assert [line.text for line in world.handset()] == ["hello", "Hi 1"]
    statuses = [one.status for one in heard(world, world.simulator.handle(post(text()), NOW).calls)]
    assert statuses == ["delivered", "sent"] * 2


def test_many_events_in_one_delivery(world: World) -> None:
    (call,) = world.act(Action(kind="say", customer="kim", text="spam", details={"batch": 1000}))
    assert [one.plain for one in heard(world, [call])[:2]] == ["spam 1", "spam 2"]
    assert len(world.handset()) == 1001
    with pytest.raises(CannotAct):
        world.act(Action(kind="say", customer="kim", text="spam", details={"batch": 1001}))


def test_another_app_takes_the_thread_and_gives_it_back(world: World) -> None:
    """While it holds the thread its customer's words come as `standby`, and ours are refused."""
    control = {"recipient": {"id": KIM}}
    assert world.simulator.handle(post(control, f"/v25.0/{PAGE}/pass_thread_control"), NOW).answer.status == 200
    (aside,) = heard(world, world.act(Action(kind="say", customer="kim", text="to the inbox")))
    assert (aside.plain, aside.standby) == ("to the inbox", True)
    with pytest.raises(SendFailed) as failed:
        world.send(world.say(text="Hi"))
    assert "Another app" in str(failed.value)
    world.account = account(take_thread=True)
    world.send(world.say(text="taken over"))
    assert world.handset()[-1].text == "taken over"
    assert isinstance(world.simulator, PlatformSimulator)
    assert world.simulator.phone("kim").owner == APP


def test_the_profile_is_looked_up(world: World) -> None:
    person = world.run(profile(EndUser(address=world.address), account(), NOW))
    assert (person.name, person.locale) == ("Kim", "en_GB")


def test_personas_can_be_listed_read_and_deleted(world: World) -> None:
    world.hears_text("hi")
    headers = {"authorization": f"Bearer {TOKEN}"}

    def ask(method: str, path: str) -> Any:
        answer = world.simulator.handle(RawRequest(method, "", path, (), headers, b"", NOW), NOW).answer
        return json.loads(answer.body)

    (persona,) = ask("GET", f"/v25.0/{PAGE}/personas")["data"]
    assert persona["name"] == "Ana"
    assert ask("GET", f"/v25.0/{persona['id']}")["name"] == "Ana"
    assert ask("DELETE", f"/v25.0/{persona['id']}") == {"success": True}
    assert ask("GET", f"/v25.0/{persona['id']}")["error"]["code"] == 100


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": "x" * 51}, {"name": "Ana", "mood": "good"}])
def test_odd_personas_are_refused(world: World, body: dict[str, str]) -> None:
    assert world.simulator.handle(post(body, f"/v25.0/{PAGE}/personas"), NOW).answer.status == 400


def test_the_same_inputs_make_the_same_provider() -> None:
    def run() -> tuple[Any, ...]:
        simulator = simulated()
        return simulator.handle(post(text()), NOW), simulator.handset("kim")

    assert run() == run()


def test_twice_and_late(world: World) -> None:
    action = Action(kind="say", customer="kim", text="x", details={"times": 3, "delay_seconds": 4})
    calls = world.simulator.act(action, NOW).calls
    assert [call.delay_seconds for call in calls] == [4, 4, 4]
    assert len({call.body for call in calls}) == 1


def test_what_is_not_taken_comes_again_at_growing_gaps() -> None:
    simulator = PlatformSimulator(account(), MESSENGER)
    (call,) = simulator.act(Action(kind="say", customer="kim", text="x"), NOW).calls
    for answer in (None, Answer(500)):
        (call,) = simulator.settled(call, answer, NOW)
    assert (call.attempt, call.delay_seconds, simulator.handset("kim")[0].status) == (3, 2, "sending")
    assert simulator.settled(call, Answer(200), NOW) == ()
    assert simulator.handset("kim")[0].status == "sent"


# ---------------------------------------------------------------------------------- ads, links, products, routing


def test_a_link_brings_somebody_back_without_a_word(world: World) -> None:
    link = {"ref": "spring", "source": "SHORTLINK", "type": "OPEN_THREAD"}
    with pytest.raises(CannotAct):
        world.act(Action(kind="say", customer="new", details={"referral": link}))
    (came,) = heard(world, world.act(Action(kind="say", customer="kim", details={"referral": link})))[-1:]
    assert (came.kind, came.referral.source, came.referral.ref) == ("referral", "link", "spring")


def test_a_new_chat_begins_with_the_postback_of_the_ad(world: World) -> None:
    ad = {"ad_id": "238400", "source": "ADS", "type": "OPEN_THREAD", "ads_context_data": {"ad_title": "20 % off"}}
    chosen = Action(
        kind="choose", customer="new", details={"form": "postback", "id": "START", "title": "Get started", "referral": ad}
    )
    (said,) = heard(world, world.act(chosen))
    assert (said.plain, said.referral.source, said.referral.headline) == ("Get started", "ad", "20 % off")


def test_a_plug_in_needs_no_chat(world: World) -> None:
    (came,) = heard(world, world.act(Action(kind="say", customer="new", details={"optin": {"ref": "cart-7"}})))
    assert (came.kind, came.referral.source, came.referral.ref) == ("referral", "optin", "cart-7")


def test_products_of_the_catalogue(world: World) -> None:
    lamp = {"id": "4711", "retailer_id": "LAMP-17", "title": "Desk lamp", "subtitle": "$40"}
    said = heard(world, world.act(Action(kind="say", customer="kim", text="in red?", details={"products": [lamp]})))[-1]
    assert said.plain == "in red?\n[product: Desk lamp, $40, LAMP-17]"
    wrong: list[Any] = [[], [{}], "lamp", [{"title": "no id"}], [lamp] * 11]
    for products in wrong:
        with pytest.raises(CannotAct):
            world.act(Action(kind="say", customer="kim", details={"products": products}))


def test_a_bot_answers_hands_over_and_asks_for_the_thread(world: World) -> None:
    (taken,) = heard(world, world.act(Action(kind="say", customer="kim", details={"owner": "bot"})))
    assert (taken.change, taken.app, taken.app_id) == ("away", None, "99000000000001")
    (said,) = heard(world, world.act(Action(kind="say", customer="kim", text="a person, please")))[-1:]
    (echo,) = heard(world, world.act(Action(kind="say", customer="kim", text="one moment", details={"staff": True})))
    assert [(one.author, one.standby) for one in (said, echo)] == [("end_user", True), ("business", True)]
    with pytest.raises(CannotAct):
        world.act(Action(kind="say", customer="kim", details={"asks": "inbox"}))
    (given,) = heard(world, world.act(Action(kind="say", customer="kim", details={"owner": "us", "metadata": "refund"})))
    assert (given.change, given.app_id, given.metadata) == ("to_us", "99000000000001", "refund")
    (asked,) = heard(world, world.act(Action(kind="say", customer="kim", details={"asks": "bot", "metadata": "done?"})))
    assert (asked.change, asked.app_id, asked.metadata) == ("requested", "99000000000001", "done?")
