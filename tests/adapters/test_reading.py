"""JSON as providers write it: read quickly, and as the standard library reads it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import NotUnderstood
from adapters.reading import form_pairs, json_object, json_value

_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
_VALUES = st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5))


@given(_VALUES, st.booleans())
def test_a_value_is_read_as_the_standard_library_reads_it(value: Any, ascii_only: bool) -> None:
    written = json.dumps(value, ensure_ascii=ascii_only).encode()

    read = json_value(written)

    assert repr(read) == repr(json.loads(written))  # by their looks: 1, 1.0 and True are equal


@given(st.binary(max_size=40) | st.text(alphabet='{}[]",:\\u0123abcdefINaty.+- ', max_size=40).map(str.encode))
def test_what_the_standard_library_refuses_is_refused(body: bytes) -> None:
    try:
        expected = json.loads(body.decode("utf-8-sig"), parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        with pytest.raises((ValueError, RecursionError)):
            json_value(body)
        return
    whole = json.loads(
        json.dumps(expected, ensure_ascii=False).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    )
    assert repr(json_value(body)) == repr(whole)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"id": 12345678901234567890123}', {"id": 12345678901234567890123}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b'{"a": NaN, "b": -Infinity}', {"a": None, "b": None}),
        (b'{"a": "\\ud83d\\ude00 \\ud83d"}', {"a": "😀 \ufffd"}),
        (b'{"a": 1, "a": 2}', {"a": 2}),
    ],
    ids=["a long number keeps its digits", "byte order mark", "no numbers", "half a pair", "the last of two"],
)
def test_what_is_rare_is_read_all_the_same(body: bytes, expected: dict[str, Any]) -> None:
    assert json_object(body) == expected


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"{", b'{"a": "\xff"}', b'{"a": "\xed\xa0\x80"}', b"[" * 100_000])
def test_what_is_no_object_is_not_understood(body: bytes) -> None:
    with pytest.raises(NotUnderstood):
        json_object(body)


@given(st.lists(st.tuples(st.text(), st.text()), max_size=8))
def test_a_form_is_read_as_it_was_written(fields: list[tuple[str, str]]) -> None:
    assert form_pairs(urlencode(fields, errors="replace").encode(), 8) == [
        (name.encode("utf-8", "replace").decode(), value.encode("utf-8", "replace").decode()) for name, value in fields
    ]


@given(st.text(alphabet="ab=&%2BC3é+ ", max_size=40).map(str.encode) | st.binary(max_size=20))
def test_any_bytes_are_read_as_the_standard_library_reads_a_form(body: bytes) -> None:
    assert form_pairs(body, 100) == parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)


def test_a_form_has_an_end() -> None:
    with pytest.raises(ValueError, match="more than 3 fields"):
        form_pairs(b"a=1&b=2&c=3&d=4", 3)


def test_an_object_has_an_end() -> None:
    """Each key takes time, and no provider sends so many."""
    body = b"{" + b",".join(b'"%d":"some words"' % number for number in range(50_001)) + b"}"
    with pytest.raises(NotUnderstood, match="more members"):
        json_object(body)
    with pytest.raises(NotUnderstood, match="more members"):
        json_object(body.replace(b'":', b'" :'))
    fewer = body.replace(b'"7":', b'"8":', 1).replace(b',"9":"some words"', b"", 1)
    assert len(json_object(fewer)) == 49_999


def test_a_batch_of_a_thousand_full_messages_is_read() -> None:
    message = {f"key {number}": "value" for number in range(40)}
    assert len(json_object(json.dumps({"events": [message] * 1_000}).encode())["events"]) == 1_000
