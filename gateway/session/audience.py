"""Who may see what: sessions, entries, and the events of both.

Rights are judged when something is read, from the session as it is then: an answer, a page of the transcript, an event, live or replayed. The audiences
of an event only say whom it may concern: `rep:LOGIN`, `queue:ID`, `supervisors`, names within the session's org (E1).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from gateway.session.decision import Signal
from gateway.session.model import Entry, Invitation, Login, OrgSettings, Role, Session, Status, Visibility

SUPERVISORS = "supervisors"


def rep_audience(login: str) -> str:
    """The name of one rep's audience."""
    return f"rep:{login}"


def queue_audience(queue: str) -> str:
    """The name of the audience of all reps of a queue."""
    return f"queue:{queue}"


class Access(StrEnum):
    """How much of a session a rep sees, in one word."""

    full = "full"
    preview = "preview"  # asked in, and hasn't answered: the card of the request
    past = "past"  # was in it: the transcript until they left
    none = "none"


@dataclass(frozen=True, slots=True)
class Sight:
    """What of a session one rep may see, as it is now.

    `whole`: all of it, as far as M4 lets them. Else `until` is the last entry that they may read since they were in, and `message` the latest
    message, which whoever is asked in reads on the card; 0: none.
    """

    whole: bool = False
    until: int = 0
    message: int = 0
    asked: bool = False

    @property
    def access(self) -> Access:
        """The same in one word."""
        if self.whole:
            return Access.full
        if self.asked:
            return Access.preview
        return Access.past if self.until else Access.none

    def __bool__(self) -> bool:
        return self.access is not Access.none

    def reads(self, number: int) -> bool:
        """Whether the entry of this number is among what they may read."""
        return self.whole or number <= self.until or (number == self.message != 0)


def e1_sight(session: Session, login: str, supervisor: bool, queues: Collection[str]) -> Sight:
    """E1: supervisors of the org see all; a rep sees a session that they are in, that is offered to them, or that waits in a queue of theirs.

    Who is asked in sees the request, the customer's name and the latest message; who was in, what was said until they left.
    """
    waits_for_them = session.status is Status.waiting and session.queue in queues
    offered = session.offer is not None and session.offer.rep == login
    if supervisor or waits_for_them or offered or session.has_rep(login):
        return Sight(whole=True)
    asked = any(login in invitation.waits_for for invitation in session.invitations)
    until = session.left.get(Login(login), 0)
    return Sight(until=until, asked=asked, message=session.last_message if asked else 0)


def named_in(session: Session) -> frozenset[str]:
    """Everyone whom the session names. It is shown alike to all others of its org who are no supervisors, or who are, and who serve its queue, or don't: what is
    shown of it depends on who one is only for those it names."""
    names: set[str] = {*session.been_in, *session.left, *session.passed, *session.absent, *session.last_reps}
    names.update(participant.id for participant in session.participants)
    names.update(flag.raised_by for flag in session.flags)
    names.update(notice.rep for notice in session.held_notices)
    if session.offer is not None:
        names.add(session.offer.rep)
    for invitation in session.invitations:
        names.update((invitation.inviter, invitation.recipient.id, (invitation.resolved or invitation.recipient).id))
        names.update(invitation.asked, invitation.declined, invitation.unavailable)
    for closed in session.closed_invitations.values():
        names.add(closed.inviter)
        names.update(closed.asked, closed.unavailable, () if closed.accepted_by is None else (closed.accepted_by,))
    return frozenset(names)


def may_see(session: Session, login: str, supervisor: bool, queues: Collection[str]) -> bool:
    """Whether a rep of the org may see anything of the session."""
    return bool(e1_sight(session, login, supervisor, queues))


def may_command(session: Session, login: str, supervisor: bool, queues: Collection[str]) -> bool:
    """Whether a command of this rep is judged by the rules, or answered with `session_not_found`.

    A rep who was asked and answers too late may also ask, to be told so (C2), although the session is no longer theirs.
    """
    asked = [request.asked for request in session.closed_invitations.values()] + [
        request.asked for request in session.invitations
    ]
    too_late = any(login in logins for logins in asked)
    return too_late or may_see(session, login, supervisor, queues)


def visible_to(entry: Entry, session: Session, login: str, supervisor: bool, settings: OrgSettings) -> bool:
    """Whether an entry that a rep may read as far as its number goes (`Sight.reads`) is for their eyes at all (M4)."""
    if entry.visibility is not Visibility.supervisors or supervisor:
        return True
    return m4_may_hear(entry.details.get("raised_by"), session, login, settings)


def c10_reads(entry: Entry, sight: Sight, session: Session, login: str, supervisor: bool, settings: OrgSettings) -> bool:
    """C10: who is in reads all that was said before; who is only asked in, the latest message; who has left, what was said until then."""
    return sight.reads(entry.number) and visible_to(entry, session, login, supervisor, settings)


