"""Files from customers: fetched, unlocked, and for large answers decoded; the flows played by hand."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from adapters.apple import mmcs
from adapters.apple.inbound import parse
from adapters.apple.media import media
from adapters.apple.wire import BALLOON
from adapters.contract import HttpReply
from adapters.envelope import MediaPart
from adapters.errors import SendFailed, Verdict
from tests.adapters.apple.account import BUSINESS, NOW, account, event, request, said
from tests.adapters.outgoing import play

KEY = bytes(range(32))
KEY_FIELD = "00" + KEY.hex().upper()
PLAIN = b"hello attachment"
LOCKED = bytes.fromhex("9af56cda4569fea4dd92f902b04b19f4")
ADDRESS = HttpReply(200, {}, b'{"download-url": "https://dl.example.test/a%2Fb?sig=%3D"}')
FILE = HttpReply(200, {}, LOCKED)


def attachment(**fields: Any) -> dict[str, Any]:
    return {
        "name": "IMG_0001.HEIC",
        "mimeType": "image/heic",
        "size": "16",
        "key": KEY_FIELD,
        "url": "https://p01.example.test/mmcs/a%2Fb",
        "owner": "M4kUr1O2",
        "signature": "81AAAAAAAAAAAAAAAA",
        **fields,
    }


def part(**fields: Any) -> MediaPart:
    only = said(parse(request(event(attachments=[attachment(**fields)], body="\ufffc")), account())).parts[0]
    assert isinstance(only, MediaPart)
    return only


def answer(**fields: Any) -> MediaPart:
    reference = {**attachment(), "bid": BALLOON, "title": "Blue", **fields}
    last = said(parse(request(event("interactive", interactiveDataRef=reference)), account())).parts[-1]
    assert isinstance(last, MediaPart)
    return last


def failed(wanted: MediaPart, *replies: HttpReply) -> SendFailed:
    with pytest.raises(SendFailed) as fault:
        play(media(wanted, account(), NOW), *replies)
    return fault.value


def test_the_vector() -> None:
    assert mmcs.lock(PLAIN, KEY) == LOCKED
    assert mmcs.lock(LOCKED, KEY) == PLAIN
    assert mmcs.key_field(KEY) == KEY_FIELD == "00000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F"
    assert mmcs.key_from(KEY_FIELD) == mmcs.key_from(KEY_FIELD.lower()) == KEY
    assert mmcs.signature_base64("81aaaaaaaaaaaaaaaa") == "gaqqqqqqqqqq"


def test_a_key_keeps_its_own_zeros() -> None:
    """Only the two leading zeros of the field go, not all that follow."""
    zeros = bytes(31) + b"\1"
    assert mmcs.key_from("00" + zeros.hex()) == zeros


@pytest.mark.parametrize("field", ["", "00", KEY_FIELD[2:], "01" + KEY_FIELD[2:], KEY_FIELD + "00", "zz" * 33, "é" * 66])
def test_a_key_that_is_none(field: str) -> None:
    with pytest.raises(mmcs.NotUnlocked):
        mmcs.key_from(field)


def test_a_file_is_fetched_and_unlocked() -> None:
    (address, download), fetched = play(media(part(), account(), NOW), ADDRESS, FILE)
    assert (address.method, address.url) == ("GET", "https://mspgw.example.test/v1/preDownload")
    told = {name: value for name, value in address.headers.items() if name != "Authorization"}
    assert told == {
        "source-id": BUSINESS,
        "MMCS-Url": "https://p01.example.test/mmcs/a%2Fb",
        "MMCS-Signature": "gaqqqqqqqqqq",
        "MMCS-Owner": "M4kUr1O2",
    }
    assert address.headers["Authorization"].startswith("Bearer ")
    assert (download.method, download.url, download.foreign) == ("GET", "https://dl.example.test/a%2Fb?sig=%3D", True)
    assert "Authorization" not in download.headers
    assert (fetched.content, fetched.mime_type, fetched.name) == (PLAIN, "image/heic", "IMG_0001.HEIC")


def test_large_files_are_let_in_as_large_as_told() -> None:
    calls, _ = play(media(part(size=90_000_000), account(), NOW), ADDRESS, HttpReply(200, {}, bytes(90_000_000)))
    assert calls[1].max_reply_bytes == 90_000_000
    limits = [play(media(part(size=size), account(), NOW), ADDRESS, FILE) for size in (None, "x")]
    assert [calls[1].max_reply_bytes for calls, _ in limits] == [100_000_000, 100_000_000]


def test_a_spent_address_is_asked_for_once_more() -> None:
    """Addresses were seen to die within a second or two."""
    calls, fetched = play(media(part(), account(), NOW), ADDRESS, HttpReply(403), ADDRESS, FILE)
    assert [call.url.rpartition("/")[2][:11] for call in calls] == ["preDownload", "a%2Fb?sig=%", "preDownload", "a%2Fb?sig=%"]
    assert fetched.content == PLAIN
    fault = failed(part(), ADDRESS, HttpReply(404), ADDRESS, HttpReply(404))
    assert (fault.verdict, fault.code) == (Verdict.dead, "media_gone")


@pytest.mark.parametrize(
    ("replies", "verdict", "code"),
    [
        ([HttpReply(400)], Verdict.dead, "media_gone"),
        ([HttpReply(404)], Verdict.dead, "media_gone"),
        ([HttpReply(401)], Verdict.dead, "not_authorised"),
        ([HttpReply(403)], Verdict.dead, "not_authorised"),
        ([HttpReply(429)], Verdict.again, "rate_limited"),
        ([HttpReply(500)], Verdict.again, "provider_unavailable"),
        ([HttpReply(200, {}, b"{}")], Verdict.again, "media_not_ready"),
        ([ADDRESS, HttpReply(503)], Verdict.again, "provider_unavailable"),
        ([ADDRESS, HttpReply(200, {}, LOCKED[:-1])], Verdict.again, "media_not_ready"),
    ],
)
def test_a_fetch_that_fails(replies: list[HttpReply], verdict: Verdict, code: str) -> None:
    fault = failed(part(), *replies)
    assert (fault.verdict, fault.code) == (verdict, code)


def test_a_wrong_key_is_told_and_not_shown() -> None:
    fault = failed(part(key="00AB"), ADDRESS, FILE)
    assert (fault.code, fault.provider_code) == ("media_gone", "bad_key")
    assert failed(MediaPart()).provider_code == "incomplete"


JSON_ANSWER = {"bid": BALLOON, "data": {"replyMessage": {"title": "Blue"}}}
PACKED = b"bplist00 made up"


def locked_answer(plain: bytes) -> tuple[MediaPart, HttpReply]:
    return answer(size=len(plain)), HttpReply(200, {}, mmcs.lock(plain, KEY))


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("status", [200, 500])
def test_a_large_answer_is_unpacked_and_decoded(zipped: bool, status: int) -> None:
    """The JSON counts whatever the status."""
    wanted, file = locked_answer(gzip.compress(PACKED) if zipped else PACKED)
    decoded = HttpReply(status, {}, json.dumps(JSON_ANSWER).encode())
    (_, _, decode), fetched = play(media(wanted, account(), NOW), ADDRESS, file, decoded)
    assert (decode.method, decode.url, decode.body) == ("POST", "https://mspgw.example.test/v1/decodePayload", PACKED)
    assert decode.headers["bid"] == BALLOON
    assert decode.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert decode.headers["source-id"] == BUSINESS
    assert (json.loads(fetched.content), fetched.mime_type, fetched.name) == (JSON_ANSWER, "application/json", "Blue.json")


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ({"listPicker": {"sections": [{"items": [{"title": "Blue mug"}, {"title": "L"}]}]}}, "Blue mug, L.json"),
        ({"replyMessage": {"title": "../etc/passwd\n"}}, "etc passwd.json"),
        ({"replyMessage": {"title": "x" * 500}}, f"{'x' * 80}.json"),
        ({"payment": {}}, "answer.json"),
        ({}, "answer.json"),
    ],
)
def test_a_large_answer_s_file_is_called_by_what_was_chosen(data: dict[str, Any], name: str) -> None:
    wanted, file = locked_answer(PACKED)
    _, fetched = play(media(wanted, account(), NOW), ADDRESS, file, HttpReply(200, {}, json.dumps({"data": data}).encode()))
    assert fetched.name == name


def test_an_answer_that_apple_will_not_decode_is_kept_packed() -> None:
    """403 was seen where the bytes are a packed property list."""
    wanted, file = locked_answer(PACKED)
    _, fetched = play(media(wanted, account(), NOW), ADDRESS, file, HttpReply(403))
    assert (fetched.content, fetched.mime_type, fetched.name) == (PACKED, "application/x-plist", "answer.plist")
    assert failed(wanted, ADDRESS, file, HttpReply(503)).verdict is Verdict.again


def test_an_answer_that_is_a_zip_bomb() -> None:
    wanted, file = locked_answer(gzip.compress(bytes(20_000_000)))
    assert failed(wanted, ADDRESS, file).provider_code == "broken_answer"


def test_an_answer_without_a_key_is_not_locked() -> None:
    wanted = answer(key=None, size=len(PACKED))
    decoded = HttpReply(200, {}, json.dumps(JSON_ANSWER).encode())
    calls, _ = play(media(wanted, account(), NOW), ADDRESS, HttpReply(200, {}, PACKED), decoded)
    assert calls[2].body == PACKED


def test_no_keys_in_errors() -> None:
    fault = failed(part(), ADDRESS, HttpReply(404), ADDRESS, HttpReply(404))
    assert KEY.hex() not in f"{fault!r}{fault}{part()!r}".lower()
