"""The stream: how it is made, what of it must be as it is, and its subjects. Of its API we use what JetStream has had since 2.10."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias
from urllib.parse import quote, unquote

from gateway.config.places import NatsConfig
from gateway.errors import GatewayError, StoreUnavailable

_log = logging.getLogger(__name__)
Ask: TypeAlias = Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]

WEBHOOKS: Final = "Byoc-Webhooks"  # the header that says how many a message holds
DEDUPE_SECONDS: Final = 120  # within it a message that is published again is stored once; an edge tries for some seconds
NO_STREAM: Final = 10059  # the code of a refusal
# What can't be changed, or not without losing something: all of it must be so.
_FIXED: Final[Mapping[str, str]] = {"retention": "limits", "storage": "file", "discard": "new"}
_UNBOUNDED: Final = ("max_msgs", "max_msgs_per_subject", "max_age")  # by these, webhooks would be thrown away or refused


class Refused(StoreUnavailable):
    """The server answered, and won't do it. `code`: JetStream's own number of the reason."""

    def __init__(self, said: str, code: int) -> None:
        super().__init__(said)
        self.code = code


@dataclass(frozen=True, slots=True)
class State:
    """What is in the stream. `key` is another one when the stream was deleted and made again, which counts its messages from 1 again."""

    key: str
    first: int
    last: int
    messages: int
    size: int
    oldest: datetime | None


def of_org(stream: str, org: str) -> str:
    """The stream of an org that has a store of its own."""
    return f"{stream}-{_token(org).replace('%', '=')}"


def subject_of(stream: str, channel_id: str) -> str:
    """Where a channel's webhooks are published. Subjects begin with the stream's name: two gateways may share the servers."""
    return f"{stream}.{_token(channel_id)}"


def channel_of(stream: str, subject: str) -> str:
    """Back again."""
    return unquote(subject.removeprefix(f"{stream}."))


def _token(text: str) -> str:
    """As one part of a subject: nothing in it is a dot, a wildcard or a space."""
    return quote(text, safe="", errors="surrogatepass").replace(".", "%2E").replace("~", "%7E")


async def prepared(ask: Ask, stream: str, settings: NatsConfig) -> State:
    """Make the stream if it is missing, and bring it to the config's size and replicas. Raises GatewayError when it is another kind of stream."""
    wanted: dict[str, Any] = {
        "name": stream,
        "subjects": [f"{stream}.*"],
        **_FIXED,
        "max_bytes": settings.max_bytes,
        "num_replicas": settings.replicas,
        "duplicate_window": DEDUPE_SECONDS * 1_000_000_000,
    }
    try:
        found = await ask(f"STREAM.INFO.{stream}", {})
    except Refused as error:
        if error.code != NO_STREAM:
            raise
        # Who makes it at the same moment makes the same: that is no fault.
        return _state(stream, await ask(f"STREAM.CREATE.{stream}", wanted))
    has = found["config"]
    if wrong := _wrong(has, wanted):
        raise GatewayError(
            f"the stream {stream} exists already with {wrong}: set another name (`nats.stream`), or delete that stream if nothing needs it"
        )
    changed = {key: wanted[key] for key in ("max_bytes", "num_replicas") if has.get(key) != wanted[key]}
    if int(has.get("duplicate_window", 0)) < wanted["duplicate_window"]:
        changed["duplicate_window"] = wanted["duplicate_window"]
    if changed:
        found = await ask(f"STREAM.UPDATE.{stream}", {**has, **changed})
        _log.warning(
            "the stream is changed to the config's settings", extra={"action": "nats.changed", "stream": stream, **changed}
        )
    return _state(stream, found)


async def state(ask: Ask, stream: str) -> State:
    """What is in it now."""
    return _state(stream, await ask(f"STREAM.INFO.{stream}", {}))


def _wrong(has: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """In words; nothing if all is well."""
    found = [f"{key} {has.get(key)!r} instead of {wanted[key]!r}" for key in ("subjects", *_FIXED) if has.get(key) != wanted[key]]
    found += [f"a limit {key} of {has[key]}" for key in _UNBOUNDED if has.get(key, 0) > 0]
    found += [f"{key} set" for key in ("deny_purge", "sealed", "no_ack") if has.get(key)]
    if has.get("persist_mode") == "async":
        found.append("persist_mode 'async', which acknowledges what isn't on disk yet")
    return ", ".join(found)


def _state(stream: str, info: Mapping[str, Any]) -> State:
    held = info["state"]
    oldest = datetime.fromisoformat(held["first_ts"]) if held["messages"] else None
    return State(f"{stream} {info['created']}", held["first_seq"], held["last_seq"], held["messages"], held["bytes"], oldest)


def said(answer: bytes, about: str) -> dict[str, Any]:
    """An answer of JetStream's. Raises Refused."""
    found: dict[str, Any] = json.loads(answer)
    error = found.get("error")
    if error:
        raise Refused(f"{about}: {error.get('description', 'refused')}", int(error.get("err_code", 0)))
    return found