def c10_shown(entry: Entry, sight: Sight) -> Entry:
    """C10: to who is only asked in, the customer has a name and no address."""
    if sight.access is not Access.preview or entry.sender is None or entry.sender.role is not Role.end_user:
        return entry
    return entry.model_copy(update={"sender": entry.sender.model_copy(update={"id": ""})})


def m4_may_hear(raised_by: object, session: Session, login: str, settings: OrgSettings) -> bool:
    """M4: the rep who raised this flag; others who were in the session only where the org lets them."""
    return raised_by == login or (settings.flags_visible_to_reps and login in session.been_in)


def as_seen_by(session: Session, sight: Sight, login: str, supervisor: bool, settings: OrgSettings) -> Session:
    """The session without what this rep may not know of it. Seen twice it is the same: `e1_sight` of the result is `sight`."""
    if supervisor:
        return session
    if not sight.whole:
        return _less(session, sight, login)
    if not (session.flags or session.invitations or session.closed_invitations):
        return session
    flags = tuple(flag for flag in session.flags if m4_may_hear(flag.raised_by, session, login, settings))
    invitations = tuple(c8_shown(invitation, login) for invitation in session.invitations)
    return session.model_copy(update={"flags": flags, "invitations": invitations, "closed_invitations": {}})


def _less(session: Session, sight: Sight, login: str) -> Session:
    """What is left for who is asked in, was in, or has lost sight of it: no people, no counts, no requests but their own."""
    customer = session.end_user if sight.until else session.end_user.model_copy(update={"id": ""})
    return Session(
        id=session.id,
        org=session.org,
        channel_id=session.channel_id,
        channel_type=session.channel_type,
        broker=session.broker,
        end_user=customer if sight else customer.model_copy(update={"name": ""}),
        locale=session.locale,
        status=session.status,
        participants=tuple(
            p.model_copy(update={"id": customer.id}) for p in session.participants if p.role is Role.end_user and sight
        ),
        invitations=tuple(_for_one(i, login) for i in session.invitations if login in i.waits_for),
        left={Login(login): sight.until} if sight.until else {},
        entry_count=max(sight.until, sight.message),
        last_message=sight.message,
        last_message_at=session.last_message_at if sight.message else None,
        version=session.version,
        opened_at=session.opened_at,
    )


def _for_one(invitation: Invitation, login: str) -> Invitation:
    """A request as one of those asked sees it before they answer: who else was asked isn't theirs to know."""
    return invitation.model_copy(update={"asked": (Login(login),), "declined": (), "unavailable": ()})


def c8_shown(invitation: Invitation, login: str) -> Invitation:
    """C8: who declined is for the inviter to know, and for whom declined."""
    if invitation.inviter == login:
        return invitation
    return invitation.model_copy(update={"declined": tuple(who for who in invitation.declined if who == login)})


def audiences_of_session(session: Session, before: Session | None = None) -> frozenset[str]:
    """Whom a change of the session concerns: all who may see it as it is, and all who could `before`, so that their lists forget it."""
    names = _who_may_see(session)
    return names if before is None or session.same_people(before) else names | _who_may_see(before)


def _who_may_see(session: Session) -> frozenset[str]:
    waits_in = session.queue if session.status is Status.waiting else None
    return _named(_known_to(session), waits_in)


@lru_cache(4_000)
def _named(logins: tuple[str, ...], queue: str | None) -> frozenset[str]:
    """The audiences of these reps, of the queue and of supervisors: for most messages they are those of the message before."""
    names = {SUPERVISORS, *map(rep_audience, logins)}
    return frozenset(names if queue is None else names | {queue_audience(queue)})


def audiences_of_entry(entry: Entry, session: Session, settings: OrgSettings) -> frozenset[str]:
    """Whom an entry is told: who may see the session after it; of a flag or whisper, supervisors and who raised it (M4)."""
    if entry.visibility is not Visibility.supervisors:
        return audiences_of_session(session)
    names = {SUPERVISORS, rep_audience(str(entry.details.get("raised_by")))}
    if settings.flags_visible_to_reps:
        names.update(rep_audience(rep.id) for rep in session.reps)
    return frozenset(names)


def audiences_of_signal(signal: Signal) -> frozenset[str]:
    """Whom a signal is told: those it is to."""
    return frozenset(rep_audience(login) for login in signal.to)


def _known_to(session: Session) -> tuple[str, ...]:
    """Reps who are in it, are offered it, or are asked to it."""
    known = [rep.id for rep in session.reps]
    if session.offer is not None:
        known.append(session.offer.rep)
    for invitation in session.invitations:
        known += invitation.waits_for
    return tuple(known)
