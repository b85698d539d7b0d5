"""LINE's own side: an official account, its friends' phones, and the Messaging API, as strict as the real one.

What LINE does and this does too: webhooks are signed over their raw bytes, wait two seconds for a 2xx, and are redelivered with the
same event id; reply tokens work once and for a minute; retry keys are known for a day; pushes count against a monthly quota; a push
to a customer who blocked the account is answered 200 and shown nowhere; there are no receipts.
Source: LINE Developers, "Messaging API reference", "Receiving messages", "Retrying a failed API request".
"""

from __future__ import annotations

import json
import re
import zlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias
from urllib.parse import unquote, urlsplit
from uuid import UUID

from adapters.contract import Answer, RawRequest
from adapters.line import simulator_rules as rules
from adapters.line.account import LineAccount
from adapters.line.simulator_tokens import Tokens
from adapters.signing import hmac_base64
from adapters.simulation import Action, CannotAct, Outcome, ProviderCall, Shown, SimFile, hex_of

REPLY_TOKEN_LIFE: Final = timedelta(seconds=60)
RETRY_KEY_LIFE: Final = timedelta(hours=24)
WEBHOOK_TIMEOUT_SECONDS: Final = 2.0
# LINE tells neither how often nor how far apart it redelivers.
REDELIVERY_SECONDS: Final = (1.0, 2.0, 5.0, 15.0, 60.0, 120.0, 300.0, 600.0)
_MAX_REQUEST_BYTES: Final = 2 * 1024 * 1024
_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_JSON: Final = {"content-type": "application/json"}


class _Refused(Exception):
    """LINE refuses the request."""

    def __init__(self, status: int, message: str, details: list[rules.Fault] | None = None) -> None:
        super().__init__(message)
        body: dict[str, Any] = {"message": message}
        if details:
            body["details"] = [{"message": text, "property": place} for place, text in details]
        self.answer = _json(status, body)


@dataclass
class _Phone:
    """A customer's phone."""

    customer: str
    user_id: str
    lines: list[Shown] = field(default_factory=list)
    held: list[Shown] = field(default_factory=list)  # what came while it was offline
    blocked: bool = False
    friend: bool = True
    online: bool = True
    loading_until: datetime | None = None

    def show(self, line: Shown) -> None:
        (self.lines if self.online else self.held).append(line)

    def find(self, line_id: str | None) -> Shown | None:
        return next((line for line in self.lines if line.id == line_id), None)

    def change(self, line_id: str, **changes: Any) -> None:
        self.lines = [line.model_copy(update=changes) if line.id == line_id else line for line in self.lines]
        self.held = [line.model_copy(update=changes) if line.id == line_id else line for line in self.held]


@dataclass
class _Webhook:
    """A webhook on its way: its events, and the lines of phones that wait for it."""

    events: list[dict[str, Any]]
    lines: list[tuple[_Phone, str]]


@dataclass(frozen=True)
class _Content:
    """A file that a customer sent, as the data host has it."""

    file: SimFile
    ready_at: datetime


@dataclass
class Fault:
    """A misbehaviour on command: the next `times` API calls are answered with `status`; `taken`: after doing what they asked."""

    status: int
    times: int = 1
    taken: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


Handler: TypeAlias = "Callable[[LineSimulator, RawRequest, str, datetime], Outcome]"


