"""A visitor's browser, as the widget in it behaves. There is no foreign provider to play: the chat service is the gateway's own.

So nothing of ours ever calls this simulator (`handle` answers 404); it calls `/chat/{channel_id}/…` as a browser does: a session first, then
one request at a time in the order of what the visitor did, each again until it is taken, under the same client id.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from adapters.contract import Answer, FormFile, RawRequest
from adapters.multipart import write_form
from adapters.simulation import Action, CannotAct, Outcome, ProviderCall, Shown, SimFile, Wishes, hex_of, media_of
from adapters.webchat.account import WebchatAccount

_MOST_ATTEMPTS: Final = 40
_LONGEST_WAIT_SECONDS: Final = 30.0


@dataclass
class _Line:
    """A line of the handset; `seq` is None until the service has it."""

    shown: Shown
    seq: int | None = None


@dataclass
class _Browser:
    """One visitor's tab."""

    customer: str
    token: str | None = None
    offline: bool = False
    cursor: int = 0
    read: int = 0
    clicks: int = 0
    requests: int = 0
    waiting: deque[_Wish] = field(default_factory=deque)
    in_flight: str | None = None
    lines: list[_Line] = field(default_factory=list)


@dataclass(frozen=True)
class _Wish:
    """A request that waits for its turn; `line` is the line that it carries."""

    path: str
    body: bytes
    content_type: str = "application/json"
    line: str | None = None
    delay_seconds: float = 0.0
    again_after_seconds: float = 0.0


