"""docs/channels.md, written from the adapters themselves: what each channel can do, and its settings.

`byoc channels --markdown > docs/channels.md` regenerates the page; a test compares it. Installed plug-ins are included.
"""

from __future__ import annotations

import importlib
import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from adapters import levels
from adapters.contract import Adapter, Capabilities, FileRule
from adapters.levels import Level

_HEAD: Final = """\
# Channels

What each channel can do, and its settings, generated from the adapters. Regenerate this page with
`byoc channels --markdown > docs/channels.md`. To add a channel, see [adding-a-channel.md](adding-a-channel.md).

✓ means that the channel supports it fully. Otherwise the cell gives a level:

| level | incoming | outgoing |
| --- | --- | --- |
| partly | Some of it arrives (receipts: some statuses). | Some types are sent as they are, or it is sent as a plain file. |
| degraded | It arrives as plain text; a voice message as audio. | It is sent in another form: as a link, as a separate message, or with the rep's name in the text. |
| dropped | No rep sees it. It is kept for operators. | It is left out. The rest of the message is sent. |
| rejected | The webhook is stuck, and operators see it. | The message fails, and the rep is told why. |
"""

_INBOUND: Final = {
    "message.text": "text",
    "message.image": "picture",
    "message.video": "video",
    "message.audio": "sound",
    "message.voice": "voice message",
    "message.file": "file",
    "message.location": "location",
    "message.contact": "contact card",
    "message.choice": "answer to buttons, lists, forms",
    "message.sticker": "sticker",
    "message.product": "product from the catalogue",
    "message.order": "order",
    "message.call": "missed call",
    "message.unknown": "anything else, as plain text",
    "reaction": "reaction",
    "edit": "changed message",
    "deletion": "deleted message",
    "typing": "typing",
    "receipt": "receipts",
    "ended": "the customer ends, blocks or opts out",
    "profile": "customer identifies themselves",
    "referral": "arrival through an ad or a link, without a message",
    "handover": "handover from another app",
    "unknown": "unknown events are kept",
}
_OUTBOUND: Final = {
    "say.text": "text",
    "say.image": "picture",
    "say.video": "video",
    "say.audio": "sound",
    "say.file": "file",
    "say.caption": "text with a file",
    "say.speaker": "speaker's name beside the text",
    "say.reply": "reply that quotes a message",
    "notice": "notice (who joined, left)",
    "typing": "typing",
}
_RECEIPTS: Final = ("sent", "delivered", "read", "failed")
_UNITS: Final = {"code_points": "characters", "utf16": "UTF-16 units", "bytes": "bytes"}
Adapters = Mapping[str, Adapter[Any]]


def page(adapters: Adapters) -> str:
    """The whole page."""
    parts = [_HEAD, *_matrices(adapters)]
    for kind, adapter in adapters.items():
        parts += _channel(kind, adapter)
    return "\n".join(parts)


# ------------------------------------------------------------------------------------------------- matrices


def _matrices(adapters: Adapters) -> Iterator[str]:
    yield "## Incoming\n"
    yield from _levels(adapters, _INBOUND, levels.inbound)
    yield "\nReceipts, if the channel has them:\n"
    yield from _table(
        ["", *_titles(adapters)],
        [[one, *("✓" if one in has.capabilities.receipts else "" for has in adapters.values())] for one in _RECEIPTS],
    )
    yield "\n## Outgoing\n"
    yield from _levels(adapters, _OUTBOUND, levels.outbound)
    yield "\nFiles by type, within the channel's size limits; a larger file is sent as a link:\n"
    yield from _levels(adapters, {one: _short(one) for one in levels.MEDIA_TYPES}, levels.media_types)
    yield ""
    yield "## Limits and behaviour\n"
    rows = [_manners(adapter) for adapter in adapters.values()]
    yield from _table(["", *_titles(adapters)], [[name, *(row[name] for row in rows)] for name in rows[0]] if rows else [])
    yield ""


def _titles(adapters: Adapters) -> list[str]:
    return [f"[{kind}](#{kind})" for kind in adapters]


def _levels(adapters: Adapters, names: Mapping[str, str], of: Callable[[Capabilities], Mapping[str, Level]]) -> Iterator[str]:
    found = [of(adapter.capabilities) for adapter in adapters.values()]
    own = {name: f"`{name}`" for one in found for name in one if name not in names}
    rows = [[word, *(_cell(one.get(name, Level.dropped)) for one in found)] for name, word in {**names, **own}.items()]
    yield from _table(["", *_titles(adapters)], rows)


