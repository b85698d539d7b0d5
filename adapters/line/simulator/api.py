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
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias
from urllib.parse import unquote
from uuid import UUID

from adapters.contract import Answer, RawRequest
from adapters.line.account import LineAccount
from adapters.line.simulator import rules
from adapters.line.simulator.tokens import Tokens
from adapters.line.simulator.world import LinePhone, World, milliseconds
from adapters.simulation import Outcome, Refused, hex_of

RETRY_KEY_LIFE: Final = timedelta(hours=24)
_MAX_REQUEST_BYTES: Final = 2 * 1024 * 1024
_JSON: Final = {"content-type": "application/json"}


class Api(World):
    """LINE's three hosts: the API, the files that customers sent, the sticker shop."""

    def __init__(self, account: LineAccount) -> None:
        super().__init__(account)
        self.tokens = Tokens(account)
        self.pushed = 0
        self._request_id = ""
        self._retry_keys: dict[str, tuple[datetime, str, list[dict[str, str]]]] = {}
        self._recent: dict[str, deque[datetime]] = {}

    def handle(self, request: RawRequest, now: datetime) -> Outcome:
        """Answer a call; every answer carries `x-line-request-id`."""
        self._request_id = self.next_request_id()
        outcome = super().handle(request, now)
        headers = {**outcome.answer.headers, "x-line-request-id": self._request_id}
        return replace(outcome, answer=replace(outcome.answer, headers=headers))

    def answer(self, request: RawRequest, now: datetime) -> Answer:
        """By host and path."""
        path = request.path
        if request.method == "GET" and path.startswith("/stickershop/"):
            return Answer(200, _tiny_png(), {"content-type": "image/png"})
        if request.method == "POST" and (issued := self.tokens.issue(path, request.body, now)):
            return issued
        self._authenticate(request, now)
        for method, pattern, handler in _ROUTES:
            found = re.fullmatch(pattern, path)
            if method == request.method and found:
                self._pace(pattern, now)
                return handler(self, request, unquote(found[1]) if found.groups() else "", now)
        raise _no(404, "Not found")

    def trouble(self, status: int) -> Answer:
        """In LINE's words."""
        message = "The API rate limit has been exceeded. Try again later." if status == 429 else "The server is in trouble"
        return _json(status, {"message": message})

    def _authenticate(self, request: RawRequest, now: datetime) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not token:
            reason = "The Authorization header of your request is missing or not in the form 'Bearer {token}'"
            raise _no(401, f"Authentication failed due to the following reason: {reason}")
        if not self.tokens.good(token, now):
            reason = "invalid token. Confirm that the access token in the authorization header is valid"
            raise _no(401, f"Authentication failed due to the following reason: {reason}")
        if not self.switches.api:
            raise _no(403, "Access to this API is not available for your account")

    def _pace(self, endpoint: str, now: datetime) -> None:
        recent = self._recent.setdefault(endpoint, deque())
        while recent and recent[0] <= now - timedelta(seconds=1):
            recent.popleft()
        limit = self.switches.loadings_per_second if "loading" in endpoint else self.switches.requests_per_second
        if len(recent) >= limit:
            raise _no(429, "The API rate limit has been exceeded. Try again later.")
        recent.append(now)

    # ----------------------------------------------------------------------------------------------- messages

    def _send(self, request: RawRequest, found: str, now: datetime) -> Answer:
        """A reply or a push, which mischief may befall."""
        self.befall()
        return (self._reply if request.path.endswith("/reply") else self._push)(request, now)

    def _reply(self, request: RawRequest, now: datetime) -> Answer:
        if "x-line-retry-key" in request.headers:
            raise _no(400, "The request header X-Line-Retry-Key is not supported by this API")
        body = _body(request, rules.faults_of_reply)
        phone = self.owner_of_reply_token(body["replyToken"], now)
        if phone is None:
            raise _no(400, "Invalid reply token")
        self._check_quotes(body)
        self.spend_reply_token(body["replyToken"])
        return _json(200, {"sentMessages": self._deliver(phone, body, now)})

    def _push(self, request: RawRequest, now: datetime) -> Answer:
        key = _retry_key(request)
        body = _body(request, rules.faults_of_push)
        if (accepted := self._accepted(key, now)) is not None:
            return accepted
        phone = self.phones.get(body["to"])
        if phone is None:
            raise _no(400, "Failed to send messages")
        self._check_quotes(body)
        self._charge(phone)
        sent = self._deliver(phone, body, now)
        if key:
            self._retry_keys[key] = (now, self._request_id, sent)
        return _json(200, {"sentMessages": sent})

    def _charge(self, phone: LinePhone) -> None:
        """A push counts once, whatever it holds, and not for who has blocked the account."""
        if self.switches.monthly_limit is not None and self.pushed >= self.switches.monthly_limit:
            raise _no(429, "You have reached your monthly limit.")
        self.pushed += 0 if phone.blocked else 1

    def _accepted(self, key: str | None, now: datetime) -> Answer | None:
        at, request_id, sent = self._retry_keys.get(key or "", (None, "", []))
        if at is None or now - at > RETRY_KEY_LIFE:
            return None
        answer = _json(409, {"message": "The retry key is already accepted", "sentMessages": sent})
        return replace(answer, headers={**answer.headers, "x-line-accepted-request-id": request_id})

    def _check_quotes(self, body: Mapping[str, Any]) -> None:
        for n, message in enumerate(body["messages"]):
            if message.get("quoteToken") and message["quoteToken"] not in self.quotes:
                raise _no(400, "The request body has 1 error(s)", [(f"messages[{n}].quoteToken", "invalid quote token")])

    def _deliver(self, phone: LinePhone, body: Mapping[str, Any], now: datetime) -> list[dict[str, str]]:
        sent = []
        for message in body["messages"]:
            message_id = self.next_message_id()
            sent.append({"id": message_id, **self.quote_token(message_id, message["type"])})
            if not phone.blocked:
                phone.loading_until = None
                self._show(phone, message, message_id, body.get("notificationDisabled") is True, now)
        return sent

    def _show(self, phone: LinePhone, message: Mapping[str, Any], message_id: str, silent: bool, now: datetime) -> None:
        sender = message.get("sender") or {}
        extra: dict[str, Any] = {
            "icon": sender.get("iconUrl"),
            "reply_to": self.quotes.get(message.get("quoteToken") or ""),
            "tracking_id": message.get("trackingId"),
            "choices": [item["action"].get("label") for item in (message.get("quickReply") or {}).get("items", [])],
        }
        # Nothing marks a notice on LINE, but that the phone doesn't ring for it.
        kind: Any = "notice" if silent else "message"
        known = {key: value for key, value in extra.items() if value}
        self.show(phone, message_id, now, text=_words(message), kind=kind, speaker=sender.get("name"), **known)
        if url := message.get("originalContentUrl"):
            self.fetch(url, phone, message_id)

    def _validate(self, request: RawRequest, found: str, now: datetime) -> Answer:
        _body(request, rules.faults_of_messages)
        return _json(200, {})

    def _loading(self, request: RawRequest, found: str, now: datetime) -> Answer:
        body = _body(request, rules.faults_of_loading)
        phone = self.phones.get(body["chatId"])
        if phone:
            phone.loading_until = now + timedelta(seconds=body.get("loadingSeconds") or 20)
        return _json(202, {})

    def _mark_as_read(self, request: RawRequest, found: str, now: datetime) -> Answer:
        body = _body(request, rules.faults_of_mark_as_read)
        phone, line_id = self.read_tokens.get(body["markAsReadToken"], (None, ""))
        if phone is None or not self.switches.chat:
            raise _no(400, "Failed to mark messages as read. Please ensure that chat is enabled.")
        phone.mark_read(line_id)
        return _json(200, {})

    # ------------------------------------------------------------------------------------------ files, people

    def _content(self, request: RawRequest, message_id: str, now: datetime) -> Answer:
        if now < self._ready_at(message_id):
            return _json(202, {})
        file = self.files[message_id]
        return Answer(200, file.content, {"content-type": file.mime_type})

    def _transcoding(self, request: RawRequest, message_id: str, now: datetime) -> Answer:
        return _json(200, {"status": "succeeded" if now >= self._ready_at(message_id) else "processing"})

    def _ready_at(self, message_id: str) -> datetime:
        if message_id not in self.ready_at:
            raise _no(404, "Not found")
        return self.ready_at[message_id]

    def _profile(self, request: RawRequest, user_id: str, now: datetime) -> Answer:
        phone = self.phones.get(user_id)
        if phone is None or phone.blocked:
            raise _no(404, "Not found")
        picture = f"https://profile.line-scdn.net/{hex_of(phone.customer, 20)}"
        body = {"userId": user_id, "displayName": phone.customer.title(), "pictureUrl": picture, "language": "en"}
        return _json(200, body)

    def _bot_info(self, request: RawRequest, found: str, now: datetime) -> Answer:
        modes = {
            "chatMode": "chat" if self.switches.chat else "bot",
            "markAsReadMode": "manual" if self.switches.chat else "auto",
        }
        basic_id = "@" + hex_of(self.account.channel_id, 8)
        return _json(200, {"userId": self.bot_id, "basicId": basic_id, "displayName": "Demo", **modes})

    def _quota(self, request: RawRequest, found: str, now: datetime) -> Answer:
        limit = self.switches.monthly_limit
        return _json(200, {"type": "none"} if limit is None else {"type": "limited", "value": limit})

    def _consumption(self, request: RawRequest, found: str, now: datetime) -> Answer:
        return _json(200, {"totalUsage": self.pushed})

    def _test_webhook(self, request: RawRequest, found: str, now: datetime) -> Answer:
        """The connection check: a webhook without events. We answer before it comes back, and as if it had gone well."""
        body = {"success": True, "timestamp": milliseconds(now), "statusCode": 200, "reason": "OK", "detail": "200"}
        self.send(self.webhook(self.events([]), "check", now), now)
        return _json(200, body)


_Handler: TypeAlias = Callable[[Api, RawRequest, str, datetime], Answer]

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
        raise _no(415, f"The content type, {content_type}, is not supported")
    if len(request.body) > _MAX_REQUEST_BYTES:
        raise _no(413, "Request entity too large")
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise _no(400, "The request body could not be parsed as JSON (line: 1, column: 1)")
    if faults := faults_of(body):
        raise _no(400, f"The request body has {len(faults)} error(s)", faults)
    return body


def _retry_key(request: RawRequest) -> str | None:
    key = request.headers.get("x-line-retry-key")
    try:
        return None if key is None else str(UUID(key))
    except ValueError:
        raise _no(400, "The request header X-Line-Retry-Key must be a UUID") from None


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


def _no(status: int, message: str, details: list[rules.Fault] | None = None) -> Refused:
    """LINE's error body, to be raised."""
    body: dict[str, Any] = {"message": message}
    if details:
        body["details"] = [{"message": text, "property": place} for place, text in details]
    return Refused(_json(status, body))
