"""The simulated Messenger Platform's files: uploads, and the addresses that customers' files are served at, which die.

Source: Meta for Developers, Messenger Platform, "Send messages > Attachments", "Attachment Upload API" (read 2026).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlencode

from adapters._meta.platform.simulator_world import World
from adapters._meta.simulation import form_of, graph_error, json_answer
from adapters.contract import Answer, RawRequest
from adapters.simulation import Outcome, SimFile

_CDN_LIVES: Final = timedelta(days=1)
_UPLOAD_LIVES: Final = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Stored:
    """A file at Meta."""

    file: SimFile
    since: datetime


class Files:
    """All files of one Page or account."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._files: dict[str, Stored] = {}

    def get(self, file_id: str) -> SimFile | None:
        """The file."""
        stored = self._files.get(file_id)
        return stored.file if stored else None

    def check(self, file_id: str, now: datetime) -> None:
        """An upload that a message of ours names must be there still."""
        stored = self._files.get(file_id)
        if stored is None or now - stored.since > _UPLOAD_LIVES:
            raise graph_error(100, "The attachment id is invalid, or has expired.", subcode=2018074)

    def attach(self, request: RawRequest, now: datetime) -> Outcome:
        fields, files = form_of(request)
        for key, value in self._world.dialect.upload_fields.items():
            if fields.get(key) != value:
                raise graph_error(100, f"The parameter {key} must be {value}.")
        try:
            kind = json.loads(fields["message"])["attachment"]["type"]
        except (KeyError, TypeError, ValueError) as cause:
            raise graph_error(100, "The parameter message is required.") from cause
        if len(files) != 1 or files[0].field != "filedata":
            raise graph_error(100, "The parameter filedata is required.")
        file = SimFile(name=files[0].name, mime_type=files[0].mime_type, content=files[0].content)
        self._check_file(file, kind)
        return Outcome(json_answer({"attachment_id": self.keep(file, now)}))

    def _check_file(self, file: SimFile, kind: str) -> None:
        most = self._world.dialect.most_bytes.get(kind)
        if most is None:
            raise graph_error(100, "Param message[attachment][type] is unknown")
        allowed = self._world.dialect.mime_types.get(kind)
        if (allowed is not None and file.mime_type not in allowed) or (
            kind in ("image", "video", "audio") and not file.mime_type.startswith(kind)
        ):
            raise graph_error(100, f"The type of file you're trying to attach isn't allowed: {file.mime_type}", subcode=2018047)
        if self._world.dialect.ascii_names and not file.name.isascii():
            raise graph_error(100, "The file name must be in ASCII")
        if len(file.content) > most:
            raise graph_error(100, "The file size exceeds the limit", subcode=2018109)

    def keep(self, file: SimFile, now: datetime) -> str:
        file_id = f"98{self._world.count():010d}"
        self._files[file_id] = Stored(file, now)
        return file_id

    def described(self, file_id: str) -> dict[str, Any]:
        file = self._files[file_id].file
        return {"name": file.name, "mime_type": file.mime_type, "size_bytes": len(file.content), "file_id": file_id}

    def url(self, file_id: str, now: datetime) -> str:
        query = urlencode({"oe": format(int((now + _CDN_LIVES).timestamp()), "x")})
        return f"{self._world.account.api_base}/cdn/{file_id}/{quote(self._files[file_id].file.name)}?{query}"

    def fetch(self, request: RawRequest, now: datetime) -> Answer:
        """Files are served without a token, until their address dies."""
        stored = self._files.get(request.path.strip("/").split("/")[1])
        try:
            expires = int(request.param("oe") or "", 16)
        except ValueError:
            expires = 0
        if stored is None or expires < now.timestamp():
            return Answer(403, b"URL signature expired", {"content-type": "text/plain"})
        return Answer(200, stored.file.content, {"content-type": stored.file.mime_type})