class LineSimulator:
    """One official account of the simulated LINE."""

    def __init__(self, account: LineAccount) -> None:
        self.account = account
        self.tokens = Tokens(account)
        self.monthly_limit: int | None = None
        self.requests_per_second = 2000
        self.loadings_per_second = 100
        self.redelivers = True  # the console's switch "Webhook redelivery"
        self.chat_enabled = True  # the console's switch "Chat"
        self.api_allowed = True
        self.pushed = 0
        self.faults: deque[Fault] = deque()
        self._phones: dict[str, _Phone] = {}
        self._webhooks: dict[str, _Webhook] = {}
        self._fetches: dict[str, tuple[_Phone, str]] = {}
        self._reply_tokens: dict[str, tuple[str, datetime]] = {}
        self._retry_keys: dict[str, tuple[datetime, str, list[dict[str, str]]]] = {}
        self._contents: dict[str, _Content] = {}
        self._files: dict[str, SimFile] = {}
        self._quotes: dict[str, str] = {}  # token: message id
        self._read_tokens: dict[str, tuple[_Phone, str]] = {}
        self._recent: dict[str, deque[datetime]] = {}
        self._count = 0

    # ---------------------------------------------------------------------------------------- the API, for us

    def handle(self, request: RawRequest, now: datetime) -> Outcome:
        """Our call to LINE's API, its data host or its sticker shop. Every answer carries `x-line-request-id`."""
        request_id = f"{self._next():08x}-5e1f-4c0d-8a2b-{zlib.crc32(self.account.channel_id.encode()):012x}"
        fault = self._fault(request)
        if fault and not fault.taken:
            return Outcome(_with_id(_fault_answer(fault), request_id))
        try:
            outcome = self._route(request, request_id, now)
        except _Refused as refused:
            outcome = Outcome(refused.answer)
        answer = _fault_answer(fault) if fault else outcome.answer
        return Outcome(_with_id(answer, request_id), outcome.calls)

    def _fault(self, request: RawRequest) -> Fault | None:
        if not self.faults or "/oauth" in request.path:
            return None
        fault = self.faults[0]
        fault.times -= 1
        if fault.times <= 0:
            self.faults.popleft()
        return fault

    def _route(self, request: RawRequest, request_id: str, now: datetime) -> Outcome:
        path = self._bare(request.path)
        if request.method == "GET" and path.startswith("/stickershop/"):
            return Outcome(Answer(200, _tiny_png(), {"content-type": "image/png"}))
        if request.method == "POST" and (issued := self.tokens.issue(path, request.body, now)):
            return Outcome(issued)
        self._authenticate(request, now)
        for method, pattern, handler in _ROUTES:
            found = re.fullmatch(pattern, path)
            if method == request.method and found:
                self._pace(pattern, now)
                return handler(self, request, unquote(found[1]) if found.groups() else request_id, now)
        raise _Refused(404, "Not found")

    def _bare(self, path: str) -> str:
        """The path on LINE's own host, whichever of the three it was."""
        api = self.account.api_base
        for host in (self.account.data_base, self.account.sticker_base):
            prefix = host.removeprefix(api)
            if host.startswith(api) and prefix and path.startswith(f"{prefix}/"):
                return path.removeprefix(prefix)
        return path

    def _authenticate(self, request: RawRequest, now: datetime) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not token:
            reason = "The Authorization header of your request is missing or not in the form 'Bearer {token}'"
            raise _Refused(401, f"Authentication failed due to the following reason: {reason}")
        if not self.tokens.good(token, now):
            reason = "invalid token. Confirm that the access token in the authorization header is valid"
            raise _Refused(401, f"Authentication failed due to the following reason: {reason}")
        if not self.api_allowed:
            raise _Refused(403, "Access to this API is not available for your account")

    def _pace(self, endpoint: str, now: datetime) -> None:
        recent = self._recent.setdefault(endpoint, deque())
        while recent and recent[0] <= now - timedelta(seconds=1):
            recent.popleft()
        limit = self.loadings_per_second if "loading" in endpoint else self.requests_per_second
        if len(recent) >= limit:
            raise _Refused(429, "The API rate limit has been exceeded. Try again later.")
        recent.append(now)

    def _reply(self, request: RawRequest, request_id: str, now: datetime) -> Outcome:
        if "x-line-retry-key" in request.headers:
            raise _Refused(400, "The request header X-Line-Retry-Key is not supported by this API")
        body = _body(request, rules.faults_of_reply)
        user_id, given_at = self._reply_tokens.get(body["replyToken"], ("", now))
        if not user_id or now - given_at > REPLY_TOKEN_LIFE:
            raise _Refused(400, "Invalid reply token")
        self._check_quotes(body)
        del self._reply_tokens[body["replyToken"]]
        sent, calls = self._deliver(self._phones[user_id], body, now)
        return Outcome(_json(200, {"sentMessages": sent}), calls)

    def _push(self, request: RawRequest, request_id: str, now: datetime) -> Outcome:
        key = _retry_key(request)
        body = _body(request, rules.faults_of_push)
        if (accepted := self._accepted(key, now)) is not None:
            return Outcome(accepted)
        phone = self._phones.get(body["to"])
        if phone is None:
            raise _Refused(400, "Failed to send messages")
        self._check_quotes(body)
        if self.monthly_limit is not None and self.pushed >= self.monthly_limit:
            raise _Refused(429, "You have reached your monthly limit.")
        self.pushed += 0 if phone.blocked else 1  # who has blocked the account doesn't count
        sent, calls = self._deliver(phone, body, now)
        if key:
            self._retry_keys[key] = (now, request_id, sent)
        return Outcome(_json(200, {"sentMessages": sent}), calls)

    def _accepted(self, key: str | None, now: datetime) -> Answer | None:
        at, request_id, sent = self._retry_keys.get(key or "", (None, "", []))
        if at is None or now - at > RETRY_KEY_LIFE:
            return None
        answer = _json(409, {"message": "The retry key is already accepted", "sentMessages": sent})
        return replace(answer, headers={**answer.headers, "x-line-accepted-request-id": request_id})

    def _check_quotes(self, body: Mapping[str, Any]) -> None:
        for n, message in enumerate(body["messages"]):
            if message.get("quoteToken") and message["quoteToken"] not in self._quotes:
                raise _Refused(400, "The request body has 1 error(s)", [(f"messages[{n}].quoteToken", "invalid quote token")])

    def _validate(self, request: RawRequest, request_id: str, now: datetime) -> Outcome:
        _body(request, rules.faults_of_messages)
        return Outcome(_json(200, {}))

    def _loading(self, request: RawRequest, request_id: str, now: datetime) -> Outcome:
        body = _body(request, rules.faults_of_loading)
        phone = self._phones.get(body["chatId"])
        if phone:
            phone.loading_until = now + timedelta(seconds=body.get("loadingSeconds") or 20)
        return Outcome(_json(202, {}))

    def _mark_as_read(self, request: RawRequest, request_id: str, now: datetime) -> Outcome:
        body = _body(
            request,
            lambda given: [] if isinstance(given.get("markAsReadToken"), str) else [("markAsReadToken", "May not be empty")],
        )
        phone, line_id = self._read_tokens.get(body["markAsReadToken"], (None, ""))
        if phone is None or not self.chat_enabled:
            raise _Refused(400, "Failed to mark messages as read. Please ensure that chat is enabled.")
        upto = [line.id for line in phone.lines]
        for one in upto[: upto.index(line_id) + 1] if line_id in upto else []:
            phone.change(one, read=True)
        return Outcome(_json(200, {}))

    def _content(self, request: RawRequest, message_id: str, now: datetime) -> Outcome:
        content = self._contents.get(message_id)
        if content is None:
            raise _Refused(404, "Not found")
        if now < content.ready_at:
            return Outcome(_json(202, {}))
        return Outcome(Answer(200, content.file.content, {"content-type": content.file.mime_type}))

    def _transcoding(self, request: RawRequest, message_id: str, now: datetime) -> Outcome:
        content = self._contents.get(message_id)
        if content is None:
            raise _Refused(404, "Not found")
        return Outcome(_json(200, {"status": "succeeded" if now >= content.ready_at else "processing"}))

    def _profile(self, request: RawRequest, user_id: str, now: datetime) -> Outcome:
        phone = self._phones.get(user_id)
        if phone is None or phone.blocked or not phone.friend:
            raise _Refused(404, "Not found")
        picture = f"https://profile.line-scdn.net/{hex_of(phone.customer, 20)}"
        return Outcome(
            _json(200, {"userId": user_id, "displayName": phone.customer.title(), "pictureUrl": picture, "language": "en"})
        )

    def _bot_info(self, request: RawRequest, request_id: str, now: datetime) -> Outcome:
        basic_id = "@" + hex_of(self.account.channel_id, 8)
        body = {
            "userId": self._bot_id,
            "basicId": basic_id,
            "displayName": "Demo",
            "chatMode": "chat",
            "markAsReadMode": "manual",
        }
        return Outcome(_json(200, body))

    def _quota(self, request: RawRequest, request_id: str, now: datetime) -> Outcome:
        limited = self.monthly_limit is not None
        return Outcome(_json(200, {"type": "limited", "value": self.monthly_limit} if limited else {"type": "none"}))

    def _consumption(self, request: RawRequest, request_id: str, now: datetime) -> Outcome:
        return Outcome(_json(200, {"totalUsage": self.pushed}))

    def _test_webhook(self, request: RawRequest, request_id: str, now: datetime) -> Outcome:
        """The connection check: a webhook without events. We answer before it comes back, and as if it had gone well."""
        body = {"success": True, "timestamp": _timestamp(now), "statusCode": 200, "reason": "OK", "detail": "200"}
        return Outcome(_json(200, body), (self._webhook(_Webhook([], []), "check"),))

    # ------------------------------------------------------------------------------------ what the customer sees

    def _deliver(
        self, phone: _Phone, body: Mapping[str, Any], now: datetime
    ) -> tuple[list[dict[str, str]], tuple[ProviderCall, ...]]:
        sent, calls = [], []
        silent = body.get("notificationDisabled") is True
        for message in body["messages"]:
            message_id = self._message_id()
            sent.append({"id": message_id, **self._quotable(message_id, message["type"])})
            if phone.blocked:
                continue
            phone.loading_until = None
            phone.show(self._shown(message, message_id, silent, now))
            if url := message.get("originalContentUrl"):
                calls.append(self._fetch(url, phone, message_id))
        return sent, tuple(calls)

    def _shown(self, message: Mapping[str, Any], message_id: str, silent: bool, now: datetime) -> Shown:
        sender = message.get("sender") or {}
        extra: dict[str, Any] = {
            "icon": sender.get("iconUrl"),
            "quotes": self._quotes.get(message.get("quoteToken") or ""),
            "tracking_id": message.get("trackingId"),
            "choices": [item["action"].get("label") for item in (message.get("quickReply") or {}).get("items", [])],
        }
        return Shown(
            id=message_id,
            sender="them",
            # Nothing marks a notice on LINE, but that the phone doesn't ring for it.
            kind="notice" if silent else "message",
            text=_words(message),
            speaker=sender.get("name"),
            at=now,
            **{key: value for key, value in extra.items() if value},
        )

    def _fetch(self, url: str, phone: _Phone, message_id: str) -> ProviderCall:
        """LINE fetches pictures, videos and sounds from the address that we gave."""
        call_id = f"fetch-{self._next()}"
        self._fetches[call_id] = (phone, message_id)
        return ProviderCall(call_id, "GET", url, purpose="fetch", lane=phone.user_id, timeout_seconds=10.0)

    def handset(self, customer: str) -> list[Shown]:
        """The chat with the account, oldest first."""
        phone = self._phones.get(_user_id(customer))
        return list(phone.lines) if phone else []

    def loading(self, customer: str, now: datetime) -> bool:
        """Whether the phone shows the loading animation."""
        phone = self._phones.get(_user_id(customer))
        return phone is not None and phone.loading_until is not None and now < phone.loading_until

    def file(self, file_id: str) -> SimFile | None:
        """A file on a phone, by the id of its message."""
        return self._files.get(file_id)

    def refresh(self, customer: str, now: datetime) -> tuple[ProviderCall, ...]:
        """Nothing to do: phones are told at once."""
        return ()

    # ---------------------------------------------------------------------------------- what the customer does

    def act(self, action: Action, now: datetime) -> Outcome:
        """A customer does something; `details`: `times`, `delay_seconds`, `standby`, `group`, `together_with` (other customers'
        names, who say the same in the same webhook), `prepare_seconds` (of a file), `mention`, `first_contact`."""
        phone = self._phones.get(_user_id(action.customer)) or _Phone(action.customer, _user_id(action.customer))
        acts = _ACTS.get(action.kind)
        if acts is None:
            raise CannotAct(f"LINE has no {action.kind} in a chat with an official account{_INSTEAD.get(action.kind, '')}")
        if not phone.online and action.kind != "online":
            raise CannotAct("the phone is offline")
        if phone.blocked and action.kind not in ("unblock", "read", "offline"):
            raise CannotAct("the account is blocked: unblock it first")
        outcome = acts(self, phone, action, now)
        self._phones[phone.user_id] = phone
        return outcome

    def _say(self, phone: _Phone, action: Action, now: datetime) -> Outcome:
        if not action.text and not action.file:
            raise CannotAct("say needs a text or a file")
        quoted = self._quoted(phone, action)
        calls: list[ProviderCall] = []
        line_id: str | None = None
        if action.file:
            line_id, calls = self._say_file(phone, action, action.file, now)
        if action.text:
            message = self._content_of(phone, "text", now, text=action.text, **quoted)
            line_id = self._mine(phone, message["id"], now, text=action.text)
            calls = [
                *calls,
                *self._post(phone, self._event("message", phone, action, now, message=message), action, now, line_id),
            ]
        return Outcome(calls=tuple(calls), line_id=line_id)

    def _quoted(self, phone: _Phone, action: Action) -> dict[str, str]:
        if action.target and phone.find(action.target) is None:
            raise CannotAct(f"there is no line {action.target} to quote")
        return {"quotedMessageId": action.target} if action.target else {}

    def _say_file(self, phone: _Phone, action: Action, file: SimFile, now: datetime) -> tuple[str, list[ProviderCall]]:
        family = file.mime_type.partition("/")[0]
        kind = family if family in ("image", "video", "audio") else "file"
        own: dict[str, Any] = {"contentProvider": {"type": "line"}}
        if kind == "file":
            own = {"fileName": file.name, "fileSize": len(file.content)}
        elif kind != "image":
            own["duration"] = int(action.details.get("duration_ms", 5000))
        message = self._content_of(phone, kind, now, **own)
        message_id = message["id"]
        self._contents[message_id] = _Content(file, now + timedelta(seconds=float(action.details.get("prepare_seconds", 0))))
        self._files[message_id] = file
        media = {"name": file.name, "mime_type": file.mime_type, "size_bytes": len(file.content), "file_id": message_id}
        line_id = self._mine(phone, message_id, now, media=media)
        return line_id, self._post(phone, self._event("message", phone, action, now, message=message), action, now, line_id)

    def _location(self, phone: _Phone, action: Action, now: datetime) -> Outcome:
        place: dict[str, Any] = {
            key: action.details[key] for key in ("title", "address", "latitude", "longitude") if key in action.details
        }
        if not {"latitude", "longitude"} <= place.keys():
            raise CannotAct("a location needs latitude and longitude in its details")
        return self._say_other(phone, "location", place, f"[location] {place.get('title', '')}".strip(), action, now)

    def _sticker(self, phone: _Phone, action: Action, now: datetime) -> Outcome:
        keyword = str(action.details.get("keyword") or action.text or "ok")
        ids = str(action.details.get("id", "446/1988")).partition("/")
        own = {"packageId": ids[0], "stickerId": ids[2] or "1988", "stickerResourceType": "STATIC", "keywords": [keyword]}
        return self._say_other(phone, "sticker", own, f"[sticker: {keyword}]", action, now)

    def _say_other(self, phone: _Phone, kind: str, own: dict[str, Any], shown: str, action: Action, now: datetime) -> Outcome:
        message = self._content_of(phone, kind, now, **own)
        line_id = self._mine(phone, message["id"], now, text=shown)
        calls = self._post(phone, self._event("message", phone, action, now, message=message), action, now, line_id)
        return Outcome(calls=tuple(calls), line_id=line_id)

    def _choose(self, phone: _Phone, action: Action, now: datetime) -> Outcome:
        """A tap on a button: LINE sends its data, and shows its words."""
        data = action.details.get("id", action.text)
        if not data:
            raise CannotAct("choose needs an id in its details")
        postback: dict[str, Any] = {"data": str(data)}
        if params := action.details.get("params"):
            postback["params"] = params
        line_id = self._mine(phone, f"choice-{self._next()}", now, text=str(action.details.get("title") or data))
        calls = self._post(phone, self._event("postback", phone, action, now, postback=postback), action, now, line_id)
        return Outcome(calls=tuple(calls), line_id=line_id)

    def _unsend(self, phone: _Phone, action: Action, now: datetime) -> Outcome:
        line = phone.find(action.target)
        if line is None or line.sender != "me":
            raise CannotAct(f"there is no line {action.target} of yours to unsend")
        phone.change(line.id, text="You unsent a message", media=None, unsent=True)
        self._contents.pop(line.id, None)
        event = self._event("unsend", phone, action, now, unsend={"messageId": line.id})
        return Outcome(calls=tuple(self._post(phone, event, action, now, None)), line_id=line.id)

    def _watch(self, phone: _Phone, action: Action, now: datetime) -> Outcome:
        """The customer looks: LINE tells nobody, but for a video with a tracking id that is watched to its end."""
        line = phone.find(action.target)
        tracking = (line.model_extra or {}).get("tracking_id") if line else None
        if not tracking:
            return Outcome()
        event = self._event("videoPlayComplete", phone, action, now, videoPlayComplete={"trackingId": tracking})
        return Outcome(calls=tuple(self._post(phone, event, action, now, None)))

    def _block(self, phone: _Phone, action: Action, now: datetime) -> Outcome:
        phone.blocked = True
        return Outcome(calls=tuple(self._post(phone, self._event("unfollow", phone, action, now), action, now, None)))

    def _unblock(self, phone: _Phone, action: Action, now: datetime) -> Outcome:
        event = self._event("follow", phone, action, now, follow={"isUnblocked": phone.blocked})
        phone.blocked = False
        return Outcome(calls=tuple(self._post(phone, event, action, now, None)))

    def _offline(self, phone: _Phone, action: Action, now: datetime) -> Outcome:
        phone.online = False
        return Outcome()

    def _online(self, phone: _Phone, action: Action, now: datetime) -> Outcome:
        phone.online = True
        phone.lines, phone.held = [*phone.lines, *phone.held], []
        return Outcome()

    # --------------------------------------------------------------------------------------------- webhooks

    def _event(self, kind: str, phone: _Phone, action: Action, now: datetime, **own: Any) -> dict[str, Any]:
        group = action.details.get("group")
        source = {"type": "group", "groupId": "C" + hex_of(str(group), 32)} if group else {"type": "user"}
        event = {
            "type": kind,
            **own,
            "webhookEventId": _ulid(now, self._next()),
            "deliveryContext": {"isRedelivery": False},
            "timestamp": _timestamp(now),
            "source": {**source, "userId": phone.user_id},
            "mode": "standby" if action.details.get("standby") else "active",
        }
        if kind in ("message", "postback", "follow", "videoPlayComplete") and event["mode"] == "active":
            event["replyToken"] = self._reply_token(phone, now)
        return event

    def _reply_token(self, phone: _Phone, now: datetime) -> str:
        token = hex_of(f"reply {self.account.channel_id} {self._next()}", 32)
        self._reply_tokens[token] = (phone.user_id, now)
        return token

    def _content_of(self, phone: _Phone, kind: str, now: datetime, **own: Any) -> dict[str, Any]:
        message_id = self._message_id()
        read_token = f"read-{hex_of(message_id, 24)}"
        self._read_tokens[read_token] = (phone, message_id)
        return {"type": kind, "id": message_id, **self._quotable(message_id, kind), **own, "markAsReadToken": read_token}

    def _quotable(self, message_id: str, kind: str) -> dict[str, str]:
        if kind not in ("text", "textV2", "sticker", "image", "video", "template", "flex"):
            return {}
        token = f"quote-{hex_of(message_id, 32)}"
        self._quotes[token] = message_id
        return {"quoteToken": token}

    def _post(
        self, phone: _Phone, event: dict[str, Any], action: Action, now: datetime, line_id: str | None
    ) -> list[ProviderCall]:
        """The webhook of an event: once or more often, in time or late, alone or with other customers' events."""
        webhook = _Webhook([event], [(phone, line_id)] if line_id else [])
        for name in action.details.get("together_with", ()):
            self._join(webhook, str(name), action, now)
        lane, delay = phone.user_id, float(action.details.get("delay_seconds", 0))
        if delay:
            lane = f"late-{self._next()}"  # what comes late is overtaken
        times = max(1, int(action.details.get("times", 1)))
        return [self._webhook(webhook, lane, delay_seconds=delay) for _ in range(times)]

    def _join(self, webhook: _Webhook, name: str, action: Action, now: datetime) -> None:
        phone = self._phones.setdefault(_user_id(name), _Phone(name, _user_id(name)))
        message = self._content_of(phone, "text", now, text=action.text or "")
        webhook.events.append(self._event("message", phone, action, now, message=message))
        webhook.lines.append((phone, self._mine(phone, message["id"], now, text=action.text)))

    def _webhook(self, webhook: _Webhook, lane: str, *, delay_seconds: float = 0.0, attempt: int = 1) -> ProviderCall:
        call_id = f"webhook-{self._next()}"
        self._webhooks[call_id] = webhook
        payload = {"destination": self._bot_id, "events": webhook.events}
        body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        headers = {
            "content-type": "application/json; charset=utf-8",
            "user-agent": "LineBotWebhook/2.0",
            "x-line-signature": hmac_base64(self.account.channel_secrets[0].get_secret_value(), body),
        }
        return ProviderCall(
            call_id,
            "POST",
            self.account.webhook_url,
            headers,
            body,
            lane=lane,
            delay_seconds=delay_seconds,
            timeout_seconds=WEBHOOK_TIMEOUT_SECONDS,
            attempt=attempt,
        )

    def settled(self, call: ProviderCall, answer: Answer | None, now: datetime) -> tuple[ProviderCall, ...]:
        """A webhook was taken, or is redelivered later; a file was fetched, or is shown as broken."""
        if call.id in self._fetches:
            self._fetched(call, answer)
            return ()
        webhook = self._webhooks.pop(call.id, None)
        if webhook is None:
            return ()
        taken = answer is not None and 200 <= answer.status < 300
        if not taken and self.redelivers and webhook.events and call.attempt <= len(REDELIVERY_SECONDS):
            return (self._again(webhook, call),)
        for phone, line_id in webhook.lines:
            if taken or (line := phone.find(line_id)) is None or line.status != "sent":
                phone.change(line_id, status="sent" if taken else "failed")
        return ()

    def _again(self, webhook: _Webhook, call: ProviderCall) -> ProviderCall:
        """The same events, with the same ids and times, marked as redelivered."""
        events = [{**event, "deliveryContext": {"isRedelivery": True}} for event in webhook.events]
        delay = REDELIVERY_SECONDS[call.attempt - 1]
        return self._webhook(_Webhook(events, webhook.lines), call.lane, delay_seconds=delay, attempt=call.attempt + 1)

    def _fetched(self, call: ProviderCall, answer: Answer | None) -> None:
        phone, message_id = self._fetches.pop(call.id)
        if answer is None or answer.status != 200:
            phone.change(message_id, broken=True)
            return
        headers = {key.lower(): value for key, value in answer.headers.items()}
        mime_type = headers.get("content-type", "application/octet-stream").partition(";")[0]
        name = unquote(urlsplit(call.url).path.rpartition("/")[2]) or "file"
        self._files[message_id] = SimFile(name=name, mime_type=mime_type, content=answer.body)
        media = {"name": name, "mime_type": mime_type, "size_bytes": len(answer.body), "file_id": message_id}
        phone.change(message_id, media=media)

    # --------------------------------------------------------------------------------------------- small things

    @property
    def _bot_id(self) -> str:
        return self.account.bot_user_id or "U" + hex_of(f"{self.account.channel_id} bot", 32)

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _message_id(self) -> str:
        return str(461_230_966_842_000_000 + self._next())

    def _mine(self, phone: _Phone, line_id: str, now: datetime, *, text: str | None = None, media: Any = None) -> str:
        phone.show(Shown(id=line_id, sender="me", text=text, media=media, at=now, status="sending"))
        return line_id


