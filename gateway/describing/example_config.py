"""Writes config/gateway.example.yaml from the models themselves: every setting, with its meaning, default and place.

`byoc example-config > config/gateway.example.yaml` regenerates the file; a test compares and loads it.
"""

from __future__ import annotations

import json
import re
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from adapters import registry
from adapters.contract import Account, Adapter
from gateway.config import (
    ChannelConfig,
    FlowConfig,
    GatewayConfig,
    OrgConfig,
    QueueConfig,
    RepConfig,
    SalesforceChannel,
    SalesforceOrg,
)
from gateway.session.model import OrgSettings

_HEAD: Final = """\
# Every setting of the gateway, as printed by `byoc example-config`; see docs/configuration.md.
#
# `# ` before a sentence explains the setting below it. `#` directly before a name is a setting at its default: remove the `#`
# to change it. Settings without `#` are required, or are examples.
#
# ${NAME} is an environment variable, ${file:/run/secrets/x} the content of a file: keep secrets there, not here.
# `byoc check --config FILE` reports every fault at once."""

_PEOPLE: Final[Mapping[str, Sequence[tuple[str, type[BaseModel], Mapping[str, Any]]]]] = {
    "reps": (
        ("ana", RepConfig, {"name": "Ana", "tokens": ["${ANA_TOKEN}"]}),
        ("sam", RepConfig, {"name": "Sam", "supervisor": True, "tokens": ["${SAM_TOKEN}"]}),
    ),
    "queues": (("support", QueueConfig, {"name": "Support", "reps": ["ana", "sam"]}),),
    "flows": (("refunds", FlowConfig, {"name": "Refunds"}),),
}
# Not a model's dump: what a flow can ask, and how a rule without `when` catches the rest.
_RULES: Final[Sequence[Mapping[str, Any]]] = (
    {
        "when": {
            "channels": ["whatsapp", "sms"],
            "locales": ["en"],
            "text_matches": "(?i)refund|invoice",
            "attributes": {"customer": "gold"},
            "referral": {
                "sources": ["ad", "link"],
                "ids": ["120208"],
                "refs": ["spring"],
                "groups": ["sales"],
                "products": ["LAMP-17"],
            },
            "hours": ["08:00", "18:00"],
            "weekdays": [0, 1, 2, 3, 4],
        },
        "to": {"type": "agent", "id": "ana"},
    },
    {"to": {"type": "queue", "id": "support"}},
)
# Shown commented out: their defaults are empty, so only an example shows the format.
_SHOWN: Final[Mapping[str, Any]] = {
    "issuer": "https://login.example.com/acme",
    "audience": "byoc",
    "org": "acme",
    "avatar_url": "https://www.example.com/ana.png",
    "trusted_proxies": ["10.0.0.0/8"],
    "allow_private_media_hosts": ["127.0.0.1:9000"],
    "media_secret": "${MEDIA_SECRET}",
    "notices": {"*": {"left": None}, "de": {"joined": "{name} ist jetzt da."}},
    "starters": [{"id": "order", "title": "Where is my order?"}],
    "prechat": [{"name": "topic", "kind": "select", "label": {"en": "It is about"}, "options": ["An order", "A return"]}],
    "welcome": {"en": "Hello! How can we help?"},
    "allowed_origins": ["https://shop.example.com"],
    "api_origins": ["https://desk.example.com"],
}
# The same, of settings whose names others have too.
_SHOWN_IN: Final[Mapping[type[BaseModel], Mapping[str, Any]]] = {
    SalesforceOrg: {
        "org_id": "00D000000000001",
        "instance_url": "https://example.my.salesforce.com",
        "scrt_url": "https://example.my.salesforce-scrt.com",
        "consumer_key": "${SALESFORCE_CONSUMER_KEY}",
        "username": "gateway@example.com",
        "private_keys": ["file:/run/secrets/salesforce.pem"],
        "event": "Byoc_Message__e",
        "event_type_field": "EventType__c",
        "event_payload_field": "Payload__c",
    },
    SalesforceChannel: {
        "org": "production",
        "address": "0b6a2b1e-3d0a-4b57-9d0b-6f6f0a1c2d3e",
        "definition": "Byoc_Apple",
    },
}
_WIDTH: Final = 118


def own_adapters() -> dict[str, Adapter[Any]]:
    """Those that come with the gateway: the example file in the source shows them alone, whatever plug-ins are installed."""
    return {kind: one for kind, one in registry.load().items() if one.account.__module__.startswith("adapters.")}


