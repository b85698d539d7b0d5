"""How long a sound plays: LINE wants it told with the message, and shows it before the sound is opened.

Read from the file's own header: MP4 and M4A (ISO 14496-12, `mvhd`), MP3 (ISO 11172-3, frame header, constant bit rate).
"""

from __future__ import annotations

from typing import Final

UNKNOWN_MS: Final = 60_000  # what is told of a sound that we can't read; it plays all the same
_MP3_KBITS: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)


def duration_ms(content: bytes) -> int:
    """Milliseconds, at least 1."""
    return max(1, _mp4(content) or _mp3(content) or UNKNOWN_MS)


def _mp4(content: bytes) -> int | None:
    start = content.find(b"mvhd")
    if start < 0 or content[4:8] != b"ftyp":
        return None
    long = content[start + 4 : start + 5] == b"\x01"  # version 1 has 64-bit times
    at, size = (start + 24, 8) if long else (start + 16, 4)
    scale = int.from_bytes(content[at : at + 4], "big")
    length = int.from_bytes(content[at + 4 : at + 4 + size], "big")
    return length * 1000 // scale if scale else None


def _mp3(content: bytes) -> int | None:
    start = _after_id3(content)
    header = content[start : start + 4]
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xFE != 0xFA:  # MPEG 1, layer III
        return None
    kbits = _MP3_KBITS[header[2] >> 4]
    return (len(content) - start) * 8 // kbits if kbits else None


def _after_id3(content: bytes) -> int:
    """Where the sound begins: an ID3 tag in front has its size in four bytes of seven bits."""
    if content[:3] != b"ID3" or len(content) < 10:
        return 0
    size = 0
    for byte in content[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size
