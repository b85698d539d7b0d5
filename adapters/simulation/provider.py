"""What every simulated provider does: phones, webhooks that are sent until they are taken, files, and misbehaviour on command.

`Provider` is the machinery. A channel derives from it and says what customers can do (`doings`), how a webhook looks (`headers`) and what
the API answers (`answer`). For a channel without peculiarities there is `PlainProvider`, with less to say.

Everything follows from the inputs and their times; ids count up. What is refused with CannotAct has changed nothing: the phone, the count
and the files are as before. Anything else that a channel keeps is to be changed after its last check.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Final, Generic, Literal, TypeAlias, TypeVar, cast
from urllib.parse import unquote, urlsplit

from adapters.contract import (
    A,
    Action,
    Answer,
    CannotAct,
    Outcome,
    ProviderCall,
    RawRequest,
    Shown,
    SimFile,
)
from adapters.simulation.phone import Phone, media_of
from adapters.simulation.wishes import Mischief, Wishes

_SWITCHES: Final = ("offline", "online")
P = TypeVar("P", bound=Phone)
W = TypeVar("W", bound=Wishes)


class Refused(Exception):
    """The simulated provider says no; `answer` is its error body."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"refused with {answer.status}")
        self.answer = answer


@dataclass(frozen=True)
class Deed(Generic[P, W]):
    """Something that a customer does: on which phone, what, how it is to reach us, and when."""

    phone: P
    action: Action
    wishes: W
    now: datetime

    @property
    def details(self) -> Mapping[str, Any]:
        """The action's, as they were given."""
        return self.action.details


Doing: TypeAlias = Callable[[Deed[P, W]], str | None]
"""Does it, and gives the id of the line that the handset shows for it, if there is one. Raises CannotAct."""
Then: TypeAlias = Callable[[SimFile | None, datetime], None]
"""What a provider does with a file that it fetched; None: it couldn't."""


@dataclass(frozen=True)
class _UnderWay:
    """What a call is about: the phones' lines that it carries, or what to do with the file that it fetches."""

    lines: tuple[tuple[Phone, str], ...] = ()
    then: Then | None = field(default=None, compare=False)