class WebchatSimulator:
    """The browsers of all visitors of one channel."""

    def __init__(self, account: WebchatAccount) -> None:
        self._base = account.chat_base
        parts = urlsplit(self._base)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._browsers: dict[str, _Browser] = {}
        self._files: dict[str, SimFile] = {}
        self._fetches: dict[str, str] = {}

    def handle(self, request: RawRequest, now: datetime) -> Outcome:
        """A browser serves nothing."""
        return Outcome(Answer(404, b"a browser takes no calls", {"content-type": "text/plain"}))

    def act(self, action: Action, now: datetime) -> Outcome:
        """What the visitor does. Raises CannotAct for what a web page has no button for."""
        browser = self._browsers.setdefault(action.customer, _Browser(action.customer))
        if action.kind == "say":
            return self._say(browser, action, now)
        if action.kind == "choose":
            choice = {"id": str(action.details.get("id", "")), "title": str(action.details.get("title") or action.text or "")}
            if not choice["title"]:
                raise CannotAct("a choice needs the title of the button")
            return self._write(browser, action, now, {"text": choice["title"], "choice": choice})
        if action.kind in ("offline", "online"):
            browser.offline = action.kind == "offline"
            calls = () if browser.offline else (*self._pump(browser), *self.refresh(action.customer, now))
            return Outcome(calls=calls)
        if action.kind not in ("typing", "read", "end"):
            raise CannotAct(f"a visitor of a web page can't do that: {action.kind}")
        if action.kind == "read":
            self._mark_read(browser)
        else:
            browser.waiting.append(_wish(action.kind, {"on": action.on} if action.kind == "typing" else {}))
        return Outcome(calls=self._pump(browser))

    def _say(self, browser: _Browser, action: Action, now: datetime) -> Outcome:
        if action.file is None and not action.text:
            raise CannotAct("there is nothing to say: give a text or a file")
        return self._write(browser, action, now, {"text": action.text} if action.text else {})

    def _write(self, browser: _Browser, action: Action, now: datetime, words: dict[str, Any]) -> Outcome:
        """Writing implies having read everything above."""
        wishes = Wishes.of(action.details)
        self._mark_read(browser)
        browser.clicks += 1
        line = f"{hex_of(browser.customer, 8)}-{browser.clicks:06d}"
        words = {"client_id": line, **words}
        media = None
        if action.file:
            self._files[line] = action.file
            media = media_of(action.file, line)
        shown = Shown(id=line, sender="me", text=words.get("text"), at=now, status="sending", media=media)
        browser.lines.append(_Line(shown))
        wish = _form(words, action.file, line) if action.file else _wish("messages", words, line=line)
        wish = replace(wish, delay_seconds=wishes.delay_seconds, again_after_seconds=wishes.again_after_seconds)
        browser.waiting.extend([wish] * wishes.times)
        return Outcome(calls=self._pump(browser), line_id=line)

    def _mark_read(self, browser: _Browser) -> None:
        if browser.cursor > browser.read:
            browser.read = browser.cursor
            browser.waiting.append(_wish("read", {"seq": browser.cursor}))

    def _pump(self, browser: _Browser) -> tuple[ProviderCall, ...]:
        """The next request, if none is under way: the session, or the first that waits."""
        if browser.offline or browser.in_flight or not browser.waiting:
            return ()
        if browser.token is None:
            return (self._call(browser, "session", "POST", "/session", _session(browser.customer)),)
        wish = browser.waiting[0]
        return (self._call(browser, "wish", "POST", f"/{wish.path}", wish.body, wish.content_type, wish.delay_seconds),)

    def _call(
        self,
        browser: _Browser,
        what: str,
        method: str,
        path: str,
        body: bytes = b"",
        content_type: str = "application/json",
        delay_seconds: float = 0.0,
    ) -> ProviderCall:
        browser.requests += 1
        call_id = f"{what}:{browser.requests}:{browser.customer}"
        headers = {"origin": self._origin, "content-type": content_type, "accept": "application/json"}
        if browser.token:
            headers["authorization"] = f"Bearer {browser.token}"
        aside = what in ("events", "again")
        if not aside:
            browser.in_flight = call_id
        lane = browser.customer + (f" {what}" if aside else "")
        return ProviderCall(call_id, method, self._base + path, headers, body, lane=lane, delay_seconds=delay_seconds)

    def settled(self, call: ProviderCall, answer: Answer | None, now: datetime) -> tuple[ProviderCall, ...]:
        """A request came back: the next one, or the same again after a pause."""
        what, _, rest = call.id.partition(":")
        if what == "fetch":
            return self._fetched(call, answer)
        browser = self._browsers[rest.partition(":")[2]]
        if what == "again":
            return ()
        if what == "events":
            return self._shown(browser, answer, now) if answer and answer.status == 200 else ()
        browser.in_flight = None
        if answer is None or answer.status in (408, 425, 429) or answer.status >= 500:
            return self._again(browser, call, answer)
        if what == "session":
            return self._session_answered(browser, answer, now)
        if answer.status == 401 and call.attempt < _MOST_ATTEMPTS:
            browser.token = None  # it ran out: a new session, then the same request
            return self._pump(browser)
        again = self._wish_answered(browser, answer)
        return (*self._pump(browser), *again)

    def _again(self, browser: _Browser, call: ProviderCall, answer: Answer | None) -> tuple[ProviderCall, ...]:
        if call.attempt >= _MOST_ATTEMPTS:
            return self._gave_up(browser)
        asked = (answer.headers.get("retry-after") or "") if answer else ""
        wait = float(asked) if asked.isdigit() else min(_LONGEST_WAIT_SECONDS, 0.25 * 2.0 ** min(call.attempt, 8))
        browser.requests += 1
        what = call.id.partition(":")[0]
        again = replace(call, id=f"{what}:{browser.requests}:{browser.customer}", attempt=call.attempt + 1, delay_seconds=wait)
        browser.in_flight = again.id
        return (again,)

    def _gave_up(self, browser: _Browser) -> tuple[ProviderCall, ...]:
        wish = browser.waiting.popleft()
        self._restate(browser, wish.line, "failed", None)
        return self._pump(browser)

    def _session_answered(self, browser: _Browser, answer: Answer, now: datetime) -> tuple[ProviderCall, ...]:
        token = _json(answer).get("visitor_token")
        if answer.status not in (200, 201) or not isinstance(token, str):
            return self._gave_up(browser)
        browser.token = token
        return (*self._pump(browser), *self.refresh(browser.customer, now))

    def _wish_answered(self, browser: _Browser, answer: Answer) -> tuple[ProviderCall, ...]:
        wish = browser.waiting.popleft()
        good = 200 <= answer.status < 300
        seq = _json(answer).get("seq") if good else None
        self._restate(browser, wish.line, "sent" if good else "failed", seq if isinstance(seq, int) else None)
        if not (good and wish.again_after_seconds):
            return ()  # else a tab that slept since, and never heard that it was taken
        return (self._call(browser, "again", "POST", f"/{wish.path}", wish.body, wish.content_type, wish.again_after_seconds),)

    @staticmethod
    def _restate(browser: _Browser, line_id: str | None, status: str, seq: int | None) -> None:
        for line in browser.lines:
            if line_id is not None and line.shown.id == line_id:
                line.shown = line.shown.model_copy(update={"status": status})
                line.seq = seq or line.seq

    def refresh(self, customer: str, now: datetime) -> tuple[ProviderCall, ...]:
        """Asks for new events; nothing before the visitor has a session, or while offline."""
        browser = self._browsers.get(customer)
        if browser is None or browser.token is None or browser.offline:
            return ()
        return (self._call(browser, "events", "GET", f"/events?after={browser.cursor}&wait=0"),)

    def _shown(self, browser: _Browser, answer: Answer, now: datetime) -> tuple[ProviderCall, ...]:
        """New events on the screen: they are delivered, and their pictures are fetched."""
        before = browser.cursor
        fetches: list[ProviderCall] = []
        for event in _json(answer).get("items", []):
            seq = event.get("seq")
            if isinstance(seq, int) and seq > browser.cursor:
                browser.cursor = seq
                fetches.extend(self._event(browser, event, now))
        if browser.cursor > before:
            browser.waiting.append(_wish("delivered", {"seq": browser.cursor}))
        return (*fetches, *self._pump(browser))

    def _event(self, browser: _Browser, event: dict[str, Any], now: datetime) -> list[ProviderCall]:
        if event.get("type") not in ("message", "notice"):
            return []
        client_id = event.get("client_id")
        if client_id and any(line.shown.id == client_id for line in browser.lines):
            self._restate(browser, client_id, "sent", event["seq"])
            return []
        file, speaker = event.get("file"), event.get("from") or event.get("participant") or {}
        mine = speaker.get("kind") == "visitor" and event["type"] == "message"
        media = {key: file.get(key) for key in ("name", "mime_type", "size_bytes")} | {"file_id": file["id"]} if file else None
        shown = Shown(
            id=event["id"],
            sender="me" if mine else "them",
            kind=event["type"],
            text=event.get("text"),
            speaker=speaker.get("name") if event["type"] == "message" and not mine else None,
            at=datetime.fromisoformat(event["at"]),
            status="sent" if mine else None,
            media=media,
        )
        browser.lines.append(_Line(shown, event["seq"]))
        return [self._fetch(browser, file)] if file and not mine else []

    def _fetch(self, browser: _Browser, file: dict[str, Any]) -> ProviderCall:
        browser.requests += 1
        call_id = f"fetch:{browser.requests}:{browser.customer}"
        self._fetches[call_id] = json.dumps([file["id"], file["name"], file["mime_type"]])
        url = file["url"] if "://" in file["url"] else self._origin + file["url"]
        return ProviderCall(call_id, "GET", url, {}, purpose="fetch", lane=f"{browser.customer} files")

    def _fetched(self, call: ProviderCall, answer: Answer | None) -> tuple[ProviderCall, ...]:
        file_id, name, mime_type = json.loads(self._fetches.pop(call.id))
        if answer is not None and answer.status == 200:
            self._files[file_id] = SimFile(name=name, mime_type=mime_type, content=answer.body)
        return ()

    def handset(self, customer: str) -> list[Shown]:
        """By the service's numbers; what it hasn't taken yet stands last."""
        browser = self._browsers.get(customer)
        if browser is None:
            return []
        return [line.shown for line in sorted(browser.lines, key=lambda line: (line.seq is None, line.seq or 0))]

    def file(self, file_id: str) -> SimFile | None:
        """A file that was sent or fetched."""
        return self._files.get(file_id)


def _wish(path: str, body: dict[str, Any], *, line: str | None = None) -> _Wish:
    return _Wish(path, json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass"), line=line)


def _form(fields: dict[str, Any], file: SimFile, line: str) -> _Wish:
    """The client id comes before the file."""
    body, content_type = write_form(fields, [FormFile("file", file.name, file.mime_type, file.content)], f"----byoc-{line}")
    return _Wish("messages", body, content_type, line)


def _session(customer: str) -> bytes:
    body = {
        "prechat": {"name": customer.capitalize()},
        "page": {"url": "https://shop.example/hinges", "title": "Hinges"},
        "locale": "en",
        "capabilities": ["typing", "read", "file"],
    }
    return json.dumps(body).encode()


def _json(answer: Answer) -> dict[str, Any]:
    try:
        body = json.loads(answer.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
