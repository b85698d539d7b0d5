"""What the rooms above the store share with it: the values that pass between them. No store is named here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from adapters.contract import Sent

OverState: TypeAlias = Literal["failed", "unknown", "skipped"]


@dataclass(frozen=True, slots=True)
class Why:
    """Why a message was not (surely) taken: our code, the sentence that a rep reads, and what the provider said: its own code, its words, and the
    status of its HTTP answer. Its words may quote the message."""

    code: str
    reason: str
    provider_code: str | None = None
    detail: str | None = field(default=None, repr=False)
    status: int | None = None

    @property
    def told(self) -> str:
        """For operators: `rate_limited 130429: (#130429) Rate limit hit`."""
        return " ".join(filter(None, (self.code, self.provider_code))) + (f": {self.detail}" if self.detail else "")


@dataclass(frozen=True, slots=True)
class Again:
    """Not taken; it is sent again after `seconds`. `remember`: as in `Sent`."""

    why: Why
    seconds: float
    remember: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Over:
    """Not sent again by itself: `failed`, `unknown` (the customer may have it), or `skipped` (a notice, or what can't be said here)."""

    state: OverState
    why: Why
    remember: Mapping[str, Any] = field(default_factory=dict, repr=False)


Outcome: TypeAlias = Sent | Again | Over
