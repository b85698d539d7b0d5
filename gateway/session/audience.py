"""Who may see what: sessions, entries, and the events of both. And C10: the pages of history.

Events go to audiences by name: `rep:LOGIN`, `queue:ID`, `supervisors`. They are names within the session's org (E1).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gateway.session.decision import Signal
from gateway.session.model import Entry, Invitation, Login, OrgSettings, Session, Status, Visibility

SUPERVISORS = "supervisors"


def rep_audience(login: str) -> str:
    """The name of one rep's audience."""
    return f"rep:{login}"


def queue_audience(queue: str) -> str:
    """The name of the audience of all reps of a queue."""
    return f"queue:{queue}"


def may_see(session: Session, login: str, supervisor: bool, queues: Collection[str]) -> bool:
    """Whether a rep of the org may see the session at all: supervisors any; others one they are or were in, are offered or
    invited to, or that waits in a queue of theirs."""
    waits_for_them = session.status is Status.waiting and session.queue in queues
    return supervisor or waits_for_them or login in _known_to(session)


def may_command(session: Session, login: str, supervisor: bool, queues: Collection[str]) -> bool:
    """Whether a command of this rep is judged by the rules, or answered with `session_not_found`.

    Also one who was asked to come in and is too late may ask, to hear that (C2), though the session is none of theirs any more.
    """
    too_late = any(login in closed.asked for closed in session.closed_invitations.values())
    return too_late or may_see(session, login, supervisor, queues)


def visible_to(entry: Entry, session: Session, login: str, supervisor: bool, settings: OrgSettings) -> bool:
    """Whether one who may see the session may see this entry of it (M4: flags and whispers are for supervisors and who raised it)."""
    if entry.visibility is not Visibility.supervisors or supervisor:
        return True
    return m4_may_hear(entry.details.get("raised_by"), session, login, settings)


def m4_may_hear(raised_by: object, session: Session, login: str, settings: OrgSettings) -> bool:
    """M4: the rep who raised this flag; others who were in the session only where the org lets them."""
    return raised_by == login or (settings.flags_visible_to_reps and login in session.been_in)


def as_seen_by(session: Session, login: str, supervisor: bool, settings: OrgSettings) -> Session:
    """The session without what this rep may not know: a flag of another (M4), and who declined another's request (C8)."""
    if supervisor:
        return session
    flag = session.flag
    if flag is not None and not m4_may_hear(flag.raised_by, session, login, settings):
        flag = None
    invitations = tuple(c8_shown(invitation, login) for invitation in session.invitations)
    return session.model_copy(update={"flag": flag, "invitations": invitations, "closed_invitations": {}})


def c8_shown(invitation: Invitation, login: str) -> Invitation:
    """C8: who declined is for the inviter to know, and for whom declined."""
    if invitation.inviter == login:
        return invitation
    return invitation.model_copy(update={"declined": tuple(who for who in invitation.declined if who == login)})


def audiences_of_session(session: Session, before: Session | None = None) -> frozenset[str]:
    """Whom a change of the session is told: all who may see it now, and all who could `before`, so that their lists forget it."""
    names = {SUPERVISORS}
    for state in (session, before):
        if state is None:
            continue
        names.update(rep_audience(login) for login in _known_to(state))
        if state.status is Status.waiting and state.queue is not None:
            names.add(queue_audience(state.queue))
    return frozenset(names)


def audiences_of_entry(entry: Entry, session: Session, settings: OrgSettings) -> frozenset[str]:
    """Whom an entry is told: who may see the session after it; of a flag or whisper, supervisors and who raised it (M4)."""
    if entry.visibility is not Visibility.supervisors:
        return audiences_of_session(session)
    names = {SUPERVISORS, rep_audience(str(entry.details.get("raised_by")))}
    if settings.flags_visible_to_reps:
        names.update(rep_audience(login) for login in session.been_in)
    return frozenset(names)


def audiences_of_signal(signal: Signal) -> frozenset[str]:
    """Whom a signal is told: those it is to."""
    return frozenset(rep_audience(login) for login in signal.to)


def _known_to(session: Session) -> set[Login]:
    """Reps who are or were in it, are offered it, or are asked to it."""
    known = set(session.been_in)
    if session.offer is not None:
        known.add(session.offer.rep)
    for invitation in session.invitations:
        known.update(invitation.waits_for)
    return known


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """C10: lines oldest first; `remaining` counts the older ones that are still to load: a page draws as many grey lines."""

    entries: tuple[Entry, ...]
    remaining: int
    before: int | None  # give it as `before` to load the next older page; None: this is the beginning


def c10_page(visible: Sequence[Entry], limit: int, before: int | None = None) -> HistoryPage:
    """C10: the newest `limit` of the entries that the joiner may see (in order), below the number `before`."""
    older = [entry for entry in visible if before is None or entry.number < before]
    page = older[-limit:]
    remaining = len(older) - len(page)
    return HistoryPage(tuple(page), remaining, page[0].number if remaining else None)
