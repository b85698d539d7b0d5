"""Words both ways: what a rep said, for the customer; what a customer said, for the org. Pure, and total: no value makes them raise."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from adapters.contract import Capabilities
from adapters.envelope import ChoicePart, LocationPart, MediaPart, MediaState, Part, StickerPart
from gateway.brokers.salesforce import markdown
from gateway.brokers.salesforce.events import Choice, File, Said

_MOST_TITLE: Final = 255  # characters of an option's title that are sent back
_NUMBER: Final = re.compile(r"\s*[#(]?\s*(\d{1,3})\s*[.):]?\s*", re.ASCII)


# -------------------------------------------------------------------------------------------------------- to the customer


@dataclass(frozen=True, slots=True)
class Spoken:
    """What the customer is to be told: `texts`, then `files`. Neither: the message holds nothing that the channel can say, and the org should be
    told so (`delivery_failed`)."""

    texts: tuple[str, ...] = ()
    files: tuple[File, ...] = ()


def parts_for_customer(said: Said, capabilities: Capabilities, *, kind: str) -> Spoken:
    """A rep's message in the channel's own marks. `kind` is the adapter's (`whatsapp`): it decides on marks. Choices are numbered lines below the text, forms
    their questions; where the channel carries no files at all, they are lines with their addresses. There is one text at most, and its length is left to
    `adapters.text.prepare`. Which files may be shown as lines (`links.shows_strange_link`) is decided before."""
    linked = said.files if not capabilities.files else ()
    blocks = [
        markdown.rendered(said.text, kind).strip(),
        "\n".join(f"{number}. {_option(one)}" for number, one in enumerate(said.choices, 1)),
        "\n".join(f"- {question}" for question in said.form),
        "\n".join(f"{file.name}: {file.url}" for file in linked),
    ]
    text = "\n\n".join(block for block in blocks if block.strip())
    return Spoken((text,) if text else (), () if linked else said.files)


def _option(choice: Choice) -> str:
    return f"{choice.title} – {choice.subtitle}" if choice.subtitle else choice.title


def chosen(text: str, choices: Sequence[Choice]) -> Choice | None:
    """The choice that a customer's text names by its number (`2`, `2.`, `#2`) or its title, in any letter case; None: it is an ordinary text. A title
    that two choices have names none of them, and one that is a number counts before the place."""
    words = " ".join(text.split()).casefold()
    named = [one for one in choices if " ".join(one.title.split()).casefold() == words]
    if named:
        return named[0] if len(named) == 1 else None
    number = _NUMBER.fullmatch(text)
    place = int(number[1]) if number else 0
    return choices[place - 1] if 0 < place <= len(choices) else None


# ------------------------------------------------------------------------------------------------------------- to the org


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
    return [made for part in parts if (made := _interaction(part, answers, choices)) is not None]


def _interaction(part: Part, answers: str | None, choices: Sequence[Choice]) -> Interaction | None:
    file = part.media if isinstance(part, StickerPart) else part
    if isinstance(file, MediaPart) and file.media_id is not None and file.state is not MediaState.failed:
        return Interaction({"interactionType": "AttachmentInteraction", "text": file.caption or None}, file.media_id)
    option = _answer(part, choices) if answers else None
    if option is not None:
        return _chosen(option, str(answers))
    words = _words(part)
    return text(words, answers=answers) if words.strip() else None


def _answer(part: Part, choices: Sequence[Choice]) -> Choice | None:
    if isinstance(part, ChoicePart):
        named = next((one for one in choices if one.id == part.id), None)
        return named or chosen(part.title, choices)
    return chosen(part.text, choices) if part.type == "text" else None


def _chosen(option: Choice, answers: str) -> Interaction:
    title = {"itemType": "TitleItem", "title": option.title[:_MOST_TITLE]}
    picked = {"optionIdentifier": option.id, "optionTitle": title}
    response = {"formatType": "Selections", "selectedOptions": [picked]}
    message = {"messageType": "ChoicesResponseMessage", "inReplyToMessageId": answers, "choicesResponse": response}
    return _entry("Message", abstractMessage=message)


def _words(part: Part) -> str:
    """In plain text, with what a rep can use: a map for a place, the answers of a form."""
    if isinstance(part, LocationPart):
        place = f"{part.latitude:.6f}&mlon={part.longitude:.6f}"
        return f"{part.plain}\nhttps://www.openstreetmap.org/?mlat={place}"
    if isinstance(part, ChoicePart):
        lines = [f"{name}: {value}" for name, value in part.fields.items()]
        return "\n".join(filter(None, [part.title, part.description, *lines]))
    return part.plain


def text(words: str, *, answers: str | None = None) -> Interaction:
    """Plain words as a message of the customer: an edit, a deletion, a reaction."""
    message: dict[str, Any] = {"messageType": "StaticContentMessage", "staticContent": {"formatType": "Text", "text": words}}
    return _entry("Message", abstractMessage={**message, "inReplyToMessageId": answers} if answers else message)


def form_answers(fields: Mapping[str, str], *, answers: str) -> Interaction:
    """A form that was filled in: the answers by the ids of its inputs. For channels that show Salesforce's forms; none does so far."""
    values = [
        {"inputValueType": "SingleInputValue", "inputId": name, "value": {"valueType": "TextValue", "textValue": value}}
        for name, value in fields.items()
    ]
    response = {"formatType": "Inputs", "inputValues": values}
    message = {"messageType": "FormResponseMessage", "inReplyToMessageId": answers, "formResponse": response}
    return _entry("Message", abstractMessage=message)


def typing(on: bool) -> Interaction:
    """The customer began or ceased to type."""
    return _entry("TypingStartedIndicator" if on else "TypingStoppedIndicator")


def delivery_failed(entry_id: str, code: str, sentence: str = "") -> Interaction:
    """The message of this entry did not reach the customer. `code` is ours, one of `adapters.replies.CODES`."""
    failed: dict[str, Any] = {"failedConversationEntryIdentifier": entry_id, "errorCode": code or "refused"}
    return _entry("MessageDeliveryFailed", **failed, **({"errorMessage": sentence} if sentence else {}))


def _entry(kind: str, **members: Any) -> Interaction:
    return Interaction({"interactionType": "EntryInteraction", "payload": {"entryType": kind, **members}})


def acknowledgement(kind: Literal["delivered", "read"], entry_id: str, at_ms: int) -> dict[str, Any]:
    """One of the `acknowledgements` of a `Call` with that operation, which has at most 25."""
    return {
        "acknowledgementType": "Delivered" if kind == "delivered" else "Read",
        "acknowledgedConversationEntryIdentifier": entry_id,
        "acknowledgementTimestamp": str(at_ms),
    }
