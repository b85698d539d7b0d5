"""The simulated WhatsApp's files: uploads, look-ups, and the address that they are fetched from, which soon dies.

Source: Meta for Developers, WhatsApp Cloud API, "Media" (read 2026).
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from adapters._meta.simulation import form_of, graph_error, json_answer
from adapters.contract import Answer, RawRequest
from adapters.signing import same
from adapters.simulation import SimFile
from adapters.whatsapp.simulator_rules import MOST_BYTES, check_sound, check_upload, details, kind_of
from adapters.whatsapp.simulator_world import World

CDN: Final = "whatsapp_business/attachments"
_URL_LIVES: Final = timedelta(minutes=5)
_INBOUND_LIVES: Final = timedelta(days=7)
_UPLOAD_LIVES: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Stored:
    """A file at Meta, until it is forgotten."""

    file: SimFile
    until: datetime


class Files:
    """All files of one number."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._files: dict[str, Stored] = {}

    def keep(self, file: SimFile, now: datetime, *, uploaded: bool = False) -> str:
        """Store it, and give its id."""
        file_id = f"900{self._world.count():09d}"
        self._files[file_id] = Stored(file, now + (_UPLOAD_LIVES if uploaded else _INBOUND_LIVES))
        return file_id

    def get(self, file_id: str) -> SimFile | None:
        """The file, whether it is forgotten or not: the phone still shows it."""
        stored = self._files.get(file_id)
        return stored.file if stored else None

    def described(self, file_id: str | None) -> dict[str, Any] | None:
        """A handset's `media`."""
        file = self.get(file_id or "")
        if file is None:
            return None
        return {"name": file.name, "mime_type": file.mime_type, "size_bytes": len(file.content), "file_id": file_id}

    def item(self, file_id: str, now: datetime) -> dict[str, Any]:
        """The file in a customer's message."""
        file = self._files[file_id].file
        digest = base64.b64encode(hashlib.sha256(file.content).digest()).decode()
        return {"mime_type": file.mime_type, "sha256": digest, "id": file_id, "url": self._url(file_id, now)}

    def check(self, content: Any, kind: str, now: datetime) -> None:
        """A file that a message of ours names by its id must be there, and of the kind."""
        if not isinstance(content, dict) or "id" not in content:
            return
        stored = self._files.get(str(content["id"]))
        if stored is None or now > stored.until:
            raise graph_error(131009, "Parameter value is not valid", data=details("Media ID is invalid or has expired."))
        if kind != "document" and kind_of(stored.file.mime_type) != kind:
            raise graph_error(100, "Invalid parameter", data=details(f"The media is no {kind}."))
        if kind == "audio":
            check_sound(stored.file.mime_type)
        if len(stored.file.content) > MOST_BYTES[kind]:
            raise graph_error(131053, "Media upload error", data=details(f"The file is too large for {kind}."))

    def upload(self, request: RawRequest, now: datetime) -> Answer:
        """`POST /{number}/media`."""
        fields, files = form_of(request)
        if fields.get("messaging_product") != "whatsapp":
            raise graph_error(100, "The parameter messaging_product is required.")
        if len(files) != 1 or files[0].field != "file":
            raise graph_error(100, "The parameter file is required.")
        mime_type = (fields.get("type") or files[0].mime_type).partition(";")[0]
        check_upload(mime_type)
        if len(files[0].content) > MOST_BYTES["document"]:
            raise graph_error(131053, "Media upload error", data=details("File size is too large."))
        file = SimFile(name=files[0].name, mime_type=mime_type, content=files[0].content)
        return json_answer({"id": self.keep(file, now, uploaded=True)})

    def node(self, method: str, media_id: str, now: datetime) -> Answer:
        """`GET` or `DELETE /{media}`."""
        stored = self._files.get(media_id)
        if stored is None or now > stored.until:
            raise graph_error(100, f"Unsupported get request. Object with ID '{media_id}' does not exist", subcode=33)
        if method == "DELETE":
            del self._files[media_id]
            return json_answer({"success": True})
        digest = hashlib.sha256(stored.file.content).hexdigest()
        found = {"messaging_product": "whatsapp", "url": self._url(media_id, now), "mime_type": stored.file.mime_type}
        return json_answer({**found, "sha256": digest, "file_size": str(len(stored.file.content)), "id": media_id})

    def _url(self, media_id: str, now: datetime) -> str:
        query = {"mid": media_id, "ext": str(int((now + _URL_LIVES).timestamp()))}
        return f"{self._world.account.api_base}/{CDN}/?{urlencode(query)}"

    def fetch(self, request: RawRequest, now: datetime) -> Answer:
        """The file itself: with our token, and within five minutes of the look-up."""
        token = self._world.account.access_token.get_secret_value()
        if not same(request.headers.get("authorization", ""), f"Bearer {token}"):
            return Answer(401)
        stored = self._files.get(request.param("mid") or "")
        expires = request.param("ext") or ""
        if stored is None or not expires.isdecimal() or int(expires) < now.timestamp():
            return Answer(404)
        return Answer(200, stored.file.content, {"content-type": stored.file.mime_type})
