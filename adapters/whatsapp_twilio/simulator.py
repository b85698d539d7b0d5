"""Twilio with phones that have WhatsApp: a window of 24 hours, read marks, places, contacts, buttons, and customers who block.

Sources: Twilio, "WhatsApp-specific parameters", "Typing indicators", error codes 63016 and 63033.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, TypeAlias

from adapters._twilio import wire
from adapters._twilio.simulator import customers, faults
from adapters._twilio.simulator.customers import Twilio
from adapters._twilio.simulator.messages import TwilioWishes
from adapters._twilio.simulator.records import Record
from adapters.contract import Answer, RawRequest
from adapters.simulation import CannotAct, Deed, Doing, Phone, SimFile, digits_of, place
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


_Deed: TypeAlias = Deed[Phone, TwilioWishes]


class WhatsAppTwilio(Twilio):
    """One sender and the people who write to it."""

    max_bytes: ClassVar[Mapping[str, int]] = {"*": 16_000_000, "image/jpeg": 5_000_000, "image/png": 5_000_000}

    def __init__(self, account: TwilioWhatsAppAccount) -> None:
        super().__init__(account, account.sender)
        self.typing: dict[str, datetime] = {}

    def address_of(self, customer: str) -> str:
        """A number that nobody has: 555 is kept for films."""
        return f"whatsapp:+1555{digits_of(customer, 7)}"

    def fields(self, deed: _Deed, file: SimFile | None) -> dict[str, str]:
        """Who it is, and what kind of message."""
        kind = file.mime_type.partition("/")[0] if file else "text"
        address = deed.phone.address
        name = deed.action.customer.title()
        return {"ProfileName": name, "WaId": address.removeprefix("whatsapp:+"), "MessageType": kind}

    def route(self, request: RawRequest, now: datetime) -> Answer | None:
        """Typing stands at another resource; the rest is as for SMS."""
        if request.path == "/v3/Indicators/Typing.json" and request.method == "POST":
            return self._types(request, now)
        return super().route(request, now)

    def _types(self, request: RawRequest, now: datetime) -> Answer:
        body = wire.loads(request.body)
        if not isinstance(body, dict) or body.get("channel") != "WHATSAPP" or set(body) != {"channel", "messageId"}:
            return faults.Fault(20001, "channel and messageId are required").answer
        author = next((one for one in self.phones.values() if one.wrote_at and one.line(str(body["messageId"]))), None)
        if author is None:
            return faults.NO_SUCH_RESOURCE.answer
        self.typing[author.address] = now
        return Answer(200, json.dumps({"success": True}).encode(), faults.JSON)

    def heard(self, phone: Phone, text: str, now: datetime) -> dict[str, str]:
        """Words count for senders of a service alone (Advanced Opt-Out)."""
        return self.keyword_heard(phone, text, now) if self.account.messaging_service_sid else {}

    def late_refusal(self, record: Record, phone: Phone, now: datetime) -> int | None:
        """Taken, and told as failed afterwards: the blocked, and free words after 24 hours."""
        if phone.blocked:
            return _BLOCKED
        closed = phone.wrote_at is None or now - phone.wrote_at >= timedelta(hours=24)
        return _OUTSIDE_WINDOW if closed and not record.template else None

    def file_fault(self, file: SimFile) -> int | None:
        """WhatsApp carries fewer kinds of files than MMS, and larger ones."""
        return _FETCH_FAULT if file.mime_type not in _TYPES or super().file_fault(file) else None

    def status_fields(self, status: str, now: datetime) -> dict[str, str]:
        """Where it went, and the event behind a status."""
        install = {"ChannelPrefix": "whatsapp", "ChannelInstallSid": "XE" + self.account.account_sid[2:]}
        return install | ({"EventType": status.upper()} if status in ("read", "delivered") else {})

    # ------------------------------------------------------------------------------------------------ people

    def was_read(self, phone: Phone, line_ids: Sequence[str], now: datetime) -> None:
        """Told."""
        self.tell_read(line_ids, now)

    def doings(self) -> Mapping[str, Doing[Phone, TwilioWishes]]:
        """What people do on WhatsApp that Twilio tells of; reactions, stickers, edits and deletions it doesn't. Nobody is told of a block:
        our next message fails."""
        return {**self.ordinary(), **super().doings(), "location": self._place, "contact": self._contact, "choose": self._choose}

    def _place(self, deed: _Deed) -> str:
        latitude, longitude = place(deed.details)
        where = {"Latitude": str(latitude), "Longitude": str(longitude), "MessageType": "location"}
        names = {"Label": deed.details.get("name"), "Address": deed.details.get("address")}
        return self.says(deed, deed.action.text, where | {name: str(value) for name, value in names.items() if value})

    def _contact(self, deed: _Deed) -> str:
        name, phone = str(deed.details.get("name", "Leo Paz")), str(deed.details.get("phone", "+34600000000"))
        card = f"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:{name}\r\nTEL:{phone}\r\nEND:VCARD\r\n"
        file = SimFile(name="contact.vcf", mime_type="text/vcard", content=card.encode())
        return self.says(deed, deed.action.text, {"MessageType": "contacts"}, file)

    def _choose(self, deed: _Deed) -> str:
        """Press a button of a message of ours."""
        title, target = str(deed.details.get("title") or deed.action.text or ""), deed.action.target
        if not title:
            raise CannotAct("say which button: title")
        pressed = {"ButtonText": title, "ButtonPayload": str(deed.details.get("id", title)), "MessageType": "button"}
        quoted = {"OriginalRepliedMessageSid": target, "OriginalRepliedMessageSender": self.own or ""} if target else {}
        return self.says(deed, title, pressed | quoted)


def simulate(account: TwilioWhatsAppAccount) -> WhatsAppTwilio:
    """Twilio's side of this channel."""
    return WhatsAppTwilio(account)


def demo(channel_id: str, base: str, hook: str) -> dict[str, Any]:
    """An account that nobody has, at the simulator's address."""
    return {**customers.demo(channel_id, base, hook), "messaging_base": base}
