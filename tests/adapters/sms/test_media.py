"""Fetching a customer's file, played by hand: whose credentials go where, and what a missing file means."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adapters.conformance import NOW
from adapters.contract import Fetched, HttpCall, HttpReply
from adapters.envelope import MediaPart
from adapters.errors import SendFailed, Verdict
from adapters.sms import ADAPTER
from tests.adapters.sms.account import ACCOUNT

ME = "https://api.twilio.com/2010-04-01/Accounts/AC10000000000000000000000000000001/Messages/MM1/Media/ME1"


def part(url: str = ME, *, seconds_ago: int = 1, mime_type: str | None = "image/jpeg") -> MediaPart:
    since = (NOW - timedelta(seconds=seconds_ago)).isoformat()
    return MediaPart(media="image", mime_type=mime_type, source={"url": url, "since": since})


def play(media: MediaPart, *replies: HttpReply) -> tuple[list[HttpCall], Fetched]:
    flow = ADAPTER.media(media, ACCOUNT, NOW)
    calls = [next(flow), *map(flow.send, replies[:-1])]
    with pytest.raises(StopIteration) as end:
        flow.send(replies[-1])
    return calls, end.value.value


def failure(media: MediaPart, *replies: HttpReply) -> SendFailed:
    flow = ADAPTER.media(media, ACCOUNT, NOW)
    with pytest.raises(SendFailed) as error:
        (next(flow), *map(flow.send, replies))
    return error.value


def to(url: str) -> HttpReply:
    return HttpReply(307, {"location": url})


def test_our_credentials_stay_with_twilio_on_redirect() -> None:
    """A file store answers 400 to credentials, and they are none of its business."""
    calls, fetched = play(
        part(), to("https://mms.twiliocdn.com/x?Signature=y"), HttpReply(200, {"content-type": "image/jpeg"}, b"jpeg")
    )
    assert calls[0].headers["authorization"].startswith("Basic ")
    assert calls[0].foreign is False
    assert calls[1].url == "https://mms.twiliocdn.com/x?Signature=y"
    assert (dict(calls[1].headers), calls[1].foreign) == ({}, True)
    assert (fetched.content, fetched.mime_type, fetched.name) == (b"jpeg", "image/jpeg", "ME1.jpg")


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/2010-04-01/Accounts/AC10000000000000000000000000000001/Messages/MM1/Media/ME1",
        "https://api.twilio.com.evil.example/2010-04-01/Accounts/AC10000000000000000000000000000001/x",
        "https://api.twilio.com@evil.example/2010-04-01/Accounts/AC10000000000000000000000000000001/x",
        "https://169.254.169.254/latest/meta-data",
    ],
)
def test_forged_inbound_gets_no_credentials(url: str) -> None:
    call = next(ADAPTER.media(part(url), ACCOUNT, NOW))
    assert (dict(call.headers), call.foreign) == ({}, True)


def test_files_of_another_account_get_no_credentials() -> None:
    call = next(ADAPTER.media(part(ME.replace("AC1", "AC2")), ACCOUNT, NOW))
    assert "authorization" not in call.headers


@pytest.mark.parametrize("url", ["", "file:///etc/passwd", "http://evil.example/x", "ftp://x", "//evil.example/x"])
def test_addresses_that_no_provider_gives_are_not_called(url: str) -> None:
    assert failure(part(url)).code == ("media_address_refused" if url else "media_gone")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://evil.example/x"])
def test_redirects_to_such_addresses_are_not_followed(url: str) -> None:
    assert failure(part(), to(url)).code == "media_address_refused"


def test_redirects_end() -> None:
    assert failure(part(), *[to("https://a.example/x")] * 4).verdict is Verdict.dead


def test_a_relative_redirect_stays_at_the_host() -> None:
    calls, _ = play(part(), to("/_files/ME1?Signature=y"), HttpReply(200, {}, b"x"))
    assert calls[1].url == "https://api.twilio.com/_files/ME1?Signature=y"
    assert dict(calls[1].headers) == {}


def test_media_that_is_not_there_yet_is_asked_for_again() -> None:
    """The webhook may be faster than the file store: 404 for a second or three."""
    error = failure(part(seconds_ago=3), HttpReply(404, {}, b""))
    assert (error.verdict, error.code) == (Verdict.again, "media_not_ready")


def test_media_that_is_still_missing_later_is_gone() -> None:
    error = failure(part(seconds_ago=3_600), HttpReply(404, {}, b""))
    assert (error.verdict, error.code) == (Verdict.dead, "media_gone")


@pytest.mark.parametrize(
    ("status", "verdict", "code"),
    [
        (401, Verdict.dead, "not_authorised"),
        (410, Verdict.dead, "media_gone"),
        (400, Verdict.dead, "media_gone"),
        (429, Verdict.again, "rate_limited"),
        (500, Verdict.again, "provider_unavailable"),
    ],
)
def test_other_answers(status: int, verdict: Verdict, code: str) -> None:
    error = failure(part(), HttpReply(status, {}, b""))
    assert (error.verdict, error.code) == (verdict, code)


def test_the_type_is_what_the_store_says_else_what_the_webhook_said() -> None:
    _, fetched = play(part(mime_type="audio/amr"), HttpReply(200, {}, b"x"))
    assert (fetched.mime_type, fetched.name) == ("audio/amr", "ME1.amr")
    _, fetched = play(part(mime_type=None), HttpReply(200, {"content-type": "IMAGE/PNG; x=y"}, b"x"))
    assert (fetched.mime_type, fetched.name) == ("image/png", "ME1.png")
    _, fetched = play(part(mime_type=None), HttpReply(200, {}, b"x"))
    assert (fetched.mime_type, fetched.name) == (None, "ME1")
