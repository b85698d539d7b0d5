"""What Apple posts to us: `POST {webhook}/message`, one event a request, gzipped JSON under a JWT.

The token proves who calls, but covers neither the body nor a header; the wire is TLS. So the order is: is it ours, is the token right,
and only then are the bytes unpacked (with a cap) and read. Source: Apple, MSP tutorial, "Receive messages".
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote

from adapters import made
from adapters.apple import tokens
from adapters.apple.account import AppleAccount
from adapters.apple.answers import answer_parts, reference_parts, same_answer_id
from adapters.apple.mmcs import NotUnlocked, unpack
from adapters.apple.wire import attachment_part, bare_business, load, objects, section, text_parts, words
from adapters.contract import RawRequest
from adapters.envelope import (
    Address,
    Author,
    EndUser,
    Inbound,
    InboundEnded,
    InboundMessage,
    InboundTyping,
    InboundUnknown,
    Part,
)
from adapters.errors import NotAuthentic, NotUnderstood
from adapters.referral import referral
from adapters.signing import require_secrets, sha256_hex

_Fields = dict[str, Any]


def verify(request: RawRequest, account: AppleAccount, now: datetime) -> None:
    """401 without a token, 404 for a business that isn't ours, 403 for a wrong token: the answers that Apple documents."""
    if request.path.rstrip("/") != "/message":
        raise NotAuthentic("no such address", status=404, hint=f"Apple adds /message; register {account.webhook_url} without it")
    authorization = request.headers.get("authorization", "")
    if not authorization.strip():
        raise NotAuthentic("no token", status=401)
    if not _is_ours(request, account):
        raise NotAuthentic("unknown destination", status=404, hint=f"destination-id is not the business {account.business_id}")
    claims = tokens.claims_of(authorization, require_secrets(account.secrets, "API secret"))
    if claims is None:
        raise NotAuthentic("the token is not signed with the configured secret")
    if account.msp_id.lower() not in _audience(claims):
        raise NotAuthentic("the token is meant for another provider", hint=f"its aud is not the MSP id {account.msp_id}")
    if not tokens.fresh(claims, now, account.token_age_seconds):
        raise NotAuthentic("the token is too old or from the future", hint="compare the clock, or raise token_age_seconds")


def _is_ours(request: RawRequest, account: AppleAccount) -> bool:
    """The business is named as the destination, or as the source of an echo (which a hand-over set-up sends)."""
    named = (request.headers.get(name, "") for name in ("destination-id", "source-id"))
    return account.business_id.lower() in [bare_business(one) for one in named]


def _audience(claims: Mapping[str, Any]) -> list[str]:
    audience = claims.get("aud")
    listed = audience if isinstance(audience, list) else [audience]
    return [one.lower() for one in listed if isinstance(one, str)]


def parse(request: RawRequest, account: AppleAccount) -> list[Inbound]:
    """The one event of the request. Raises NotUnderstood for bytes that hold no JSON object."""
    try:
        raw = load(unpack(request.body, account.max_unpacked_bytes))
    except NotUnlocked as fault:
        raise NotUnderstood(str(fault)) from fault
    except ValueError as fault:
        raise NotUnderstood("the body is not a JSON object in UTF-8") from fault
    fields = _fields(raw, request, account)
    try:
        return [_event(raw, request, account, fields)]
    except (ValueError, TypeError, RecursionError):
        return [_malformed(raw, fields)]


def _malformed(raw: _Fields, fields: _Fields) -> InboundUnknown:
    try:
        return InboundUnknown(**fields, raw=raw, reason="malformed")
    except (ValueError, RecursionError):  # nested deeper than the envelope takes; the inbox keeps the bytes
        return InboundUnknown(**fields, reason="malformed")


def _fields(raw: _Fields, request: RawRequest, account: AppleAccount) -> _Fields:
    """What every event has. Without an id of Apple's, the bytes name it."""
    event_id = words(raw, "id") or request.headers.get("id", "").strip() or f"sha256:{sha256_hex(request.body)}"
    return {"channel_id": account.channel_id, "event_id": event_id, "received_at": request.received_at}


def _event(raw: _Fields, request: RawRequest, account: AppleAccount, fields: _Fields) -> Inbound:
    business = account.business_id.lower()
    source, destination = _party(raw, request, "source"), _party(raw, request, "destination")
    echo = bare_business(source) == business
    if not echo and bare_business(destination) != business:
        return InboundUnknown(**fields, raw=raw, reason="other_business", meant_for=bare_business(destination))
    user = _end_user(raw, request, destination if echo else source)
    fields = fields | {"raw": raw, "end_user": user}
    if echo:
        return _echo(raw, fields)
    kind = words(raw, "type") or ""
    read = _KINDS.get(kind)
    if read is None:
        return InboundUnknown(**fields, reason=kind.replace("-", "_")[:64] or "malformed")
    return read(raw, fields | {"remember": _capabilities(request)}, account)


