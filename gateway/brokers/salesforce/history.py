"""What was said before a conversation began in Salesforce, as /conversationHistory takes it (BYOC for CCaaS alone).

Its rules: nothing older than a day, one end user who hasn't left, everybody else a Chatbot who has, at most three participants; each sender is a
participant, and each message within the sender's stay. Sources: Salesforce's published schema and error codes 10042 to 10046 and 10065 to 10074
(github.com/salesforce-misc/interaction-service-apis), and its guide, "Send Historical Conversation Entries", by which five entries a call are sure.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from gateway.session.model import Entry, EntryKind, Role, Visibility

Json: TypeAlias = dict[str, Any]

MOST_ENTRIES: Final = 5
_AGE: Final = timedelta(hours=23, minutes=30)  # of the day that is allowed; the rest is for the row's own waiting
_MOST_PORTIONS: Final = 20
_BUSINESS: Final = "before"  # the subject of our side
_IDS: Final = uuid.UUID("a6c19f2b-8f0f-5b7e-9e56-3a2d6c1f4e90")


def portions(entries: Iterable[Entry], *, session_id: str, customer: str, now: datetime) -> list[Json]:
    """Bodies of `Call`s with the operation `history`, the newest part first, each in the order in which it was said. `customer` is the customer's address.

    Only what everyone may see, said within a day and in words, is handed over; what our reps and bots said is one Chatbot's, each line with its
    speaker's name where there were several. Nothing: an empty list.
    """
    said = sorted((one for one in entries if _belongs(one, now)), key=lambda one: (one.at, one.number))[
        -MOST_ENTRIES * _MOST_PORTIONS :
    ]
    if not said:
        return []
    speakers = dict.fromkeys(one.sender.name for one in said if one.sender is not None and not _is_customer(one))
    people = _people(said, customer, list(speakers))
    lines = [_line(one, session_id, customer, named=len(speakers) > 1) for one in said]
    starts = range(len(lines) - MOST_ENTRIES, -MOST_ENTRIES, -MOST_ENTRIES)
    return [{"conversationParticipants": people, "conversationEntries": lines[max(0, at) : at + MOST_ENTRIES]} for at in starts]


def _belongs(entry: Entry, now: datetime) -> bool:
    says = entry.kind is EntryKind.message and entry.visibility is Visibility.everyone and entry.sender is not None
    return says and now - _AGE <= entry.at <= now and bool(_words(entry).strip())


def _is_customer(entry: Entry) -> bool:
    return entry.sender is not None and entry.sender.role is Role.end_user


def _words(entry: Entry) -> str:
    return "\n".join(filter(None, [entry.text, *(part.plain for part in entry.parts if part.plain != entry.text)]))


def _people(said: Sequence[Entry], customer: str, speakers: Sequence[str]) -> list[Json]:
    """A moment more than they spoke for, because a message must lie within the stay, and a stay must last."""
    before, after = _ms(said[0].at) - 1, _ms(said[-1].at) + 1
    name = next((one.sender.name for one in said if one.sender is not None and _is_customer(one)), "")
    person = {"participant": _end_user(customer), "joinedTime": before}
    people: list[Json] = [{**person, "displayName": name} if name else person]
    if speakers:
        title = speakers[0] if len(speakers) == 1 else "Before"
        people.append({"displayName": title or "Before", "participant": _CHATBOT, "joinedTime": before, "leftTime": after})
    return people


def _line(entry: Entry, session_id: str, customer: str, *, named: bool) -> Json:
    made = str(uuid.uuid5(_IDS, f"{session_id} {entry.number}"))
    sender = entry.sender
    words = f"{sender.name}: {_words(entry)}" if named and sender is not None and not _is_customer(entry) else _words(entry)
    message = {"messageType": "StaticContentMessage", "id": made, "staticContent": {"formatType": "Text", "text": words}}
    return {
        "clientTimestamp": _ms(entry.at),
        "sender": _end_user(customer) if _is_customer(entry) else _CHATBOT,
        "entryPayload": {"entryType": "Message", "id": made, "abstractMessage": message},
    }


_CHATBOT: Final = {"appType": "custom", "subject": _BUSINESS, "role": "Chatbot"}


def _end_user(customer: str) -> Json:
    return {"appType": "custom", "subject": customer, "role": "EndUser"}


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
