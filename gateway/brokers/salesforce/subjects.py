"""By what name Salesforce knows a customer of a channel, and whose that name is here.

It is the address that they first wrote from, and stays so when they have another. Addresses are given away again: who writes from it next is somebody else and gets a
name that nobody had. Under one name, both would be one person over there, and what a rep writes to one would reach the other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from adapters.envelope import Address, EndUser
from gateway.store.contract import Transaction

SUBJECT: Final = "subject"
"""In what is known of a conversation on the org's lanes: the name, where it isn't the address."""
_ADDRESS: Final = "address"  # in what is known of a name
_MOST_SHOWN: Final = 200  # characters of the address in a name, which has 255 at most


def subject_of(memory: Mapping[str, Any], address: str) -> str:
    """What Salesforce calls the customer; `memory` is what is known of the conversation on one of the org's lanes."""
    found = memory.get(SUBJECT)
    return found if isinstance(found, str) else address


def address_of(stored: Transaction, lane: str, channel_id: str, subject: str) -> str:
    """The address, as it is now, of the customer whom Salesforce calls so."""
    found = stored.conversations.of(lane, _named(channel_id, subject)).memory.get(_ADDRESS)
    return found if isinstance(found, str) else stored.addresses.known(channel_id, EndUser(address=Address(subject)))


def moved(stored: Transaction, lanes: Collection[str], channel_id: str, old: str, new: str, *, mark: str) -> None:
    """The customer has the new address now, and takes along what is known of their conversation and what waits to be sent. `mark`: makes the next one's name at
    the old address one that nobody had."""
    conversations = stored.conversations
    before, after = f"{channel_id}/{old}", f"{channel_id}/{new}"
    other = f"{old[:_MOST_SHOWN]}~{mark}"
    for lane in lanes:
        known = dict(conversations.of(lane, before).memory)
        subject = subject_of(known, old)
        conversations.remember(lane, after, {**known, SUBJECT: subject})
        conversations.remember(lane, before, {**dict.fromkeys(known), SUBJECT: other})
        conversations.remember(lane, _named(channel_id, subject), {_ADDRESS: new})
        conversations.remember(lane, _named(channel_id, other), {_ADDRESS: old})
        stored.outbox.readdress(lane, before, after)


def _named(channel_id: str, subject: str) -> str:
    return f"{channel_id} {subject}"  # no channel's id has a space
