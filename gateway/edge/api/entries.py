"""The transcript."""

from __future__ import annotations

from typing import Final

from gateway.edge.api.call import Ask, Call, call
from gateway.edge.api.entry_shapes import EntryShape, entry_of
from gateway.edge.api.shapes import Listing, listing_of
from gateway.edge.input import Input, Limit, Nothing, Number
from gateway.session.decision import Refusal


class EntriesQuery(Input):
    """Entries below the number `before`, or above the number `after`; with neither: the newest."""

    before: Number | None = None
    after: Number | None = None
    limit: Limit = 50


@call(
    "GET", "/sessions/{session_id}/entries", "The transcript", tag="sessions",
    query=EntriesQuery, answer=Listing[EntryShape],
)  # fmt: skip
async def list_entries(ask: Ask[Nothing, EntriesQuery]) -> Listing[EntryShape] | Refusal:
    """Entries that the caller may see, oldest first within the page; so numbers may have gaps here. Without `after` the page is the
    newest one (below `before`): `next` is then the `before` of the page of older entries, and `remaining` counts those. With `after`,
    `next` is the `after` of the page that follows."""
    asked = ask.query
    page = await ask.broker.entries(ask.caller, ask.session_id, before=asked.before, after=asked.after, limit=asked.limit)
    return page if isinstance(page, Refusal) else listing_of(page, [entry_of(line) for line in page.items])


CALLS: Final[tuple[Call, ...]] = (list_entries,)
