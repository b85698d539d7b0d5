"""Signed WhatsApp webhooks, as bytes on the wire: each of another message, from so many people in turn."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Final

SECRET: Final = "bench-app-secret"
NUMBER_ID: Final = "107000000000002"
PATH: Final = "/webhooks/whatsapp"
PEOPLE: Final = 500
PREFIX: Final = "wamid.bench."  # what the messages' ids begin with
_WORDS: Final = "Hello, my order {number} has not arrived yet. Could you look, please? "


def post(path: str, headers: dict[str, str], body: bytes) -> bytes:
    """A POST as bytes."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def signed(path: str, body: bytes) -> bytes:
    """A POST of Meta's."""
    signature = hmac.digest(SECRET.encode(), body, hashlib.sha256).hex()
    headers = {
        "Content-Type": "application/json",
        "X-Hub-Signature-256": f"sha256={signature}",
        "User-Agent": "facebookexternalua",
    }
    return post(path, headers, body)


class Traffic:
    """Message `number` is always the same, so that what was answered can be told from what was not. `people` write in turn.

    Bodies have about 650 bytes. They are written by filling a template in: writing JSON for each would slow the load down.
    """

    def __init__(self, *, people: int = PEOPLE, first_person: int = 0, prefix: str = PREFIX, path: str = PATH) -> None:
        self._people, self._first, self._prefix, self._path = people, first_person, prefix, path
        self._template = json.dumps(_body(prefix, int(time.time()))).encode()

    def id_of(self, number: int) -> str:
        """The provider's id of the message."""
        return f"{self._prefix}{number:012d}"

    def body(self, number: int) -> bytes:
        """Unsigned."""
        person = b"346%08d" % (self._first + number % self._people)
        return self._template.replace(b"PERSON", person).replace(b"NUMBER", b"%012d" % number)

    def request(self, number: int) -> bytes:
        """Signed, with its head."""
        return signed(self._path, self.body(number))

    def requests(self, count: int, first: int = 0) -> list[bytes]:
        """So many, from this number on."""
        return [self.request(number) for number in range(first, first + count)]


def _body(prefix: str, at: int) -> dict[str, object]:
    message = {
        "from": "PERSON",
        "id": f"{prefix}NUMBER",
        "timestamp": str(at),
        "type": "text",
        "text": {"body": _WORDS.format(number="NUMBER") * 2},
    }
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550002222", "phone_number_id": NUMBER_ID},
        "contacts": [{"profile": {"name": "Ana Ruiz"}, "wa_id": "PERSON"}],
        "messages": [message],
    }
    entry = {"id": "204000000000001", "changes": [{"field": "messages", "value": value}]}
    return {"object": "whatsapp_business_account", "entry": [entry]}
