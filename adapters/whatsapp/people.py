"""Who a webhook of WhatsApp's is about: numbers, business-scoped ids, and the cards that name people.

Sources: Meta for Developers, WhatsApp Cloud API, "Business-scoped user IDs" (May 2026), "Changelog" (2026-08-11: `previous_user_id`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from adapters import made
from adapters._meta.webhook import text_of
from adapters.envelope import Address, EndUser
from adapters.phone_numbers import other_spelling
from adapters.reading import dict_of, list_of

# A business-scoped user id: country, dot, letters and digits (`ES.ENT.…` for linked portfolios).
_SCOPED: Final = re.compile(r"^[A-Z]{2}\.")
# The two ids, or numbers, in WhatsApp's own words about a change: "User Ana changed from … to …".
_IDS_IN_WORDS: Final = re.compile(r"\b[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{6,128}\b")
_NUMBERS_IN_WORDS: Final = re.compile(r"\b[0-9]{7,15}\b")
_CHANGES: Final = ("user_changed_number", "user_changed_user_id")

# Which of a person's addresses comes first.
_SCOPED_ID: Final = 0
_NUMBER: Final = 1
_LINKED: Final = 2

Contacts: TypeAlias = Mapping[str, dict[str, Any]]


def is_scoped(address: str) -> bool:
    """Whether an address is a business-scoped user id rather than a phone number."""
    return address[2:3] == "." and _SCOPED.match(address) is not None


def person(
    number: object, scoped: object, parent: object = None, contact: dict[str, Any] | None = None, before: Sequence[object] = ()
) -> EndUser | None:
    """The person behind a number and ids; None if nothing names one. `before`: what they had before a change that the event reports.

    The business-scoped id comes first: people with a username have no number any more (then missing, or `""`, or `from` holds
    the id). All the others are aliases. Numbers are lent: somebody else gets them when the person gives them up.
    """
    contact = contact or {}
    named = (number, scoped, parent, contact.get("wa_id"), contact.get("user_id"), contact.get("parent_user_id"))
    found = _each_spelling(named)
    if not found:
        return None
    address, *aliases = sorted(found, key=found.__getitem__)
    formerly = _each_spelling(before) if before else {}
    profile = dict_of(contact.get("profile"))
    return made.end_user(
        address=address,
        aliases=tuple(aliases),
        lent=tuple([one for one, rank in (found | formerly).items() if rank == _NUMBER]),
        formerly=tuple(formerly),
        name=text_of(profile.get("name")),
        username=(text_of(profile.get("username")) or "").removeprefix("@") or None,
    )


def _each_spelling(addresses: Iterable[object]) -> dict[Address, int]:
    """Each once, with its rank; a number in both its spellings: Brazil's ninth digit, the mobile digit of Argentina and Mexico."""
    found: dict[Address, int] = {}
    for one in addresses:
        address = text_of(one)
        if address is None or address in found:
            continue
        if is_scoped(address):
            found[Address(address)] = _LINKED if ".ENT." in address else _SCOPED_ID
            continue
        found[Address(address)] = _NUMBER
        if other := other_spelling(address):
            found[Address(other)] = _NUMBER
    return found


def is_change(message: dict[str, Any]) -> bool:
    """Whether WhatsApp says in its own words that somebody has another number or another business-scoped id."""
    return "system" in message and text_of(dict_of(message["system"]).get("type")) in _CHANGES


def changed(message: dict[str, Any], contacts: Contacts) -> EndUser | None:
    """The person with another number or id, as they are reached from now on; None where nothing names one.

    Fields differ from sample to sample: without `from`, with `from_user_id` (the old id, or the new one), without
    `system.previous_user_id`. What no field says is read from the words, where they hold just two ids or numbers. Of a changed id `from` is
    taken for the old number: only a number told beside the new id, or in its card, is the person's from now on.
    """
    system = dict_of(message.get("system"))
    number, scoped = text_of(message.get("from")), text_of(message.get("from_user_id"))
    if number is not None and is_scoped(number):
        number, scoped = None, scoped or number
    words = text_of(system.get("body")) or ""
    old_id, new_id = _changed_id(system, scoped, words)
    card = contacts.get(new_id or "", {})
    new_number = text_of(system.get("wa_id")) or text_of(card.get("wa_id"))
    if text_of(system.get("type")) == "user_changed_number":
        said = _two(_NUMBERS_IN_WORDS, words)
        number, new_number = number or said[0], new_number or said[1]
    return person(
        new_number,
        new_id or scoped,
        system.get("parent_user_id"),
        {key: card[key] for key in ("profile", "parent_user_id") if key in card},
        before=(old_id or scoped, number, system.get("previous_parent_user_id")),
    )


def _changed_id(system: dict[str, Any], scoped: str | None, words: str) -> tuple[str | None, str | None]:
    """The old and the new business-scoped id, as far as they are told."""
    old, new = text_of(system.get("previous_user_id")), text_of(system.get("user_id"))
    said = _two(_IDS_IN_WORDS, words)
    new = new or said[1] or (scoped if old and scoped != old else None)
    old = old or said[0] or (scoped if scoped != new else None)
    return old, new


def _two(pattern: re.Pattern[str], words: str) -> tuple[str | None, str | None]:
    found = pattern.findall(words)
    return (found[0], found[1]) if len(found) == 2 else (None, None)


def updated(item: dict[str, Any], contacts: Contacts) -> EndUser | None:
    """The person of a `user_id_update`: it has old and new ids side by side, and a number only if it is known."""
    ids, parents = dict_of(item.get("user_id")), dict_of(item.get("parent_user_id"))
    previous, current = text_of(ids.get("previous")), text_of(ids.get("current"))
    card = contact_of(contacts, current, previous)
    known = {"profile": card["profile"]} if "profile" in card else {}
    before = (previous, parents.get("previous"))
    return person(item.get("wa_id"), current, parents.get("current"), known, before=before)


def contacts_in(value: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """`contacts[]` by number and by scoped id; the only one also by `""`, for messages that name nobody."""
    cards = [card for card in map(dict_of, list_of(value.get("contacts"))) if card]
    known = {"": cards[0]} if len(cards) == 1 else {}
    for card in reversed(cards):
        for name in ("wa_id", "user_id"):
            if key := text_of(card.get(name)):
                known[key] = card
    return known


def contact_of(contacts: Contacts, number: object, scoped: object) -> dict[str, Any]:
    """The card of a person; the only one, where the ids name nobody."""
    ids = [key for key in (text_of(number), text_of(scoped)) if key]
    for key in ids or [""]:
        if key in contacts:
            return contacts[key]
    return {}


def sender_of(message: dict[str, Any], contacts: Contacts) -> EndUser | None:
    """Who wrote a message."""
    number, scoped = message.get("from"), message.get("from_user_id")
    return person(number, scoped, message.get("from_parent_user_id"), contact_of(contacts, number, scoped))


def recipient_of(item: dict[str, Any], contacts: Contacts) -> EndUser | None:
    """Whom a status is about."""
    number, scoped = item.get("recipient_id"), item.get("recipient_user_id")
    parent = item.get("recipient_parent_user_id") or item.get("parent_recipient_user_id")  # seen spelt both ways
    return person(number, scoped, parent, contact_of(contacts, number, scoped))


def number_among(end_user: EndUser) -> str | None:
    """The person's phone number, where it is known."""
    for one in (end_user.address, *end_user.aliases):
        if not is_scoped(one):
            return one
    return None
