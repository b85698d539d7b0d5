"""What reps command, in the caller's transaction: once under a key (E2), judged by the rules, and kept in the audit."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Final

from pydantic import TypeAdapter

from gateway.brokers import receipts
from gateway.brokers.contract import Caller, Effect
from gateway.brokers.unit import Unit
from gateway.brokers.views import command_session_for, session_for, shown
from gateway.config import Org
from gateway.session.commands import Asked, Invite
from gateway.session.decision import Refusal
from gateway.session.door import e2_fingerprint, e2_same_command
from gateway.session.inviting import name_of
from gateway.session.model import Session

NOT_FOUND: Final = Refusal("session_not_found", "There is no such session, or you may not see it. Choose one from your list.")
_ANSWER: TypeAdapter[Effect | Refusal] = TypeAdapter(Effect | Refusal)


def execute(unit: Unit, caller: Caller, session_id: str, command: Asked, key: str | None) -> Effect | Refusal:
    """See `gateway.brokers.contract.Broker.command`."""

    def work() -> Effect | Refusal:
        session = command_session_for(unit.stored, unit.ground, caller, session_id)
        if session is None:
            return NOT_FOUND
        answer = _done(unit, caller, session, command)
        unit.stored.records.audit(
            org=caller.org,
            session_id=session_id,
            login=caller.login,
            command=type(command).__name__,
            outcome=answer.code if isinstance(answer, Refusal) else "done",
            details=_audited(command, unit.ground.orgs[caller.org]),
        )
        return answer

    return _once(unit, caller, key, lambda: e2_fingerprint(session_id, command), work)


def rehearse(unit: Unit, caller: Caller, session_id: str, command: Asked) -> None:
    """See `Unit.rehearse`."""
    session = command_session_for(unit.stored, unit.ground, caller, session_id)
    if session is not None:
        unit.rehearse(session, command)


def _done(unit: Unit, caller: Caller, session: Session, command: Asked) -> Effect | Refusal:
    done = unit.do(session, command)
    if isinstance(done, Refusal):
        return done
    entry = done.entries[0] if done.entries else None
    seen = shown(done.session, unit.ground, caller)
    return Effect(session=seen, entry=entry, invitation=done.invitation, warning=done.warning)


def resend(unit: Unit, caller: Caller, session_id: str, outbox_id: str, key: str | None) -> Effect | Refusal:
    """See `gateway.brokers.contract.Broker.resend`."""
    return _once(
        unit, caller, key, lambda: f"resend {session_id} {outbox_id}", lambda: _resent(unit, caller, session_id, outbox_id)
    )


def _resent(unit: Unit, caller: Caller, session_id: str, outbox_id: str) -> Effect | Refusal:
    session = session_for(unit.stored, unit.ground, caller, session_id)
    row = unit.stored.outbox.one(outbox_id)
    if session is None or row is None or row.session_id != session_id:
        return NOT_FOUND
    if not session.has_rep(caller.login) and not caller.supervisor:
        return Refusal("not_a_participant", "Only a rep in the session can resend. Join it first.")
    if not unit.ground.serves(session):
        sentence = (
            "The channel no longer belongs to this session, so nothing can be sent through it. Contact the customer another way."
        )
        return Refusal("not_resendable", sentence)
    if unit.stored.outbox.requeue(outbox_id, str(uuid.uuid4())) is None:
        sentence = (
            "This message hasn't failed, or the customer ended the conversation before it was sent. Send a new one instead."
        )
        return Refusal("not_resendable", sentence)
    receipts.tell_delivery(unit, row)
    return Effect(session=shown(session, unit.ground, caller))


def _once(
    unit: Unit, caller: Caller, key: str | None, fingerprint_of: Callable[[], str], work: Callable[[], Effect | Refusal]
) -> Effect | Refusal:
    """E2: with a key, the first answer is kept in the transaction of its effect, and given again."""
    if key is None:
        return work()
    records, fingerprint = unit.stored.records, fingerprint_of()
    first = records.first_answer(caller.org, caller.login, key)
    if first is not None:
        return e2_same_command(first[0], fingerprint) or _ANSWER.validate_json(first[1])
    answer = work()
    records.keep_answer(caller.org, caller.login, key, fingerprint, _ANSWER.dump_json(answer).decode())
    unit.ground.fault("answer_kept")
    return answer


def _audited(command: Asked, org: Org) -> dict[str, object]:
    """The part of a command that goes into the audit: never its text. Recipients are recorded with their names."""
    dumped: dict[str, object] = command.model_dump(
        mode="json", exclude={"by", "text", "note", "file", "message", "change", "ended"}
    )
    if isinstance(command, Invite):
        dumped["recipient"] = {**command.recipient.model_dump(mode="json"), "name": name_of(command.recipient, org)}
    return dumped
