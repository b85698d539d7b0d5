"""What operators see of an org's stream of events: for /readyz, the log and /metrics."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

Phase: TypeAlias = Literal["starting", "open", "waiting", "held", "stopped"]


class Gap(NamedTuple):
    """Events that were published between these times may never be read. `since` is None where nobody knows when it began."""

    since: datetime | None
    until: datetime
    reason: str


@dataclass(slots=True)
class StreamState:
    """`phase`: `open` while events can come, `waiting` before another try, `held` while a person has to change something. `code` and `sentence`: why it isn't open.
    `position_at`: everything up to then is in the inbox. `events_in_a_day` of `allowance`: of the last 24 hours. `scarce`: 80 % of
    them are used up. `catching_up`: events of the past are read again.
    """

    org: str
    allowance: int
    phase: Phase = "starting"
    code: str = ""
    sentence: str = ""
    rpc_id: str = ""
    retry_at: datetime | None = None
    connected_since: datetime | None = None
    last_event_at: datetime | None = None
    last_keepalive_at: datetime | None = None
    position_at: datetime | None = None
    events_in_a_day: int = 0
    scarce: bool = False
    catching_up: bool = False
    gap: Gap | None = None

    def remark(self) -> str | None:
        """For a gateway that is ready all the same: what is wrong and what to do; None: nothing."""
        remarks = []
        if self.phase in ("waiting", "held") and self.sentence:
            remarks.append(f"{self.code}: {self.sentence}")
        if self.scarce:
            remarks.append(
                f"{self.events_in_a_day} of {self.allowance} events (`events_per_day`) were delivered within 24 hours: turn off `typing`, or buy more."
            )
        if self.catching_up:
            remarks.append("Events of the past are read again; those that were dealt with have no effect.")
        if self.gap is not None:
            since = f"between {_told(self.gap.since)} and" if self.gap.since else "before"
            remarks.append(f"Events from {since} {_told(self.gap.until)} may be lost: {self.gap.reason}")
        return " ".join(remarks) or None

    def described(self, now: datetime) -> dict[str, object]:
        """As JSON; times are ISO 8601, ages in seconds."""
        gap = self.gap
        return {
            "phase": self.phase,
            "code": self.code or None,
            "sentence": self.sentence or None,
            "rpc_id": self.rpc_id or None,
            "retry_at": _told(self.retry_at),
            "connected_since": _told(self.connected_since),
            "last_event_at": _told(self.last_event_at),
            "last_keepalive_at": _told(self.last_keepalive_at),
            "position_age_seconds": self.position_age(now),
            "events_in_24_hours": self.events_in_a_day,
            "events_allowed_in_24_hours": self.allowance,
            "catching_up": self.catching_up,
            "gap": {"since": _told(gap.since), "until": _told(gap.until), "reason": gap.reason} if gap else None,
        }

    def position_age(self, now: datetime) -> float | None:
        """Seconds since everything was in the inbox; None: no place is known yet."""
        return max(0.0, (now - self.position_at).total_seconds()) if self.position_at else None


def _told(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z") if at else None