_Act: TypeAlias = Callable[[LineSimulator, _Phone, Action, datetime], Outcome]

_ACTS: Final[Mapping[str, _Act]] = {
    "say": LineSimulator._say,
    "location": LineSimulator._location,
    "sticker": LineSimulator._sticker,
    "choose": LineSimulator._choose,
    "unsend": LineSimulator._unsend,
    "read": LineSimulator._watch,
    "block": LineSimulator._block,
    "unblock": LineSimulator._unblock,
    "offline": LineSimulator._offline,
    "online": LineSimulator._online,
}
_INSTEAD: Final = {
    "end": ": block the account instead",
    "contact": ": type it instead",
    "edit": ": unsend the message instead",
}

_ROUTES: Final[tuple[tuple[str, str, Handler], ...]] = (
    ("POST", r"/v2/bot/message/reply", LineSimulator._reply),
    ("POST", r"/v2/bot/message/push", LineSimulator._push),
    ("POST", r"/v2/bot/message/validate/(?:reply|push)", LineSimulator._validate),
    ("POST", r"/v2/bot/chat/loading/start", LineSimulator._loading),
    ("POST", r"/v2/bot/chat/markAsRead", LineSimulator._mark_as_read),
    ("GET", r"/v2/bot/message/([^/]+)/content(?:/preview)?", LineSimulator._content),
    ("GET", r"/v2/bot/message/([^/]+)/content/transcoding", LineSimulator._transcoding),
    ("GET", r"/v2/bot/profile/([^/]+)", LineSimulator._profile),
    ("GET", r"/v2/bot/info", LineSimulator._bot_info),
    ("GET", r"/v2/bot/message/quota", LineSimulator._quota),
    ("GET", r"/v2/bot/message/quota/consumption", LineSimulator._consumption),
    ("POST", r"/v2/bot/channel/webhook/test", LineSimulator._test_webhook),
)


