"""Who a webhook of WhatsApp's is about: numbers, business-scoped ids, and the cards that name people.

Source: Meta for Developers, WhatsApp Cloud API, "Business-scoped user IDs" (May 2026).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from adapters._meta.webhook import dict_of, list_of, text_of
from adapters.envelope import Address, EndUser

# A business-scoped user id: country, dot, letters and digits (`ES.ENT.…` for linked portfolios).
_SCOPED: Final = re.compile(r"^[A-Z]{2}\.")

Contacts: TypeAlias = Mapping[str, dict[str, Any]]


def is_scoped(address: str) -> bool:
    """Whether an address is a business-scoped user id rather than a phone number."""
    return _SCOPED.match(address) is not None


def person(number: object, scoped: object, parent: object = None, contact: dict[str, Any] | None = None) -> EndUser | None:
    """The person behind a number and ids; None where nothing names one.

    The business-scoped id comes first: people with a username have no number any more (then missing, or `""`, or `from` holds
    the id). All the others are aliases.
    """
    contact = contact or {}
    named = [
        text_of(one)
        for one in (number, scoped, parent, contact.get("wa_id"), contact.get("user_id"), contact.get("parent_user_id"))
    ]
    found = list(dict.fromkeys(one for one in named if one))
    if not found:
        return None
    found.sort(key=_preference)
    profile = dict_of(contact.get("profile"))
    return EndUser(
        address=Address(found[0]),
        aliases=tuple(Address(one) for one in found[1:]),
        name=text_of(profile.get("name")),
        username=(text_of(profile.get("username")) or "").removeprefix("@") or None,
    )


def _preference(address: str) -> int:
    if not is_scoped(address):
        return 1
    return 2 if ".ENT." in address else 0


def contacts_in(value: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """`contacts[]` by number and by scoped id; the only one also by `""`, for messages that name nobody."""
    cards = [card for card in map(dict_of, list_of(value.get("contacts"))) if card]
    known = {key: card for card in reversed(cards) for key in (text_of(card.get("wa_id")), text_of(card.get("user_id"))) if key}
    return known | ({"": cards[0]} if len(cards) == 1 else {})


def contact_of(contacts: Contacts, number: object, scoped: object) -> dict[str, Any]:
    """The card of a person; the only one, where the ids name nobody."""
    ids = [key for key in (text_of(number), text_of(scoped)) if key]
    return next((contacts[key] for key in ids or [""] if key in contacts), {})


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
    return next((one for one in (end_user.address, *end_user.aliases) if not is_scoped(one)), None)