def _cell(level: Level) -> str:
    return "✓" if level is Level.full else str(level)


def _short(mime_type: str) -> str:
    return f"`{mime_type}`" if len(mime_type) < 30 else "Word (`….wordprocessingml.document`)"


def _manners(adapter: Adapter[Any]) -> dict[str, str]:
    can = adapter.capabilities
    return {
        "longest text": f"{can.max_text:,} {_UNITS[can.text_unit]}",
        "text with a file": f"up to {can.max_caption:,}" if can.max_caption else "a separate message",
        "files": "<br>".join(map(_rule, can.files)) or "as links",
        "speaker's name": "shown by the channel"
        if can.speaker == "native"
        else f"`{can.speaker_prefix.format(name='Ana')}` before the text",
        "safe to resend": "yes" if can.retry_key else "sometimes" if adapter.retry_safe else "no",
        "answers allowed": f"within {_span(can.window)} of the customer's last message" if can.window else "always",
        "editions": ", ".join(can.editions),
        "rights": "chat" if can.chat else "messaging",
        "name and picture looked up": "yes" if adapter.profile else "no",
    }


def _rule(rule: FileRule) -> str:
    types_ = ", ".join(one.removesuffix("/*").rpartition("/")[2] for one in rule.mime_types) or "any type"
    return f"{rule.media}: {types_}, {_size(rule.max_bytes)}"


def _size(count: int) -> str:
    mega = count / 1_000_000 if count % 1_000_000 == 0 else count / 1_048_576
    return f"{mega:g} {'MB' if count % 1_000_000 == 0 else 'MiB'}" if mega >= 1 else f"{count / 1000:g} kB"


def _span(window: timedelta) -> str:
    hours = window.total_seconds() / 3600
    return f"{hours / 24:g} days" if hours >= 48 else f"{hours:g} h"


# ------------------------------------------------------------------------------------------------- channels


def _channel(kind: str, adapter: Adapter[Any]) -> Iterator[str]:
    yield f'<a id="{kind}"></a>\n'
    yield f"## {adapter.title} (`{kind}`)\n"
    yield f"{_about(adapter)}\n"
    yield from _table(["setting", "type", "default", "meaning"], _settings(adapter.account))
    yield ""


def _about(adapter: Adapter[Any]) -> str:
    """What the adapter's package says of itself."""
    module = adapter.account.__module__
    package = importlib.import_module(module.rpartition(".")[0] or module)
    return inspect.cleandoc(package.__doc__ or "").replace("|", "\\|")


def _settings(model: type[BaseModel], prefix: str = "") -> list[list[str]]:
    rows: list[list[str]] = []
    for name, field in model.model_fields.items():
        if field.exclude:
            continue
        nested = field.annotation
        if isinstance(nested, type) and issubclass(nested, BaseModel):
            rows += _settings(nested, f"{prefix}{name}.")
        else:
            rows.append([f"`{prefix}{name}`", _type(nested), _default(field), (field.description or "").replace("|", "\\|")])
    return rows


def _type(annotation: Any) -> str:
    """In the words of somebody who writes YAML."""
    plain = {str: "text", int: "number", float: "number", bool: "true or false", SecretStr: "secret", dict: "mapping"}
    if annotation in plain:
        return plain[annotation]
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{one}`" for one in inner)
    if origin is typing.Annotated:
        return _type(inner[0])
    if origin in (tuple, list, set, frozenset):
        return f"list of {_plural(_type(inner[0]))}"
    if origin is dict:
        return f"mapping of {_plural(_type(inner[1]))}"
    if origin in (typing.Union, types.UnionType):
        return " or ".join("nothing" if one is types.NoneType else _type(one) for one in inner)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"{{{', '.join(annotation.model_fields)}}}"
    return getattr(annotation, "__name__", "any").lower()


def _plural(word: str) -> str:
    return f"{word}s" if word.isalpha() else word


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**needed**"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value is PydanticUndefined or value in ((), {}, "", []):
        return ""
    if isinstance(value, tuple | list | frozenset | set):
        return f"`{', '.join(map(str, sorted(value) if isinstance(value, frozenset | set) else value))}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + " --- |" * len(head)
    for row in rows:
        yield f"| {' | '.join(row)} |"
