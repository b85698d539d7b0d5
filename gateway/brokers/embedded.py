"""The session broker that needs only its own store.

Every command is one transaction: read the session, decide, write all of the decision, keep the idempotent answer and the audit, or
change nothing. So find-or-open, first acceptance wins and last rep can't leave hold whatever the race.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from functools import cache, partial
from typing import Any, Final, NamedTuple, TypeVar

from adapters.envelope import Inbound, InboundTyping, MediaPart, MediaState
from adapters.text import Splitting, split
from gateway.backoff import LONGEST_BACKOFF
from gateway.brokers import commands, intake, presence
from gateway.brokers.commands import NOT_FOUND
from gateway.brokers.contract import PASSING, Caller, Effect, Event, Line, ReportedEvent
from gateway.brokers.deliveries import StoredMedia, StoredOutbox
from gateway.brokers.ground import Ground, of_the_broker
from gateway.brokers.hub import Hub
from gateway.brokers.lanes import StoredLanes
from gateway.brokers.persons import StoredProfiles
from gateway.brokers.portions import in_portions, run_filing
from gateway.brokers.reconciling import Judged, carry_out, channels_are, judge
from gateway.brokers.timers import run_timers
from gateway.brokers.typing_signals import TypingRelay
from gateway.brokers.unit import Unit
from gateway.brokers.views import entries_page, session_for, sessions_page, shown
from gateway.clock import Clock
from gateway.doorbell.contract import Doorbell, Signals
from gateway.errors import StoreUnavailable
from gateway.session.commands import Asked, SayToCustomer
from gateway.session.decision import Refusal
from gateway.session.destinations import Destination, t3_destinations
from gateway.session.model import AuditRecord, Page, Presence, Purpose, RecipientType, RepPresence, Session, Status
from gateway.session.saying import Typing, m5_rep_types
from gateway.sharing.alone import AllMine
from gateway.sharing.contract import Share
from gateway.store.contract import Store, Transaction, Wanted
from gateway.store.files import FileStore
from gateway.store.together import Together

T = TypeVar("T")
_log = logging.getLogger(__name__)
# A message follows its upload within the same call: after a day nothing can come to name the file any more.
_UNNAMED_FILES_KEPT: Final = timedelta(days=1)
_FILES_AT_A_TIME: Final = 500
_LONG_TEXT: Final = 4_000  # code points: up to this, splitting takes less than a reader's round
_RECORDS_AT_A_TIME: Final = 300  # of each kind: the writer is held for some milliseconds
_EVENTS_AT_LEAST: Final = 6  # of a batch, before it gives way to a command: a few milliseconds


class _Commanded(NamedTuple):
    """What somebody wants done in a session; empty: it is about none."""

    session_id: str
    work: Callable[[Transaction], Any]


class EmbeddedBroker:
    """See `gateway.brokers.contract.Broker`, whose methods these are."""

    def __init__(
        self,
        store: Store,
        ground: Ground,
        bell: Doorbell,
        clock: Clock,
        files: FileStore,
        *,
        share: Share | None = None,
        signals: Signals | None = None,
    ) -> None:
        """`share`, `signals`: of a process that shares the store with others."""
        self.store = store
        self._share = share = share or AllMine()
        self._ground, self._bell, self._clock, self._files = ground, bell, clock, files
        self._commands: Together[_Commanded, Any] = Together(store, _execute)
        self._streams = presence.Streams(store, ground)
        self.hub = Hub(store, ground, bell)
        self.typing_relay = TypingRelay(ground, self.hub, clock, bell, share, signals)
        self.outbox = StoredOutbox(store, clock, ground, files, self.typing_relay.take, share)
        self.media = StoredMedia(store, ground, files)
        self.profiles = StoredProfiles(store, ground)
        self.lanes = StoredLanes(store, ground, self.take_in)
        self.run_presence = self._streams.run
        self.run_adrift = self._streams.run_adrift
        self.run_timers = partial(run_timers, store, ground, bell)
        self.run_filing = partial(run_filing, store)

    async def open(self, also: Callable[[Judged], Awaitable[None]] | None = None) -> None:
        """Open the store, and take over what is in it."""
        await self.store.open()
        await self.take_over(also)

    async def take_over(self, also: Callable[[Judged], Awaitable[None]] | None = None, *, first: bool = True) -> None:
        """Make what is stored fit the config (`gateway.brokers.reconciling`); `also` does what else is to be done of that
        elsewhere, before the config counts as taken over. `first`: no other process works on the store. Then no event stream is open: those who had one get the
        grace time (L5)."""
        ground = self._ground
        judged = await self.store.read(lambda stored: judge(stored, ground.channels, ground.orgs))
        for sentence in judged.findings:
            _log.warning("%s", sentence, extra={"action": "config.orphans"})
        with of_the_broker():
            await carry_out(judged, self.store, ground)
        if also is not None:
            await also(judged)
        await self._write(lambda stored: stored.standing.record_channels(channels_are(ground.channels)))
        if first:
            await self._write(self._start_anew)

    def _start_anew(self, stored: Transaction) -> None:
        steady = self._ground.steady().timestamp()
        stored.timers.begin_anew()
        stored.outbox.begin_anew(steady + LONGEST_BACKOFF)
        stored.media.begin_anew(steady + LONGEST_BACKOFF)
        stored.reps.begin_anew(steady)
        self._streams.begin_anew(stored)

    async def close(self) -> None:
        """Commit pending work and close."""
        await self.store.close()

    async def ready(self) -> None:
        """See the contract."""
        with of_the_broker():
            await self.store.ready()

    async def _write(self, job: Callable[[Transaction], T], *, patient: bool = False, by: str | None = None) -> T:
        with of_the_broker():
            return await self.store.write(job, patient=patient, by=by)

    # ------------------------------------------------------------------------------------------- customers

    async def take_in(
        self,
        inbound: Sequence[Inbound | ReportedEvent],
        *,
        also: Callable[[Transaction, Sequence[Exception | None]], None] | None = None,
        by: str | None = None,
    ) -> Sequence[Exception | None]:
        """See the contract. `also` is done in the same transaction, with the results of those that were applied. `by`: see `Store.write`."""
        kept = [one for one in inbound if one.kind not in PASSING]
        # In one commit: of two, the first could fail and the second succeed, and later messages would come first.
        applied = await self._write(partial(self._apply, kept, also), patient=True, by=by) if kept else ()
        left, results = deque(applied), list[Exception | None]()
        for one in inbound:
            if one.kind in PASSING:
                results.append(await self._types(one))
            elif left:
                results.append(left.popleft())
            else:  # it has to wait, and what came after it, too
                break
        return results

    def _apply(
        self,
        events: Sequence[Inbound | ReportedEvent],
        also: Callable[[Transaction, Sequence[Exception | None]], None] | None,
        stored: Transaction,
    ) -> Sequence[Exception | None]:
        if len(events) > 1 or stored.distant:
            self._read_ahead(events, stored)
        jobs = [partial(self._take_one_in, stored, one) for one in events]
        results = stored.each(jobs, at_least=_EVENTS_AT_LEAST)
        if also is not None:
            also(stored, results)
        return results

    def _take_one_in(self, stored: Transaction, one: Inbound | ReportedEvent) -> None:
        unit = Unit(stored, self._ground)
        if isinstance(one, ReportedEvent):
            self._ground.holders[one.channel_id].apply(unit, one)
        else:
            intake.take_in(unit, one)

    def _read_ahead(self, events: Sequence[Inbound | ReportedEvent], stored: Transaction) -> None:
        by_channel: dict[str, list[Inbound]] = {}
        for one in events:
            if not isinstance(one, ReportedEvent):
                by_channel.setdefault(one.channel_id, []).append(one)
        for channel_id, some in sorted(by_channel.items()):  # in one order everywhere, for what is locked
            if channel := self._ground.channels.get(channel_id):
                stored.read_ahead(some, channel.config.org)

    async def _types(self, typing: Inbound | ReportedEvent) -> Exception | None:
        if isinstance(typing, InboundTyping):
            return await self._customer_types(typing)
        return await self._rep_types(typing) if isinstance(typing, ReportedEvent) else None

    async def _rep_types(self, typing: ReportedEvent) -> Exception | None:
        holder = self._ground.holders[typing.channel_id]
        try:
            found = await self.store.read(lambda stored: holder.rep_types(stored, typing))
        except StoreUnavailable:
            return None
        except Exception as error:
            return error
        if found is not None:
            self.typing_relay.relayed(*found)
        return None

    async def _customer_types(self, typing: InboundTyping) -> Exception | None:
        org = self._ground.channels[typing.channel_id].config.org

        def read(stored: Transaction) -> Session | None:
            address = stored.addresses.known(typing.channel_id, typing.end_user) if typing.end_user else ""
            return stored.sessions.newest_of_address(typing.channel_id, address, org)

        try:
            session = await self.store.read(read)
        except StoreUnavailable:
            return None  # its loss is nothing
        except Exception as error:
            return error
        if session is not None and session.status is not Status.ended:
            self.typing_relay.from_customer(session, typing.on)
            holder = self._ground.holder_of(session)
            signal = holder.customer_types(session, typing.on) if holder is not None else None
            if signal is not None:
                self.typing_relay.relayed(session, signal)
        return None

    # -------------------------------------------------------------------------------------------- commands

    async def command(self, caller: Caller, session_id: str, command: Asked, *, key: str | None = None) -> Effect | Refusal:
        """See the contract."""
        long = isinstance(command, SayToCustomer) and len(command.text or "") > _LONG_TEXT
        splitting = await self._rehearsed(caller, session_id, command) if long else split
        return await self._commanded(lambda unit: commands.execute(unit, caller, session_id, command, key), session_id, splitting)

    async def _rehearsed(self, caller: Caller, session_id: str, command: Asked) -> Splitting:
        """`split`, which knows already what the command will split. That takes milliseconds, in which the writer could write nothing: so a reader decides first.
        What turns out differently when the writer decides, it splits itself."""
        splitting = cache(split)
        with of_the_broker():
            await self.store.read(
                lambda stored: commands.rehearse(Unit(stored, self._ground, splitting), caller, session_id, command)
            )
        return splitting

    async def resend(self, caller: Caller, session_id: str, outbox_id: str, *, key: str | None = None) -> Effect | Refusal:
        """See the contract."""
        return await self._commanded(lambda unit: commands.resend(unit, caller, session_id, outbox_id, key), session_id)

    async def _commanded(self, work: Callable[[Unit], T], session_id: str = "", splitting: Splitting = split) -> T:
        with of_the_broker():
            do = _Commanded(session_id, lambda stored: work(Unit(stored, self._ground, splitting)))
            done: T = await self._commands.do(do)
        return done

    async def typing(self, caller: Caller, session_id: str, on: bool) -> Refusal | None:
        """See the contract."""

        def read(stored: Transaction, session: Session) -> tuple[Session, Typing] | Refusal:
            typing = m5_rep_types(session, caller.login, Unit(stored, self._ground).facts(session))
            return typing if isinstance(typing, Refusal) else (session, typing)

        found = await self._seen(caller, session_id, read)
        if isinstance(found, Refusal):
            return found
        self.typing_relay.from_rep(found[0], caller, found[1], on)
        return None

    async def store_file(self, caller: Caller, name: str, mime_type: str, content: bytes) -> MediaPart:
        """See the contract."""
        media_id = self._ground.new_id("med")
        family = mime_type.partition("/")[0]
        part = MediaPart(
            media=family if family in ("image", "video", "audio") else "file",  # type: ignore[arg-type]
            state=MediaState.ready,
            mime_type=mime_type,
            name=name,
            size_bytes=len(content),
            media_id=media_id,
        )
        await self._write(lambda stored: stored.media.add(media_id, part, org=caller.org))
        # After the row, so that bytes which a crash leaves behind have one, and `purge` finds them. Nobody knows the id before we return.
        await self._files.write(media_id, content)
        return part

    # --------------------------------------------------------------------------------------------- reading

    async def sessions(
        self, caller: Caller, *, status: Status | None, mine: bool, q: str | None, cursor: str | None, limit: int
    ) -> Page[Session]:
        """See the contract."""
        wanted = Wanted(
            org=caller.org,
            login=caller.login,
            everything=caller.supervisor,
            queues=self._ground.orgs[caller.org].queues_of(caller.login),
            mine=mine,
            status=status,
            q=(q or "").strip(),
        )
        return await self.store.read(
            lambda stored: sessions_page(stored, self._ground, caller, wanted, cursor=cursor, limit=limit)
        )

    async def _seen(self, caller: Caller, session_id: str, read: Callable[[Transaction, Session], T | Refusal]) -> T | Refusal:
        """Read something of a session that the caller may see."""

        def job(stored: Transaction) -> T | Refusal:
            session = session_for(stored, self._ground, caller, session_id)
            return read(stored, session) if session is not None else NOT_FOUND

        return await self.store.read(job)

    async def session(self, caller: Caller, session_id: str) -> Session | Refusal:
        """See the contract."""
        return await self._seen(caller, session_id, lambda _, session: shown(session, self._ground, caller))

    async def entries(
        self, caller: Caller, session_id: str, *, before: int | None, after: int | None, limit: int
    ) -> Page[Line] | Refusal:
        """See the contract."""
        read = partial(entries_page, ground=self._ground, caller=caller, before=before, after=after, limit=limit)
        return await self._seen(caller, session_id, lambda stored, session: read(stored, session=session))

    async def destinations(
        self, caller: Caller, session_id: str, *, purpose: Purpose, type: RecipientType, q: str, cursor: str | None, limit: int
    ) -> Page[Destination] | Refusal:
        """See the contract."""

        def read(stored: Transaction, session: Session) -> Page[Destination] | Refusal:
            facts = Unit(stored, self._ground).facts(session, words=type is RecipientType.flow)
            return t3_destinations(session, facts, caller.login, purpose=purpose, type=type, q=q, cursor=cursor, limit=limit)

        return await self._seen(caller, session_id, read)

    async def audit(self, caller: Caller, session_id: str, *, cursor: str | None, limit: int) -> Page[AuditRecord] | Refusal:
        """See the contract."""
        if not caller.supervisor:
            return Refusal("permission_denied", "Only supervisors can read the audit. Ask one.", {"missing": ["supervisor"]})
        return await self._seen(caller, session_id, lambda stored, _: stored.records.audit_page(session_id, cursor, limit))

    async def position(self, caller: Caller) -> int:
        """See the contract."""
        return await self.hub.newest()

    def events(self, caller: Caller, after: int | None) -> AsyncIterator[Sequence[Event]]:
        """See the contract."""
        return self.hub.listen(caller, after)

    # -------------------------------------------------------------------------------------------- presence

    async def presence(self, caller: Caller) -> RepPresence:
        """See the contract."""
        steady, grace = self._ground.steady, self._ground.orgs[caller.org].settings.disconnect_grace_seconds
        return await self.store.read(
            lambda stored: stored.reps.presence(caller.org, caller.login, steady=steady, grace_seconds=grace)
        )

    async def set_presence(self, caller: Caller, status: Presence) -> RepPresence:
        """See the contract."""
        await self._commanded(lambda unit: presence.set_presence(unit, caller, status))
        return await self.presence(caller)

    async def connected(self, caller: Caller) -> None:
        """See the contract."""
        await self._streams.opened(caller.org, caller.login)

    async def disconnected(self, caller: Caller) -> None:
        """See the contract."""
        await self._streams.closed(caller.org, caller.login)

    # ---------------------------------------------------------------------------------------- throwing away

    async def purge(self) -> None:
        """Throw away what is older than it need be, a portion at a time."""
        with of_the_broker():
            await in_portions(self.store, lambda stored: stored.records.purge(_RECORDS_AT_A_TIME))
        before = (self._clock() - _UNNAMED_FILES_KEPT).timestamp()
        # The bytes first: what a crash leaves in between is rows, which the next purge takes up again.
        while media_ids := await self.store.read(lambda stored: stored.media.unnamed(before, _FILES_AT_A_TIME)):
            await self._files.delete(media_ids)
            await self._write(lambda stored, ids=media_ids: stored.media.forget(ids))  # type: ignore[misc]


def _execute(stored: Transaction, commands: Sequence[_Commanded]) -> list[Any]:
    if stored.distant and (about := list(dict.fromkeys(one.session_id for one in commands if one.session_id))):
        stored.read_ahead_sessions(about)
    return stored.each([partial(one.work, stored) for one in commands])
