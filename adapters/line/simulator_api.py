"""The simulated Messaging API: what LINE answers, and what the customer then sees.

Reply tokens work once and for a minute; retry keys are known for a day; pushes count against a monthly quota, replies don't; a push to a
customer who has blocked the account is answered 200 and shown nowhere. Source: LINE Developers, "Messaging API reference" and "Retrying a
failed API request".
"""

from __future__ import annotations

import json
import re
import zlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias
from urllib.parse import unquote
from uuid import UUID

from adapters.contract import Answer, RawRequest
from adapters.line import simulator_rules as rules
from adapters.line.simulator_tokens import Tokens
from adapters.line.simulator_world import Content, Phone, Webhook, World, milliseconds
from adapters.simulation import CannotAct, Outcome, ProviderCall, Shown, hex_of

RETRY_KEY_LIFE: Final = timedelta(hours=24)
_MAX_REQUEST_BYTES: Final = 2 * 1024 * 1024
_JSON: Final = {"content-type": "application/json"}


class Refused(Exception):
    """LINE refuses the request."""

    def __init__(self, status: int, message: str, details: list[rules.Fault] | None = None) -> None:
        super().__init__(message)
        body: dict[str, Any] = {"message": message}
        if details:
            body["details"] = [{"message": text, "property": place} for place, text in details]
        self.answer = _json(status, body)


@dataclass
class Switches:
    """What the account may do, as its owner and LINE have set it."""

    monthly_limit: int | None = None
    requests_per_second: int = 2000
    loadings_per_second: int = 100
    redelivery: bool = True
    chat: bool = True  # without it nothing can be marked as read
    api: bool = True


@dataclass(frozen=True)
class Mischief:
    """What befalls one reply or push of ours: it is answered with `status`; `taken`: after it was shown all the same."""

    status: int
    retry_after: int | None = None
    taken: bool = False

    @property
    def answer(self) -> Answer:
        """What we get to see."""
        message = "The API rate limit has been exceeded. Try again later." if self.status == 429 else "The server is in trouble"
        wait = {} if self.retry_after is None else {"retry-after": str(self.retry_after)}
        answer = _json(self.status, {"message": message})
        return replace(answer, headers={**answer.headers, **wait})


def mischief_of(details: Mapping[str, Any]) -> list[Mischief]:
    """What an action's `details["mischief"]` orders for the next messages of ours, one after another. Raises CannotAct."""
    try:
        return [Mischief(**one) for one in details.get("mischief", [])]
    except TypeError as fault:
        raise CannotAct(f"no such mischief: {fault}") from fault


