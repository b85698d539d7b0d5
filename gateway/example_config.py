"""Writes config/gateway.example.yaml from the models themselves: every setting, with its meaning, default and place.

`byoc example-config > config/gateway.example.yaml` renews the file; a test holds it true and loads it.
"""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from adapters import registry
from adapters.contract import Adapter
from gateway.config import (
    ChannelConfig,
    FlowConfig,
    GatewayConfig,
    OrgConfig,
    QueueConfig,
    RepConfig,
)
from gateway.session.model import OrgSettings

_HEAD: Final = """\
# Every setting of the gateway. What stands behind a `#` is the default: take the `#` away to change it.
# ${NAME} is an environment variable, ${file:/run/secrets/x} the content of a file: keep secrets there, not here.
# `byoc check --config FILE` tells every fault at once.
"""

_PEOPLE: Final = {
    "reps": ("ana", RepConfig, {"name": "Ana", "tokens": ["${ANA_TOKEN}"]}),
    "queues": ("support", QueueConfig, {"name": "Support", "reps": ["ana"]}),
    "flows": ("escalate", FlowConfig, {"name": "Escalate", "rules": [{"to": {"type": "queue", "id": "support"}}]}),
}


def example() -> str:
    """The whole file."""
    return _HEAD + "\n".join(_gateway()) + "\n"


def _gateway() -> Iterator[str]:
    given = {"public_url": "https://byoc.example.com"}
    for name, field in GatewayConfig.model_fields.items():
        if name == "orgs":
            yield from _orgs(field)
        elif name == "channels":
            yield from _channels(field)
        else:
            yield from _setting(name, field, given, "")


def _orgs(field: FieldInfo) -> Iterator[str]:
    yield f"\n# {field.description}"
    yield "orgs:"
    yield "  acme:"
    for name, one in OrgConfig.model_fields.items():
        yield f"    # {one.description}"
        yield f"    {name}:"
        if name == "settings":
            for key, setting in OrgSettings.model_fields.items():
                yield from _setting(key, setting, {}, "      ", optional_model=True)
            yield "      conference_limit: 6"
            continue
        key, model, given = _PEOPLE[name]
        yield f"      {key}:"
        for sub, setting in model.model_fields.items():
            yield from _setting(sub, setting, given, "        ")


def _channels(field: FieldInfo) -> Iterator[str]:
    yield f"\n# {field.description}"
    yield "channels:"
    for kind, adapter in registry.load().items():
        yield f"\n  # {adapter.title}"
        yield f"  {kind}:"
        for name, one in ChannelConfig.model_fields.items():
            if name == "account":
                yield f"    # {one.description}"
                yield "    account:"
                yield from _account(kind, adapter)
            else:
                given = {"kind": kind, "org": "acme", "queue": "support"}
                yield from _setting(name, one, given, "    ")


def _account(kind: str, adapter: Adapter[Any]) -> Iterator[str]:
    made_up = adapter.demo(kind, "https://api.example.com", f"https://byoc.example.com/webhooks/{kind}")
    wrote = False
    for name, field in adapter.account.model_fields.items():
        if field.exclude:
            continue
        given = {}
        if field.is_required() or (_is_secret(field.annotation) and name in made_up):
            wrote = True
            given = {name: _secret(kind, name, field, made_up[name]) if _is_secret(field.annotation) else made_up[name]}
        yield from _setting(name, field, given, "      ")
    if not wrote:
        yield "      {}"


def _secret(kind: str, name: str, field: FieldInfo, value: Any) -> Any:
    reference = "${" + f"{kind}_{name}".upper().replace("-", "_") + "}"
    return [reference] if isinstance(value, list | tuple) else reference


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(_is_secret(inner) for inner in typing.get_args(annotation))


def _setting(name: str, field: FieldInfo, given: dict[str, Any], indent: str, *, optional_model: bool = False) -> Iterator[str]:
    if field.description:
        yield f"{indent}# {field.description}"
    if name in given:
        yield f"{indent}{name}: {_plain(given[name])}"
        return
    nested = field.annotation
    if isinstance(nested, type) and issubclass(nested, BaseModel) and not optional_model:
        yield f"{indent}# {name}:"
        for key, one in nested.model_fields.items():
            told = f"   {one.description}" if one.description else ""
            yield f"{indent}#   {key}: {_plain(_default(one))}{'  #' + told if told else ''}"
        return
    yield f"{indent}# {name}: {_plain(_default(field))}"


def _default(field: FieldInfo) -> Any:
    value = field.get_default(call_default_factory=True, validated_data={})
    return None if value is PydanticUndefined else value


def _plain(value: Any) -> str:
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if isinstance(value, set | frozenset):
        value = sorted(value)
    return json.dumps(value, default=str, ensure_ascii=False)
