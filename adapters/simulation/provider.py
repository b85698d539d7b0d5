"""What most simulated providers do alike: phones, webhooks that are sent until they are taken, files, and misbehaviour on command.

A channel whose provider has no peculiarities derives from `PlainProvider` and adds what is its own: how a webhook is signed (`headers`),
what it says (`event`), and what the API answers (`answer`). Everything follows from the inputs and their times; ids count up.

An action's `details` may hold, beside what its kind takes: `times` (the webhook is delivered so often), `delay_seconds` (late, and overtaken
by what comes after), `again_after_seconds` (once more, later), and `mischief`, a list of what befalls our next messages, one entry each:
`{"status": 503, "retry_after": 7}` it is refused; with `"taken": true` it goes out though the answer says otherwise.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Final, Generic, Literal

from adapters.contract import A, Action, Answer, CannotAct, Outcome, ProviderCall, RawRequest, Shown, SimFile

SHOWN: Final = ("say", "location", "contact", "sticker", "choose")  # what the handset shows as a line
_SWITCHES: Final = ("offline", "online")


class Refused(Exception):
    """The simulated provider says no; `answer` is its error body."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"refused with {answer.status}")
        self.answer = answer


@dataclass(frozen=True)
class Wishes:
    """What an action's `details` wish, of the webhook and for our next messages."""

    times: int = 1
    delay_seconds: float = 0.0
    again_after_seconds: float = 0.0
    mischief: tuple[Mischief, ...] = ()

    @classmethod
    def of(cls, details: Mapping[str, Any]) -> Wishes:
        """Raises CannotAct for what is no wish."""
        try:
            return cls(
                times=max(1, int(details.get("times", 1))),
                delay_seconds=float(details.get("delay_seconds", 0)),
                again_after_seconds=float(details.get("again_after_seconds", 0)),
                mischief=tuple(Mischief(**one) for one in details.get("mischief", ())),
            )
        except (TypeError, ValueError) as fault:
            raise CannotAct(f"details that can't be: {fault}") from fault

    def deliveries(self, call: ProviderCall) -> Iterable[ProviderCall]:
        """The webhook as often and as late as wished; what is late must hold up nothing, so it has a lane of its own."""
        lane = f"{call.lane} {call.id}" if self.delay_seconds else call.lane
        for n in range(self.times):
            yield replace(call, id=f"{call.id}/{n + 1}", lane=lane, delay_seconds=self.delay_seconds)
        if self.again_after_seconds:
            later = self.delay_seconds + self.again_after_seconds
            yield replace(call, id=f"{call.id}/again", lane=f"{call.lane} again {call.id}", delay_seconds=later)


@dataclass(frozen=True)
class Mischief:
    """What befalls one message of ours."""

    status: int
    retry_after: int | None = None
    taken: bool = False


@dataclass
class Phone:
    """A customer's phone. `held` is what came while it was offline."""

    customer: str
    address: str
    lines: list[Shown] = field(default_factory=list)
    held: list[Shown] = field(default_factory=list)
    blocked: bool = False
    offline: bool = False
    unread: list[str] = field(default_factory=list)

    def line(self, line_id: str | None) -> Shown | None:
        """The line of that id, if the phone has it."""
        return next((line for line in self.lines if line.id == line_id), None)

    def change(self, line_id: str, **changes: Any) -> None:
        """Change the line of that id, where there is one."""
        self.lines = [line.model_copy(update=changes) if line.id == line_id else line for line in self.lines]
        self.held = [line.model_copy(update=changes) if line.id == line_id else line for line in self.held]


@dataclass(frozen=True)
class _UnderWay:
    """What a call is about: the line of a phone that it carries, or the file that it fetches."""

    phone: Phone
    line_id: str | None
    file: SimFile | None = None


