"""Sending to LINE, the provider played by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from adapters.contract import HttpReply, NoReply
from adapters.envelope import Address, ChannelId, OutboundFile, Speaker, TypingSignal
from adapters.errors import SendFailed, Unsupported, Verdict
from adapters.line import ADAPTER, memory
from adapters.line.outbound import MEANINGS, sender_name
from adapters.replies import CODES
from adapters.text import prepare
from tests.adapters.line.account import (
    ACCOUNT,
    BEN,
    KIM,
    NOW,
    TOKEN,
    an_account,
    notice,
    refused,
    reply,
    result,
    say,
    sent_json,
    taken,
    young_token,
)
from tests.adapters.outgoing import play

REPLYING = an_account(prefer_reply=True)
BEN_SENDS = {"name": "Ben", "iconUrl": "https://cdn.example.test/ben.png"}


def a_file(mime_type: str = "image/jpeg", size: int = 48_213, **changes: Any) -> OutboundFile:
    settings = {
        "name": "hinge.jpg",
        "mime_type": mime_type,
        "size_bytes": size,
        "url": "https://gw.example.test/files/f1/hinge.jpg",
    }
    return OutboundFile.model_validate(settings | changes)


def test_a_text_is_pushed_with_its_retry_key() -> None:
    calls, sent = play(ADAPTER.send(say(), ACCOUNT, NOW), taken())
    (call,) = calls
    assert (call.method, call.url, call.visible) == ("POST", "https://api.line.me/v2/bot/message/push", True)
    assert call.headers == {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {TOKEN}",
        "X-Line-Retry-Key": "123e4567-e89b-42d3-a456-426614174000",
    }
    assert sent_json(call) == {
        "to": KIM,
        "messages": [{"type": "text", "text": "Hello, Ben here.", "sender": BEN_SENDS}],
        "notificationDisabled": False,
    }
    assert sent.message_ids == ("461230966842064897",)
    assert memory.quote_token(sent.remember, "461230966842064897") == "IStG5h1Tz7b"


def test_a_notice_is_silent_and_shows_the_rep_concerned() -> None:
    calls, _ = play(ADAPTER.send(notice(), ACCOUNT, NOW), taken())
    assert sent_json(calls[0]) == {
        "to": KIM,
        "messages": [{"type": "text", "text": "Ben joined the chat", "sender": BEN_SENDS}],
        "notificationDisabled": True,
    }


def test_a_notice_about_nobody_comes_from_the_account() -> None:
    calls, _ = play(ADAPTER.send(notice(about=None, code="waiting", text="One moment"), ACCOUNT, NOW), taken())
    assert sent_json(calls[0])["messages"] == [{"type": "text", "text": "One moment"}]


def test_without_a_speaker_the_account_speaks() -> None:
    calls, _ = play(ADAPTER.send(say(speaker=None), ACCOUNT, NOW), taken())
    assert sent_json(calls[0])["messages"] == [{"type": "text", "text": "Hello, Ben here."}]


def test_an_answer_quotes_the_message_it_answers() -> None:
    known = memory.quotable("5551112220001", "qt_Zm9vYmFy")
    calls, _ = play(ADAPTER.send(say(reply_to="5551112220001", memory=known), ACCOUNT, NOW), taken())
    assert sent_json(calls[0])["messages"][0]["quoteToken"] == "qt_Zm9vYmFy"


@pytest.mark.parametrize("message_id", ["5551112220017", "other", ""])
def test_what_cannot_be_quoted_any_more_is_answered_plainly(message_id: str) -> None:
    known = memory.quotable("5551112220001", "qt_Zm9vYmFy")
    calls, _ = play(ADAPTER.send(say(reply_to=message_id, memory=known), ACCOUNT, NOW), taken())
    assert "quoteToken" not in sent_json(calls[0])["messages"][0]


# ------------------------------------------------------------------------------------------------------- files


FILES = [
    (
        a_file(),
        {"type": "image", "originalContentUrl": a_file().url, "previewImageUrl": a_file().url},
    ),
    (
        a_file("image/png", 9_000_000),
        {"type": "image", "originalContentUrl": a_file().url, "previewImageUrl": "https://gw.example.test/preview.png"},
    ),
    (
        a_file("video/mp4"),
        {
            "type": "video",
            "originalContentUrl": a_file().url,
            "previewImageUrl": "https://gw.example.test/preview.png",
            "trackingId": "msg.01K5Z0",
        },
    ),
    (a_file("audio/mpeg"), {"type": "audio", "originalContentUrl": a_file().url, "duration": 60_000}),
]


@pytest.mark.parametrize(("file", "shown"), FILES, ids=["picture", "large picture", "video", "sound"])
def test_files(file: OutboundFile, shown: dict[str, Any]) -> None:
    account = an_account(preview_image_url="https://gw.example.test/preview.png")
    calls, _ = play(ADAPTER.send(say(text=None, file=file), account, NOW), taken())
    assert sent_json(calls[0])["messages"] == [shown | {"sender": BEN_SENDS}]


def test_a_large_picture_is_its_own_preview_where_there_is_no_other() -> None:
    calls, _ = play(ADAPTER.send(say(text=None, file=a_file(size=9_000_000)), ACCOUNT, NOW), taken())
    assert sent_json(calls[0])["messages"][0]["previewImageUrl"] == a_file().url


def test_a_video_without_a_preview_goes_as_a_link() -> None:
    calls, _ = play(ADAPTER.send(say(text=None, file=a_file("video/mp4")), ACCOUNT, NOW), taken())
    assert sent_json(calls[0])["messages"][0] == {
        "type": "text",
        "text": "hinge.jpg: https://gw.example.test/files/f1/hinge.jpg",
        "sender": BEN_SENDS,
    }


def test_text_and_file_of_one_message_go_in_one_call() -> None:
    calls, _ = play(ADAPTER.send(say(file=a_file()), ACCOUNT, NOW), taken())
    assert [shown["type"] for shown in sent_json(calls[0])["messages"]] == ["text", "image"]


@pytest.mark.parametrize("mime_type", ["application/pdf", "image/gif", "image/webp", "video/quicktime", "audio/ogg"])
def test_what_line_has_no_kind_for_is_prepared_as_a_link(mime_type: str) -> None:
    (prepared,) = prepare(say(text=None, file=a_file(mime_type)), ADAPTER.capabilities)
    assert prepared.file is None
    assert prepared.text == "hinge.jpg: https://gw.example.test/files/f1/hinge.jpg"


def test_a_message_without_anything_is_unsupported() -> None:
    with pytest.raises(Unsupported):
        result(ADAPTER.send(say(text=None), ACCOUNT, NOW))


# ----------------------------------------------------------------------------------------------------- speakers


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ben", "Ben"),
        ("Caroline", "Caroline"),
        ("CAROLINE Dupont", "Caroline Dupont"),
        ("Ben from LINE", "Ben from"),
        ("line support", "support"),
        ("LINE", ""),
        ("Ana de la Vega y Sotomayor", "Ana de la Vega y So…"),
        ("🍎🍎🍎🍎🍎🍎🍎🍎🍎🍎🍎", "🍎🍎🍎🍎🍎🍎🍎🍎🍎…"),
        ("สมชาย ใจดี", "สมชาย ใจดี"),
        ("  Ben \n Li ", "Ben Li"),
    ],
)
def test_sender_names_as_line_takes_them(name: str, shown: str) -> None:
    assert sender_name(name) == shown


def test_a_speaker_whose_name_line_takes_nothing_of_is_not_named() -> None:
    calls, _ = play(ADAPTER.send(say(speaker=Speaker(id="x", name="LINE")), ACCOUNT, NOW), taken())
    assert "sender" not in sent_json(calls[0])["messages"][0]


@pytest.mark.parametrize("icon", [None, "http://cdn.example.test/ben.png", "https://cdn.example.test/" + "x" * 2000])
def test_icons_are_https_and_short(icon: str | None) -> None:
    speaker = BEN.model_copy(update={"avatar_url": icon})
    calls, _ = play(ADAPTER.send(say(speaker=speaker), ACCOUNT, NOW), taken())
    assert sent_json(calls[0])["messages"][0]["sender"] == {"name": "Ben"}


def test_a_name_that_line_refuses_goes_before_the_text() -> None:
    no = refused(400, "The request body has 1 error(s)", ("messages[0].sender.name", "invalid name"))
    calls, sent = play(ADAPTER.send(say(), ACCOUNT, NOW), no, taken())
    assert sent_json(calls[1])["messages"] == [{"type": "text", "text": "Ben: Hello, Ben here."}]
    assert calls[0].headers == calls[1].headers
    assert sent.message_ids == ("461230966842064897",)


def test_a_name_is_left_out_where_it_would_make_the_text_too_long() -> None:
    no = refused(400, "The request body has 1 error(s)", ("messages[0].sender.iconUrl", "invalid uri scheme"))
    calls, _ = play(ADAPTER.send(say(text="x" * 4998), ACCOUNT, NOW), no, taken())
    assert sent_json(calls[1])["messages"] == [{"type": "text", "text": "x" * 4998}]


# ------------------------------------------------------------------------------------------------ reply or push


def test_by_default_a_young_reply_token_is_left_alone() -> None:
    calls, sent = play(ADAPTER.send(say(memory=young_token()), ACCOUNT, NOW), taken())
    assert calls[0].url.endswith("/push")
    assert "reply_token" not in sent.remember


def test_every_answer_as_push_eats_the_quota_so_replies_can_be_preferred() -> None:
    """github.com/chatwoot/chatwoot/issues/12847"""
    calls, sent = play(ADAPTER.send(say(memory=young_token()), REPLYING, NOW), taken())
    (call,) = calls
    assert call.url == "https://api.line.me/v2/bot/message/reply"
    assert "X-Line-Retry-Key" not in call.headers  # LINE refuses it here
    assert sent_json(call) == {
        "replyToken": "5f2c0d9e8b7a46539f1e2d3c4b5a6978",
        "messages": [{"type": "text", "text": "Hello, Ben here.", "sender": BEN_SENDS}],
        "notificationDisabled": False,
    }
    assert sent.remember["reply_token"] is None  # a token works once


@pytest.mark.parametrize(
    "kept",
    [
        {},
        young_token(seconds=50),
        young_token(seconds=3600),
        young_token(seconds=-1),  # came after the message was written: an earlier try may have been a push
        {"reply_token": None},
        {"reply_token": "token"},
        {"reply_token": {"token": "t"}},
        {"reply_token": {"token": 7, "at": NOW.isoformat()}},
        {"reply_token": {"token": "t", "at": "yesterday"}},
        {"reply_token": {"token": "t", "at": "2026-09-21T14:13:21"}},
    ],
    ids=str,
)
def test_without_a_young_token_it_is_a_push(kept: dict[str, Any]) -> None:
    calls, _ = play(ADAPTER.send(say(memory=kept), REPLYING, NOW), taken())
    assert calls[0].url.endswith("/push")


def test_a_stale_or_spent_reply_token_does_not_lose_the_answer() -> None:
    """github.com/nyaruka/courier/pull/299: LINE's refusal means that nothing was shown, so the push goes."""
    no = refused(400, "Invalid reply token")
    calls, sent = play(ADAPTER.send(say(memory=young_token()), REPLYING, NOW), no, taken())
    assert [call.url.rpartition("/")[2] for call in calls] == ["reply", "push"]
    assert calls[1].headers["X-Line-Retry-Key"] == say().retry_key
    assert sent.remember["reply_token"] is None


