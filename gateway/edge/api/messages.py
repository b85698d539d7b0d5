"""What a rep says to the customer: messages with or without a file, typing, sending again."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from gateway.edge.api.call import Ask, Call, call
from gateway.edge.api.entry_shapes import EntryShape, entry_of
from gateway.edge.api.shapes import Shape
from gateway.edge.input import Input, Nothing, Number, Words
from gateway.edge.problems import Fault, invalid
from gateway.session.admission import not_in_it
from gateway.session.commands import SayToCustomer
from gateway.session.decision import Refusal

Text = Annotated[Words, Field(max_length=100_000)]


class MessageForm(Input):
    """A form's fields, beside its `file`; one of `text` and `file` must be there. `reply_to` is an entry's number."""

    text: Text | None = None
    reply_to: Number | None = None


class MessageBody(MessageForm):
    """A text. `reply_to` is the number of the entry that it answers."""

    text: Text


class TypingBody(Input):
    """Whether the caller is typing. Repeat it every few seconds while they are."""

    on: bool


@call(
    "POST", "/sessions/{session_id}/messages", "Send a message to the customer", tag="messages",
    body=MessageBody, form=MessageForm, answer=EntryShape, status=201,
    codes=("permission_denied", "not_a_participant", "session_not_active", "conferencing_controlled_by_salesforce", "entry_not_found", "nothing_to_say"),
)  # fmt: skip
async def say(ask: Ask[MessageForm, Nothing]) -> EntryShape | Refusal:
    """A text as JSON, or a form with a `file` and perhaps a text. It is stored when this answers; how it fares on its way to the
    customer is in the entry's `delivery`, and is reported by `delivery` events."""
    if ask.body.text is None and ask.file is None:
        raise invalid(Fault("/file", "required if there is no text", "form"))
    part = None
    if ask.file:
        seen = await ask.broker.session(ask.caller, ask.session_id)
        # Before the file is stored: nobody fills our disk by way of a session that they aren't in.
        refusal = seen if isinstance(seen, Refusal) else not_in_it(seen, ask.caller.login)
        if refusal is not None:
            return refusal
        part = await ask.broker.store_file(ask.caller, ask.file.name, ask.file.mime_type, ask.file.content)
    command = SayToCustomer(by=ask.caller.login, text=ask.body.text, file=part, reply_to=ask.body.reply_to)
    answer = await ask.broker.command(ask.caller, ask.session_id, command, key=ask.key)
    if isinstance(answer, Refusal):
        return answer
    if answer.entry is None:
        raise ValueError("a message answers with its entry")
    return entry_of(answer.entry)


@call(
    "POST", "/sessions/{session_id}/typing", "The caller started or stopped typing", tag="messages",
    body=TypingBody, codes=("not_a_participant", "session_not_active", "conferencing_controlled_by_salesforce"),
)  # fmt: skip
async def typing(ask: Ask[TypingBody, Nothing]) -> Shape | Refusal | None:
    """Told to the other reps and, where the channel can, to the customer; never stored (M5)."""
    return await ask.broker.typing(ask.caller, ask.session_id, ask.body.on)


@call(
    "POST", "/sessions/{session_id}/deliveries/{outbox_id}/resend", "Resend a failed message", tag="messages",
    codes=("not_a_participant", "message_not_found", "not_resendable"),
)  # fmt: skip
async def resend(ask: Ask[Nothing, Nothing]) -> Shape | Refusal | None:
    """For a delivery that is `failed`, `skipped` or `unknown`; with `unknown` the customer may come to see it twice, so ask them first."""
    answer = await ask.broker.resend(ask.caller, ask.session_id, ask.path["outbox_id"], key=ask.key)
    return answer if isinstance(answer, Refusal) else None


CALLS: Final[tuple[Call, ...]] = (say, typing, resend)
