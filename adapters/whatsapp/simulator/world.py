"""The simulated WhatsApp's phones, and the webhooks that tell of them."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from adapters._meta.simulator.graph import Bucket, written
from adapters._meta.simulator.provider import GraphProvider
from adapters.simulation import Phone, Shown, digits_of
from adapters.whatsapp.account import WhatsAppAccount
from adapters.whatsapp.simulator.files import WhatsAppFiles
from adapters.whatsapp.simulator.rules import canonical

NUMBER: Final = "15550002222"


@dataclass
class WhatsAppPhone(Phone):
    """A customer's phone, as WhatsApp knows it; `ours` are our own ids of our lines (`biz_opaque_callback_data`), by WhatsApp's."""

    rate: Bucket = field(default_factory=lambda: Bucket(500, 20))
    agent: bool = False  # Meta's agent answers, not we
    typing_until: datetime | None = None
    wa_id: str = ""  # the number
    user_id: str = ""  # the id that the business knows the person by
    changes: int = 0
    ours: dict[str, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.wa_id = self.wa_id or self.address
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


class World(GraphProvider[WhatsAppAccount, WhatsAppPhone]):
    """Everybody who writes to one business number. Rates are a burst and per second: of the number, and (`pair`) of one customer."""

    def __init__(self, account: WhatsAppAccount, pair: tuple[float, float], number: tuple[float, float]) -> None:
        super().__init__(account, number)
        self.store: WhatsAppFiles = WhatsAppFiles(self)
        self._pair = pair

    def address_of(self, customer: str) -> str:
        """The number that they have at first."""
        return f"34600{digits_of(customer, 6)}"

    def new_phone(self, customer: str, address: str) -> WhatsAppPhone:
        """With a rate of its own."""
        return WhatsAppPhone(customer, address, rate=Bucket(*self._pair))

    def find(self, given: str) -> WhatsAppPhone | None:
        """Whose number or id that is."""
        wanted = canonical(given)
        return next((one for one in self.phones.values() if wanted in (one.wa_id, one.user_id)), None)

    def message_id(self) -> str:
        """A wamid."""
        inner = f"{self.account.phone_number_id[-4:]}\x15\x02{self.next_number():010d}"
        return f"wamid.HBgL{base64.b64encode(inner.encode()).decode()}"

    # ------------------------------------------------------------------------------------------------ webhooks

    def value(self, **more: Any) -> dict[str, Any]:
        """A change's value, for this number."""
        metadata = {"display_phone_number": NUMBER, "phone_number_id": self.account.phone_number_id}
        return {"messaging_product": "whatsapp", "metadata": metadata, **more}

    def changed(self, value: Mapping[str, Any], name: str = "messages") -> bytes:
        """The body of a webhook with one change."""
        entry = {"id": "204000000000001", "changes": [{"value": dict(value), "field": name}]}
        return written({"object": "whatsapp_business_account", "entry": [entry]})

    def arrived(self, phone: WhatsAppPhone, lines: Sequence[Shown], now: datetime) -> None:
        """Delivered."""
        self.statuses(phone, "delivered", [line.id for line in lines], now)

    def was_read(self, phone: WhatsAppPhone, line_ids: Sequence[str], now: datetime) -> None:
        """Read: everything that was delivered."""
        self.statuses(phone, "read", line_ids, now)

    def statuses(self, phone: WhatsAppPhone, status: str, line_ids: Sequence[str], now: datetime) -> None:
        """What became of messages of ours."""
        items = [_status(phone.wa_id, phone.user_id, status, one, phone.ours.get(one), now) for one in line_ids]
        self.post(self.changed(self.value(contacts=[phone.contact()], statuses=items)), phone, now)

    def failed(
        self,
        to: WhatsAppPhone | str,
        line_id: str,
        ours: str | None,
        code: int,
        title: str,
        now: datetime,
        why: str | None = None,
    ) -> None:
        """A refusal after the 200. There is no `contacts` block with it."""
        wa_id, user_id = (to.wa_id, to.user_id) if isinstance(to, WhatsAppPhone) else (to, None)
        error = {"code": code, "title": title, "message": title, "error_data": {"details": why or title}}
        item = {**_status(wa_id, user_id, "failed", line_id, ours, now), "errors": [error]}
        self.send(self.webhook(self.changed(self.value(statuses=[item])), wa_id, now), now)


def _status(wa_id: str, user_id: str | None, status: str, line_id: str, ours: str | None, now: datetime) -> dict[str, Any]:
    item: dict[str, Any] = {"id": line_id, "status": status, "timestamp": str(int(now.timestamp())), "recipient_id": wa_id}
    if user_id:
        item["recipient_user_id"] = user_id
    if ours:
        item["biz_opaque_callback_data"] = ours
    if status in ("sent", "delivered"):
        item["pricing"] = {"billable": False, "pricing_model": "PMP", "type": "free_customer_service", "category": "service"}
    return item
