"""Requests of your server: proving them, reading their events, and trying them out at `…/check`.

A request has an id (`webhook-id`), the same when it is sent again; an event's id is its own `id`, else the request's. So whatever is sent
twice is taken once. Source: Standard Webhooks 1.0.0, "Webhook ID" (an idempotency key).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, Literal, cast, get_args

from pydantic import ValidationError

from adapters import made, standard_webhooks
from adapters.contract import Answer, RawRequest
from adapters.envelope import (
    Author,
    Inbound,
    InboundDeletion,
    InboundEdit,
    InboundEnded,
    InboundReaction,
    InboundTyping,
    InboundUnknown,
    ReceiptStatus,
)
from adapters.errors import NotUnderstood
from adapters.open import wire
from adapters.open.account import OpenAccount
from adapters.open.wire import Json
from adapters.reading import Malformed, dict_of, digest_of, json_object, kept, list_of, moment, optional, text
from adapters.replies import dead, late_failure

Ended = Literal["ended", "closed", "blocked", "opted_out"]
Fields = dict[str, Any]
_MOST_IDS: Final = 1_000


def verify(request: RawRequest, account: OpenAccount, now: datetime) -> None:
    """Signed as Standard Webhooks lays it down, by one of the secrets, not more than 5 minutes ago."""
    standard_webhooks.check(request.headers, request.body, account.secrets, now)


def parse(request: RawRequest, account: OpenAccount) -> list[Inbound]:
    """The event of the body, or all of its `events`, in order. Raises NotUnderstood if the body isn't a JSON object."""
    return [one for one, _ in _read(request, account)]


def handshake(request: RawRequest, account: OpenAccount) -> Answer | None:
    """`POST …/check`: the same body, signed the same, answered with what it would mean; nothing is kept. Raises NotAuthentic."""
    if request.path.rstrip("/") != "/check":
        return None
    verify(request, account, request.received_at)
    try:
        found = list(_read(request, account))
    except NotUnderstood as fault:
        return _told({"ok": False, "faults": [{"event": None, "fault": str(fault)}], "understood": []}, 422)
    faults = [{"event": place, "fault": fault} for place, (_, fault) in enumerate(found) if fault]
    understood = [_brief(one.model_dump(mode="json", exclude={"raw", "channel_id", "received_at"})) for one, _ in found]
    return _told({"ok": not faults, "faults": faults, "understood": understood}, 422 if faults else 200)


def _brief(value: Any) -> Any:
    """Without what is empty."""
    if isinstance(value, dict):
        return {key: _brief(one) for key, one in value.items() if one not in (None, [], {})}
    return [_brief(one) for one in value] if isinstance(value, list) else value


def _told(body: Json, status: int) -> Answer:
    return Answer(status, json.dumps(body, ensure_ascii=False).encode(), {"content-type": "application/json"})


# --------------------------------------------------------------------------------------------------- events


def _read(request: RawRequest, account: OpenAccount) -> Iterator[tuple[Inbound, str | None]]:
    """Each event, with what is wrong with it."""
    body = json_object(request.body)
    events = body["events"] if isinstance(body.get("events"), list) else [body]
    request_id = request.headers.get("webhook-id") or digest_of(body)
    seen: set[str] = set()
    for place, event in enumerate(events):
        own = optional(dict_of(event), "id")
        event_id = own if own and len(own) <= wire.MOST_ID else request_id if event is body else f"{request_id}/{place}"
        if event_id not in seen:
            seen.add(event_id)
            yield from _event(event, event_id, request, account)


