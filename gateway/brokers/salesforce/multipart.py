"""The form of /interactions: a part `json`, and at most one file.

Written here, because the part `json` has a type of its own and no file name, as the published schema has it, and the form is one even without a file.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from adapters.envelope import OutboundFile

_IN_A_NAME: Final = {ord('"'): "%22", ord("\r"): "%0D", ord("\n"): "%0A"}  # HTML, "multipart form data"
_MIME_TYPE: Final = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}")  # RFC 6838, 4.2


def form(content: bytes, file: OutboundFile | None, *, seed: str) -> tuple[str, bytes]:
    """(its Content-Type, its bytes). `content` is the JSON. The boundary is made of `seed`, which the customer doesn't know, so that no file of theirs holds it."""
    boundary = "byoc" + hashlib.sha256(seed.encode("utf-8", "replace")).hexdigest()[:32]
    parts = [_part(boundary, 'name="json"', "application/json", content)]
    if file is not None:
        name = file.name.translate(_IN_A_NAME) or "file"
        parts.append(_part(boundary, f'name="attachments"; filename="{name}"', _type_of(file), file.content))
    return f"multipart/form-data; boundary={boundary}", b"".join([*parts, f"--{boundary}--\r\n".encode()])


def _part(boundary: str, about: str, kind: str, content: bytes) -> bytes:
    head = f"--{boundary}\r\nContent-Disposition: form-data; {about}\r\nContent-Type: {kind}\r\n\r\n"
    return head.encode("utf-8", "replace") + content + b"\r\n"


def _type_of(file: OutboundFile) -> str:
    bare = file.mime_type.partition(";")[0].strip()
    return bare if _MIME_TYPE.fullmatch(bare) else "application/octet-stream"
