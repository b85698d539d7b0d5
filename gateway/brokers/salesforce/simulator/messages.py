"""What an `abstractMessage` of a customer comes to.

An end user sends StaticContentMessage (Text, Links, ExperienceType), ChoicesResponseMessage (Selections) and FormResponseMessage (Inputs). A file goes by an
AttachmentInteraction; static content with Attachments, which are files at public addresses, is for history.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.brokers.salesforce.simulator.checking import BAD_PARAMETER, Json, list_of, object_of, optional_text, refused, text_of
from gateway.brokers.salesforce.simulator.contract import Chosen, Content, Filled, Link, Text

FORMATS: Final = {
    "StaticContentMessage": frozenset(
        {"Text", "Attachments", "Links", "RichLink", "Media", "WebView", "Application", "ExperienceType", "MessageDefinition"}
    ),
    "ChoicesMessage": frozenset({"Buttons", "QuickReplies", "Carousel", "ListPicker", "TimePicker", "MessageDefinition"}),
    "ChoicesResponseMessage": frozenset({"Selections"}),
    "FormMessage": frozenset({"Inputs", "Flow", "MessageDefinition"}),
    "FormResponseMessage": frozenset({"Inputs", "Result"}),
}
"""Message types, each with the formats that go with it."""
FORMAT_TYPES: Final = frozenset().union(*FORMATS.values())

_FROM_CUSTOMERS: Final = frozenset({"StaticContentMessage", "ChoicesResponseMessage", "FormResponseMessage"})
_INBOUND_STATIC: Final = frozenset({"Text", "Links", "ExperienceType", "Attachments"})


def format_of(message_type: str, content: Json) -> str:
    """The `formatType` of a message's content. Refuses with 10048 and 10049."""
    found = content.get("formatType")
    if not isinstance(found, str) or found not in FORMAT_TYPES:
        raise refused(10048, f"formatType {found!r} is not known")
    if found not in FORMATS[message_type]:
        raise refused(10049, f"{message_type} can't have the format {found}")
    return found


def message_type_of(message: Json) -> str:
    """The `messageType`. Refuses with 10047."""
    found = message.get("messageType")
    if not isinstance(found, str) or found not in FORMATS:
        raise refused(10047, f"messageType {found!r} is not known")
    return found


def said(message: Json, *, history: bool = False) -> Content:
    """The content of an `abstractMessage`. `history`: attachments by address are taken, too."""
    kind = message_type_of(message)
    if kind not in _FROM_CUSTOMERS:
        raise refused(10062, f"An end user can't send {kind}")
    if kind == "ChoicesResponseMessage":
        return _chosen(object_of(message, "choicesResponse"))
    if kind == "FormResponseMessage":
        return _filled(object_of(message, "formResponse"))
    return _static(object_of(message, "staticContent"), history)


def _static(content: Json, history: bool) -> Content:
    kind = format_of("StaticContentMessage", content)
    if kind not in _INBOUND_STATIC or (kind == "Attachments" and not history):
        raise refused(10049, f"An end user can't send static content with the format {kind}")
    if kind == "Text":
        return Text(text_of(content, "text"))
    if kind == "Links":
        (link,) = list_of(content, "links", most=1)
        return Link(text_of(link, "url"))
    if kind == "Attachments":
        first, *_ = list_of(content, "attachments")
        for name in ("id", "name", "mimeType"):
            text_of(first, name)
        return Link(text_of(first, "url"))
    list_of(content, "values")
    return Text(optional_text(content, "message") or "")


def _chosen(response: Json) -> Chosen:
    if format_of("ChoicesResponseMessage", response) != "Selections":
        raise refused(10049, "choicesResponse must have the format Selections")
    return Chosen(tuple(_option(one) for one in list_of(response, "selectedOptions")))


def _option(option: Json) -> tuple[str, str]:
    title = option.get("optionTitle")
    return text_of(option, "optionIdentifier"), (optional_text(title, "title") or "") if isinstance(title, dict) else ""


def _filled(response: Json) -> Filled:
    if format_of("FormResponseMessage", response) != "Inputs":
        raise refused(10049, "An end user's formResponse must have the format Inputs")
    return Filled(tuple((text_of(one, "inputId"), _value(one)) for one in list_of(response, "inputValues", least=0)))


def _value(answer: Json) -> str:
    kind = answer.get("inputValueType")
    if kind == "SelectedOptionsInputValue":
        options = [_option(one) for one in list_of(answer, "selectedOptions", least=0)]
        return ", ".join(title or id for id, title in options)
    if kind != "SingleInputValue":
        raise refused(BAD_PARAMETER, f"inputValueType {kind!r} is not known")
    value = object_of(answer, "value")
    value_type = text_of(value, "valueType")
    name = value_type[:1].lower() + value_type[1:]  # TextValue has textValue, and so on
    held: Any = value.get(name)
    if held is None:
        raise refused(BAD_PARAMETER, f"{name} is required")
    return str(held)