@pytest.mark.parametrize("lost", [NoReply("read timeout", sent=True), reply(500), reply(502)], ids=str)
def test_a_lost_reply_is_asked_for_once_more_with_the_same_token(lost: HttpReply | Exception) -> None:
    calls, sent = play(ADAPTER.send(say(memory=young_token()), REPLYING, NOW), lost, taken())
    assert calls[0] == calls[1]
    assert sent.message_ids == ("461230966842064897",)


@pytest.mark.parametrize(
    "second",
    [
        refused(400, "Invalid reply token"),
        NoReply("read timeout", sent=True),
        NoReply("refused", sent=False),
        reply(500),
        refused(429, "The API rate limit has been exceeded. Try again later."),
    ],
    ids=str,
)
def test_a_lost_reply_is_never_followed_by_a_push(second: HttpReply | Exception) -> None:
    """The first may have come through: "Invalid reply token" most likely means that it did
    (github.com/line/line-bot-sdk-python/issues/328)."""
    with pytest.raises(SendFailed) as caught:
        result(ADAPTER.send(say(memory=young_token()), REPLYING, NOW), NoReply("read timeout", sent=True), second)
    assert (caught.value.verdict, caught.value.code) == (Verdict.unknown, "no_answer")
    assert caught.value.remember == {"reply_token": None}


