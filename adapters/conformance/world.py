"""An adapter and its simulator without a network between them."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin
from uuid import NAMESPACE_URL, uuid5

from adapters.conformance.cases import require
from adapters.conformance.samples import NOW, PICTURE
from adapters.conformance.subject import Subject
from adapters.contract import Account, Answer, HttpCall, HttpReply, RawRequest, T
from adapters.envelope import (
    Address,
    Inbound,
    InboundMessage,
    MediaPart,
    Notice,
    Outbound,
    OutboundFile,
    Say,
    Speaker,
)
from adapters.simulation import Action, ProviderCall, Shown, Simulator
from adapters.text import prepare


class World:
    """An adapter and its simulator joined without a network: the smallest gateway there is."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.adapter, self.account = subject.adapter, subject.account
        self.simulator: Simulator = subject.adapter.simulate(subject.account)
        self.now = NOW
        self.memory: dict[str, Any] = {}
        self.address = Address("")
        self.files: dict[str, OutboundFile] = {}
        self._count = 0

    # ------------------------------------------------------------------------------------------- the customer

    def act(self, action: Action) -> list[ProviderCall]:
        """The customer does something; the calls that the provider makes thereupon, all settled."""
        return self.settle(self.simulator.act(action, self.now).calls)

    def says_text(self, text: str) -> InboundMessage:
        """A text reaches us, and the handset shows it as sent."""
        calls = self.act(Action(kind="say", customer=self.subject.customer, text=text))
        message = self._message(calls)
        require(message.plain == text, f"said {text!r}, understood {message.plain!r}")
        mine = [line for line in self.handset() if line.sender == "me" and line.text == text]
        require(mine and mine[-1].status == "sent", f"the handset doesn't show {text!r} as sent: {mine}")
        return message

    def says_picture(self) -> None:
        """A picture reaches us, and its bytes can be fetched."""
        calls = self.act(Action(kind="say", customer=self.subject.customer, file=PICTURE))
        part = next((part for part in self._message(calls).parts if isinstance(part, MediaPart)), None)
        require(part is not None and part.media == "image", f"a picture came as {part}")
        if part is not None:
            fetched = self.run(self.adapter.media(part, self.account, self.now))
            require(fetched.content == PICTURE.content, "the fetched picture has other bytes")
            require(fetched.mime_type == PICTURE.mime_type, f"the fetched picture is called {fetched.mime_type}")

    def _message(self, calls: Sequence[ProviderCall]) -> InboundMessage:
        found = [one for call in calls for one in self.understood(call) if isinstance(one, InboundMessage)]
        require(found, "the simulator's webhook holds no message")
        self.address = found[-1].end_user.address
        return found[-1]

    def handset(self) -> list[Shown]:
        """The handset, after whatever must be fetched for it."""
        self.settle(self.simulator.refresh(self.subject.customer, self.now))
        return self.simulator.handset(self.subject.customer)

    # ------------------------------------------------------------------------------------------------------ us

    def say(self, **content: Any) -> Say:
        """A message of ours to that customer."""
        self._count += 1
        return say(self.subject, self.address, self.memory, outbox_id=f"msg_{self._count}", at=self.now, **content)

    def hears_text(self, text: str) -> None:
        """A rep's text is on the handset."""
        speaker = Speaker(id="ana", name="Ana")
        self.send(*prepare(self.say(text=text, speaker=speaker), self.adapter.capabilities))
        line = self._last("message")
        require(text in (line.text or ""), f"said {text!r}, the handset shows {line.text!r}")
        named = f"{line.speaker or ''} {line.text or ''}"
        require("Ana" in named, f"the handset doesn't tell who speaks: {line}")

    def hears_notice(self, text: str) -> None:
        """A notice is on the handset, apart from messages."""
        self._count += 1
        say = self.say()
        notice = Notice(
            code="joined", text=text, about=Speaker(id="ana", name="Ana"), **_common(say) | {"id": f"ntc_{self._count}"}
        )
        self.send(notice)
        line = self._last("notice")
        require(text in (line.text or ""), f"the notice {text!r} is shown as {line.text!r}")

    def hears_picture(self) -> None:
        """A rep's picture is on the handset, byte for byte."""
        url = f"https://files.example/{self._count}/{PICTURE.name}"
        file = OutboundFile(
            name=PICTURE.name, mime_type=PICTURE.mime_type, size_bytes=len(PICTURE.content), url=url, content=PICTURE.content
        )
        self.files[url] = file
        self.send(*prepare(self.say(file=file), self.adapter.capabilities))
        shown = next((line.media for line in reversed(self.handset()) if line.sender == "them" and line.media), None)
        require(shown is not None, "the handset shows no picture")
        kept = self.simulator.file(str(shown["file_id"])) if shown else None
        require(kept is not None and kept.content == PICTURE.content, "the handset's picture has other bytes")

    def send(self, *messages: Outbound) -> None:
        """Run the adapter's flows against the simulator, then let it do what it does."""
        for message in messages:
            sent = self.run(self.adapter.send(message, self.account, self.now))
            self._remember(sent.remember)

    def _shown(self) -> int:
        return sum(line.sender == "them" for line in self.simulator.handset(self.subject.customer))

    def _last(self, kind: str) -> Shown:
        lines = [line for line in self.handset() if line.sender == "them"]
        require(lines and lines[-1].kind == kind, f"the handset's last line is no {kind}: {lines[-1:]}")
        return lines[-1]

    # --------------------------------------------------------------------------------------------- the network

    def run(self, flow: Generator[HttpCall, HttpReply, T]) -> T:
        """Play a flow to its end, the simulator answering."""
        pending: list[ProviderCall] = []
        try:
            call = next(flow)
            while True:
                shown = self._shown()
                reply, calls = self._answer(call)
                require(
                    call.visible or self._shown() <= shown,
                    f"the handset shows a message after {call.method} {call.url!r}, which isn't marked visible: it may be sent twice",
                )
                pending += calls
                call = flow.send(reply)
        except StopIteration as done:
            result: T = done.value
            return result
        finally:
            self.settle(pending)

    def _answer(self, call: HttpCall) -> tuple[HttpReply, Sequence[ProviderCall]]:
        outcome = self.simulator.handle(self.as_request(call), self.now)
        reply = as_reply(outcome.answer)
        if call.foreign and reply.status in (301, 302, 303, 307, 308):
            return self._answer(replace(call, url=urljoin(call.url, reply.headers.get("location", "")), headers={}))
        return reply, outcome.calls

    def as_request(self, call: HttpCall) -> RawRequest:
        """A flow's call as the simulator gets it."""
        named = {v for k, v in self.account if k.endswith(("_base", "_url")) and k != "webhook_url" and isinstance(v, str) and v}
        bases = sorted((base for base in named if call.url.startswith(base)), key=len)
        require(bases, f"{call.url} is below none of the account's *_base and *_url addresses")
        body, content_type = _multipart(call) if call.files else (call.body, "")
        if call.fields and not call.files:
            body, content_type = urlencode(call.fields).encode(), "application/x-www-form-urlencoded"
        headers = {key.lower(): value for key, value in call.headers.items()} | (
            {"content-type": content_type} if content_type else {}
        )
        path, _, query = call.url.removeprefix(bases[-1]).partition("?")
        pairs = tuple(parse_qsl(query, keep_blank_values=True))
        return RawRequest(call.method, call.url, path, pairs, headers, body, self.now)

    def settle(self, calls: Sequence[ProviderCall]) -> list[ProviderCall]:
        """Answer the provider's calls as the gateway would, and those that follow; all of them, in order."""
        waiting = list(calls)
        done: list[ProviderCall] = []
        while waiting:
            require(len(done) < 1_000, "the simulator never ceases to call")
            call = waiting.pop(0)
            done.append(call)
            answer = self._served(call) if call.purpose == "fetch" else self._took(call)
            waiting += self.simulator.settled(call, answer, self.now)
        return done

    def _served(self, call: ProviderCall) -> Answer:
        file = self.files.get(call.url)
        return Answer(200, file.content, {"content-type": file.mime_type}) if file else Answer(404)

    def _took(self, call: ProviderCall) -> Answer:
        for event in self.understood(call):
            if event.end_user is not None and isinstance(event, InboundMessage):
                self._remember(event.remember)
        request = as_request(call, self.account, self.now)
        return self.adapter.handshake(request, self.account) or self.adapter.accepted

    def understood(self, call: ProviderCall) -> list[Inbound]:
        """What a webhook of the simulator's says; none for a fetch or a handshake."""
        if call.purpose == "fetch":
            return []
        request = as_request(call, self.account, self.now)
        require(request.method in self.adapter.methods, f"the simulator calls with {request.method}")
        if self.adapter.handshake(request, self.account) is not None:
            return []
        self.adapter.verify(request, self.account, self.now)
        return self.adapter.parse(request, self.account)

    def _remember(self, news: Mapping[str, Any]) -> None:
        merged = {**self.memory, **news}
        self.memory = {key: value for key, value in merged.items() if value is not None}


