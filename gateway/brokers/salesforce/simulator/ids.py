"""The simulated org's ids: in Salesforce's form, and always the same for the same thing, so that a config can be written before the org runs.

A record's id has 15 characters, of which the first three name its kind (`005` a user, `00G` a queue, `300` a flow, `0Mw` a MessagingSession, `0Bz` an AgentWork);
with a checksum of the capitals it has 18.
"""

from __future__ import annotations

import hashlib
import string
import uuid
from typing import Final

_NAMESPACE: Final = uuid.UUID("0f0b2c52-7f0f-5a55-9b5e-8f6d1f5f6a11")
_DIGITS: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SUM: Final = string.ascii_uppercase + "012345"


def record_id(prefix: str, *names: str) -> str:
    """The id of 15 characters of the record that these names say."""
    number = int.from_bytes(hashlib.sha256("\0".join((prefix, *names)).encode()).digest()[:16], "big")
    digits = []
    for _ in range(15 - len(prefix)):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return prefix + "".join(digits)


def long_id(short: str) -> str:
    """The same id in 18 characters, which says in three more which letters are capitals."""
    chunks = (short[at : at + 5] for at in (0, 5, 10))
    return short + "".join(_SUM[sum(1 << place for place, letter in enumerate(chunk) if letter.isupper())] for chunk in chunks)


def user_id(login: str) -> str:
    """The rep's."""
    return record_id("005", login)


def queue_id(queue: str) -> str:
    """The queue's."""
    return record_id("00G", queue)


def flow_id(flow: str) -> str:
    """The flow's."""
    return record_id("300", flow)


def address_of(channel_id: str) -> str:
    """The ChannelAddressIdentifier of a channel: a UUID."""
    return str(uuid.uuid5(_NAMESPACE, f"address\0{channel_id}"))


def conversation_id(address: str, customer: str) -> str:
    """The conversationIdentifier of this pair."""
    return str(uuid.uuid5(_NAMESPACE, f"conversation\0{address}\0{customer}"))


def work_item(conversation: str, ordinal: int) -> str:
    """The id of a conversation's MessagingSession."""
    return record_id("0Mw", conversation, str(ordinal))


def entry_id(session_id: str, number: int) -> str:
    """The identifier of an entry of the broker's session."""
    return str(uuid.uuid5(_NAMESPACE, f"entry\0{session_id}\0{number}"))


def event_id(stream: str, number: int, part: int) -> str:
    """The id of a platform event that an event of the broker's comes to."""
    return str(uuid.uuid5(_NAMESPACE, f"event\0{stream}\0{number}\0{part}"))
