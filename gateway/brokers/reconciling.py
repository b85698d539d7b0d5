"""What the config changes for stored data: judged here once, for `byoc check --data`, the report at the start, and the
deed (`carry_out`).

`judge` only reads, and may look at the file of a running gateway, or of an older one. Doing what it says is one transaction for each
session and a few for the rest; the channels' owners are recorded last. So a start that dies in between is made again, and finds what is left.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from adapters.envelope import Address, EndUser, InboundMessage
from gateway.brokers import receipts
from gateway.brokers.ground import Gone, Ground, channel_facts, gone_by, org_of
from gateway.brokers.unit import Unit
from gateway.config import Channel, Org
from gateway.session.admission import p6_limit
from gateway.session.commands import CustomerSaid, Reconcile
from gateway.session.decision import Facts
from gateway.session.model import EntryKind, Role, Session
from gateway.session.reconciling import Loss, Lost, losses
from gateway.store.contract import ChannelWas, OutboxRow, Over, Place, Standing, Store, Transaction, Waiting, Why

_AT_A_TIME: Final = 200
_MOST_HANDED_ON: Final = 100


class Undeliverable(NamedTuple):
    """What becomes of a message whose channel is gone: one that was not called out, and one whose call was cut off."""

    unsent: Over
    cut: Over


def _undeliverable(code: str, unsent: str, cut: str) -> Undeliverable:
    return Undeliverable(Over("failed", Why(code, unsent)), Over("unknown", Why(code, cut)))


# By the change of the channel. docs/codes.md has the codes.
UNSENT: Mapping[Gone, Undeliverable] = {
    "removed": _undeliverable(
        "channel_removed",
        "The channel was removed from the gateway before this message was sent. Contact the customer another way, or resend it when the channel is back.",
        "The channel was removed while this message was being sent, so the customer may or may not have it. Ask them before you resend it.",
    ),
    "moved": _undeliverable(
        "channel_moved",
        "The channel now belongs to another organisation, so this message was not sent. Contact the customer another way.",
        "The channel was moved to another organisation while this message was being sent, so the customer may or may not have it.",
    ),
    "kind_changed": _undeliverable(
        "channel_kind_changed",
        "The channel's kind has changed, so this message was not sent. Contact the customer another way.",
        "The channel's kind changed while this message was being sent, so the customer may or may not have it.",
    ),
}


class Moved(NamedTuple):
    """A channel that another org has now."""

    channel_id: str
    before: str
    now: str


class Unsent(NamedTuple):
    """Messages that will not go out."""

    what: Waiting
    gone: Gone


class Judged(NamedTuple):
    """All of it. `findings` are sentences for operators, the gravest first; the rest is what there is to do."""

    findings: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    unsent: tuple[Unsent, ...] = ()
    moved: tuple[Moved, ...] = ()
    kind_changed: tuple[str, ...] = ()


class _Group(NamedTuple):
    lost: Lost
    channel_id: str
    org: str
    about: str


def judge(stored: Transaction, channels: Mapping[str, Channel], orgs: Mapping[str, Org]) -> Judged:
    """What the config makes of the stored sessions and messages. Reads only."""
    were = stored.standing.channels_were()
    moved = tuple(
        Moved(key, were[key].org, channel.config.org)
        for key, channel in channels.items()
        if key in were and were[key].org != channel.config.org
    )
    kind_changed = tuple(key for key, channel in channels.items() if key in were and were[key].kind != channel.config.kind)
    counts: defaultdict[_Group, int] = defaultdict(int)
    to_do: list[str] = []
    for session_id in dict.fromkeys(_suspects(stored.standing, channels, orgs)):
        session = stored.sessions.load(session_id)
        if session is None:
            continue
        found = losses(session, _facts(session, channels, orgs, stored.now))
        if any(loss.lost is not Lost.room for loss in found):
            to_do.append(session.id)
        for group in {_group(session, loss) for loss in found}:
            counts[group] += 1
    waiting = stored.standing.waiting()
    unsent = tuple(Unsent(what, lost) for what in waiting if (lost := _row_gone(what, channels, kind_changed)))
    told = [
        *_of_channels(moved, kind_changed, were, channels, counts),
        *(_sentence(group, count, channels, orgs) for group, count in sorted(counts.items(), key=_gravity)),
        *(_unsent_sentence(one) for one in unsent),
        *(
            _astray_sentence(what)
            for what in waiting
            if _is_astray(what, channels) and not _row_gone(what, channels, kind_changed)
        ),
    ]
    return Judged(tuple(told), tuple(to_do), unsent, moved, kind_changed)


def channels_are(channels: Mapping[str, Channel]) -> Mapping[str, ChannelWas]:
    """To be recorded when all is done."""
    return {key: ChannelWas(channel.config.org, channel.config.kind) for key, channel in channels.items()}


async def carry_out(judged: Judged, store: Store, ground: Ground) -> None:
    """Do what `judge` found to do; where it was done already, nothing happens. Raises StoreUnavailable."""
    for start in range(0, len(judged.sessions), _AT_A_TIME):
        ids = judged.sessions[start : start + _AT_A_TIME]
        await asyncio.gather(*(store.write(lambda stored, one=one: _reconcile(Unit(stored, ground), one)) for one in ids))  # type: ignore[misc]
    for one in judged.unsent:
        while await store.write(lambda stored, one=one: _give_up_some(Unit(stored, ground), one)):  # type: ignore[misc]
            pass
    for channel_id in judged.kind_changed:
        await store.write(lambda stored, key=channel_id: stored.conversations.forget_all(key))  # type: ignore[misc]
    for channel_id, _, _ in judged.moved:
        await store.write(lambda stored, key=channel_id: stored.conversations.forget_words(key))  # type: ignore[misc]
        while await store.write(lambda stored, key=channel_id: stored.conversations.forget_persons(key, _AT_A_TIME)):  # type: ignore[misc]
            pass


def _reconcile(unit: Unit, session_id: str) -> None:
    session = unit.stored.sessions.load(session_id)
    if session is None:
        return
    facts = unit.facts(session)
    is_handed_on = any(loss.lost is Lost.broker_changed for loss in losses(session, facts))
    unanswered = _unanswered(unit, session) if is_handed_on else ()
    unit.do(session, Reconcile())
    if unanswered:
        unit.do(None, CustomerSaid(message=unanswered[-1], earlier=unanswered[:-1]))


def _unanswered(unit: Unit, session: Session) -> tuple[InboundMessage, ...]:
    """What the customer wrote since a rep last did: it waits for an answer of the new broker's."""
    found: list[InboundMessage] = []
    address = EndUser(address=Address(session.end_user.id), name=session.end_user.name, locale=session.locale)
    for entry, change in unit.stored.sessions.newest_first(session.id):
        if entry.kind is not EntryKind.message or entry.sender is None or len(found) == _MOST_HANDED_ON:
            continue
        if entry.sender.role is not Role.end_user:
            break
        if entry.parts and change != "deleted":
            found.append(
                InboundMessage(
                    channel_id=session.channel_id,
                    event_id=f"handed on {session.id} {entry.number}",
                    end_user=address,
                    received_at=entry.at,
                    message_id=str(entry.details.get("message_id", "")),
                    parts=entry.parts,
                )
            )
    return tuple(reversed(found))


