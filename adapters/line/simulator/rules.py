"""What LINE refuses in a request to send messages, with the words that it uses.

Each rule is a function of a value and its place (`messages[0].text`) that gives the faults it finds. Limits are those of "Messaging
API reference" (Message objects, Action objects) and messaging-api.yml in github.com/line/line-openapi. What a template, flex
message or image map holds inside is looked at no closer than its size.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from adapters.text import measure

Fault: TypeAlias = tuple[str, str]  # property, message
Rule: TypeAlias = Callable[[Any, str], list[Fault]]


@dataclass(frozen=True)
class Field:
    """A field's rule, and whether it must be there."""

    rule: Rule
    needed: bool = True


def faults_of_push(body: Mapping[str, Any]) -> list[Fault]:
    """All faults of a push request."""
    return _fields(_PUSH, body, "")


def faults_of_reply(body: Mapping[str, Any]) -> list[Fault]:
    """All faults of a reply request."""
    return _fields(_REPLY, body, "")


def faults_of_messages(body: Mapping[str, Any]) -> list[Fault]:
    """All faults of a request to check messages without sending them."""
    return _fields({"messages": Field(_message_list)}, body, "")


def faults_of_loading(body: Mapping[str, Any]) -> list[Fault]:
    """All faults of a request for the loading animation."""
    return _fields({"chatId": Field(_text()), "loadingSeconds": Field(_loading_seconds, needed=False)}, body, "")


def faults_of_mark_as_read(body: Mapping[str, Any]) -> list[Fault]:
    """All faults of a request to mark messages as read."""
    return _fields({"markAsReadToken": Field(_text())}, body, "")


def _fields(fields: Mapping[str, Field], value: Any, place: str) -> list[Fault]:
    if not isinstance(value, dict):
        return [(place, "must be an object")]
    found = []
    for name, given in value.items():
        inside = f"{place}.{name}" if place else name
        if name not in fields:
            found.append((inside, "unknown property"))
        elif given is not None:
            found += fields[name].rule(given, inside)
    missing = [name for name, one in fields.items() if one.needed and value.get(name) is None]
    return found + [(f"{place}.{name}" if place else name, "May not be empty") for name in missing]


# ---------------------------------------------------------------------------------------------- kinds of values


def _text(limit: int = 100_000, *, least: int = 1) -> Rule:
    def rule(value: Any, place: str) -> list[Fault]:
        if not isinstance(value, str):
            return [(place, "must be a string")]
        if least and not value:
            return [(place, "May not be empty")]
        return [] if measure(value, "utf16") <= limit else [(place, f"Length must be between 0 and {limit}")]

    return rule


def _url(value: Any, place: str) -> list[Fault]:
    faults = _text(2000)(value, place)
    return faults if faults or _is_secure(value) else [(place, "invalid uri scheme")]


