"""From what happens at the org's broker to platform events on its bus: each once, whatever stops in between.

The broker's events are read by number. What one comes to is published under ids that are made from that number, and then the number is written down: after a
stop in between, the same events are published again, and the bus knows their ids.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from adapters.envelope import MediaPart, TypingSignal
from gateway.brokers.contract import Event, EventsGone, Line, SlowListener
from gateway.brokers.salesforce.simulator import ids, reporting
from gateway.brokers.salesforce.simulator.estate import Estate
from gateway.brokers.salesforce.simulator.hosting import Hosting
from gateway.brokers.salesforce.simulator.reporting import INTERACTION, Json, Scene
from gateway.session.model import Actor, Entry, EntryKind, Role, Session
from gateway.session.outward import speaker_id
from gateway.store.contract import Transaction
from gateway.store.org_records import Published

_log = logging.getLogger(__name__)
_STREAM: Final = "broker"
_MOST_TYPING: Final = 500
_MOST_WAITING: Final = 1_000  # in a queue, of whom the place is looked for


class Exporter:
    """See the module. `run` and `run_typing` work until they are cancelled."""

    def __init__(self, estate: Estate, hosting: Hosting) -> None:
        self._estate, self._hosting = estate, hosting
        self._typing: asyncio.Queue[TypingSignal] = asyncio.Queue(_MOST_TYPING)
        self._by_speaker = {speaker_id(estate.people.id, rep.login): rep for rep in estate.people.reps.values()}

    def types(self, signal: TypingSignal) -> None:
        """A rep types, or has stopped. Its loss is nothing."""
        with suppress(asyncio.QueueFull):
            self._typing.put_nowait(signal)

    async def run(self) -> None:
        """Publish what happens, from where the last run ended."""
        estate = self._estate
        while True:
            after = await estate.records.place(_STREAM) or 0
            try:
                async for events in estate.broker.events(estate.observer, after):
                    await self._publish(events)
            except SlowListener:
                continue
            except EventsGone:
                _log.warning("events of the org were lost", extra={"action": "simulator.events_gone", "after": after})
                await self._advance(await estate.broker.position(estate.observer), 0)

    async def run_typing(self) -> None:
        """Publish that reps type."""
        while True:
            signal = await self._typing.get()
            rep = self._by_speaker.get(signal.speaker.id) if signal.speaker else None
            session = await self._session_of(signal)
            if rep is None or session is None or self._estate.served[signal.channel_id].typing_disabled:
                continue
            actor = Actor(role=Role.rep, id=rep.login, name=rep.name)
            payload = reporting.typing(
                actor, signal.on, signal.created_at, ids.entry_id(signal.id, 0), await self._scene(session)
            )
            await self._estate.bus.append(INTERACTION, payload)

    async def _publish(self, events: Sequence[Event]) -> None:
        number, payloads, entries = 0, list[tuple[str, str, Json]](), list[Published]()
        for event in events:
            if event.number is None:
                continue
            number = event.number
            made = await self._made(event)
            payloads += ((ids.event_id(_STREAM, number, part), *one) for part, one in enumerate(made))
            entries += _published(event)
        await self._estate.records.note(entries)
        # The bus writes in the order in which it is asked.
        await asyncio.gather(*(self._estate.bus.append(kind, payload, id) for id, kind, payload in payloads))
        if number:
            await self._advance(number, len(payloads))

    async def _advance(self, number: int, events: int) -> None:
        await self._estate.records.advance(_STREAM, number, events=events, hour=self._estate.hour())

    async def _made(self, event: Event) -> list[tuple[str, Json]]:
        if event.type == "entry":
            return await self._of_entry(event, event.data["entry"])
        if event.type == "media":
            return [(INTERACTION, payload) for payload in await self._of_file(event)]
        return []

    async def _of_entry(self, event: Event, line: Line) -> list[tuple[str, Json]]:
        entry = line.entry
        found = await self._estate.store.read(lambda stored: self._read(stored, str(event.session_id), entry))
        if found is None:
            return []
        session, answered, waiting = found
        scene = await self._scene(session, answered, waiting)
        made = [(INTERACTION, payload) for payload in reporting.reported(entry, scene)]
        if self._hosting.routes(session.channel_id):
            made += await self._hosting.happened(entry, scene)
        return made

    def _read(self, stored: Transaction, session_id: str, entry: Entry) -> tuple[Session, str | None, int] | None:
        """The session, the id of the message that this entry answers, and how many wait in the session's queue."""
        session = stored.sessions.load(session_id)
        if session is None or session.channel_id not in self._estate.served:
            return None
        number = entry.details.get("reply_to")
        found = stored.sessions.entry(session_id, int(number)) if number is not None else None
        answered = None
        if found is not None:
            own = found[0].details.get("message_id")
            answered = str(own) if own is not None else ids.entry_id(session_id, found[0].number)
        waiting = 1
        if entry.number == 1 and session.queue is not None:
            waiting = max(1, len(stored.sessions.to_route(session.org, session.queue, _MOST_WAITING)))
        return session, answered, waiting

    async def _of_file(self, event: Event) -> list[Json]:
        number, media_id = int(event.data["number"]), str(event.data["media_id"])

        def read(stored: Transaction) -> tuple[Session | None, tuple[Entry, str | None] | None]:
            return stored.sessions.load(str(event.session_id)), stored.sessions.entry(str(event.session_id), number)

        session, found = await self._estate.store.read(read)
        if session is None or found is None or session.channel_id not in self._estate.served:
            return []
        entry = found[0]
        parts = [part for part in entry.parts if isinstance(part, MediaPart) and part.media_id == media_id]
        if not parts or entry.sender is None or entry.sender.role is not Role.end_user:
            return []
        (self._estate.uploads / upload_name(str(entry.details.get("message_id")))).unlink(missing_ok=True)
        scene = await self._scene(session)
        own = ids.entry_id(f"{session.id}\0{media_id}", number)
        return [reporting.file_settled(entry, parts[0], event.data, event.at, own, scene)]

    async def _session_of(self, signal: TypingSignal) -> Session | None:
        org = self._estate.people.id
        return await self._estate.store.read(lambda stored: stored.sessions.newest_of_address(signal.channel_id, signal.to, org))

    async def _scene(self, session: Session, answered: str | None = None, waiting: int = 1) -> Scene:
        estate = self._estate
        row = estate.row(session)
        tied = await estate.records.tie(row, session.id)
        return Scene(
            channel=estate.served[session.channel_id],
            conversation=row.id,
            customer=row.customer,
            work_item=tied.work_item,
            session=session,
            reps=estate.people.reps,
            file_url=self._file_url,
            answered=answered,
            waiting=waiting,
        )

    def _file_url(self, part: MediaPart) -> str:
        return self._estate.ground.links.absolute(part.media_id or "", part.name, self._estate.clock())


def upload_name(message_id: str) -> str:
    """The file that holds a customer's upload until it is stored."""
    return ids.event_id(message_id, 0, 0)


def _published(event: Event) -> list[Published]:
    """The entry under its id, so that receipts find it."""
    if event.type != "entry" or event.session_id is None:
        return []
    entry = event.data["entry"].entry
    if entry.kind not in (EntryKind.message, EntryKind.notice):
        return []
    return [Published(ids.entry_id(event.session_id, entry.number), event.session_id, entry.number)]
