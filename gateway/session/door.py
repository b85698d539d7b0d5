"""Rules for every command: E1 (whose session it is), E2 (idempotency), E4 (all or nothing). E3 is in refusals.py.

E2 and E4 are kept by the store; here is the part of them that is a rule: when two commands are the same, and when a decision is
whole, so that committing it in one transaction leaves a session that satisfies every rule.
"""

from __future__ import annotations

import hashlib

from gateway.session.commands import Asked
from gateway.session.decision import Decision, Facts, Refusal
from gateway.session.model import Login, Session, Visibility
from gateway.session.refusals import e3_refuse


def e1_same_org(session: Session, by: Login, facts: Facts) -> Refusal | None:
    """E1: a session of another org is as if it weren't there."""
    rep = facts.reps.get(by)
    if rep is not None and rep.org == session.org:
        return None
    return e3_refuse("session_not_found", "There is no such session for you: reload your list.")


def e2_fingerprint(session_id: str, command: Asked) -> str:
    """E2: a digest that distinguishes commands, over the session, the kind of command and all its fields.

    A file that is uploaded once more has another id each time; its name, type and size stand for it.
    """
    text = f"{session_id}\0{type(command).__name__}\0{command.model_dump_json(exclude={'file': {'media_id'}})}"
    return hashlib.sha256(text.encode()).hexdigest()


def e2_same_command(first: str, again: str) -> Refusal | None:
    """E2: a key's repetition must be the same command, by its fingerprint; then the first answer is given once more."""
    if first == again:
        return None
    sentence = "This idempotency key was used with another command: use a new key for each command."
    return e3_refuse("idempotency_key_reused", sentence)


def e4_whole(before: Session | None, decision: Decision) -> Decision:
    """E4: the decision holds together, or AssertionError: numbers are dense, the version grows by one, and whatever goes out is
    an entry of this very decision that everyone may see."""
    start, version = (before.entry_count, before.version) if before is not None else (0, 0)
    entries, after = decision.entries, decision.session
    broken: list[str] = []
    if [entry.number for entry in entries] != list(range(start + 1, start + 1 + len(entries))):
        broken.append("entry numbers have a gap")
    if after.entry_count != start + len(entries):
        broken.append("the entry count is wrong")
    if after is not before and after.version != version + 1:
        broken.append("the version doesn't grow by one")
    if after is before and (entries or decision.outgoing or decision.timers):
        broken.append("it changes without a version")
    if decision.outgoing:
        public = {entry.number for entry in entries if entry.visibility is Visibility.everyone}
        if any(out.entry_number not in public for out in decision.outgoing):
            broken.append("something goes out that isn't for everyone")
    if broken:
        raise AssertionError("; ".join(broken))
    return decision
