"""The chat service: each visitor's own stream of lines, and both roads between it and the gateway.

A visitor's action and the event for the gateway's webhook are written in one commit; then the webhook is called,
and only when it has taken it too is the visitor answered. A crash between the two leaves the pending row: the visitor's
repetition, or the sweep at the next start, completes it, and the webhook knows the event by its id. What a visitor is to see
comes as a delivery with our outbox id, and is appended exactly once by it.

The stream has its own numbers, because the transcript's would show gaps at lines that only reps see.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from adapters.webchat import WebchatAccount, wire
from gateway.clock import Clock, Elapsed, elapsed, new_id
from gateway.doorbell.contract import Signals
from gateway.edge.problems import Problem
from gateway.errors import GatewayError
from gateway.store.files import FileStore
from gateway.webchat import tokens
from gateway.webchat.model import Line, Pending, StoredFile, Visitor
from gateway.webchat.relay import Intake, Relay
from gateway.webchat.store import ChatStore, Kept
from gateway.webchat.streams import Streams

T = TypeVar("T")
Body = Mapping[str, Any]
_PRUNE_SECONDS: Final = 3600.0
_FILES_AT_A_TIME: Final = 200
_LINES_AT_A_TIME: Final = 2_000
_MAKE_UP_SECONDS: Final = 2.0
_LATE_SECONDS: Final = 8.0  # between a line's time and its commit, by whichever process's clock
_LINK_LIFE: Final = timedelta(days=1)


class Ended(Exception):
    """The visitor has ended the conversation that the message belongs to."""


class ChatService:
    """One for the process; inside `running` it may be used."""

    def __init__(
        self,
        channels: Mapping[str, WebchatAccount],
        intake: Intake,
        store: ChatStore,
        files: FileStore,
        signals: Signals,
        clock: Clock,
        time: Elapsed = elapsed,
    ) -> None:
        self.channels = channels
        self.streams = Streams(signals)
        self.files = files
        self.now, self.time = clock, time  # what time it is; how long something has taken
        self._store = store
        self._relay = Relay(channels, intake, self._store, clock)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open the store, and look after what was left half done. Raises StoreUnavailable."""
        await self._store.open()
        chores = [
            asyncio.create_task(self._relay.sweep(), name="chat sweep"),
            asyncio.create_task(self._prune(), name="chat prune"),
            *([asyncio.create_task(self._make_up(), name="chat lost rings")] if self._store.shared else []),
        ]
        try:
            yield
        finally:
            self.streams.close_all()
            self.streams.end()
            for chore in chores:
                chore.cancel()
            await asyncio.gather(*chores, return_exceptions=True)
            await self._store.close()

    async def ready(self) -> None:
        """Raises StoreUnavailable when nothing of visitors' can be made durable."""
        await self._store.ready()

    # ------------------------------------------------------------------------------------------- who it is

    async def visitor_of(self, account: WebchatAccount, token: str) -> tuple[Visitor, tokens.Bearer]:
        """Whose token it is. Raises NotProven."""
        bearer = tokens.read(account, token, self.now())
        visitor = await self._store.read(lambda kept: kept.visitor(account.channel_id, bearer.visitor_id))
        if visitor is None or visitor.visitor_id != bearer.visitor_id or visitor.generation != bearer.generation:
            raise tokens.NotProven("the token is no longer valid")
        return visitor, bearer

    async def start(
        self, account: WebchatAccount, known: Visitor | None, identity: tokens.Identity | None, told: Body
    ) -> Visitor:
        """The visitor of a session: the one of the token, the one who is proven, both in one, or a new one. Reps who talk with them already are
        told who it is."""
        fresh = Visitor(account.channel_id, new_id("v"))
        proven = (identity.subject, identity.profile) if identity else None

        def job(kept: Kept) -> tuple[Visitor, Visitor | None, list[Pending]]:
            before = known or (kept.visitor_of_subject(account.channel_id, proven[0]) if proven else None)
            visitor, ended = kept.session(known, proven, fresh, told)
            if visitor.last_seq and (before is None or _known_as(before) != _known_as(visitor)):
                kept.queue(visitor, {"id": new_id("who"), "type": "profile", "at": kept.now.isoformat()})
            return visitor, ended, kept.pending(visitor)

        visitor, ended, pending = await self._store.write(job)
        if ended:
            self.streams.close(ended.key)
        with contextlib.suppress(Problem):  # then the next event brings it, or the sweep; nobody is kept from chatting for it
            async with self._relay.turn(visitor):
                await self._relay.pass_on(visitor, pending)
        return visitor

    async def sign_out(self, visitor: Visitor) -> None:
        """The next who uses this browser must not read on: all tokens of the visitor are nobody's."""

        def job(kept: Kept) -> None:
            current = kept.hold(*visitor.key)
            if current is not None and current.key == visitor.key:
                kept.save_visitor(replace(current, generation=current.generation + 1))

        await self._store.write(job)
        self.streams.close(visitor.key)

    # ------------------------------------------------------------------------------- what the visitor does

    async def said(self, visitor: Visitor, client_id: str) -> Line | None:
        """The line that a client id has made already."""
        return await self._store.read(lambda kept: kept.find(visitor, _keys(visitor, client_id)))

    async def say(self, visitor: Visitor, client_id: str, words: Body, file: StoredFile | None) -> Line:
        """One line of the visitor's, durable here and at the webhook; the same client id again gives the same line.
        Raises Problem (503) when the webhook can't take it now: then it stays pending, and a repetition completes it."""

        def job(kept: Kept, who: Visitor) -> tuple[Line, bool]:
            keys = _keys(who, client_id)
            found = kept.find(who, keys)
            if found is None:
                message = {"id": wire.message_id(who.channel_id, keys[0]), "client_id": client_id, **words}
                if file:
                    message["file"] = _described(file)
                    kept.save_file(who.channel_id, file)
                line = {"type": "message", "from": {"kind": "visitor"}, **message}
                found = kept.append(who, keys[0], line, opens=True)
                told = {"id": message["id"], "type": "message", "message": {**message, "seq": found.seq}}
                kept.queue(who, {**told, "at": kept.now.isoformat(), "page": who.profile.get("page")})
            return found, True

        return await self._write(visitor, job)

    async def end(self, visitor: Visitor) -> Line | None:
        """The visitor closes the conversation; nothing when there is none open."""

        def job(kept: Kept, who: Visitor) -> tuple[Line | None, bool]:
            if not who.open:
                return None, False
            key = f"e:{who.visitor_id}:{who.last_seq}"
            line_id = wire.message_id(who.channel_id, key)
            line = {"type": "notice", "id": line_id, "code": "ended", "participant": {"kind": "visitor"}, "text": None}
            event = kept.append(who, key, line, opens=False)
            kept.ended(who)
            kept.queue(who, {"id": line_id, "type": "ended", "at": kept.now.isoformat()})
            return event, True

        return await self._write(visitor, job)

    async def mark(self, visitor: Visitor, kind: str, seq: int) -> None:
        """`delivered` or `read` up to a line; what is read was delivered."""

        def job(kept: Kept, who: Visitor) -> tuple[None, bool]:
            new, passed = kept.mark(who, f"{kind}_seq", seq)
            if kind == "read":
                kept.mark(who, "delivered_seq", new)
            if passed:
                messages = [{"id": event.body["id"], "outbox_id": event.outbox_id} for event in passed]
                told = {"id": f"{kind}:{who.visitor_id}:{new}", "type": kind, "messages": messages}
                kept.queue(who, {**told, "at": kept.now.isoformat()})
            return None, bool(passed)

        await self._write(visitor, job, {"type": "read", "up_to_seq": seq} if kind == "read" else None)

    async def typing(self, visitor: Visitor, on: bool) -> None:
        """Told once and never kept; its loss is nothing."""
        event_id = f"typing:{uuid.uuid4()}"
        with contextlib.suppress(GatewayError, Problem):
            event = {"id": event_id, "type": "typing", "at": self.now().isoformat(), "on": on}
            await self._relay.tell(visitor, event_id, [event])

    async def _write(self, visitor: Visitor, job: Callable[[Kept, Visitor], tuple[T, bool]], fleeting: Body | None = None) -> T:
        """Commit, ring, tell the webhook. The job gets the visitor as they are now, held."""

        def held(kept: Kept) -> tuple[T, bool, Visitor, list[Pending]]:
            who = kept.hold(*visitor.key) or visitor
            return *job(kept, who), who, kept.pending(who)

        async with self._relay.turn(visitor):
            result, changed, who, pending = await self._store.write(held)
            if changed:
                self.streams.ring(who.key, fleeting)
            await self._relay.pass_on(who, pending)
        return result

    # ---------------------------------------------------------------------------- what the visitor is to see

    async def deliver(
        self, account: WebchatAccount, outbox_id: str, to: str, line: Body, file: StoredFile | None, heard: datetime | None = None
    ) -> Line | None:
        """Append our message exactly once; None: there is no such visitor. `heard`: the visitor's last end of the conversation that the
        gateway knew of when it sent this. Raises Ended when there is a later one: no line follows it."""
        body = {
            **line,
            "id": wire.message_id(account.channel_id, f"o:{outbox_id}"),
            **({"file": _described(file)} if file else {}),
        }

        def job(kept: Kept) -> tuple[Visitor, Line] | None:
            visitor = kept.hold(account.channel_id, to)
            if visitor is None:
                return None
            ended_at = kept.ended_at(account.channel_id, to)
            if ended_at and (heard is None or heard < ended_at) and not kept.find(visitor, [f"o:{outbox_id}"]):
                raise Ended
            if file:
                kept.save_file(account.channel_id, file)
            opens = False if line.get("code") == "ended" else None
            return visitor, kept.append(visitor, f"o:{outbox_id}", body, opens=opens)

        found = await self._store.write(job)
        if found is None:
            return None
        self.streams.ring(found[0].key)
        return found[1]

    async def deliver_typing(self, account: WebchatAccount, to: str, signal: Body) -> bool:
        """Tell open streams; False: there is no such visitor."""
        visitor = await self._store.read(lambda kept: kept.visitor(account.channel_id, to))
        if visitor is not None:
            self.streams.ring(visitor.key, signal)
        return visitor is not None

    async def keep(self, file_id: str, content: bytes) -> None:
        """A file's bytes, durable on return; its description goes with the line that names it. Raises StoreUnavailable."""
        await self.files.write(file_id, content)

    async def file(self, account: WebchatAccount, file_id: str) -> StoredFile | None:
        """A file's description."""
        return await self._store.read(lambda kept: kept.file(account.channel_id, file_id))

    # ------------------------------------------------------------------------------------------- what is shown

    async def after(self, visitor: Visitor, seq: int, limit: int = 100) -> list[dict[str, Any]] | None:
        """The stream's next lines, as the widget is told them. For a number that is not of this stream, or too old, a `reset`: the
        widget then reloads the history. None: the visitor may no longer listen."""

        def job(kept: Kept) -> tuple[Visitor | None, list[Line]]:
            return kept.visitor(*visitor.key), kept.events_after(visitor, seq, limit)

        current, events = await self._store.read(job)
        if current is None or (current.key, current.generation) != (visitor.key, visitor.generation):
            return None
        if seq > current.last_seq or seq < current.first_seq - 1:
            return [{"type": "reset", "cursor": str(current.last_seq)}]
        return [self.shown(visitor.channel_id, event) for event in events]

    async def history(self, visitor: Visitor, before: int, limit: int) -> list[dict[str, Any]]:
        """Older lines, oldest first."""
        events = await self._store.read(lambda kept: kept.events_before(visitor, before, limit))
        return [self.shown(visitor.channel_id, event) for event in events]

    def shown(self, channel_id: str, event: Line) -> dict[str, Any]:
        """A line as the widget is told it: numbered, and with a link to its file that is good for a day."""
        line = {"seq": event.seq, "at": event.at.isoformat(), **event.body}
        file = line.get("file")
        if file and "id" in file:
            line["file"] = {**file, "url": self._link(channel_id, file["id"])}
        return line

    def _link(self, channel_id: str, file_id: str) -> str:
        # Up to the next hour, so that a picture's address stays the same for a while and a browser's copy is of use.
        expires = int((self.now() + _LINK_LIFE).timestamp()) // 3600 * 3600 + 3600
        query = wire.file_query(self.channels[channel_id].secrets, channel_id, file_id, expires)
        return f"/chat/{channel_id}/files/{file_id}?exp={query['exp']}&sig={query['sig']}"

    async def _prune(self) -> None:
        while True:
            await asyncio.sleep(_PRUNE_SECONDS)
            for account in self.channels.values():
                with contextlib.suppress(GatewayError, OSError):
                    await self.prune(account)

    async def prune(self, account: WebchatAccount) -> None:
        """Forget what is older than the channel keeps."""
        before = self.now() - timedelta(days=account.history_days)
        # The bytes first: what a crash leaves in between is rows, which the next round takes up again.
        while gone := await self._store.read(lambda kept: kept.old_files(account.channel_id, before, _FILES_AT_A_TIME)):
            await self.files.delete(gone)
            await self._store.write(lambda kept, ids=gone: kept.forget_files(account.channel_id, ids))  # type: ignore[misc]
        while await self._store.write(lambda kept: kept.forget_lines(account.channel_id, before, _LINES_AT_A_TIME)):
            pass
        await self._store.write(lambda kept: kept.prune(account.channel_id, before))

    async def _make_up(self) -> None:
        """For ever: rings for lines that other processes wrote, whose own rings were lost."""
        while True:
            await asyncio.sleep(_MAKE_UP_SECONDS)
            since = self.now() - timedelta(seconds=_MAKE_UP_SECONDS + _LATE_SECONDS)
            if self.streams.any:
                with contextlib.suppress(GatewayError):  # reported by the store
                    for channel_id, visitor_id, seq in await self._store.read(lambda kept, at=since: kept.last_lines(at)):  # type: ignore[misc]
                        self.streams.has_come_to((channel_id, visitor_id), seq)


def _known_as(visitor: Visitor) -> tuple[object, ...]:
    return visitor.visitor_id, visitor.subject, visitor.profile.get("name")


def _keys(visitor: Visitor, client_id: str) -> list[str]:
    """What a client id may have been kept under: by this visitor, or before they signed in."""
    return [f"c:{name}:{client_id}" for name in (visitor.visitor_id, *visitor.aliases)]


def _described(file: StoredFile) -> dict[str, Any]:
    known = asdict(file)
    return {"id": known.pop("file_id"), **known}
