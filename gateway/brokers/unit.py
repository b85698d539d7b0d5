"""The unit of work: whatever changes sessions goes through it, in one transaction. Read the facts, let the rules decide, write all of the decision, and then
what follows from it.

What follows is offering waiting work to reps who got free. It waits in a queue and is done before `do` returns, so one decision never runs inside another.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Final, NamedTuple, TypeVar

from adapters.envelope import Address, ChannelId, MediaPart, Notice, OutboundFile, Say
from adapters.text import Splitting, prepare, split
from gateway.brokers.ground import Done, Ground, channel_facts, org_of
from gateway.config import Org
from gateway.session.audience import audiences_of_entry, audiences_of_session, audiences_of_signal
from gateway.session.commands import Command, CustomerSaid, Invite, Reconcile, RelayedSaid, Route, ThreadChanged
from gateway.session.decide import decide, open_handed_over, open_relayed, open_session
from gateway.session.decision import Decision, Facts, Outgoing, Refusal, SetTimer
from gateway.session.model import (
    ChannelFacts,
    RecipientType,
    Session,
    SessionId,
    Status,
)
from gateway.store.contract import Transaction

V = TypeVar("V")
# After somebody becomes free, at most this many waiting sessions of a queue are looked at in the same transaction; sessions that all have
# passed on are among them, and ask again by their own timers.
_MOST_LOOKED_AT: Final = 200


class _Free(NamedTuple):
    """A rep who may take work. `anew`: they came online or finished a session, so sessions that all reps have passed on are offered again."""

    org: str
    login: str
    anew: bool


class Unit:
    """See the module."""

    def __init__(self, transaction: Transaction, ground: Ground, splitting: Splitting = split) -> None:
        self.stored, self.ground, self.now = transaction, ground, transaction.now
        self._splitting = splitting
        self._free: deque[_Free] = deque()

    def rehearse(self, session: Session, command: Command) -> None:
        """Decide as `do` would, and make the messages that would go out. Nothing is written, so it can be done beside the writer."""
        decided = self._decided(session, command)
        if not isinstance(decided, Refusal):
            for one in decided.outgoing:
                self._messages(decided.session, one)

    def do(self, session: Session | None, command: Command) -> Done | Refusal:
        """The command's effect on the session; None: it opens one, on the channel of the message or handover that it brings."""
        decided = self._decided(session, command)
        if isinstance(decided, Refusal):
            return decided
        # A start does what it must, and nobody did anything: the session keeps its place in the lists of latest activity.
        self._write(session, decided, quiet=isinstance(command, Reconcile))
        self._follow_up()
        after = self.stored.sessions.load(decided.session.id) or decided.session
        return Done(after, decided.entries, decided.invitation, decided.warning)

    def carry_out(self, session: Session, decision: Decision) -> None:
        """Write what was decided elsewhere, by the rules."""
        self._write(session, decision, quiet=False)
        self._follow_up()

    def offer_work(self, org: str, login: str) -> None:
        """The rep came online."""
        self._free.append(_Free(org, login, anew=True))
        self._follow_up()

    # ------------------------------------------------------------------------------------------------------------ facts

    def facts(self, session: Session, *, words: bool = False) -> Facts:
        """What the rules may know for this session: of its own org and of nothing else (E1), whatever the config has made of its
        channel. People's presence and load are read when asked for. `words`: the customer's latest words and attributes, for a flow's conditions."""
        ground = self.ground
        facts = self._facts(org_of(ground.orgs, session.org), channel_facts(ground.channels, session))
        if not words:
            return facts
        attributes = self.stored.conversations.attributes(session.channel_id, session.end_user.id)
        return facts._replace(latest_text=self.stored.sessions.latest_text(session.id), attributes=attributes)

    def _facts(self, org: Org, channel: ChannelFacts) -> Facts:
        grace, stored, steady = org.settings.disconnect_grace_seconds, self.stored, self.ground.steady
        return Facts(
            now=self.now,
            new_id=self.ground.new_id,
            settings=org.settings,
            channel=channel,
            reps=org.reps,
            queues=org.queues,
            flows=org.flows,
            presence=_ByLogin(org, lambda login: stored.reps.presence(org.id, login, steady=steady, grace_seconds=grace)),
            load=_ByLogin(org, lambda login: stored.sessions.load_of(org.id, login)),
        )

    @cached_property
    def _steady(self) -> datetime:
        """`now` by the steady clock."""
        return self.ground.steady()

    def _decided(self, session: Session | None, command: Command) -> Decision | Refusal:
        if session is not None:
            return decide(session, command, self.facts(session, words=_asks_a_flow(command)))
        new = SessionId(self.ground.new_id("ses"))
        if isinstance(command, ThreadChanged):
            return open_handed_over(new, command, self._facts_to_open(command.handover.channel_id))
        if isinstance(command, CustomerSaid):
            facts = self._facts_to_open(command.message.channel_id)
            return open_session(new, command.message, facts, earlier=command.earlier)
        if isinstance(command, RelayedSaid):
            return open_relayed(new, command, self._facts_to_open(command.channel_id))
        raise TypeError(f"{type(command).__name__} opens no session")

    def _facts_to_open(self, channel_id: str) -> Facts:
        channel = self.ground.channels[channel_id]
        return self._facts(self.ground.orgs[channel.config.org], channel.facts)

    # ---------------------------------------------------------------------------------------------------------- writing

    def _write(self, before: Session | None, decision: Decision, *, quiet: bool) -> None:
        """All of it: session, entries, outbox rows, timers and what desks are told."""
        after, stored, fault = decision.session, self.stored, self.ground.fault
        if after is not before:
            stored.sessions.save(after, before=before, quiet=quiet)
            stored.sessions.append(after.id, decision.entries)
            fault("entries_written")
            self._note_work(before, after)
        for one in decision.outgoing:
            self._queue(after, one)
        fault("outbox_written")
        for timer in decision.timers:
            if isinstance(timer, SetTimer):
                fires_at = timer.due_at + (self._steady - self.now)
                stored.timers.set(after.id, timer.kind, timer.ref, timer.due_at, fires_at)
            else:
                stored.timers.cancel(after.id, timer.kind, timer.ref)
        self._tell(before, decision)
        fault("events_written")
        if after.broker and (holder := self.ground.holder_of(after)) is not None:
            holder.relay(self, before, decision)
            fault("relayed")

    def _note_work(self, before: Session | None, after: Session) -> None:
        """Who came in, and who has capacity again."""
        if before is not None and after.same_people(before):
            return
        known = {rep.id for rep in before.reps} if before else set()
        for rep in after.reps:
            if rep.id not in known:
                self.stored.reps.took_work(after.org, rep.id)
        if before is None:
            return
        for login in _busy(before) - _busy(after):
            passed = before.offer is not None and before.offer.rep == login  # declined it, or let it lapse
            self._free.append(_Free(after.org, login, anew=not passed))

    def _tell(self, before: Session | None, decision: Decision) -> None:
        after, add = decision.session, self.stored.events.add
        about = {"org": after.org, "session_id": str(after.id)}
        settings = org_of(self.ground.orgs, after.org).settings
        for entry in decision.entries:
            audience = audiences_of_entry(entry, after, settings)
            add(**about, type="entry", audience=audience, data={"number": entry.number})
        if after is not before:
            add(**about, type="session", audience=audiences_of_session(after, before), data={})
        for signal in decision.signals:
            add(**about, type=signal.type, audience=audiences_of_signal(signal), data=dict(signal.data))

    def _queue(self, session: Session, outgoing: Outgoing) -> None:
        """One outbox row for each message that the customer will see."""
        media_id = outgoing.file.media_id if outgoing.file else None
        if media_id:
            self.stored.media.belongs(media_id, session.id, outgoing.entry_number, session.channel_id)
        for one in self._messages(session, outgoing):
            fresh = {"id": self.ground.new_id("msg" if one.kind == "say" else "ntc"), "retry_key": str(uuid.uuid4())}
            self.stored.outbox.add(
                one.model_copy(update=fresh),
                org=session.org,
                session_id=session.id,
                entry_number=outgoing.entry_number,
                media_id=media_id if isinstance(one, Say) and one.file else None,
            )

    def _messages(self, session: Session, outgoing: Outgoing) -> Sequence[Say | Notice]:
        message = self._message(session, outgoing)
        if isinstance(message, Notice):
            return [message]
        return prepare(message, self.ground.channels[session.channel_id].adapter.capabilities, self._splitting)

    def _message(self, session: Session, outgoing: Outgoing) -> Say | Notice:
        address, channel_id = Address(session.end_user.id), ChannelId(session.channel_id)
        if outgoing.kind == "notice":
            return Notice(
                id="",
                retry_key="",
                created_at=self.now,
                to=address,
                channel_id=channel_id,
                code=outgoing.code or "waiting",
                text=outgoing.text or "",
                about=outgoing.about,
            )
        answered = outgoing.reply_to
        return Say(
            id="",
            retry_key="",
            created_at=self.now,
            to=address,
            channel_id=channel_id,
            text=outgoing.text,
            file=self._file(outgoing.file) if outgoing.file else None,
            speaker=outgoing.speaker,
            reply_to=self.stored.message_ids.of_entry(session.id, answered) if answered else None,
            human=outgoing.human,
        )

    def _file(self, part: MediaPart) -> OutboundFile:
        name = part.name or "file"
        return OutboundFile(
            name=name,
            mime_type=part.mime_type or "application/octet-stream",
            size_bytes=part.size_bytes or 0,
            url=self.ground.links.absolute(part.media_id or "", name, self.now),
        )

    # ----------------------------------------------------------------------------------------------------- what follows

    def _follow_up(self) -> None:
        """Whoever may take work is offered the waiting sessions of their queues, oldest first, until they have as many as they can."""
        while self._free:
            free = self._free.popleft()
            org = org_of(self.ground.orgs, free.org)
            if free.login in org.reps:
                self._offer(org, free)

    def _offer(self, org: Org, free: _Free) -> None:
        rep = org.reps[free.login]
        command = Route(became_free=rep.login if free.anew else None)
        sessions = self.stored.sessions
        for queue in sorted(org.queues_of(free.login)):
            for session_id in sessions.to_route(org.id, queue, _MOST_LOOKED_AT):
                session = sessions.load(session_id)
                if session is None or not self.ground.serves(session):
                    continue
                if session.broker:
                    if (holder := self.ground.holder_of(session)) is not None:
                        holder.came_free(self, session, anew=free.anew)
                    continue
                facts = self.facts(session)
                if facts.load[free.login] >= rep.capacity:
                    return
                decided = decide(session, command, facts)
                if not isinstance(decided, Refusal) and decided.session is not session:
                    self._write(session, decided, quiet=False)


class _ByLogin(Mapping[str, V]):
    """Something of an org's reps that is read when it is asked for. It answers for every login."""

    def __init__(self, org: Org, read: Callable[[str], V]) -> None:
        self._org, self._read = org, read

    def __getitem__(self, login: str) -> V:
        return self._read(login)

    def __iter__(self) -> Iterator[str]:
        return iter(self._org.reps)

    def __len__(self) -> int:
        return len(self._org.reps)


def _busy(session: Session) -> set[str]:
    offered = {str(session.offer.rep)} if session.offer else set()
    return offered | ({rep.id for rep in session.reps} if session.status is Status.active else set())


def _asks_a_flow(command: Command) -> bool:
    return isinstance(command, Invite) and command.recipient.type is RecipientType.flow
