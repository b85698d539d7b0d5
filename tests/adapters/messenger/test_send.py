"""What we send to Messenger, call by call, and what its answers mean."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from adapters._meta.platform.failures import ERRORS
from adapters._meta.platform.fetching import media
from adapters.contract import HttpCall, HttpReply, Sent
from adapters.envelope import EndUser, MediaPart, OutboundFile, Say
from adapters.errors import SendFailed, Unsupported, Verdict
from adapters.messenger import wire
from adapters.messenger.outbound import profile, send
from adapters.text import prepare
from tests.adapters.messenger.account import ANA, APP, KIM, NOW, PHOTO, account, notice, say, typing
from tests.adapters.outgoing import play

OK = HttpReply(200, {}, b'{"recipient_id":"6100000000000001","message_id":"m_OUT"}')
PERSONA = HttpReply(200, {}, b'{"id":"730001"}')
BASE = "https://graph.facebook.com/v25.0/101000000000009"
KEY = wire.memory_key(ANA, account())


def body(call: HttpCall) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(call.body)
    return loaded


def refusal(code: int, subcode: int | None = None, message: str = "No", status: int = 400) -> HttpReply:
    error: dict[str, Any] = {"message": f"(#{code}) {message}", "type": "OAuthException", "code": code}
    return HttpReply(status, {}, json.dumps({"error": error | ({"error_subcode": subcode} if subcode else {})}).encode())


GONE = refusal(100, message="Invalid persona ID")


def test_text() -> None:
    (call,), sent = play(send(say("Hello ☂"), account(), NOW), OK)
    assert (call.method, call.url, call.visible) == ("POST", f"{BASE}/messages", True)
    assert call.headers["authorization"] == "Bearer sample-page-token"
    assert body(call) == {
        "recipient": {"id": KIM},
        "messaging_type": "RESPONSE",
        "message": {"text": "Hello ☂", "metadata": "msg_1"},
    }
    assert sent == Sent(message_ids=("m_OUT",))


def test_a_rep_writes_under_a_persona() -> None:
    (create, call), sent = play(send(say("Hi", speaker=ANA), account(), NOW), PERSONA, OK)
    assert (create.url, create.visible, create.cache_seconds > 0) == (f"{BASE}/personas", False, True)
    assert body(create) == {"name": "Ana", "profile_picture_url": "https://gw.example.test/ana.png"}
    assert body(call)["persona_id"] == "730001"
    assert sent.remember == {KEY: "730001"}


def test_a_remembered_persona_is_not_made_again() -> None:
    (call,), sent = play(send(say("Hi", speaker=ANA, memory={KEY: "730001"}), account(), NOW), OK)
    assert body(call)["persona_id"] == "730001"
    assert sent.remember == {}


def test_another_picture_is_another_persona() -> None:
    renewed = ANA.model_copy(update={"avatar_url": "https://gw.example.test/ana2.png"})
    assert wire.memory_key(renewed, account()) != KEY
    assert wire.memory_key(ANA, account(page_id="7")) != KEY


def test_who_has_no_picture_gets_the_page_s() -> None:
    plain = ANA.model_copy(update={"avatar_url": None})
    (create, _), _ = play(send(say("Hi", speaker=plain), account(persona_picture_url="https://x.test/p.png"), NOW), PERSONA, OK)
    assert body(create)["profile_picture_url"] == "https://x.test/p.png"
    (create, _), _ = play(send(say("Hi", speaker=plain), account(), NOW), PERSONA, OK)
    assert body(create) == {"name": "Ana"}


def test_a_persona_that_can_t_be_made_doesn_t_hold_the_message_up() -> None:
    (_, call), sent = play(send(say("Hi", speaker=ANA), account(), NOW), refusal(10, status=403), OK)
    assert "persona_id" not in body(call)
    assert sent == Sent(message_ids=("m_OUT",))


def test_a_deleted_persona_is_made_anew() -> None:
    memory = {KEY: "730001"}
    fresh = HttpReply(200, {}, b'{"id":"730002"}')
    calls, sent = play(send(say("Hi", speaker=ANA, memory=memory), account(), NOW), GONE, fresh, OK)
    assert [call.refresh for call in calls] == [False, True, False]
    assert body(calls[2])["persona_id"] == "730002"
    assert sent.remember == {KEY: "730002"}


def test_a_persona_that_is_refused_twice_is_left_out() -> None:
    memory = {KEY: "730001"}
    calls, sent = play(send(say("Hi", speaker=ANA, memory=memory), account(), NOW), GONE, PERSONA, GONE, OK)
    assert "persona_id" not in body(calls[3])
    assert sent.remember == {KEY: None}


def test_long_names_are_cut_for_personas() -> None:
    from adapters.messenger import ADAPTER

    speaker = ANA.model_copy(update={"name": "Anastasia " * 9})
    (message,) = prepare(say("Hi", speaker=speaker), ADAPTER.capabilities)
    (create, _), _ = play(send(message, account(), NOW), PERSONA, OK)
    assert len(body(create)["name"]) <= 50


def test_a_notice_comes_from_the_page_itself() -> None:
    (call,), _ = play(send(notice(), account(), NOW), OK)
    assert body(call) == {
        "recipient": {"id": KIM},
        "messaging_type": "RESPONSE",
        "message": {"text": "Ana joined", "metadata": "ntc_1"},
    }


def test_reply_quotes() -> None:
    (call,), _ = play(send(say("Yes", reply_to="m_IN"), account(), NOW), OK)
    assert body(call)["reply_to"] == {"mid": "m_IN"}


def test_a_reply_to_a_deleted_message_goes_without_the_quote() -> None:
    calls, sent = play(send(say("Yes", reply_to="m_IN"), account(), NOW), refusal(9000001), OK)
    assert "reply_to" not in body(calls[1])
    assert sent.message_ids == ("m_OUT",)


def test_a_picture_is_uploaded_and_then_sent() -> None:
    uploaded = HttpReply(200, {}, b'{"attachment_id":"98001"}')
    (upload, message), _ = play(send(say(file=PHOTO), account(), NOW), uploaded, OK)
    assert (upload.url, upload.visible, message.visible) == (f"{BASE}/message_attachments", False, True)
    assert json.loads(upload.fields["message"]) == {"attachment": {"type": "image", "payload": {"is_reusable": True}}}
    assert (upload.files[0].field, upload.files[0].content) == ("filedata", b"png bytes")
    assert body(message)["message"] == {
        "attachment": {"type": "image", "payload": {"attachment_id": "98001"}},
        "metadata": "msg_1",
    }


def test_a_picture_of_a_rep_goes_under_the_persona_too() -> None:
    uploaded = HttpReply(200, {}, b'{"attachment_id":"98001"}')
    (_, _, message), _ = play(send(say(file=PHOTO, speaker=ANA), account(), NOW), uploaded, PERSONA, OK)
    assert body(message)["persona_id"] == "730001"


@pytest.mark.parametrize(
    ("mime_type", "size", "kind"),
    [
        ("image/png", 8_000_000, "image"),
        ("image/png", 8_000_001, "file"),
        ("image/tiff", 10, "file"),
        ("video/mp4", 25_000_000, "video"),
        ("audio/ogg; codecs=opus", 10, "audio"),
        ("application/pdf", 10, "file"),
    ],
)
def test_a_file_goes_in_the_best_form(mime_type: str, size: int, kind: str) -> None:
    file = OutboundFile(name="f.bin", mime_type=mime_type, size_bytes=size, url="https://x.test/f", content=b"x")
    uploaded = HttpReply(200, {}, b'{"attachment_id":"98001"}')
    (_, message), _ = play(send(say(file=file), account(), NOW), uploaded, OK)
    assert body(message)["message"]["attachment"]["type"] == kind


def test_text_and_file_are_two_messages() -> None:
    from adapters.messenger import ADAPTER

    first, second = prepare(say("look", file=PHOTO), ADAPTER.capabilities)
    assert (first.text, first.file, second.text, second.file) == ("look", None, None, PHOTO)


def test_without_bytes_the_link_is_sent() -> None:
    (call,), _ = play(send(say(file=PHOTO.model_copy(update={"content": b""})), account(), NOW), OK)
    assert body(call)["message"]["attachment"] == {"type": "image", "payload": {"url": PHOTO.url, "is_reusable": False}}


def test_a_failed_upload_is_never_unknown() -> None:
    for reply, verdict, code in [
        (HttpReply(200, {}, b"<html>"), Verdict.again, "provider_unavailable"),
        (HttpReply(504), Verdict.again, "provider_unavailable"),
        (refusal(100), Verdict.dead, "media_refused"),
        (refusal(100, 2018109), Verdict.dead, "media_refused"),
        (refusal(190, 463, status=401), Verdict.dead, "not_authorised"),
    ]:
        with pytest.raises(SendFailed) as failed:
            play(send(say(file=PHOTO), account(), NOW), reply)
        assert (failed.value.verdict, failed.value.code) == (verdict, code)


def test_too_large_a_file_is_refused_before_any_call() -> None:
    huge = OutboundFile(name="h.zip", mime_type="application/zip", size_bytes=25_000_001, url="https://x.test/h", content=b"x")
    with pytest.raises(SendFailed) as failed:
        play(send(say(file=huge), account(), NOW))
    assert failed.value.code == "media_refused"


def test_typing_on_and_off() -> None:
    """Nothing else may stand in such a call."""
    taken = HttpReply(200, {}, b'{"recipient_id":"6100000000000001"}')
    (seen, dots), sent = play(send(typing(), account(), NOW), taken, taken)
    assert body(seen) == {"recipient": {"id": KIM}, "sender_action": "mark_seen"}
    assert body(dots) == {"recipient": {"id": KIM}, "sender_action": "typing_on"}
    assert (sent, dots.visible) == (Sent(), False)
    (call,), _ = play(send(typing(False), account(), NOW), taken)
    assert body(call)["sender_action"] == "typing_off"


def test_typing_under_a_persona_that_is_known() -> None:
    quiet = account(mark_seen=False)
    (call,), _ = play(send(typing(speaker=ANA, memory={KEY: "730001"}), quiet, NOW), OK)
    assert body(call) == {"recipient": {"id": KIM}, "sender_action": "typing_on", "persona_id": "730001"}
    (call,), _ = play(send(typing(speaker=ANA), quiet, NOW), OK)
    assert "persona_id" not in body(call)
    with pytest.raises(SendFailed):
        play(send(typing(), quiet, NOW), refusal(10))


def test_an_empty_message_can_t_be_sent() -> None:
    with pytest.raises(Unsupported):
        play(send(say(), account(), NOW))


# ----------------------------------------------------------------------------------------------------- windows

HOURS = timedelta(hours=1)
AGENT = {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
RESPONSE = {"messaging_type": "RESPONSE"}


@pytest.mark.parametrize(
    ("message", "granted", "age", "how"),
    [
        (say("x"), False, 24 * HOURS, RESPONSE),
        (say("x"), True, 24 * HOURS, RESPONSE),
        (say("x"), True, 25 * HOURS, AGENT),
        (say("x"), True, 168 * HOURS, AGENT),
        (say("x"), True, 169 * HOURS, None),
        (say("x"), False, 25 * HOURS, None),
        (say("x", human=False), True, 25 * HOURS, None),
        (notice(), True, 25 * HOURS, None),
        (notice(), True, 23 * HOURS, RESPONSE),
        (notice(human=True), True, 25 * HOURS, None),
    ],
)
def test_the_human_agent_tag_is_for_what_a_person_wrote(message: Any, granted: bool, age: timedelta, how: Any) -> None:
    """Inside 24 hours it is never set; bots and notices never get it."""
    late = message.model_copy(update={"last_inbound_at": NOW - age})
    flow = send(late, account(human_agent=granted), NOW)
    if how is None:
        with pytest.raises(SendFailed) as failed:
            next(flow)
        assert (failed.value.verdict, failed.value.code) == (Verdict.dead, "outside_window")
        return
    (call,), _ = play(flow, OK)
    assert {key: value for key, value in body(call).items() if key in ("messaging_type", "tag")} == how


# ----------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("key", [key for key in ERRORS if key not in ("9000001",)])
def test_every_code_has_its_meaning(key: str) -> None:
    code, _, subcode = key.partition("/")
    reply = refusal(int(code or 100), int(subcode) if subcode else None)
    with pytest.raises(SendFailed) as failed:
        play(send(say("Hi"), account(), NOW), reply)
    meaning = ERRORS[key]
    assert (failed.value.verdict, failed.value.code) == (meaning.verdict, meaning.code)
    assert failed.value.throttles_account == meaning.throttles_account


def test_only_a_bad_token_or_permission_asks_for_new_credentials() -> None:
    """Others took any error for a dead token, and disconnected the Page every hour."""
    assert {key for key, meaning in ERRORS.items() if meaning.code == "not_authorised"} == {"190", "10", "200", "230", "2018247"}


def test_another_app_holds_the_thread() -> None:
    with pytest.raises(SendFailed) as failed:
        play(send(say("Hi"), account(), NOW), refusal(10, 2018300))
    assert failed.value.verdict is Verdict.dead
    assert "Another app" in str(failed.value)
    assert failed.value.provider_code == "10/2018300"


def test_the_thread_is_taken_where_we_may() -> None:
    taken = HttpReply(200, {}, b'{"success":true}')
    calls, sent = play(send(say("Hi"), account(take_thread=True), NOW), refusal(100, 2534037), taken, OK)
    assert calls[1].url == f"{BASE}/take_thread_control"
    assert body(calls[1]) == {"recipient": {"id": KIM}}
    assert sent.message_ids == ("m_OUT",)
    with pytest.raises(SendFailed):
        play(send(say("Hi"), account(take_thread=True), NOW), refusal(100, 2534037), refusal(10))


def test_a_file_that_meta_can_t_fetch_is_tried_for_two_minutes() -> None:
    linked = PHOTO.model_copy(update={"content": b""})
    for age, verdict in [(timedelta(0), Verdict.again), (timedelta(minutes=3), Verdict.dead)]:
        with pytest.raises(SendFailed) as failed:
            play(send(say(file=linked, created_at=NOW - age), account(), NOW), refusal(100, 2018008))
        assert failed.value.verdict is verdict


@pytest.mark.parametrize(
    "reply",
    [HttpReply(200, {}, b"{}"), HttpReply(200, {}, b"<html>"), HttpReply(502), HttpReply(504), refusal(1, 1357046, status=500)],
)
def test_an_answer_that_says_nothing_leaves_it_unknown(reply: HttpReply) -> None:
    with pytest.raises(SendFailed) as failed:
        play(send(say("Hi"), account(), NOW), reply)
    assert (failed.value.verdict, failed.value.code) == (Verdict.unknown, "no_answer")


def test_a_200_that_holds_an_error_is_a_refusal() -> None:
    with pytest.raises(SendFailed) as failed:
        play(send(say("Hi"), account(), NOW), refusal(10, 2018278, status=200))
    assert (failed.value.verdict, failed.value.code) == (Verdict.dead, "outside_window")


# ---------------------------------------------------------------------------------------------- files, profiles

PART = MediaPart(media="image", source={"url": "https://scontent.xx.fbcdn.net/v/1.jpg"})


def test_a_file_is_fetched_without_our_token() -> None:
    (call,), fetched = play(media(PART, account(), NOW), HttpReply(200, {"content-type": "image/jpeg"}, b"jpeg"))
    assert (call.foreign, "authorization" in call.headers) == (True, False)
    assert (fetched.content, fetched.mime_type) == (b"jpeg", "image/jpeg")


@pytest.mark.parametrize(
    ("status", "verdict", "code"),
    [
        (403, Verdict.dead, "media_gone"),
        (404, Verdict.dead, "media_gone"),
        (410, Verdict.dead, "media_gone"),
        (503, Verdict.again, "provider_unavailable"),
        (429, Verdict.again, "rate_limited"),
    ],
)
def test_files_that_can_t_be_had(status: int, verdict: Verdict, code: str) -> None:
    with pytest.raises(SendFailed) as failed:
        play(media(PART, account(), NOW), HttpReply(status))
    assert (failed.value.verdict, failed.value.code) == (verdict, code)


def test_a_part_without_an_address_is_gone() -> None:
    with pytest.raises(SendFailed) as failed:
        play(media(MediaPart(media="image"), account(), NOW))
    assert failed.value.code == "media_gone"


def test_the_profile_is_asked_for_once_a_day() -> None:
    told = HttpReply(
        200, {}, b'{"first_name":"Ana","last_name":"Ruiz","profile_pic":"https://x.test/a.jpg","locale":"es_ES","id":"6"}'
    )
    (call,), person = play(profile(EndUser(address=KIM), account(), NOW), told)
    assert call.url == f"https://graph.facebook.com/v25.0/{KIM}?fields=name%2Cfirst_name%2Clast_name%2Cprofile_pic%2Clocale"
    assert call.cache_seconds == 86400
    assert person == EndUser(address=KIM, name="Ana Ruiz", avatar_url="https://x.test/a.jpg", locale="es_ES")


@pytest.mark.parametrize(
    "reply", [HttpReply(200, {}, b"{}"), HttpReply(200, {}, b'{"id":"6"}'), refusal(100, 33), refusal(2018218), HttpReply(500)]
)
def test_a_profile_that_we_may_not_see_changes_nothing(reply: HttpReply) -> None:
    known = EndUser(address=KIM, name="Ana")
    assert play(profile(known, account(), NOW), reply)[1] == known


def test_the_app_s_id_is_part_of_the_settings() -> None:
    assert account().app_id == APP
    assert isinstance(say("x"), Say)
