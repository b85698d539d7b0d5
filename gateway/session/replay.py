"""What the transcript alone adds up to. It must be what the session says: a session is its transcript.

Two things leave no entry and so can't be replayed: declines (C8), and who was asked; and what lasts only a moment (offers, absences,
held notices).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from gateway.session.model import Entry, EntryKind, Role, Session, Status

_CLOSING = (EntryKind.invitation_expired, EntryKind.invitation_withdrawn)


@dataclass(frozen=True, slots=True)
class State:
    """A session's state, as far as entries tell it. `participants` are (role, id) in the order they joined."""

    status: Status = Status.waiting
    participants: tuple[tuple[str, str], ...] = ()
    flags: tuple[tuple[str, str], ...] = ()  # (who raised it, text), the first raised first
    invitations: frozenset[str] = frozenset()
    conferenced: bool = False
    entry_count: int = 0

    @property
    def reps(self) -> tuple[str, ...]:
        """The logins of the reps, bots included."""
        return tuple(id for role, id in self.participants if role in (Role.rep, Role.bot))


def state_of(session: Session) -> State:
    """What the session says of itself."""
    return State(
        status=session.status,
        participants=tuple((p.role.value, p.id) for p in session.participants),
        flags=tuple((flag.raised_by, flag.text) for flag in session.flags),
        invitations=frozenset(invitation.id for invitation in session.invitations),
        conferenced=session.conferenced,
        entry_count=session.entry_count,
    )


def replay(entries: Iterable[Entry], *, declined: Iterable[str] = ()) -> State:
    """The state that the entries, in order and from the first, add up to. `declined`: requests that ended by declines."""
    state = State()
    for entry in entries:
        state = replace(_step(state, entry), entry_count=entry.number)
    return replace(state, invitations=state.invitations - frozenset(declined))


def _step(state: State, entry: Entry) -> State:
    details: Any = entry.details
    if entry.kind is EntryKind.status_changed:
        return replace(state, status=Status(details["to"]))
    if entry.kind is EntryKind.participant_joined:
        return _joined(state, details)
    if entry.kind is EntryKind.participant_left:
        gone = details["participant"]["id"]
        return replace(state, participants=tuple(p for p in state.participants if p[0] == Role.end_user or p[1] != gone))
    if entry.kind is EntryKind.flag_raised:
        return replace(state, flags=(*state.flags, (details["raised_by"], entry.text or "")))
    if entry.kind is EntryKind.flag_lowered:
        return replace(state, flags=tuple(flag for flag in state.flags if flag[0] != details["raised_by"]))
    if entry.kind is EntryKind.invited:
        return replace(state, invitations=state.invitations | {details["invitation_id"]})
    if entry.kind in _CLOSING:
        return replace(state, invitations=state.invitations - {details["invitation_id"]})
    return _opened(state, entry)


def _joined(state: State, details: Any) -> State:
    who = (details["participant"]["role"], details["participant"]["id"])
    return replace(
        state,
        participants=(*state.participants, who),
        invitations=state.invitations - {details.get("invitation_id", "")},
        conferenced=state.conferenced or len(state.reps) >= 1,
    )


def _opened(state: State, entry: Entry) -> State:
    """The first entry brings the customer in, who writes it, or whom our side wrote to by another tool."""
    if entry.number != 1:
        return state
    details: Any = entry.details
    written_by = entry.sender.id if entry.sender is not None and entry.sender.role is Role.end_user else details.get("end_user")
    return replace(state, participants=((Role.end_user.value, written_by),))
