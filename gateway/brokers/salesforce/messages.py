"""An `abstractMessage` → what it says. Total: whatever the value, there is a `Said`, with the best plain words that are in it.

A form's questions and a picker's times are written out, since no channel has Salesforce's own forms. Pictures that only decorate choices or links are left out.
Source: Salesforce's published schema of the outbound event (github.com/salesforce-misc/interaction-service-apis).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Final, TypeAlias

from adapters.reading import dict_of, list_of, optional
from gateway.brokers.salesforce.events import Choice, File, Said

Json: TypeAlias = dict[str, Any]

_MOST: Final = 100  # of choices, files, questions: no format of Salesforce's has nearly as many
_MOST_MINUTES: Final = 24 * 60
# Where the words are, by the message's type; a type that isn't known is searched for a member with a format.
_CONTENTS: Final = ("staticContent", "choices", "form", "formResponse")


def said_of(message: Mapping[str, Any]) -> Said:
    """What the message says. Nothing at all (no text, no files) where it only refers to a component whose words aren't in it."""
    content = next((found for key in _CONTENTS if (found := dict_of(message.get(key)))), None) or _formatted(message)
    read = _READERS.get(optional(content, "formatType") or "", _unknown)
    said = read(content)
    return said.model_copy(update={"reply_to": optional(dict(message), "inReplyToMessageId")})


def _formatted(message: Mapping[str, Any]) -> Json:
    found = (value for value in message.values() if isinstance(value, dict) and "formatType" in value)
    return next(found, dict(message))


# ------------------------------------------------------------------------------------------------------ static content


def _text(content: Json) -> Said:
    """With the sources that an AI agent cites, a line each."""
    cited = [
        dict_of(dict_of(one).get("citedReference")) for one in _some(dict_of(content.get("citationContent")).get("citations"))
    ]
    sources = [_link(optional(one, "label"), optional(dict_of(one.get("link")), "url")) for one in cited]
    return Said(text=_lines(optional(content, "text"), *sources))


def _attachments(content: Json) -> Said:
    files = (
        _file(optional(one, "name"), optional(one, "mimeType"), optional(one, "url")) for one in _objects(content, "attachments")
    )
    return Said(text=_lines(optional(content, "text")), files=tuple(file for file in files if file is not None))


def _links(content: Json) -> Said:
    return Said(text=_lines(*(optional(one, "url") for one in _objects(content, "links"))))


def _rich_link(content: Json) -> Said:
    item = dict_of(content.get("linkItem"))
    return Said(text=_lines(optional(content, "text"), _link(_title(item.get("titleItem")), optional(item, "url"))))


def _media(content: Json) -> Said:
    asset = dict_of(content.get("mediaAsset"))
    name = optional(asset, "description") or optional(asset, "name")
    file = _file(name, optional(asset, "mimeType"), optional(asset, "assetUrl"))
    links = (_link(_title(one.get("titleItem")), optional(one, "url")) for one in _objects(content, "linkItems"))
    return Said(text=_lines(*links), files=(file,) if file is not None else ())


def _web_view(content: Json) -> Said:
    return Said(text=_lines(_link(_title(content.get("title")), optional(content, "url"))))


def _application(content: Json) -> Said:
    app = dict_of(content.get("application"))
    return Said(text=_lines(_title(app.get("message")) or optional(app, "name")))


def _experience(content: Json) -> Said:
    return Said(text=_lines(optional(content, "message")))


def _file(name: str | None, mime_type: str | None, url: str | None) -> File | None:
    return File(name=name or "file", mime_type=mime_type, url=url) if url else None


# ------------------------------------------------------------------------------------------------------------- choices


def _buttons(content: Json) -> Said:
    return Said(text=_lines(optional(content, "text")), choices=_options(content))


def _list_picker(content: Json) -> Said:
    return Said(text=_lines(optional(content, "title")), choices=_options(content))


def _carousel(content: Json) -> Said:
    """Each card's options are choices under the card's title; its links are lines."""
    lines: list[str | None] = [optional(content, "title")]
    choices: list[Choice] = []
    for card in _objects(content, "items"):
        title = _title(card.get("titleItem"))
        before = len(choices)
        for item in _objects(card, "interactionItems"):
            words = ": ".join(filter(None, [title, _title(item.get("titleItem"))]))
            option = optional(item, "optionIdentifier")
            if option:
                choices.append(Choice(id=option, title=words or option))
            elif url := optional(item, "url"):
                lines.append(_link(words, url))
        if len(choices) == before and title and not any(title in (line or "") for line in lines):
            lines.append(title)
    return Said(text=_lines(*lines), choices=tuple(choices[:_MOST]))


def _time_picker(content: Json) -> Said:
    event = dict_of(content.get("calendarEvent"))
    place = optional(dict_of(event.get("location")), "name")
    slots = _objects(event, "timeSlotOptionItems")
    offset = event.get("timezoneOffset")
    choices = [
        Choice(id=option, title=_time(optional(slot, "startTime"), offset), subtitle=_duration(slot.get("duration")))
        for slot in slots
        if (option := optional(slot, "optionIdentifier"))
    ]
    return Said(text=_lines(optional(event, "title"), place), choices=tuple(choices))


