"""Twilio's side: the Messages API, webhooks for what customers do, status callbacks, media. The channels add what differs.

Faithful in what bites: a webhook that we fail is lost unless its address carries connection overrides; files redirect to a second
address that takes no credentials; with a messaging service a message is first accepted, and an opt-out told only in a callback.
Sources: Twilio, "Messages resource", "Media resource", "Connection Overrides", "Track the Message Status of Outbound Messages".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeAlias

from pydantic import BaseModel, Field, ValidationError

from adapters._twilio import mischief, webhooks
from adapters._twilio.account import TwilioAccount
from adapters._twilio.keywords import REPLIES, keyword
from adapters._twilio.ledger import segments
from adapters._twilio.messages_api import MessagesApi
from adapters.contract import Answer
from adapters.simulation import Action, CannotAct, Outcome, ProviderCall, Shown, SimFile

Doing: TypeAlias = Callable[[Action, datetime], Outcome]


class Delivery(BaseModel):
    """How a message of the customer's reaches us, from an action's `details`; other details are left to the channels.

    `times` in all, the repeats `again_seconds` after the first; `unordered`: not behind the customer's other messages; `extra`
    parameters; `late`: how often its file is not there yet; `token`: which of the account's tokens signs, while they rotate.
    """

    times: int = Field(default=1, ge=1, le=1_000)
    delay_seconds: float = Field(default=0, ge=0)
    again_seconds: float = Field(default=0, ge=0)
    unordered: bool = False
    extra: dict[str, str | int | float] = Field(default_factory=dict)
    late: int = Field(default=0, ge=0)
    token: int = Field(default=0, ge=0)


class Twilio(MessagesApi):
    """The account with the phones of its customers. Everything follows from the inputs and their times; ids count up."""

    def __init__(self, account: TwilioAccount, own: str | None) -> None:
        super().__init__(account, own)
        self.hook = account.webhook_url + (f"#{account.connection_overrides}" if account.connection_overrides else "")

    # -------------------------------------------------------------------------------------- what channels add

    def address(self, customer: str) -> str:
        """The customer's address on this channel."""
        raise NotImplementedError

    def fields(self, action: Action) -> dict[str, str]:
        """The parameters that this channel adds to every message of a customer's."""
        return {}

    def heard(self, address: str, action: Action, now: datetime) -> dict[str, str]:
        """Twilio's own doings at a customer's text (opt-out words); the parameters that they add."""
        return {}

    def on_looking(self, address: str, now: datetime) -> tuple[ProviderCall, ...]:
        """Who writes has read what came before; SMS doesn't tell."""
        return ()

    def doings(self) -> dict[str, Doing]:
        """What a customer can do on this channel beside saying something."""
        return {}

    # -------------------------------------------------------------------------------------------- customers

    def act(self, action: Action, now: datetime) -> Outcome:
        """A customer does something."""
        common: dict[str, Doing] = {"say": self._says, "offline": self._switches_off, "online": self._switches_on}
        doing = (common | self.doings()).get(action.kind)
        if doing is None:
            raise CannotAct(f"{action.kind} is nothing that a phone can do here")
        ordered = mischief.asked_for(action.details)
        outcome = doing(action, now)
        self.mischief += ordered
        return outcome

    def _switches_off(self, action: Action, now: datetime) -> Outcome:
        self.offline.add(self.address(action.customer))
        return Outcome()

    def _switches_on(self, action: Action, now: datetime) -> Outcome:
        address = self.address(action.customer)
        self.offline.discard(address)
        waiting = [record for record in self.records.values() if record.to == address and record.status == "sent"]
        return Outcome(calls=tuple(call for record in waiting for call in self.deliver(record, now)))

    def _says(self, action: Action, now: datetime) -> Outcome:
        if not (action.text or action.file):
            raise CannotAct("write something, or pick a file")
        return self.says(action, now, {}, action.file)

    def says(self, action: Action, now: datetime, extra: Mapping[str, str], file: SimFile | None = None) -> Outcome:
        """A message of the customer's, onto the handset and to our webhook."""
        delivery, address = self._delivery(action), self.address(action.customer)
        sid = self.ids.sid("MM" if file else "SM")
        media_sid = self.files.store(file, sid, delivery.late) if file else ""
        shown = Shown(id=sid, sender="me", text=action.text, at=now, status="sending", media=self.files.shown(media_sid))
        self.handsets.show(address, shown)
        read = self.on_looking(address, now)
        fields = self._inbound_fields(sid, address, action.text or "", media_sid) | self.fields(action) | dict(extra)
        fields |= self.heard(address, action, now) | {name: str(value) for name, value in delivery.extra.items()}
        if self.account.messaging_service_sid:
            self.numbers.add(fields["To"])
        return Outcome(calls=(*read, *self._deliveries(fields, delivery, (address, sid))), line_id=sid)

    def _delivery(self, action: Action) -> Delivery:
        try:
            found = Delivery.model_validate(action.details)
        except ValidationError as fault:
            raise CannotAct(f"no such delivery: {fault.errors()[0]['loc']}: {fault.errors()[0]['msg']}") from fault
        if found.token >= len(self.account.auth_tokens):
            raise CannotAct("the account has no such token")
        return found

    def _deliveries(self, fields: Mapping[str, str], delivery: Delivery, line: tuple[str, str]) -> list[ProviderCall]:
        """The same bytes each time; what comes later keeps nobody waiting."""
        calls = []
        for count in range(delivery.times):
            later = delivery.again_seconds if count else 0
            lane = f"{line[0]}.{line[1]}.{count}" if delivery.unordered or later else line[0]
            delay = delivery.delay_seconds + later
            calls.append(self.webhooks.make(self.hook, fields, lane=lane, delay=delay, line=line, token=delivery.token))
        return calls

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

    def keyword_heard(self, address: str, text: str, now: datetime) -> dict[str, str]:
        """STOP, START and HELP are answered by Twilio itself; with a service (Advanced Opt-Out) it says so."""
        heard = keyword(text)
        if not heard or (heard == "START" and address not in self.opted_out):
            return {}
        if heard != "HELP":
            (self.opted_out.add if heard == "STOP" else self.opted_out.discard)(address)
        self.reply(address, REPLIES[heard], now)
        return {"OptOutType": heard} if self.account.messaging_service_sid else {}

    def reply(self, address: str, text: str, now: datetime) -> None:
        """An automatic text of Twilio's own, which passes by us."""
        line = {"id": self.ids.sid("SM"), "from": "them", "text": text, "at": now, "automatic": True}
        self.handsets.show(address, Shown.model_validate(line))

    # ---------------------------------------------------------------------------------------------- the rest

    def settled(self, call: ProviderCall, answer: Answer | None, now: datetime) -> tuple[ProviderCall, ...]:
        """What a call came to; a failed webhook is repeated as its address asked."""
        if call.purpose == "fetch":
            return self.fetched(call, answer, now)
        became, line = self.webhooks.settled(call, answer)
        if became == "again":
            return (webhooks.repeated(call),)
        if line:
            self.handsets.mark(*line, "sent" if became == "taken" else "failed")
        return ()

    def refresh(self, customer: str, now: datetime) -> tuple[ProviderCall, ...]:
        """Nothing: the phone has all that was delivered."""
        return ()

    def handset(self, customer: str) -> list[Shown]:
        """What the customer's phone shows, oldest first."""
        return self.handsets.lines(self.address(customer))

    def file(self, file_id: str) -> SimFile | None:
        """A file that a handset shows."""
        return self.files.get(file_id)
