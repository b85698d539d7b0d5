"""What we send to WhatsApp, call by call, and what its answers mean."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest

from adapters.contract import HttpCall, HttpReply, Sent
from adapters.envelope import Address, MediaPart, OutboundFile
from adapters.errors import SendFailed, Unsupported, Verdict
from adapters.text import prepare
from adapters.whatsapp import ADAPTER
from adapters.whatsapp.failures import ERRORS
from adapters.whatsapp.fetching import media
from adapters.whatsapp.outbound import send
from tests.adapters.outgoing import play
from tests.adapters.whatsapp.account import KIM, NOW, NUMBER, PHOTO, account, notice, say, typing

OK = HttpReply(
    200,
    {},
    b'{"messaging_product":"whatsapp","contacts":[{"input":"34600111222","wa_id":"34600111222"}],"messages":[{"id":"wamid.OUT"}]}',
)
UPLOADED = HttpReply(200, {}, b'{"id":"800001"}')
BASE = "https://graph.facebook.com/v25.0/107000000000002"


def body(call: HttpCall) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(call.body)
    return loaded


def refusal(code: int, subcode: int = 0, *, status: int = 400) -> HttpReply:
    return HttpReply(
        status, {}, json.dumps({"error": {"message": f"(#{code}) No", "code": code, "error_subcode": subcode}}).encode()
    )


def test_text() -> None:
    (call,), sent = play(send(say("Hello ☂"), account(), NOW), OK)
    assert (call.method, call.url, call.visible) == ("POST", f"{BASE}/messages", True)
    assert call.headers["authorization"] == "Bearer sample-token"
    assert body(call) == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": NUMBER,
        "type": "text",
        "text": {"body": "Hello ☂"},
        "biz_opaque_callback_data": "msg_1",
    }
    assert sent == Sent(message_ids=("wamid.OUT",), remember={"wa_id": NUMBER})


def test_a_link_gets_its_preview_unless_it_is_unwanted() -> None:
    (call,), _ = play(send(say("see https://ex.test"), account(), NOW), OK)
    assert body(call)["text"]["preview_url"] is True
    (call,), _ = play(send(say("see https://ex.test"), account(link_previews=False), NOW), OK)
    assert "preview_url" not in body(call)["text"]


def test_who_has_no_number_is_reached_by_the_scoped_id() -> None:
    scoped = HttpReply(200, {}, b'{"contacts":[{"input":"ES.309","user_id":"ES.309"}],"messages":[{"id":"wamid.OUT"}]}')
    (call,), sent = play(send(say("Hi", memory={}), account(), NOW), scoped)
    assert "to" not in body(call)
    assert body(call)["recipient"] == KIM
    assert sent.remember == {}


def test_who_has_only_a_number_is_reached_by_it() -> None:
    (call,), _ = play(send(say("Hi", to=Address("551199991111"), memory={}), account(), NOW), OK)
    assert body(call)["to"] == "551199991111"


def test_reply_quotes() -> None:
    (call,), _ = play(send(say("Yes", reply_to="wamid.IN"), account(), NOW), OK)
    assert body(call)["context"] == {"message_id": "wamid.IN"}


def test_a_picture_is_uploaded_and_then_sent() -> None:
    """Only the last call may be seen by the customer: the flow may run again from its start."""
    (upload, message), sent = play(send(say("the hinge", file=PHOTO), account(), NOW), UPLOADED, OK)
    assert (upload.url, upload.visible, message.visible) == (f"{BASE}/media", False, True)
    assert upload.fields == {"messaging_product": "whatsapp", "type": "image/png"}
    assert (upload.files[0].field, upload.files[0].content) == ("file", b"png bytes")
    assert body(message)["type"] == "image"
    assert body(message)["image"] == {"id": "800001", "caption": "the hinge"}
    assert sent.message_ids == ("wamid.OUT",)


FORMS = [
    ("image/jpeg", 4_000_000, "image"),
    ("image/jpeg", 6_000_000, "document"),
    ("image/webp", 1000, "document"),
    ("video/mp4", 16_000_000, "video"),
    ("video/mp4", 16_000_001, "document"),
    ("video/quicktime", 1000, "document"),
    ("audio/ogg; codecs=opus", 1000, "audio"),
    ("audio/wav", 1000, "document"),
    ("application/pdf", 99_000_000, "document"),
]


@pytest.mark.parametrize(("mime_type", "size", "kind"), FORMS)
def test_a_file_goes_in_the_best_form(mime_type: str, size: int, kind: str) -> None:
    file = OutboundFile(name="f.bin", mime_type=mime_type, size_bytes=size, url="https://x.test/f", content=b"x")
    (_, message), _ = play(send(say(file=file), account(), NOW), UPLOADED, OK)
    expected = {"id": "800001", "filename": "f.bin"} if kind == "document" else {"id": "800001"}
    assert (body(message)["type"], body(message)[kind]) == (kind, expected)


def test_a_sound_carries_no_caption_so_its_text_goes_before_it() -> None:
    sound = OutboundFile(name="a.ogg", mime_type="audio/ogg", size_bytes=3, url="https://x.test/a", content=b"ogg")
    first, second = prepare(say("listen", file=sound), ADAPTER.capabilities)
    assert (first.text, first.file, second.text, second.file) == ("listen", None, None, sound)
    captioned = prepare(say("look", file=PHOTO), ADAPTER.capabilities)
    assert [(one.text, one.file) for one in captioned] == [("look", PHOTO)]


def test_a_file_over_100_mb_goes_as_a_link() -> None:
    huge = OutboundFile(name="h.zip", mime_type="application/zip", size_bytes=100_000_001, url="https://x.test/h")
    assert [one.text for one in prepare(say(file=huge), ADAPTER.capabilities)] == ["h.zip: https://x.test/h"]
    with pytest.raises(SendFailed) as failed:
        play(send(say(file=huge), account(), NOW))
    assert failed.value.code == "media_refused"


def test_without_bytes_the_link_is_sent() -> None:
    (call,), _ = play(send(say(file=PHOTO.model_copy(update={"content": b""})), account(), NOW), OK)
    assert body(call)["image"] == {"link": PHOTO.url}


def test_a_failed_upload_is_never_unknown() -> None:
    """Nothing went out yet, so it may be tried again, or is the file's fault."""
    for reply, verdict, code in [
        (HttpReply(200, {}, b"<html>"), Verdict.again, "provider_unavailable"),
        (HttpReply(504), Verdict.again, "provider_unavailable"),
        (refusal(131053), Verdict.again, "media_not_ready"),
        (refusal(190, status=401), Verdict.dead, "not_authorised"),
    ]:
        with pytest.raises(SendFailed) as failed:
            play(send(say(file=PHOTO), account(), NOW), reply)
        assert (failed.value.verdict, failed.value.code) == (verdict, code)


