"""The body of POST /conversationHistory, with all its rules.

Of the API description's 25 entries and the guide's five a call, the description's are permitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gateway.brokers.salesforce.simulator import messages
from gateway.brokers.salesforce.simulator.checking import (
    Json,
    Participant,
    list_of,
    object_of,
    optional_text,
    optional_time,
    participant_of,
    refused,
    text_of,
    time_of,
)
from gateway.brokers.salesforce.simulator.contract import (
    Chosen,
    Content,
    Filled,
    History,
    HistoryEntry,
    HistoryParticipant,
    Link,
    Text,
)

_OLDEST: Final = timedelta(hours=24)
_MOST_ENTRIES, _MOST_PARTICIPANTS = 25, 3


@dataclass(frozen=True, slots=True)
class Past:
    """A valid request."""

    address: str
    customer: str
    history: History


def read(body: Json, now: datetime) -> Past:
    """Raises OrgRefusal."""
    address = text_of(body, "channelAddressIdentifier", 10017)
    raw = body.get("conversationParticipants")
    if not raw:
        raise refused(10039, "There are no participants")
    participants = [_participant(one) for one in list_of(body, "conversationParticipants", most=_MOST_PARTICIPANTS)]
    _check_cast(participants)
    cast = {one.subject: one for one in participants}
    entries = tuple(_entry(one, cast, now) for one in list_of(body, "conversationEntries", 10045, most=_MOST_ENTRIES))
    if len({entry.entry_id for entry in entries}) < len(entries):
        raise refused(10073, "The id of a message is not unique")
    session_id, started_at, ended_at = _session(body)
    customer = next(one.subject for one in participants if one.role == "EndUser")
    return Past(address, customer, History(tuple(participants), entries, session_id, started_at, ended_at))


def _participant(body: Json) -> HistoryParticipant:
    who = participant_of(object_of(body, "participant"))
    if who.role not in ("EndUser", "Chatbot"):
        raise refused(10043, f"The role {who.role} can't be in a history")
    joined_at, left_at = time_of(body, "joinedTime"), optional_time(body, "leftTime")
    if who.role == "EndUser" and left_at is not None:
        raise refused(10065, "The end user must not have a leftTime")
    if who.role == "Chatbot" and left_at is None:
        raise refused(10066, "A chatbot must have a leftTime")
    if left_at is not None and joined_at >= left_at:
        raise refused(10067, "joinedTime must be before leftTime")
    name = optional_text(body, "displayName") or ""
    return HistoryParticipant(who.subject, "EndUser" if who.role == "EndUser" else "Chatbot", name, joined_at, left_at)


def _check_cast(participants: list[HistoryParticipant]) -> None:
    end_users = sum(one.role == "EndUser" for one in participants)
    if end_users == 0:
        raise refused(10042, "One participant must be the end user")
    if end_users > 1:
        raise refused(10044, "Only one participant can be the end user")
    if len({one.subject for one in participants}) < len(participants):
        raise refused(10101, "A participant is listed twice")


def _entry(body: Json, cast: Mapping[str, HistoryParticipant], now: datetime) -> HistoryEntry:
    sender = _sender(participant_of(object_of(body, "sender")), cast)
    at = time_of(body, "clientTimestamp", 10046)
    if not now - _OLDEST <= at <= now + timedelta(minutes=1):
        raise refused(10046, "clientTimestamp is not within the last 24 hours")
    if at < sender.joined_at or (sender.left_at is not None and at > sender.left_at):
        raise refused(10074, "clientTimestamp is outside the sender's stay")
    payload = object_of(body, "entryPayload", 10045)
    if payload.get("entryType") != "Message":
        raise refused(10045, "A history has entries of the type Message alone")
    entry_id = text_of(payload, "id", 10059)
    message = object_of(payload, "abstractMessage", 10045)
    if text_of(message, "id", 10059) != entry_id:
        raise refused(10060, "The id of the entry differs from the id of the message")
    if sender.role == "Chatbot":
        return HistoryEntry(entry_id, sender.subject, at, _bot_said(message))
    content = messages.said(message, history=True)
    return HistoryEntry(entry_id, sender.subject, at, _text(content), content)


def _sender(who: Participant, cast: Mapping[str, HistoryParticipant]) -> HistoryParticipant:
    listed = cast.get(who.subject)
    if listed is None or listed.role != who.role:
        raise refused(10068, "The sender is not one of the participants")
    return listed


def _bot_said(message: Json) -> str:
    """A bot may have used any format: what can be read of it."""
    kind = messages.message_type_of(message)
    member = {"StaticContentMessage": "staticContent", "ChoicesMessage": "choices", "FormMessage": "form"}.get(kind)
    if member is None:
        raise refused(10045, f"A chatbot can't have sent {kind}")
    content = object_of(message, member, 10045)
    messages.format_of(kind, content)
    form_title = content.get("formTitle")
    titles = (content.get("text"), content.get("title"), form_title.get("title") if isinstance(form_title, dict) else None)
    return next((one for one in titles if isinstance(one, str)), "")


def _text(content: Content) -> str:
    match content:
        case Text(text):
            return text
        case Link(url):
            return url
        case Chosen(options):
            return ", ".join(title or id for id, title in options)
        case Filled(values):
            return "\n".join(value for _, value in values)
        case _:
            return ""


def _session(body: Json) -> tuple[str | None, datetime | None, datetime | None]:
    if body.get("messagingSession") is None:
        return None, None, None
    session = object_of(body, "messagingSession")
    payload = object_of(session, "payload")
    kind = session.get("messagingSessionRequestType")
    if kind == "AttachMessagingSession":
        session_id = text_of(payload, "sessionId", 10072)
        if not session_id.startswith("0Mw") or len(session_id) not in (15, 18):
            raise refused(10072, "sessionId is not the id of a messaging session")
        return session_id[:15], None, None
    if kind != "EstablishMessagingSession":
        raise refused(10078, f"messagingSessionRequestType {kind!r} is not known")
    started_at, ended_at = time_of(payload, "startTime", 10061), optional_time(payload, "endTime", 10064)
    if ended_at is not None and ended_at < started_at:
        raise refused(10064, "endTime is before startTime")
    return None, started_at, ended_at
