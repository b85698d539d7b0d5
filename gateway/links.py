"""Signed addresses of files. Anybody who has one can fetch the file until it expires; nobody else can."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import quote

from adapters.signing import hmac_hex, same


class MediaLinks:
    """`/media/{id}/{name}?e={expiry}&s={signature}`. The secret never leaves."""

    def __init__(self, secret: str, public_url: str) -> None:
        self._secret = secret
        self._public_url = public_url

    def relative(self, media_id: str, name: str | None, now: datetime, lasts: timedelta = timedelta(hours=12)) -> str:
        """For reps' pages. Rounded to the hour, so that a page may cache it."""
        expires = int((now + lasts).timestamp()) // 3600 * 3600 + 3600
        path = f"/media/{media_id}/{quote(name or 'file', safe='')}"
        return f"{path}?e={expires}&s={self._sign(media_id, expires)}"

    def absolute(self, media_id: str, name: str | None, now: datetime, lasts: timedelta = timedelta(days=7)) -> str:
        """For providers, and for customers where a channel carries no files."""
        return self._public_url + self.relative(media_id, name, now, lasts)

    def valid(self, media_id: str, expires: str, signature: str, now: datetime) -> bool:
        """Whether the gateway made this address and it has not expired."""
        if not (expires.isascii() and expires.isdigit() and len(expires) < 12):
            return False
        return same(signature, self._sign(media_id, int(expires))) and now.timestamp() < int(expires)

    def _sign(self, media_id: str, expires: int) -> str:
        return hmac_hex(self._secret, f"{media_id}\0{expires}".encode())[:40]
