"""Apple's side: customers' phones, the webhooks they cause, and the gateway that takes our messages.

What a phone of Apple's shows of us: bubbles without a name, and so that notices can be told apart here, those with `auto-reply`
are shown as notices. There are no receipts. Where our webhook fails, the phone says "Not Delivered" and nothing comes again by itself.

Beyond the ordinary, an action's `details` may hold: `times` and `delay_seconds` for the webhook; `intent`, `group`, `locale`,
`capabilities`, `device`; `again_as_new` (the same answer under another id, as was seen in the field); `large` (an answer that comes
as a reference); `redeliver` (how often a failed webhook comes again); `answers` (what the gateway says to our next messages to
this customer: `[{"status": 503, "retry_after": 2, "taken": false}]`).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import plistlib
import uuid
from dataclasses import dataclass, field, replace
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
from adapters.apple.wire import BALLOON, OBJECT_MARK, objects, section, words
from adapters.contract import Answer, RawRequest
from adapters.simulation import Action, CannotAct, Outcome, ProviderCall, Shown, SimFile, hex_of

_MAX_PER_SECOND: Final = 1000
# In the language of the device; these are the English words. Anything else: `Reacted 😀 to “…”`.
_TAPBACKS: Final = {"❤️": "Loved", "👍": "Liked", "👎": "Disliked", "😂": "Laughed at", "‼️": "Emphasized", "❓": "Questioned"}
_MEDIA_WORDS: Final = {"image": "an image", "video": "a movie", "audio": "an audio message"}


@dataclass
class _Phone:
    """One customer's conversation with the business."""

    customer: str
    address: str
    lines: list[Shown] = field(default_factory=list)
    began: bool = False
    closed: bool = False
    we_type: bool = False
    answers: list[dict[str, Any]] = field(default_factory=list)


