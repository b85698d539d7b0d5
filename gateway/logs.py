"""Logs: one JSON object a line, with an `action` and ids; never bodies, signatures, or customers' words.

Secrets are masked by a filter on the root handlers, message and traceback both, because libraries log URLs and errors that we don't write.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from pydantic import BaseModel, SecretStr

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({})))
_SHORTEST_SECRET: Final = 6  # shorter ones would mask ordinary words


class JsonLines(logging.Formatter):
    """See the module."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        self._secrets = sorted({s for s in secrets if len(s) >= _SHORTEST_SECRET}, key=len, reverse=True)

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


def set_up(level: str, secrets: Iterable[str] = ()) -> None:
    """Send all logs to stderr. Chatty libraries are held down to warnings: httpx logs whole URLs at INFO."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(secrets))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in ("httpx", "httpcore", "aiohttp.access", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)


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