def example(adapters: Mapping[str, Adapter[Any]] | None = None) -> str:
    """The whole file, with one channel for each adapter (None: all that are installed)."""
    lines = [_HEAD, *_gateway(registry.load() if adapters is None else adapters)]
    return "\n".join(lines) + "\n"


def _gateway(adapters: Mapping[str, Adapter[Any]]) -> Iterator[str]:
    given = {"public_url": "https://byoc.example.com"}
    for name, field in GatewayConfig.model_fields.items():
        yield ""
        if name == "salesforce":
            yield from _salesforce(name, field)
        elif name == "orgs":
            yield from _orgs(field)
        elif name == "channels":
            yield from _channels(field, adapters)
        else:
            yield from _setting(name, field, given, "")


def _salesforce(name: str, field: FieldInfo) -> Iterator[str]:
    """An org that isn't there by default, as it could look, behind `# ` as a whole."""
    yield from _told(f"{field.description} Such as:", "")
    for line in (f"{name}:", "  production:", *_group(SalesforceOrg, "    ")):
        yield f"# {line}"
    yield f"#{name}: {_plain(_default(field))}"


def _orgs(field: FieldInfo) -> Iterator[str]:
    yield from _told(field.description, "")
    yield "orgs:"
    yield "  acme:"
    for name, one in OrgConfig.model_fields.items():
        if name == "settings":
            yield from _told(one.description, "    ")
            yield "    settings:"
            yield from _active(OrgSettings, "      ")
        else:
            yield ""
            yield from _told(one.description, "    ")
            yield f"    {name}:"
            yield from _people(name)


def _people(name: str) -> Iterator[str]:
    for index, (key, model, given) in enumerate(_PEOPLE[name]):
        yield f"      {key}:"
        for sub, setting in model.model_fields.items():
            if sub == "rules":
                yield from _rules(setting)
            elif index == 0:
                yield from _setting(sub, setting, given, "        ")
            elif sub in given:  # explained with the first one
                yield f"        {sub}: {_plain(given[sub])}"


def _rules(field: FieldInfo) -> Iterator[str]:
    yield from _told(field.description, "        ")
    yield "        rules:"
    conditions = _models_within(_models_within(field.annotation)[0].model_fields["when"].annotation)[0]
    for rule in _RULES:
        dash = "- "
        for name, value in rule.items():
            if name != "when":
                yield f"          {dash}{name}: {_plain(value)}"
            else:
                yield f"          {dash}{name}:"
                for key, one in value.items():
                    yield from _told(conditions.model_fields[key].description, "              ")
                    yield f"              {key}: {_plain(one)}"
            dash = "  "


# -------------------------------------------------------------------------------------------------- channels


def _channels(field: FieldInfo, adapters: Mapping[str, Adapter[Any]]) -> Iterator[str]:
    yield from _told(field.description, "")
    yield "channels:"
    for index, (kind, adapter) in enumerate(adapters.items()):
        yield ""
        yield f"  # {adapter.title}"
        yield f"  {kind}:"
        for name, one in ChannelConfig.model_fields.items():
            if name == "account":
                yield from _told(one.description, "    ") if index == 0 else ()
                yield "    account:"
                yield from _account(kind, adapter)
                continue
            given = {"kind": kind, "org": "acme", "queue": "support"}
            if index == 0:  # the same for all channels, so explained with the first alone
                yield from _setting(name, one, given, "    ")
            elif name in given:
                yield f"    {name}: {given[name]}"


def _account(kind: str, adapter: Adapter[Any]) -> Iterator[str]:
    made_up = adapter.demo(kind, "https://api.example.com", f"https://byoc.example.com/webhooks/{kind}")
    given = _needed(kind, adapter.account, made_up)
    fields = {name: field for name, field in adapter.account.model_fields.items() if not field.exclude}
    for name in [*(n for n in fields if n in given), *(n for n in fields if n not in given)]:
        yield from _setting(name, fields[name], given, "      ")
    if not given:
        yield "      {}"


