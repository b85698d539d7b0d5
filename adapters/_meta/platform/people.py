"""Whom a Messenger Platform event is about, and how an answer names them.

A person is known by an id that is theirs on this Page. Somebody who came through the checkbox plugin and hasn't written yet has none: only a `user_ref` of the
site's making, which an answer must name as such. When they write, `prior_message.identifier` joins the two.
Source: Meta for Developers, Messenger Platform, "Checkbox plugin", "Send API > recipient" (read 2026). Some samples of postbacks have
`sender.user_ref`, too.
"""

from __future__ import annotations

from typing import Any, Final

from adapters import made
from adapters._meta.webhook import text_of
from adapters.envelope import Address, EndUser, OutboundEvent
from adapters.reading import dict_of

_REF: Final = "user_ref:"
_OWN_ID: Final = "person_id"  # memory: the id of somebody whose conversation began under a `user_ref`


def customer_of(item: dict[str, Any], own_id: str) -> EndUser | None:
    """Whoever of sender and recipient isn't we; None where nobody is named."""
    sides = dict_of(item.get("sender")), dict_of(item.get("recipient"))
    for side in sides:
        found = text_of(side.get("id"))
        if found is not None and found != own_id:
            prior = text_of(dict_of(item.get("prior_message")).get("identifier"))
            return made.end_user(address=Address(found), aliases=(Address(f"{_REF}{prior}"),) if prior else ())
    for holder in (*sides, dict_of(item.get("optin"))):
        if ref := text_of(holder.get("user_ref")):
            return made.end_user(address=Address(f"{_REF}{ref}"))
    return None


def remembered(end_user: EndUser) -> dict[str, Any]:
    """What answers need to name the person by their own id, where the conversation may have begun under a `user_ref`."""
    return {_OWN_ID: end_user.address} if any(one.startswith(_REF) for one in end_user.aliases) else {}


def recipient(message: OutboundEvent) -> dict[str, str]:
    """The `recipient` of a call."""
    if not message.to.startswith(_REF):
        return {"id": message.to}
    known = message.memory.get(_OWN_ID)
    return {"id": known} if isinstance(known, str) else {"user_ref": message.to.removeprefix(_REF)}


def has_profile(end_user: EndUser) -> bool:
    """Whether Meta can be asked who it is."""
    return not end_user.address.startswith(_REF)