class Provider(Generic[A, P, W]):
    """See the module; `redelivery_seconds` are the pauses before a webhook that wasn't taken is sent again, `timeout_seconds` is how
    long its answer is waited for."""

    wishes: ClassVar[type[Wishes]] = Wishes
    redelivery_seconds: ClassVar[tuple[float, ...]] = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)
    timeout_seconds: ClassVar[float] = 15.0
    fetch_seconds: ClassVar[float] = 15.0

    def __init__(self, account: A) -> None:
        self.account = account
        self.phones: dict[str, P] = {}  # by the address that they had first
        self.files: dict[str, SimFile] = {}  # what handsets show, by id
        self.mischief: deque[Mischief] = deque()
        self._befalls: Mischief | None = None
        self._count = self._hooks = 0
        self._under_way: dict[str, _UnderWay] = {}  # by the call's id, until it is settled
        self._following: list[ProviderCall] = []

    # -------------------------------------------------------------------------------------- what a channel adds

    def address_of(self, customer: str) -> str:
        """The channel's address of a customer with this plain name."""
        raise NotImplementedError

    def new_phone(self, customer: str, address: str) -> P:
        """A phone that nobody has used yet."""
        return cast("P", Phone(customer, address))

    def doings(self) -> Mapping[str, Doing[P, W]]:
        """What customers can do on this channel, by an action's kind; what `ordinary` has is for those channels that know it."""
        raise NotImplementedError

    def cannot(self, kind: str) -> str:
        """Why a customer can't do that here."""
        return f"{kind} is not something that this channel supports"

    def check(self, phone: P, action: Action) -> None:
        """Raises CannotAct for what this phone can't do now."""
        if phone.offline and action.kind != "online":
            raise CannotAct("the phone is offline")
        if phone.blocked and action.kind not in ("unblock", "read", *_SWITCHES):
            raise CannotAct("the channel is blocked: unblock it first")

    def headers(self, body: bytes, number: int, now: datetime) -> Mapping[str, str]:
        """The webhook's headers, its proof among them; `number` is the webhook's own."""
        raise NotImplementedError

    def answer(self, request: RawRequest, now: datetime) -> Answer:
        """The API's answer to a call of ours. Raises Refused. Where a message of ours has been found sound, it calls `befall`."""
        raise NotImplementedError

    def line_id(self, number: int) -> str:
        """The provider's id of a message, from a number that no other has."""
        return f"m{number}"

    def reached(self, phone: P, line: Shown, now: datetime) -> None:
        """A line of ours is on the phone now: where a delivery receipt begins."""

    def arrived(self, phone: P, lines: Sequence[Shown], now: datetime) -> None:
        """Lines of ours are on the phone now, together."""
        for line in lines:
            self.reached(phone, line, now)

    def was_read(self, phone: P, line_ids: Sequence[str], now: datetime) -> None:
        """The customer looked at these lines of ours for the first time."""

    def trouble(self, status: int) -> Answer:
        """The provider's error body for a status that was wished for."""
        return Answer(status)

    def troubled(self, befalls: Mischief) -> Answer:
        """The provider's error body for a mischief that refuses or lies."""
        return self.trouble(befalls.status or 400)

    def leaving(self, call: ProviderCall, now: datetime) -> ProviderCall:
        """A webhook as it leaves, after its `delay_seconds`: where its proof is made again each time."""
        return call

    def takes(self, answer: Answer | None) -> bool:
        """Whether the provider is content with our answer to a webhook."""
        return answer is not None and 200 <= answer.status < 300

    def again(self, call: ProviderCall, answer: Answer | None, now: datetime) -> ProviderCall | None:
        """The next delivery of a webhook that wasn't taken; None when the provider gives up."""
        given_up = call.attempt > len(self.redelivery_seconds)
        return None if given_up else self.repeated(call, self.redelivery_seconds[call.attempt - 1])

    # ------------------------------------------------------------------------------------------------- inputs

    def act(self, action: Action, now: datetime) -> Outcome:
        """A customer does something. Raises CannotAct, and then nothing has changed."""
        wishes, phone = cast("W", self.wishes.of(action.details)), self.phone(action.customer)
        doing = self.doings().get(action.kind)
        if doing is None:
            raise CannotAct(self.cannot(action.kind))
        self.check(phone, action)
        with self._unless_refused(phone):
            line_id = doing(Deed(phone, action, wishes, now))
        self.phones.setdefault(self.address_of(action.customer), phone)
        self.mischief += wishes.mischief
        return Outcome(calls=self._drain(), line_id=line_id)

    @contextmanager
    def _unless_refused(self, phone: P) -> Iterator[None]:
        before = phone.saved(), self._count, self._hooks, len(self.files), len(self._under_way)
        try:
            yield
        except BaseException:
            saved, self._count, self._hooks, files, under_way = before
            phone.restore(saved)
            self._following.clear()
            for kept, most in ((self.files, files), (self._under_way, under_way)):
                for key in list(kept)[most:]:  # a dict keeps the order of what was put in
                    del kept[key]
            raise

    def ordinary(self) -> dict[str, Doing[P, W]]:
        """What happens on the phone only: nobody is told, except by receipts."""
        return {
            "block": lambda deed: setattr(deed.phone, "blocked", True),
            "unblock": lambda deed: setattr(deed.phone, "blocked", False),
            "offline": lambda deed: setattr(deed.phone, "offline", True),
            "online": lambda deed: self.wake(deed.phone, deed.now),
            "read": lambda deed: self.look(deed.phone, deed.now),
        }

    def handle(self, request: RawRequest, now: datetime) -> Outcome:
        """A call of ours to the provider's API."""
        self._befalls = None
        try:
            answer = self.replied(request, now)
        except Refused as refused:
            self._following.clear()
            return Outcome(refused.answer)
        outcome = Outcome(answer, self._drain())
        if self._befalls is not None:
            outcome = self._befalls.upon(outcome, self.troubled)
            for call in outcome.calls:  # there may be more of them now
                self._under_way.setdefault(call.id, self._under_way[stem(call.id)])
        return outcome

    def replied(self, request: RawRequest, now: datetime) -> Answer:
        """The answer, and what befalls the call before it is looked at: nothing."""
        return self.answer(request, now)

    def befall(self) -> Mischief | None:
        """The mischief that was ordered for this message of ours, if any. Raises Refused where it refuses the message."""
        self._befalls = self.mischief.popleft() if self.mischief else None
        if self._befalls and self._befalls.refuses:
            raise Refused(self._befalls.seen(self.troubled))
        return self._befalls

    def settled(self, call: ProviderCall, answer: Answer | None, now: datetime) -> tuple[ProviderCall, ...]:
        """A webhook was taken, or is sent again later; a file was fetched."""
        about = self._under_way.pop(call.id, None)
        if about is None:
            return ()
        if about.then is not None:
            about.then(fetched(call, answer), now)
            return self._drain()
        taken = self.takes(answer)
        if not taken and (again := self.again(call, answer, now)):
            self._under_way[again.id] = about
            return (self.leaving(again, now),)
        for phone, line_id in about.lines:
            if (line := phone.line(line_id)) and line.status != "sent":
                phone.change(line_id, status="sent" if taken else "failed")
        return ()

    def refresh(self, customer: str, now: datetime) -> tuple[ProviderCall, ...]:
        """Nothing: phones are told at once."""
        return ()

    def handset(self, customer: str) -> list[Shown]:
        """What the customer's phone shows, oldest first."""
        return list(self.phone(customer).lines.values())

    def file(self, file_id: str) -> SimFile | None:
        """A file that a handset shows."""
        return self.files.get(file_id)

    # ------------------------------------------------------------------------------------------------- phones

    def next_number(self) -> int:
        """A number that no other thing has."""
        self._count += 1
        return self._count

    def phone(self, customer: str) -> P:
        """That customer's phone; a new one if need be, which the provider doesn't know until it does something."""
        address = self.address_of(customer)
        return self.phones.get(address) or self.new_phone(customer, address)

    def mine(self, deed: Deed[P, W], line_id: str, text: str | None, file: SimFile | None = None, file_id: str = "") -> str:
        """Put a line of the customer's on the phone; its id. A file is kept under `file_id`, or else under the line's."""
        media = self.keep(file, file_id or line_id) if file else None
        line = Shown(id=line_id, sender="me", text=text, at=deed.now, status="sending", media=media)
        deed.phone.lines[line_id] = line
        return line_id

    def keep(self, file: SimFile, file_id: str) -> dict[str, Any]:
        """Keep a file that a handset shows; its `media`."""
        self.files[file_id] = file
        return media_of(file, file_id)

    def show(
        self,
        phone: P,
        line_id: str,
        now: datetime,
        *,
        text: str | None,
        file: SimFile | None = None,
        kind: Literal["message", "notice"] = "message",
        speaker: str | None = None,
        **more: Any,
    ) -> None:
        """Put a line of ours on the phone, or keep it until the phone is online."""
        media = self.keep(file, line_id) if file else None
        line = Shown(
            **{"id": line_id, "sender": "them", "kind": kind, "text": text, "speaker": speaker, "at": now, "media": media, **more}
        )
        if phone.offline:
            phone.held.append(line)
        else:
            self._reach(phone, [line], now)

    def _reach(self, phone: P, lines: Sequence[Shown], now: datetime) -> None:
        phone.lines |= {line.id: line for line in lines}
        phone.unread += [line.id for line in lines]
        self.arrived(phone, lines, now)

    def wake(self, phone: P, now: datetime) -> None:
        """The phone is on, and gets what was held for it."""
        held, phone.held, phone.offline = phone.held, [], False
        if held:
            self._reach(phone, held, now)

    def look(self, phone: P, now: datetime) -> None:
        """The customer reads what the phone shows; whoever writes has done so, too."""
        unread, phone.unread = phone.unread, []
        if unread:
            self.was_read(phone, unread, now)

    # -------------------------------------------------------------------------------------- the provider's calls

    def post(self, body: bytes, phone: P, now: datetime) -> None:
        """A webhook that follows from what is being done: a receipt, say."""
        self.send(self.webhook(body, phone.address, now), now)

    def tell(self, deed: Deed[P, W], body: bytes, *line_ids: str) -> None:
        """The webhook of what a customer does, as often and as late as wished; these lines are sent when it is taken."""
        lines = tuple((deed.phone, line_id) for line_id in line_ids)
        self.send(self.webhook(body, deed.phone.address, deed.now), deed.now, deed.wishes, lines)

    def webhook(self, body: bytes, lane: str, now: datetime) -> ProviderCall:
        """One webhook, with a number and a proof of its own."""
        self._hooks += 1
        headers, url = self.headers(body, self.next_number(), now), self.account.webhook_url
        return ProviderCall(f"hook-{self._hooks}", "POST", url, headers, body, lane=lane, timeout_seconds=self.timeout_seconds)

    def send(
        self, call: ProviderCall, now: datetime, wishes: Wishes | None = None, lines: tuple[tuple[Phone, str], ...] = ()
    ) -> None:
        """Make a call with what is being done; `lines` of phones are sent when it is taken, or fail."""
        calls = [self.leaving(one, now) for one in (wishes.deliveries(call) if wishes else [call])]
        self._under_way |= {one.id: _UnderWay(lines) for one in calls}
        self._following += calls

    def repeated(self, call: ProviderCall, after_seconds: float) -> ProviderCall:
        """The same call once more: same bytes, same proof."""
        attempt = call.attempt + 1
        return replace(call, id=f"{call.id.partition('.')[0]}.{attempt}", attempt=attempt, delay_seconds=after_seconds)

    def bring(self, url: str, lane: str, then: Then) -> None:
        """The provider fetches a file from the address that we gave, then goes on."""
        call_id = f"fetch-{self.next_number()}"
        self._under_way[call_id] = _UnderWay(then=then)
        call = ProviderCall(call_id, "GET", url, purpose="fetch", lane=f"{lane} files", timeout_seconds=self.fetch_seconds)
        self._following.append(call)

    def fetch(self, url: str, phone: P, line_id: str, name: str | None = None, mime_type: str | None = None) -> None:
        """The provider fetches a file for a line that the phone shows already; what can't be fetched is shown as broken."""
        known = {key: value for key, value in (("name", name), ("mime_type", mime_type)) if value}

        def then(file: SimFile | None, now: datetime) -> None:
            changes = {"media": self.keep(file.model_copy(update=known), line_id)} if file else {"broken": True}
            phone.change(line_id, **changes)

        self.bring(url, phone.address, then)

    def _drain(self) -> tuple[ProviderCall, ...]:
        calls, self._following = tuple(self._following), []
        return calls


def stem(call_id: str) -> str:
    """The id of the webhook that this is a delivery of."""
    return call_id.partition(".")[0].partition("/")[0]


def fetched(call: ProviderCall, answer: Answer | None) -> SimFile | None:
    """The file that came, named as its Content-Disposition says, else as its address ends; None where none came."""
    if answer is None or answer.status != 200:
        return None
    headers = {name.lower(): value for name, value in answer.headers.items()}
    mime_type = headers.get("content-type", "application/octet-stream").partition(";")[0].strip().lower()
    said = headers.get("content-disposition", "").partition('filename="')[2].partition('"')[0]
    name = said or unquote(urlsplit(call.url).path.rpartition("/")[2]) or "file"
    return SimFile(name=name, mime_type=mime_type, content=answer.body)