def type_refused(mime_type: str) -> HttpReply:
    """As the Cloud API says it (the list cut)."""
    message = f"(#100) Param file must be a file with one of the following types: audio/aac, image/png. Received file of type '{mime_type}'."
    error = {"message": message, "type": "OAuthException", "code": 100, "fbtrace_id": "AM2yIhYd_KoSd5dQerkfErV"}
    return HttpReply(400, {}, json.dumps({"error": error}).encode())


@pytest.mark.parametrize(
    ("name", "mime_type"),
    [
        ("list.csv", "text/csv"),
        ("all.zip", "application/zip"),
        ("wave.gif", "image/gif"),
        ("IMG_1.HEIC", "image/heic"),
        ("clip.mov", "video/quicktime"),
        ("odd.bin", "application/octet-stream"),
    ],
)
def test_a_type_that_meta_does_not_take_goes_as_a_link_with_its_caption(name: str, mime_type: str) -> None:
    file = OutboundFile(name=name, mime_type=mime_type, size_bytes=3, url=f"https://x.test/{name}?sig=1", content=b"abc")
    (_, message), sent = play(send(say("here it is", file=file), account(), NOW), type_refused(mime_type), OK)
    assert body(message)["type"] == "text"
    assert body(message)["text"]["body"] == f"here it is\n{name}: https://x.test/{name}?sig=1"
    assert message.visible
    assert sent.message_ids == ("wamid.OUT",)
    (_, message), _ = play(send(say(file=file), account(), NOW), type_refused(mime_type), OK)
    assert body(message)["text"]["body"] == f"{name}: https://x.test/{name}?sig=1"


def test_an_upload_to_a_number_that_is_not_there_is_no_matter_of_the_file() -> None:
    error = {"message": "Unsupported post request. Object with ID '1' does not exist", "code": 100, "error_subcode": 33}
    with pytest.raises(SendFailed) as failed:
        play(send(say(file=PHOTO), account(), NOW), HttpReply(400, {}, json.dumps({"error": error}).encode()))
    assert failed.value.code == "account_fault"


