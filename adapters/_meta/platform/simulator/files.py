"""The simulated Messenger Platform's files: uploads, and the addresses that customers' files are served at, which die.

Source: Meta for Developers, Messenger Platform, "Send messages > Attachments", "Attachment Upload API" (read 2026).
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote, urlencode

from adapters._meta.platform.simulator.rules import Dialect
from adapters._meta.simulator.files import Files, Holder
from adapters._meta.simulator.graph import graph_error, json_answer
from adapters.contract import Answer, RawRequest
from adapters.simulation import SimFile

CDN: Final = "cdn"
_CDN_LIVES: Final = timedelta(days=1)


class PlatformFiles(Files):
    """All files of one Page or account."""

    first_digits = "98"
    lives = timedelta(days=90)

    def __init__(self, holder: Holder, dialect: Dialect) -> None:
        super().__init__(holder)
        self._dialect = dialect

    def check(self, file_id: str, now: datetime) -> None:
        """An upload that a message of ours names must be there still."""
        if self.served(file_id, now) is None:
            raise graph_error(100, "The attachment id is invalid, or has expired.", subcode=2018074)

    def attach(self, request: RawRequest, now: datetime) -> Answer:
        """`POST /{node}/message_attachments`."""
        fields, file = self.of_form(request, "filedata")
        for key, value in self._dialect.upload_fields.items():
            if fields.get(key) != value:
                raise graph_error(100, f"The parameter {key} must be {value}.")
        try:
            kind = json.loads(fields["message"])["attachment"]["type"]
        except (KeyError, TypeError, ValueError) as cause:
            raise graph_error(100, "The parameter message is required.") from cause
        self._check_file(file, kind)
        return json_answer({"attachment_id": self.keep(file, now)})

    def _check_file(self, file: SimFile, kind: str) -> None:
        most = self._dialect.most_bytes.get(kind)
        if most is None:
            raise graph_error(100, "Param message[attachment][type] is unknown")
        allowed = self._dialect.mime_types.get(kind)
        if (allowed is not None and file.mime_type not in allowed) or (
            kind in ("image", "video", "audio") and not file.mime_type.startswith(kind)
        ):
            raise graph_error(100, f"The type of file you're trying to attach isn't allowed: {file.mime_type}", subcode=2018047)
        if self._dialect.ascii_names and not file.name.isascii():
            raise graph_error(100, "The file name must be in ASCII")
        if len(file.content) > most:
            raise graph_error(100, "The file size exceeds the limit", subcode=2018109)

    def url(self, file_id: str, now: datetime) -> str:
        """It dies after a day."""
        query = urlencode({"oe": format(int((now + _CDN_LIVES).timestamp()), "x")})
        return f"{self.holder.meta.api_base}/{CDN}/{file_id}/{quote(self.holder.files[file_id].name)}?{query}"

    def fetch(self, request: RawRequest, now: datetime) -> Answer:
        """Files are served without a token, until their address dies."""
        _, file_id, *_ = [*request.path.strip("/").split("/"), ""]
        try:
            expires = int(request.param("oe") or "", 16)
        except ValueError:
            expires = 0
        if file_id not in self.until or expires < now.timestamp():
            return Answer(403, b"URL signature expired", {"content-type": "text/plain"})
        file = self.holder.files[file_id]
        return Answer(200, file.content, {"content-type": file.mime_type})
