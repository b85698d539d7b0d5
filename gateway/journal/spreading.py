"""Where several processes apply what one reads: events go to lanes by their conversation, so that one busy channel is the work of all.

All events of one person on one channel are in one lane, by whatever address they name them: the address that the person is known by here, and what this process
has seen lately (a stranger may be named differently in their first two events). Typing isn't stored, and goes on at once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

from adapters.envelope import Inbound, InboundEvent, InboundReceipt
from gateway.brokers.contract import PASSING, Broker, ReportedEvent
from gateway.clock import elapsed
from gateway.doorbell.contract import Doorbell
from gateway.journal.contract import Lanes, Told
from gateway.journal.giving import Results
from gateway.sharing.contract import Share
from gateway.store.lanes import lane_of

LANES_TOPIC: Final = "lanes"
_MOST_REMEMBERED: Final = 50_000  # addresses
# In lanes. Beyond it webhooks wait where they are, and from their age is told that they come faster than they are applied.
_MOST_WAITING = 10_000
_ROOM_FOR_SECONDS = 0.2  # so long an answer holds


class Spreader:
    """See the module."""

    def __init__(self, lanes: Lanes, broker: Broker, bell: Doorbell, share: Share) -> None:
        """`broker`: for what passes."""
        self._lanes, self._broker, self._bell, self._share = lanes, broker, bell, share
        self._had_room = float("-inf")  # when it was seen
        self._seen: OrderedDict[tuple[str, str], str] = OrderedDict()  # by channel and name, the address that decided on the lane

    async def room(self) -> bool:
        """Whether more may go to lanes now. Raises BrokerUnavailable."""
        if elapsed() - self._had_room < _ROOM_FOR_SECONDS:
            return True
        if not await self._lanes.room(_MOST_WAITING):
            return False
        self._had_room = elapsed()
        return True

    async def spread(self, told: Sequence[Told]) -> Results:
        """Keep them in their lanes; durable on return. Raises BrokerUnavailable."""
        by = self._share.worker
        kept = [one for one in told if one.event.kind not in PASSING]
        addresses = await self._addresses(kept)
        lanes = [lane_of(one.event.channel_id, address) for one, address in zip(kept, addresses, strict=True)]
        if kept:
            await self._lanes.spread(list(zip(lanes, kept, strict=True)), by=by)
            self._bell.ring(LANES_TOPIC)
        passing = [one for one in told if one.event.kind in PASSING]
        if not passing:
            return [None] * len(told)
        results = iter(await self._broker.take_in([one.event for one in passing]))
        return [next(results) if one.event.kind in PASSING else None for one in told]

    async def _addresses(self, told: Sequence[Told]) -> list[str]:
        """By what each goes to its lane."""
        names = [_names(one.event) for one in told]
        strangers = [
            one.event
            for one, theirs in zip(told, names, strict=True)
            if isinstance(one.event, InboundEvent) and theirs and not any(name in self._seen for name in theirs)
        ]
        persons = iter(await self._lanes.persons(strangers) if strangers else ())
        known = {id(event): next(persons) for event in strangers}
        return [self._address(one.event, theirs, known) for one, theirs in zip(told, names, strict=True)]

    def _address(self, event: Inbound | ReportedEvent, names: Sequence[tuple[str, str]], known: Mapping[int, str]) -> str:
        if not names:
            return _what(event)
        seen = next((self._seen[name] for name in names if name in self._seen), None)
        address = seen or known[id(event)]
        for name in names:
            self._seen[name] = address
            self._seen.move_to_end(name)
        while len(self._seen) > _MOST_REMEMBERED:
            self._seen.popitem(last=False)
        return address


def _names(event: Inbound | ReportedEvent) -> list[tuple[str, str]]:
    """By channel, all that the event calls its person."""
    if isinstance(event, ReportedEvent) or event.end_user is None:
        return []
    person = event.end_user
    return [(event.channel_id, name) for name in (person.address, *person.aliases, *person.formerly)]


def _what(event: Inbound | ReportedEvent) -> str:
    """What an event of no person is about."""
    if isinstance(event, ReportedEvent):
        return event.conversation_key
    if isinstance(event, InboundReceipt):
        return next(iter(event.message_ids), event.outbox_id) or event.event_id
    return event.event_id
