"""The simulated Messenger Platform's state: chats, and the webhooks that tell of them.

Sources: Meta for Developers, Messenger Platform, "Webhooks", "Conversation routing" (read 2026).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from adapters._meta.account import PlatformAccount
from adapters._meta.mischief import Orders
from adapters._meta.simulation import Hooks
from adapters.contract import Answer
from adapters.simulation import ProviderCall, Shown, digits_of


@dataclass(frozen=True, slots=True)
class Dialect:
    """What differs between the channels of the platform."""

    object: str
    inbox_app: str
    max_text: int
    text_in_bytes: bool = False
    personas: bool = False
    deliveries: bool = False
    watermarks: bool = False
    edits: bool = False
    unsends: bool = False
    locations: bool = False
    ascii_names: bool = False
    most_bytes: Mapping[str, int] = field(default_factory=dict)
    upload_fields: Mapping[str, str] = field(default_factory=dict)
    mime_types: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass
class Chat:
    """A customer's chat with us."""

    customer: str
    lines: dict[str, Shown] = field(default_factory=dict)
    wrote_at: datetime | None = None
    blocked: bool = False
    offline: bool = False
    owner: str | None = None  # the app that holds the thread; None: nobody, so whoever is asked may answer
    waiting: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    edits: dict[str, int] = field(default_factory=dict)
    typing_as: str | None = None

    @property
    def person_id(self) -> str:
        """The person's id, scoped to us."""
        return f"61{digits_of(self.customer, 14)}"


class World:
    """Everybody who writes to one Page or account."""

    def __init__(self, account: PlatformAccount, dialect: Dialect, patience: timedelta | None) -> None:
        self.account = account
        self.dialect = dialect
        self.hooks = Hooks(account)
        self.orders = Orders()
        self.chats: dict[str, Chat] = {}
        self.subscribed = True
        self._patience = patience
        self._failing_since: datetime | None = None
        self._count = 0
        self._posted: dict[str, tuple[Chat, str]] = {}

    def chat_of(self, person_id: object) -> Chat | None:
        """The chat of that person."""
        return next((one for one in self.chats.values() if one.person_id == person_id), None)

    def count(self) -> int:
        """The next number for an id."""
        self._count += 1
        return self._count

    def mid(self) -> str:
        """A new message id."""
        return "m_" + base64.urlsafe_b64encode(f"{self.account.own_id[-6:]}:{self.count():012d}".encode()).decode().rstrip("=")

    # ------------------------------------------------------------------------------------------------ webhooks

    def hook(
        self,
        chat: Chat,
        event: Mapping[str, Any],
        now: datetime,
        *,
        from_us: bool = False,
        delay_seconds: float = 0.0,
        more: Sequence[Mapping[str, Any]] = (),
    ) -> tuple[ProviderCall, ...]:
        """One webhook with one event (or `more`); as `standby` while another app holds the thread. None while we aren't subscribed."""
        if not self.subscribed:
            return ()
        stamp = int(now.timestamp() * 1000)
        items = [self._item(chat, one, now, from_us=from_us) for one in (event, *more)]
        entry = {"id": self.account.own_id, "time": stamp, self._key(chat, event): items}
        return (self.hooks.post({"object": self.dialect.object, "entry": [entry]}, chat.person_id, delay_seconds),)

    def _item(self, chat: Chat, event: Mapping[str, Any], now: datetime, *, from_us: bool) -> dict[str, Any]:
        them, us = {"id": chat.person_id}, {"id": self.account.own_id}
        stamp = int(now.timestamp() * 1000)
        return {"sender": us if from_us else them, "recipient": them if from_us else us, "timestamp": stamp, **event}

    def _key(self, chat: Chat, event: Mapping[str, Any]) -> str:
        handover = "pass_thread_control" in event or "take_thread_control" in event
        return "messaging" if handover or chat.owner in (None, self.account.app_id) else "standby"

    def post(
        self,
        chat: Chat,
        line_id: str,
        event: Mapping[str, Any],
        details: Mapping[str, Any],
        now: datetime,
        more: Sequence[Mapping[str, Any]] = (),
    ) -> tuple[ProviderCall, ...]:
        """What a customer did, as often and as late as the action says."""
        times, delay = int(details.get("times", 1)), float(details.get("delay_seconds", 0.0))
        calls = tuple(call for _ in range(times) for call in self.hook(chat, event, now, delay_seconds=delay, more=more))
        self._posted |= {call.id: (chat, line_id) for call in calls}
        return calls

    def settled(self, call: ProviderCall, answer: Answer | None, now: datetime) -> tuple[ProviderCall, ...]:
        """A webhook was answered: the line that it told of is sent, fails, or is tried again."""
        taken = answer is not None and answer.status == 200
        self._watch(taken, now)
        again = self.hooks.again(call, answer) if self.subscribed else ()
        chat, line_id = self._posted.get(call.id.partition(".")[0], (None, ""))
        line = chat.lines.get(line_id) if chat else None
        if chat and line and line.status == "sending":
            status = "sending" if again else "sent" if taken else "failed"
            chat.lines[line_id] = line.model_copy(update={"status": status})
        return again

    def _watch(self, taken: bool, now: datetime) -> None:
        self._failing_since = None if taken else self._failing_since or now
        if self._patience and self._failing_since is not None and now - self._failing_since >= self._patience:
            self.subscribed = False

    def subscribe(self) -> None:
        """We subscribed again."""
        self.subscribed, self._failing_since = True, None

    def deliver(self, chat: Chat, now: datetime) -> tuple[ProviderCall, ...]:
        """What waits reaches the phone, if it is on."""
        if chat.offline or not chat.waiting:
            return ()
        mids, chat.waiting = chat.waiting, []
        chat.unread += mids
        if not self.dialect.deliveries:
            return ()
        return self.hook(chat, {"delivery": {"mids": mids, "watermark": int(now.timestamp() * 1000)}}, now)

    def look(self, chat: Chat, now: datetime) -> tuple[ProviderCall, ...]:
        """The customer looks at the chat: one watermark on Messenger, one event a message on Instagram."""
        mids, chat.unread = chat.unread, []
        if not mids:
            return ()
        if self.dialect.watermarks:
            return self.hook(chat, {"read": {"watermark": int(now.timestamp() * 1000)}}, now)
        return tuple(call for mid in mids for call in self.hook(chat, {"read": {"mid": mid}}, now))
