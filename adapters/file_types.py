"""The type of a file by the ending of its name, if nobody states it. Our own table, because the system's differs between machines."""

from __future__ import annotations

from typing import Final

_TYPES: Final = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "mp3": "audio/mpeg",
    "m4a": "audio/mp4",
    "ogg": "audio/ogg",
    "oga": "audio/ogg",
    "wav": "audio/wav",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "csv": "text/csv",
}


def type_of(name: str | None) -> str | None:
    """`image/jpeg` for `hinge.JPG`; None for an unknown ending."""
    return _TYPES.get((name or "").rpartition(".")[2].lower())
