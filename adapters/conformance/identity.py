"""Checks that nothing is taken for something else: ids of events and messages, and what receipts and quotations name.

A running gateway drops an event whose id it has seen. So one id for two events loses the second, and two ids for one event double it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from adapters.conformance.cases import require
from adapters.conformance.receiving import parsed
from adapters.conformance.samples import OPENINGS
from adapters.conformance.subject import Subject
from adapters.conformance.world import World
from adapters.contract import Action, CannotAct
from adapters.envelope import Inbound, InboundMessage, InboundReceipt

# Whatever a customer may do beside speaking; what a channel's can't, is passed over.
_DEEDS: Final[tuple[dict[str, Any], ...]] = (
    {"kind": "typing"},
    {"kind": "typing", "on": False},
    {"kind": "read"},
    {"kind": "location", "details": {"latitude": 53.5, "longitude": 10.0}},
    {"kind": "location", "details": {"latitude": 53.5, "longitude": 10.0}},
    {"kind": "choose", "text": "yes", "details": {"id": "yes", "title": "yes"}},
    {"kind": "choose", "text": "yes", "details": {"id": "yes", "title": "yes"}},
)
_AIMED: Final = ("edit", "edit", "react", "react", "unsend")


def check_same_bytes_same_events(subject: Subject) -> None:
    """A redelivery has the same event ids, message ids and addresses; within a request no two events are the same."""
    for case in subject.events:
        first = parsed(subject, case)
        later = replace(case.request, received_at=case.request.received_at + timedelta(days=6))
        again = subject.adapter.parse(later, subject.account)
        require(
            [_identity(one) for one in first] == [_identity(one) for one in again],
            f"{case.name}: other ids on redelivery: {[_identity(one) for one in (*first, *again)]}",
        )
        ids = [one.event_id for one in first]
        require(len(set(ids)) == len(ids) and all(ids), f"{case.name}: event ids are empty or not unique: {ids}")
        for one in first:
            require(
                one.kind == "message" or one.event_id not in _about(one),
                f"{case.name}: a {one.kind} has the id of the message that it speaks of, {one.event_id}: one of them is dropped",
            )


def _identity(event: Inbound) -> tuple[Any, ...]:
    address = event.end_user.address if event.end_user else None
    return event.kind, event.event_id, address, getattr(event, "message_id", None), getattr(event, "message_ids", None)


def _about(event: Inbound) -> set[str]:
    """The ids of messages that an event speaks of."""
    named = [getattr(event, "message_id", None), getattr(event, "outbox_id", None), *getattr(event, "message_ids", ())]
    return {str(one) for one in named if one}


def check_other_events_other_ids(subject: Subject) -> None:
    """All that a customer does has event ids of its own, the same words said twice within a second too; so have all messages, and what is
    answered is told from what is said."""
    world = World(subject)
    for text in ("the same words", "the same words", "other words"):
        world.says_text(text)
    _do_all(world)
    world.hears_text("hello")
    world.hears_text("hello")
    world.does("read")
    world.says_text("the same words")
    events = [one.event_id for one in world.received]
    require(_doubled(events) == [], f"different events have one event id, so all but the first are lost: {_doubled(events)}")
    messages = [one.message_id for one in world.received if isinstance(one, InboundMessage)]
    require(_doubled(messages) == [], f"different messages have one message id: {_doubled(messages)}")
    ours = [one for _, sent in world.sent for one in sent.message_ids]
    require(_doubled(ours) == [], f"`send` returned one id for two messages: {_doubled(ours)}")
    require(not set(ours) & set(messages), f"a message of ours has the id of a customer's: {set(ours) & set(messages)}")


def _do_all(world: World) -> None:
    for deed in _DEEDS:
        world.does(**deed)
    mine = [line.id for line in world.handset() if line.sender == "me"]
    for kind, text in zip(_AIMED, ("changed", "changed again", "👍", "❤", None), strict=True):
        world.does(kind, target=mine[0], text=text)


def _doubled(ids: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return [one for one in ids if one in seen or seen.add(one)]  # type: ignore[func-returns-value]


def check_redelivery_is_the_same_event(subject: Subject) -> None:
    """A webhook that the simulator delivers twice gives the same event ids twice."""
    world = World(subject)
    try:
        calls = world.act(Action(kind="say", customer=subject.customer, text="twice", details={"times": 2}))
    except CannotAct:
        return
    found = [one.event_id for call in calls for one in world.understood(call) if isinstance(one, InboundMessage)]
    require(len(found) >= 2, "`times: 2` gave fewer than two deliveries")
    require(len(set(found)) == 1, f"the same message came with other event ids: {found}")


def check_receipts_find_their_message(subject: Subject) -> None:
    """`send` returns an id for each message. Each simulated receipt names a message by what `send` returned, by our outbox id, or by a time that it was sent before."""
    world = World(subject)
    world.says_text("hello")
    world.hears_text("first")
    world.now += timedelta(seconds=5)
    world.hears_text("second")
    world.does("read")
    if "say.video" in subject.adapter.capabilities.outbound:
        # One provider tells of nothing but videos that were watched to the end.
        world.show(*world.prepared(file=world.file("video/mp4", OPENINGS["video/mp4"].ljust(2_000, b"\x00"), "clip.mp4")))
        world.does("read", target=world.ours()[-1].id)
    for row, sent in world.sent:
        require(sent.message_ids, f"`send` returned no id for a {row.kind}: nothing that names it later will find it")
    receipts = [one for one in world.received if isinstance(one, InboundReceipt)]
    declared = subject.adapter.capabilities.receipts - {"failed"}
    require(receipts or not declared, f"{sorted(declared)} are declared, and the simulator gives no receipt")
    ours = {row.id for row, _ in world.sent} | {one for _, sent in world.sent for one in sent.message_ids}
    for one in receipts:
        found = _about(one) & ours or (one.up_to is not None and one.up_to >= world.sent[0][0].created_at)
        require(
            found,
            f"a {one.status} receipt names {sorted(_about(one)) or one.up_to}, and `send` returned {sorted(ours)}: no row is found",
        )


def check_quotations_name_their_message(subject: Subject) -> None:
    """A customer's answer to a line of ours names what `send` returned; an answer of ours names the customer's message (`say.reply`)."""
    world = World(subject)
    said = world.says_text("which one?")
    theirs = next(line.id for line in world.handset() if line.sender == "me")
    world.hears_text("this one")
    ours = {row.id for row, _ in world.sent} | {one for _, sent in world.sent for one in sent.message_ids}
    if world.does("say", text="yes, that one", target=world.ours()[-1].id):
        quoted = [one.reply_to for one in world.received if isinstance(one, InboundMessage)][-1]
        require(quoted is None or quoted in ours, f"the customer quotes {quoted!r}, and `send` returned {sorted(ours)}")
    if "say.reply" in subject.adapter.capabilities.outbound:
        world.show(*world.prepared(text="about that", reply_to=said.message_id))
        quoted = world.ours()[-1].reply_to
        require(quoted == theirs, f"our answer quotes the line {theirs!r}, and the handset shows it as an answer to {quoted!r}")
