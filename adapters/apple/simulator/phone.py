"""A customer's phone, simulated: its bubbles, what it writes for a tapback or a choice, and what else was wished of an action."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from adapters.apple.wire import BALLOON, objects, section, words
from adapters.simulation import FromZero, Phone, Shown, Wishes

# In the language of the device; these are the English words. Anything else: `Reacted 😀 to “…”`.
_TAPBACKS: Final = {"❤️": "Loved", "👍": "Liked", "👎": "Disliked", "😂": "Laughed at", "‼️": "Emphasized", "❓": "Questioned"}
_MEDIA_WORDS: Final = {"image": "an image", "video": "a movie", "audio": "an audio message"}


class AppleWishes(Wishes):
    """`redeliver`: how often a webhook that failed comes again; Apple's own retries are not documented."""

    redeliver: FromZero = 0


@dataclass
class ApplePhone(Phone):
    """One customer's conversation with the business."""

    began: bool = False
    closed: bool = False
    we_type: bool = False

    def free(self, line_id: str) -> str:
        """The id of a new bubble; one that comes twice is shown twice, for Apple promises nothing about a repeated id."""
        twins = sum(one == line_id or one.startswith(f"{line_id}#") for one in self.lines)
        return f"{line_id}#{twins + 1}" if twins else line_id


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
