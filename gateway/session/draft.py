"""A decision in the making: rules write on it, and it comes out whole.

The draft never outlives one call of `decide`; to the outside `decide` is a pure function. What a rule does to the session, it
does here: `change` for state, `write` for the transcript, and the timers, signals and outgoing messages beside them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import JsonValue

from adapters.envelope import Part, Referral
from adapters.made import copied, unchecked
from gateway.session.decision import CancelTimer, Decision, Facts, Outgoing, SetTimer, Signal
from gateway.session.model import Actor, Entry, EntryKind, Invitation, Login, Session, Status, Visibility

_FIELDS: Final = frozenset(Session.model_fields)
_entry: Final = unchecked(Entry)


class Draft:
    """The session as it is becoming, and what goes with it. `before` is what it was.

    `session` is the draft's own from the first change on, and every later change is made in it: nobody else has it yet, and a copy for each
    change takes more time than the rules do. Whoever needs what was before a change keeps the value, not the session.
    """

    def __init__(self, session: Session, facts: Facts) -> None:
        self.before = session
        self.session = session
        self.facts = facts
        self.entries: list[Entry] = []
        self.outgoing: list[Outgoing] = []
        self.timers: list[SetTimer | CancelTimer] = []
        self.signals: list[Signal] = []
        self.warning: str | None = None

    def change(self, **fields: Any) -> None:
        """Give fields of the session new values."""
        if not fields.keys() <= _FIELDS:
            raise TypeError(f"a session has no {sorted(fields.keys() - _FIELDS)}")
        if self.session is self.before:
            self.session = copied(self.before)
        self.session.__dict__.update(fields)

    def write(
        self,
        kind: EntryKind,
        visibility: Visibility,
        *,
        sender: Actor | None = None,
        text: str | None = None,
        parts: tuple[Part, ...] = (),
        referral: Referral | None = None,
        details: dict[str, JsonValue] | None = None,
    ) -> Entry:
        """Add the next line of the transcript."""
        entry = _entry(
            number=self.session.entry_count + 1,
            kind=kind,
            visibility=visibility,
            at=self.facts.now,
            sender=sender,
            text=text,
            parts=parts,
            referral=referral,
            details=details or {},
        )
        self.entries.append(entry)
        self.change(entry_count=entry.number)
        return entry

    def turn(self, status: Status, reason: str, sender: Actor | None = None) -> None:
        """Give the session another status; reps see it in the transcript."""
        details: dict[str, JsonValue] = {"from": self.session.status.value, "to": status.value, "reason": reason}
        self.change(status=status)
        self.write(EntryKind.status_changed, Visibility.reps, sender=sender, details=details)

    def set_timer(self, kind: str, ref: str, due_at: datetime) -> None:
        """Set or move a timer."""
        self.timers.append(SetTimer(kind, ref, due_at))

    def cancel_timer(self, kind: str, ref: str) -> None:
        """Forget a timer."""
        self.timers.append(CancelTimer(kind, ref))

    def after(self, seconds: float) -> datetime:
        """That many seconds from now."""
        return self.facts.now + timedelta(seconds=seconds)

    def tell(self, to: Iterable[Login], type: str, **data: Any) -> None:
        """A signal to reps; to nobody: none."""
        logins = tuple(to)
        if logins:
            self.signals.append(Signal(logins, type, data))

    def decision(self, invitation: Invitation | None = None) -> Decision:
        """All of it. When nothing was changed, the session is the very one that came in."""
        if self.session is self.before and not (self.entries or self.outgoing or self.timers or self.signals):
            return Decision(self.before, invitation=invitation, warning=self.warning)
        self.change(version=self.before.version + 1)
        return Decision(
            session=self.session,
            entries=tuple(self.entries),
            outgoing=tuple(self.outgoing),
            timers=tuple(self.timers),
            signals=tuple(self.signals),
            invitation=invitation,
            warning=self.warning,
        )
