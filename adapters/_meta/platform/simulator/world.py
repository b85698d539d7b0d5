"""The simulated Messenger Platform's chats, and the webhooks that tell of them.

Sources: Meta for Developers, Messenger Platform, "Webhooks", "Conversation routing" (read 2026).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from adapters._meta.account import PlatformAccount
from adapters._meta.platform.simulator.files import PlatformFiles
from adapters._meta.platform.simulator.rules import Dialect
from adapters._meta.simulator.graph import written
from adapters._meta.simulator.provider import GraphProvider
from adapters.contract import Answer
from adapters.simulation import Phone, ProviderCall, Shown, digits_of


@dataclass
class Chat(Phone):
    """A customer's chat with us; `address` is the person's id, scoped to us."""

    owner: str | None = None  # the app that holds the thread; None: nobody, so whoever is asked may answer
    edits: dict[str, int] = field(default_factory=dict)
    typing_as: str | None = None


class World(GraphProvider[PlatformAccount, Chat]):
    """Everybody who writes to one Page or account."""

    def __init__(self, account: PlatformAccount, dialect: Dialect, rate: tuple[float, float], patience: timedelta | None) -> None:
        super().__init__(account, rate)
        self.dialect = dialect
        self.store: PlatformFiles = PlatformFiles(self, dialect)
        self.subscribed = True
        self._patience = patience
        self._failing_since: datetime | None = None

    def address_of(self, customer: str) -> str:
        """The person's id."""
        return f"61{digits_of(customer, 14)}"

    def new_phone(self, customer: str, address: str) -> Chat:
        """Nobody holds the thread."""
        return Chat(customer, address)

    def message_id(self) -> str:
        """A `mid`."""
        inner = f"{self.account.own_id[-6:]}:{self.next_number():012d}"
        return "m_" + base64.urlsafe_b64encode(inner.encode()).decode().rstrip("=")

    # ------------------------------------------------------------------------------------------------ webhooks

    def addressed(self, chat: Chat, event: Mapping[str, Any], now: datetime, *, from_us: bool = False) -> dict[str, Any]:
        """An event with who tells it to whom, and when."""
        them, us = {"id": chat.address}, {"id": self.account.own_id}
        stamp = int(now.timestamp() * 1000)
        return {"sender": us if from_us else them, "recipient": them if from_us else us, "timestamp": stamp, **event}

    def entry(self, chat: Chat, items: list[dict[str, Any]], now: datetime) -> bytes | None:
        """The webhook of these events; as `standby` while another app holds the thread. None while we aren't subscribed."""
        if not self.subscribed:
            return None
        handover = "pass_thread_control" in items[0] or "take_thread_control" in items[0]
        key = "messaging" if handover or chat.owner in (None, self.account.app_id) else "standby"
        entry = {"id": self.account.own_id, "time": int(now.timestamp() * 1000), key: items}
        return written({"object": self.dialect.object, "entry": [entry]})

    def event(self, chat: Chat, event: Mapping[str, Any], now: datetime, *, from_us: bool = False) -> None:
        """Tell one event that follows from what is being done."""
        body = self.entry(chat, [self.addressed(chat, event, now, from_us=from_us)], now)
        if body is not None:
            self.post(body, chat, now)

    def settled(self, call: ProviderCall, answer: Answer | None, now: datetime) -> tuple[ProviderCall, ...]:
        """A webhook was answered; Meta counts for how long we fail."""
        if call.purpose == "webhook":
            self._failing_since = None if self.takes(answer) else self._failing_since or now
            if self._patience and self._failing_since is not None and now - self._failing_since >= self._patience:
                self.subscribed = False
        return super().settled(call, answer, now)

    def again(self, call: ProviderCall, answer: Answer | None, now: datetime) -> ProviderCall | None:
        """Nothing once we aren't subscribed."""
        return super().again(call, answer, now) if self.subscribed else None

    def subscribe(self) -> None:
        """We subscribed again."""
        self.subscribed, self._failing_since = True, None

    def arrived(self, phone: Chat, lines: Sequence[Shown], now: datetime) -> None:
        """Told by Messenger alone."""
        if self.dialect.deliveries:
            mids = [line.id for line in lines]
            self.event(phone, {"delivery": {"mids": mids, "watermark": int(now.timestamp() * 1000)}}, now)

    def was_read(self, phone: Chat, line_ids: Sequence[str], now: datetime) -> None:
        """One watermark on Messenger, one event a message on Instagram."""
        if self.dialect.watermarks:
            self.event(phone, {"read": {"watermark": int(now.timestamp() * 1000)}}, now)
        else:
            for mid in line_ids:
                self.event(phone, {"read": {"mid": mid}}, now)
