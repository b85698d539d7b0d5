"""Apple's side: customers' phones, the webhooks they cause, and the gateway that takes our messages.

What a phone of Apple's shows of us: bubbles without a name; those that came with `auto-reply` are shown as notices here, so that
they can be told apart. There are no receipts. Where our webhook fails, the phone says "Not Delivered" and nothing comes again by itself.

Beyond the ordinary, an action's `details` may hold: `intent`, `group`, `locale`, `capabilities`, `device`; for the webhook `times`,
`delay_seconds`, `again_after_seconds` (once more, that much later) and `redeliver` (how often a failed one comes again); for a choice
`id`, `title`, `request`, `again_as_new` (the same answer under another id, as was seen in the field) and `large` (the answer comes as
a reference); and `mischief`, what the gateway does with our next messages to this customer, one entry each:
`[{"status": 503, "retry_after": 2}, {"status": 504, "taken": true}]`.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import plistlib
import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from adapters.apple import tokens
from adapters.apple.account import AppleAccount
from adapters.apple.gate import (
    FileHosts,
    Refused,
    check_business,
    check_interactive,
    check_link,
    check_text,
    check_token,
    read_message,
)
from adapters.apple.phone import Phone, Wishes, asked, picked, tapback
from adapters.apple.wire import BALLOON, OBJECT_MARK, section
from adapters.contract import Answer, RawRequest
from adapters.simulation import Action, CannotAct, Outcome, ProviderCall, Shown, SimFile, hex_of

_MAX_PER_SECOND: Final = 1000  # Apple documents no rate


class AppleSimulator:
    """The provider's side of one Apple channel."""

    def __init__(self, account: AppleAccount, *, url_life: timedelta = timedelta(minutes=5)) -> None:
        self._account = account
        self._hosts = FileHosts(account, url_life)
        self._phones: dict[str, Phone] = {}
        self._files: dict[str, SimFile] = {}
        self._redeliver: dict[str, int] = {}  # how often a webhook that failed comes again
        self._count = 0
        self._second: tuple[int, int] = (0, 0)

    # ------------------------------------------------------------------------------------ our calls to Apple

    def handle(self, request: RawRequest, now: datetime) -> Outcome:
        """A call to the gateway or to the files' hosts."""
        try:
            return Outcome(self._answer(request, now))
        except Refused as refused:
            return Outcome(refused.answer)

    def _answer(self, request: RawRequest, now: datetime) -> Answer:
        head, _, rest = request.path.strip("/").partition("/")
        if head == "mmcs":
            return self._file_host(request.method, rest, request, now)
        check_token(request, self._account, now)
        check_business(request, self._account)
        match request.method, request.path:
            case "POST", "/message":
                return self._message(request, now)
            case "GET", "/preUpload":
                return self._hosts.pre_upload(request)
            case "GET", "/preDownload":
                return self._hosts.pre_download(request, now)
            case "POST", "/decodePayload":
                return self._hosts.decode(request)
        raise Refused(404, "no such call")

    def _file_host(self, method: str, rest: str, request: RawRequest, now: datetime) -> Answer:
        what, _, name = rest.partition("/")
        if (method, what) == ("POST", "upload"):
            return self._hosts.upload(name, request)
        if (method, what) == ("GET", "download"):
            return self._hosts.download(name, now)
        raise Refused(404, "no such file")

    def _message(self, request: RawRequest, now: datetime) -> Answer:
        body = read_message(request)
        self._pace(now)
        phone = self._open_phone(body["destinationId"])
        if body["type"].startswith("typing"):
            phone.we_type = body["type"] == "typing_start"
            return Answer()
        shown = self._shown(body)
        mischief = phone.mischief.pop(0) if phone.mischief else None
        if mischief is None or mischief.taken:
            kind = "notice" if request.headers.get("auto-reply") == "true" else "message"
            for line in shown:
                self._add(phone, body["id"], "them", now, kind=kind, **line)
            phone.we_type = False
        return mischief.answer if mischief else Answer()

    def _open_phone(self, address: str) -> Phone:
        phone = self._phone_at(address)
        if phone is None or not phone.began:
            raise Refused(404, "no such customer: only a customer can begin")
        if phone.closed:
            raise Refused(410, "the customer has closed the conversation")
        return phone

    def _phone_at(self, address: str) -> Phone | None:
        return next((one for one in self._phones.values() if one.address == address), None)

    def _pace(self, now: datetime) -> None:
        second, seen = self._second
        seen = seen + 1 if second == int(now.timestamp()) else 1
        self._second = (int(now.timestamp()), seen)
        if seen > _MAX_PER_SECOND:
            raise Refused(429, "too many at once")

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
        return [{"text": (text or None) if n == 0 else None, "media": self._keep(file)} for n, file in enumerate(files)]

    def _keep(self, file: SimFile) -> dict[str, Any]:
        file_id = f"f{len(self._files) + 1}"
        self._files[file_id] = file
        return {"name": file.name, "mime_type": file.mime_type, "size_bytes": len(file.content), "file_id": file_id}

    def _add(self, phone: Phone, line_id: str, sender: str, now: datetime, **shown: Any) -> None:
        phone.add(Shown.model_validate({"id": line_id, "from": sender, "at": now, **shown}))

    # ------------------------------------------------------------------------------------ the customer's phone

    def act(self, action: Action, now: datetime) -> Outcome:
        """Something done on the phone."""
        phone, wishes = self._phone(action.customer), Wishes.of(action.details)
        match action.kind:
            case "say":
                outcome = self._say(phone, action, now)
            case "react":
                told = tapback(action.text or "👍", phone.line(action.target))
                outcome = self._said(phone, {"type": "text", "body": told}, {"text": told}, action, now)
            case "choose":
                outcome = self._choose(phone, action, now)
            case "typing":
                outcome = Outcome(calls=self._calls(phone, {"type": "typing_start" if action.on else "typing_end"}, action, now))
            case "end":
                outcome = self._end(phone, action, now)
            case "read":
                outcome = Outcome()  # Apple tells nobody
            case _:
                raise CannotAct(f"Apple Messages for Business has no {action.kind!r} that a business would learn of")
        phone.mischief += wishes.mischief
        return outcome

    def _phone(self, customer: str) -> Phone:
        if customer not in self._phones:
            self._phones[customer] = Phone(customer, f"urn:mbid:AQAA{hex_of(f'{self._account.business_id} {customer}', 40)}")
        return self._phones[customer]

    def _say(self, phone: Phone, action: Action, now: datetime) -> Outcome:
        if not action.text and action.file is None:
            raise CannotAct("say needs a text or a file")
        content: dict[str, Any] = {"type": "text", "body": action.text or ""}
        shown: dict[str, Any] = {"text": action.text}
        if action.file:
            file = {"name": action.file.name, "mimeType": action.file.mime_type, **self._hosts.put(action.file.content)}
            content |= {"body": f"{OBJECT_MARK}{action.text or ''}", "attachments": [file]}
            shown["media"] = self._keep(action.file)
        return self._said(phone, content, shown, action, now)

    def _choose(self, phone: Phone, action: Action, now: datetime) -> Outcome:
        title = str(action.details.get("title") or action.text or "")
        if not title:
            raise CannotAct("choose needs a title")
        answer = picked(title, action.details.get("id"), action.details.get("request"), self._new_id("session"))
        content: dict[str, Any] = {"type": "interactive", "interactiveData": answer}
        if action.details.get("large"):
            content = {"type": "interactive", "interactiveDataRef": self._packed(answer, title)}
        outcome = self._said(phone, content, {"text": title}, action, now)
        if action.details.get("again_as_new"):
            twin = self._calls(phone, content, action, now)
            outcome = replace(outcome, calls=outcome.calls + tuple(replace(call, delay_seconds=1.0) for call in twin))
        return outcome

    def _packed(self, answer: dict[str, Any], title: str) -> dict[str, Any]:
        """An answer over 10 KB: packed, gzipped and encrypted as a file, which only Apple can decode."""
        plain = json.dumps(answer).encode()
        packed = plistlib.dumps({"$archiver": "NSKeyedArchiver", "payload": plain}, fmt=plistlib.FMT_BINARY)
        self._hosts.remember_packed(packed, plain)
        return {"bid": BALLOON, "title": title, **self._hosts.put(gzip.compress(packed, mtime=0))}

    def _end(self, phone: Phone, action: Action, now: datetime) -> Outcome:
        if not phone.began or phone.closed:
            raise CannotAct("there is no open conversation")
        phone.closed = True
        return Outcome(calls=self._calls(phone, {"type": "close"}, action, now))

    def _said(self, phone: Phone, content: dict[str, Any], shown: dict[str, Any], action: Action, now: datetime) -> Outcome:
        """A bubble and its webhook; before the very first, Apple tells that the customer types."""
        first: tuple[ProviderCall, ...] = ()
        if not phone.began:
            first = self._calls(phone, {"type": "typing_start"}, action.model_copy(update={"details": {}}), now)
        phone.began, phone.closed = True, False
        extra: dict[str, Any] = {name: action.details[name] for name in ("intent", "group") if name in action.details}
        calls = self._calls(phone, {**content, "locale": action.details.get("locale", "en_US"), **extra}, action, now)
        line_id = calls[0].headers["id"]
        self._add(phone, line_id, "me", now, status="sending", **shown)
        return Outcome(calls=first + calls, line_id=line_id)

    def _calls(self, phone: Phone, content: dict[str, Any], action: Action, now: datetime) -> tuple[ProviderCall, ...]:
        """One webhook, as often and as late as wished."""
        message_id, wishes = self._new_id("message"), Wishes.of(action.details)
        body = {"v": 1, "id": message_id, "sourceId": phone.address, "destinationId": self._account.business_id, **content}
        call = ProviderCall(
            id=message_id,
            method="POST",
            url=f"{self._account.webhook_url}/message",
            headers=self._headers(message_id, phone, action, now),
            body=gzip.compress(json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"), mtime=0),
            lane=phone.address,
        )
        self._redeliver[message_id] = wishes.redeliver
        return tuple(self._stamped(one, now) for one in wishes.deliveries(call))

    def _headers(self, message_id: str, phone: Phone, action: Action, now: datetime) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "Content-Encoding": "gzip",
            "id": message_id,
            "source-id": phone.address,
            "destination-id": self._account.business_id,
            "capability-list": str(action.details.get("capabilities", "LIST,TIME,QUICK,FORM,AUTH2")),
            "device-agent": str(action.details.get("device", "iPhone OS")),
        }

    def _stamped(self, call: ProviderCall, now: datetime) -> ProviderCall:
        """With a token, made when the webhook leaves."""
        claims = {"aud": self._account.msp_id, "iat": int(now.timestamp() + call.delay_seconds)}
        token = tokens.sign(claims, self._account.secrets[0].get_secret_value())
        return replace(call, headers={**call.headers, "Authorization": f"Bearer {token}"})

    def _new_id(self, what: str) -> str:
        self._count += 1
        told = hashlib.sha256(f"{self._account.channel_id} {what} {self._count}".encode()).digest()
        return str(uuid.UUID(bytes=told[:16], version=4))

    # ------------------------------------------------------------------------------------------ what came of it

    def settled(self, call: ProviderCall, answer: Answer | None, now: datetime) -> tuple[ProviderCall, ...]:
        """Taken, or "Not Delivered"; Apple's own retries are not documented, so there are none unless wished."""
        message_id = call.id.partition("/")[0]
        taken = answer is not None and 200 <= answer.status < 300
        phone = self._phone_at(call.headers["source-id"])
        if phone is not None:
            phone.settle(message_id, taken=taken)
        left = 0 if taken else self._redeliver.get(message_id, 0)
        if not left:
            return ()
        self._redeliver[message_id] = left - 1
        again = replace(call, id=f"{call.id}/again", attempt=call.attempt + 1, delay_seconds=2.0 ** (call.attempt - 1))
        return (self._stamped(again, now),)

    def refresh(self, customer: str, now: datetime) -> tuple[ProviderCall, ...]:
        """Nothing to fetch: files are put with Apple before the message."""
        return ()

    def handset(self, customer: str) -> list[Shown]:
        """The phone's bubbles. A deleted conversation is still shown, so that one can see what led to it."""
        phone = self._phones.get(customer)
        return list(phone.lines) if phone else []

    def we_type(self, customer: str) -> bool:
        """Whether the phone shows that the business is typing."""
        phone = self._phones.get(customer)
        return phone is not None and phone.we_type

    def file(self, file_id: str) -> SimFile | None:
        """A file of a bubble."""
        return self._files.get(file_id)
