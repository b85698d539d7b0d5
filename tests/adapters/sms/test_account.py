"""The settings: what they refuse, and that the error names the fix."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from adapters.sms.account import TwilioAccount
from adapters.whatsapp_twilio.account import TwilioWhatsAppAccount

SID, KEY, SERVICE = (f"{letters}{1:032x}" for letters in ("AC", "SK", "MG"))
GOOD: dict[str, Any] = {"account_sid": SID, "auth_tokens": ["t"], "number": "+15550002222"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"number": None}, "set number or messaging_service_sid"),
        ({"number": "+1 555 000 2222"}, "not a phone number"),
        ({"number": "0015550002222"}, "not a phone number"),
        ({"api_key_sid": KEY}, "api_key_sid and api_key_secret belong together"),
        ({"api_key_secret": "x"}, "api_key_sid and api_key_secret belong together"),
        ({"connection_overrides": "#rc=5"}, "connection_overrides"),
        ({"validity_seconds": 0}, "validity_seconds"),
        ({"validity_seconds": 36_001}, "validity_seconds"),
        ({"auth_token": "t"}, "auth_token"),
    ],
)
def test_faults(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        TwilioAccount.model_validate(GOOD | given)


@pytest.mark.parametrize("number", ["+15550002222", "72345", "PARCELS", "My Shop"])
def test_senders(number: str) -> None:
    assert TwilioAccount.model_validate(GOOD | {"number": number}).number == number


def test_a_service_needs_no_number() -> None:
    assert TwilioAccount.model_validate(GOOD | {"number": None, "messaging_service_sid": SERVICE}).number is None


@pytest.mark.parametrize(("number", "fine"), [("whatsapp:+15550002222", True), ("+15550002222", True), ("whatsapp:1555", False)])
def test_whatsapp_senders(number: str, fine: bool) -> None:
    if fine:
        assert TwilioWhatsAppAccount.model_validate(GOOD | {"number": number}).sender == "whatsapp:+15550002222"
    else:
        with pytest.raises(ValidationError, match="not a phone number"):
            TwilioWhatsAppAccount.model_validate(GOOD | {"number": number})


def test_an_api_key_is_never_paired_with_the_token() -> None:
    """Half a pair of each would be a 401 at every call."""
    keyed = TwilioAccount.model_validate(GOOD | {"api_key_sid": KEY, "api_key_secret": "s"})
    assert keyed.credentials == (KEY, "s")
    assert TwilioAccount.model_validate(GOOD).credentials == (SID, "t")


@pytest.mark.parametrize("kind", [TwilioAccount, TwilioWhatsAppAccount])
def test_every_setting_is_described(kind: type[TwilioAccount]) -> None:
    own = {name: field.description for name, field in kind.model_fields.items() if name not in ("channel_id", "webhook_url")}
    assert all(own.values())
