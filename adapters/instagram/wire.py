"""What Instagram's messages may hold; their JSON is the Messenger Platform's, read in `adapters/_meta/platform/wire.py`.

Source: Meta for Developers, Instagram Messaging, "Send messages", "Media sharing" (read 2026). The limit of 1,000 bytes for a text is on no page
of Meta's that says which unit; bytes are the count that can't come out too low.
"""

from __future__ import annotations

import re
from typing import Final

from adapters.contract import FileRule

MAX_TEXT: Final = 1000
_MB: Final = 1_000_000

IMAGES: Final = ("image/jpeg", "image/png", "image/gif")
SOUNDS: Final = ("audio/aac", "audio/mp4", "audio/wav", "audio/x-wav", "audio/m4a", "audio/x-m4a")
VIDEOS: Final = ("video/mp4", "video/ogg", "video/x-msvideo", "video/quicktime", "video/webm")
DOCUMENTS: Final = ("application/pdf",)

# Anything else goes as a link.
FILES: Final = (
    FileRule(media="image", mime_types=IMAGES, max_bytes=8 * _MB),
    FileRule(media="video", mime_types=VIDEOS, max_bytes=25 * _MB),
    FileRule(media="audio", mime_types=SOUNDS, max_bytes=25 * _MB),
    FileRule(media="file", mime_types=DOCUMENTS, max_bytes=25 * _MB),
)


def plain_name(name: str) -> str:
    """A file name in ASCII: Instagram refuses others."""
    stem, dot, ending = re.sub(r"[^A-Za-z0-9._-]+", "_", name).rpartition(".")
    if not dot:
        stem, ending = ending, ""
    return f"{stem.strip('._-') or 'file'}{dot}{ending}"
