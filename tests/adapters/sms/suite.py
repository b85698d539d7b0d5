"""The SMS channel, as the conformance checks want to know it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlencode

from multidict import MultiDict
from twilio.request_validator import RequestValidator

from adapters._twilio import wire
from adapters._twilio.account import TwilioAccount
from adapters._twilio.signature import BODY_DIGEST, SETTINGS_HEADER
from adapters.conformance import Suite
from adapters.contract import RawRequest
from adapters.signing import sha256_hex
from adapters.sms import ADAPTER
from tests.adapters.sms.account import ACCOUNT


def sign(request: RawRequest, account: TwilioAccount) -> RawRequest:
    """The request as Twilio would send it with this body, by its own library and the account's first token."""
    request = replace(request, headers={key: value for key, value in request.headers.items() if key != SETTINGS_HEADER})
    fields: MultiDict[str] = MultiDict()
    if request.method == "POST" and wire.is_form(request):
        fields = MultiDict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True, errors="replace"))
    elif request.method == "POST":
        query = [pair for pair in request.query if pair[0] != BODY_DIGEST] + [(BODY_DIGEST, sha256_hex(request.body))]
        url = f"{request.url.partition('?')[0]}?{urlencode(query)}"
        request = replace(request, query=tuple(query), url=url)
    signature = RequestValidator(account.auth_tokens[0].get_secret_value()).compute_signature(request.url, fields)
    return replace(request, headers={**request.headers, "x-twilio-signature": signature})


SUITE: Final = Suite(
    adapter=ADAPTER,
    account=ACCOUNT,
    fixtures=Path(__file__).parent / "fixtures",
    sign=sign,
    proof_headers=("x-twilio-signature",),
)