class PlainProvider(Generic[A]):
    """See the module; `redelivery_seconds` are the pauses before a webhook that wasn't taken is sent again."""

    redelivery_seconds: ClassVar[tuple[float, ...]] = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)
    timeout_seconds: ClassVar[float] = 15.0

    def __init__(self, account: A) -> None:
        self.account = account
        self.phones: dict[str, Phone] = {}  # by address
        self.files: dict[str, SimFile] = {}
        self._count = 0
        self._under_way: dict[str, _UnderWay] = {}  # by the call's id, as it was first
        self._mischief: deque[Mischief] = deque()
        self._following: list[ProviderCall] = []

    # -------------------------------------------------------------------------------------- what a channel adds

    def address_of(self, customer: str) -> str:
        """The channel's address of a customer with this plain name."""
        raise NotImplementedError

    def event(self, action: Action, phone: Phone, line_id: str, now: datetime) -> bytes | None:
        """The webhook's body for what a customer does (None: the provider tells nobody); `line_id` is the line that it will be shown as.
        Raises CannotAct. A file is at `self.files[line_id]` by then."""
        raise NotImplementedError

    def headers(self, body: bytes, number: int, now: datetime) -> dict[str, str]:
        """The webhook's headers, its proof among them; `number` is the webhook's own."""
        raise NotImplementedError

    def answer(self, request: RawRequest, now: datetime) -> Answer:
        """The API's answer to a call of ours. Raises Refused."""
        raise NotImplementedError

    def line_id(self, number: int) -> str:
        """The provider's id of a message, from a number that no other has."""
        return f"m{number}"

    def reached(self, phone: Phone, line: Shown, now: datetime) -> None:
        """A line of ours is on the phone now: where a delivery receipt begins."""

    def was_read(self, phone: Phone, line_ids: Sequence[str], now: datetime) -> None:
        """The customer looked at these lines of ours for the first time."""

    def trouble(self, status: int) -> Answer:
        """The provider's error body for a status that was wished for."""
        return Answer(status)

    def is_message(self, request: RawRequest) -> bool:
        """Whether this call of ours is a message, which mischief may befall."""
        return request.method == "POST"

    # ------------------------------------------------------------------------------------------------- inputs

    def act(self, action: Action, now: datetime) -> Outcome:
        """A customer does something. Raises CannotAct, and then nothing has changed."""
        phone, wishes = self.phone(action.customer), Wishes.of(action.details)
        _require_able(phone, action)
        before, line_id = self._count, self.line_id(self.next_number())
        try:
            if action.file:
                self.files[line_id] = action.file
            body = None if action.kind in _SWITCHES else self.event(action, phone, line_id, now)
        except CannotAct:
            self._count = before
            self.files.pop(line_id, None)
            raise
        self.phones[phone.address] = phone
        self._mischief += wishes.mischief
        shown = line_id if action.kind in SHOWN else None
        self._change(phone, action, line_id, now)
        calls = wishes.deliveries(self._webhook(body, phone, shown, now)) if body is not None else ()
        return Outcome(calls=(*self._drain(), *calls), line_id=shown)

    def _change(self, phone: Phone, action: Action, line_id: str, now: datetime) -> None:
        """What it does to the phone; whoever writes or looks has read what stands there."""
        if action.kind in SHOWN or action.kind == "read":
            unread, phone.unread = phone.unread, []
            if unread:
                self.was_read(phone, unread, now)
        if action.kind in SHOWN:
            phone.lines.append(self._mine(action, line_id, now))
        elif action.kind in ("block", "unblock"):
            phone.blocked = action.kind == "block"
        elif action.kind in _SWITCHES:
            phone.offline = action.kind == "offline"
            held, phone.held = ([], phone.held) if phone.offline else (phone.held, [])
            for line in held:
                self._reach(phone, line, now)
        elif action.kind in ("edit", "unsend") and action.target:
            text = action.text if action.kind == "edit" else "[taken back]"
            phone.change(action.target, text=text, **({} if action.kind == "edit" else {"media": None}))

    def _mine(self, action: Action, line_id: str, now: datetime) -> Shown:
        words = action.text or action.details.get("title") or action.details.get("name")
        text = str(words) if words else None if action.file else f"[{action.kind}]"
        media = media_of(action.file, line_id) if action.file else None
        return Shown(id=line_id, sender="me", text=text, at=now, status="sending", media=media)

    def handle(self, request: RawRequest, now: datetime) -> Outcome:
        """A call of ours to the provider's API."""
        befalls = self._mischief.popleft() if self._mischief and self.is_message(request) else None
        if befalls and not befalls.taken:
            return Outcome(self._troubled(befalls))
        try:
            answer = self.answer(request, now)
        except Refused as refused:
            self._following.clear()
            return Outcome(refused.answer)
        return Outcome(self._troubled(befalls) if befalls else answer, tuple(self._drain()))

    def _troubled(self, befalls: Mischief) -> Answer:
        answer = self.trouble(befalls.status)
        wait = {} if befalls.retry_after is None else {"retry-after": str(befalls.retry_after)}
        return replace(answer, headers={**answer.headers, **wait})

    def settled(self, call: ProviderCall, answer: Answer | None, now: datetime) -> tuple[ProviderCall, ...]:
        """A webhook was taken, or is sent again later; a file was fetched."""
        about = self._under_way.get(_stem(call.id))
        taken = answer is not None and 200 <= answer.status < 300
        if about is None:
            return ()
        if call.purpose == "fetch":
            self._fetched(about, answer if taken else None)
        elif not taken and call.attempt <= len(self.redelivery_seconds):
            pause = self.redelivery_seconds[call.attempt - 1]
            again = f"{call.id.partition('.')[0]}.{call.attempt + 1}"
            return (replace(call, id=again, attempt=call.attempt + 1, delay_seconds=pause),)
        elif about.line_id and (line := about.phone.line(about.line_id)) and line.status != "sent":
            about.phone.change(about.line_id, status="sent" if taken else "failed")
        return ()

    def _fetched(self, about: _UnderWay, answer: Answer | None) -> None:
        line_id, wanted = about.line_id, about.file
        if line_id is None or wanted is None:
            return
        if answer is None:
            about.phone.change(line_id, broken=True)
            return
        self.files[line_id] = wanted.model_copy(update={"content": answer.body})
        about.phone.change(line_id, media=media_of(self.files[line_id], line_id))

    def refresh(self, customer: str, now: datetime) -> tuple[ProviderCall, ...]:
        """Nothing: phones are told at once."""
        return ()

    def handset(self, customer: str) -> list[Shown]:
        """What the customer's phone shows, oldest first."""
        return list(self.phone(customer).lines)

    def file(self, file_id: str) -> SimFile | None:
        """A file that a handset shows."""
        return self.files.get(file_id)

    # ----------------------------------------------------------------------------------------- for the channels

    def next_number(self) -> int:
        """A number that no other thing has."""
        self._count += 1
        return self._count

    def phone(self, customer: str) -> Phone:
        """That customer's phone; a new one if need be, which the provider doesn't know until it does something."""
        address = self.address_of(customer)
        return self.phones.get(address) or Phone(customer, address)

    def show(
        self,
        phone: Phone,
        line_id: str,
        now: datetime,
        *,
        text: str | None,
        file: SimFile | None = None,
        kind: Literal["message", "notice"] = "message",
        speaker: str | None = None,
    ) -> None:
        """Put a line of ours on the phone, or keep it until the phone is online."""
        if file is not None:
            self.files[line_id] = file
        media = media_of(file, line_id) if file else None
        line = Shown(id=line_id, sender="them", kind=kind, text=text, speaker=speaker, at=now, media=media)
        if phone.offline:
            phone.held.append(line)
        else:
            self._reach(phone, line, now)

    def _reach(self, phone: Phone, line: Shown, now: datetime) -> None:
        phone.lines.append(line)
        phone.unread.append(line.id)
        self.reached(phone, line, now)

    def post(self, body: bytes, phone: Phone, now: datetime) -> None:
        """A webhook that follows from what is being done: a receipt, say."""
        self._following.append(self._webhook(body, phone, None, now))

    def fetch(self, url: str, phone: Phone, line_id: str, name: str, mime_type: str) -> None:
        """The provider fetches a file from the address that we gave, and shows it when it has it."""
        call_id = f"fetch-{self.next_number()}"
        self._under_way[call_id] = _UnderWay(phone, line_id, SimFile(name=name, mime_type=mime_type, content=b""))
        self._following.append(ProviderCall(call_id, "GET", url, purpose="fetch", lane=f"{phone.address} files"))

    def _webhook(self, body: bytes, phone: Phone, line_id: str | None, now: datetime) -> ProviderCall:
        call_id = f"webhook-{self.next_number()}"
        self._under_way[call_id] = _UnderWay(phone, line_id)
        headers = self.headers(body, self._count, now)
        url, timeout = self.account.webhook_url, self.timeout_seconds
        return ProviderCall(call_id, "POST", url, headers, body, lane=phone.address, timeout_seconds=timeout)

    def _drain(self) -> list[ProviderCall]:
        calls, self._following = self._following, []
        return calls


def _require_able(phone: Phone, action: Action) -> None:
    if phone.offline and action.kind != "online":
        raise CannotAct("the phone is offline")
    if phone.blocked and action.kind not in ("unblock", "read", *_SWITCHES):
        raise CannotAct("the channel is blocked: unblock it first")
    if action.kind == "say" and not (action.text or action.file):
        raise CannotAct("say needs a text or a file")
    line = phone.line(action.target)
    if action.kind in ("react", "edit", "unsend") and line is None:
        raise CannotAct(f"there is no line {action.target} on the phone")
    if action.kind in ("edit", "unsend") and line is not None and line.sender != "me":
        raise CannotAct(f"{action.target} is not the customer's own line")


def media_of(file: SimFile, file_id: str) -> dict[str, Any]:
    """A file as a handset's line shows it."""
    return {"name": file.name, "mime_type": file.mime_type, "size_bytes": len(file.content), "file_id": file_id}


def _stem(call_id: str) -> str:
    """The id of the webhook that this is a delivery of."""
    return call_id.partition(".")[0].partition("/")[0]
