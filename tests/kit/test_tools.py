"""The kit's tools for writing an adapter and its simulator."""

from __future__ import annotations

import contextlib
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from adapters import reading, replies, signing
from adapters.conformance import NOW
from adapters.contract import Account, FormFile, HttpReply, RawRequest, SecretUrl, form_call, json_call
from adapters.envelope import ChannelId, Inbound, InboundUnknown, MediaPart
from adapters.errors import NotAuthentic, NotUnderstood, SendFailed, Verdict
from adapters.file_types import type_of
from adapters.multipart import read_form

# ------------------------------------------------------------------------------------------------------ reading


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b'{"a": "\\ud83d\\ude00"}', {"a": "😀"}),
        (b'{"a": "\\ud83d!"}', {"a": "\ufffd!"}),
        (b'{"\\ude00": "x\\ud83dy\\ud83d\\ude00"}', {"\ufffd": "x\ufffdy😀"}),
        (b'{"a": "\\\\ud83d"}', {"a": "\\ud83d"}),
        (b'{"a": [NaN, -Infinity]}', {"a": [None, None]}),
    ],
)
def test_json_comes_out_as_it_can_be_kept(body: bytes, read: Any) -> None:
    assert reading.json_object(body) == read


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"7",
        b"{",
        b'{"a": "\xed\xa0\x80"}',
        b"\xff\xfe{\x00}\x00",
        b'{"a":' * 5_000,
        b'{"a": [' + b"[]," * 100_000 + b"0]}",
    ],
)
def test_what_is_no_json_object_is_not_understood(body: bytes) -> None:
    with pytest.raises(NotUnderstood):
        reading.json_object(body)


def test_a_long_prose_full_of_commas_is_read() -> None:
    text = "yes, no, perhaps, " * 30_000
    assert reading.json_object(json.dumps({"a": text}).encode()) == {"a": text}


@given(st.binary(max_size=200))
def test_any_bytes_at_all_end_in_an_object_or_not_understood(body: bytes) -> None:
    with contextlib.suppress(NotUnderstood):
        assert isinstance(reading.json_object(body), dict)


def test_events_are_read_one_by_one_and_a_bad_one_costs_only_itself() -> None:
    def read(event: Any, fields: reading.Fields) -> Inbound:
        return InboundUnknown(**fields, reason=reading.text(event, "type"))

    request = RawRequest("POST", "", "", (), {}, b"", NOW)
    account = Account(channel_id=ChannelId("x"))
    found = reading.each(request, account, [("1", {"type": "a"}), (None, {"n": 2}), ("3", {"type": "c"})], read)
    assert [(one.event_id[:6], getattr(one, "reason", "")) for one in found] == [("1", "a"), ("sha256", "malformed"), ("3", "c")]
    assert found[1].raw == {"n": 2}


def test_an_id_made_from_the_content_is_the_same_for_the_same_content() -> None:
    assert reading.digest_of({"a": 1, "b": [2]}) == reading.digest_of({"b": [2], "a": 1}) != reading.digest_of({"a": 1, "b": [3]})


def test_what_is_nested_too_deep_is_cut_and_what_is_no_object_wrapped() -> None:
    deep: Any = "x"
    for _ in range(500):
        deep = [deep]
    assert json.dumps(reading.kept({"a": deep})).count("[") < 100
    assert reading.kept(7) == {"value": 7}


@pytest.mark.parametrize(
    ("given_", "moment"),
    [
        ("2026-11-02T13:00:00+01:00", NOW),
        ("2026-11-02T12:00:00Z", NOW),
        (1793620800, NOW),
        (1793620800.0, NOW),
        ("2026-11-02T12:00:00", None),
        ("yesterday", None),
        (True, None),
        (1e300, None),
        (None, None),
        ([], None),
    ],
)
def test_moments(given_: Any, moment: datetime | None) -> None:
    assert reading.moment(given_) == moment


@pytest.mark.parametrize(
    ("named", "moment"),
    [
        ({"seconds": 1793620800}, NOW),
        ({"seconds": "1793620800"}, NOW),
        ({"milliseconds": 1793620800000}, NOW),
        ({"milliseconds": "1793620800000"}, NOW),
        ({"seconds": 1793620800000}, None),
        ({"seconds": None}, None),
        ({"milliseconds": None}, None),
        ({"seconds": True}, None),
        ({"milliseconds": True}, None),
        ({"seconds": "yesterday"}, None),
        ({"milliseconds": []}, None),
    ],
)
def test_moments_by_the_name_of_their_unit(named: dict[str, Any], moment: datetime | None) -> None:
    assert reading.moment(**named) == moment


