"""What the simulated LINE knows: phones, tokens, and how a webhook looks.

Webhooks are signed over their raw bytes, wait two seconds for a 2xx, and are redelivered with the same event ids.
Source: LINE Developers, "Receiving messages" and "Messaging API reference".
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from adapters.contract import Answer
from adapters.line.account import LineAccount
from adapters.signing import hmac_base64
from adapters.simulation import Phone, Provider, ProviderCall, Seconds, Wishes, hex_of

REPLY_TOKEN_LIFE: Final = timedelta(seconds=60)
_QUOTABLE: Final = frozenset({"text", "textV2", "sticker", "image", "video", "template", "flex"})
_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class LineWishes(Wishes):
    """`together_with`: names of other customers, who say the same in the same webhook; of a file `prepare_seconds`, until it can be
    fetched, and `duration_ms`."""

    together_with: tuple[str, ...] = ()
    prepare_seconds: Seconds = 0.0
    duration_ms: Seconds = 5000


@dataclass
class LinePhone(Phone):
    """A customer's phone; `address` is their id at LINE."""

    elsewhere: bool = False  # another tool of the account has the chat
    loading_until: datetime | None = None

    def mark_read(self, line_id: str) -> None:
        """Mark the line and all before it as read by the account."""
        ids = list(self.lines)
        for one in ids[: ids.index(line_id) + 1] if line_id in ids else []:
            self.change(one, read=True)


@dataclass
class Switches:
    """What the account may do, as its owner and LINE have set it."""

    monthly_limit: int | None = None
    requests_per_second: int = 2000
    loadings_per_second: int = 100
    redelivery: bool = True
    chat: bool = True  # without it nothing can be marked as read
    api: bool = True


class World(Provider[LineAccount, LinePhone, LineWishes]):
    """Everything that lasts."""

    wishes = LineWishes
    # LINE tells neither how often nor how far apart it redelivers.
    redelivery_seconds = (1.0, 2.0, 5.0, 15.0, 60.0, 120.0, 300.0, 600.0)
    timeout_seconds = 2.0
    fetch_seconds = 10.0

    def __init__(self, account: LineAccount) -> None:
        super().__init__(account)
        self.switches = Switches()
        self.bot_id = account.bot_user_id or "U" + hex_of(f"{account.channel_id} bot", 32)
        self.ready_at: dict[str, datetime] = {}  # when a customer's file can be fetched, by its message's id
        self.quotes: dict[str, str] = {}  # message ids by quote token
        self.read_tokens: dict[str, tuple[LinePhone, str]] = {}
        self._reply_tokens: dict[str, tuple[LinePhone, datetime]] = {}

    def address_of(self, customer: str) -> str:
        """A customer's id at LINE."""
        return "U" + hex_of(customer, 32)

    def new_phone(self, customer: str, address: str) -> LinePhone:
        """With the chat ours."""
        return LinePhone(customer, address)

    def next_message_id(self) -> str:
        """Digits, as LINE's."""
        return str(461_230_966_842_000_000 + self.next_number())

    def next_request_id(self) -> str:
        """In the form of a UUID."""
        return f"{self.next_number():08x}-5e1f-4c0d-8a2b-{zlib.crc32(self.account.channel_id.encode()):012x}"

    def next_event_id(self, now: datetime) -> str:
        """A ULID: the time in milliseconds, then (elsewhere by chance) a count."""
        value = (milliseconds(now) << 80) + (0xB07 << 64) + self.next_number()
        return "".join(_CROCKFORD[value >> (5 * place) & 31] for place in range(25, -1, -1))

    def reply_token(self, phone: LinePhone, now: datetime) -> str:
        """A new reply token."""
        token = hex_of(f"reply {self.account.channel_id} {self.next_number()}", 32)
        self._reply_tokens[token] = (phone, now)
        return token

    def owner_of_reply_token(self, token: str, now: datetime) -> LinePhone | None:
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

    def read_token(self, phone: LinePhone, message_id: str) -> str:
        """A token that marks a customer's message as read."""
        token = f"read-{hex_of(message_id, 24)}"
        self.read_tokens[token] = (phone, message_id)
        return token

    # ------------------------------------------------------------------------------------------------ webhooks

    def events(self, events: list[dict[str, Any]]) -> bytes:
        """A webhook's body."""
        payload = {"destination": self.bot_id, "events": events}
        return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")

    def headers(self, body: bytes, number: int, now: datetime) -> Mapping[str, str]:
        """Signed."""
        return {
            "content-type": "application/json; charset=utf-8",
            "user-agent": "LineBotWebhook/2.0",
            "x-line-signature": hmac_base64(self.account.channel_secrets[0].get_secret_value(), body),
        }

    def again(self, call: ProviderCall, answer: Answer | None, now: datetime) -> ProviderCall | None:
        """The same events, with the same ids and times, marked as redelivered; a connection check isn't."""
        again = super().again(call, answer, now) if self.switches.redelivery else None
        events = json.loads(call.body)["events"]
        if again is None or not events:
            return None
        body = self.events([{**event, "deliveryContext": {"isRedelivery": True}} for event in events])
        return replace(again, body=body, headers=self.headers(body, 0, now))


def milliseconds(now: datetime) -> int:
    """A time as LINE tells it."""
    return int(now.timestamp() * 1000)