def test_a_reply_that_never_left_comes_out_as_it_is() -> None:
    with pytest.raises(NoReply):
        result(ADAPTER.send(say(memory=young_token()), REPLYING, NOW), NoReply("refused", sent=False))


def test_a_lost_push_is_tried_again_by_its_key() -> None:
    with pytest.raises(SendFailed) as caught:
        result(ADAPTER.send(say(), ACCOUNT, NOW), NoReply("read timeout", sent=True))
    assert caught.value.verdict is Verdict.again


def test_a_lost_push_is_unknown_once_the_key_is_forgotten() -> None:
    with pytest.raises(SendFailed) as caught:
        result(ADAPTER.send(say(), ACCOUNT, NOW + timedelta(hours=24)), NoReply("read timeout", sent=True))
    assert caught.value.verdict is Verdict.unknown


def test_a_push_that_never_left_comes_out_as_it_is() -> None:
    with pytest.raises(NoReply):
        result(ADAPTER.send(say(), ACCOUNT, NOW), NoReply("refused", sent=False))


def test_a_known_retry_key_means_that_it_was_sent() -> None:
    known = {"message": "The retry key is already accepted", "sentMessages": [{"id": "461230966842064897", "quoteToken": "q"}]}
    sent = result(ADAPTER.send(say(), ACCOUNT, NOW), reply(409, known))
    assert sent.message_ids == ("461230966842064897",)