def as_reply(answer: Answer) -> HttpReply:
    """A simulated answer as a flow gets to see it."""
    return HttpReply(answer.status, {key.lower(): value for key, value in answer.headers.items()}, answer.body)


def as_request(call: ProviderCall, account: Account, now: datetime) -> RawRequest:
    """A provider's webhook as the gateway hands it to the adapter."""
    require(call.url.startswith(account.webhook_url), f"the webhook goes to {call.url}, not below {account.webhook_url}")
    path, _, query = call.url.removeprefix(account.webhook_url).partition("?")
    headers = {key.lower(): value for key, value in call.headers.items()}
    return RawRequest(call.method, call.url, path, tuple(parse_qsl(query, keep_blank_values=True)), headers, call.body, now)


def say(
    subject: Subject, to: Address, memory: Mapping[str, Any], *, outbox_id: str = "msg_0", at: datetime = NOW, **content: Any
) -> Say:
    """A message of ours, written when the customer had just written."""
    return Say(
        id=outbox_id,
        channel_id=subject.account.channel_id,
        to=to,
        retry_key=str(uuid5(NAMESPACE_URL, outbox_id)),
        created_at=at,
        memory=dict(memory),
        last_inbound_at=at,
        **content,
    )


def _common(say: Say) -> dict[str, Any]:
    names = ("id", "channel_id", "to", "retry_key", "created_at", "memory", "last_inbound_at")
    return {name: getattr(say, name) for name in names}


def _multipart(call: HttpCall) -> tuple[bytes, str]:
    boundary = "conformance-0123456789abcdef"
    parts = [
        f'--{boundary}\r\ncontent-disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in call.fields.items()
    ]
    for file in call.files:
        disposition = f'content-disposition: form-data; name="{file.field}"; filename="{file.name}"'
        parts.append(f"--{boundary}\r\n{disposition}\r\ncontent-type: {file.mime_type}\r\n\r\n".encode() + file.content + b"\r\n")
    return b"".join([*parts, f"--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"
