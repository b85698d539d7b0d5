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
        description="The sender's number, such as +15550002222; or a short code or a name if carriers allow it.",
    )
    mms_prefixes: tuple[Annotated[str, Field(pattern=r"^\+[0-9]{1,7}$")], ...] = Field(
        default=("+1",),
        description="Numbers with these prefixes get files as MMS, others as links. Twilio supports MMS only in the US and Canada.",
    )
    stop_words: tuple[str, ...] = Field(
        default=("stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"),
        description="Complete texts that opt out; by default Twilio's own list. Words of Advanced Opt-Out work without being listed here.",
    )
    start_words: tuple[str, ...] = Field(default=("start", "unstop", "yes"), description="Complete texts that opt in again.")

    @property
    def own_number(self) -> str | None:
        """A name (`ACME`) can be written from, and not to: then messages come to a number that nobody told us."""
        return self.number if self.number and self.number.removeprefix("+").isdecimal() else None

    @model_validator(mode="after")
    def _a_sender(self) -> TwilioAccount:
        if not (self.number or self.messaging_service_sid):
            raise ValueError("set number or messaging_service_sid: without one, Twilio has no sender")
        return self