@pytest.mark.parametrize("body", [None, [], {}, {"sentMessages": "x"}, {"sentMessages": [7, {}]}], ids=str)
def test_a_200_is_sent_whatever_its_body(body: Any) -> None:
    assert result(ADAPTER.send(say(), ACCOUNT, NOW), reply(200, body)).message_ids == ()


@pytest.mark.parametrize(
    ("account", "kept", "tried_after", "asked_after", "safe"),
    [
        (ACCOUNT, {}, 0, 60, True),
        (ACCOUNT, young_token(), 0, 60, True),  # it was a push all the same
        (REPLYING, {}, 0, 60, True),
        (REPLYING, young_token(), 0, 60, False),
        (REPLYING, young_token(seconds=50), 0, 60, True),  # too old when it was tried
        (REPLYING, young_token(seconds=-30), 0, 60, False),  # came later, and hides the one before it
        (ACCOUNT, {}, 0, 24 * 3600, False),  # LINE has forgotten the key
    ],
)
def test_retry_safe(account: Any, kept: dict[str, Any], tried_after: int, asked_after: int, safe: bool) -> None:
    assert ADAPTER.retry_safe is not None
    tried_at, now = NOW + timedelta(seconds=tried_after), NOW + timedelta(seconds=asked_after)
    assert ADAPTER.retry_safe(say(memory=kept), account, tried_at, now) is safe


# ---------------------------------------------------------------------------------------------------- refusals


def errors(*details: tuple[str, str]) -> HttpReply:
    return refused(400, f"The request body has {len(details)} error(s)", *details)


AUTH = "Authentication failed due to the following reason: invalid token. Confirm that …"
REFUSALS = [
    (errors(("messages[0].text", "Length must be between 0 and 5000")), "dead", "too_long", "text_too_long"),
    (errors(("messages[0].text", "May not be empty")), "dead", "content_refused", "invalid_body"),
    (errors(("messages[0].originalContentUrl", "invalid uri scheme")), "dead", "media_refused", "media_url"),
    (errors(("messages[0].previewImageUrl", "invalid uri scheme")), "dead", "media_refused", "media_url"),
    (errors(("to", "May not be empty")), "dead", "recipient_unreachable", "recipient"),
    (refused(400, "The request body has 1 error(s)"), "dead", "content_refused", "invalid_body"),
    (
        refused(400, "The property, 'to', in the request body is invalid (line: -, column: -)"),
        "dead",
        "recipient_unreachable",
        "recipient",
    ),
    (
        refused(400, "The property, 'type', in the request body is invalid (line: 1, column: 9)"),
        "dead",
        "content_refused",
        "invalid_property",
    ),
    (
        refused(400, "The request body could not be parsed as JSON (line: 1, column: 9)"),
        "dead",
        "content_refused",
        "invalid_json",
    ),
    (refused(400, "Failed to send messages"), "dead", "recipient_unreachable", "failed_to_send"),
    (refused(400, "Something new"), "dead", "refused", "http_400"),
    (refused(401, AUTH), "dead", "not_authorised", "authentication_failed"),
    (refused(403, "Access to this API is not available for your account"), "dead", "account_fault", "access_denied"),
    (refused(404, "Not found"), "dead", "account_fault", "not_found"),
    (reply(410), "dead", "account_fault", "http_410"),
    (reply(413), "dead", "content_refused", "http_413"),
    (refused(415, "The content type, text/plain, is not supported"), "dead", "account_fault", "unsupported_content_type"),
    (refused(429, "The API rate limit has been exceeded. Try again later."), "again", "rate_limited", "rate_limited"),
    (refused(429, "You have reached your monthly limit."), "dead", "quota_exhausted", "monthly_limit"),
    (reply(429), "again", "rate_limited", "http_429"),
    (reply(500, {"message": "Internal error"}), "again", "provider_unavailable", "http_500"),
    (HttpReply(503, {}, b"<html>"), "again", "provider_unavailable", "http_503"),
]


