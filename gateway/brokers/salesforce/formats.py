"""Words both ways: what a rep said, for the customer; what a customer said, for the org. Pure, and total: no value makes them raise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from adapters.contract import Capabilities
from adapters.envelope import Part
from gateway.brokers.salesforce.events import Choice, File, Said


@dataclass(frozen=True, slots=True)
class Spoken:
    """What the customer is to be told: `texts`, then `files`. Neither: the message holds nothing that the channel can say, and the org should be
    told so (`delivery_failed`)."""

    texts: tuple[str, ...] = ()
    files: tuple[File, ...] = ()


def parts_for_customer(said: Said, capabilities: Capabilities, *, kind: str) -> Spoken:
    """A rep's message in the channel's own marks. `kind` is the adapter's (`whatsapp`): it decides on marks. Choices are numbered lines below the text, forms
    their questions; a file that the channel's rules can't carry by its type is a line with its address. Lengths are left to `adapters.text.prepare`."""
    raise NotImplementedError


def chosen(text: str, choices: Sequence[Choice]) -> Choice | None:
    """The choice that a customer's text names by its number (`2`, `2.`, `#2`) or its title, in any letter case; None: it is an ordinary text."""
    raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Interaction:
    """The body of a `Call` with the operation `interaction`. `media_id`: the file that it sends, for an AttachmentInteraction."""

    body: dict[str, Any] = field(repr=False)
    media_id: str | None = None


def interactions(parts: Iterable[Part], *, answers: str | None = None, choices: Sequence[Choice] = ()) -> list[Interaction]:
    """A customer's message as interactions, in order; ids and times are added when it is sent.

    `answers`: the org's id of the message that it replies to; with it a choice (a ChoicePart, or a text that `chosen` finds in that message's `choices`)
    is a ChoicesResponseMessage. A file whose `media_id` is set is an AttachmentInteraction with its caption as text; all else is text.
    """
    raise NotImplementedError


def text(words: str, *, answers: str | None = None) -> Interaction:
    """Plain words as a message of the customer: an edit, a deletion, a reaction."""
    raise NotImplementedError


def typing(on: bool) -> Interaction:
    """The customer began or ceased to type."""
    raise NotImplementedError


def delivery_failed(entry_id: str, code: str, sentence: str = "") -> Interaction:
    """The message of this entry did not reach the customer. `code` is ours, one of `adapters.replies.CODES`."""
    raise NotImplementedError


def acknowledgement(kind: Literal["delivered", "read"], entry_id: str, at_ms: int) -> dict[str, Any]:
    """One of the `acknowledgements` of a `Call` with that operation, which has at most 25."""
    raise NotImplementedError
