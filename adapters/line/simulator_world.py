"""What the simulated LINE knows: phones, messages, tokens, files, and the webhooks that are on their way."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from adapters.line.account import LineAccount
from adapters.signing import hmac_base64
from adapters.simulation import ProviderCall, Shown, SimFile, hex_of

REPLY_TOKEN_LIFE: Final = timedelta(seconds=60)
WEBHOOK_TIMEOUT_SECONDS: Final = 2.0
_QUOTABLE: Final = frozenset({"text", "textV2", "sticker", "image", "video", "template", "flex"})
_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass
class Phone:
    """A customer's phone."""

    customer: str
    user_id: str
    lines: list[Shown] = field(default_factory=list)
    held: list[Shown] = field(default_factory=list)  # what came while it was offline
    blocked: bool = False
    online: bool = True
    elsewhere: bool = False  # another tool of the account has the chat
    loading_until: datetime | None = None

    def show(self, line: Shown) -> None:
        """Put a line at the end, or keep it until the phone is online."""
        (self.lines if self.online else self.held).append(line)

    def show_mine(self, line_id: str, now: datetime, *, text: str | None = None, media: Any = None) -> str:
        """Put the customer's own line at the end; its id."""
        self.show(Shown(id=line_id, sender="me", text=text, media=media, at=now, status="sending"))
        return line_id

    def find(self, line_id: str | None) -> Shown | None:
        """The line of that id."""
        return next((line for line in self.lines if line.id == line_id), None)

    def change(self, line_id: str, **changes: Any) -> None:
        """Change the line of that id, where there is one."""
        self.lines = [line.model_copy(update=changes) if line.id == line_id else line for line in self.lines]
        self.held = [line.model_copy(update=changes) if line.id == line_id else line for line in self.held]

    def mark_read(self, line_id: str) -> None:
        """Mark the line and all before it as read by the account."""
        ids = [line.id for line in self.lines]
        for one in ids[: ids.index(line_id) + 1] if line_id in ids else []:
            self.change(one, read=True)


@dataclass
class Webhook:
    """A webhook on its way: its events, and the lines of phones that wait for it."""

    events: list[dict[str, Any]]
    lines: list[tuple[Phone, str]]


@dataclass(frozen=True)
class Content:
    """A file that a customer sent, as the data host has it."""

    file: SimFile
    ready_at: datetime


class World:
    """Everything that lasts, and the ids that count up."""

    def __init__(self, account: LineAccount) -> None:
        self.account = account
        self.bot_id = account.bot_user_id or "U" + hex_of(f"{account.channel_id} bot", 32)
        self.phones: dict[str, Phone] = {}  # by user id
        self.webhooks: dict[str, Webhook] = {}  # by the call's id
        self.fetches: dict[str, tuple[Phone, str]] = {}  # by the call's id: the line that waits
        self.contents: dict[str, Content] = {}  # by message id
        self.files: dict[str, SimFile] = {}  # what phones show, by message id
        self.quotes: dict[str, str] = {}  # message ids by quote token
        self.read_tokens: dict[str, tuple[Phone, str]] = {}
        self._reply_tokens: dict[str, tuple[Phone, datetime]] = {}
        self._count = 0

    def next(self) -> int:
        """A number that no other thing has."""
        self._count += 1
        return self._count

    def next_message_id(self) -> str:
        """Digits, as LINE's."""
        return str(461_230_966_842_000_000 + self.next())

    def next_request_id(self) -> str:
        """In the form of a UUID."""
        return f"{self.next():08x}-5e1f-4c0d-8a2b-{zlib.crc32(self.account.channel_id.encode()):012x}"

    def next_event_id(self, now: datetime) -> str:
        """A ULID: the time in milliseconds, then (elsewhere by chance) a count."""
        value = (milliseconds(now) << 80) + (0xB07 << 64) + self.next()
        return "".join(_CROCKFORD[value >> (5 * place) & 31] for place in range(25, -1, -1))

    def phone(self, customer: str) -> Phone:
        """The phone of a customer, a new one if need be, which then isn't known yet."""
        return self.phones.get(user_id_of(customer)) or Phone(customer, user_id_of(customer))

    def reply_token(self, phone: Phone, now: datetime) -> str:
        """A new reply token."""
        token = hex_of(f"reply {self.account.channel_id} {self.next()}", 32)
        self._reply_tokens[token] = (phone, now)
        return token

    def owner_of_reply_token(self, token: str, now: datetime) -> Phone | None:
        """Whom the token answers; None where it is unknown, spent or too old."""
        phone, given_at = self._reply_tokens.get(token, (None, now))
        return phone if now - given_at <= REPLY_TOKEN_LIFE else None

    def spend_reply_token(self, token: str) -> None:
        """A token works once."""
        self._reply_tokens.pop(token, None)

    def quote_token(self, message_id: str, kind: str) -> dict[str, str]:
        """`{"quoteToken"}`, for the kinds that can be quoted."""
        if kind not in _QUOTABLE:
            return {}
        token = f"quote-{hex_of(message_id, 32)}"
        self.quotes[token] = message_id
        return {"quoteToken": token}

    def read_token(self, phone: Phone, message_id: str) -> str:
        """A token that marks a customer's message as read."""
        token = f"read-{hex_of(message_id, 24)}"
        self.read_tokens[token] = (phone, message_id)
        return token

    def webhook(self, webhook: Webhook, lane: str, *, delay_seconds: float = 0.0, attempt: int = 1) -> ProviderCall:
        """A webhook's call, signed."""
        call_id = f"webhook-{self.next()}"
        self.webhooks[call_id] = webhook
        payload = {"destination": self.bot_id, "events": webhook.events}
        body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        headers = {
            "content-type": "application/json; charset=utf-8",
            "user-agent": "LineBotWebhook/2.0",
            "x-line-signature": hmac_base64(self.account.channel_secrets[0].get_secret_value(), body),
        }
        return ProviderCall(
            call_id,
            "POST",
            self.account.webhook_url,
            headers,
            body,
            lane=lane,
            delay_seconds=delay_seconds,
            timeout_seconds=WEBHOOK_TIMEOUT_SECONDS,
            attempt=attempt,
        )

    def fetch(self, url: str, phone: Phone, message_id: str) -> ProviderCall:
        """LINE fetches pictures, videos and sounds from the address that we gave."""
        call_id = f"fetch-{self.next()}"
        self.fetches[call_id] = (phone, message_id)
        return ProviderCall(call_id, "GET", url, purpose="fetch", lane=f"{phone.user_id} files", timeout_seconds=10.0)


def user_id_of(customer: str) -> str:
    """A customer's id at LINE."""
    return "U" + hex_of(customer, 32)


def milliseconds(now: datetime) -> int:
    """A time as LINE tells it."""
    return int(now.timestamp() * 1000)
