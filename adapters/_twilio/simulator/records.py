"""What the simulated Twilio keeps: messages, in the provider's own JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from typing import Any, Final

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
