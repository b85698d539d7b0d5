"""Twilio with phones that text: STOP words, no read marks, nothing but texts and files."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Final

from adapters._twilio.simulator import Doing, Twilio
from adapters.simulation import Action, Outcome, digits_of
from adapters.sms.account import TwilioAccount

# The carriers' own lists; custom ones belong to Advanced Opt-Out. https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out
_STOP: Final = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"})
_START: Final = frozenset({"start", "unstop", "yes"})
_HELP: Final = frozenset({"help", "info"})
_REPLIES: Final = {
    "STOP": "You have successfully been unsubscribed. You will not receive any more messages from this number. Reply START to resubscribe.",
    "START": "You have successfully been re-subscribed to messages from this number. Reply HELP for help. Reply STOP to unsubscribe.",
    "HELP": "Reply STOP to unsubscribe. Msg&Data Rates May Apply.",
}


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
        super().__init__(account, account.number)

    def address(self, customer: str) -> str:
        """A number that nobody has: 555 is kept for films."""
        return f"+1555{digits_of(customer, 7)}"

    def fields(self, action: Action) -> dict[str, str]:
        """Twilio's guess of the place, by the number."""
        return {"FromCountry": "US", "FromState": "", "FromCity": "", "FromZip": ""}

    def heard(self, address: str, action: Action, now: datetime) -> dict[str, str]:
        """STOP, START and HELP are answered by Twilio itself; with a service (Advanced Opt-Out) it says so."""
        heard = _keyword((action.text or "").strip().lower())
        if not heard or (heard == "START" and address not in self.opted_out):
            return {}
        if heard != "HELP":
            (self.opted_out.add if heard == "STOP" else self.opted_out.discard)(address)
        self.reply(address, _REPLIES[heard], now)
        return {"OptOutType": heard} if self.account.messaging_service_sid else {}

    def doings(self) -> dict[str, Doing]:
        """A texter ends it with STOP; there is no other way."""
        return {"end": self._stops}

    def _stops(self, action: Action, now: datetime) -> Outcome:
        return self.says(action.model_copy(update={"kind": "say", "text": "STOP"}), now, {})

    def status_fields(self, status: str, now: datetime) -> dict[str, str]:
        """When the carrier says that it was done."""
        return {"RawDlrDoneDate": now.strftime("%y%m%d%H%M")} if status in ("delivered", "undelivered") else {}


def _keyword(word: str) -> str:
    if word in _STOP:
        return "STOP"
    if word in _START:
        return "START"
    return "HELP" if word in _HELP else ""


def simulate(account: TwilioAccount) -> TextingTwilio:
    """Twilio's side of this channel."""
    return TextingTwilio(account)