def test_fields() -> None:
    event = {"text": "x", "empty": "", "number": 7, "big": 10**40, "float": 1.5, "flag": True, "inner": {"list": [1]}}
    assert [reading.optional(event, key) for key in event] == ["x", None, "7", None, None, None, None]
    assert reading.dig(event, "inner", "list") == [1]
    assert reading.dig(event, "text", "list") is None
    assert (reading.count(event, "number"), reading.count(event, "flag"), reading.number(event, "float")) == (7, None, 1.5)
    for key in ("empty", "missing", "flag"):
        with pytest.raises(reading.Malformed, match=key):
            reading.text(event, key)
    with pytest.raises(reading.Malformed, match="at most 0"):
        reading.text(event, "text", most=0)
    for key in ("flag", "text", "big"):
        with pytest.raises(reading.Malformed, match=key):
            reading.number(event, key)


# ------------------------------------------------------------------------------------------------ calls and forms


def test_a_secret_address_is_a_text_whose_repr_shows_the_host_alone() -> None:
    url = SecretUrl("https://api.example.test/bot1:secret/send")
    assert url == "https://api.example.test/bot1:secret/send"
    assert "secret" not in repr(url)
    assert "secret" not in repr(json_call("POST", url, {}))


def test_a_form_is_read_as_it_was_written() -> None:
    call = form_call("https://x.test", {"a": "ü", "b": {"c": [1]}}, FormFile("file", "ü.png", "image/png", b"\r\n--x\x00"))
    assert dict(call.fields) == {"a": "ü", "b": '{"c": [1]}'}
    body = (
        b'--y\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xc3\xbc\r\n'
        b'--y\r\nContent-Disposition: form-data; name="file"; filename="%C3%BC.png"\r\nContent-Type: image/png\r\n\r\n\r\n--x\x00\r\n--y--\r\n'
    )
    request = RawRequest("POST", "", "", (), {"content-type": "multipart/form-data; boundary=y"}, body, NOW)
    assert read_form(request) == ({"a": "ü"}, [FormFile("file", "ü.png", "image/png", b"\r\n--x\x00")])
    request.headers = {"content-type": "application/json"}
    with pytest.raises(ValueError, match="not a multipart form"):
        read_form(request)


@pytest.mark.parametrize(
    ("part", "headers", "mime_type"),
    [
        (MediaPart(mime_type="image/webp"), {"content-type": "image/png"}, "image/webp"),
        (MediaPart(), {"content-type": "image/png; x=y"}, "image/png"),
        (MediaPart(name="a.JPG"), {"content-type": "application/octet-stream"}, "image/jpeg"),
        (MediaPart(name="a.bin"), {"content-type": "application/octet-stream"}, "application/octet-stream"),
        (MediaPart(), {}, None),
    ],
)
def test_the_type_of_a_fetched_file(part: MediaPart, headers: dict[str, str], mime_type: str | None) -> None:
    assert replies.fetched(HttpReply(200, headers, b"x"), part, NOW).mime_type == mime_type


@pytest.mark.parametrize(
    ("status", "verdict"), [(404, Verdict.dead), (202, Verdict.again), (503, Verdict.again), (400, Verdict.dead)]
)
def test_a_file_that_could_not_be_fetched(status: int, verdict: Verdict) -> None:
    with pytest.raises(SendFailed) as caught:
        replies.fetched(HttpReply(status), MediaPart(), NOW)
    assert caught.value.verdict is verdict


@pytest.mark.parametrize(
    ("wait", "header", "seconds"),
    [(7, None, 7), ("7", None, 7), (7, "90", 7), ("soon", None, None), (-1, None, None), (None, "90", 90), (None, None, None)],
)
def test_how_long_the_provider_asks_to_wait(wait: object, header: str | None, seconds: int | None) -> None:
    reply = HttpReply(429, {"retry-after": header} if header else {})
    failed = replies.failure(reply, NOW, wait_seconds=wait)
    assert failed.again_at == (NOW + timedelta(seconds=seconds) if seconds is not None else None)


def test_types_by_name() -> None:
    assert (type_of("a.b.PDF"), type_of("pdf"), type_of(None), type_of("a.")) == (
        "application/pdf",
        "application/pdf",
        None,
        None,
    )


def test_a_repeated_secret() -> None:
    secrets = (SecretStr("new"), SecretStr("old"))
    for good in ("new", "old"):
        signing.check_repeated(good, secrets, "token")
    for bad, status in ((None, 401), ("", 401), ("é☂", 403), ("newold", 403)):
        with pytest.raises(NotAuthentic) as caught:
            signing.check_repeated(bad, secrets, "token")
        assert caught.value.status == status
    with pytest.raises(NotAuthentic):
        signing.check_repeated("", (), "token")
