"""What the checks throw at adapters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from adapters.contract import SimFile

NOW: Final = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


# A picture of one dot, small enough for every channel.
PICTURE: Final = SimFile(
    name="dot.png",
    mime_type="image/png",
    content=bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
    ),
)

# Longer than the answer that a call takes by default, and small enough for every channel.
LARGE_PICTURE: Final = PICTURE.model_copy(update={"name": "large.png", "content": PICTURE.content.ljust(1_500_000, b"\x00")})


HOSTILE: Final[Sequence[str]] = (
    "",
    " ",
    "=",
    ",",
    ".",
    "..",
    "None",
    "Bearer",
    "Bearer ",
    "Bearer ..",
    "Bearer é.☂.𝒳",
    "Basic ☂",
    "é☂ ünï",
    "\u202egnitset\u202c",
    "\udcff\ud800",
    "\x00\x01\x7f",
    "".join(map(chr, range(256))),
    "sha256=",
    "sha256=zz",
    "sha256=" + "0" * 64,
    "v1,",
    "v1,AAAA v1,☂",
    "k=,=v,,=;",
    "A" * 27 + "=",
    "9" * 400,
    "-1",
    "NaN",
    "a" * 100_000,
    "." * 100_000,
)


BROKEN: Final[Sequence[bytes]] = (
    b"",
    b" ",
    b"{",
    b"[]",
    b"{}",
    b"null",
    b"0",
    b'"x"',
    b"[[[]]]",
    b'{"a":',
    b'[null, 1, "x", {}]',
    b'{"events": 7, "entry": 7, "object": 7, "type": 7, "messages": 7}',
    b'{"events": [7, null], "entry": [7, {"changes": 7, "messaging": [7]}], "object": "page"}',
    b'{"events": [{"type": 7}], "entry": [{"changes": [{"value": {"messages": [{"type": [], "from": {}}]}}]}]}',
    b"a=b",
    b"=&=&&;",
    b"%zz=%&%%%=%00",
    b"\xff\xfe\x00\x80",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"1" * 10_000,
    b"<xml/>",
)


# Joined emoji, marks for writing to the left, letters beyond 16 bits, markup: all of it comes and goes as it was written.
UNICODE: Final[Sequence[str]] = (
    "👩‍👩‍👧‍👦 e\u0301 ﷽ 𐏿 日本語 עברית العربية",
    "\u202eright to left\u202c \u2066isolated\u2069",
    "<b>&amp;</b> %20 +1 \\n {name} $(x) 'q' \"q\" `q` *b* _i_ ~s~",
    "line one\nline two\twith a tab",
)


# How files of some types begin, for providers that look.
OPENINGS: Final[Mapping[str, bytes]] = {
    "image/png": PICTURE.content[:33],
    "image/jpeg": bytes.fromhex("ffd8ffe000104a46494600010100000100010000"),
    "image/gif": b"GIF89a\x01\x00\x01\x00",
    "image/webp": b"RIFF\x00\x00\x00\x00WEBPVP8 ",
    "application/pdf": b"%PDF-1.7\n",
    "video/mp4": bytes.fromhex("000000186674797069736f6d"),
    "audio/mpeg": b"ID3\x04\x00",
}
