"""Logs: one JSON object a line, with an `action` and ids; never bodies, signatures, or customers' words.

Secrets are masked by a filter on the root handlers, message and traceback both, because libraries log URLs and errors that we don't write.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, quote_plus

from pydantic import BaseModel, SecretStr

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({})))
_SHORTEST_SECRET: Final = 6  # shorter ones would mask ordinary words


class JsonLines(logging.Formatter):
    """See the module."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        written = {form for secret in secrets for form in _written(secret) if len(form) >= _SHORTEST_SECRET}
        self._secrets = sorted(written, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in vars(record).items() if key not in _STANDARD and key != "taskName"}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return self._masked(json.dumps(line, default=str, ensure_ascii=False))

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, "•••")
        return text


def _written(secret: str) -> Iterator[str]:
    """How a secret may look inside a line of JSON: as it is, in a URL, in a `repr`, in JSON, as a password of HTTP Basic; a key's lines
    one by one."""
    for text in {secret, *(line for line in secret.splitlines() if "-----" not in line)}:
        quoted = (quote(text, safe=""), quote_plus(text), repr(text)[1:-1], json.dumps(text)[1:-1], _inside_json(text))
        for form in (text, *quoted, base64.b64encode(text.encode()).decode()):
            yield _inside_json(form)


def _inside_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def set_up(level: str, secrets: Iterable[str] = ()) -> None:
    """Send all logs to stderr. Chatty libraries are held down to warnings: httpx logs whole URLs at INFO."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(secrets))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in ("httpx", "httpcore", "aiohttp.access", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    quiet_grpc()


def quiet_grpc() -> None:
    """gRPC, should it be imported later, would write lines of its own to stderr. What they say is in the errors that it raises."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def secrets_of(*models: BaseModel) -> set[str]:
    """Every secret in these settings, however deep."""
    found: set[str] = set()
    for model in models:
        for value in dict(model).values():
            found |= _secrets_in(value)
    return found


def _secrets_in(value: object) -> set[str]:
    if isinstance(value, SecretStr):
        return {value.get_secret_value()}
    if isinstance(value, BaseModel):
        return secrets_of(value)
    if isinstance(value, dict):
        return set().union(*(_secrets_in(one) for one in value.values())) if value else set()
    if isinstance(value, list | tuple | set | frozenset):
        return set().union(*(_secrets_in(one) for one in value)) if value else set()
    return set()