@pytest.mark.parametrize("mime_type", ["audio/opus", "audio/opus; codecs=opus", "AUDIO/OPUS"])
def test_opus_goes_as_a_sound_under_the_name_that_meta_takes(mime_type: str) -> None:
    sound = OutboundFile(name="v.opus", mime_type=mime_type, size_bytes=3, url="https://x.test/v", content=b"ogg")
    (upload, message), _ = play(send(say(file=sound), account(), NOW), UPLOADED, OK)
    assert (upload.fields["type"], upload.files[0].mime_type) == ("audio/ogg", "audio/ogg")
    assert body(message)["audio"] == {"id": "800001"}


def test_a_notice_stands_in_italics_where_they_hold() -> None:
    for words, shown in [
        ("Ana joined", "_Ana joined_"),
        ("snake_case joined", "snake_case joined"),
        ("two\nlines", "two\nlines"),
    ]:
        (call,), _ = play(send(notice(words), account(), NOW), OK)
        assert body(call)["text"] == {"body": shown}
        assert body(call)["biz_opaque_callback_data"] == "ntc_1"
    (call,), _ = play(send(notice(), account(notice_format="{text}"), NOW), OK)
    assert body(call)["text"] == {"body": "Ana joined"}


def test_typing_hangs_on_the_last_message() -> None:
    (call,), sent = play(send(typing(), account(), NOW), HttpReply(200, {}, b'{"success":true}'))
    assert body(call) == {
        "messaging_product": "whatsapp",
        "status": "read",
        "message_id": "wamid.IN",
        "typing_indicator": {"type": "text"},
    }
    assert (sent, call.visible) == (Sent(), False)


@pytest.mark.parametrize("signal", [typing(on=False), typing(memory={}), typing(memory={"last_message_id": 7})])
def test_typing_that_can_t_be_shown_makes_no_call(signal: Any) -> None:
    assert play(send(signal, account(), NOW)) == ([], Sent())


def test_typing_that_fails_says_so() -> None:
    with pytest.raises(SendFailed):
        play(send(typing(), account(), NOW), refusal(131009))


def test_an_empty_message_can_t_be_sent() -> None:
    with pytest.raises(Unsupported):
        play(send(say(), account(), NOW))


# ----------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    "message",
    [say("late", last_inbound_at=NOW - timedelta(hours=24, seconds=1)), notice(last_inbound_at=NOW - timedelta(days=3))],
)
def test_outside_the_window_no_call_is_made(message: Any) -> None:
    with pytest.raises(SendFailed) as failed:
        next(send(message, account(), NOW))
    assert (failed.value.verdict, failed.value.code) == (Verdict.dead, "outside_window")


def test_inside_the_window_to_the_second_and_without_a_known_one() -> None:
    for since in (NOW - timedelta(hours=24), None):
        assert play(send(say("in time", last_inbound_at=since), account(), NOW), OK)


def test_131047_right_after_the_customer_wrote_is_tried_again() -> None:
    """Meta refuses at times although the window is open, and takes the same a minute later."""
    with pytest.raises(SendFailed) as early:
        play(send(say("Hi"), account(), NOW), refusal(131047))
    assert (early.value.verdict, early.value.again_at) == (Verdict.again, NOW + timedelta(minutes=1))
    with pytest.raises(SendFailed) as late:
        play(send(say("Hi", created_at=NOW - timedelta(minutes=3)), account(), NOW), refusal(131047))
    assert (late.value.verdict, late.value.code) == (Verdict.dead, "outside_window")


@pytest.mark.parametrize("code", list(ERRORS))
def test_every_code_has_its_meaning(code: str) -> None:
    old = say("Hi", created_at=NOW - timedelta(hours=1))
    with pytest.raises(SendFailed) as failed:
        play(send(old, account(), NOW), refusal(*map(int, code.split("/"))))
    meaning = ERRORS[code]
    assert (failed.value.verdict, failed.value.code, failed.value.provider_code) == (meaning.verdict, meaning.code, code)
    assert failed.value.throttles_account == meaning.throttles_account


@pytest.mark.parametrize("code", ["4", "80007", "130429", "131048", "133016"])
def test_rate_limits_come_with_400_and_slow_the_account(code: str) -> None:
    assert (ERRORS[code].verdict, ERRORS[code].throttles_account) == (Verdict.again, True)


def test_too_many_to_one_customer_slows_that_customer_alone() -> None:
    assert (ERRORS["131056"].verdict, ERRORS["131056"].throttles_account) == (Verdict.again, False)


