"""M4: a rep asks a supervisor for help. All of it is for supervisors and the rep who raised the flag; the customer never sees it."""

from __future__ import annotations

from pydantic import JsonValue

from gateway.session.commands import LowerFlag, RaiseFlag, Whisper
from gateway.session.decision import Decision, Facts, Refusal
from gateway.session.draft import Draft
from gateway.session.membership import lower_flag
from gateway.session.model import EntryKind, Flag, Login, Session, Visibility
from gateway.session.people import actor_of, not_in_it
from gateway.session.refusals import e3_refuse
from gateway.session.wording import says_something


def m4_raise_flag(session: Session, command: RaiseFlag, facts: Facts) -> Decision | Refusal:
    """M4: a rep in an active session raises a flag with a message."""
    refusal = not_in_it(session, command.by) or m4_nothing_raised(session) or m4_has_words(command.text)
    if refusal is not None:
        return refusal
    draft = Draft(session, facts)
    draft.change(flag=Flag(raised_by=command.by, text=command.text, raised_at=facts.now))
    _write(draft, EntryKind.flag_raised, command.by, command.by, command.text)
    return draft.decision()


def m4_lower_flag(session: Session, command: LowerFlag, facts: Facts) -> Decision | Refusal:
    """M4: the rep who raised it, or a supervisor, lowers it."""
    refusal = m4_between(session, command.by, facts)
    if refusal is not None:
        return refusal
    draft = Draft(session, facts)
    lower_flag(draft, reason="lowered", sender=actor_of(session, facts, command.by))
    return draft.decision()


def m4_whisper(session: Session, command: Whisper, facts: Facts) -> Decision | Refusal:
    """M4: rep and supervisor exchange messages while the flag is raised."""
    refusal = m4_between(session, command.by, facts) or m4_has_words(command.text)
    if refusal is not None:
        return refusal
    draft = Draft(session, facts)
    assert session.flag is not None  # noqa: S101 - m4_between has seen it
    _write(draft, EntryKind.whisper, command.by, session.flag.raised_by, command.text)
    return draft.decision()


def m4_nothing_raised(session: Session) -> Refusal | None:
    """M4: one flag at a time."""
    if session.flag is None:
        return None
    return e3_refuse("flag_already_raised", "A flag is raised already: wait for the supervisor, or have it lowered first.")


def m4_between(session: Session, by: Login, facts: Facts) -> Refusal | None:
    """M4: only between supervisors and the rep who raised the flag, while it is raised."""
    supervisor = facts.people[by].supervisor
    if not supervisor and not session.has_rep(by):
        return not_in_it(session, by)
    if session.flag is None:
        return e3_refuse("no_flag", "No flag is raised here: raise one first.")
    if supervisor or session.flag.raised_by == by:
        return None
    sentence = "This is between supervisors and the rep who raised the flag: ask one of them."
    return e3_refuse("not_a_supervisor", sentence)


def m4_has_words(text: str) -> Refusal | None:
    """An empty message helps nobody."""
    if says_something(text):
        return None
    return e3_refuse("nothing_to_say", "The message holds nothing that can be seen: write what it is about.")


def _write(draft: Draft, kind: EntryKind, by: Login, raised_by: Login, text: str) -> None:
    details: dict[str, JsonValue] = {"raised_by": raised_by}
    sender = actor_of(draft.session, draft.facts, by)
    draft.write(kind, Visibility.supervisors, sender=sender, text=text, details=details)
