"""The settings of an SMS channel."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from adapters._twilio.account import Sender
from adapters._twilio.account import TwilioAccount as SharedAccount


class TwilioAccount(SharedAccount):
    """One number, short code or messaging service at Twilio that texts (and pictures) go through.

    Two numbers are two channels: a customer knows a business by its number.
    """

    number: Sender | None = Field(
        default=None,
        description="The number that we write from, as +15550002222; a short code or a name where carriers allow it.",
    )
    mms_prefixes: tuple[Annotated[str, Field(pattern=r"^\+[0-9]{1,7}$")], ...] = Field(
        default=("+1",),
        description="Numbers that begin so get files as MMS, others as links: Twilio carries MMS in the US and Canada only.",
    )
    stop_words: tuple[str, ...] = Field(
        default=("stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"),
        description="Whole texts that opt out; Twilio's own list. Words of Advanced Opt-Out count without standing here.",
    )
    start_words: tuple[str, ...] = Field(default=("start", "unstop", "yes"), description="Whole texts that opt in again.")

    @property
    def own_number(self) -> str | None:
        """A name (`ACME`) can be written from, and not to: then messages come to a number that nobody told us."""
        return self.number if self.number and self.number.removeprefix("+").isdecimal() else None

    @model_validator(mode="after")
    def _a_sender(self) -> TwilioAccount:
        if not (self.number or self.messaging_service_sid):
            raise ValueError("give number or messaging_service_sid: without one Twilio knows no sender")
        return self
