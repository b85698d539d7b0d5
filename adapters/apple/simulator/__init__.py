"""Apple's side: customers' phones, the webhooks they cause, and the gateway that takes our messages.

What a phone of Apple's shows of us: bubbles without a name; those that came with `auto-reply` are shown as notices here, so that
they can be told apart. There are no receipts. Where our webhook fails, the phone says "Not Delivered" and nothing comes again by itself.

Beyond the ordinary, an action's `details` may hold: `intent`, `group`, `locale`, `capabilities`, `device`; `redeliver` (how often a webhook that
failed comes again); for a choice `id`, `title`, `request`, `again_as_new` (the same answer under another id, as was seen in the field) and
`large` (the answer comes as a reference).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import plistlib
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from adapters.apple import tokens
from adapters.apple.account import AppleAccount
from adapters.apple.simulator.gate import (
    FileHosts,
    check_business,
    check_interactive,
    check_link,
    check_text,
    check_token,
    read_message,
    refused,
)
from adapters.apple.simulator.phone import ApplePhone, AppleWishes, asked, picked, tapback
from adapters.apple.wire import BALLOON, OBJECT_MARK, section
from adapters.contract import Answer, RawRequest
from adapters.simulation import CannotAct, Deed, Doing, Provider, ProviderCall, SimFile, hex_of, stem

_MAX_PER_SECOND: Final = 1000  # Apple documents no rate
_Deed: TypeAlias = Deed[ApplePhone, AppleWishes]


class AppleSimulator(Provider[AppleAccount, ApplePhone, AppleWishes]):
    """The provider's side of one Apple channel."""

    wishes = AppleWishes

    def __init__(self, account: AppleAccount, *, url_life: timedelta = timedelta(minutes=5)) -> None:
        super().__init__(account)
        self._hosts = FileHosts(account, url_life)
        self._redeliver: dict[str, int] = {}  # how often a webhook that failed comes again
        self._second: tuple[int, int] = (0, 0)

    def address_of(self, customer: str) -> str:
        """The customer's opaque id for this business."""
        return f"urn:mbid:AQAA{hex_of(f'{self.account.business_id} {customer}', 40)}"

    def new_phone(self, customer: str, address: str) -> ApplePhone:
        """With no conversation yet."""
        return ApplePhone(customer, address)

    # ------------------------------------------------------------------------------------ our calls to Apple

    def answer(self, request: RawRequest, now: datetime) -> Answer:
        """A call to the gateway or to the files' hosts."""
        head, _, rest = request.path.strip("/").partition("/")
        if head == "mmcs":
            return self._file_host(request.method, rest, request, now)
        check_token(request, self.account, now)
        check_business(request, self.account)
        match request.method, request.path:
            case "POST", "/message":
                return self._message(request, now)
            case "GET", "/preUpload":
                return self._hosts.pre_upload(request)
            case "GET", "/preDownload":
                return self._hosts.pre_download(request, now)
            case "POST", "/decodePayload":
                return self._hosts.decode(request)
        raise refused(404, "no such call")

    def _file_host(self, method: str, rest: str, request: RawRequest, now: datetime) -> Answer:
        what, _, name = rest.partition("/")
        if (method, what) == ("POST", "upload"):
            return self._hosts.upload(name, request)
        if (method, what) == ("GET", "download"):
            return self._hosts.download(name, now)
        raise refused(404, "no such file")

    def _message(self, request: RawRequest, now: datetime) -> Answer:
        body = read_message(request)
        self._pace(now)
        phone = self._open_phone(body["destinationId"])
        if body["type"].startswith("typing"):
            phone.we_type = body["type"] == "typing_start"
            return Answer()
        shown = self._shown(body)
        self.befall()
        kind: Any = "notice" if request.headers.get("auto-reply") == "true" else "message"
        for line in shown:
            self.show(phone, phone.free(body["id"]), now, kind=kind, **line)
        phone.we_type = False
        return Answer()

    def _open_phone(self, address: str) -> ApplePhone:
        phone = self.phones.get(address)
        if phone is None or not phone.began:
            raise refused(404, "no such customer: only a customer can begin")
        if phone.closed:
            raise refused(410, "the customer has closed the conversation")
        return phone

    def _pace(self, now: datetime) -> None:
        second, seen = self._second
        seen = seen + 1 if second == int(now.timestamp()) else 1
        self._second = (int(now.timestamp()), seen)
        if seen > _MAX_PER_SECOND:
            raise refused(429, "too many at once")

    def _shown(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        """The bubbles of a message. Raises Refused for what isn't whole."""
        if body["type"] == "richLink":
            link = section(body, "richLinkData")
            check_link(link)
            return [{"text": f"{link['title']}\n{link['url']}", "link": {"url": link["url"], "title": link["title"]}}]
        if body["type"] == "interactive":
            return [{"text": asked(check_interactive(body)), "interactive": True}]
        text, files = check_text(body), self._hosts.opened(body)
        if not files:
            return [{"text": text}]
        return [{"text": (text or None) if n == 0 else None, "file": file} for n, file in enumerate(files)]

    # ------------------------------------------------------------------------------------ the customer's phone

    def cannot(self, kind: str) -> str:
        """A business learns of little."""
        return f"Apple Messages for Business has no {kind!r} that a business would learn of"

    def doings(self) -> Mapping[str, Doing[ApplePhone, AppleWishes]]:
        """Who reads is told nobody."""
        return {
            "say": self._say,
            "react": self._react,
            "choose": self._choose,
            "typing": self._typing,
            "end": self._end,
            "read": self.ordinary()["read"],
        }

    def _say(self, deed: _Deed) -> str:
        text, file = deed.action.text, deed.action.file
        if not text and file is None:
            raise CannotAct("say needs a text or a file")
        content: dict[str, Any] = {"type": "text", "body": text or ""}
        if file:
            about = {"name": file.name, "mimeType": file.mime_type, **self._hosts.put(file.content)}
            content |= {"body": f"{OBJECT_MARK}{text or ''}", "attachments": [about]}
        return self._said(deed, content, text, file)

    def _react(self, deed: _Deed) -> str:
        told = tapback(deed.action.text or "👍", deed.phone.target(deed.action))
        return self._said(deed, {"type": "text", "body": told}, told)

    def _choose(self, deed: _Deed) -> str:
        title = str(deed.details.get("title") or deed.action.text or "")
        if not title:
            raise CannotAct("choose needs a title")
        answer = picked(title, deed.details.get("id"), deed.details.get("request"), self._new_id("session"))
        content: dict[str, Any] = {"type": "interactive", "interactiveData": answer}
        if deed.details.get("large"):
            content = {"type": "interactive", "interactiveDataRef": self._packed(answer, title)}
        line_id = self._said(deed, content, title)
        if deed.details.get("again_as_new"):
            self._write(replace(deed, wishes=deed.wishes.model_copy(update={"delay_seconds": 1.0})), content)
        return line_id

    def _packed(self, answer: dict[str, Any], title: str) -> dict[str, Any]:
        """An answer over 10 KB: packed, gzipped and encrypted as a file, which only Apple can decode."""
        plain = json.dumps(answer).encode()
        packed = plistlib.dumps({"$archiver": "NSKeyedArchiver", "payload": plain}, fmt=plistlib.FMT_BINARY)
        self._hosts.remember_packed(packed, plain)
        return {"bid": BALLOON, "title": title, **self._hosts.put(gzip.compress(packed, mtime=0))}

    def _typing(self, deed: _Deed) -> None:
        self._write(deed, {"type": "typing_start" if deed.action.on else "typing_end"})

    def _end(self, deed: _Deed) -> None:
        if not deed.phone.began or deed.phone.closed:
            raise CannotAct("there is no open conversation")
        deed.phone.closed = True
        self._write(deed, {"type": "close"})

    def _said(self, deed: _Deed, content: dict[str, Any], text: str | None, file: SimFile | None = None) -> str:
        """A bubble and its webhook; before the very first, Apple tells that the customer types."""
        if not deed.phone.began:
            bare = deed.action.model_copy(update={"details": {}})
            self._write(replace(deed, action=bare, wishes=AppleWishes()), {"type": "typing_start"})
        deed.phone.began, deed.phone.closed = True, False
        extra: dict[str, Any] = {name: deed.details[name] for name in ("intent", "group") if name in deed.details}
        line_id = self._new_id("message")
        self.mine(deed, line_id, text, file)
        self._write(deed, {**content, "locale": deed.details.get("locale", "en_US"), **extra}, line_id)
        return line_id

    # ----------------------------------------------------------------------------------------------- webhooks

    def _write(self, deed: _Deed, content: dict[str, Any], line_id: str | None = None) -> None:
        """One webhook, as often and as late as wished."""
        message_id, address = line_id or self._new_id("message"), deed.phone.address
        body = {"v": 1, "id": message_id, "sourceId": address, "destinationId": self.account.business_id, **content}
        call = ProviderCall(
            id=message_id,
            method="POST",
            url=f"{self.account.webhook_url}/message",
            headers={
                "Content-Type": "application/json",
                "Content-Encoding": "gzip",
                "id": message_id,
                "source-id": address,
                "destination-id": self.account.business_id,
                "capability-list": str(deed.details.get("capabilities", "LIST,TIME,QUICK,FORM,AUTH2")),
                "device-agent": str(deed.details.get("device", "iPhone OS")),
            },
            body=gzip.compress(json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"), mtime=0),
            lane=address,
        )
        self._redeliver[message_id] = deed.wishes.redeliver
        self.send(call, deed.now, deed.wishes, ((deed.phone, line_id),) if line_id else ())

    def leaving(self, call: ProviderCall, now: datetime) -> ProviderCall:
        """With a token, made when the webhook leaves."""
        claims = {"aud": self.account.msp_id, "iat": int(now.timestamp() + call.delay_seconds)}
        token = tokens.sign(claims, self.account.secrets[0].get_secret_value())
        return replace(call, headers={**call.headers, "Authorization": f"Bearer {token}"})

    def again(self, call: ProviderCall, answer: Answer | None, now: datetime) -> ProviderCall | None:
        """ "Not Delivered": Apple's own retries are not documented, so there are none unless wished."""
        wished = call.attempt <= self._redeliver[stem(call.id)]
        return self.repeated(call, 2.0 ** (call.attempt - 1)) if wished else None

    def _new_id(self, what: str) -> str:
        told = hashlib.sha256(f"{self.account.channel_id} {what} {self.next_number()}".encode()).digest()
        return str(uuid.UUID(bytes=told[:16], version=4))

    def we_type(self, customer: str) -> bool:
        """Whether the phone shows that the business is typing."""
        return self.phone(customer).we_type