def _time(start: str | None, offset_minutes: object) -> str:
    """`2026-03-02 14:30`, by the event's own clock where it names one."""
    try:
        at = datetime.fromisoformat(start or "")
        if at.tzinfo is None:
            return f"{at:%Y-%m-%d %H:%M}"
        minutes = offset_minutes if isinstance(offset_minutes, int) and abs(offset_minutes) < _MOST_MINUTES else None
        local = at.astimezone(timezone(timedelta(minutes=minutes or 0)))
    except (ValueError, OverflowError):
        return start or "?"
    return f"{local:%Y-%m-%d %H:%M}" + (" UTC" if minutes is None else "")


def _duration(seconds: object) -> str | None:
    whole = isinstance(seconds, int | float) and not isinstance(seconds, bool) and 60 <= seconds < 1e7
    return f"{int(seconds) // 60} min" if whole else None  # type: ignore[call-overload]


def _definition(content: Json) -> Said:
    """A component by reference: of its words only the options' are here."""
    values = [(optional(one, "optionIdentifier"), dict_of(one.get("value"))) for one in _objects(content, "options")]
    choices = [Choice(id=option, title=optional(value, "textValue") or option) for option, value in values if option]
    return Said(text=_lines(optional(content, "text")), choices=tuple(choices))


def _options(content: Json) -> tuple[Choice, ...]:
    found = ((optional(one, "optionIdentifier"), dict_of(one.get("titleItem"))) for one in _objects(content, "optionItems"))
    return tuple(
        Choice(id=option, title=optional(item, "title") or option, subtitle=optional(item, "subTitle"))
        for option, item in found
        if option
    )


# --------------------------------------------------------------------------------------------------------------- forms


def _form(content: Json) -> Said:
    screen = dict_of(content.get("introScreen"))
    words: list[str | None] = [_title(content.get("formTitle")), optional(screen, "title"), optional(screen, "text")]
    questions: list[str] = []
    for section in _objects(content, "sections"):
        asked = dict_of(section.get("input"))
        if asked.get("inputType") == "StaticTitle":
            words.append(_title(asked.get("titleItem")))
        elif question := _question(asked):
            questions.append(question)
    return Said(text=_lines(*words), form=tuple(questions))


def _question(asked: Json) -> str:
    """`Size (small, large)`."""
    label = _title(asked.get("label")) or optional(asked, "hintText") or optional(asked, "placeholder") or ""
    items = _objects(asked, "optionItems")
    titles = [optional(dict_of(dict_of(one.get("optionItem", one)).get("titleItem")), "title") for one in items]
    options = ", ".join(filter(None, titles))
    return f"{label} ({options})".strip() if options else label


def _result(content: Json) -> Said:
    """What became of a form that was filled in; its errors aren't meant to be shown."""
    records = _objects(dict_of(content.get("result")), "records")
    return Said(text=_lines(*(optional(one, "resultMessage") for one in records)))


# --------------------------------------------------------------------------------------------------------------- words


def _unknown(content: Json) -> Said:
    """A format of which nothing is known: the words that formats usually have, and its options if it has some."""
    words = [optional(content, key) for key in ("title", "text", "message")]
    titles = [_title(content.get(key)) for key in ("title", "titleItem", "formTitle", "message")]
    url = optional(content, "url")
    return Said(text=_lines(*dict.fromkeys(filter(None, [*words, *titles, url]))), choices=_options(content))


def _title(value: object) -> str:
    """`Title – subtitle` of a title item."""
    item = dict_of(value)
    return " – ".join(filter(None, [optional(item, "title"), optional(item, "subTitle")]))


def _link(title: str | None, url: str | None) -> str | None:
    return f"{title}: {url}" if title and url and title != url else url or title


def _lines(*lines: str | None) -> str:
    return "\n".join(filter(None, lines))


def _some(value: object) -> list[Any]:
    return list_of(value)[:_MOST]


def _objects(content: Json, key: str) -> list[Json]:
    found: Iterable[Any] = _some(content.get(key))
    return [one for one in found if isinstance(one, dict)]


_READERS: Final[Mapping[str, Callable[[Json], Said]]] = {
    "Text": _text,
    "Attachments": _attachments,
    "Links": _links,
    "RichLink": _rich_link,
    "Media": _media,
    "WebView": _web_view,
    "Application": _application,
    "ExperienceType": _experience,
    "Buttons": _buttons,
    "QuickReplies": _buttons,
    "Carousel": _carousel,
    "ListPicker": _list_picker,
    "TimePicker": _time_picker,
    "Inputs": _form,
    "Result": _result,
    "MessageDefinition": _definition,
}
"""What is read, by format. `Selections` and `Flow` aren't said to customers; they, and what comes after them, give their plain words."""
