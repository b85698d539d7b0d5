"""Fetching what customers sent, and who they are."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from adapters.contract import HttpReply
from adapters.envelope import Address, EndUser, MediaPart
from adapters.errors import SendFailed, Verdict
from adapters.line import ADAPTER
from adapters.line.duration import duration_ms
from tests.adapters.line.account import ACCOUNT, KIM, NOW, TOKEN, an_account, refused, reply, result
from tests.adapters.outgoing import play

JPEG = HttpReply(200, {"content-type": "image/jpeg"}, b"\xff\xd8picture")
VIDEO = MediaPart(media="video", source={"message_id": "5551112220009"})


def test_a_picture_is_fetched_from_the_data_host() -> None:
    part = MediaPart(media="image", name=None, source={"message_id": "5551112220005"})
    calls, fetched = play(ADAPTER.media(part, ACCOUNT, NOW), JPEG)
    assert calls[0].url == "https://api-data.line.me/v2/bot/message/5551112220005/content"
    assert calls[0].headers == {"Authorization": f"Bearer {TOKEN}"}
    assert calls[0].max_reply_bytes == ACCOUNT.max_media_bytes
    assert (fetched.content, fetched.mime_type, fetched.name) == (b"\xff\xd8picture", "image/jpeg", None)


def test_a_document_keeps_the_name_that_the_webhook_told() -> None:
    part = MediaPart(name="invoice.pdf", source={"message_id": "5551112220012"})
    fetched = result(ADAPTER.media(part, ACCOUNT, NOW), HttpReply(200, {"content-type": "Application/PDF; x=1"}, b"%PDF"))
    assert (fetched.mime_type, fetched.name) == ("application/pdf", "invoice.pdf")


def test_an_external_file_is_fetched_without_our_token_and_with_care() -> None:
    part = MediaPart(media="image", source={"url": "https://x.test/i.jpg"})
    calls, _ = play(ADAPTER.media(part, ACCOUNT, NOW), JPEG)
    assert (calls[0].url, calls[0].headers, calls[0].foreign) == ("https://x.test/i.jpg", {}, True)


def test_a_sticker_arrives_as_a_picture() -> None:
    """github.com/chatwoot/chatwoot/issues/8395: stickers did not arrive in the inbox."""
    part = MediaPart(media="image", mime_type="image/png", source={"sticker_id": "1988"})
    calls, fetched = play(ADAPTER.media(part, ACCOUNT, NOW), HttpReply(200, {}, b"png"))
    assert calls[0].url == "https://stickershop.line-scdn.net/stickershop/v1/sticker/1988/android/sticker.png"
    assert fetched.mime_type == "image/png"


def test_ids_cannot_lead_elsewhere() -> None:
    for source in ({"sticker_id": "../../x?y#z"}, {"message_id": "../../x?y#z"}):
        calls, _ = play(ADAPTER.media(MediaPart(source=dict(source)), ACCOUNT, NOW), JPEG)
        assert "..%2F..%2Fx%3Fy%23z" in calls[0].url


def test_a_video_in_preparation_is_tried_again_later() -> None:
    with pytest.raises(SendFailed) as caught:
        result(ADAPTER.media(VIDEO, ACCOUNT, NOW), reply(202), reply(200, {"status": "processing"}))
    failure = caught.value
    assert (failure.verdict, failure.code, failure.again_at) == (Verdict.again, "media_not_ready", NOW + timedelta(seconds=5))


def test_a_video_that_is_ready_by_now() -> None:
    calls, fetched = play(
        ADAPTER.media(VIDEO, ACCOUNT, NOW), reply(202), reply(200, {"status": "succeeded"}), HttpReply(200, {}, b"mp4")
    )
    assert [call.url.rpartition("/")[2] for call in calls] == ["content", "transcoding", "content"]
    assert fetched.content == b"mp4"


@pytest.mark.parametrize(
    ("answers", "verdict", "code"),
    [
        ([reply(404)], "dead", "media_gone"),
        ([reply(410)], "dead", "media_gone"),
        ([reply(202), reply(200, {"status": "failed"})], "dead", "media_gone"),
        ([reply(202), reply(500)], "again", "media_not_ready"),
        ([refused(401, "Authentication failed due to …")], "dead", "not_authorised"),
        ([refused(429, "The API rate limit has been exceeded. Try again later.")], "again", "rate_limited"),
        ([reply(500)], "again", "provider_unavailable"),
    ],
    ids=str,
)
def test_files_that_cannot_be_had(answers: list[HttpReply], verdict: str, code: str) -> None:
    with pytest.raises(SendFailed) as caught:
        result(ADAPTER.media(VIDEO, ACCOUNT, NOW), *answers)
    assert (caught.value.verdict.value, caught.value.code) == (verdict, code)


# ---------------------------------------------------------------------------------------------------- durations


def mp4(length: int, scale: int = 1000, *, version: int = 0) -> bytes:
    size = 8 if version else 4
    times = bytes(2 * size)
    box = bytes([version, 0, 0, 0]) + times + scale.to_bytes(4, "big") + length.to_bytes(size, "big")
    return b"\x00\x00\x00\x18ftypM4A \x00\x00\x00\x00" + b"\x00\x00\x00\x6cmvhd" + box + bytes(60)


def mp3(seconds: int, kbits: int = 128, tag: bytes = b"") -> bytes:
    index = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320).index(kbits)
    frames = bytes([0xFF, 0xFB, index << 4, 0x64])
    return tag + frames.ljust(seconds * kbits * 1000 // 8, b"\x00")


@pytest.mark.parametrize(
    ("content", "milliseconds"),
    [
        (mp4(3100), 3100),
        (mp4(44_100 * 2, 44_100), 2000),
        (mp4(3100, version=1), 3100),
        (mp4(0), 60_000),
        (mp4(3100, 0), 60_000),
        (mp3(7), 7000),
        (mp3(7, 320, b"ID3\x04\x00\x00\x00\x00\x01\x00" + bytes(128)), 7000),
        (mp3(7)[:2], 60_000),
        (b"ID3", 60_000),
        (b"", 60_000),
        (b"mvhd" * 10, 60_000),
        (b"\xff\xfb\xf0\x00", 60_000),
    ],
    ids=lambda value: str(value)[:24],
)
def test_how_long_a_sound_plays(content: bytes, milliseconds: int) -> None:
    assert duration_ms(content) == milliseconds


# ----------------------------------------------------------------------------------------------------- profiles


def look_up(end_user: EndUser, *answers: HttpReply) -> EndUser:
    assert ADAPTER.profile is not None
    return result(ADAPTER.profile(end_user, ACCOUNT, NOW), *answers)


def test_a_friend_s_profile() -> None:
    body = {
        "displayName": "Kim Park",
        "userId": KIM,
        "pictureUrl": "https://profile.line-scdn.net/0h",
        "statusMessage": "away",
        "language": "ko",
    }
    found = look_up(EndUser(address=Address(KIM)), reply(200, body))
    assert found == EndUser(
        address=Address(KIM),
        name="Kim Park",
        avatar_url="https://profile.line-scdn.net/0h",
        locale="ko",
        profile={"status_message": "away"},
    )


def test_the_lookup_may_be_answered_from_the_cache() -> None:
    assert ADAPTER.profile is not None
    calls, _ = play(ADAPTER.profile(EndUser(address=Address(KIM)), ACCOUNT, NOW), reply(200, {}))
    assert calls[0].url == f"https://api.line.me/v2/bot/profile/{KIM}"
    assert calls[0].cache_seconds > 0


@pytest.mark.parametrize("answer", [refused(404, "Not found"), reply(200, {}), reply(200, [])], ids=str)
def test_of_strangers_nothing_is_told(answer: HttpReply) -> None:
    known = EndUser(address=Address(KIM), name="Kim")
    assert look_up(known, answer) == known


@pytest.mark.parametrize("answer", [reply(500), refused(401, "Authentication failed due to …")], ids=str)
def test_a_failed_lookup_says_so(answer: HttpReply) -> None:
    with pytest.raises(SendFailed):
        look_up(EndUser(address=Address(KIM)), answer)


@pytest.mark.parametrize("changes", [{"loading_seconds": 7}, {"loading_seconds": 65}, {"reply_token_seconds": -1}], ids=str)
def test_settings_that_line_would_refuse(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        an_account(**changes)
