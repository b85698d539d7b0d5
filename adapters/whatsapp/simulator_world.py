"""The simulated WhatsApp's state: phones, and the webhooks that tell of them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias

from adapters._meta.mischief import Orders
from adapters._meta.simulation import Bucket, Hooks
from adapters.contract import Answer
from adapters.simulation import ProviderCall, Shown, digits_of
from adapters.whatsapp.account import WhatsAppAccount
from adapters.whatsapp.simulator_rules import canonical

NUMBER: Final = "15550002222"

# A message of ours: WhatsApp's id, and our own id of it (`biz_opaque_callback_data`).
Ours: TypeAlias = tuple[str, str | None]


@dataclass
class Phone:
    """A customer's phone, as WhatsApp knows it."""

    customer: str
    rate: Bucket
    lines: dict[str, Shown] = field(default_factory=dict)
    wrote_at: datetime | None = None
    blocked: bool = False
    offline: bool = False
    agent: bool = False  # Meta's agent answers, not we
    waiting: list[Ours] = field(default_factory=list)
    unread: list[Ours] = field(default_factory=list)
    typing_until: datetime | None = None
    wa_id: str = ""  # the number
    user_id: str = ""  # the id that the business knows the person by
    changes: int = 0

    def __post_init__(self) -> None:
        self.wa_id = self.wa_id or f"34600{digits_of(self.customer, 6)}"
        self.user_id = self.user_id or f"ES.309{digits_of(self.customer, 17)}"

    def moves(self, number: str | None = None) -> None:
        """Another SIM card: a number that nobody had, or the one that is given."""
        self.changes += 1
        self.wa_id = number or f"346{100 - self.changes:02d}{digits_of(self.customer, 6)}"

    def gets_another_id(self) -> None:
        """As WhatsApp gives one to who changes the number."""
        self.user_id = f"ES.309{digits_of(f'{self.customer} {self.changes}', 17)}"

    def contact(self) -> dict[str, Any]:
        """The person in `contacts[]`."""
        return {"profile": {"name": self.customer.title()}, "wa_id": self.wa_id, "user_id": self.user_id}


class World:
    """Everybody who writes to one business number."""

    def __init__(self, account: WhatsAppAccount, pair: tuple[float, float]) -> None:
        self.account = account
        self.hooks = Hooks(account)
        self.orders = Orders()
        self.phones: dict[str, Phone] = {}
        self._pair = pair
        self._count = 0
        self._posted: dict[str, tuple[Phone, str]] = {}

    def phone(self, customer: str) -> Phone:
        """The customer's phone, or a new one that is not kept yet."""
        return self.phones.get(customer) or Phone(customer, Bucket(*self._pair))

    def find(self, given: str) -> Phone | None:
        """Whose number or id that is."""
        wanted = canonical(given)
        return next((one for one in self.phones.values() if wanted in (one.wa_id, one.user_id)), None)

    def count(self) -> int:
        """The next number for an id."""
        self._count += 1
        return self._count

    def wamid(self) -> str:
        """A new message id."""
        inner = f"{self.account.phone_number_id[-4:]}\x15\x02{self.count():010d}"
        return f"wamid.HBgL{base64.b64encode(inner.encode()).decode()}"

    # ------------------------------------------------------------------------------------------------ webhooks

    def value(self, **more: Any) -> dict[str, Any]:
        """A change's value, for this number."""
        metadata = {"display_phone_number": NUMBER, "phone_number_id": self.account.phone_number_id}
        return {"messaging_product": "whatsapp", "metadata": metadata, **more}

    def hook(self, lane: str, value: Mapping[str, Any], name: str = "messages", delay_seconds: float = 0.0) -> ProviderCall:
        """One webhook with one change."""
        entry = {"id": "204000000000001", "changes": [{"value": dict(value), "field": name}]}
        return self.hooks.post({"object": "whatsapp_business_account", "entry": [entry]}, lane, delay_seconds)

    def post(
        self, phone: Phone, line_id: str, value: dict[str, Any], details: Mapping[str, Any], name: str = "messages"
    ) -> tuple[ProviderCall, ...]:
        """What a customer did, as often and as late as the action says."""
        times, delay = int(details.get("times", 1)), float(details.get("delay_seconds", 0.0))
        calls = tuple(self.hook(phone.wa_id, value, name, delay) for _ in range(times))
        self._posted |= {call.id: (phone, line_id) for call in calls}
        return calls

    def settled(self, call: ProviderCall, answer: Answer | None) -> tuple[ProviderCall, ...]:
        """A webhook was answered: the line that it told of is sent, fails, or is tried again."""
        again = self.hooks.again(call, answer)
        phone, line_id = self._posted.get(call.id.partition(".")[0], (None, ""))
        line = phone.lines.get(line_id) if phone else None
        if phone and line and line.status == "sending":
            status = "sending" if again else "sent" if answer is not None and answer.status == 200 else "failed"
            phone.lines[line_id] = line.model_copy(update={"status": status})
        return again

    def statuses(self, phone: Phone, status: str, messages: list[Ours], now: datetime) -> ProviderCall:
        """What became of messages of ours."""
        items = [_status(phone.wa_id, phone.user_id, status, one, now) for one in messages]
        return self.hook(phone.wa_id, self.value(contacts=[phone.contact()], statuses=items))

    def failed(
        self, to: Phone | str, message: Ours, code: int, title: str, now: datetime, why: str | None = None
    ) -> ProviderCall:
        """A refusal after the 200. There is no `contacts` block with it."""
        wa_id, user_id = (to.wa_id, to.user_id) if isinstance(to, Phone) else (to, None)
        error = {"code": code, "title": title, "message": title, "error_data": {"details": why or title}}
        item = {**_status(wa_id, user_id, "failed", message, now), "errors": [error]}
        return self.hook(wa_id, self.value(statuses=[item]))

    def deliver(self, phone: Phone, now: datetime) -> tuple[ProviderCall, ...]:
        """What waits reaches the phone, if it is on."""
        if phone.offline or not phone.waiting:
            return ()
        messages, phone.waiting = phone.waiting, []
        phone.unread += messages
        return (self.statuses(phone, "delivered", messages, now),)

    def look(self, phone: Phone, now: datetime) -> tuple[ProviderCall, ...]:
        """The customer looks at the chat: everything delivered is read."""
        messages, phone.unread = phone.unread, []
        return (self.statuses(phone, "read", messages, now),) if messages else ()


def _status(wa_id: str, user_id: str | None, status: str, message: Ours, now: datetime) -> dict[str, Any]:
    item: dict[str, Any] = {"id": message[0], "status": status, "timestamp": str(int(now.timestamp())), "recipient_id": wa_id}
    if user_id:
        item["recipient_user_id"] = user_id
    if message[1]:
        item["biz_opaque_callback_data"] = message[1]
    if status in ("sent", "delivered"):
        item["pricing"] = {"billable": False, "pricing_model": "PMP", "type": "free_customer_service", "category": "service"}
    return item
