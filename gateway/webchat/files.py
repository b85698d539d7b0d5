"""Files of visitors, and the service's own copies of reps' files: bytes on disk under an id that nobody can guess.

A file is whole on disk before any line names it. What a file claims to be must not be contradicted by its first bytes, so that
a page that calls itself a picture is refused at the door; and files are given out as attachments, in a sandbox, never sniffed.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

from gateway.store.files import Ids

# The first bytes of what browsers show inline, and of what they run: only these are worth telling apart.
_SIGNATURES: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"MZ", "application/x-msdownload"),
    (b"\x7fELF", "application/x-elf"),
    (b"#!", "text/x-script"),
)
FILES: Final = Ids("file", re.compile(r"f_([0-9a-f]{2})[0-9a-f]{30}"))
_MARKUP: Final = re.compile(rb"\s*<(?:!doctype|html|script|svg|\?xml|head|body|iframe)", re.IGNORECASE)


def new_file_id() -> str:
    """128 random bits."""
    return f"f_{secrets.token_hex(16)}"


def true_type(stated: str, content: bytes) -> str | None:
    """The type to keep, or None where the first bytes contradict what is stated."""
    seen = sniff(content)
    family = stated.partition("/")[0]
    if seen is None:
        return None if stated in ("image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf") else stated
    if seen == "application/zip":  # office files and many others are zips
        return stated if family == "application" else None
    if seen == stated or stated == "application/octet-stream":
        return seen
    if family == "text" and stated != "text/html" and seen.startswith("text/"):
        return stated  # a text may hold markup; as a text it stays harmless
    # A JPEG that says PNG is still a picture.
    return seen if family == "image" and seen.startswith("image/") else None


def sniff(content: bytes) -> str | None:
    """The type that the first bytes indicate, or None."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    if _MARKUP.match(content[:512]):
        return "text/html"
    return next((mime_type for start, mime_type in _SIGNATURES if content.startswith(start)), None)


def allowed(mime_type: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns (`image/*`, `application/pdf`) names this type."""
    return any(mime_type.startswith(p[:-1]) if p.endswith("*") else mime_type == p for p in patterns)


def headers_for(name: str, mime_type: str) -> dict[str, str]:
    """How a file is given out. A page of another origin may show it as a picture, and nothing may run in it."""
    return {
        "Content-Type": mime_type,
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Cache-Control": "private, max-age=3600",
        "Referrer-Policy": "no-referrer",
    }
