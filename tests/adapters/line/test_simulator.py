"""The simulated LINE: what it does, what it refuses, and that it and the adapter understand each other."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from adapters.contract import Answer, RawRequest
from adapters.envelope import ChoicePart, Inbound, InboundMessage, LocationPart, MediaPart, OutboundFile, StickerPart, TextPart
from adapters.errors import SendFailed, Verdict
from adapters.line import ADAPTER, LineAccount
from adapters.line.simulator import LineSimulator
from adapters.simulation import Action, CannotAct, Mischief, Outcome, ProviderCall, SimFile, hex_of
from tests.adapters.line.account import (
    ACCOUNT,
    NOW,
    SIM_KIM,
    TOKEN,
    act,
    an_account,
    memory_of,
    notice,
    received,
    run,
    say,
)

OK = Answer(200)
JPEG = SimFile(name="hinge.jpg", mime_type="image/jpeg", content=b"\xff\xd8 a picture")


@pytest.fixture
def line() -> LineSimulator:
    return LineSimulator(ACCOUNT)


def events_of(outcome: Outcome, account: LineAccount = ACCOUNT, at: datetime = NOW) -> list[Inbound]:
    """What the webhooks of an action say."""
    found: list[Inbound] = []
    for call in outcome.calls:
        ADAPTER.verify(received(call, at), account, at)
        found += ADAPTER.parse(received(call, at), account)
    return found


def the_message(outcome: Outcome) -> InboundMessage:
    (event,) = events_of(outcome)
    assert isinstance(event, InboundMessage)
    return event


def asked(
    line: LineSimulator, method: str, path: str, body: Any = None, at: datetime = NOW, *, token: str = TOKEN, **headers: str
) -> Answer:
    """A call to the API, not by the adapter."""
    sent = {"authorization": f"Bearer {token}", "content-type": "application/json"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = RawRequest(method, f"https://api.line.me{path}", path, (), sent, raw if body is not None else b"", at)
    return line.handle(request, at).answer


def push(line: LineSimulator, *messages: Any, to: str = SIM_KIM, at: datetime = NOW, **headers: str) -> Answer:
    return asked(line, "POST", "/v2/bot/message/push", {"to": to, "messages": messages}, at, **headers)


def text(words: str = "hello", **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def message_of(answer: Answer) -> str:
    return str(json.loads(answer.body)["message"])


def properties_of(answer: Answer) -> list[str]:
    return [detail["property"] for detail in json.loads(answer.body)["details"]]


# ----------------------------------------------------------------------------------------------------- customers


def test_a_text_comes_in(line: LineSimulator) -> None:
    outcome = line.act(act("say", text="héllo 👋"), NOW)
    message = the_message(outcome)
    assert message.parts == (TextPart(text="héllo 👋"),)
    assert message.end_user.address == SIM_KIM
    assert outcome.line_id == message.message_id
    assert [(shown.sender, shown.text, shown.status) for shown in line.handset("kim")] == [("me", "héllo 👋", "sending")]
    assert line.settled(outcome.calls[0], OK, NOW) == ()
    assert line.handset("kim")[0].status == "sent"


def test_a_webhook_looks_like_line_s(line: LineSimulator) -> None:
    (call,) = line.act(act("say", text="hi"), NOW).calls
    assert (call.method, call.url, call.timeout_seconds, call.lane) == ("POST", ACCOUNT.webhook_url, 2.0, SIM_KIM)
    assert set(call.headers) == {"content-type", "user-agent", "x-line-signature"}
    payload = json.loads(call.body)
    event = payload["events"][0]
    assert payload["destination"] == ACCOUNT.bot_user_id
    assert (event["mode"], event["timestamp"], event["deliveryContext"]) == ("active", 1790000001000, {"isRedelivery": False})
    assert len(event["webhookEventId"]) == 26
    assert len(event["replyToken"]) == 32


def test_a_picture_comes_in_and_can_be_fetched(line: LineSimulator) -> None:
    outcome = line.act(Action(kind="say", customer="kim", file=JPEG), NOW)
    (part,) = the_message(outcome).parts
    assert isinstance(part, MediaPart)
    fetched, _ = run(ADAPTER.media(part, ACCOUNT, NOW), line)
    assert (fetched.content, fetched.mime_type) == (JPEG.content, "image/jpeg")
    (shown,) = line.handset("kim")
    assert shown.media == {"name": "hinge.jpg", "mime_type": "image/jpeg", "size_bytes": 12, "file_id": outcome.line_id}
    assert line.file(str(outcome.line_id)) == JPEG


@pytest.mark.parametrize(
    ("mime_type", "media"),
    [("video/mp4", "video"), ("audio/mp4", "audio"), ("application/pdf", "file"), ("text/plain", "file")],
)
def test_files_of_other_kinds(line: LineSimulator, mime_type: str, media: str) -> None:
    file = SimFile(name="x.bin", mime_type=mime_type, content=b"content")
    (part,) = the_message(line.act(Action(kind="say", customer="kim", file=file), NOW)).parts
    assert isinstance(part, MediaPart)
    assert part.media == media
    assert run(ADAPTER.media(part, ACCOUNT, NOW), line)[0].content == b"content"


def test_a_video_is_prepared_before_it_can_be_fetched(line: LineSimulator) -> None:
    file = SimFile(name="v.mp4", mime_type="video/mp4", content=b"mp4")
    outcome = line.act(Action(kind="say", customer="kim", file=file, details={"prepare_seconds": 8}), NOW)
    (part,) = the_message(outcome).parts
    assert isinstance(part, MediaPart)
    with pytest.raises(SendFailed) as caught:
        run(ADAPTER.media(part, ACCOUNT, NOW), line)
    assert caught.value.code == "media_not_ready"
    later = NOW + timedelta(seconds=8)
    assert run(ADAPTER.media(part, ACCOUNT, later), line, at=later)[0].content == b"mp4"


def test_picture_and_text_are_two_messages(line: LineSimulator) -> None:
    events = events_of(line.act(Action(kind="say", customer="kim", text="look", file=JPEG), NOW))
    assert [event.plain for event in events if isinstance(event, InboundMessage)] == ["[image]", "look"]


def test_other_things_that_customers_send(line: LineSimulator) -> None:
    place = the_message(line.act(act("location", details={"title": "Pier 4", "latitude": 53.54, "longitude": 9.98}), NOW))
    assert place.parts == (LocationPart(latitude=53.54, longitude=9.98, name="Pier 4"),)
    (sticker,) = the_message(line.act(act("sticker", details={"id": "11537/52002734", "keyword": "hi"}), NOW)).parts
    assert isinstance(sticker, StickerPart)
    assert (sticker.provider_id, sticker.text) == ("11537/52002734", "hi")
    assert sticker.media is not None
    assert run(ADAPTER.media(sticker.media, ACCOUNT, NOW), line)[0].content.startswith(b"\x89PNG")
    (choice,) = the_message(line.act(act("choose", details={"id": "c=1", "title": "Yes"}), NOW)).parts
    assert choice == ChoicePart(id="c=1", title="c=1")
    date = the_message(line.act(act("choose", details={"id": "day", "params": {"date": "2026-09-30"}}), NOW))
    assert date.plain == "2026-09-30"
    assert [shown.text for shown in line.handset("kim")] == ["[location] Pier 4", "[sticker: hi]", "Yes", "day"]


def test_a_message_that_was_taken_back(line: LineSimulator) -> None:
    said = line.act(Action(kind="say", customer="kim", file=JPEG), NOW)
    (part,) = the_message(said).parts
    (event,) = events_of(line.act(act("unsend", target=said.line_id), NOW))
    assert (event.kind, getattr(event, "message_id", None)) == ("deletion", said.line_id)
    assert line.handset("kim")[0].text == "You unsent a message"
    assert isinstance(part, MediaPart)
    with pytest.raises(SendFailed) as caught:
        run(ADAPTER.media(part, ACCOUNT, NOW), line)
    assert caught.value.code == "media_gone"


def test_a_message_that_quotes_ours(line: LineSimulator) -> None:
    line.act(act("say", text="hi"), NOW)
    sent, _ = run(ADAPTER.send(say(to=SIM_KIM), ACCOUNT, NOW), line)
    message = the_message(line.act(act("say", text="this?", target=sent.message_ids[0]), NOW))
    assert message.reply_to == sent.message_ids[0]


@pytest.mark.parametrize(
    "action",
    [
        act("say"),
        act("say", text="x", target="1"),
        act("typing"),
        act("end"),
        act("react", target="1", text="👍"),
        act("edit", target="1", text="x"),
        act("contact"),
        act("location"),
        act("choose"),
        act("unsend", target="1"),
    ],
    ids=lambda action: action.kind,
)
def test_what_a_handset_cannot_do(line: LineSimulator, action: Action) -> None:
    with pytest.raises(CannotAct):
        line.act(action, NOW)
    assert line.handset("kim") == []


def test_an_offline_phone_gets_its_messages_later(line: LineSimulator) -> None:
    line.act(act("say", text="hi"), NOW)
    line.act(act("offline"), NOW)
    with pytest.raises(CannotAct):
        line.act(act("say", text="x"), NOW)
    run(ADAPTER.send(say(to=SIM_KIM), ACCOUNT, NOW), line)
    assert len(line.handset("kim")) == 1
    line.act(act("online"), NOW)
    assert [shown.text for shown in line.handset("kim")] == ["hi", "Hello, Ben here."]


def test_blocking_and_coming_back(line: LineSimulator) -> None:
    said = the_message(line.act(act("say", text="hi"), NOW))
    (ended,) = events_of(line.act(act("block"), NOW + timedelta(seconds=1)))
    assert (ended.kind, getattr(ended, "reason", None)) == ("ended", "blocked")
    with pytest.raises(CannotAct):
        line.act(act("say", text="x"), NOW)
    with pytest.raises(SendFailed) as caught:
        run(ADAPTER.send(say(to=SIM_KIM, memory=memory_of(said, ended)), ACCOUNT, NOW), line)
    assert caught.value.code == "blocked"
    (back,) = events_of(line.act(act("unblock"), NOW + timedelta(seconds=2)))
    assert (back.kind, getattr(back, "reason", None)) == ("unknown", "follow")
    assert run(ADAPTER.send(say(to=SIM_KIM, memory=memory_of(said, ended, back)), ACCOUNT, NOW), line)[0].message_ids


def test_an_unfollow_that_is_overtaken_by_what_came_after_it_counts_no_more(line: LineSimulator) -> None:
    (ended,) = events_of(line.act(act("block"), NOW))
    (back,) = events_of(line.act(act("unblock"), NOW + timedelta(seconds=2)))
    assert run(ADAPTER.send(say(to=SIM_KIM, memory=memory_of(back, ended)), ACCOUNT, NOW), line)[0].message_ids


def test_a_group_s_events_are_put_aside(line: LineSimulator) -> None:
    (event,) = events_of(line.act(act("say", text="hi all", details={"group": "friends"}), NOW))
    assert (event.kind, getattr(event, "reason", None), event.end_user) == ("unknown", "group", None)


def test_another_tool_has_the_chat(line: LineSimulator) -> None:
    message = the_message(line.act(act("say", text="hi", details={"standby": True}), NOW))
    assert message.standby
    assert "reply_token" not in message.remember


def test_another_tool_gets_the_chat_and_gives_it_back(line: LineSimulator) -> None:
    (away,) = events_of(line.act(act("say", details={"owner": "bot"}), NOW))
    said = the_message(line.act(act("say", text="a person, please"), NOW))
    (back,) = events_of(line.act(act("say", details={"owner": "us"}), NOW))
    again = the_message(line.act(act("say", text="hello?"), NOW))
    assert [getattr(one, "change", None) for one in (away, back)] == ["away", "to_us"]
    assert (said.standby, again.standby) == (True, False)


# ------------------------------------------------------------------------------------------------------ webhooks


def test_the_same_webhook_twice(line: LineSimulator) -> None:
    outcome = line.act(act("say", text="hi", details={"times": 2}), NOW)
    first, second = events_of(outcome)
    assert first.event_id == second.event_id
    assert len({call.id for call in outcome.calls}) == 2
    line.settled(outcome.calls[0], OK, NOW)
    for _ in range(20):
        calls = line.settled(outcome.calls[1], None, NOW)
    assert calls == ()
    assert line.handset("kim")[0].status == "sent"


def test_a_late_webhook_is_overtaken(line: LineSimulator) -> None:
    (late,) = line.act(act("say", text="one", details={"delay_seconds": 30}), NOW).calls
    (next_one,) = line.act(act("say", text="two"), NOW).calls
    assert late.delay_seconds == 30
    assert late.lane != next_one.lane


def test_two_customers_in_one_webhook(line: LineSimulator) -> None:
    outcome = line.act(act("say", text="hi", details={"together_with": ["leo"]}), NOW)
    events = events_of(outcome)
    assert len(outcome.calls) == 1
    assert [event.end_user.address for event in events if event.end_user] == [SIM_KIM, "U" + hex_of("leo", 32)]
    assert len({event.event_id for event in events}) == 2
    line.settled(outcome.calls[0], OK, NOW)
    assert [line.handset(name)[0].status for name in ("kim", "leo")] == ["sent", "sent"]


@pytest.mark.parametrize("answer", [None, Answer(500), Answer(404), Answer(301)], ids=str)
def test_what_was_not_taken_is_redelivered(line: LineSimulator, answer: Answer | None) -> None:
    (call,) = line.act(act("say", text="hi"), NOW).calls
    (again,) = line.settled(call, answer, NOW)
    (first,), (second,) = events_of(Outcome(calls=(call,))), events_of(Outcome(calls=(again,)))
    assert first.event_id == second.event_id
    assert first.provider_time == second.provider_time
    assert json.loads(again.body)["events"][0]["deliveryContext"] == {"isRedelivery": True}
    assert (again.attempt, again.lane) == (2, call.lane)
    assert again.delay_seconds > 0
    assert line.settled(again, OK, NOW) == ()
    assert line.handset("kim")[0].status == "sent"


def test_redelivery_ends_some_time(line: LineSimulator) -> None:
    calls = line.act(act("say", text="hi"), NOW).calls
    while calls:
        last = calls[0]
        calls = line.settled(last, None, NOW)
    assert last.attempt > 5
    assert line.handset("kim")[0].status == "failed"


def test_redelivery_switched_off(line: LineSimulator) -> None:
    line.switches.redelivery = False
    (call,) = line.act(act("say", text="hi"), NOW).calls
    assert line.settled(call, None, NOW) == ()
    assert line.handset("kim")[0].status == "failed"


def test_the_connection_check_has_no_events(line: LineSimulator) -> None:
    path = "/v2/bot/channel/webhook/test"
    request = RawRequest("POST", path, path, (), {"authorization": f"Bearer {TOKEN}"}, b"", NOW)
    outcome = line.handle(request, NOW)
    assert json.loads(outcome.answer.body)["success"] is True
    assert events_of(outcome) == []
    assert line.settled(outcome.calls[0], None, NOW) == ()


# ------------------------------------------------------------------------------------------------------ messages


def test_an_answer_shows_who_speaks(line: LineSimulator) -> None:
    line.act(act("say", text="hi"), NOW)
    sent, _ = run(ADAPTER.send(say(to=SIM_KIM), ACCOUNT, NOW), line)
    shown = line.handset("kim")[-1]
    assert (shown.id, shown.sender, shown.kind, shown.text, shown.speaker) == (
        sent.message_ids[0],
        "them",
        "message",
        "Hello, Ben here.",
        "Ben",
    )
    assert (shown.model_extra or {})["icon"] == "https://cdn.example.test/ben.png"


def test_a_notice_stands_apart(line: LineSimulator) -> None:
    line.act(act("say", text="hi"), NOW)
    run(ADAPTER.send(notice(to=SIM_KIM), ACCOUNT, NOW), line)
    shown = line.handset("kim")[-1]
    assert (shown.kind, shown.text, shown.speaker) == ("notice", "Ben joined the chat", "Ben")


def test_a_quoting_answer_shows_what_it_quotes(line: LineSimulator) -> None:
    asked_for = the_message(line.act(act("say", text="which one?"), NOW))
    message = say(to=SIM_KIM, reply_to=asked_for.message_id, memory=memory_of(asked_for))
    run(ADAPTER.send(message, ACCOUNT, NOW), line)
    assert line.handset("kim")[-1].reply_to == asked_for.message_id


def sending_file(mime_type: str, line: LineSimulator) -> tuple[str, list[ProviderCall]]:
    file = OutboundFile(name="f.bin", mime_type=mime_type, size_bytes=9, url="https://gw.example.test/files/1/f.bin")
    account = an_account(preview_image_url="https://gw.example.test/p.png")
    line.act(act("say", text="hi"), NOW)
    sent, calls = run(ADAPTER.send(say(to=SIM_KIM, text=None, file=file), account, NOW), line)
    return sent.message_ids[0], calls


@pytest.mark.parametrize("mime_type", ["image/png", "video/mp4", "audio/mpeg"])
def test_files_are_fetched_from_us_and_shown(line: LineSimulator, mime_type: str) -> None:
    message_id, (fetch,) = sending_file(mime_type, line)
    assert (fetch.purpose, fetch.method, fetch.url) == ("fetch", "GET", "https://gw.example.test/files/1/f.bin")
    assert line.handset("kim")[-1].media is None
    line.settled(fetch, Answer(200, b"the bytes", {"Content-Type": mime_type}), NOW)
    assert line.handset("kim")[-1].media == {"name": "f.bin", "mime_type": mime_type, "size_bytes": 9, "file_id": message_id}
    assert line.file(message_id) == SimFile(name="f.bin", mime_type=mime_type, content=b"the bytes")


def test_a_file_that_cannot_be_fetched_is_shown_as_broken(line: LineSimulator) -> None:
    _, (fetch,) = sending_file("image/png", line)
    line.settled(fetch, Answer(404), NOW)
    shown = line.handset("kim")[-1]
    assert shown.media is None
    assert (shown.model_extra or {})["broken"] is True


def test_a_video_watched_to_its_end_is_read(line: LineSimulator) -> None:
    message_id, _ = sending_file("video/mp4", line)
    (event,) = events_of(line.act(act("read", target=message_id), NOW))
    assert (event.kind, getattr(event, "status", None), getattr(event, "outbox_id", None)) == ("receipt", "read", "msg_01K5Z0")
    assert line.act(act("read"), NOW).calls == ()


def test_the_loading_animation_ends_with_the_message(line: LineSimulator) -> None:
    line.act(act("say", text="hi"), NOW)
    body = {"chatId": SIM_KIM, "loadingSeconds": 20}
    assert asked(line, "POST", "/v2/bot/chat/loading/start", body).status == 202
    assert line.loading("kim", NOW + timedelta(seconds=19))
    assert not line.loading("kim", NOW + timedelta(seconds=20))
    push(line, text())
    assert not line.loading("kim", NOW)


def test_messages_are_marked_as_read(line: LineSimulator) -> None:
    first, second = (the_message(line.act(act("say", text=words), NOW)) for words in ("one", "two"))
    account = an_account(mark_as_read=True)
    run(ADAPTER.send(say(to=SIM_KIM, memory=memory_of(first)), account, NOW), line)
    assert [bool((shown.model_extra or {}).get("read")) for shown in line.handset("kim")[:2]] == [True, False]
    line.switches.chat = False
    run(ADAPTER.send(say(to=SIM_KIM, memory=memory_of(first, second)), account, NOW), line)
    assert [bool((shown.model_extra or {}).get("read")) for shown in line.handset("kim")[:2]] == [True, False]


def test_who_the_customer_is(line: LineSimulator) -> None:
    message = the_message(line.act(act("say", text="hi"), NOW))
    assert ADAPTER.profile is not None
    assert run(ADAPTER.profile(message.end_user, ACCOUNT, NOW), line)[0].name == "Kim"
    line.act(act("block"), NOW)
    assert run(ADAPTER.profile(message.end_user, ACCOUNT, NOW), line)[0].name is None


def test_the_account_itself(line: LineSimulator) -> None:
    assert json.loads(asked(line, "GET", "/v2/bot/info").body)["userId"] == ACCOUNT.bot_user_id
    assert json.loads(asked(line, "GET", "/v2/bot/message/quota").body) == {"type": "none"}
    line.switches.monthly_limit = 5
    assert json.loads(asked(line, "GET", "/v2/bot/message/quota").body) == {"type": "limited", "value": 5}
    assert json.loads(asked(line, "GET", "/v2/bot/message/quota/consumption").body) == {"totalUsage": 0}


# ------------------------------------------------------------------------------------------------ reply or push


def test_a_reply_is_free_and_works_once(line: LineSimulator) -> None:
    message = the_message(line.act(act("say", text="hi"), NOW))
    account = an_account(prefer_reply=True)
    sent, _ = run(ADAPTER.send(say(to=SIM_KIM, memory=memory_of(message)), account, NOW), line)
    assert (len(sent.message_ids), line.pushed) == (1, 0)
    run(ADAPTER.send(say(to=SIM_KIM, memory=memory_of(message)), account, NOW), line)  # the token is spent: a push
    assert (len(line.handset("kim")), line.pushed) == (3, 1)


def test_a_reply_token_lives_a_minute(line: LineSimulator) -> None:
    token = json.loads(line.act(act("say", text="hi"), NOW).calls[0].body)["events"][0]["replyToken"]
    body = {"replyToken": token, "messages": [text()]}
    late = asked(line, "POST", "/v2/bot/message/reply", body, NOW + timedelta(seconds=61))
    assert (late.status, message_of(late)) == (400, "Invalid reply token")
    assert asked(line, "POST", "/v2/bot/message/reply", body, NOW + timedelta(seconds=60)).status == 200
    assert message_of(asked(line, "POST", "/v2/bot/message/reply", body)) == "Invalid reply token"
    assert message_of(asked(line, "POST", "/v2/bot/message/reply", body | {"replyToken": "0" * 32})) == "Invalid reply token"


def test_a_retry_key_shows_a_message_once(line: LineSimulator) -> None:
    line.act(act("say", text="hi"), NOW)
    first, _ = run(ADAPTER.send(say(to=SIM_KIM), ACCOUNT, NOW), line)
    second, _ = run(ADAPTER.send(say(to=SIM_KIM), ACCOUNT, NOW), line)
    assert first == second
    assert len(line.handset("kim")) == 2


def test_a_known_retry_key_answers_409_with_what_was_sent(line: LineSimulator) -> None:
    line.act(act("say", text="hi"), NOW)
    key = "123E4567-e89b-42d3-a456-426614174000"
    first = push(line, text(), x_line_retry_key=key)
    again = push(line, text(), x_line_retry_key=key.lower(), at=NOW + timedelta(hours=23))
    assert again.status == 409
    assert json.loads(again.body)["sentMessages"] == json.loads(first.body)["sentMessages"]
    assert again.headers["x-line-accepted-request-id"] == first.headers["x-line-request-id"]
    assert push(line, text(), x_line_retry_key=key, at=NOW + timedelta(hours=25)).status == 200


def test_the_quota_counts_pushes_alone(line: LineSimulator) -> None:
    message = the_message(line.act(act("say", text="hi"), NOW))
    line.switches.monthly_limit = 1
    run(ADAPTER.send(say(to=SIM_KIM), ACCOUNT, NOW), line)
    with pytest.raises(SendFailed) as caught:
        run(ADAPTER.send(say(to=SIM_KIM, retry_key="123e4567-e89b-42d3-a456-426614174001"), ACCOUNT, NOW), line)
    assert (caught.value.code, caught.value.verdict) == ("quota_exhausted", Verdict.dead)
    reply_account = an_account(prefer_reply=True)
    assert run(ADAPTER.send(say(to=SIM_KIM, memory=memory_of(message)), reply_account, NOW), line)[0].message_ids


def test_a_push_to_who_has_blocked_the_account_is_answered_200_and_shown_nowhere(line: LineSimulator) -> None:
    line.act(act("say", text="hi"), NOW)
    line.act(act("block"), NOW)
    assert push(line, text()).status == 200
    assert [shown.sender for shown in line.handset("kim")] == ["me"]
    assert line.pushed == 0


# ------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    "headers",
    [{"authorization": ""}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKEN}"}, {"authorization": TOKEN}],
    ids=str,
)
def test_bad_credentials(line: LineSimulator, headers: dict[str, Any]) -> None:
    line.act(act("say", text="hi"), NOW)
    answer = push(line, text(), **headers)
    assert answer.status == 401
    assert message_of(answer).startswith("Authentication failed due to the following reason: ")


def test_an_account_without_the_right(line: LineSimulator) -> None:
    line.switches.api = False
    assert (push(line, text()).status, message_of(push(line, text()))) == (
        403,
        "Access to this API is not available for your account",
    )


def test_paths_and_methods_that_are_not(line: LineSimulator) -> None:
    for method, path in (("GET", "/v2/bot/message/push"), ("POST", "/v2/bot/nothing"), ("POST", "/v2/bot/message/1/content")):
        assert (asked(line, method, path).status, message_of(asked(line, method, path))) == (404, "Not found")


def test_every_answer_has_its_request_id(line: LineSimulator) -> None:
    answers = [push(line, text()), push(line, text(), authorization=""), asked(line, "GET", "/nothing")]
    assert len({answer.headers["x-line-request-id"] for answer in answers}) == 3


SENDER = {"name": "Ben"}
URL = "https://x.test/1.png"
FAULTY: list[tuple[Any, list[str]]] = [
    (text(""), ["messages[0].text"]),
    (text("x" * 5001), ["messages[0].text"]),
    (text("👋" * 2501), ["messages[0].text"]),
    (text(7), ["messages[0].text"]),  # type: ignore[arg-type]
    ({"type": "text"}, ["messages[0].text"]),
    (text(colour="green"), ["messages[0].colour"]),
    (text(sender={"name": "x" * 21}), ["messages[0].sender.name"]),
    (text(sender={"name": "LINE"}), ["messages[0].sender.name"]),
    (text(sender={"name": "Line Support"}), ["messages[0].sender.name"]),
    (text(sender={"iconUrl": "http://x.test/1.png"}), ["messages[0].sender.iconUrl"]),
    (text(sender={"iconUrl": "https://x.test/" + "x" * 2000}), ["messages[0].sender.iconUrl"]),
    (text(sender="Ben"), ["messages[0].sender"]),
    (text(quoteToken="unknown"), ["messages[0].quoteToken"]),
    (text(quickReply={"items": []}), ["messages[0].quickReply.items"]),
    (
        text(quickReply={"items": [{"type": "action", "action": {"type": "message", "label": "x", "text": "x"}}] * 14}),
        ["messages[0].quickReply.items"],
    ),
    (
        text(quickReply={"items": [{"type": "action", "action": {"type": "dance"}}]}),
        ["messages[0].quickReply.items[0].action.type"],
    ),
    (
        text(quickReply={"items": [{"type": "action", "action": {"type": "postback", "label": "x", "data": "x" * 301}}]}),
        ["messages[0].quickReply.items[0].action.data"],
    ),
    ({"type": "file", "originalContentUrl": URL}, ["messages[0].type"]),
    ({}, ["messages[0].type"]),
    (7, ["messages[0].type"]),
    ({"type": "image", "originalContentUrl": URL}, ["messages[0].previewImageUrl"]),
    ({"type": "image", "originalContentUrl": "http://x.test/1.png", "previewImageUrl": URL}, ["messages[0].originalContentUrl"]),
    ({"type": "image", "originalContentUrl": "ftp://127.0.0.1/1", "previewImageUrl": URL}, ["messages[0].originalContentUrl"]),
    ({"type": "audio", "originalContentUrl": URL, "duration": 0}, ["messages[0].duration"]),
    ({"type": "audio", "originalContentUrl": URL, "duration": True}, ["messages[0].duration"]),
    (
        {"type": "video", "originalContentUrl": URL, "previewImageUrl": URL, "trackingId": "msg_1"},
        ["messages[0].trackingId"],
    ),
    (
        {"type": "location", "title": "x" * 101, "address": "a", "latitude": 91, "longitude": 0},
        ["messages[0].title", "messages[0].latitude"],
    ),
    ({"type": "template", "altText": "x" * 1501, "template": {}}, ["messages[0].altText"]),
    ({"type": "flex", "altText": "x", "contents": []}, ["messages[0].contents"]),
]


@pytest.mark.parametrize(("message", "properties"), FAULTY, ids=lambda value: str(value)[:50])
def test_faulty_messages(line: LineSimulator, message: Any, properties: list[str]) -> None:
    line.act(act("say", text="hi"), NOW)
    answer = push(line, message)
    assert answer.status == 400
    assert message_of(answer) == f"The request body has {len(properties)} error(s)"
    assert properties_of(answer) == properties
    assert len(line.handset("kim")) == 1


SOUND: list[dict[str, Any]] = [
    text("x" * 5000, sender={"name": "Caroline", "iconUrl": URL}),
    text(quickReply={"items": [{"type": "action", "imageUrl": URL, "action": {"type": "camera", "label": "Photo"}}]}),
    {"type": "textV2", "text": "Hi {who}", "substitution": {"who": {"type": "mention", "mentionee": {"type": "all"}}}},
    {"type": "sticker", "packageId": "446", "stickerId": "1988"},
    {"type": "image", "originalContentUrl": "http://127.0.0.1:8080/x.png", "previewImageUrl": "http://localhost:8080/x.png"},
    {"type": "location", "title": "Pier 4", "address": "4 Harbour Rd", "latitude": 53.54, "longitude": 9.98},
    {"type": "imagemap", "baseUrl": URL, "altText": "x", "baseSize": {"width": 1040, "height": 1040}, "actions": [{}]},
    {"type": "template", "altText": "Pick", "template": {"type": "confirm", "text": "?", "actions": []}},
    {"type": "flex", "altText": "Anna joined", "contents": {"type": "bubble"}},
    {"type": "coupon", "couponId": "01J", "deliveryTag": "x"},
]


@pytest.mark.parametrize("message", SOUND, ids=lambda message: message["type"])
def test_sound_messages(line: LineSimulator, message: dict[str, Any]) -> None:
    line.act(act("say", text="hi"), NOW)
    assert push(line, message).status == 200
    assert len(line.handset("kim")) == 2
    path = "/v2/bot/message/validate/push"
    assert asked(line, "POST", path, {"messages": [message]}).status == 200
    assert asked(line, "POST", path, {"messages": [message, {}]}).status == 400
    assert len(line.handset("kim")) == 2


@pytest.mark.parametrize("count", [0, 6])
def test_one_to_five_messages(line: LineSimulator, count: int) -> None:
    assert properties_of(push(line, *[text()] * count)) == ["messages"]


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("push", b"{", {}, 400),
        ("push", b"[]", {}, 400),
        ("push", {"messages": [text()]}, {}, 400),
        ("push", {"to": "U" + "0" * 32, "messages": [text()]}, {}, 400),
        ("push", {"to": SIM_KIM, "messages": [text()], "colour": 1}, {}, 400),
        ("push", {"to": SIM_KIM, "messages": [text()], "notificationDisabled": "yes"}, {}, 400),
        ("push", {"to": SIM_KIM, "messages": [text()]}, {"content_type": "text/plain"}, 415),
        ("push", {"to": SIM_KIM, "messages": [text()]}, {"x_line_retry_key": "7"}, 400),
        ("push", b'{"x":"' + b"x" * 2_100_000 + b'"}', {}, 413),
        ("reply", {"replyToken": "x", "messages": [text()]}, {"x_line_retry_key": "123e4567-e89b-42d3-a456-426614174000"}, 400),
        ("reply", {"messages": [text()]}, {}, 400),
    ],
    ids=lambda value: str(value)[:40],
)
def test_faulty_requests(line: LineSimulator, path: str, body: Any, headers: dict[str, Any], status: int) -> None:
    line.act(act("say", text="hi"), NOW)
    assert asked(line, "POST", f"/v2/bot/message/{path}", body, **headers).status == status


@pytest.mark.parametrize("seconds", [0, 4, 7, 65, "20", True])
def test_faulty_loading(line: LineSimulator, seconds: Any) -> None:
    body = {"chatId": SIM_KIM, "loadingSeconds": seconds}
    assert properties_of(asked(line, "POST", "/v2/bot/chat/loading/start", body)) == ["loadingSeconds"]


def test_the_rate_limit(line: LineSimulator) -> None:
    line.act(act("say", text="hi"), NOW)
    line.switches.requests_per_second = 2
    assert [push(line, text()).status for _ in range(3)] == [200, 200, 429]
    assert push(line, text(), at=NOW + timedelta(seconds=1)).status == 200
    refused = push(line, text(), at=NOW + timedelta(seconds=1, milliseconds=1))
    assert refused.status == 200
    assert message_of(push(line, text(), at=NOW + timedelta(seconds=1, milliseconds=2))).startswith("The API rate limit")


# --------------------------------------------------------------------------------------------------- misbehaviour


@pytest.mark.parametrize("status", [429, 500, 503])
def test_trouble_before_the_push_was_taken(line: LineSimulator, status: int) -> None:
    line.act(act("say", text="hi"), NOW)
    line.mischief.append(Mischief(status=status))
    with pytest.raises(SendFailed) as caught:
        run(ADAPTER.send(say(to=SIM_KIM), ACCOUNT, NOW), line)
    assert caught.value.verdict is Verdict.again
    run(ADAPTER.send(say(to=SIM_KIM), ACCOUNT, NOW), line)
    assert len(line.handset("kim")) == 2


def test_trouble_after_the_push_was_taken(line: LineSimulator) -> None:
    line.act(act("say", text="hi"), NOW)
    line.mischief.append(Mischief(status=500, taken=True))
    with pytest.raises(SendFailed) as caught:
        run(ADAPTER.send(say(to=SIM_KIM), ACCOUNT, NOW), line)
    assert caught.value.verdict is Verdict.again
    sent, _ = run(ADAPTER.send(say(to=SIM_KIM), ACCOUNT, NOW), line)
    assert [shown.id for shown in line.handset("kim")][1:] == list(sent.message_ids)


@pytest.mark.parametrize(("taken", "verdict"), [(False, None), (True, Verdict.unknown)])
def test_trouble_around_a_reply_shows_it_at_most_once(line: LineSimulator, taken: bool, verdict: Verdict | None) -> None:
    message = the_message(line.act(act("say", text="hi"), NOW))
    line.mischief.append(Mischief(status=500, taken=taken))
    flow = ADAPTER.send(say(to=SIM_KIM, memory=memory_of(message)), an_account(prefer_reply=True), NOW)
    failure = None
    try:
        run(flow, line)
    except SendFailed as caught:
        failure = caught
    assert (failure.verdict if failure else None) is verdict
    assert len(line.handset("kim")) == 2


def test_a_retry_after_is_obeyed_should_line_ever_send_one(line: LineSimulator) -> None:
    line.act(act("say", text="hi"), NOW)
    line.mischief.append(Mischief(status=429, retry_after=30))
    with pytest.raises(SendFailed) as caught:
        run(ADAPTER.send(say(to=SIM_KIM), ACCOUNT, NOW), line)
    assert (caught.value.again_at, caught.value.throttles_account) == (NOW + timedelta(seconds=30), True)


def test_a_customer_s_action_orders_what_befalls_our_next_messages(line: LineSimulator) -> None:
    mischief = [{"status": 429, "retry_after": 7}, {"status": 500, "taken": True}]
    line.act(act("say", text="hi", details={"mischief": mischief}), NOW)
    assert asked(line, "GET", "/v2/bot/info").status == 200
    assert [push(line, text(str(n))).status for n in range(3)] == [429, 500, 200]
    assert [shown.text for shown in line.handset("kim")] == ["hi", "1", "2"]
    with pytest.raises(CannotAct):
        line.act(act("say", text="x", details={"mischief": [{"colour": "green"}]}), NOW)
    assert len(line.handset("kim")) == 3


def test_the_same_inputs_give_the_same_provider() -> None:
    def story() -> tuple[Any, ...]:
        line = LineSimulator(ACCOUNT)
        outcome = line.act(act("say", text="hi"), NOW)
        sent, _ = run(ADAPTER.send(say(to=SIM_KIM), ACCOUNT, NOW), line)
        return outcome, sent, line.handset("kim")

    assert story() == story()


def test_the_demo_account() -> None:
    settings = ADAPTER.demo("line", "http://127.0.0.1:8080/sim/line", "http://127.0.0.1:8080/webhooks/line")
    hook = {"channel_id": "line", "webhook_url": "http://127.0.0.1:8080/webhooks/line"}
    account = LineAccount.model_validate(settings | hook)
    line = LineSimulator(account)
    (call,) = line.act(Action(kind="say", customer="kim", file=JPEG), NOW).calls
    ADAPTER.verify(received(call), account, NOW)
    (event,) = ADAPTER.parse(received(call), account)
    assert isinstance(event, InboundMessage)
    assert isinstance(event.parts[0], MediaPart)
    assert run(ADAPTER.media(event.parts[0], account, NOW), line)[0].content == JPEG.content
    (part,) = the_sticker(line, account).parts
    assert isinstance(part, StickerPart)
    assert part.media is not None
    assert run(ADAPTER.media(part.media, account, NOW), line)[0].mime_type == "image/png"
    assert run(ADAPTER.send(say(to=SIM_KIM), account, NOW), line)[0].message_ids
    other = ADAPTER.demo("line-2", "http://127.0.0.1:8080/sim/line-2", "")
    assert set(settings["channel_secrets"]).isdisjoint(other["channel_secrets"])


def the_sticker(line: LineSimulator, account: LineAccount) -> InboundMessage:
    (event,) = events_of(line.act(act("sticker"), NOW), account)
    assert isinstance(event, InboundMessage)
    return event


def test_an_answer_of_any_other_kind_is_shown_in_words(line: LineSimulator) -> None:
    line.act(act("say", text="hi"), NOW)
    choices = {"items": [{"type": "action", "action": {"type": "message", "label": "Yes", "text": "yes"}}]}
    push(
        line, {"type": "flex", "altText": "Anna joined", "contents": {}}, {"type": "sticker", "packageId": "1", "stickerId": "2"}
    )
    push(line, text(quickReply=choices))
    shown = line.handset("kim")[1:]
    assert [one.text for one in shown] == ["Anna joined", "[sticker]", "hello"]
    assert (shown[-1].model_extra or {})["choices"] == ["Yes"]


def test_an_unknown_file_or_phone_is_nothing(line: LineSimulator) -> None:
    assert line.file("1") is None
    assert line.handset("nobody") == []
    assert not line.loading("nobody", NOW)
    assert line.refresh("kim", NOW) == ()
    assert line.settled(ProviderCall("x", "POST", "https://x.test"), OK, NOW) == ()
