"""What we say to Apple: the flows played by hand."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import jwt
import pytest
from pydantic import SecretStr

from adapters.apple import ADAPTER, mmcs
from adapters.apple.outbound import MESSAGE_ERRORS, message_id, send
from adapters.contract import HttpCall, HttpReply
from adapters.envelope import Outbound
from adapters.errors import SendFailed, Unsupported, Verdict
from adapters.replies import CODES
from adapters.text import prepare
from tests.adapters.apple.account import (
    ANA,
    BUSINESS,
    KIM,
    MSP,
    NOW,
    OLD_SECRET,
    OUR_ID,
    PHOTO,
    SECRET,
    account,
    calls_before_failure,
    notice,
    say,
    typing,
)
from tests.adapters.outgoing import play

OK = HttpReply(200)


def sent(message: Outbound, **changes: Any) -> tuple[HttpCall, dict[str, Any]]:
    """The one call that the message makes, and its body."""
    (call,), result = play(send(message, account(**changes), NOW), OK)
    assert result.message_ids == (OUR_ID,)
    return call, json.loads(call.body)


def refused(message: Outbound, *replies: HttpReply, **changes: Any) -> SendFailed:
    with pytest.raises(SendFailed) as fault:
        play(send(message, account(**changes), NOW), *replies)
    return fault.value


def test_a_text() -> None:
    call, body = sent(say("Hi, this is Ana. 👋🏽"))
    assert (call.method, call.url, call.visible, call.foreign) == ("POST", "https://mspgw.example.test/v1/message", True, False)
    token = call.headers["Authorization"].removeprefix("Bearer ")
    key = bytes(range(32))
    assert jwt.decode(token, key, algorithms=["HS256"], options={"verify_iat": False}) == {"iss": MSP, "iat": 1_700_000_005}
    assert {name: value for name, value in call.headers.items() if name != "Authorization"} == {
        "Content-Type": "application/json",
        "id": OUR_ID,
        "Source-Id": BUSINESS,
        "Destination-Id": KIM,
    }
    assert body == {
        "v": 1,
        "id": OUR_ID,
        "type": "text",
        "sourceId": BUSINESS,
        "destinationId": KIM,
        "body": "Hi, this is Ana. 👋🏽",
    }


def test_the_id_is_the_same_on_every_try_and_another_for_another_message() -> None:
    first, again = (sent(say("Hi"))[0].headers["id"] for _ in range(2))
    assert first == again == message_id(say("Hi").retry_key)
    assert message_id("another key") != first


def test_a_notice_is_marked_automatic() -> None:
    call, body = sent(notice())
    assert (call.headers["auto-reply"], body["type"], body["body"]) == ("true", "text", "Ana joined the chat")


def test_what_a_bot_says_is_marked_and_what_a_person_says_is_not() -> None:
    assert sent(say("I am a bot", human=False))[0].headers["auto-reply"] == "true"
    assert "auto-reply" not in sent(say("I am Ana"))[0].headers


def test_typing_both_ways() -> None:
    assert sent(typing(True))[1]["type"] == "typing_start"
    call, body = sent(typing(False))
    assert body == {"v": 1, "id": OUR_ID, "sourceId": BUSINESS, "destinationId": KIM, "type": "typing_end"}
    assert "auto-reply" not in call.headers


def test_a_word_for_apples_log() -> None:
    assert "msp-agent" not in sent(say("Hi"))[0].headers
    assert sent(say("Hi"), msp_agent="byoc")[0].headers["msp-agent"] == "byoc"


def test_the_mark_of_an_attachment_never_stands_in_a_text_without_one() -> None:
    assert sent(say("pasted \ufffchere"))[1]["body"] == "pasted here"


@pytest.mark.parametrize(
    ("text", "url", "title"),
    [
        ("https://shop.example.test/p/1", "https://shop.example.test/p/1", "shop.example.test/p/1"),
        (" HTTP://shop.example.test/?q=1#x\n", "HTTP://shop.example.test/?q=1#x", "shop.example.test"),
        ("Ana: https://shop.example.test/", "https://shop.example.test/", "Ana: shop.example.test"),
        (f"https://shop.example.test/{'a' * 200}", f"https://shop.example.test/{'a' * 200}", f"shop.example.test/{'a' * 61}…"),
    ],
)
def test_a_link_alone_goes_as_a_card(text: str, url: str, title: str) -> None:
    body = sent(say(text, speaker=ANA))[1]
    assert (body["type"], body["richLinkData"]) == ("richLink", {"url": url, "title": title})
    assert sent(say(text, speaker=ANA), rich_links=False)[1]["type"] == "text"


@pytest.mark.parametrize(
    "text",
    [
        "see https://x.test/1",
        "https://x.test/1 https://x.test/2",
        "ftp://x.test/1",
        "https://",
        "https://[x",
        "Ben: https://x.test/1",
    ],
)
def test_a_link_among_words_stays_text(text: str) -> None:
    assert sent(say(text, speaker=ANA))[1] | {"body": text} == sent(say(text, speaker=ANA))[1]


def test_a_card_that_apple_refuses_goes_as_text_under_the_same_id() -> None:
    (card, text), result = play(send(say("https://x.test/1"), account(), NOW), HttpReply(400), OK)
    assert (card.headers["id"], text.headers["id"]) == (OUR_ID, OUR_ID)
    assert json.loads(text.body)["body"] == "https://x.test/1"
    assert result.message_ids == (OUR_ID,)
    assert refused(say("https://x.test/1"), HttpReply(503)).verdict is Verdict.again


UPLOAD_AT = "https://content.example.test/up?x=%2F1"
PLACE = HttpReply(200, {}, json.dumps({"upload-url": UPLOAD_AT, "mmcs-url": "https://mmcs.test/1", "mmcs-owner": "M1"}).encode())
STORED = HttpReply(200, {}, b'{"singleFile": {"size": 16, "fileChecksum": "AYGq", "receipt": "r"}}')


def test_a_file_is_locked_uploaded_and_named() -> None:
    (place, upload, message), result = play(send(say(file=PHOTO, text="Ana: the hinge"), account(), NOW), PLACE, STORED, OK)
    assert (place.method, place.url, place.headers["MMCS-Size"]) == ("GET", "https://mspgw.example.test/v1/preUpload", "16")
    assert place.headers["Source-Id"] == BUSINESS
    assert (upload.method, upload.url, upload.foreign) == ("POST", UPLOAD_AT, True)
    assert "Authorization" not in upload.headers
    assert [place.visible, upload.visible, message.visible] == [False, False, True]
    body = json.loads(message.body)
    (attachment,) = body["attachments"]
    key = attachment.pop("key")
    assert (key[:2], len(key)) == ("00", 66)
    assert mmcs.lock(upload.body, mmcs.key_from(key)) == PHOTO.content != upload.body
    assert body["body"] == "\ufffcAna: the hinge"
    assert attachment == {
        "name": "hinge.png",
        "mimeType": "image/png",
        "size": "16",
        "url": "https://mmcs.test/1",
        "owner": "M1",
        "signature-base64": "AYGq",
    }
    assert result.message_ids == (OUR_ID,)


def test_every_file_has_a_key_of_its_own() -> None:
    """Counter mode from zero: one key for two contents would give both away."""
    one = mmcs.file_key(b"secret", "retry-1", b"content")
    assert one == mmcs.file_key(b"secret", "retry-1", b"content")
    others = [
        mmcs.file_key(b"secret", "retry-1", b"other"),
        mmcs.file_key(b"secret", "retry-2", b"content"),
        mmcs.file_key(b"x", "retry-1", b"content"),
    ]
    assert len({one, *others}) == 4


def test_an_upload_below_our_own_gateway_is_not_foreign() -> None:
    place = HttpReply(200, {}, PLACE.body.replace(b"https://content.example.test", b"https://mspgw.example.test/v1"))
    calls, _ = play(send(say(file=PHOTO), account(), NOW), place, STORED, OK)
    assert not calls[1].foreign


@pytest.mark.parametrize(
    ("replies", "verdict", "code"),
    [
        ([HttpReply(400)], Verdict.dead, "media_refused"),
        ([HttpReply(413)], Verdict.dead, "media_refused"),
        ([HttpReply(403)], Verdict.dead, "not_authorised"),
        ([HttpReply(500)], Verdict.again, "provider_unavailable"),
        ([HttpReply(504)], Verdict.again, "provider_unavailable"),
        ([HttpReply(200, {}, b"{}")], Verdict.again, "provider_unavailable"),
        ([HttpReply(200, {}, b"<html>")], Verdict.again, "provider_unavailable"),
        ([PLACE, HttpReply(413)], Verdict.dead, "media_refused"),
        ([PLACE, HttpReply(403)], Verdict.again, "provider_unavailable"),
        ([PLACE, HttpReply(503)], Verdict.again, "provider_unavailable"),
        ([PLACE, HttpReply(200)], Verdict.again, "provider_unavailable"),
        ([PLACE, STORED, HttpReply(504)], Verdict.unknown, "no_answer"),
    ],
)
def test_an_upload_that_fails(replies: list[HttpReply], verdict: Verdict, code: str) -> None:
    fault = refused(say(file=PHOTO), *replies)
    assert (fault.verdict, fault.code) == (verdict, code)


def test_an_empty_file_is_not_sent() -> None:
    empty = PHOTO.model_copy(update={"content": b"", "size_bytes": 0})
    assert refused(say(file=empty)).code == "media_refused"


def test_nothing_to_say() -> None:
    with pytest.raises(Unsupported):
        play(send(say("  "), account(), NOW))


@pytest.mark.parametrize("message", [say("Hi"), notice(), typing(), say(file=PHOTO)], ids=lambda one: one.kind)
def test_after_the_customer_closed_nothing_is_sent(message: Outbound) -> None:
    fault = refused(message.model_copy(update={"memory": {"closed": True}}))
    assert (fault.verdict, fault.code) == (Verdict.dead, "conversation_closed")


def test_a_410_is_remembered_so_that_sending_ends() -> None:
    """Else every further message asks Apple again."""
    fault = refused(say("Hi"), HttpReply(410))
    assert (fault.verdict, fault.code, dict(fault.remember)) == (Verdict.dead, "conversation_closed", {"closed": True})
    assert refused(say("Hi", memory=dict(fault.remember))).code == "conversation_closed"


@pytest.mark.parametrize(
    ("status", "verdict", "code", "throttles"),
    [
        (400, Verdict.dead, "content_refused", False),
        (401, Verdict.dead, "not_authorised", False),
        (403, Verdict.dead, "not_authorised", False),
        (404, Verdict.dead, "refused", False),
        (410, Verdict.dead, "conversation_closed", False),
        (413, Verdict.dead, "too_long", False),
        (429, Verdict.again, "rate_limited", True),
        (500, Verdict.again, "provider_unavailable", False),
        (502, Verdict.again, "provider_unavailable", False),
        (503, Verdict.again, "provider_unavailable", False),
        (504, Verdict.unknown, "no_answer", False),
        (301, Verdict.dead, "refused", False),
        (599, Verdict.again, "provider_unavailable", False),
    ],
)
def test_what_a_status_means(status: int, verdict: Verdict, code: str, throttles: bool) -> None:
    fault = refused(say("Hi"), HttpReply(status))
    assert (fault.verdict, fault.code, fault.throttles_account) == (verdict, code, throttles)
    assert (fault.provider_code, fault.sentence) == (f"http_{status}", None)


def test_the_table_has_a_sentence_for_every_code() -> None:
    assert all(meaning.code in CODES for meaning in MESSAGE_ERRORS.values())


def test_retry_after_is_obeyed() -> None:
    assert refused(say("Hi"), HttpReply(429, {"retry-after": "7"})).again_at == NOW + timedelta(seconds=7)
    assert refused(say("Hi"), HttpReply(429)).again_at is None


def test_while_a_secret_is_replaced_the_other_is_tried() -> None:
    both = {"secrets": (SecretStr(OLD_SECRET), SecretStr(SECRET))}
    (first, second), _ = play(send(say("Hi"), account(**both), NOW), HttpReply(403), OK)
    assert first.headers["Authorization"] != second.headers["Authorization"] == sent(say("Hi"))[0].headers["Authorization"]
    assert first.body == second.body
    assert refused(say("Hi"), HttpReply(403), HttpReply(403), **both).code == "not_authorised"


def test_without_a_secret_nothing_is_called() -> None:
    bare = account().model_copy(update={"secrets": ()})
    with pytest.raises(SendFailed) as fault:
        play(send(say("Hi"), bare, NOW))
    assert fault.value.code == "not_authorised"


def test_secrets_and_words_stay_out_of_calls_and_errors() -> None:
    (call,) = calls_before_failure(send(say("the customer's words"), account(), NOW))
    assert "Bearer" not in repr(call)
    assert "words" not in repr(call)
    fault = refused(say("the customer's words"), HttpReply(403))
    assert SECRET not in f"{fault!r}{fault}"
    assert "words" not in f"{fault!r}{fault}"


def test_what_prepare_makes_is_what_apple_takes() -> None:
    """A long text is split before; the name of who speaks stands before the first piece; a huge file becomes a link."""
    long = prepare(say("word " * 4000, speaker=ANA), ADAPTER.capabilities)
    assert [len(one.text or "") <= 10_000 for one in long] == [True, True, True]
    assert [(one.text or "").startswith("Ana: ") for one in long] == [True, False, False]
    (captioned,) = prepare(say("look", file=PHOTO, speaker=ANA), ADAPTER.capabilities)
    assert (captioned.text, captioned.file) == ("Ana: look", PHOTO)
    (linked,) = prepare(say(file=PHOTO.model_copy(update={"size_bytes": 100_000_001})), ADAPTER.capabilities)
    assert (linked.text, linked.file) == ("hinge.png: https://gw.example.test/f/1", None)
