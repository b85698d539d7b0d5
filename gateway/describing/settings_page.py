"""Writes docs/settings.md from the models themselves: a table of every setting but the adapters' own, which docs/channels.md has.

`byoc example-config --table > docs/settings.md` regenerates the page; a test compares it.
"""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from gateway.config import GatewayConfig

_HEAD: Final = """\
# Settings

This page lists every setting, as printed by `byoc example-config --table`. The settings of a channel's `account` differ by kind and are in [channels.md](channels.md).
[configuration.md](configuration.md) explains how to configure the gateway, and `config/gateway.example.yaml` shows all settings in place.
"""
_BEHIND: Final = ("account",)  # its settings are in the channels' own tables


def settings_page() -> str:
    """The whole page."""
    sections = _sections("", GatewayConfig, set())
    return _HEAD + "".join("\n" + "\n".join(_table(*section)) + "\n" for section in sections)


Section: typing.TypeAlias = tuple[str, str, type[BaseModel]]


def _sections(place: str, model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[Section]:
    title = f"`{place}`" if place else "The gateway"
    yield title, (model.__doc__ or "").strip().split("\n\n")[0].replace("\n", " "), model
    yield from _nested(place, model, seen)


def _nested(place: str, model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[Section]:
    for name, field in model.model_fields.items():
        for inner in models_in(field.annotation):
            if inner not in seen and not field.exclude:
                seen.add(inner)
                many = typing.get_origin(field.annotation) is dict
                yield from _sections(".".join(filter(None, [place, name, "ID" if many else ""])), inner, seen)


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The groups of settings that a setting of this type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in typing.get_args(annotation) for model in models_in(inner)]


def _table(title: str, intro: str, model: type[BaseModel]) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    yield intro
    yield ""
    yield "| setting | default | meaning |"
    yield "| --- | --- | --- |"
    for name, field in model.model_fields.items():
        if not field.exclude:
            yield f"| `{name}` | {_default(name, field)} | {_cell(field.description or '')} |"


def _default(name: str, field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined or value is None or value == "" or name in _BEHIND:
        return "none"
    if isinstance(value, BaseModel):
        return "see below"
    if isinstance(value, set | frozenset):
        value = sorted(value)
    if isinstance(value, list | tuple | dict):
        return f"`{_cell(json.dumps(value, ensure_ascii=False, default=str))}`" if value else "none"
    return (
        f"`{_cell(str(value).lower() if isinstance(value, bool) else f'{value:g}' if isinstance(value, float) else str(value))}`"
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
