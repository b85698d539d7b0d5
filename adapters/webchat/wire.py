"""What the chat service and the gateway say to each other, as JSON, and the links that it signs.

In, to the webhook: `{"channel_id", "visitor": {…}, "events": [{"id", "type", "at", …}, …]}`, in the visitor's order. Types: `message`
{"message": {"id", "seq", "client_id", "text", "choice", "file", "reply_to"}}, `read` and `delivered` {"messages": [{"id", "outbox_id"}]},
`typing` {"on"}, `ended`. Out, to `/deliver`: `{"type": "message" | "notice" | "typing", "id", "to", "at", …}`, answered
`{"id", "seq"}`; a file's bytes go before it to `/deliver/file`, answered `{"id"}`. Both ways are signed as `adapters.standard_webhooks` says.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import SecretStr

from adapters.envelope import from_unix
from adapters.errors import NotAuthentic
from adapters.signing import any_same, hmac_hex, require_secrets

_IDS: Final = uuid.UUID("3f6c1d1e-6f7e-5a53-9a86-0f1f0f3f5f1c")


def message_id(channel_id: str, key: str) -> str:
    """The id that visitors and reps know a line by: made from what must not happen twice (an outbox id, a visitor's client id)."""
    return "m_" + uuid.uuid5(_IDS, f"{channel_id}\0{key}").hex


def file_id(channel_id: str, key: str) -> str:
    """The id of a delivered file: the same outbox row, the same file."""
    return "f_" + uuid.uuid5(_IDS, f"{channel_id}\0file\0{key}").hex


def file_query(secrets: Sequence[SecretStr], channel_id: str, file: str, expires: int) -> dict[str, str]:
    """The query that lets its bearer read one file until `expires` (seconds since 1970)."""
    secret = require_secrets(secrets, "signing secret")[0]
    return {"exp": str(expires), "sig": _file_signature(secret, channel_id, file, str(expires))}


def check_file_query(secrets: Sequence[SecretStr], channel_id: str, file: str, query: dict[str, str], now: datetime) -> None:
    """Raises NotAuthentic unless the link is ours and still good."""
    expires = query.get("exp", "")
    expected = [_file_signature(key, channel_id, file, expires) for key in require_secrets(secrets, "signing secret")]
    if not any_same(query.get("sig", ""), expected):
        raise NotAuthentic("the link's signature doesn't match")
    moment = from_unix(expires)
    if moment is None or moment < now:
        raise NotAuthentic("the link has expired")


def _file_signature(secret: str, channel_id: str, file: str, expires: str) -> str:
    return hmac_hex(secret, f"webchat file\0{channel_id}\0{file}\0{expires}".encode("utf-8", "surrogatepass"))


def problem_code(body: Any) -> str | None:
    """The `code` of an `application/problem+json` answer."""
    code = body.get("code") if isinstance(body, dict) else None
    return code if isinstance(code, str) else None