def _event(event: Any, event_id: str, request: RawRequest, account: OpenAccount) -> Iterator[tuple[Inbound, str | None]]:
    common: Fields = {
        "channel_id": account.channel_id,
        "event_id": event_id,
        "provider_time": moment(dict_of(event).get("at")),
        "received_at": request.received_at,
        "raw": kept(event),
    }
    try:
        if not isinstance(event, dict):
            raise Malformed("an event is an object")
        kind = text(event, "type", most=64)
        reader = _KINDS.get(kind)
        if reader is None:
            yield InboundUnknown(**common, reason=kind), f"type: {kind!r} is none of {', '.join(_KINDS)}"
            return
        for one in list(reader(event, common | {"end_user": wire.end_user(event)})):
            yield one, None
    except Malformed as fault:
        yield InboundUnknown(**common, reason="malformed"), str(fault)
    except ValidationError as fault:
        first = fault.errors(include_input=False, include_url=False)[0]
        yield InboundUnknown(**common, reason="malformed"), f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _message(event: Json, common: Fields) -> Iterator[Inbound]:
    yield made.message(
        **common,
        message_id=_message_id(common, event if event.get("message_id") else {"message_id": common["event_id"]}),
        author=_author(event),
        parts=wire.parts(event),
        reply_to=_message_id(common, event, "reply_to") if event.get("reply_to") is not None else None,
        forwarded=_forwarded(event),
        referral=wire.referral_of(dict_of(event.get("referral"))),
        automatic_reply=event.get("automatic_reply") is True,
    )


def _forwarded(event: Json) -> Literal["once", "often"] | None:
    if event.get("forwarded") is None:
        return None
    return "often" if _one_of(event, "forwarded", ("once", "often")) == "often" else "once"


def _author(event: Json) -> Author:
    return Author.business if event.get("author") == "business" else Author.end_user


def _receipts(event: Json, common: Fields) -> Iterator[Inbound]:
    """`ids` are those of our messages, or a single one in `id_of`; each gets its own receipt."""
    status = _one_of(event, "status", tuple(ReceiptStatus))
    ids = [one for one in list_of(event.get("ids")) if isinstance(one, str) and one][:_MOST_IDS]
    if not ids:
        raise Malformed("ids: the ids of our messages are required, as you received them")
    failed = _failure(event) if status == "failed" else {}
    for outbox_id in dict.fromkeys(ids):
        own = {"event_id": f"{common['event_id']}/{outbox_id}"} if len(ids) > 1 else {}
        yield made.receipt(**common | own, status=ReceiptStatus(status), outbox_id=outbox_id, message_ids=(outbox_id,), **failed)


def _failure(event: Json) -> Fields:
    given = optional(event, "code")
    return late_failure(dead(given) if given in wire.CODES else None, given and given[:64], optional(event, "detail"))


def _typing(event: Json, common: Fields) -> Iterator[Inbound]:
    yield InboundTyping(**common, on=event.get("on") is not False)


def _edit(event: Json, common: Fields) -> Iterator[Inbound]:
    yield InboundEdit(**common, author=_author(event), message_id=_message_id(common, event), parts=wire.parts(event))


def _deletion(event: Json, common: Fields) -> Iterator[Inbound]:
    yield InboundDeletion(**common, author=_author(event), message_id=_message_id(common, event))


def _reaction(event: Json, common: Fields) -> Iterator[Inbound]:
    emoji = optional(event, "emoji")
    yield InboundReaction(**common, author=_author(event), message_id=_message_id(common, event), emoji=emoji)


def _ended(event: Json, common: Fields) -> Iterator[Inbound]:
    reason = _one_of(event, "reason", get_args(Ended)) if event.get("reason") is not None else "ended"
    yield InboundEnded(**common, reason=cast(Ended, reason))


def _message_id(common: Fields, event: Json, key: str = "message_id") -> str:
    return wire.message_id(common["end_user"].address, text(event, key, most=wire.MOST_ID))


def _one_of(event: Json, key: str, allowed: tuple[str, ...]) -> str:
    value = event.get(key)
    if value not in allowed:
        raise Malformed(f"{key}: one of {', '.join(allowed)} is required")
    return str(value)


_KINDS: Final[Mapping[str, Callable[[Json, Fields], Iterator[Inbound]]]] = {
    "message": _message,
    "receipt": _receipts,
    "typing": _typing,
    "edit": _edit,
    "deletion": _deletion,
    "reaction": _reaction,
    "ended": _ended,
}
