"""An adapter, its simulator, one customer and one rep: what they say to each other, and what each must see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from adapters.conformance.cases import require
from adapters.conformance.network import Network
from adapters.conformance.samples import NOW, PICTURE
from adapters.conformance.subject import Subject
from adapters.contract import Action, CannotAct, ProviderCall, Sent, Shown, SimFile
from adapters.envelope import (
    Address,
    EndUser,
    InboundMessage,
    InboundTyping,
    MediaPart,
    Notice,
    Outbound,
    OutboundFile,
    Say,
    Speaker,
    TypingSignal,
)
from adapters.text import prepare

ANA = Speaker(id="ana", name="Ana")


class World(Network):
    """An adapter and its simulator joined without a network: the smallest gateway there is.

    `address` is where the customer wrote from last; `sent` holds every message of ours that went out, with what the adapter returned.
    """

    def __init__(self, subject: Subject, base: str | None = None) -> None:
        super().__init__(subject, base)
        self.address = Address("")
        self.sent: list[tuple[Outbound, Sent]] = []
        self._count = 0

    # ------------------------------------------------------------------------------------------- the customer

    def act(self, action: Action) -> list[ProviderCall]:
        """The customer does something; the calls that the provider makes thereupon, all settled. Raises CannotAct."""
        return self.settle(self.simulator.act(action, self.now).calls)

    def does(self, kind: Any, **more: Any) -> bool:
        """The customer does something, if this channel's can."""
        try:
            self.act(Action(kind=kind, customer=self.subject.customer, **more))
        except CannotAct:
            return False
        return True

    def says_text(self, text: str) -> InboundMessage:
        """A text reaches us, and the handset shows it as sent."""
        calls = self.act(Action(kind="say", customer=self.subject.customer, text=text))
        message = self._message(calls)
        require(message.plain == text, f"said {text!r}, understood {message.plain!r}")
        mine = [line for line in self.handset() if line.sender == "me" and line.text == text]
        require(mine and mine[-1].status == "sent", f"the handset doesn't show {text!r} as sent: {mine}")
        return message

    def says_picture(self, picture: SimFile = PICTURE, text: str | None = None) -> None:
        """A picture reaches us, with the words beside it, and its bytes can be fetched. Raises CannotAct where no words can stand beside one."""
        calls = self.act(Action(kind="say", customer=self.subject.customer, file=picture, text=text))
        self._message(calls)
        said = [one for call in calls for one in self.understood(call) if isinstance(one, InboundMessage)]
        part = next((part for one in said for part in one.parts if isinstance(part, MediaPart)), None)
        require(part is not None and part.media == "image", f"a picture came as {part}")
        require(not text or any(text in one.plain for one in said), f"the words beside a picture are lost: {text!r}")
        if part is not None:
            fetched = self.run(self.adapter.media(part, self.account, self.now))
            require(fetched.content == picture.content, "the fetched picture has other bytes")
            require(fetched.mime_type == picture.mime_type, f"the fetched picture is called {fetched.mime_type}")

    def knows(self, end_user: EndUser) -> None:
        """What the provider says of the person is about that person, where the channel has such a call."""
        if self.adapter.profile is not None:
            known = self.run(self.adapter.profile(end_user, self.account, self.now))
            require(known.address == end_user.address, f"the profile of {end_user.address} is {known.address}'s")

    def types(self) -> None:
        """That the customer types reaches us, and that they do no more."""
        for on in (True, False):
            if self.does("typing", on=on):
                found = [one.on for one in self.received if isinstance(one, InboundTyping)]
                require(found and found[-1] is on, f"the customer types: {on}, understood: {found[-1:]}")

    def _message(self, calls: Sequence[ProviderCall]) -> InboundMessage:
        found = [one for call in calls for one in self.understood(call) if isinstance(one, InboundMessage)]
        require(found, "the simulator's webhook holds no message")
        self.address = found[-1].end_user.address
        return found[-1]

    # ------------------------------------------------------------------------------------------------------ us

    def say(self, **content: Any) -> Say:
        """A message of ours to that customer."""
        self._count += 1
        return say(self.subject, self.address, self.memory, outbox_id=f"msg_{self._count}", at=self.now, **content)

    def notice(self, text: str) -> Notice:
        """A notice of ours to that customer."""
        return Notice(code="joined", text=text, about=ANA, **self._common("ntc"))

    def typing(self, on: bool) -> TypingSignal:
        """A sign that a rep types, or no more."""
        return TypingSignal(on=on, speaker=ANA, **self._common("typ"))

    def _common(self, prefix: str) -> dict[str, Any]:
        say = self.say()
        names = ("channel_id", "to", "retry_key", "created_at", "memory", "last_inbound_at")
        return {"id": f"{prefix}_{self._count}"} | {name: getattr(say, name) for name in names}

    def file(self, mime_type: str, content: bytes, name: str = "sample") -> OutboundFile:
        """A file of ours, which the provider may fetch."""
        self._count += 1
        url = f"https://files.example/{self._count}/{name}"
        file = OutboundFile(name=name, mime_type=mime_type, size_bytes=len(content), url=url, content=content)
        self.files[url] = file
        return file

    def prepared(self, **content: Any) -> Iterator[Say]:
        """The rows that a message becomes, each with an id and a retry key of its own, as the gateway writes them."""
        for piece in prepare(self.say(**content), self.adapter.capabilities):
            yield self.say(**{name: getattr(piece, name) for name in ("text", "file", "speaker", "reply_to")})

    def hears_text(self, text: str) -> None:
        """A rep's text is on the handset."""
        self.show(*self.prepared(text=text, speaker=ANA))
        line = self._last("message")
        require(text in (line.text or ""), f"said {text!r}, the handset shows {line.text!r}")
        named = f"{line.speaker or ''} {line.text or ''}"
        require(ANA.name in named, f"the handset doesn't tell who speaks: {line}")

    def hears_notice(self, text: str) -> None:
        """A notice is on the handset, apart from messages."""
        self.show(self.notice(text))
        line = self._last("notice")
        require(text in (line.text or ""), f"the notice {text!r} is shown as {line.text!r}")

    def hears_picture(self) -> None:
        """A rep's picture is on the handset, byte for byte."""
        self.show(*self.prepared(file=self.file(PICTURE.mime_type, PICTURE.content, PICTURE.name)))
        require(self.pictured() == PICTURE.content, "the handset's picture has other bytes")

    def pictured(self) -> bytes | None:
        """The bytes of the last file of ours that the handset shows."""
        shown = next((line.media for line in reversed(self.handset()) if line.sender == "them" and line.media), None)
        require(shown is not None, "the handset shows no file")
        kept = self.simulator.file(str(shown["file_id"])) if shown else None
        return kept.content if kept else None

    def send(self, *messages: Outbound) -> None:
        """Run the adapter's flows against the simulator, then let it do what it does. Raises what the adapter raises."""
        for message in messages:
            sent = self.run(self.adapter.send(message, self.account, self.now))
            self._remember(sent.remember)
            self.sent.append((message, sent))

    def show(self, *messages: Outbound) -> None:
        """Send them to a phone that is online: each is one line more on it, a typing signal is none."""
        for message in messages:
            before = len(self.ours())
            self.send(message)
            more = len(self.ours()) - before
            if message.kind == "typing":
                require(more == 0, "a typing signal is shown as a message")
                continue
            require(
                more > 0,
                f"the adapter calls a {message.kind} sent, and the handset shows nothing new: what did the provider answer?",
            )
            require(
                more == 1, f"one {message.kind} is shown as {more}: a try that breaks off between them would show the first twice"
            )

    def ours(self) -> list[Shown]:
        """The lines of ours on the handset."""
        return [line for line in self.handset() if line.sender == "them"]

    def _last(self, kind: str) -> Shown:
        lines = self.ours()
        require(lines and lines[-1].kind == kind, f"the handset's last line is no {kind}: {lines[-1:]}")
        return lines[-1]


def begun(subject: Subject) -> World:
    """A world in which the customer has written."""
    world = World(subject)
    world.says_text("hello")
    return world


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
