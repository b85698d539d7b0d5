"""Twilio with phones that have WhatsApp: a window of 24 hours, read marks, places, contacts, buttons, and customers who block.

Sources: Twilio, "WhatsApp-specific parameters", "Typing indicators", error codes 63016 and 63033.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import ClassVar, Final

from adapters._twilio import faults, wire
from adapters._twilio.ledger import Record
from adapters._twilio.simulator import Doing, Twilio
from adapters.contract import Answer, RawRequest
from adapters.simulation import Action, CannotAct, Outcome, ProviderCall, SimFile, digits_of
from adapters.whatsapp_twilio.account import TwilioWhatsAppAccount

_OUTSIDE_WINDOW: Final = 63016
_BLOCKED: Final = 63033
_FETCH_FAULT: Final = 63019
_TYPES: Final = frozenset(
    {
        "image/jpeg",
        "image/png",
        "image/webp",
        "audio/ogg",
        "audio/amr",
        "audio/3gpp",
        "audio/aac",
        "audio/mpeg",
        "video/mp4",
        "application/pdf",
        "application/msword",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "text/vcard",
    }
)


class WhatsAppTwilio(Twilio):
    """One sender and the people who write to it."""

    max_bytes: ClassVar[Mapping[str, int]] = {"*": 16_000_000, "image/jpeg": 5_000_000, "image/png": 5_000_000}

    def __init__(self, account: TwilioWhatsAppAccount) -> None:
        super().__init__(account, account.sender)
        self.last_said: dict[str, datetime] = {}
        self.blocked: set[str] = set()
        self.typing: dict[str, datetime] = {}
        self._names: dict[str, str] = {}

    def address(self, customer: str) -> str:
        """A number that nobody has: 555 is kept for films."""
        return f"whatsapp:+1555{digits_of(customer, 7)}"

    def fields(self, action: Action) -> dict[str, str]:
        """Who it is, and what kind of message."""
        address = self.address(action.customer)
        kind = action.file.mime_type.partition("/")[0] if action.file else "text"
        name = self._names.setdefault(address, action.customer.title())
        return {"ProfileName": name, "WaId": address.removeprefix("whatsapp:+"), "MessageType": kind}

    def route(self, request: RawRequest, now: datetime) -> Outcome | None:
        """Typing stands at another resource; the rest is as for SMS."""
        if request.path == "/v3/Indicators/Typing.json" and request.method == "POST":
            return self._types(request, now)
        return super().route(request, now)

    def _types(self, request: RawRequest, now: datetime) -> Outcome:
        body = wire.loads(request.body)
        if not isinstance(body, dict) or body.get("channel") != "WHATSAPP" or set(body) != {"channel", "messageId"}:
            return Outcome(faults.Fault(20001, "channel and messageId are required").answer)
        author = next((address for address in self.last_said if self.handsets.has(address, str(body["messageId"]))), None)
        if author is None:
            return Outcome(faults.NO_SUCH_RESOURCE.answer)
        self.typing[author] = now
        return Outcome(Answer(200, json.dumps({"success": True}).encode(), faults.JSON))

    def heard(self, address: str, action: Action, now: datetime) -> dict[str, str]:
        """Words count for senders of a service alone (Advanced Opt-Out)."""
        return self.keyword_heard(address, action.text or "", now) if self.account.messaging_service_sid else {}

    def late_refusal(self, record: Record, now: datetime) -> int | None:
        """Taken, and told as failed afterwards: the blocked, and free words after 24 hours."""
        if record.to in self.blocked:
            return _BLOCKED
        last = self.last_said.get(record.to)
        closed = last is None or now - last >= timedelta(hours=24)
        return _OUTSIDE_WINDOW if closed and not record.template else None

    def file_fault(self, file: SimFile) -> int | None:
        """WhatsApp carries fewer kinds of files than MMS, and larger ones."""
        return _FETCH_FAULT if file.mime_type not in _TYPES or super().file_fault(file) else None

    def status_fields(self, status: str, now: datetime) -> dict[str, str]:
        """Where it went, and the event behind a status."""
        install = {"ChannelPrefix": "whatsapp", "ChannelInstallSid": "XE" + self.account.account_sid[2:]}
        return install | ({"EventType": status.upper()} if status in ("read", "delivered") else {})

    # ------------------------------------------------------------------------------------------------ people

    def says(self, action: Action, now: datetime, extra: Mapping[str, str], file: SimFile | None = None) -> Outcome:
        """Each message opens the window anew."""
        self.last_said[self.address(action.customer)] = now
        return super().says(action, now, extra, file)

    def on_looking(self, address: str, now: datetime) -> tuple[ProviderCall, ...]:
        """Who writes has read."""
        return self.mark_read(address, now)

    def doings(self) -> dict[str, Doing]:
        """What people do on WhatsApp that Twilio tells of; reactions, stickers, edits and deletions it doesn't."""
        return {
            "read": self._reads,
            "block": self._blocks,
            "unblock": self._unblocks,
            "location": self._sends_place,
            "contact": self._sends_contact,
            "choose": self._chooses,
        }

    def _reads(self, action: Action, now: datetime) -> Outcome:
        return Outcome(calls=self.mark_read(self.address(action.customer), now))

    def _blocks(self, action: Action, now: datetime) -> Outcome:
        """Nobody tells us; our next message fails."""
        self.blocked.add(self.address(action.customer))
        return Outcome()

    def _unblocks(self, action: Action, now: datetime) -> Outcome:
        self.blocked.discard(self.address(action.customer))
        return Outcome()

    def _sends_place(self, action: Action, now: datetime) -> Outcome:
        details = action.details
        if not {"latitude", "longitude"} <= set(details):
            raise CannotAct("say where: latitude and longitude")
        place = {"Latitude": str(details["latitude"]), "Longitude": str(details["longitude"]), "MessageType": "location"}
        names = {"Label": details.get("name"), "Address": details.get("address")}
        return self.says(action, now, place | {name: str(value) for name, value in names.items() if value})

    def _sends_contact(self, action: Action, now: datetime) -> Outcome:
        name, phone = str(action.details.get("name", "Leo Paz")), str(action.details.get("phone", "+34600000000"))
        card = f"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:{name}\r\nTEL:{phone}\r\nEND:VCARD\r\n"
        file = SimFile(name="contact.vcf", mime_type="text/vcard", content=card.encode())
        return self.says(action, now, {"MessageType": "contacts"}, file)

    def _chooses(self, action: Action, now: datetime) -> Outcome:
        """Press a button of a message of ours."""
        title = str(action.details.get("title") or action.text or "")
        if not title:
            raise CannotAct("say which button: title")
        said = action.model_copy(update={"text": title})
        pressed = {"ButtonText": title, "ButtonPayload": str(action.details.get("id", title)), "MessageType": "button"}
        quoted = {"OriginalRepliedMessageSid": action.target, "OriginalRepliedMessageSender": self.own} if action.target else {}
        return self.says(said, now, pressed | {name: value or "" for name, value in quoted.items()})


def simulate(account: TwilioWhatsAppAccount) -> WhatsAppTwilio:
    """Twilio's side of this channel."""
    return WhatsAppTwilio(account)
