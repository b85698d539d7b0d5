"""Webhooks: is it really the provider, and what does it say?"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from adapters.contract import RawRequest
from adapters.envelope import (
    Inbound,
    InboundEnded,
    InboundMessage,
    InboundReceipt,
    InboundTyping,
    InboundUnknown,
    ReceiptStatus,
)
from adapters.errors import NotAuthentic
from adapters.reading import Fields, dict_of, each, json_object, list_of, moment, optional, text
from adapters.signing import any_same, hmac_hex, require_secrets
from gateway.new_channel.template import wire
from gateway.new_channel.template.account import ExampleAccount

SIGNATURE: Final = "x-example-signature"


def verify(request: RawRequest, account: ExampleAccount, now: datetime) -> None:
    """The signature is the HMAC-SHA256 of the raw body, in hex. Raises NotAuthentic, whatever the bytes."""
    secrets = require_secrets(account.secrets, "secret")
    given = request.headers.get(SIGNATURE, "")
    if not given:
        raise NotAuthentic(f"{SIGNATURE} is missing", status=401)
    if not any_same(given, [hmac_hex(secret, request.body) for secret in secrets]):
        raise NotAuthentic(f"{SIGNATURE} doesn't match the body", hint="are secrets the same on both sides?")


def parse(request: RawRequest, account: ExampleAccount) -> list[Inbound]:
    """All events of a webhook, in order; one that makes no sense costs only itself. Raises NotUnderstood."""
    events = list_of(json_object(request.body).get("events"))
    return each(request, account, [(optional(dict_of(event), "id"), event) for event in events], _event)


def _event(event: dict[str, Any], common: Fields) -> Inbound:
    """`common` holds the fields that every envelope has. Raises Malformed."""
    event = dict_of(event)
    kind = text(event, "type")
    common |= {"provider_time": moment(event.get("at"))}
    if kind not in ("message", "delivered", "typing", "left"):
        return InboundUnknown(**common, reason=kind)
    common |= {"end_user": wire.end_user(event)}
    if kind == "delivered":
        # `ref` is our own id, which `send` gave along: a receipt finds its message even when our call was cut off.
        return InboundReceipt(**common, status=ReceiptStatus.delivered, outbox_id=text(event, "ref"))
    if kind == "typing":
        return InboundTyping(**common, on=event.get("on") is not False)
    if kind == "left":
        return InboundEnded(**common, reason="ended")
    message = dict_of(event.get("message"))
    return InboundMessage(**common, message_id=text(message, "id"), parts=(wire.part(message),))
