"""Whom a rep may ask (T3)."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import WithJsonSchema

from gateway.edge.api.call import Ask, Call, call
from gateway.edge.api.shapes import DestinationShape, Listing, destination_of, listing_of
from gateway.edge.input import Cursor, Input, Limit, Nothing, Search
from gateway.session.decision import Refusal
from gateway.session.model import Purpose, RecipientType

# `others` is taken in so that the rule can refuse it by its own code (C4, T2); nothing offers it.
AskableType = Annotated[RecipientType, WithJsonSchema({"type": "string", "enum": ["agent", "queue", "flow"]})]


class DestinationsQuery(Input):
    """`q`: part of a name or id."""

    purpose: Purpose = Purpose.invite
    type: AskableType
    q: Search = ""
    cursor: Cursor | None = None
    limit: Limit = 50


@call(
    "GET", "/sessions/{session_id}/destinations", "List possible recipients", tag="conference",
    query=DestinationsQuery, answer=Listing[DestinationShape],
    codes=("permission_denied", "not_a_participant", "conferencing_not_supported", "recipient_type_not_allowed",
           "session_not_active", "conferencing_controlled_by_salesforce", "direct_routing_disabled"),
)  # fmt: skip
async def list_destinations(ask: Ask[Nothing, DestinationsQuery]) -> Listing[DestinationShape] | Refusal:
    """Agents online for messaging with the rights that the channel needs, queues, or flows; never who asks, nor who is in already."""
    asked = ask.query
    page = await ask.broker.destinations(
        ask.caller, ask.session_id, purpose=asked.purpose, type=asked.type, q=asked.q, cursor=asked.cursor, limit=asked.limit
    )
    return page if isinstance(page, Refusal) else listing_of(page, [destination_of(d) for d in page.items])


CALLS: Final[tuple[Call, ...]] = (list_destinations,)
