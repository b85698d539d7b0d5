"""M4: a rep asks a supervisor for help. All of it is for supervisors and the rep who raised the flag; the customer never sees it."""

from __future__ import annotations

from pydantic import JsonValue

from gateway.session.admission import actor_of, not_in_it
from gateway.session.commands import LowerFlag, RaiseFlag, Whisper
from gateway.session.decision import Decision, Facts, Refusal
from gateway.session.draft import Draft
from gateway.session.membership import lower_flag
from gateway.session.model import EntryKind, Flag, Login, Session, Visibility
from gateway.session.refusals import e3_refuse
from gateway.session.saying import says_something


def m4_raise_flag(session: Session, command: RaiseFlag, facts: Facts) -> Decision | Refusal:
    """M4: a rep in an active session raises a flag with a message."""
    refusal = not_in_it(session, command.by) or m4_not_raised_yet(session, command.by) or m4_has_words(command.text)
    if refusal is not None:
        return refusal
    draft = Draft(session, facts)
    flag = Flag(raised_by=command.by, text=command.text, raised_at=facts.now)
    draft.change(flags=(*session.flags, flag))
    _write(draft, EntryKind.flag_raised, command.by, command.by, command.text)
    return draft.decision()


def m4_lower_flag(session: Session, command: LowerFlag, facts: Facts) -> Decision | Refusal:
    """M4: the rep who raised it, or a supervisor, lowers it."""
    flag = m4_flag_meant(session, command.by, command.raised_by, facts)
    if isinstance(flag, Refusal):
        return flag
    draft = Draft(session, facts)
    lower_flag(draft, flag.raised_by, reason="lowered", sender=actor_of(session, facts, command.by))
    return draft.decision()


def m4_whisper(session: Session, command: Whisper, facts: Facts) -> Decision | Refusal:
    """M4: rep and supervisor exchange messages while the flag is raised."""
    flag = m4_flag_meant(session, command.by, command.to, facts)
    if isinstance(flag, Refusal):
        return flag
    refusal = m4_has_words(command.text)
    if refusal is not None:
        return refusal
    draft = Draft(session, facts)
    _write(draft, EntryKind.whisper, command.by, flag.raised_by, command.text)
    return draft.decision()


def m4_not_raised_yet(session: Session, by: Login) -> Refusal | None:
    """M4: one flag at a time for each rep."""
    if session.flag_of(by) is None:
        return None
    return e3_refuse("flag_already_raised", "You have a flag raised here: write a whisper, or lower it first.")


def m4_flag_meant(session: Session, by: Login, whose: Login | None, facts: Facts) -> Flag | Refusal:
    """M4: between supervisors and a rep who raised a flag, while it is raised. Unless it is said whose, a rep means their own, a supervisor
    the one that was raised first."""
    supervisor = facts.reps[by].supervisor
    if not supervisor and (outside := not_in_it(session, by)) is not None:
        return outside
    if not session.flags:
        return e3_refuse("no_flag", "No flag is raised here: raise one first.")
    first = session.flags[0] if supervisor else None
    flag = session.flag_of(whose) if whose is not None else session.flag_of(by) or first
    if flag is not None and (supervisor or flag.raised_by == by):
        return flag
    if supervisor:
        return e3_refuse("no_flag", "This rep has no flag raised here: reload the session.")
    sentence = "This is between supervisors and the rep who raised the flag: raise a flag of your own."
    return e3_refuse("not_a_supervisor", sentence)


def m4_has_words(text: str) -> Refusal | None:
    """An empty message helps nobody."""
    if says_something(text):
        return None
    return e3_refuse("nothing_to_say", "The message has no visible text: write what it is about.")


def _write(draft: Draft, kind: EntryKind, by: Login, raised_by: Login, text: str) -> None:
    details: dict[str, JsonValue] = {"raised_by": raised_by}
    sender = actor_of(draft.session, draft.facts, by)
    draft.write(kind, Visibility.supervisors, sender=sender, text=text, details=details)
