"""What we remember of a conversation between LINE's events and our answers.

- `reply_token`: `{"token", "at"}`, the newest, with the time of its arrival: it works once and for about a minute.
- `quote_0` … `quote_15`: `{"id", "token"}`: a message can only be quoted by its token, so the last few are kept, each in the place
  that its id's last digits give it.
- `blocked_at`, `heard_at`: when (Unix milliseconds, LINE's clock) the customer blocked the account, and when they were last heard of.
  Events may overtake one another, so the later of the two counts. LINE answers 200 to a push to who has blocked the account.
- `mark_as_read`: the token that marks the newest message, and those before it, as read.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from pydantic import JsonValue

Memory = Mapping[str, JsonValue]

# The memory of a conversation is bounded, so quote tokens share a ring of places; an old one is overwritten.
_QUOTE_PLACES: Final = 16


def reply_token(token: str, at: datetime) -> dict[str, JsonValue]:
    """To be remembered when a token comes."""
    return {"reply_token": {"token": token, "at": at.isoformat()}}


def no_reply_token() -> dict[str, JsonValue]:
    """To be remembered when the token is spent."""
    return {"reply_token": None}


def fresh_reply_token(memory: Memory, written_at: datetime, now: datetime, seconds: int) -> str | None:
    """The reply token for a message, if it is young enough to be tried.

    One that came after the message was written is left alone: an earlier try may have been a push whose answer was lost, and a reply
    takes no retry key, so that the customer could see both.
    """
    kept = _token(memory)
    return kept[0] if kept and kept[1] <= written_at and now - kept[1] < timedelta(seconds=seconds) else None


def had_reply_token(memory: Memory, at: datetime, seconds: int) -> bool:
    """Whether there may have been a token to use at that time: one that was young, or one that has been replaced since."""
    kept = _token(memory)
    return kept is not None and kept[1] > at - timedelta(seconds=seconds)


def _token(memory: Memory) -> tuple[str, datetime] | None:
    kept = memory.get("reply_token")
    if not isinstance(kept, dict):
        return None
    token, at = kept.get("token"), kept.get("at")
    if not isinstance(token, str) or not isinstance(at, str):
        return None
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return None
    return (token, moment) if moment.tzinfo else None


def blocked(memory: Memory) -> bool:
    """Whether the customer has blocked the account, as far as we know."""
    at, heard_at = memory.get("blocked_at"), memory.get("heard_at")
    return isinstance(at, int) and not (isinstance(heard_at, int) and heard_at > at)


def quotable(message_id: str, token: str | None) -> dict[str, JsonValue]:
    """To be remembered of a message that can be quoted."""
    return {_place(message_id): {"id": message_id, "token": token}} if token else {}


def quote_token(memory: Memory, message_id: str) -> str | None:
    """The token by which that message can be quoted, while we have it."""
    kept = memory.get(_place(message_id))
    if isinstance(kept, dict) and kept.get("id") == message_id and isinstance(token := kept.get("token"), str):
        return token
    return None


def _place(message_id: str) -> str:
    last = message_id[-4:]
    digits = last if last.isascii() and last.isdecimal() else "".join(c for c in last if c in "0123456789")
    return f"quote_{int(digits or 0) % _QUOTE_PLACES}"
