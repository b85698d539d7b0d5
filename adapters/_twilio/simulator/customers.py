"""What customers of the simulated Twilio do on their phones, and what Twilio tells us of it.

Faithful in what bites: a webhook that we fail is lost unless its address carries connection overrides; files redirect to a second
address that takes no credentials; with a messaging service a message is first accepted, and an opt-out told only in a callback.
Sources: Twilio, "Messages resource", "Media resource", "Connection Overrides", "Track the Message Status of Outbound Messages".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from adapters._twilio.account import TwilioAccount
from adapters._twilio.simulator.keywords import REPLIES, keyword
from adapters._twilio.simulator.messages import Messages, TwilioWishes
from adapters._twilio.simulator.records import segments
from adapters.simulation import Action, CannotAct, Deed, Doing, Phone, Shown, SimFile, digits_of, hex_of


class Twilio(Messages):
    """The account with the phones of its customers."""

    def __init__(self, account: TwilioAccount, own: str | None) -> None:
        super().__init__(account, own)
        self._hook = account.webhook_url + (f"#{account.connection_overrides}" if account.connection_overrides else "")

    # -------------------------------------------------------------------------------------- what channels add

    def fields(self, deed: Deed[Phone, TwilioWishes], file: SimFile | None) -> dict[str, str]:
        """The parameters that this channel adds to every message of a customer's."""
        return {}

    def heard(self, phone: Phone, text: str, now: datetime) -> dict[str, str]:
        """Twilio's own doings at a customer's text (opt-out words); the parameters that they add."""
        return {}

    # -------------------------------------------------------------------------------------------- customers

    def check(self, phone: Phone, action: Action) -> None:
        """A phone can always write."""

    def cannot(self, kind: str) -> str:
        """There is no such thing."""
        return f"{kind} is nothing that a phone can do here"

    def doings(self) -> Mapping[str, Doing[Phone, TwilioWishes]]:
        """What every phone can do; a channel adds its own."""
        common = self.ordinary()
        return {"say": self._says, "offline": common["offline"], "online": common["online"]}

    def _says(self, deed: Deed[Phone, TwilioWishes]) -> str:
        if not (deed.action.text or deed.action.file):
            raise CannotAct("write something, or pick a file")
        return self.says(deed, deed.action.text, {}, deed.action.file)

    def says(
        self, deed: Deed[Phone, TwilioWishes], text: str | None, extra: Mapping[str, str], file: SimFile | None = None
    ) -> str:
        """A message of the customer's, onto the handset and to our webhook."""
        wishes, phone = deed.wishes, deed.phone
        if wishes.token >= len(self.account.auth_tokens):
            raise CannotAct("the account has no such token")
        sid = self.sid("MM" if file else "SM")
        media_sid = self.store.keep(file, sid, wishes.late) if file else ""
        self.look(phone, deed.now)
        phone.wrote_at = deed.now
        self.mine(deed, sid, text, file, media_sid)
        fields = self._inbound_fields(sid, phone.address, text or "", media_sid) | self.fields(deed, file) | dict(extra)
        fields |= self.heard(phone, text or "", deed.now) | {name: str(value) for name, value in wishes.extra.items()}
        if self.account.messaging_service_sid:
            self.numbers.add(fields["To"])
        self.call_us(self._hook, fields, phone.address, deed.now, wishes, ((phone, sid),))
        return sid

    def _inbound_fields(self, sid: str, address: str, body: str, media_sid: str) -> dict[str, str]:
        file = self.files.get(media_sid)
        service = self.account.messaging_service_sid
        return {
            "ToCountry": "US",
            "SmsMessageSid": sid,
            "NumMedia": "1" if file else "0",
            "SmsSid": sid,
            "SmsStatus": "received",
            "Body": body,
            "To": self.own or "",
            "NumSegments": str(segments(body)),
            "MessageSid": sid,
            "AccountSid": self.account.account_sid,
            "From": address,
            "ApiVersion": "2010-04-01",
            **({"MessagingServiceSid": service} if service else {}),
            **({"MediaContentType0": file.mime_type} if file else {}),
            **({"MediaUrl0": f"{self.account.resources}/Messages/{sid}/Media/{media_sid}"} if file else {}),
        }

    def keyword_heard(self, phone: Phone, text: str, now: datetime) -> dict[str, str]:
        """STOP, START and HELP are answered by Twilio itself; with a service (Advanced Opt-Out) it says so."""
        heard, address = keyword(text), phone.address
        if not heard or (heard == "START" and address not in self.opted_out):
            return {}
        if heard != "HELP":
            (self.opted_out.add if heard == "STOP" else self.opted_out.discard)(address)
        line = {"id": self.sid("SM"), "from": "them", "text": REPLIES[heard], "at": now, "automatic": True}
        phone.lines[str(line["id"])] = Shown.model_validate(line)  # an automatic text of Twilio's own, which passes by us
        return {"OptOutType": heard} if self.account.messaging_service_sid else {}


def demo(channel_id: str, base: str, hook: str) -> dict[str, Any]:
    """An account that nobody has, at the simulator's address."""
    return {
        "account_sid": f"AC{hex_of(channel_id, 32)}",
        "auth_tokens": [f"demo-auth-token-of-{channel_id}"],
        "number": f"+1888555{digits_of(channel_id, 4)}",
        "api_base": base,
    }