def _is_secure(url: str) -> bool:
    """https alone, except from this machine: a demo has no certificate."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1"))


def _flag(value: Any, place: str) -> list[Fault]:
    return [] if isinstance(value, bool) else [(place, "must be a boolean")]


def _whole(value: Any, place: str) -> list[Fault]:
    sound = isinstance(value, int) and not isinstance(value, bool) and value > 0
    return [] if sound else [(place, "must be a positive integer")]


def _degrees(limit: int) -> Rule:
    def rule(value: Any, place: str) -> list[Fault]:
        sound = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= limit
        return [] if sound else [(place, f"must be between -{limit} and {limit}")]

    return rule


def _object(value: Any, place: str) -> list[Fault]:
    return [] if isinstance(value, dict) else [(place, "must be an object")]


def _list(rule: Rule, least: int, most: int) -> Rule:
    def check(value: Any, place: str) -> list[Fault]:
        if not isinstance(value, list):
            return [(place, "must be an array")]
        if not least <= len(value) <= most:
            return [(place, f"Size must be between {least} and {most}")]
        return [fault for n, one in enumerate(value) for fault in rule(one, f"{place}[{n}]")]

    return check


def _shape(**fields: Field) -> Rule:
    return lambda value, place: _fields(fields, value, place)


def _loading_seconds(value: Any, place: str) -> list[Fault]:
    sound = isinstance(value, int) and not isinstance(value, bool) and 5 <= value <= 60 and value % 5 == 0
    return [] if sound else [(place, "must be a multiple of 5 between 5 and 60")]


# ------------------------------------------------------------------------------------------------------ messages


def _need(rule: Rule) -> Field:
    return Field(rule)


def _may(rule: Rule) -> Field:
    return Field(rule, needed=False)


def _name(value: Any, place: str) -> list[Fault]:
    """LINE names only "LINE" of the words that it forbids; as a word in any case, and in capitals anywhere."""
    faults = _text(20)(value, place)
    if not faults and ("LINE" in value or re.search(r"\bline\b", value, re.IGNORECASE)):
        faults = [(place, "invalid name")]
    return faults


def _action(value: Any, place: str) -> list[Fault]:
    known = isinstance(value, dict) and value.get("type") in _ACTIONS
    if not known:
        return [(f"{place}.type", f"Must be one of the following values: [{', '.join(_ACTIONS)}]")]
    return _fields({"type": _need(_text()), "label": _may(_text(20)), **_ACTIONS[value["type"]]}, value, place)


_ACTIONS: Final[Mapping[str, Mapping[str, Field]]] = {
    "postback": {
        "data": _need(_text(300)),
        "displayText": _may(_text(300)),
        "text": _may(_text(300)),
        "inputOption": _may(_text()),
        "fillInText": _may(_text(300)),
    },
    "message": {"text": _need(_text(300))},
    "uri": {"uri": _need(_text(1000)), "altUri": _may(_object)},
    "datetimepicker": {
        "data": _need(_text(300)),
        "mode": _need(_text()),
        "initial": _may(_text()),
        "max": _may(_text()),
        "min": _may(_text()),
    },
    "camera": {},
    "cameraRoll": {},
    "location": {},
    "clipboard": {"clipboardText": _need(_text(1000))},
    "richmenuswitch": {"richMenuAliasId": _need(_text(32)), "data": _need(_text(300))},
}

_QUICK_REPLY: Final = _shape(
    items=_need(_list(_shape(type=_need(_text()), imageUrl=_may(_url), action=_need(_action)), 1, 13)),
)
_COMMON: Final = {
    "type": _need(_text()),
    "quickReply": _may(_QUICK_REPLY),
    "sender": _may(_shape(name=_may(_name), iconUrl=_may(_url))),
}
_EMOJI: Final = _shape(index=_may(lambda value, place: []), productId=_need(_text()), emojiId=_need(_text()))
_MESSAGES: Final[Mapping[str, Mapping[str, Field]]] = {
    "text": {"text": _need(_text(5000)), "emojis": _may(_list(_EMOJI, 0, 20)), "quoteToken": _may(_text())},
    "textV2": {"text": _need(_text(5000)), "substitution": _may(_object), "quoteToken": _may(_text())},
    "sticker": {"packageId": _need(_text()), "stickerId": _need(_text()), "quoteToken": _may(_text())},
    "image": {"originalContentUrl": _need(_url), "previewImageUrl": _need(_url)},
    "video": {
        "originalContentUrl": _need(_url),
        "previewImageUrl": _need(_url),
        "trackingId": _may(lambda v, p: _tracking(v, p)),
    },
    "audio": {"originalContentUrl": _need(_url), "duration": _need(_whole)},
    "location": {
        "title": _need(_text(100)),
        "address": _need(_text(100)),
        "latitude": _need(_degrees(90)),
        "longitude": _need(_degrees(180)),
    },
    "imagemap": {
        "baseUrl": _need(_url),
        "altText": _need(_text(1500)),
        "baseSize": _need(_object),
        "actions": _need(_list(_object, 1, 50)),
        "video": _may(_object),
    },
    "template": {"altText": _need(_text(1500)), "template": _need(_object)},
    "flex": {"altText": _need(_text(1500)), "contents": _need(_object)},
    "coupon": {"couponId": _need(_text()), "deliveryTag": _may(_text(30))},
}


def _tracking(value: Any, place: str) -> list[Fault]:
    faults = _text(100)(value, place)
    return faults or ([] if re.fullmatch(r"[-A-Za-z0-9.=,+*()%$&;:@{}!?<>\[\]]+", value) else [(place, "invalid character")])


def _message(value: Any, place: str) -> list[Fault]:
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in _MESSAGES:
        return [(f"{place}.type", f"Must be one of the following values: [{', '.join(_MESSAGES)}]")]
    return _fields({**_COMMON, **_MESSAGES[kind]}, value, place)


_message_list: Final = _list(_message, 1, 5)
_REPLY: Final = {
    "replyToken": _need(_text()),
    "messages": _need(_message_list),
    "notificationDisabled": _may(_flag),
}
_PUSH: Final = {
    "to": _need(_text()),
    "messages": _need(_message_list),
    "notificationDisabled": _may(_flag),
    "customAggregationUnits": _may(_list(_text(30), 0, 1)),
}
