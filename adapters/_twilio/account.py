"""The settings that every channel through Twilio has."""

from __future__ import annotations

import re
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, Field, SecretStr, model_validator

from adapters.contract import Account
from adapters.forms import BaseUrl, Unfit

_PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_SHORT_CODE: Final = re.compile(r"[0-9]{3,8}")
# Letters, digits, blanks and some signs, at most 11, one of them a letter. Source: Twilio, "Alphanumeric Sender ID".
_NAME: Final = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 +&_-]{1,11}")


def _phone(number: str) -> str:
    if not _PHONE.fullmatch(number.removeprefix("whatsapp:")):
        raise Unfit(
            "is not a phone number in Twilio's format", "Write it like +15550002222: a plus, the country code, and only digits."
        )
    return number


def _sender(number: str) -> str:
    if _SHORT_CODE.fullmatch(number) or (_NAME.fullmatch(number) and not number.startswith(("+", "00", " "))):
        return number
    return _phone(number)


# A phone number, perhaps with `whatsapp:` before it.
Phone: TypeAlias = Annotated[str, AfterValidator(_phone)]
# A phone number, a short code, or a name where carriers allow one.
Sender: TypeAlias = Annotated[str, AfterValidator(_sender)]


def _sid(letters: str, where: str) -> AfterValidator:
    """Twilio's ids: two letters for the kind of thing, and 32 hex digits."""

    def check(value: str) -> str:
        if not re.fullmatch(f"{letters}[0-9a-fA-F]{{32}}", value):
            raise Unfit(f"is not an {letters} sid", f"Write {letters} and 32 hex digits, as {where} shows it.")
        return value

    return AfterValidator(check)


class TwilioAccount(Account):
    """One sender at Twilio: the account, its keys, and the number or service that messages go out from.

    While a token is rotated, both are in `auth_tokens`, the new one first: Twilio takes the secondary token for API calls at
    once, and signs with it from its promotion on.
    Source: Twilio, "Security" and "Auth Tokens and How to Change Them".
    """

    account_sid: Annotated[str, _sid("AC", "Twilio's console")] = Field(
        description="The account's SID (AC…). A subaccount has its own."
    )
    auth_tokens: tuple[SecretStr, ...] = Field(
        min_length=1,
        description="The account's auth tokens. The first is used for calls; webhooks signed with any of them are accepted.",
    )
    api_key_sid: Annotated[str, _sid("SK", "Twilio's console, at the key,")] | None = Field(
        default=None, description="An API key (SK…) for calls, instead of the auth token."
    )
    api_key_secret: SecretStr | None = Field(default=None, description="The API key's secret.")
    shared_keys: dict[str, SecretStr] = Field(
        default_factory=dict, description="Shared keys that sign webhooks, by the id in X-Twilio-Webhooks-Signature-Settings."
    )
    messaging_service_sid: Annotated[str, _sid("MG", "Twilio's console, at the service,")] | None = Field(
        default=None,
        description="A messaging service (MG…). Customers may write to any of its numbers, and are answered from the "
        "one they wrote to. Without it, the channel has one number, and messages to others are kept as unknown.",
    )
    connection_overrides: str = Field(
        default="rc=5&rp=all",
        pattern=r"^[a-z0-9=&,:.-]*$",
        description="Twilio's retry settings, added as the fragment of every status callback. Without them, a failed "
        "webhook is lost. Also append them to the webhook address in Twilio's console, as `#rc=5&rp=all`.",
    )
    validity_seconds: int | None = Field(
        default=None,
        ge=1,
        le=36_000,
        description="How long a message may wait at Twilio before Twilio gives up. Twilio's default is 10 hours.",
    )
    api_base: BaseUrl = Field(default="https://api.twilio.com", description="Twilio's API.")

    @property
    def credentials(self) -> tuple[str, str]:
        """User and password of every API call: the API key if there is one, else the account and its first token."""
        if self.api_key_sid and self.api_key_secret:
            return self.api_key_sid, self.api_key_secret.get_secret_value()
        return self.account_sid, self.auth_tokens[0].get_secret_value() if self.auth_tokens else ""

    @property
    def own_number(self) -> str | None:
        """The one number that customers write to; None where there is none that they could write to."""
        return None

    @property
    def resources(self) -> str:
        """The account's base address; the date is the version of Twilio's API."""
        return f"{self.api_base}/2010-04-01/Accounts/{self.account_sid}"

    @model_validator(mode="after")
    def _whole_api_key(self) -> TwilioAccount:
        if bool(self.api_key_sid) != bool(self.api_key_secret):
            raise ValueError("api_key_sid and api_key_secret belong together: set both or neither")
        return self