def _give_up_some(unit: Unit, one: Unsent) -> int:
    rows = unit.stored.outbox.open_of(one.what, _AT_A_TIME)
    for row in rows:
        give_up(unit, row, one.gone)
    return len(rows)


def give_up(unit: Unit, row: OutboxRow, lost: Gone) -> None:
    """The config leaves no way to send it. Where the process died in its call, the customer may have it."""
    unit.stored.outbox.give_up(row, UNSENT[lost].unsent if row.lost_at is None else UNSENT[lost].cut)
    receipts.tell_delivery(unit, row)


def _suspects(standing: Standing, channels: Mapping[str, Channel], orgs: Mapping[str, Org]) -> Iterator[str]:
    """Every session that may have lost something; `losses` judges each."""
    for place in standing.places():
        if _is_suspect(place, channels, orgs):
            yield from standing.sessions_in(place)
    for org_id, login in standing.reps():
        if login not in org_of(orgs, org_id).reps:
            yield from standing.sessions_with(org_id, login)
    yield from standing.sessions_that_ask()
    limits = [p6_limit(orgs[channel.config.org].settings, channel.facts) for channel in channels.values()]
    if limits:
        yield from standing.conferences(min(limits))


def _is_suspect(place: Place, channels: Mapping[str, Channel], orgs: Mapping[str, Org]) -> bool:
    lost = gone_by(channels, place.channel_id, place.org, place.kind)
    if lost is not None:
        return lost != "removed" or not place.set_aside
    if channels[place.channel_id].facts.broker != place.broker:
        return True
    queue_gone = place.queue is not None and place.queue not in org_of(orgs, place.org).queues
    queue_given = place.queue is None and channels[place.channel_id].config.queue is not None
    return place.set_aside or queue_gone or queue_given


def _facts(session: Session, channels: Mapping[str, Channel], orgs: Mapping[str, Org], now: datetime) -> Facts:
    org = org_of(orgs, session.org)
    return Facts(
        now=now,
        new_id=lambda prefix: prefix,
        settings=org.settings,
        channel=channel_facts(channels, session),
        reps=org.reps,
        queues=org.queues,
        flows=org.flows,
        presence={},
        load={},
    )


def _row_gone(what: Waiting, channels: Mapping[str, Channel], kind_changed: tuple[str, ...]) -> Gone | None:
    key = what.about or what.channel_id
    channel = channels.get(key)
    if channel is None:
        return None if what.about else "removed"  # of calls, the lane says so itself
    if channel.config.org != what.org:
        return "moved"
    return "kind_changed" if key in kind_changed else None


