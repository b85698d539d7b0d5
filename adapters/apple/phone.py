"""A customer's phone, simulated: its bubbles, what it writes for a tapback or a choice, and what else was wished of an action."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from adapters.apple.wire import BALLOON, objects, section, words
from adapters.contract import Answer
from adapters.simulation import CannotAct, ProviderCall, Shown

# In the language of the device; these are the English words. Anything else: `Reacted 😀 to “…”`.
_TAPBACKS: Final = {"❤️": "Loved", "👍": "Liked", "👎": "Disliked", "😂": "Laughed at", "‼️": "Emphasized", "❓": "Questioned"}
_MEDIA_WORDS: Final = {"image": "an image", "video": "a movie", "audio": "an audio message"}


@dataclass(frozen=True)
class Mischief:
    """What befalls one message of ours at the gateway: an answer of this status, though it may have been `taken`."""

    status: int
    retry_after: int | None = None
    taken: bool = False

    @property
    def answer(self) -> Answer:
        """What the gateway says; with no word of when to come again unless so wished."""
        return Answer(self.status, headers={"retry-after": str(self.retry_after)} if self.retry_after is not None else {})


@dataclass(frozen=True)
class Wishes:
    """What an action's `details` wish of the webhook and of the gateway afterwards."""

    times: int = 1
    delay_seconds: float = 0.0
    again_after_seconds: float = 0.0
    redeliver: int = 0
    mischief: tuple[Mischief, ...] = ()

    @classmethod
    def of(cls, details: Mapping[str, Any]) -> Wishes:
        """Raises CannotAct for what is no wish, before anything has changed."""
        try:
            return cls(
                times=max(1, int(details.get("times", 1))),
                delay_seconds=float(details.get("delay_seconds", 0)),
                again_after_seconds=float(details.get("again_after_seconds", 0)),
                redeliver=int(details.get("redeliver", 0)),
                mischief=tuple(Mischief(**one) for one in details.get("mischief", [])),
            )
        except (TypeError, ValueError) as fault:
            raise CannotAct(f"details that can't be: {fault}") from fault

    def deliveries(self, call: ProviderCall) -> tuple[ProviderCall, ...]:
        """The webhook as often and as late as wished; a late one must not hold up those behind it, so it has a lane of its own."""
        if self.delay_seconds:
            call = replace(call, delay_seconds=self.delay_seconds, lane=f"{call.lane} {call.id}")
        calls = [replace(call, id=f"{call.id}/{n + 1}") for n in range(self.times)]
        if self.again_after_seconds:
            later = self.delay_seconds + self.again_after_seconds
            calls.append(replace(call, id=f"{call.id}/later", delay_seconds=later, lane=f"{call.lane} later {call.id}"))
        return tuple(calls)


@dataclass
class Phone:
    """One customer's conversation with the business."""

    customer: str
    address: str
    lines: list[Shown] = field(default_factory=list)
    began: bool = False
    closed: bool = False
    we_type: bool = False
    mischief: list[Mischief] = field(default_factory=list)

    def add(self, line: Shown) -> None:
        """A bubble at the end; one that comes twice is shown twice, for Apple promises nothing about a repeated id."""
        twins = sum(one.id == line.id or one.id.startswith(f"{line.id}#") for one in self.lines)
        self.lines.append(line.model_copy(update={"id": f"{line.id}#{twins + 1}"}) if twins else line)

    def line(self, line_id: str | None) -> Shown:
        """A bubble of this phone. Raises CannotAct."""
        found = next((one for one in self.lines if one.id == line_id), None)
        if found is None:
            raise CannotAct("the target must be the id of a line on this phone")
        return found

    def settle(self, line_id: str, *, taken: bool) -> None:
        """ "Not Delivered", or no mark at all; what was taken once stays so."""
        status = "sent" if taken else "failed"
        self.lines = [
            one.model_copy(update={"status": status}) if one.id == line_id and one.status != "sent" else one for one in self.lines
        ]


def tapback(emoji: str, line: Shown) -> str:
    """What a business is told of a tapback: words that quote the bubble, without its id."""
    family = str((line.media or {}).get("mime_type", "")).partition("/")[0]
    quoted = f"“{line.text}”" if line.text else _MEDIA_WORDS.get(family, "an attachment")
    return f"{_TAPBACKS[emoji]} {quoted}" if emoji in _TAPBACKS else f"Reacted {emoji} to {quoted}"


def asked(content: Mapping[str, Any]) -> str:
    """What a picker's bubble says, and the choices behind it."""
    data = section(content, "data")
    title = words(section(data, "receivedMessage"), "title") or words(section(content, "receivedMessage"), "title")
    items = [item for part in objects(section(data, "listPicker"), "sections") for item in objects(part, "items")]
    items += objects(section(data, "quick-reply"), "items")
    choices = [f"• {words(item, 'title')}" for item in items]
    return "\n".join([title or words(section(data, "quick-reply"), "summaryText") or "[interactive message]", *choices])


def picked(title: str, item: object, request: object, session: str) -> dict[str, Any]:
    """The answer to a list picker: only what was chosen comes back."""
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