@pytest.mark.parametrize("reply", [HttpReply(200, {}, b"{}"), HttpReply(200, {}, b"<html>"), HttpReply(502), HttpReply(504)])
def test_an_answer_that_says_nothing_leaves_it_unknown(reply: HttpReply) -> None:
    with pytest.raises(SendFailed) as failed:
        play(send(say("Hi"), account(), NOW), reply)
    assert (failed.value.verdict, failed.value.code) == (Verdict.unknown, "no_answer")


def test_retry_after_is_obeyed() -> None:
    with pytest.raises(SendFailed) as failed:
        play(send(say("Hi"), account(), NOW), HttpReply(429, {"retry-after": "17"}))
    assert failed.value.again_at == NOW + timedelta(seconds=17)


# ------------------------------------------------------------------------------------------------------- files

PART = MediaPart(media="image", mime_type="image/jpeg", source={"id": "900001"}, name="x.jpg")
CDN = "https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=900001"


def found(url: str = CDN, **more: Any) -> HttpReply:
    return HttpReply(200, {}, json.dumps({"url": url, "mime_type": "image/jpeg", "id": "900001", **more}).encode())


def test_a_file_is_looked_up_and_fetched_with_the_token() -> None:
    (look, get), fetched = play(media(PART, account(), NOW), found(), HttpReply(200, {}, b"jpeg bytes"))
    assert look.url == "https://graph.facebook.com/v25.0/900001"
    assert (get.url, get.foreign, get.headers["authorization"]) == (CDN, True, "Bearer sample-token")
    assert (fetched.content, fetched.mime_type, fetched.name) == (b"jpeg bytes", "image/jpeg", "x.jpg")


def test_a_dead_address_asks_for_a_fresh_one_once() -> None:
    calls, fetched = play(media(PART, account(), NOW), found(), HttpReply(404), found(CDN + "&v=2"), HttpReply(200, {}, b"x"))
    assert [call.url for call in calls[1::2]] == [CDN, CDN + "&v=2"]
    assert fetched.content == b"x"
    with pytest.raises(SendFailed) as failed:
        play(media(PART, account(), NOW), found(), HttpReply(404), found(), HttpReply(404))
    assert (failed.value.verdict, failed.value.code) == (Verdict.dead, "media_gone")


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/x",
        "http://lookaside.fbsbx.com/x",
        "https://fbsbx.com.evil.example/x",
        "https://evilfbsbx.com/x",
        "https://[::1/x",
    ],
)
def test_our_token_is_shown_to_meta_alone(address: str) -> None:
    flow = media(PART, account(), NOW)
    next(flow)
    call = flow.send(found(address))
    assert "authorization" not in call.headers
    assert call.foreign


DIGEST = hashlib.sha256(b"bytes").digest()


@pytest.mark.parametrize(
    "digest",
    [
        DIGEST.hex(),
        DIGEST.hex().upper(),
        base64.b64encode(DIGEST).decode(),
        base64.b64encode(DIGEST).decode().rstrip("="),
        "other kind",
    ],
)
def test_the_digest_is_hex_here_and_base64_there(digest: str) -> None:
    _, fetched = play(media(PART, account(), NOW), found(sha256=digest), HttpReply(200, {}, b"bytes"))
    assert fetched.content == b"bytes"


def test_a_file_that_came_damaged_is_fetched_again() -> None:
    for digest in (DIGEST.hex(), base64.b64encode(DIGEST).decode()):
        with pytest.raises(SendFailed) as failed:
            play(media(PART, account(), NOW), found(sha256=digest), HttpReply(200, {}, b"byte"))
        assert (failed.value.verdict, failed.value.code) == (Verdict.again, "media_not_ready")


@pytest.mark.parametrize(
    ("replies", "verdict", "code"),
    [
        ([refusal(100)], Verdict.dead, "media_gone"),
        ([refusal(190, status=401)], Verdict.dead, "not_authorised"),
        ([refusal(131016, status=500)], Verdict.again, "provider_unavailable"),
        ([HttpReply(200, {}, b"{}")], Verdict.again, "media_not_ready"),
        ([found(), HttpReply(401)], Verdict.dead, "not_authorised"),
        ([found(), HttpReply(503)], Verdict.again, "provider_unavailable"),
    ],
)
def test_files_that_can_t_be_had(replies: list[HttpReply], verdict: Verdict, code: str) -> None:
    with pytest.raises(SendFailed) as failed:
        play(media(PART, account(), NOW), *replies)
    assert (failed.value.verdict, failed.value.code) == (verdict, code)


def test_a_part_without_an_id_is_gone() -> None:
    with pytest.raises(SendFailed) as failed:
        play(media(MediaPart(media="image"), account(), NOW))
    assert failed.value.code == "media_gone"
