"""Meta's webhooks: the GET handshake, the signature over the raw bytes, and taking a body apart.

The same for WhatsApp, Messenger and Instagram. Meta signs the bytes as they are on the wire (non-ASCII as lower-case `\\uXXXX`, `/` as
`\\/`), so a body that was parsed and dumped again never verifies: only raw bytes are looked at.
Sources: Meta for Developers, "Create a webhook endpoint" (WhatsApp) and "Webhooks" (Messenger Platform), read 2026.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from pydantic import JsonValue, SecretStr

from adapters.contract import Answer, RawRequest
from adapters.envelope import Inbound
from adapters.errors import NotAuthentic, NotUnderstood
from adapters.reading import json_object
from adapters.signing import any_same, hmac_hex, require_secrets, same, sha256_hex

SIGNATURE_HEADER: Final = "x-hub-signature-256"
_MAX_CHALLENGE: Final = 256  # Meta sends ten digits
_MOST_EVENTS: Final = 3000


def handshake(request: RawRequest, verify_token: SecretStr) -> Answer | None:
    """Answer `GET …?hub.mode=subscribe&hub.verify_token=…&hub.challenge=…` with the bare challenge; None for other methods."""
    if request.method != "GET":
        return None
    (token,) = require_secrets([verify_token], "verify token")
    challenge = request.param("hub.challenge") or ""
    if request.param("hub.mode") != "subscribe" or not challenge or len(challenge) > _MAX_CHALLENGE:
        raise NotAuthentic("not a subscription call: hub.mode and hub.challenge are needed")
    # Constant time: the setup call is the one place where the caller sends the secret itself.
    if not same(request.param("hub.verify_token") or "", token):
        raise NotAuthentic(
            "hub.verify_token is not the configured one", hint="the app's dashboard and verify_token must have the same text"
        )
    return Answer(200, challenge.encode("utf-8", "replace"), {"content-type": "text/plain; charset=utf-8"})


def verify(request: RawRequest, app_secrets: Sequence[SecretStr]) -> None:
    """Raise NotAuthentic unless `X-Hub-Signature-256` is the HMAC of the raw body under one of the secrets.

    The older `X-Hub-Signature` (SHA-1) is not looked at.
    """
    secrets = require_secrets(app_secrets, "app secret")
    given = request.headers.get(SIGNATURE_HEADER, "")
    if not given:
        raise NotAuthentic("X-Hub-Signature-256 is missing", status=401)
    if not any_same(given, [f"sha256={hmac_hex(secret, request.body)}" for secret in secrets]):
        raise NotAuthentic(
            "X-Hub-Signature-256 doesn't match the body",
            hint="check that app_secrets has this app's secret, and that the proxy doesn't change the body",
        )


def read(request: RawRequest) -> dict[str, Any]:
    """The body's JSON object. Raises NotUnderstood."""
    return json_object(request.body)


# Meta's JSON may hold anything; these read it without ever failing.


def objects_in(holder: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects of a list that must hold some. What is there instead comes as an object too (`{name: value}`), so that a signed delivery of a
    shape that nobody knows is kept for operators, and not passed over."""
    found = holder.get(name)
    items = found if isinstance(found, list) and found else [found]
    return [one if isinstance(one, dict) else {name: one} for one in items]


def listed(holder: dict[str, Any], name: str) -> list[Any]:
    """The items of a list that may be missing. A value that is not a list counts as one item, and becomes an event that is kept as malformed."""
    found = holder.get(name)
    return found if isinstance(found, list) else [] if found is None else [found]


def text_of(value: object) -> str | None:
    """A text or a number as text; None for anything else, and for an empty text (Meta sends `""` for what is not known)."""
    if value is None:
        return None
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def number_of(value: object) -> float | None:
    """A finite number, also from digits in a text."""
    if value is None:
        return None
    try:
        number = float(value if type(value) is int or type(value) is float else str(value))
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < 1e300 else None


class NoSense(ValueError):
    """An event lacks what makes it one."""


def needed(value: object, name: str) -> str:
    """The text (see `text_of`). Raises NoSense when there is none; `name` says where it was looked for."""
    text = text_of(value)
    if text is None:
        raise NoSense(f"{name} is missing")
    return text


def gathered(sources: Iterable[Iterator[Inbound]]) -> list[Inbound]:
    """All events of a delivery, in order. Raises NotUnderstood before it has read many more than Meta ever sends."""
    events: list[Inbound] = []
    for source in sources:
        events += islice(source, _MOST_EVENTS + 1 - len(events))
    if len(events) > _MOST_EVENTS:
        raise NotUnderstood(f"more than {_MOST_EVENTS} events in one delivery: Meta sends 1,000 at most")
    return events


def digest_of(*parts: JsonValue) -> str:
    """A stable id for an event without one, made from its content, so that a redelivery gets the same id."""
    written = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return sha256_hex(written.encode("utf-8", "surrogatepass"))[:32]


def object_of(body: dict[str, Any]) -> str:
    """What a delivery is about, in Meta's words: `page`, `instagram`, `whatsapp_business_account`."""
    return f"object {text_of(body.get('object')) or 'of no name'}"[:64]
