"""A request as a person reads it: method and headers, the body in its own form, secrets masked."""

from __future__ import annotations

import base64
import email
import email.policy
import gzip
import io
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, quote, quote_plus

MASKED: Final = "•••"
_SHORTEST_SECRET: Final = 6  # shorter ones would mask ordinary words
_MOST_CHARS: Final = 20_000  # a panel is read by eye
_MOST_UNPACKED: Final = 1_048_576
# Secrets that are no setting of the account's: tokens that were issued on the way, and whatever else goes by such a name.
_SECRET_HEADER: Final = re.compile(r"authorization|cookie|(^|-)(token|secret|password|api-?key)$", re.IGNORECASE)
_SECRET_FIELD: Final = re.compile(
    r"(^|[._-])(access_?token|appsecret_proof|secret|client_assertion|password|verify_token)$", re.IGNORECASE
)


class Mask:
    """Hides these secrets in a text, however they are written there: as they are, in a URL, in JSON, in base64."""

    def __init__(self, secrets: Iterable[str]) -> None:
        written = {form for secret in secrets for form in _written(secret) if len(form) >= _SHORTEST_SECRET}
        self._secrets = sorted(written, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The text without them."""
        for secret in self._secrets:
            text = text.replace(secret, MASKED)
        return text


def _written(secret: str) -> Iterable[str]:
    in_base64 = base64.b64encode(secret.encode()).decode()
    return (secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], in_base64, in_base64.rstrip("="))


def request_text(
    method: str, path: str, query: Iterable[tuple[str, str]], headers: Mapping[str, str], body: bytes, mask: Mask
) -> str:
    """The whole request; `body` unpacked already, see `unpacked`."""
    shown = [(name, MASKED if _SECRET_FIELD.search(name) else value) for name, value in query]
    target = path + ("?" + "&".join(f"{name}={value}" for name, value in shown) if shown else "")
    lines = [f"{method} {target}", *(f"{name}: {_header(name, value)}" for name, value in headers.items())]
    kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    text = "\n".join(lines) + (f"\n\n{_body(kind, body)}" if body else "")
    return _cut(mask(text))


def json_text(value: object, mask: Mask) -> str:
    """JSON, written for reading."""
    return _cut(mask(json.dumps(value, indent=2, ensure_ascii=False)))


def _cut(text: str) -> str:
    """After masking: half a secret would not be found."""
    return text if len(text) <= _MOST_CHARS else text[:_MOST_CHARS] + "\n…"


def unpacked(body: bytes, headers: Mapping[str, str]) -> bytes:
    """The body as it was before it was packed for the way; as it came where that can't be undone."""
    if not any(name.lower() == "content-encoding" and value.lower() == "gzip" for name, value in headers.items()):
        return body
    try:
        return gzip.GzipFile(fileobj=io.BytesIO(body)).read(_MOST_UNPACKED)
    except (OSError, EOFError):
        return body


def _header(name: str, value: str) -> str:
    if not _SECRET_HEADER.search(name):
        return value
    scheme, blank, _ = value.partition(" ")
    return f"{scheme} {MASKED}" if blank else MASKED


def _body(content_type: str, body: bytes) -> str:
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
        return "\n".join(f"{name}={MASKED if _SECRET_FIELD.search(name) else value}" for name, value in pairs)
    if kind.startswith("multipart/"):
        return _parts(content_type, body)
    try:
        return json.dumps(_without_secrets(json.loads(body)), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return _plain(body)


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: MASKED if _SECRET_FIELD.search(key) else _without_secrets(one) for key, one in value.items()}
    return [_without_secrets(one) for one in value] if isinstance(value, list) else value


def _parts(content_type: str, body: bytes) -> str:
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    form = email.message_from_bytes(head + body, policy=email.policy.HTTP)
    told = []
    for part in form.walk():
        if part.is_multipart():
            continue
        content = part.get_payload(decode=True)
        plain = _plain(content if isinstance(content, bytes) else b"")
        told.append("\n".join([*(f"{name}: {value}" for name, value in part.items()), "", plain]))
    return "\n\n".join(told)


def _plain(body: bytes) -> str:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return f"({len(body):,} bytes)"
    return text if text.replace("\n", "").replace("\r", "").replace("\t", "").isprintable() else f"({len(body):,} bytes)"
