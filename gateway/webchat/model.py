"""What the chat service keeps, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who writes. `aliases` are visitors who turned out to be this one."""

    channel_id: str
    visitor_id: str
    generation: int = 0
    subject: str | None = None
    profile: Mapping[str, Any] = field(default_factory=dict, repr=False)
    first_seq: int = 1
    last_seq: int = 0
    delivered_seq: int = 0
    read_seq: int = 0
    open: bool = False
    merged_into: str | None = None
    aliases: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """Names the visitor among all channels."""
        return self.channel_id, self.visitor_id


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a visitor's stream; `body` is what the widget is told, without `seq`. `outbox_id` is ours, and never told."""

    seq: int
    at: datetime
    body: Mapping[str, Any] = field(repr=False)
    outbox_id: str | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """An event that the gateway's webhook has not taken yet."""

    number: int
    body: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file's description; its bytes are in a file named by the same id."""

    file_id: str
    name: str
    mime_type: str
    size_bytes: int