def _body(request: RawRequest, faults_of: Callable[[Mapping[str, Any]], list[rules.Fault]]) -> dict[str, Any]:
    """The request's JSON, found free of faults."""
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise _Refused(415, f"The content type, {content_type}, is not supported")
    if len(request.body) > _MAX_REQUEST_BYTES:
        raise _Refused(413, "Request entity too large")
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError) as cause:
        raise _Refused(400, "The request body could not be parsed as JSON (line: 1, column: 1)") from cause
    if not isinstance(body, dict):
        raise _Refused(400, "The request body could not be parsed as JSON (line: 1, column: 1)")
    if faults := faults_of(body):
        raise _Refused(400, f"The request body has {len(faults)} error(s)", faults)
    return body


def _retry_key(request: RawRequest) -> str | None:
    key = request.headers.get("x-line-retry-key")
    if key is None:
        return None
    try:
        return str(UUID(key))
    except ValueError:
        raise _Refused(400, "The request header X-Line-Retry-Key must be a UUID") from None


def _words(message: Mapping[str, Any]) -> str | None:
    """What a message without a file shows in words."""
    if message["type"] == "sticker":
        return "[sticker]"
    return message.get("text") or message.get("altText") or message.get("title")


def _json(status: int, body: Mapping[str, Any]) -> Answer:
    return Answer(status, json.dumps(body, ensure_ascii=False).encode(), _JSON)


def _with_id(answer: Answer, request_id: str) -> Answer:
    return replace(answer, headers={**answer.headers, "x-line-request-id": request_id})


def _fault_answer(fault: Fault) -> Answer:
    message = "The API rate limit has been exceeded. Try again later." if fault.status == 429 else "The server is in trouble"
    answer = _json(fault.status, {"message": message})
    return replace(answer, headers={**answer.headers, **fault.headers})


def _user_id(customer: str) -> str:
    return "U" + hex_of(customer, 32)


def _timestamp(now: datetime) -> int:
    return int(now.timestamp() * 1000)


def _ulid(now: datetime, number: int) -> str:
    """26 letters: the time in milliseconds, then (elsewhere by chance) a count."""
    value = (_timestamp(now) << 80) + (0xB07 << 64) + number
    return "".join(_CROCKFORD[value >> (5 * place) & 31] for place in range(25, -1, -1))


def _tiny_png() -> bytes:
    """One green pixel, for every sticker's picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = (1).to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00"
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\x00\x06\xc7\x55")) + chunk(b"IEND", b"")
    )
