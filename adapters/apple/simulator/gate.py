"""Apple's gateway, simulated: what it checks in our calls, and the files' own hosts behind it.

Apple publishes no bodies for its errors, so ours are empty too; a header `x-simulator-reason` tells a developer what was wrong.
Source: Apple, "Authorizing Messages", "Sending and Receiving Attachments", "Messages sent", MSP tutorial.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from adapters.apple import mmcs, tokens
from adapters.apple.account import AppleAccount
from adapters.apple.wire import BALLOON, MAX_FILE_BYTES, MAX_TEXT, OBJECT_MARK, objects, section, words
from adapters.contract import Answer, RawRequest
from adapters.simulation import Refused, SimFile

_COMMON: Final = frozenset({"v", "type", "id", "sourceId", "destinationId"})
_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "text": frozenset({"body", "attachments"}),
    "richLink": frozenset({"richLinkData"}),
    "interactive": frozenset({"interactiveData", "interactiveDataRef"}),
    "typing_start": frozenset(),
    "typing_end": frozenset(),
}
_ATTACHMENT: Final = frozenset({"name", "mimeType", "size", "key", "url", "owner", "signature-base64"})
_MAX_LINK_IMAGE: Final = 200_000
_TOKEN_AGE_SECONDS: Final = 3600


def refused(status: int, reason: str) -> Refused:
    """The gateway won't; the reason is for a developer's eyes."""
    return Refused(Answer(status, headers={"x-simulator-reason": reason}))


def check_token(request: RawRequest, account: AppleAccount, now: datetime) -> None:
    """401 without a token, 403 with a wrong one."""
    authorization = request.headers.get("authorization", "")
    if not authorization:
        raise refused(401, "no Authorization")
    claims = tokens.claims_of(authorization, [secret.get_secret_value() for secret in account.secrets])
    if claims is None or claims.get("iss") != account.msp_id or not tokens.fresh(claims, now, _TOKEN_AGE_SECONDS):
        raise refused(403, "the JWT is not valid")


def check_business(request: RawRequest, account: AppleAccount) -> None:
    """Every call names the business."""
    if request.headers.get("source-id", "") != account.business_id:
        raise refused(404, "Source-Id is no business of this provider")


def read_message(request: RawRequest) -> dict[str, Any]:
    """The message, well formed and saying the same as its headers."""
    if "application/json" not in request.headers.get("content-type", ""):
        raise refused(400, "Content-Type is not application/json")
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        raise refused(400, "the body is not JSON") from None
    if not isinstance(body, dict) or body.get("v") != 1:
        raise refused(400, "the body is no message of version 1")
    for name, header in (("id", "id"), ("sourceId", "source-id"), ("destinationId", "destination-id")):
        if not isinstance(body.get(name), str) or body[name] != request.headers.get(header):
            raise refused(400, f"{name} and the header {header} differ")
    _check_fields(body)
    return body


def _check_fields(body: Mapping[str, Any]) -> None:
    known = _FIELDS.get(str(body.get("type")))
    if known is None:
        raise refused(400, f"type {body.get('type')!r} can't be sent")  # `close` too: only the customer closes
    unknown = set(body) - known - _COMMON
    if unknown:
        raise refused(400, f"unknown fields {sorted(unknown)}")


def check_link(link: Mapping[str, Any]) -> None:
    """A link card: an address that a browser opens, a title, and a picture of at most 200 KB if any."""
    if not str(link.get("url", "")).startswith(("http://", "https://")) or not words(link, "title"):
        raise refused(400, "a link card needs an http(s) url and a title")
    image = section(section(link, "assets"), "image")
    if image and len(base64.b64decode(str(image.get("data", "")))) > _MAX_LINK_IMAGE:
        raise refused(400, "the link's picture is over 200 KB")


def check_interactive(body: Mapping[str, Any]) -> dict[str, Any]:
    """A picker, form or app message; an app of a third party must not carry `data`."""
    content = section(body, "interactiveData")
    if not content and section(body, "interactiveDataRef"):
        return {}
    if not words(content, "bid"):
        raise refused(400, "interactiveData has no bid")
    if content["bid"] != BALLOON and "data" in content:
        raise refused(400, "an app's message must not carry data")
    if content["bid"] == BALLOON and not words(section(content, "data"), "requestIdentifier"):
        raise refused(400, "data has no requestIdentifier")
    return content


@dataclass
class _Stored:
    """One encrypted file at the files' host. `declared`: the size that was announced; `content` comes with the upload."""

    token: str
    declared: int
    content: bytes | None = None

    @property
    def checksum(self) -> str:
        """Apple's own form is a version byte and a digest; ours is as opaque."""
        return base64.b64encode(b"\x01" + hashlib.sha1(self.content or b"", usedforsecurity=False).digest()).decode()

    @property
    def owner(self) -> str:
        """Who put it there."""
        return f"M{self.token.upper()}"


