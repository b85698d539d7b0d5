"""Recorded requests, and what they say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ValidationError

from adapters.conformance.samples import NOW
from adapters.contract import Account, Adapter, RawRequest
from adapters.envelope import (
    INBOUND,
)


class NotConforming(AssertionError):
    """An adapter doesn't do what every adapter must; the text says what was expected and what came."""


def require(condition: object, message: str) -> None:
    """Raise NotConforming with that message unless the condition holds."""
    if not condition:
        raise NotConforming(message)


@dataclass(frozen=True)
class Case:
    """One recorded request and what it says.

    `expected` is a list of envelopes (as JSON without `raw` and defaults), or, for a handshake, `{"status", "body"}` of the answer.
    `unchecked` says that it was written from the adapter's own output and nobody has compared it with the provider's page yet.
    """

    name: str
    request: RawRequest = field(repr=False)
    expected: Any = field(repr=False)
    source: str = ""
    unchecked: bool = False

    def __str__(self) -> str:
        return self.name


def load_cases(folder: Path, adapter: Adapter[Any], account: Account) -> tuple[Case, ...]:
    """The cases of a folder, by name: `<name>.body`, `<name>.headers.json` and `<name>.expected.json` each.

    Raises NotConforming for a case that is not whole, names no source, or could never reach this account.
    """
    cases = tuple(_load(path) for path in sorted(folder.glob("*.headers.json")))
    require(cases, f"no fixtures in {folder}")
    for case in cases:
        require(case.source, f"{case.name}: headers.json names no source")
        require(case.request.method in adapter.methods, f"{case.name}: the adapter takes no {case.request.method}")
        require(case.request.url.startswith(account.webhook_url), f"{case.name}: the url is not below {account.webhook_url}")
    return cases


def _load(path: Path) -> Case:
    name = path.name.removesuffix(".headers.json")
    stored = json.loads(path.read_text("utf-8"))
    request = RawRequest(
        method=stored.get("method", "POST"),
        url=stored["url"],
        path=stored.get("path", ""),
        query=_query(stored),
        headers={key.lower(): value for key, value in stored["headers"].items()},
        body=(path.parent / f"{name}.body").read_bytes(),
        received_at=datetime.fromisoformat(stored["received_at"]) if "received_at" in stored else NOW,
    )
    expected = json.loads((path.parent / f"{name}.expected.json").read_text("utf-8"))
    return Case(name, request, expected, str(stored.get("source", "")).strip(), bool(stored.get("unchecked")))


def _query(stored: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """As pairs, an object, or a string; without any, that of the url."""
    query = stored.get("query")
    if query is None or isinstance(query, str):
        return tuple(parse_qsl(query if query is not None else urlsplit(stored["url"]).query, keep_blank_values=True))
    pairs = query.items() if isinstance(query, dict) else query
    return tuple((str(key), str(value)) for key, value in pairs)


def told(envelope: BaseModel) -> dict[str, Any]:
    """An envelope as fixtures write it: JSON, without what only repeats the request (`raw`, `signed`) and defaults, but with `kind` and
    `type`."""
    exact = envelope.model_dump(mode="json", exclude={"raw", "signed"})
    brief = envelope.model_dump(mode="json", exclude={"raw", "signed"}, exclude_defaults=True)
    return dict(_with_tags(brief, exact))


def told_briefly(expected: Any) -> Any:
    """What a fixture expects, without the defaults that it may spell out."""
    try:
        return told(INBOUND.validate_python(expected))
    except ValidationError:
        return expected


def _with_tags(brief: Any, exact: Any) -> Any:
    if isinstance(brief, dict):
        tags = {tag: exact[tag] for tag in ("kind", "type") if tag in exact}
        return tags | {key: _with_tags(value, exact[key]) for key, value in brief.items()}
    if isinstance(brief, list):
        return [_with_tags(*both) for both in zip(brief, exact, strict=True)]
    return brief


def alike(expected: Any, actual: Any) -> bool:
    """Equal, but that `kind` and `type` may be missing from what is expected."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        wanted = set(expected) | ({"kind", "type"} & set(actual))
        return wanted == set(actual) and all(alike(expected[key], actual[key]) for key in expected)
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(alike(*both) for both in zip(expected, actual, strict=True))
    return bool(expected == actual) and isinstance(expected, bool) == isinstance(actual, bool)
