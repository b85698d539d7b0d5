"""Writes a real webhook down as a fixture, redacted: `<case>.body`, `<case>.headers.json` and `<case>.expected.json`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from adapters.conformance import Suite, told
from adapters.contract import Account, Adapter, RawRequest
from adapters.errors import NotAuthentic, NotUnderstood
from gateway.new_channel.redacting import Redacted, redacted
from gateway.new_channel.stand_ins import NotRedacted

UNCHECKED: Final = "expected.json holds what the adapter gave. Compare it with the provider's page, then remove this line."


@dataclass(frozen=True)
class Recorded:
    """What was written, and what a person must do about it, a sentence each."""

    files: tuple[Path, ...]
    to_do: tuple[str, ...]


def record(
    request: RawRequest, adapter: Adapter[Any], account: Account, suite: Suite | None, case: str, folder: Path
) -> Recorded:
    """Redact the request and write it. It is signed for the suite's account, or, without a suite, made for the demo's and left unsigned.

    Raises NotRedacted, also for a case that is there already; OSError.
    """
    paths = [folder / f"{case}.{ending}" for ending in ("body", "headers.json", "expected.json")]
    if taken := [path.name for path in paths if path.exists()]:
        raise NotRedacted(f"{folder} has {taken[0]} already: give another --case")
    proofs = suite.proof_headers if suite else tuple(_proofs(request, adapter, account))
    found = redacted(request, adapter, account, suite.account if suite else _demo_account(adapter), proofs)
    made = suite.sign(found.request, suite.account) if suite else found.request
    try:
        expected = [told(one) for one in adapter.parse(made, suite.account if suite else _demo_account(adapter))]
    except NotUnderstood:
        expected = []
    folder.mkdir(parents=True, exist_ok=True)
    paths[0].write_bytes(made.body)
    paths[1].write_text(_pretty(_headers(made, request, adapter)), "utf-8")
    paths[2].write_text(_pretty(expected), "utf-8")
    return Recorded(tuple(paths), tuple(_to_do(found, expected, signed=suite is not None)))


def _headers(made: RawRequest, request: RawRequest, adapter: Adapter[Any]) -> dict[str, Any]:
    return {
        "source": f"recorded by a gateway from {adapter.title} on {request.received_at:%Y-%m-%d}, and redacted",
        "unchecked": UNCHECKED,
        "method": made.method,
        "url": made.url,
        "path": made.path,
        "query": made.query,
        "headers": made.headers,
    }


def _to_do(found: Redacted, expected: list[Any], *, signed: bool) -> Iterator[str]:
    if not signed:
        yield "The adapter has no suite here, so the request is unsigned: add its signature, or run this where the suite is installed."
    if expected:
        yield "Compare expected.json with the provider's page, then remove the line `unchecked` from headers.json."
    else:
        yield "The adapter reads nothing from it: write into expected.json what it should read."
    if found.stays:
        yield f"Look over what stays as the provider's own words: {', '.join(found.stays)}."


def _proofs(request: RawRequest, adapter: Adapter[Any], account: Account) -> Iterator[str]:
    """The headers without which the adapter refuses the request; all of them where it refuses it as it is."""
    for name in request.headers:
        others = {key: value for key, value in request.headers.items() if key != name}
        try:
            adapter.verify(replace(request, headers=others), account, request.received_at)
        except NotAuthentic:
            yield name


def _demo_account(adapter: Adapter[Any]) -> Account:
    """Made-up settings, as the demo has them."""
    hook = f"https://gw.example.test/webhooks/{adapter.kind}"
    made_up = adapter.demo(adapter.kind, "https://api.example.test", hook)
    account: Account = adapter.account.model_validate({**made_up, "channel_id": adapter.kind, "webhook_url": hook})
    return account


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
