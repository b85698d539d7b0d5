"""The simulated WhatsApp's files: uploads, look-ups, and the address that they are fetched from, which soon dies.

Source: Meta for Developers, WhatsApp Cloud API, "Media" (read 2026).
"""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from adapters._meta.simulator.files import Files
from adapters._meta.simulator.graph import graph_error, json_answer
from adapters.contract import Answer, RawRequest
from adapters.signing import same
from adapters.whatsapp.simulator.rules import MOST_BYTES, check_sound, check_upload, details, kind_of

CDN: Final = "whatsapp_business/attachments"
_URL_LIVES: Final = timedelta(minutes=5)
_UPLOAD_LIVES: Final = timedelta(days=30)


class WhatsAppFiles(Files):
    """All files of one number."""

    first_digits = "900"
    lives = timedelta(days=7)

    def item(self, file_id: str, now: datetime) -> dict[str, Any]:
        """The file in a customer's message."""
        file = self.holder.files[file_id]
        digest = base64.b64encode(hashlib.sha256(file.content).digest()).decode()
        return {"mime_type": file.mime_type, "sha256": digest, "id": file_id, "url": self.url(file_id, now)}

    def check(self, content: Any, kind: str, now: datetime) -> None:
        """A file that a message of ours names by its id must be there, and of the kind."""
        if not isinstance(content, dict) or "id" not in content:
            return
        file = self.served(str(content["id"]), now)
        if file is None:
            raise graph_error(131009, "Parameter value is not valid", data=details("Media ID is invalid or has expired."))
        if kind != "document" and kind_of(file.mime_type) != kind:
            raise graph_error(100, "Invalid parameter", data=details(f"The media is no {kind}."))
        if kind == "audio":
            check_sound(file.mime_type)
        if len(file.content) > MOST_BYTES[kind]:
            raise graph_error(131053, "Media upload error", data=details(f"The file is too large for {kind}."))

    def upload(self, request: RawRequest, now: datetime) -> Answer:
        """`POST /{number}/media`."""
        fields, file = self.of_form(request, "file")
        if fields.get("messaging_product") != "whatsapp":
            raise graph_error(100, "The parameter messaging_product is required.")
        mime_type = (fields.get("type") or file.mime_type).partition(";")[0]
        check_upload(mime_type)
        if len(file.content) > MOST_BYTES["document"]:
            raise graph_error(131053, "Media upload error", data=details("File size is too large."))
        return json_answer({"id": self.keep(file.model_copy(update={"mime_type": mime_type}), now, _UPLOAD_LIVES)})

    def node(self, request: RawRequest, now: datetime) -> Answer:
        """`GET` or `DELETE /{media}`."""
        media_id = request.path.rstrip("/").rpartition("/")[2]
        file = self.served(media_id, now)
        if file is None:
            raise graph_error(100, f"Unsupported get request. Object with ID '{media_id}' does not exist", subcode=33)
        if request.method == "DELETE":
            del self.until[media_id]
            return json_answer({"success": True})
        digest = hashlib.sha256(file.content).hexdigest()
        found = {"messaging_product": "whatsapp", "url": self.url(media_id, now), "mime_type": file.mime_type}
        return json_answer({**found, "sha256": digest, "file_size": str(len(file.content)), "id": media_id})

    def url(self, file_id: str, now: datetime) -> str:
        """It dies after five minutes."""
        query = {"mid": file_id, "ext": str(int((now + _URL_LIVES).timestamp()))}
        return f"{self.holder.meta.api_base}/{CDN}/?{urlencode(query)}"

    def fetch(self, request: RawRequest, now: datetime) -> Answer:
        """The file itself: with our token, and within five minutes of the look-up."""
        token = self.holder.meta.access_token.get_secret_value()
        if not same(request.headers.get("authorization", ""), f"Bearer {token}"):
            return Answer(401)
        file_id, expires = request.param("mid") or "", request.param("ext") or ""
        file = self.holder.files.get(file_id) if file_id in self.until else None
        if file is None or not expires.isdecimal() or int(expires) < now.timestamp():
            return Answer(404)
        return Answer(200, file.content, {"content-type": file.mime_type})