def _party(raw: _Fields, request: RawRequest, side: str) -> str:
    """One of the two parties, by the body or else the header; a text that can go back into a header."""
    party = words(raw, f"{side}Id") or request.headers.get(f"{side}-id", "").strip()
    if not party or len(party) > 512 or not (party.isascii() and party.isprintable()) or " " in party:
        raise ValueError(f"{side}Id is missing or invalid")
    return party


def _end_user(raw: _Fields, request: RawRequest, address: str) -> EndUser:
    """The opaque id; Apple sends no name, only the language and the device."""
    locale, device = words(raw, "locale"), words(request.headers, "device-agent")
    return made.end_user(
        address=Address(address),
        locale=locale.replace("_", "-") if locale else None,
        profile={"device": device} if device else {},
    )


def _capabilities(request: RawRequest) -> _Fields:
    """What the device can show, as the newest message says; may come percent-encoded."""
    found = _listed(request.headers.get("capability-list", ""))
    return {"capabilities": [*found]} if found else {}


@lru_cache(maxsize=64)  # devices of a kind list the same
def _listed(capabilities: str) -> tuple[str, ...]:
    found = [one.strip().upper() for one in unquote(capabilities).split(",") if one.strip()]
    return tuple(dict.fromkeys(found))[:32]


def _echo(raw: _Fields, fields: _Fields) -> Inbound:
    """The business itself spoke: by us (our ids are of version 5), or by another tool that shares the conversation."""
    kind, message_id = words(raw, "type"), words(raw, "id")
    if message_id is None or _made_here(message_id) or kind not in ("text", "interactive", "richLink"):
        return InboundUnknown(**fields, reason="echo")
    parts = _said(raw) if kind == "text" else answer_parts(section(raw, "interactiveData"))
    if kind == "richLink":
        parts = text_parts(words(section(raw, "richLinkData"), "url", "title") or "[link]", [])
    if not parts:
        return InboundUnknown(**fields, reason="echo")
    return InboundMessage(**fields, message_id=message_id, author=Author.business, parts=tuple(parts))


def _made_here(message_id: str) -> bool:
    try:
        return uuid.UUID(message_id).version == 5
    except ValueError:
        return False


def _said(raw: _Fields) -> list[Part]:
    """Text and files. A tapback (`Liked “…”`, in the device's language) names no message, so it stays the words it is."""
    body = raw.get("body")
    return text_parts(body if isinstance(body, str) else "", [attachment_part(one) for one in objects(raw, "attachments")])


def _text(raw: _Fields, fields: _Fields, account: AppleAccount) -> Inbound:
    parts = _said(raw)
    return _message(raw, fields, parts) if parts else InboundUnknown(**fields, reason="empty")


def _interactive(raw: _Fields, fields: _Fields, account: AppleAccount) -> Inbound:
    interactive, reference = section(raw, "interactiveData"), section(raw, "interactiveDataRef")
    if not interactive and not reference:
        raise ValueError("an interactive message without data")
    if not interactive:
        # The same file may be named as an attachment beside; a second fetch of it fails, and it would be shown twice.
        others = [one for one in objects(raw, "attachments") if words(one, "url") != words(reference, "url")]
        return _message(raw, fields, [*reference_parts(reference), *map(attachment_part, others)])
    again = same_answer_id(interactive) if account.same_answer_once else None
    parts = [*answer_parts(interactive), *map(attachment_part, objects(raw, "attachments"))]
    return _message(raw, fields | ({"event_id": again} if again else {}), parts)


def _message(raw: _Fields, fields: _Fields, parts: list[Part]) -> InboundMessage:
    """Something said; it opens a closed conversation again. `intent` and `group` come from the link that led here: hints, no proof."""
    came_by = referral("link", ref=words(raw, "intent"), group=words(raw, "group"))
    said = fields | {"remember": {**fields["remember"], "closed": None}}
    return made.message(**said, message_id=words(raw, "id") or fields["event_id"], parts=tuple(parts), referral=came_by)


def _typing(raw: _Fields, fields: _Fields, account: AppleAccount) -> Inbound:
    return InboundTyping(**fields, on=raw["type"] == "typing_start")


def _close(raw: _Fields, fields: _Fields, account: AppleAccount) -> Inbound:
    """The customer deleted the conversation or opted out: nothing may be sent until they write again."""
    return InboundEnded(**fields | {"remember": {**fields["remember"], "closed": True}}, reason="closed")


_KINDS: Final[Mapping[str, Callable[[_Fields, _Fields, AppleAccount], Inbound]]] = {
    "text": _text,
    "interactive": _interactive,
    "typing_start": _typing,
    "typing_end": _typing,
    "close": _close,
}