@dataclass
class FileHosts:
    """Upload, download and decoding. Addresses stand below the simulator's own, with `mmcs/` first."""

    account: AppleAccount
    url_life: timedelta = timedelta(minutes=5)
    _stored: dict[str, _Stored] = field(default_factory=dict)
    _until: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    _packed: dict[bytes, bytes] = field(default_factory=dict)

    def pre_upload(self, request: RawRequest) -> Answer:
        """A place for a file of the size told."""
        told = request.headers.get("mmcs-size") or request.headers.get("size", "")
        if not told.isdigit() or not 0 < int(told) <= MAX_FILE_BYTES:
            raise refused(400, "MMCS-Size is missing or over 100 MB")
        stored = self._new(int(told))
        return _json(
            {"upload-url": self._url("upload", stored), "mmcs-url": self._url("file", stored), "mmcs-owner": stored.owner}
        )

    def upload(self, token: str, request: RawRequest) -> Answer:
        """The encrypted bytes, once, of the size announced."""
        stored = self._stored.get(token)
        if stored is None or stored.content is not None:
            raise refused(404, "no such upload, or used before")
        if len(request.body) != stored.declared:
            raise refused(400, "not the size that was announced")
        stored.content = request.body
        return _json({"singleFile": {"size": stored.declared, "fileChecksum": stored.checksum, "receipt": f"r{token}"}})

    def pre_download(self, request: RawRequest, now: datetime) -> Answer:
        """An address that lives for a while, for whoever knows url, owner and signature."""
        told = [request.headers.get(f"mmcs-{name}") or request.headers.get(name, "") for name in ("url", "signature", "owner")]
        stored = self._stored.get(told[0].rpartition("/")[2])
        if stored is None or [self._url("file", stored), stored.checksum, stored.owner] != told:
            raise refused(400, "url, signature or owner is wrong; the signature must be base64")
        address = f"{stored.token}.{len(self._until)}"
        self._until[address] = (stored.token, now + self.url_life)
        return _json({"download-url": f"{self.account.api_base}/mmcs/download/{address}"})

    def download(self, address: str, now: datetime) -> Answer:
        """The encrypted bytes, while the address lives."""
        token, until = self._until.get(address, ("", now))
        stored = self._stored.get(token)
        if stored is None or stored.content is None or now >= until:
            raise refused(404, "no such download, or it has expired")
        return Answer(200, stored.content, {"content-type": "application/octet-stream"})

    def decode(self, request: RawRequest) -> Answer:
        """The JSON of a packed answer."""
        if not request.headers.get("bid"):
            raise refused(400, "no bid")
        found = self._packed.get(request.body)
        if found is None:
            raise refused(403, "not a payload of ours")
        return Answer(200, found, {"content-type": "application/json"})

    def remember_packed(self, packed: bytes, plain: bytes) -> None:
        """A customer's phone has packed an answer that we shall be asked to decode."""
        self._packed[packed] = plain

    def put(self, content: bytes) -> dict[str, str]:
        """A file from a customer's phone: what names it in the message, the signature in hex and the key in upper case."""
        stored = self._new(len(content))
        key = hashlib.sha256(f"file key {self.account.channel_id} {stored.token}".encode()).digest()
        stored.content = mmcs.lock(content, key)
        return {
            "size": str(len(content)),
            "key": mmcs.key_field(key),
            "url": self._url("file", stored),
            "owner": stored.owner,
            "signature": base64.b64decode(stored.checksum).hex().upper(),
        }

    def opened(self, body: Mapping[str, Any]) -> list[SimFile]:
        """The files of our message, decrypted as the phone does it. Raises Refused where one can't be."""
        attachments = objects(body, "attachments")
        if str(body.get("body", "")).count(OBJECT_MARK) != len(attachments):
            raise refused(400, "the text must hold U+FFFC once per attachment")
        return [self._open(one) for one in attachments]

    def _open(self, one: Mapping[str, Any]) -> SimFile:
        if set(one) != _ATTACHMENT or not all(isinstance(value, str) for value in one.values()):
            raise refused(400, "an attachment's fields are not what they must be, all texts")
        stored = self._stored.get(one["url"].rpartition("/")[2])
        if stored is None or stored.content is None or [stored.owner, stored.checksum] != [one["owner"], one["signature-base64"]]:
            raise refused(400, "an attachment was not uploaded, or its owner or checksum is another's")
        if one["size"] != str(stored.declared) or len(one["key"]) != 66:
            raise refused(400, "an attachment's size or key is wrong")
        try:
            content = mmcs.lock(stored.content, mmcs.key_from(one["key"]))
        except (mmcs.NotUnlocked, binascii.Error):
            raise refused(400, "an attachment's key is wrong") from None
        return SimFile(name=one["name"], mime_type=one["mimeType"], content=content)

    def _new(self, size: int) -> _Stored:
        token = f"{len(self._stored) + 1:08x}"
        self._stored[token] = _Stored(token, size)
        return self._stored[token]

    def _url(self, what: str, stored: _Stored) -> str:
        return f"{self.account.api_base}/mmcs/{what}/{stored.token}"


def check_text(body: Mapping[str, Any]) -> str:
    """The words of a text message, without the marks of its attachments."""
    text = body.get("body")
    if not isinstance(text, str) or not text.strip():
        raise refused(400, "a text needs a body")
    if len(text) > MAX_TEXT + 1:
        raise refused(400, "the text is too long")
    return text.replace(OBJECT_MARK, "").strip()


def _json(value: Mapping[str, Any]) -> Answer:
    return Answer(200, json.dumps(value).encode(), {"content-type": "application/json"})
