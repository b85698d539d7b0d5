"""The body of POST /interactions: exactly one interaction, and perhaps the file that it speaks of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from adapters import file_types
from gateway.brokers.salesforce.simulator import messages
from gateway.brokers.salesforce.simulator.checking import (
    Json,
    end_user_of,
    list_of,
    object_of,
    optional_text,
    refused,
    text_of,
    texts_of,
    time_of,
)
from gateway.brokers.salesforce.simulator.contract import CustomerSays, Upload

MOST_FILE_BYTES: Final = 25 * 1024 * 1024
_LONGEST_TO, _LONGEST_FROM = 240, 255
_UNKNOWN_TYPE: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class SentFile:
    """A part `attachments`. `mime_type`: as its header says; None: it has none. `content`: one byte too long when it was longer than permitted."""

    name: str
    mime_type: str | None
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Typing:
    """TypingStartedIndicator, TypingStoppedIndicator."""

    on: bool


@dataclass(frozen=True, slots=True)
class Undelivered:
    """MessageDeliveryFailed."""

    entry_id: str
    code: str
    message: str | None


Deed: TypeAlias = CustomerSays | Typing | Undelivered


@dataclass(frozen=True, slots=True)
class Interaction:
    """A valid request. `id`: the interaction's own, made by the client."""

    to: str
    customer: str
    attributes: Mapping[str, str]
    id: str
    deed: Deed


def read(body: Json, files: Sequence[SentFile]) -> Interaction:
    """Raises OrgRefusal."""
    to = text_of(body, "to", 10027, most=_LONGEST_TO)
    customer = text_of(body, "from", 10028, most=_LONGEST_FROM)
    (interaction,) = list_of(body, "interactions", 10029, most=1)
    time_of(interaction, "timestamp", 10029)
    kind = interaction.get("interactionType")
    if kind == "AttachmentInteraction":
        deed: Deed = _file(interaction, files)
        id = text_of(interaction, "id", 10007)
    elif kind == "EntryInteraction":
        if files:
            raise refused(10011, "An EntryInteraction comes without a file")
        payload = object_of(interaction, "payload", 10029)
        id = text_of(payload, "id", 10059)
        deed = _entry(interaction, payload, customer)
    else:
        raise refused(10029, f"interactionType {kind!r} is not known")
    return Interaction(to, customer, texts_of(body, "routingAttributes"), id, deed)


def _entry(interaction: Json, payload: Json, customer: str) -> Deed:
    kind = payload.get("entryType")
    if kind in ("TypingStartedIndicator", "TypingStoppedIndicator"):
        time_of(payload, "timestamp")
        return Typing(kind == "TypingStartedIndicator")
    if kind == "MessageDeliveryFailed":
        if end_user_of(object_of(payload, "recipient")) != customer:
            raise refused(10036, "The recipient is not the end user of this conversation")
        failed = optional_text(payload, "failedConversationEntryIdentifier")
        return Undelivered(failed or "", text_of(payload, "errorCode"), optional_text(payload, "errorMessage"))
    if kind != "Message":
        raise refused(10078, f"entryType {kind!r} can't be sent as an interaction")
    message = object_of(payload, "abstractMessage")
    if text_of(message, "id", 10059) != payload["id"]:
        raise refused(10060, "The id of the interaction differs from the id of the message")
    reply_to = optional_text(message, "inReplyToMessageId")
    return CustomerSays(payload["id"], time_of(interaction, "timestamp", 10029), messages.said(message), reply_to)


def _file(interaction: Json, files: Sequence[SentFile]) -> CustomerSays:
    id = text_of(interaction, "id", 10007)
    length, index = interaction.get("contentLength"), interaction.get("attachmentIndex")
    if isinstance(length, bool) or not isinstance(length, int):
        raise refused(10010, "contentLength is required and must be a number")
    if not files:
        raise refused(10009, "The part attachments is missing")
    if len(files) > 1:
        raise refused(10011, "One AttachmentInteraction comes with one file")
    if isinstance(index, bool) or index != 0:
        raise refused(10029, "attachmentIndex must be 0")
    (file,) = files
    if not file.content:
        raise refused(10009, "The file is empty")
    if max(len(file.content), length) > MOST_FILE_BYTES:
        raise refused(10008, "The file is larger than 25 MB")
    if len(file.content) != length:
        raise refused(10051, f"The file has {len(file.content)} bytes, and contentLength says {length}")
    mime_type = _type(file)
    text = optional_text(interaction, "text") or ""
    return CustomerSays(id, time_of(interaction, "timestamp", 10029), Upload(file.name, mime_type, file.content, text))


def _type(file: SentFile) -> str:
    stated = (file.mime_type or "").partition(";")[0].strip().lower()
    main, _, sub = stated.partition("/")
    if main and sub and stated != _UNKNOWN_TYPE:
        return stated
    found = file_types.type_of(file.name)
    if found is None:
        raise refused(10095, "The MIME type of the file can't be determined")
    return found