@pytest.mark.parametrize(("answer", "verdict", "code", "provider_code"), REFUSALS, ids=lambda value: str(value)[:60])
def test_refusals(answer: HttpReply, verdict: str, code: str, provider_code: str) -> None:
    with pytest.raises(SendFailed) as caught:
        result(ADAPTER.send(say(), ACCOUNT, NOW), answer)
    failure = caught.value
    assert (failure.verdict.value, failure.code, failure.provider_code) == (verdict, code, provider_code)
    assert failure.code in CODES
    assert TOKEN not in str(failure)


def test_every_meaning_has_its_row() -> None:
    assert set(MEANINGS) - {"invalid_reply_token"} <= {provider_code for *_, provider_code in REFUSALS}


def test_monthly_limit_is_not_mistaken_for_the_rate_limit() -> None:
    """github.com/line/line-bot-sdk-java/issues/426: both are 429s. The one slows the account, the other is the end."""
    failures = []
    for text in ("The API rate limit has been exceeded. Try again later.", "You have reached your monthly limit."):
        with pytest.raises(SendFailed) as caught:
            result(ADAPTER.send(say(), ACCOUNT, NOW), refused(429, text))
        failures.append(caught.value)
    assert [(one.throttles_account, one.again_at) for one in failures] == [(True, NOW + timedelta(seconds=5)), (False, None)]


def test_a_200_is_no_delivery_so_nothing_goes_to_who_has_blocked_us() -> None:
    """github.com/chatwoot/chatwoot/pull/8200: LINE answers 200 and shows nothing."""
    blocked = {"blocked_at": 1790000000123, "heard_at": 1790000000122}
    for message in (say(memory=blocked), notice(memory=blocked)):
        with pytest.raises(SendFailed) as caught:
            result(ADAPTER.send(message, ACCOUNT, NOW))
        assert (caught.value.verdict, caught.value.code) == (Verdict.dead, "blocked")


def test_who_is_heard_of_again_can_be_written_to() -> None:
    heard = {"blocked_at": 1790000000123, "heard_at": 1790000000124}
    assert result(ADAPTER.send(say(memory=heard), ACCOUNT, NOW), taken()).message_ids


# --------------------------------------------------------------------------------------------- typing, read mark


def a_typing(*, on: bool = True, **changes: Any) -> TypingSignal:
    settings: dict[str, Any] = {
        "id": "typ_1",
        "channel_id": ChannelId("line-1"),
        "to": Address(KIM),
        "retry_key": "k",
        "created_at": NOW,
        "on": on,
    }
    return TypingSignal(**settings | changes)


def test_typing_starts_the_loading_animation() -> None:
    calls, sent = play(ADAPTER.send(a_typing(), an_account(loading_seconds=10), NOW), reply(202, {}))
    assert calls[0].url == "https://api.line.me/v2/bot/chat/loading/start"
    assert sent_json(calls[0]) == {"chatId": KIM, "loadingSeconds": 10}
    assert sent.message_ids == ()


@pytest.mark.parametrize("message", [a_typing(on=False), a_typing(memory={"blocked_at": 1})], ids=["off", "blocked"])
def test_line_has_no_call_to_stop_it(message: TypingSignal) -> None:
    assert result(ADAPTER.send(message, ACCOUNT, NOW)).message_ids == ()


def test_a_typing_signal_that_line_refuses_is_no_failure() -> None:
    assert result(ADAPTER.send(a_typing(), ACCOUNT, NOW), reply(400)).message_ids == ()


def test_what_the_customer_wrote_is_marked_as_read_when_a_person_answers() -> None:
    account = an_account(mark_as_read=True)
    calls, sent = play(ADAPTER.send(say(memory={"mark_as_read": "mr_1"}), account, NOW), reply(200, {}), taken())
    assert calls[0].url == "https://api.line.me/v2/bot/chat/markAsRead"
    assert sent_json(calls[0]) == {"markAsReadToken": "mr_1"}
    assert not calls[0].visible
    assert sent.remember["mark_as_read"] is None


@pytest.mark.parametrize("answer", [reply(400), NoReply("timeout", sent=True)], ids=str)
def test_an_answer_goes_out_though_the_mark_failed(answer: HttpReply | Exception) -> None:
    account = an_account(mark_as_read=True)
    assert result(ADAPTER.send(say(memory={"mark_as_read": "mr_1"}), account, NOW), answer, taken()).message_ids


def test_automatic_messages_mark_nothing_as_read() -> None:
    account = an_account(mark_as_read=True)
    calls, sent = play(ADAPTER.send(notice(memory={"mark_as_read": "mr_1"}), account, NOW), taken())
    assert calls[0].url.endswith("/push")
    assert "mark_as_read" not in sent.remember