def _needed(kind: str, account: type[Account], made_up: Mapping[str, Any]) -> dict[str, Any]:
    """The settings without which there is no account: those that must be given, secrets, and one that a check asks for."""
    wanted = [n for n, f in account.model_fields.items() if f.is_required() or (_is_secret(f.annotation) and n in made_up)]
    while True:
        given = {
            n: _secret(kind, n, made_up[n]) if _is_secret(account.model_fields[n].annotation) else made_up[n] for n in wanted
        }
        rest = [n for n in made_up if n not in wanted and account.model_fields[n].default is None]
        if _sound(account, {n: made_up[n] for n in wanted}) or not rest:
            return given
        wanted.append(rest[0])


def _sound(account: type[Account], given: Mapping[str, Any]) -> bool:
    try:
        account.model_validate(given)
    except ValidationError:
        return False
    return True


def _secret(kind: str, name: str, value: Any) -> Any:
    several = isinstance(value, list | tuple)
    word = f"{kind}_{name.removesuffix('s') if several else name}"
    reference = "${" + re.sub(r"\W", "_", word).upper() + "}"
    return [reference] if several else reference


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(_is_secret(inner) for inner in typing.get_args(annotation))


# -------------------------------------------------------------------------------------------------- settings


def _setting(name: str, field: FieldInfo, given: Mapping[str, Any], indent: str) -> Iterator[str]:
    """One setting with its explanation: given, or its default behind a `#`; a group of settings is written out whole."""
    yield from _told(field.description, indent)
    nested = field.annotation
    if isinstance(nested, type) and issubclass(nested, BaseModel):
        yield f"{indent}{name}:"
        yield from _active(nested, indent + "  ")
    elif name in given:
        yield f"{indent}{name}: {_plain(given[name])}"
    elif (group := _optional_group(nested)) is not None:
        yield f"{indent}#{name}:"
        for line in _group(group, "  "):
            yield f"{indent}#{line}"
    else:
        for model in _models_within(nested):
            for sub, one in model.model_fields.items():
                yield from _told(f"`{sub}`: {one.description}", indent)
        shown = _SHOWN.get(name)
        if shown is not None:
            yield f"{indent}# Such as: {_plain(shown)}"  # in one line: it is meant to be copied
        yield f"{indent}#{name}: {_plain(_default(field))}"


def _active(model: type[BaseModel], indent: str) -> Iterator[str]:
    """A group's settings at their defaults, not behind `#`: a group with nothing in it would be a fault."""
    for name, field in model.model_fields.items():
        yield from _told(field.description, indent)
        yield f"{indent}{name}: {_plain(_default(field))}"


def _optional_group(annotation: Any) -> type[BaseModel] | None:
    """The group of settings in `Group | None`."""
    inner = [one for one in typing.get_args(annotation) if one is not types.NoneType]
    is_one = len(inner) == 1 and isinstance(inner[0], type) and issubclass(inner[0], BaseModel)
    return inner[0] if is_one and not isinstance(annotation, types.GenericAlias) else None


def _group(model: type[BaseModel], indent: str) -> Iterator[str]:
    """A group that isn't there by default, as it could look: what must be given, and the rest at its defaults."""
    for name, field in model.model_fields.items():
        yield from _told(field.description, indent)
        shown = _SHOWN_IN.get(model, _SHOWN)
        yield f"{indent}{name}: {_plain(shown[name] if name in shown else _default(field))}"


def _models_within(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for inner in typing.get_args(annotation) for model in _models_within(inner)]


def _told(sentence: str | None, indent: str) -> Iterator[str]:
    for line in textwrap.wrap(sentence or "", _WIDTH - len(indent), break_long_words=False, break_on_hyphens=False):
        yield f"{indent}# {line}"


def _default(field: FieldInfo) -> Any:
    value = field.get_default(call_default_factory=True, validated_data={})
    return None if value is PydanticUndefined else value


# Words that YAML takes for texts: whatever else is put in quotes.
_BARE: Final = re.compile(r"(?!(?:true|false|null|yes|no|on|off|y|n)$)[A-Za-z/][\w./:+-]*", re.IGNORECASE)


def _plain(value: Any) -> str:
    """A value in YAML's flow style, as short as people write it."""
    if isinstance(value, BaseModel):
        return _plain(value.model_dump(mode="json", exclude_none=True))
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_plain(key)}: {_plain(one)}" for key, one in value.items()) + "}"
    if isinstance(value, set | frozenset):
        return _plain(sorted(value))
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_plain(one) for one in value) + "]"
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(int(value) if isinstance(value, float) and value.is_integer() else value)
    text = str(value)
    return text if _BARE.fullmatch(text) and ": " not in text and not text.endswith(":") else json.dumps(text, ensure_ascii=False)
