"""Whether a webhook comes from Twilio: `X-Twilio-Signature`.

What is signed is the URL as Twilio called it, then, for a form, every name and value in the order of the names. The URL is the
configured one (`request.url`), never one put together from the caller's headers: a proxy changes scheme, host and port, and
whoever may write forwarded headers could choose what is checked. A JSON body is signed by its digest in the URL instead.
Twilio keeps or drops the port without a rule that could be relied on, so both forms count, as in its own library.

Nothing marks where a name ends and its value begins, nor where the URL ends, so one signature fits many forms: a text may hold what
looks like other fields. So one signature stands for one event (`reading`), and only ids and names of Twilio's form are read (`wire`).
Source: Twilio, "Secure webhooks" and "Connection Overrides" (the fragment isn't signed).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from json.encoder import encode_basestring_ascii as as_json
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr

from adapters import made
from adapters._twilio import wire
from adapters._twilio.account import TwilioAccount
from adapters.contract import RawRequest
from adapters.envelope import SignedReading
from adapters.errors import NotAuthentic
from adapters.signing import any_same, hmac_base64, require_secrets, same, sha256_hex

HEADER: Final = "x-twilio-signature"
SETTINGS_HEADER: Final = "x-twilio-webhooks-signature-settings"
BODY_DIGEST: Final = "bodySHA256"
_DIGESTS: Final = {"HMAC_SHA1": "sha1", "HMAC_SHA256": "sha256"}


def verify(request: RawRequest, account: TwilioAccount, now: datetime) -> None:
    """Raises NotAuthentic unless Twilio signed this request with one of the account's secrets."""
    given = request.headers.get(HEADER, "")
    if not given:
        raise NotAuthentic("the X-Twilio-Signature header is missing", status=401, hint=_hint(request))
    algorithm, secrets = _key(request, account)
    try:
        told = words(_signed_fields(request))
        # Both spellings of the URL: Twilio signs it with or without the default port, depending on product and proxy.
        expected = [
            hmac_base64(secret, url.encode() + told, _DIGESTS[algorithm]) for secret in secrets for url in urls(request.url)
        ]
    except ValueError as fault:
        raise NotAuthentic("the request can't be read the way Twilio signs it", hint=_hint(request)) from fault
    if not any_same(given, expected):
        raise NotAuthentic("the signature is wrong", hint=_hint(request))


def reading(request: RawRequest, told: list[tuple[str, str]] | None) -> SignedReading:
    """What a verified request was taken to say (`told` by its form, if it is one), for telling a retry of Twilio's (the same names and values)
    from another reading of the same signature. A form's order isn't signed, so it doesn't count."""
    # As JSON, which has one reading alone. Digests are compared with those of earlier releases, so each byte of it stays as it is.
    pairs = ",".join([f"[{as_json(name)},{as_json(value)}]" for name, value in sorted(told or ())])
    read = f"[{as_json(request.url)},[{pairs}]]".encode()
    proof = request.headers.get(HEADER, "").encode("utf-8", "surrogatepass")
    return made.signed_reading(proof=sha256_hex(proof), reading=sha256_hex(read))


def compute(secret: str, url: str, fields: Iterable[tuple[str, str]]) -> str:
    """The signature of an address and a form's fields, with an auth token. Raises ValueError for text that has no UTF-8 form."""
    return hmac_base64(secret, url.encode() + words(fields), "sha1")


def words(fields: Iterable[tuple[str, str]]) -> bytes:
    """What is signed behind the URL: each name and value once, in the order of the names, then of the values. Raises ValueError for text that
    has no UTF-8 form."""
    return "".join([name + value for name, value in sorted(set(fields))]).encode()


def urls(url: str) -> tuple[str, ...]:
    """The forms in which Twilio may have signed a URL: without and with its port, never with fragment or password."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.netloc.rpartition("@")[2].partition(":")[0]
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return tuple(urlunsplit(parts._replace(netloc=netloc, fragment="")) for netloc in (host, f"{host}:{port}"))


def _key(request: RawRequest, account: TwilioAccount) -> tuple[str, tuple[str, ...]]:
    """The algorithm and the secrets that the request names: a shared key's, or the account's tokens."""
    settings = _settings(request.headers.get(SETTINGS_HEADER, ""))
    algorithm = settings.get("algorithm", "HMAC_SHA1").upper()
    if algorithm not in _DIGESTS:
        raise NotAuthentic("the request names an unknown signature algorithm", hint=_hint(request))
    if "key" not in settings:
        return algorithm, require_secrets(account.auth_tokens, "auth token")
    # An unknown key is an empty secret, which require_secrets refuses: never a fallback to the auth token.
    secret = account.shared_keys.get(settings["key"], SecretStr(""))
    return algorithm, require_secrets((secret,), "secret for the shared key that the request names")


def _settings(header: str) -> dict[str, str]:
    """`key=<id>,algorithm=<name>`; what is empty counts as absent."""
    found = (part.partition("=") for part in header.split(","))
    return {name.strip(): value.strip() for name, _, value in found if value.strip()}


def _signed_fields(request: RawRequest) -> list[tuple[str, str]]:
    """What is signed beside the URL: a form's fields; for another body, nothing, but then the URL must hold its digest."""
    if request.method == "GET":
        return []
    if wire.is_form(request):
        return wire.pairs(request.body)
    if not same(request.param(BODY_DIGEST) or "", sha256_hex(request.body)):
        raise NotAuthentic("the body's digest is missing from the URL or doesn't match", hint=_hint(request))
    return []


def _hint(request: RawRequest) -> str:
    return (
        f"checked {request.method} {request.url}: Twilio must call exactly this address. If it calls another one "
        "(scheme, host, port, trailing slash, query), fix the public address in our config or the webhook in Twilio's console; "
        "if the address is right, fix auth_tokens."
    )
