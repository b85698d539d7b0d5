"""Help from a supervisor (M4): the flag, and words that the customer never sees."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from gateway.edge.api.call import Ask, Call, call
from gateway.edge.api.entry_shapes import EntryShape, entry_of
from gateway.edge.api.shapes import SessionShape, session_of
from gateway.edge.input import Id, Input, Nothing, Words
from gateway.session.commands import Asked, LowerFlag, RaiseFlag, Whisper
from gateway.session.decision import Refusal
from gateway.session.model import Login


class FlagBody(Input):
    """What the rep needs help with."""

    text: Annotated[Words, Field(max_length=4_000)]


class FlagQuery(Input):
    """Whose flag, where several reps have raised one; without it the caller's own, for supervisors the first."""

    raised_by: Id | None = None


class WhisperBody(Input):
    """What rep and supervisors say among themselves. `to`: the rep whose flag it is about; without it, for supervisors, the first flag's."""

    to: Id | None = None
    text: Annotated[Words, Field(max_length=10_000)]


@call(
    "POST", "/sessions/{session_id}/flag", "Raise the flag", tag="supervision", body=FlagBody, answer=EntryShape, status=201,
    codes=("permission_denied", "not_a_participant", "session_not_active", "conferencing_controlled_by_salesforce", "flag_already_raised", "nothing_to_say"),
)  # fmt: skip
async def raise_flag(ask: Ask[FlagBody, Nothing]) -> EntryShape | Refusal:
    """Supervisors see it at once; the customer never, and other reps only where the org says so."""
    return await _entry_after(ask, RaiseFlag(by=ask.caller.login, text=ask.body.text))


@call(
    "DELETE", "/sessions/{session_id}/flag", "Lower the flag", tag="supervision", query=FlagQuery, answer=SessionShape,
    codes=("not_a_supervisor", "not_a_participant", "no_flag", "session_not_active", "conferencing_controlled_by_salesforce"),
)  # fmt: skip
async def lower_flag(ask: Ask[Nothing, FlagQuery]) -> SessionShape | Refusal:
    """By the rep who raised it, or a supervisor."""
    command = LowerFlag(by=ask.caller.login, raised_by=_login(ask.query.raised_by))
    answer = await ask.broker.command(ask.caller, ask.session_id, command, key=ask.key)
    return answer if isinstance(answer, Refusal) else session_of(answer.session, ask.caller, ask.directory)


@call(
    "POST", "/sessions/{session_id}/whispers", "Whisper", tag="supervision", body=WhisperBody, answer=EntryShape, status=201,
    codes=("not_a_supervisor", "not_a_participant", "no_flag", "session_not_active", "conferencing_controlled_by_salesforce"),
)  # fmt: skip
async def whisper(ask: Ask[WhisperBody, Nothing]) -> EntryShape | Refusal:
    """Between the rep who raised the flag and supervisors; the customer never sees it."""
    return await _entry_after(ask, Whisper(by=ask.caller.login, to=_login(ask.body.to), text=ask.body.text))


async def _entry_after(ask: Ask[FlagBody, Nothing] | Ask[WhisperBody, Nothing], command: Asked) -> EntryShape | Refusal:
    answer = await ask.broker.command(ask.caller, ask.session_id, command, key=ask.key)
    if isinstance(answer, Refusal):
        return answer
    if answer.entry is None:
        raise ValueError("a flag and a whisper answer with their entry")
    return entry_of(answer.entry)


def _login(given: str | None) -> Login | None:
    return Login(given) if given is not None else None


CALLS: Final[tuple[Call, ...]] = (raise_flag, lower_flag, whisper)
