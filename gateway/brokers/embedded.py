"""The session broker that needs nothing but a file: SQLite, one writer, many callers' work in one commit.

Every command is one job of the writer: read the session, `decide`, write all of the decision, keep the idempotent answer and the audit, or
change nothing. So find-or-open, first acceptance wins and last rep can't leave hold whatever the race.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

from pydantic import TypeAdapter

from adapters.envelope import Inbound, InboundTyping, MediaPart, MediaState
from gateway.backoff import LONGEST_BACKOFF
from gateway.brokers import intake
from gateway.brokers.applying import apply, route_for
from gateway.brokers.contract import Answer, AuditRecord, Caller, Destination, Event, Line, Page
from gateway.brokers.deliveries import StoredMedia, StoredOutbox
from gateway.brokers.ground import Ground
from gateway.brokers.hub import Hub
from gateway.brokers.persons import StoredPeople
from gateway.brokers.reading import command_session_for, entries_page, session_for, shown
from gateway.brokers.reconciling import Judged, channels_are, judge
from gateway.brokers.typing_signals import TypingRelay
from gateway.clock import Clock
from gateway.config import Org
from gateway.doorbell.contract import Doorbell
from gateway.errors import BrokerUnavailable, StoreUnavailable
from gateway.session.commands import Command, Invite, Reconcile, RepConnected, RepDisconnected, RepUnavailable, TimerFired
from gateway.session.decide import decide
from gateway.session.decision import Refusal
from gateway.session.destinations import t3_destinations
from gateway.session.door import e2_fingerprint, e2_same_command
from gateway.session.inviting import name_of
from gateway.session.model import Login, Presence, Purpose, RecipientType, RepPresence, Session, Status
from gateway.session.saying import Typing, m5_rep_types
from gateway.store import conversations, events, media, outbox, people, records, sessions, standing, timers
from gateway.store.group_commit import GroupCommit, together
from gateway.store.media import MediaFolder
from gateway.store.readers import Readers

T = TypeVar("T")
_log = logging.getLogger(__name__)
_PRESENCE_SECONDS: Final = 1.0
_ANSWER: TypeAdapter[Answer | Refusal] = TypeAdapter(Answer | Refusal)
# A message follows its upload within the same call: after a day nothing can come to name the file any more.
_UNNAMED_FILES_KEPT: Final = timedelta(days=1)
_FILES_AT_A_TIME: Final = 500
_RECONCILED_AT_A_TIME: Final = 200
_NOT_FOUND = Refusal("session_not_found", "There is no such session, or you may not see it. Choose one from your list.")


class EmbeddedBroker:
    """See `gateway.brokers.contract.Broker`, whose methods these are."""

    def __init__(self, data_dir: Path, ground: Ground, bell: Doorbell, clock: Clock, folder: MediaFolder) -> None:
        path = data_dir / "sessions.db"
        self._ground, self._bell, self._clock, self._folder = ground, bell, clock, folder
        self._streams: Counter[tuple[str, str]] = Counter()  # open event streams by (org, login): what is so
        self._writer = GroupCommit(path, migrations="gateway.store.migrations.sessions", fault=ground.fault)
        self._readers = Readers(path)
        self.hub = Hub(self._readers, ground, bell, clock)
        self.typing_relay = TypingRelay(ground, self.hub, clock)
        self.outbox = StoredOutbox(self._writer, self._readers, bell, clock, ground, folder, self.typing_relay.take)
        self.media = StoredMedia(self._writer, self._readers, bell, clock, ground, folder)
        self.people = StoredPeople(self._writer, self._readers, bell, clock, ground)

    async def open(self, also: Callable[[Judged], Awaitable[None]] | None = None) -> None:
        """Open the file, and make what is stored fit the config (`gateway.brokers.reconciling`); `also` does what else is to be done of that
        elsewhere, before the config counts as taken over. After a restart no event stream is open: those who had one get the
        grace time (L5)."""
        await self._writer.open()
        await self._readers.open()
        await self.hub.start()
        await self._reconcile(also)
        await self._write(self._start_anew)

    def _start_anew(self, connection: sqlite3.Connection) -> None:
        now = self._ground.steady().timestamp()
        timers.begin_anew(connection)
        outbox.begin_anew(connection, now + LONGEST_BACKOFF)
        media.begin_anew(connection, now + LONGEST_BACKOFF)
        people.begin_anew(connection, now)
        for org, login in people.all_connected(connection):
            self._note_connection(connection, org, login)

    async def _reconcile(self, also: Callable[[Judged], Awaitable[None]] | None) -> None:
        ground = self._ground
        judged = await self._readers.run(lambda c: judge(c, ground.channels, ground.orgs, self._clock()))
        for sentence in judged.findings:
            _log.warning("%s", sentence, extra={"action": "config.orphans"})
        for start in range(0, len(judged.sessions), _RECONCILED_AT_A_TIME):
            ids = judged.sessions[start : start + _RECONCILED_AT_A_TIME]
            await asyncio.gather(*(self._write(lambda c, one=one: self._reconcile_one(c, one)) for one in ids))  # type: ignore[misc]
        for one in judged.unsent:
            while await self._write(lambda c, one=one: self.outbox.give_up(c, one, _RECONCILED_AT_A_TIME)):  # type: ignore[misc]
                pass
        for channel_id in judged.kind_changed:
            await self._write(lambda c, key=channel_id: conversations.forget_all(c, key))  # type: ignore[misc]
        for channel_id, _, _ in judged.moved:
            await self._write(lambda c, key=channel_id: conversations.forget_words(c, key))  # type: ignore[misc]
            while await self._write(lambda c, key=channel_id: conversations.forget_persons(c, key, _RECONCILED_AT_A_TIME)):  # type: ignore[misc]
                pass
        if also is not None:
            await also(judged)
        await self._write(lambda c: standing.record_channels(c, channels_are(ground.channels)))

    def _reconcile_one(self, connection: sqlite3.Connection, session_id: str) -> None:
        session, now = sessions.load(connection, session_id), self._clock()
        if session is None:
            return
        decided = decide(session, Reconcile(), self._ground.facts(connection, session, now))
        if not isinstance(decided, Refusal):
            apply(connection, self._ground, session, decided, now, quiet=True)

    async def close(self) -> None:
        """Commit pending work and close."""
        await self._writer.close()
        await self._readers.close()

    async def ready(self) -> None:
        """See the contract."""
        try:
            await self._writer.ready()
        except StoreUnavailable as error:
            raise BrokerUnavailable(str(error)) from error

    async def _write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await self._writer.run(job)
        except StoreUnavailable as error:
            raise BrokerUnavailable(str(error)) from error

    # ------------------------------------------------------------------------------------------- customers

    async def take_in(self, inbound: Sequence[Inbound]) -> Sequence[Exception | None]:
        """See the contract."""
        kept = [one for one in inbound if not isinstance(one, InboundTyping)]
        # In one commit: were it two, the first could fail and the second succeed, and what was said later would stand first.
        applied = iter(await self._write(together([self._intake_job(one) for one in kept])) if kept else ())
        if kept:
            self._ring()
        return [await self._customer_types(one) if isinstance(one, InboundTyping) else next(applied) for one in inbound]

    def _intake_job(self, one: Inbound) -> Callable[[sqlite3.Connection], None]:
        return lambda connection: intake.take_in(connection, self._ground, one, self._clock())

    async def _customer_types(self, typing: InboundTyping) -> Exception | None:
        org = self._ground.channels[typing.channel_id].config.org
        try:
            session = await self._readers.run(
                lambda c: sessions.newest_of_address(c, typing.channel_id, intake.known_address(c, typing), org)
            )
        except StoreUnavailable:
            return None  # its loss is nothing
        except Exception as error:
            return error
        if session is not None and session.status is not Status.ended:
            self.typing_relay.from_customer(session, typing.on)
        return None

    # -------------------------------------------------------------------------------------------- commands

    async def command(self, caller: Caller, session_id: str, command: Command, *, key: str | None = None) -> Answer | Refusal:
        """See the contract."""
        answer = await self._write(lambda c: self._execute(c, caller, session_id, command, key))
        self._ring()
        return answer

    def _execute(
        self, connection: sqlite3.Connection, caller: Caller, session_id: str, command: Command, key: str | None
    ) -> Answer | Refusal:
        def work() -> Answer | Refusal:
            now = self._clock()
            session = command_session_for(connection, self._ground, caller, session_id)
            if session is None:
                return _NOT_FOUND
            answer = self._decided(connection, caller, session, command, now)
            self._audit(connection, caller, session_id, command, answer, now)
            return answer

        return self._once(connection, caller, key, e2_fingerprint(session_id, command), work)

    def _once(
        self,
        connection: sqlite3.Connection,
        caller: Caller,
        key: str | None,
        fingerprint: str,
        work: Callable[[], Answer | Refusal],
    ) -> Answer | Refusal:
        """E2: with a key, the first answer is kept in the transaction of its effect, and given again."""
        if key is None:
            return work()
        first = records.first_answer(connection, caller.org, caller.login, key)
        if first is not None:
            return e2_same_command(first[0], fingerprint) or _ANSWER.validate_json(first[1])
        answer = work()
        text = _ANSWER.dump_json(answer).decode()
        records.keep_answer(connection, caller.org, caller.login, key, fingerprint, text, self._clock().timestamp())
        self._ground.fault("answer_kept")
        return answer

    def _audit(
        self,
        connection: sqlite3.Connection,
        caller: Caller,
        session_id: str,
        command: Command,
        answer: Answer | Refusal,
        now: datetime,
    ) -> None:
        records.audit(
            connection,
            org=caller.org,
            session_id=session_id,
            login=caller.login,
            command=type(command).__name__,
            outcome=answer.code if isinstance(answer, Refusal) else "done",
            details=_audited(command, self._ground.orgs[caller.org]),
            now=now.timestamp(),
        )

    def _decided(
        self, connection: sqlite3.Connection, caller: Caller, session: Session, command: Command, now: datetime
    ) -> Answer | Refusal:
        facts = self._ground.facts(connection, session, now, words=_asks_a_flow(command))
        decided = decide(session, command, facts)
        if isinstance(decided, Refusal):
            return decided
        apply(connection, self._ground, session, decided, now)
        after = sessions.load(connection, session.id) or decided.session
        return Answer(
            session=shown(after, self._ground, caller),
            entry=decided.entries[0] if decided.entries else None,
            invitation=decided.invitation,
            warning=decided.warning,
        )

    async def typing(self, caller: Caller, session_id: str, on: bool) -> Refusal | None:
        """See the contract."""

        def read(connection: sqlite3.Connection) -> tuple[Session, Typing] | Refusal:
            session = session_for(connection, self._ground, caller, session_id)
            if session is None:
                return _NOT_FOUND
            typing = m5_rep_types(session, caller.login, self._ground.facts(connection, session, self._clock()))
            return typing if isinstance(typing, Refusal) else (session, typing)

        found = await self._readers.run(read)
        if isinstance(found, Refusal):
            return found
        self.typing_relay.from_rep(found[0], caller, found[1], on)
        self._bell.ring("outbox")
        return None

    async def resend(self, caller: Caller, session_id: str, outbox_id: str, *, key: str | None = None) -> Answer | Refusal:
        """See the contract."""
        fingerprint = f"resend {session_id} {outbox_id}"
        answer = await self._write(
            lambda c: self._once(c, caller, key, fingerprint, lambda: self._resend(c, caller, session_id, outbox_id))
        )
        self._ring()
        return answer

    def _resend(self, connection: sqlite3.Connection, caller: Caller, session_id: str, outbox_id: str) -> Answer | Refusal:
        session = session_for(connection, self._ground, caller, session_id)
        row = connection.execute("SELECT session_id FROM outbox WHERE id = ?", (outbox_id,)).fetchone()
        if session is None or row is None or row["session_id"] != session_id:
            return _NOT_FOUND
        if not session.has_rep(caller.login) and not caller.supervisor:
            return Refusal("not_a_participant", "Only a rep in the session can resend. Join it first.")
        if not self._ground.serves(session):
            sentence = "The channel no longer belongs to this session, so nothing can be sent through it. Contact the customer another way."
            return Refusal("not_resendable", sentence)
        if not self.outbox.requeue(connection, outbox_id):
            sentence = (
                "This message hasn't failed, or the customer ended the conversation before it was sent. Send a new one instead."
            )
            return Refusal("not_resendable", sentence)
        return Answer(session=shown(session, self._ground, caller))

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
        now = self._clock().timestamp()
        await self._write(
            lambda c: media.add(c, media_id, part, org=caller.org, channel_id=None, session_id=None, entry_number=None, now=now)
        )
        # After the row, so that bytes which a crash leaves behind have one, and `purge` finds them. Nobody knows the id before we return.
        await asyncio.to_thread(self._folder.write, media_id, content)
        return part

    # --------------------------------------------------------------------------------------------- reading

    async def sessions(
        self, caller: Caller, *, status: Status | None, mine: bool, q: str | None, cursor: str | None, limit: int
    ) -> Page[Session]:
        """See the contract."""
        queues = self._ground.orgs[caller.org].queues_of(caller.login)
        page = await self._readers.run(
            lambda c: sessions.page(
                c,
                org=caller.org,
                login=caller.login,
                everything=caller.supervisor,
                queues=queues,
                mine=mine,
                status=status,
                q=q,
                cursor=cursor,
                limit=limit,
            )
        )
        return Page(tuple(shown(one, self._ground, caller) for one in page.items), page.next)

    async def session(self, caller: Caller, session_id: str) -> Session | Refusal:
        """See the contract."""
        found = await self._readers.run(lambda c: session_for(c, self._ground, caller, session_id))
        return shown(found, self._ground, caller) if found else _NOT_FOUND

    async def entries(
        self, caller: Caller, session_id: str, *, before: int | None, after: int | None, limit: int
    ) -> Page[Line] | Refusal:
        """See the contract."""

        def read(connection: sqlite3.Connection) -> Page[Line] | Refusal:
            session = session_for(connection, self._ground, caller, session_id)
            if session is None:
                return _NOT_FOUND
            return entries_page(
                connection, self._ground, caller, session, before=before, after=after, limit=limit, now=self._clock()
            )

        return await self._readers.run(read)

    async def destinations(
        self, caller: Caller, session_id: str, *, purpose: Purpose, type: RecipientType, q: str, cursor: str | None, limit: int
    ) -> Page[Destination] | Refusal:
        """See the contract."""

        def read(connection: sqlite3.Connection) -> Page[Destination] | Refusal:
            session = session_for(connection, self._ground, caller, session_id)
            if session is None:
                return _NOT_FOUND
            facts = self._ground.facts(connection, session, self._clock(), words=type is RecipientType.flow)
            return t3_destinations(session, facts, caller.login, purpose=purpose, type=type, q=q, cursor=cursor, limit=limit)

        return await self._readers.run(read)

    async def audit(self, caller: Caller, session_id: str, *, cursor: str | None, limit: int) -> Page[AuditRecord] | Refusal:
        """See the contract."""
        if not caller.supervisor:
            return Refusal("permission_denied", "Only supervisors can read the audit. Ask one.", {"missing": ["supervisor"]})
        found = await self._readers.run(lambda c: session_for(c, self._ground, caller, session_id))
        if found is None:
            return _NOT_FOUND
        return await self._readers.run(lambda c: records.audit_page(c, session_id, cursor, limit))

    async def position(self, caller: Caller) -> int:
        """See the contract."""
        return self.hub.position

    def events(self, caller: Caller, after: int | None) -> AsyncIterator[Event]:
        """See the contract."""
        return self.hub.listen(caller, after)

    # -------------------------------------------------------------------------------------------- presence

    async def presence(self, caller: Caller) -> RepPresence:
        """See the contract."""
        grace = self._ground.orgs[caller.org].settings.disconnect_grace_seconds
        return await self._readers.run(lambda c: people.StoredPresence(c, caller.org, self._ground.steady(), grace)[caller.login])

    async def set_presence(self, caller: Caller, status: Presence) -> RepPresence:
        """See the contract."""

        def write(connection: sqlite3.Connection) -> None:
            now = self._clock()
            people.set_presence(connection, caller.org, caller.login, status, now)
            data = {"login": caller.login, "status": status.value}
            audience = {f"rep:{caller.login}", "supervisors"}
            events.add(
                connection, org=caller.org, session_id=None, type="presence", audience=audience, data=data, now=now.timestamp()
            )
            if status is Presence.online:
                route_for(connection, self._ground, caller.org, caller.login, now)
            else:
                for session_id in sessions.sessions_of_rep(connection, caller.org, caller.login, "offered", "asked"):
                    self._apply_quietly(connection, session_id, RepUnavailable(by=caller.login), now)

        await self._write(write)
        self._ring()
        return await self.presence(caller)

    async def connected(self, caller: Caller) -> None:
        """See the contract."""
        key = (caller.org, caller.login)
        self._streams[key] += 1
        if self._streams[key] == 1:
            await self._connection_changed(key)

    async def disconnected(self, caller: Caller) -> None:
        """See the contract."""
        key = (caller.org, caller.login)
        self._streams[key] -= 1
        if self._streams[key] <= 0:
            del self._streams[key]
            await self._connection_changed(key)

    async def _connection_changed(self, key: tuple[str, str]) -> None:
        """Write it down; where that fails, `run_presence` does it later."""
        try:
            await self._write(lambda c: self._note_connection(c, *key))
        except BrokerUnavailable as error:
            _log.warning("presence not written yet", extra={"action": "presence.wait", "login": key[1], "reason": str(error)})
        self._ring()

    def _note_connection(self, connection: sqlite3.Connection, org: str, login: str) -> None:
        """L5: bring what is written of a rep's connections up to what is so, with all that follows from it; whoever comes first does it."""
        connected = self._streams[org, login] > 0
        if connected == people.is_connected(connection, org, login):
            return
        now = self._clock()
        people.set_connected(connection, org, login, connected, self._ground.steady())
        if connected and org in self._ground.orgs:
            route_for(connection, self._ground, org, login, now)
        command = RepConnected(by=Login(login)) if connected else RepDisconnected(by=Login(login))
        for session_id in sessions.sessions_of_rep(connection, org, login, "in"):
            self._apply_quietly(connection, session_id, command, now)

    async def run_presence(self) -> None:
        """L5: look again and again whether what is written of connections is so, until cancelled: a write may have failed."""
        while True:
            try:
                written = await self._readers.run(people.all_connected)
                for key in written ^ {key for key, count in self._streams.items() if count > 0}:
                    await self._write(lambda c, key=key: self._note_connection(c, *key))  # type: ignore[misc]
                    self._ring()
            except (StoreUnavailable, BrokerUnavailable):
                pass  # `_connection_changed` has told
            await asyncio.sleep(_PRESENCE_SECONDS)

    def _apply_quietly(self, connection: sqlite3.Connection, session_id: str, command: Command, now: datetime) -> None:
        session = sessions.load(connection, session_id)
        if session is None:
            return
        decided = decide(session, command, self._ground.facts(connection, session, now))
        if not isinstance(decided, Refusal):
            apply(connection, self._ground, session, decided, now)

    # ---------------------------------------------------------------------------------------------- timers

    async def run_timers(self) -> None:
        """Fire timers as they fall due, until cancelled; those that fell due while nobody ran fire now."""
        while True:
            now = self._ground.steady().timestamp()
            due = await self._readers.run(lambda c, now=now: timers.due(c, now))  # type: ignore[misc]
            for timer in due:
                await self._write(lambda c, timer=timer: self._fire(c, timer))  # type: ignore[misc]
            if due:
                self._ring()
                continue
            upcoming = await self._readers.run(timers.next_due)
            seconds = 5.0 if upcoming is None else min(5.0, max(0.01, upcoming - self._ground.steady().timestamp()))
            await self._bell.wait("timers", seconds)

    def _fire(self, connection: sqlite3.Connection, timer: timers.DueTimer) -> None:
        if timers.take(connection, timer):
            due_at = datetime.fromtimestamp(timer.due_at, UTC)
            fired = TimerFired(kind=timer.kind, ref=timer.ref, due_at=due_at)  # type: ignore[arg-type]
            self._apply_quietly(connection, timer.session_id, fired, self._clock())

    async def purge(self) -> None:
        """Throw away what is older than it need be."""
        now = self._clock()
        await self._write(lambda c: records.purge(c, now))
        await self._purge_files((now - _UNNAMED_FILES_KEPT).timestamp())

    async def _purge_files(self, before: float) -> None:
        """The bytes first: what a crash leaves in between is rows, which the next purge takes up again."""
        while media_ids := await self._readers.run(lambda c: media.unnamed(c, before, _FILES_AT_A_TIME)):
            await asyncio.to_thread(self._folder.delete, media_ids)
            await self._write(lambda c, ids=media_ids: media.forget(c, ids))  # type: ignore[misc]

    async def read(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """For operators and metrics: a reading job on the file."""
        return await self._readers.run(job)

    def _ring(self) -> None:
        for topic in ("events", "outbox", "timers", "media", "people"):
            self._bell.ring(topic)


def _asks_a_flow(command: Command) -> bool:
    return isinstance(command, Invite) and command.recipient.type is RecipientType.flow


def _audited(command: Command, org: Org) -> dict[str, object]:
    """What of a command may stand in the audit: never words. Whom it names has a name there, as people read it."""
    dumped: dict[str, object] = command.model_dump(
        mode="json", exclude={"by", "text", "note", "file", "message", "change", "ended"}
    )
    if isinstance(command, Invite):
        dumped["recipient"] = {**command.recipient.model_dump(mode="json"), "name": name_of(command.recipient, org)}
    return dumped
