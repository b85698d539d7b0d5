"""Twilio with phones that text: STOP words, no read marks, nothing but texts and files."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Final

from adapters._twilio.simulator.customers import Twilio
from adapters._twilio.simulator.messages import TwilioWishes
from adapters.simulation import Deed, Doing, Phone, SimFile, digits_of
from adapters.sms.account import TwilioAccount

_OF_THE_SERVICE: Final = "+18885550100"  # the number that a service picks, where the account names none


class TextingTwilio(Twilio):
    """One number (or service) and the phones that know it."""

    # Pictures are made to fit the phone; what isn't one must fit as it is.
    max_bytes: ClassVar[Mapping[str, int]] = {
        "*": 500_000,
        "image/jpeg": 5_000_000,
        "image/png": 5_000_000,
        "image/gif": 5_000_000,
    }

    def __init__(self, account: TwilioAccount) -> None:
        super().__init__(account, account.number or _OF_THE_SERVICE)

    def address_of(self, customer: str) -> str:
        """A number that nobody has: 555 is kept for films."""
        return f"+1555{digits_of(customer, 7)}"

    def fields(self, deed: Deed[Phone, TwilioWishes], file: SimFile | None) -> dict[str, str]:
        """Twilio's guess of the place, by the number."""
        return {"FromCountry": "US", "FromState": "", "FromCity": "", "FromZip": ""}

    def heard(self, phone: Phone, text: str, now: datetime) -> dict[str, str]:
        """Carriers and Twilio hear the words on every number."""
        return self.keyword_heard(phone, text, now)

    def doings(self) -> Mapping[str, Doing[Phone, TwilioWishes]]:
        """A texter ends it with STOP; there is no other way."""
        return {**super().doings(), "end": lambda deed: self.says(deed, "STOP", {})}

    def status_fields(self, status: str, now: datetime) -> dict[str, str]:
        """When the carrier says that it was done."""
        return {"RawDlrDoneDate": now.strftime("%y%m%d%H%M")} if status in ("delivered", "undelivered") else {}


def simulate(account: TwilioAccount) -> TextingTwilio:
    """Twilio's side of this channel."""
    return TextingTwilio(account)
