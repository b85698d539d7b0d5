"""What the simulated Twilio keeps: messages, in the provider's own JSON, and files."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from typing import Any, Final

from adapters.simulation import Shown, hex_of

_GSM7: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM7_DOUBLE: Final = frozenset("^{}\\[~]|€\f")  # each takes two places (3GPP 23.038)


def segments(text: str) -> int:
    """How many SMS a text takes: 160 letters of GSM 7-bit or 70 of UCS-2 in one, 153 or 67 in each of several."""
    if all(letter in _GSM7 or letter in _GSM7_DOUBLE for letter in text):
        size, alone, joined = sum(2 if letter in _GSM7_DOUBLE else 1 for letter in text), 160, 153
    else:
        size, alone, joined = len(text.encode("utf-16-le", "surrogatepass")) // 2, 70, 67
    return 1 if size <= alone else -(-size // joined)


@dataclass
class Record:
    """One message of ours at Twilio."""

    sid: str
    account_sid: str
    to: str
    sender: str
    body: str
    created: datetime
    service: str | None = None
    callback: str = ""
    status: str = "queued"
    error_code: int | None = None
    media_urls: list[str] = field(default_factory=list)
    media: list[str] = field(default_factory=list)
    sent: datetime | None = None
    template: bool = False

    @property
    def outbox_id(self) -> str:
        """What stands after `m=` in the status callback."""
        return self.callback.partition("m=")[2].partition("&")[0].partition("#")[0]

    def json(self) -> dict[str, Any]:
        """As the Messages resource shows it; numbers are strings there."""
        uri = f"/2010-04-01/Accounts/{self.account_sid}/Messages/{self.sid}"
        return {
            "sid": self.sid,
            "account_sid": self.account_sid,
            "status": self.status,
            "direction": "outbound-api",
            "from": self.sender or None,
            "to": self.to,
            "body": self.body,
            "num_segments": "0" if self.service and self.status == "accepted" else str(segments(self.body)),
            "num_media": str(len(self.media_urls)),
            "messaging_service_sid": self.service,
            "error_code": self.error_code,
            "error_message": None,
            "price": None,
            "price_unit": None,
            "date_created": format_datetime(self.created),
            "date_updated": format_datetime(self.created),
            "date_sent": format_datetime(self.sent) if self.sent else None,
            "api_version": "2010-04-01",
            "uri": f"{uri}.json",
            "subresource_uris": {"media": f"{uri}/Media.json"},
        }


class Ids:
    """Ids that count up, so that the same inputs give the same ids."""

    def __init__(self, account_sid: str) -> None:
        self._stem = hex_of(account_sid, 8)
        self._count = 0

    def next(self) -> int:
        """The next number."""
        self._count += 1
        return self._count

    def sid(self, prefix: str) -> str:
        """The next id of that kind: SM, MM, ME …"""
        return f"{prefix}{self._stem}{self.next():024x}"


class Handsets:
    """What each phone shows, by its address."""

    def __init__(self) -> None:
        self._lines: dict[str, dict[str, Shown]] = {}

    def show(self, address: str, line: Shown) -> None:
        """A new line at the end."""
        self._lines.setdefault(address, {})[line.id] = line

    def mark(self, address: str, line_id: str, status: str) -> None:
        """What became of the customer's own line; once sent, it stays sent."""
        line = self._lines.get(address, {}).get(line_id)
        if line is not None and line.status != "sent":
            self._lines[address][line_id] = line.model_copy(update={"status": status})

    def has(self, address: str, line_id: str) -> bool:
        """Whether that line is on that phone."""
        return line_id in self._lines.get(address, {})

    def lines(self, address: str) -> list[Shown]:
        """Oldest first."""
        return list(self._lines.get(address, {}).values())