class AppleSimulator:
    """The provider's side of one Apple channel."""

    def __init__(self, account: AppleAccount, *, url_life: timedelta = timedelta(minutes=5)) -> None:
        self._account = account
        self._hosts = FileHosts(account, url_life)
        self._phones: dict[str, _Phone] = {}
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
        phone = next((one for one in self._phones.values() if one.address == body["destinationId"]), None)
        if phone is None or not phone.began:
            raise Refused(404, "no such customer: only a customer can begin")
        if phone.closed:
            raise Refused(410, "the customer has closed the conversation")
        planned = phone.answers.pop(0) if phone.answers and not body["type"].startswith("typing") else {"taken": True}
        if planned.get("taken") or planned.get("status", 200) == 200:
            self._show(phone, body, request, now)
        return _planned(planned)

    def _pace(self, now: datetime) -> None:
        second, seen = self._second
        seen = seen + 1 if second == int(now.timestamp()) else 1
        self._second = (int(now.timestamp()), seen)
        if seen > _MAX_PER_SECOND:
            raise Refused(429, "too many at once")

    def _show(self, phone: _Phone, body: dict[str, Any], request: RawRequest, now: datetime) -> None:
        if body["type"].startswith("typing"):
            phone.we_type = body["type"] == "typing_start"
            return
        kind = "notice" if request.headers.get("auto-reply") == "true" else "message"
        for line_id, shown in self._lines_of(body):
            self._add(phone, line_id, "them", now, kind=kind, **shown)
        phone.we_type = False

    def _lines_of(self, body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """A file with words under it is one bubble here, as our own is."""
        message_id = body["id"]
        if body["type"] == "richLink":
            link = section(body, "richLinkData")
            check_link(link)
            return [
                (message_id, {"text": f"{link['title']}\n{link['url']}", "link": {"url": link["url"], "title": link["title"]}})
            ]
        if body["type"] == "interactive":
            return [(message_id, {"text": _asked(check_interactive(body)), "interactive": True})]
        text, files = check_text(body), self._hosts.opened(body)
        media: list[dict[str, Any] | None] = [self._keep(file) for file in files]
        return [(message_id, {"text": text if not n else None, "media": one}) for n, one in enumerate(media or [None])]

    def _keep(self, file: SimFile) -> dict[str, Any]:
        file_id = f"f{len(self._files) + 1}"
        self._files[file_id] = file
        return {"name": file.name, "mime_type": file.mime_type, "size_bytes": len(file.content), "file_id": file_id}

    def _add(self, phone: _Phone, line_id: str, sender: str, now: datetime, **shown: Any) -> None:
        taken = sum(line.id == line_id or line.id.startswith(f"{line_id}#") for line in phone.lines)
        unique = f"{line_id}#{taken + 1}" if taken else line_id
        phone.lines.append(Shown.model_validate({"id": unique, "from": sender, "at": now, **shown}))

    # ------------------------------------------------------------------------------------ the customer's phone

    def act(self, action: Action, now: datetime) -> Outcome:
        """Something done on the phone."""
        phone = self._phone(action.customer)
        match action.kind:
            case "say":
                outcome = self._say(phone, action, now)
            case "react":
                outcome = self._react(phone, action, now)
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
        phone.answers += [one for one in action.details.get("answers", []) if isinstance(one, dict)]
        return outcome

    def _phone(self, customer: str) -> _Phone:
        if customer not in self._phones:
            self._phones[customer] = _Phone(customer, f"urn:mbid:AQAA{hex_of(f'{self._account.business_id} {customer}', 40)}")
        return self._phones[customer]

    def _say(self, phone: _Phone, action: Action, now: datetime) -> Outcome:
        if not action.text and action.file is None:
            raise CannotAct("say needs a text or a file")
        content: dict[str, Any] = {"type": "text", "body": action.text or ""}
        shown: dict[str, Any] = {"text": action.text}
        if action.file:
            file = {"name": action.file.name, "mimeType": action.file.mime_type, **self._hosts.put(action.file.content)}
            content |= {"body": f"{OBJECT_MARK}{action.text or ''}", "attachments": [file]}
            shown["media"] = self._keep(action.file)
        return self._said(phone, content, shown, action, now)

    def _react(self, phone: _Phone, action: Action, now: datetime) -> Outcome:
        """A tapback: to a business it is a text that quotes the bubble."""
        target = next((line for line in phone.lines if line.id == action.target), None)
        if target is None:
            raise CannotAct("react needs the id of a line on this phone as its target")
        emoji = action.text or "👍"
        family = str((target.media or {}).get("mime_type", "")).partition("/")[0]
        quoted = f"“{target.text}”" if target.text else _MEDIA_WORDS.get(family, "an attachment")
        body = f"{_TAPBACKS[emoji]} {quoted}" if emoji in _TAPBACKS else f"Reacted {emoji} to {quoted}"
        return self._said(phone, {"type": "text", "body": body}, {"text": body}, action, now)

    def _choose(self, phone: _Phone, action: Action, now: datetime) -> Outcome:
        title = action.details.get("title") or action.text
        if not title:
            raise CannotAct("choose needs a title")
        answer = _picked(str(title), action.details.get("id"), action.details.get("request"), self._new_id("session"))
        content: dict[str, Any] = {"type": "interactive", "interactiveData": answer}
        if action.details.get("large"):
            content = {"type": "interactive", "interactiveDataRef": self._packed(answer, str(title))}
        outcome = self._said(phone, content, {"text": str(title)}, action, now)
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

    def _end(self, phone: _Phone, action: Action, now: datetime) -> Outcome:
        if not phone.began or phone.closed:
            raise CannotAct("there is no open conversation")
        phone.closed = True
        return Outcome(calls=self._calls(phone, {"type": "close"}, action, now))

    def _said(self, phone: _Phone, content: dict[str, Any], shown: dict[str, Any], action: Action, now: datetime) -> Outcome:
        """A bubble and its webhook; before the very first, Apple tells that the customer types."""
        first: tuple[ProviderCall, ...] = ()
        if not phone.began:
            plain = action.model_copy(update={"details": {}})
            first = self._calls(phone, {"type": "typing_start"}, plain, now)
        phone.began, phone.closed = True, False
        extra: dict[str, Any] = {name: action.details[name] for name in ("intent", "group") if name in action.details}
        calls = self._calls(phone, {**content, "locale": action.details.get("locale", "en_US"), **extra}, action, now)
        line_id = calls[0].headers["id"]
        self._add(phone, line_id, "me", now, status="sending", **shown)
        return Outcome(calls=first + calls, line_id=line_id)

    def _calls(self, phone: _Phone, content: dict[str, Any], action: Action, now: datetime) -> tuple[ProviderCall, ...]:
        """One webhook, as often as asked."""
        message_id = self._new_id("message")
        body = {"v": 1, "id": message_id, "sourceId": phone.address, "destinationId": self._account.business_id, **content}
        delay = float(action.details.get("delay_seconds", 0))
        call = ProviderCall(
            id=f"{message_id}/1",
            method="POST",
            url=f"{self._account.webhook_url}/message",
            headers=self._headers(message_id, phone, action, now),
            body=gzip.compress(json.dumps(body, ensure_ascii=False).encode(), mtime=0),
            # A late one must not hold up those behind it: that is what being overtaken means.
            lane=f"{phone.address} {message_id}" if delay else phone.address,
            delay_seconds=delay,
            attempt=1,
        )
        times = max(1, int(action.details.get("times", 1)))
        if action.details.get("redeliver"):
            self._redeliver[message_id] = int(action.details["redeliver"])
        return tuple(replace(call, id=f"{message_id}/{n + 1}") for n in range(times))

    def _headers(self, message_id: str, phone: _Phone, action: Action, now: datetime) -> dict[str, str]:
        late = float(action.details.get("delay_seconds", 0))  # a token is made when the webhook leaves
        claims = {"aud": self._account.msp_id, "iat": int(now.timestamp() + late)}
        return {
            "Authorization": f"Bearer {tokens.sign(claims, self._account.secrets[0].get_secret_value())}",
            "Content-Type": "application/json",
            "Content-Encoding": "gzip",
            "id": message_id,
            "source-id": phone.address,
            "destination-id": self._account.business_id,
            "capability-list": str(action.details.get("capabilities", "LIST,TIME,QUICK,FORM,AUTH2")),
            "device-agent": str(action.details.get("device", "iPhone OS")),
        }

    def _new_id(self, what: str) -> str:
        self._count += 1
        told = hashlib.sha256(f"{self._account.channel_id} {what} {self._count}".encode()).digest()
        return str(uuid.UUID(bytes=told[:16], version=4))

    # ------------------------------------------------------------------------------------------ what came of it

    def settled(self, call: ProviderCall, answer: Answer | None, now: datetime) -> tuple[ProviderCall, ...]:
        """Taken, or "Not Delivered"; Apple's own retries are not documented, so by default there are none."""
        message_id = call.id.partition("/")[0]
        taken = answer is not None and 200 <= answer.status < 300
        for phone in self._phones.values():
            phone.lines = [_settled(line, taken) if line.id == message_id else line for line in phone.lines]
        left = 0 if taken else self._redeliver.get(message_id, 0)
        if not left:
            return ()
        self._redeliver[message_id] = left - 1
        return (
            replace(call, id=f"{call.id}/again{call.attempt}", attempt=call.attempt + 1, delay_seconds=2.0 ** (call.attempt - 1)),
        )

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


def _settled(line: Shown, taken: bool) -> Shown:
    if line.status == "sent":
        return line
    return line.model_copy(update={"status": "sent" if taken else "failed"})


def _planned(planned: dict[str, Any]) -> Answer:
    headers = {"retry-after": str(planned["retry_after"])} if "retry_after" in planned else {}
    return Answer(int(planned.get("status", 200)), headers=headers)


def _asked(content: dict[str, Any]) -> str:
    """What a picker's bubble says, and the choices behind it."""
    data = section(content, "data")
    title = words(section(data, "receivedMessage"), "title") or words(section(content, "receivedMessage"), "title")
    items = [item for part in objects(section(data, "listPicker"), "sections") for item in objects(part, "items")]
    items += objects(section(data, "quick-reply"), "items")
    choices = [f"• {words(item, 'title')}" for item in items]
    return "\n".join([title or words(section(data, "quick-reply"), "summaryText") or "[interactive message]", *choices])


def _picked(title: str, item: object, request: object, session: str) -> dict[str, Any]:
    chosen = {"identifier": str(item or title), "title": title, "order": 0, "style": "default"}
    return {
        "bid": BALLOON,
        "sessionIdentifier": session,
        "data": {
            "version": "1.0",
            "requestIdentifier": str(request or "req-1"),
            "replyMessage": {"title": title, "subtitle": "", "style": "icon", "alternateTitle": title},
            "listPicker": {"sections": [{"title": "", "order": 0, "multipleSelection": False, "items": [chosen]}]},
        },
    }