def _is_astray(what: Waiting, channels: Mapping[str, Channel]) -> bool:
    """Calls to a broker elsewhere that no longer controls the channel."""
    channel = channels.get(what.about)
    broker = channel.facts.broker if channel is not None else ""
    return bool(what.about) and what.channel_id != broker and not what.channel_id.startswith(f"{broker}:")


# ---------------------------------------------------------------------------------------------------- sentences


def _group(session: Session, loss: Loss) -> _Group:
    about = loss.about if loss.lost in (Lost.queue_removed, Lost.queue_given, Lost.rep_removed) else ""
    return _Group(loss.lost, session.channel_id, session.org, about)


def _gravity(one: tuple[_Group, int]) -> tuple[int, str, str, str]:
    group = one[0]
    return (list(Lost).index(group.lost), group.channel_id, group.org, group.about)


def _of_channels(
    moved: tuple[Moved, ...],
    kind_changed: tuple[str, ...],
    were: Mapping[str, ChannelWas],
    channels: Mapping[str, Channel],
    counts: Mapping[_Group, int],
) -> Iterator[str]:
    """Channels that changed hands or kind without an open session: what is known of their people goes all the same."""
    with_sessions = {group.channel_id for group in counts if group.lost in (Lost.channel_moved, Lost.channel_kind_changed)}
    for key, before, now in moved:
        if key not in with_sessions:
            yield f"Channel {key} moves from org {before} to org {now}: no session is open. What org {before} learned about its customers is forgotten."
    for key in kind_changed:
        if key not in with_sessions:
            kind = channels[key].config.kind
            yield f"Channel {key} changes from kind {were[key].kind} to {kind}: no session is open. What was stored about its customers is forgotten."


def _sentence(group: _Group, count: int, channels: Mapping[str, Channel], orgs: Mapping[str, Org]) -> str:
    lost, key, org, about = group
    n = f"{count} open session{'' if count == 1 else 's'}"
    channel = channels.get(key)
    queue = channel.config.queue if channel else None
    if lost is Lost.channel_moved:
        to = channel.config.org if channel else ""
        history = (
            "keeps the history" if org in orgs else "is not in the config, so nobody can read the history until it is added again"
        )
        return f"Channel {key} moves to org {to}: {n} of org {org} will end. Org {org} {history}. A customer's next message opens a session in org {to}."
    if lost is Lost.channel_kind_changed:
        return f"Channel {key} changes its kind: {n} will end. A customer's next message opens a new session."
    if lost is Lost.broker_changed:
        now = channel.facts.broker if channel else ""
        by = f"{now.replace('salesforce:', 'Salesforce org ')} controls" if now else "The gateway itself controls"
        return f"{by} channel {key} now: {n} will end. A customer's next message opens a new session, and what nobody has answered goes with it."
    if lost is Lost.channel_removed:
        return (
            f"Channel {key} is not in the config: {n} of org {org} will be inactive and free their reps. "
            "They can be read and ended; when the channel is back, they continue."
        )
    if lost is Lost.channel_back:
        return f"Channel {key} is back in the config: {n} of org {org} will continue as they were."
    if lost is Lost.queue_removed:
        becomes = f"will move to queue {queue}" if queue else "will have no queue, so they are offered to nobody"
        return f"Org {org} has no queue {about}: {n} on channel {key} {becomes}."
    if lost is Lost.queue_given:
        return f"Channel {key} has a queue now: {n} without one will move to queue {about}."
    if lost is Lost.offer:
        return f"{n} on channel {key} offered to a rep who can no longer take it: the offer will go to the next rep."
    if lost is Lost.invitation:
        return f"{n} on channel {key} with an invitation that some or all recipients can no longer answer: it will be withdrawn for them."
    if lost is Lost.rep_removed:
        return f"Rep {about} is not in org {org}: they will leave {n} on channel {key}. An active session without another rep waits in its queue."
    return f"{n} on channel {key} with more reps than the limit: all stay, and nobody else can be invited."


def _unsent_sentence(one: Unsent) -> str:
    what, code = one.what, UNSENT[one.gone].unsent.why.code
    n = f"{what.messages} message{'' if what.messages == 1 else 's'}"
    by = f"channel {what.about} to {what.channel_id}" if what.about else f"channel {what.channel_id}"
    return f"{n} of org {what.org} waiting to be sent on {by} will not be sent and get the code {code}."


def _astray_sentence(what: Waiting) -> str:
    n = f"{what.messages} call{'' if what.messages == 1 else 's'}"
    return (
        f"{n} of channel {what.about} waiting for {what.channel_id}, which no longer controls the channel, will not be made: they get the code channel_removed, "
        "or wait while that Salesforce org is not in the config."
    )
