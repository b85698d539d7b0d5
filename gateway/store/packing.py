"""The form in which webhooks are kept: several in one value, one after the other.

Of each: when it arrived (Unix seconds), the lengths in characters of method, URL, path and query, the lengths in bytes of the whole text and of the body; the
text (method, URL, path, query, headers), in UTF-8 with lone surrogates; the body. Little-endian. Plain enough to be read by any later version, and by
itself harmless to read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from struct import Struct
from typing import Final

from adapters.contract import RawRequest

_HEAD: Final = Struct("<d6I")
# Credentials that were checked and are needed no more.
_NOT_KEPT: Final = frozenset({"authorization", "cookie", "proxy-authorization"})


def without_credentials(request: RawRequest) -> RawRequest:
    """As it is kept."""
    if _NOT_KEPT.isdisjoint(request.headers):
        return request
    return replace(request, headers={k: v for k, v in request.headers.items() if k not in _NOT_KEPT})


def packed(request: RawRequest) -> bytes:
    """One of a value."""
    method, url, path, query = request.method, request.url, request.path, query_of(request.query)
    text = f"{method}{url}{path}{query}{lines_of(request.headers)}".encode("utf-8", "surrogatepass")
    lengths = len(method), len(url), len(path), len(query), len(text), len(request.body)
    return b"".join((_HEAD.pack(request.received_at.timestamp(), *lengths), text, request.body))


def unpacked(data: bytes) -> list[RawRequest]:
    """All of a value. Raises ValueError, struct.error or OverflowError for what is none."""
    requests, at = [], 0
    while at < len(data):
        received_at, *lengths, text_bytes, body_bytes = _HEAD.unpack_from(data, at)
        begin = at + _HEAD.size
        middle = begin + text_bytes
        at = middle + body_bytes
        if at > len(data):
            raise ValueError("it ends too early")
        text = data[begin:middle].decode("utf-8", "surrogatepass")
        texts = []
        for length in lengths:
            texts.append(text[:length])
            text = text[length:]
        requests.append(request_of([*texts, text], data[middle:at], received_at))
    return requests


def request_of(texts: Sequence[str], body: bytes, received_at: float) -> RawRequest:
    """Of method, URL, path, query and headers as they are stored."""
    method, url, path, query, headers = texts
    pairs = tuple([(name, value) for name, value in json.loads(query)]) if query else ()
    return RawRequest(method, url, path, pairs, _headers(headers), body, datetime.fromtimestamp(received_at, UTC))


def query_of(pairs: Sequence[tuple[str, str]]) -> str:
    """As it is stored."""
    return json.dumps(pairs) if pairs else ""


def lines_of(headers: Mapping[str, str]) -> str:
    """As lines `name: value`, as they came: on the hot road JSON would cost three times as much, and no header from the wire holds a line end."""
    return "\n".join([f"{name}: {value}" for name, value in headers.items()])


def _headers(lines: str) -> dict[str, str]:
    """Back again."""
    return dict([line.split(": ", 1) for line in lines.split("\n") if ": " in line])