class Api:
    """LINE's three hosts: the API, the files that customers sent, the sticker shop."""

    def __init__(self, world: World, switches: Switches) -> None:
        self.tokens = Tokens(world.account)
        self.mischief: deque[Mischief] = deque()
        self.pushed = 0
        self._world = world
        self._switches = switches
        self._retry_keys: dict[str, tuple[datetime, str, list[dict[str, str]]]] = {}
        self._recent: dict[str, deque[datetime]] = {}

    def handle(self, request: RawRequest, now: datetime) -> Outcome:
        """Answer a call; every answer carries `x-line-request-id`."""
        request_id = self._world.next_request_id()
        try:
            outcome = self._route(request, request_id, now)
        except Refused as refused:
            outcome = Outcome(refused.answer)
        headers = {**outcome.answer.headers, "x-line-request-id": request_id}
        return replace(outcome, answer=replace(outcome.answer, headers=headers))

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
        raise Refused(404, "Not found")

    def _bare(self, path: str) -> str:
        """The path on LINE's own host, whichever of the three it was."""
        account = self._world.account
        for host in (account.data_base, account.sticker_base):
            prefix = host.removeprefix(account.api_base)
            if host.startswith(account.api_base) and prefix and path.startswith(f"{prefix}/"):
                return path.removeprefix(prefix)
        return path

    def _authenticate(self, request: RawRequest, now: datetime) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not token:
            reason = "The Authorization header of your request is missing or not in the form 'Bearer {token}'"
            raise Refused(401, f"Authentication failed due to the following reason: {reason}")
        if not self.tokens.good(token, now):
            reason = "invalid token. Confirm that the access token in the authorization header is valid"
            raise Refused(401, f"Authentication failed due to the following reason: {reason}")
        if not self._switches.api:
            raise Refused(403, "Access to this API is not available for your account")

    def _pace(self, endpoint: str, now: datetime) -> None:
        recent = self._recent.setdefault(endpoint, deque())
        while recent and recent[0] <= now - timedelta(seconds=1):
            recent.popleft()
        limit = self._switches.loadings_per_second if "loading" in endpoint else self._switches.requests_per_second
        if len(recent) >= limit:
            raise Refused(429, "The API rate limit has been exceeded. Try again later.")
        recent.append(now)

    # ----------------------------------------------------------------------------------------------- messages

    def _send(self, request: RawRequest, request_id: str, now: datetime) -> Outcome:
        """A reply or a push, and what befalls it."""
        send = self._reply if request.path.endswith("/reply") else self._push
        befalls = self.mischief.popleft() if self.mischief else None
        if befalls and not befalls.taken:
            return Outcome(befalls.answer)
        outcome = send(request, request_id, now)
        return replace(outcome, answer=befalls.answer) if befalls else outcome

    def _reply(self, request: RawRequest, request_id: str, now: datetime) -> Outcome:
        if "x-line-retry-key" in request.headers:
            raise Refused(400, "The request header X-Line-Retry-Key is not supported by this API")
        body = _body(request, rules.faults_of_reply)
        phone = self._world.owner_of_reply_token(body["replyToken"], now)
        if phone is None:
            raise Refused(400, "Invalid reply token")
        self._check_quotes(body)
        self._world.spend_reply_token(body["replyToken"])
        sent, calls = self._deliver(phone, body, now)
        return Outcome(_json(200, {"sentMessages": sent}), calls)

    def _push(self, request: RawRequest, request_id: str, now: datetime) -> Outcome:
        key = _retry_key(request)
        body = _body(request, rules.faults_of_push)
        if (accepted := self._accepted(key, now)) is not None:
            return Outcome(accepted)
        phone = self._world.phones.get(body["to"])
        if phone is None:
            raise Refused(400, "Failed to send messages")
        self._check_quotes(body)
        self._charge(phone)
        sent, calls = self._deliver(phone, body, now)
        if key:
            self._retry_keys[key] = (now, request_id, sent)
        return Outcome(_json(200, {"sentMessages": sent}), calls)

    def _charge(self, phone: Phone) -> None:
        """A push counts once, whatever it holds, and not for who has blocked the account."""
        if self._switches.monthly_limit is not None and self.pushed >= self._switches.monthly_limit:
            raise Refused(429, "You have reached your monthly limit.")
        self.pushed += 0 if phone.blocked else 1

    def _accepted(self, key: str | None, now: datetime) -> Answer | None:
        at, request_id, sent = self._retry_keys.get(key or "", (None, "", []))
        if at is None or now - at > RETRY_KEY_LIFE:
            return None
        answer = _json(409, {"message": "The retry key is already accepted", "sentMessages": sent})
        return replace(answer, headers={**answer.headers, "x-line-accepted-request-id": request_id})

    def _check_quotes(self, body: Mapping[str, Any]) -> None:
        for n, message in enumerate(body["messages"]):
            if message.get("quoteToken") and message["quoteToken"] not in self._world.quotes:
                raise Refused(400, "The request body has 1 error(s)", [(f"messages[{n}].quoteToken", "invalid quote token")])

    def _deliver(
        self, phone: Phone, body: Mapping[str, Any], now: datetime
    ) -> tuple[list[dict[str, str]], tuple[ProviderCall, ...]]:
        sent, calls = [], []
        for message in body["messages"]:
            message_id = self._world.next_message_id()
            sent.append({"id": message_id, **self._world.quote_token(message_id, message["type"])})
            if phone.blocked:
                continue
            phone.loading_until = None
            phone.show(self._shown(message, message_id, body.get("notificationDisabled") is True, now))
            if url := message.get("originalContentUrl"):
                calls.append(self._world.fetch(url, phone, message_id))
        return sent, tuple(calls)

    def _shown(self, message: Mapping[str, Any], message_id: str, silent: bool, now: datetime) -> Shown:
        sender = message.get("sender") or {}
        extra: dict[str, Any] = {
            "icon": sender.get("iconUrl"),
            "quotes": self._world.quotes.get(message.get("quoteToken") or ""),
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

    def _validate(self, request: RawRequest, request_id: str, now: datetime) -> Outcome:
        _body(request, rules.faults_of_messages)
        return Outcome(_json(200, {}))

    def _loading(self, request: RawRequest, request_id: str, now: datetime) -> Outcome:
        body = _body(request, rules.faults_of_loading)
        phone = self._world.phones.get(body["chatId"])
        if phone:
            phone.loading_until = now + timedelta(seconds=body.get("loadingSeconds") or 20)
        return Outcome(_json(202, {}))

    def _mark_as_read(self, request: RawRequest, request_id: str, now: datetime) -> Outcome:
        body = _body(request, rules.faults_of_mark_as_read)
        phone, line_id = self._world.read_tokens.get(body["markAsReadToken"], (None, ""))
        if phone is None or not self._switches.chat:
            raise Refused(400, "Failed to mark messages as read. Please ensure that chat is enabled.")
        phone.mark_read(line_id)
        return Outcome(_json(200, {}))

    # ------------------------------------------------------------------------------------------ files, people

    def _content(self, request: RawRequest, message_id: str, now: datetime) -> Outcome:
        content = self._kept(message_id)
        if now < content.ready_at:
            return Outcome(_json(202, {}))
        return Outcome(Answer(200, content.file.content, {"content-type": content.file.mime_type}))

    def _transcoding(self, request: RawRequest, message_id: str, now: datetime) -> Outcome:
        ready = now >= self._kept(message_id).ready_at
        return Outcome(_json(200, {"status": "succeeded" if ready else "processing"}))

    def _kept(self, message_id: str) -> Content:
        if message_id not in self._world.contents:
            raise Refused(404, "Not found")
        return self._world.contents[message_id]

    def _profile(self, request: RawRequest, user_id: str, now: datetime) -> Outcome:
        phone = self._world.phones.get(user_id)
        if phone is None or phone.blocked:
            raise Refused(404, "Not found")
        picture = f"https://profile.line-scdn.net/{hex_of(phone.customer, 20)}"
        body = {"userId": user_id, "displayName": phone.customer.title(), "pictureUrl": picture, "language": "en"}
        return Outcome(_json(200, body))

    def _bot_info(self, request: RawRequest, request_id: str, now: datetime) -> Outcome:
        modes = {
            "chatMode": "chat" if self._switches.chat else "bot",
            "markAsReadMode": "manual" if self._switches.chat else "auto",
        }
        basic_id = "@" + hex_of(self._world.account.channel_id, 8)
        return Outcome(_json(200, {"userId": self._world.bot_id, "basicId": basic_id, "displayName": "Demo", **modes}))

    def _quota(self, request: RawRequest, request_id: str, now: datetime) -> Outcome:
        limit = self._switches.monthly_limit
        return Outcome(_json(200, {"type": "none"} if limit is None else {"type": "limited", "value": limit}))

    def _consumption(self, request: RawRequest, request_id: str, now: datetime) -> Outcome:
        return Outcome(_json(200, {"totalUsage": self.pushed}))

    def _test_webhook(self, request: RawRequest, request_id: str, now: datetime) -> Outcome:
        """The connection check: a webhook without events. We answer before it comes back, and as if it had gone well."""
        body = {"success": True, "timestamp": milliseconds(now), "statusCode": 200, "reason": "OK", "detail": "200"}
        return Outcome(_json(200, body), (self._world.webhook(Webhook([], []), "check"),))


_Handler: TypeAlias = Callable[[Api, RawRequest, str, datetime], Outcome]

_ROUTES: Final[tuple[tuple[str, str, _Handler], ...]] = (
    ("POST", r"/v2/bot/message/reply", Api._send),
    ("POST", r"/v2/bot/message/push", Api._send),
    ("POST", r"/v2/bot/message/validate/(?:reply|push)", Api._validate),
    ("POST", r"/v2/bot/chat/loading/start", Api._loading),
    ("POST", r"/v2/bot/chat/markAsRead", Api._mark_as_read),
    ("GET", r"/v2/bot/message/([^/]+)/content(?:/preview)?", Api._content),
    ("GET", r"/v2/bot/message/([^/]+)/content/transcoding", Api._transcoding),
    ("GET", r"/v2/bot/profile/([^/]+)", Api._profile),
    ("GET", r"/v2/bot/info", Api._bot_info),
    ("GET", r"/v2/bot/message/quota", Api._quota),
    ("GET", r"/v2/bot/message/quota/consumption", Api._consumption),
    ("POST", r"/v2/bot/channel/webhook/test", Api._test_webhook),
)


def _body(request: RawRequest, faults_of: Callable[[Mapping[str, Any]], list[rules.Fault]]) -> dict[str, Any]:
    """The request's JSON, found free of faults."""
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, f"The content type, {content_type}, is not supported")
    if len(request.body) > _MAX_REQUEST_BYTES:
        raise Refused(413, "Request entity too large")
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise Refused(400, "The request body could not be parsed as JSON (line: 1, column: 1)")
    if faults := faults_of(body):
        raise Refused(400, f"The request body has {len(faults)} error(s)", faults)
    return body


def _retry_key(request: RawRequest) -> str | None:
    key = request.headers.get("x-line-retry-key")
    try:
        return None if key is None else str(UUID(key))
    except ValueError:
        raise Refused(400, "The request header X-Line-Retry-Key must be a UUID") from None


def _words(message: Mapping[str, Any]) -> str | None:
    """What a message without a file shows in words."""
    if message["type"] == "sticker":
        return "[sticker]"
    return message.get("text") or message.get("altText") or message.get("title")


def _json(status: int, body: Mapping[str, Any]) -> Answer:
    return Answer(status, json.dumps(body, ensure_ascii=False).encode(), _JSON)


def _tiny_png() -> bytes:
    """One green pixel, for every sticker's picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = (1).to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00"
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\x00\x06\xc7\x55")) + chunk(b"IEND", b"")
    )
