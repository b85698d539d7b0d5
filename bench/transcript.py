"""Whether work on a session slows down with the length of its transcript: it must not.

One embedded broker on a disk of its own, an org of 500 reps and 50 queues, a session of each length. Every operation is done on each
session in turn, so that a busy machine slows all of them alike. Nothing runs at the same time, so a commit has one caller's work: what many callers share
(an fsync) is in every figure.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from adapters.envelope import Address, ChannelId, EndUser, InboundMessage, TextPart
from bench.results import Line
from bench.subject import Bench, Subject
from gateway import clock, config
from gateway.brokers.contract import Caller, Effect
from gateway.brokers.embedded import EmbeddedBroker
from gateway.brokers.ground import Ground
from gateway.doorbell.local import LocalDoorbell
from gateway.identity.directory import caller_for
from gateway.links import MediaLinks
from gateway.session.commands import AcceptInvitation, AcceptWork, Asked, Invite, Leave, SayToCustomer
from gateway.session.decision import Refusal
from gateway.session.model import Login, Presence, Purpose, Recipient, RecipientType, Session
from gateway.store.contract import Transaction
from gateway.store.folder import Folder
from gateway.store.media import MEDIA
from gateway.store.sqlite import SqliteStore

LENGTHS: Final = (1_000, 100_000)
REPS, QUEUES = 500, 50
CHANNEL = ChannelId("sms")
SMS = {"account_sid": "AC" + "0" * 32, "auth_tokens": ["a-token-for-the-bench"], "number": "+15550002222"}


def world(data_dir: Path) -> EmbeddedBroker:
    """A broker and its people."""
    logins = [f"rep{n:03d}" for n in range(REPS)]
    loaded = config.build(
        {
            "data_dir": str(data_dir),
            "orgs": {
                "bench": {
                    "settings": {"leave_notice_hold_seconds": 0},
                    "reps": {login: {"name": login, "capacity": 1_000} for login in logins},
                    "queues": {f"q{n:02d}": {"name": f"Q{n}", "reps": logins[n::QUEUES]} for n in range(QUEUES)},
                }
            },
            "channels": {CHANNEL: {"kind": "sms", "org": "bench", "queue": "q00", "account": SMS}},
        }
    )
    ground = Ground(loaded.channels, loaded.orgs, MediaLinks("secret", "http://gateway.example"), clock.new_id, clock.steady)
    store = SqliteStore(data_dir, clock.now, ground.fault)
    return EmbeddedBroker(store, ground, LocalDoorbell(), clock.now, Folder(data_dir / "media", MEDIA))


class Desk:
    """Sessions of several lengths, and what is done to them."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        self.broker = broker
        self._org = broker._ground.orgs["bench"]
        self._numbers = itertools.count()
        self.times: defaultdict[str, defaultdict[int, list[float]]] = defaultdict(lambda: defaultdict(list))

    def caller(self, login: str) -> Caller:
        return caller_for(self._org, login)

    async def command(self, login: str, session_id: str, command: Asked) -> Effect:
        answer = await self.broker.command(self.caller(login), session_id, command)
        if isinstance(answer, Refusal):
            raise SystemExit(f"refused: {answer}")
        return answer

    async def customer_says(self, length: int) -> None:
        number = next(self._numbers)
        message = InboundMessage(
            channel_id=CHANNEL,
            event_id=f"event-{number}",
            message_id=f"message-{number}",
            end_user=EndUser(address=Address(f"+1555{length:07d}"), name="Kim"),
            received_at=datetime.now(UTC),
            parts=(TextPart(text="Hello, where is my order?"),),
        )
        (fault,) = await self.broker.take_in([message])
        if fault:
            raise fault

    async def session_of(self, length: int) -> str:
        """A session with rep000 in it, and that many entries."""
        await self.customer_says(length)
        page = await self.broker.sessions(self.caller("rep000"), status=None, mine=False, q=None, cursor=None, limit=1)
        found = page.items[0]
        await self.command("rep000", found.id, AcceptWork(by=Login("rep000")))
        await self.broker.store.write(lambda stored: _lengthen(stored, found.id, length))
        return found.id

    async def timed(self, what: str, length: int, work: Callable[[], Awaitable[Any]]) -> Any:
        begun = time.perf_counter()
        done = await work()
        self.times[what][length].append((time.perf_counter() - begun) * 1000)
        return done

    async def round(self, session_id: str, length: int) -> None:
        """Everything once."""
        rep, guest = self.caller("rep000"), Login("rep450")
        say = SayToCustomer(by=rep.login, text="It left our house this morning.")
        ask = Invite(by=rep.login, recipient=Recipient(type=RecipientType.agent, id=guest))
        await self.timed("append: the customer says", length, lambda: self.customer_says(length))
        await self.timed("append: a rep says", length, lambda: self.command(rep.login, session_id, say))
        await self.timed("first history page (50)", length, lambda: self._page(rep, session_id, None))
        await self.timed("a page in the middle", length, lambda: self._page(rep, session_id, max(2, length // 2)))
        await self.timed("the session itself", length, lambda: self.broker.session(rep, session_id))
        for type in (RecipientType.agent, RecipientType.queue):
            await self.timed(f"destinations: {type.value}s", length, lambda type=type: self._destinations(rep, session_id, type))  # type: ignore[misc]
        asked = await self.timed("invite", length, lambda: self.command(rep.login, session_id, ask))
        accept = AcceptInvitation(by=guest, invitation_id=asked.invitation.id)
        await self.timed("join", length, lambda: self.command(guest, session_id, accept))
        await self.timed("the joiner's first page", length, lambda: self._page(self.caller(guest), session_id, None))
        await self.timed("leave", length, lambda: self.command(guest, session_id, Leave(by=guest)))

    async def _page(self, caller: Caller, session_id: str, before: int | None) -> None:
        await self.broker.entries(caller, session_id, before=before, after=None, limit=50)

    async def _destinations(self, caller: Caller, session_id: str, type: RecipientType) -> None:
        found = await self.broker.destinations(caller, session_id, purpose=Purpose.invite, type=type, q="", cursor=None, limit=50)
        if isinstance(found, Refusal) or not found.items:
            raise SystemExit(f"no destinations: {found}")


def _lengthen(stored: Transaction, session_id: str, length: int) -> None:
    """Fill the transcript up with copies of its first message."""
    before = stored.sessions.load(session_id)
    first = stored.sessions.entry(session_id, 1)
    if before is None or first is None:
        raise SystemExit("the session isn't there")
    numbers = range(before.entry_count + 1, length + 1)
    stored.sessions.append(session_id, (first[0].model_copy(update={"number": n}) for n in numbers))
    longer: Session = before.model_copy(update={"entry_count": max(length, before.entry_count), "version": before.version + 1})
    stored.sessions.save(longer, before=before)


async def run(lengths: Sequence[int], rounds: int, data_dir: Path) -> Desk:
    """All rounds."""
    broker = world(data_dir)
    await broker.open()
    desk = Desk(broker)
    await broker.set_presence(desk.caller("rep000"), Presence.online)  # alone at first, so that the sessions are all theirs
    held = {length: await desk.session_of(length) for length in lengths}
    for n in range(1, REPS):
        await broker.set_presence(desk.caller(f"rep{n:03d}"), Presence.online)
    order = list(held.items())
    for _ in range(rounds):
        random.shuffle(order)
        for length, session_id in order:
            await desk.round(session_id, length)
    await broker.close()
    return desk


def measure(bench: Bench) -> None:
    """Medians, as a ratio of the long session's to the short one's."""
    with TemporaryDirectory(prefix="byoc-bench-", dir=bench.folder) as folder:
        desk = asyncio.run(run(LENGTHS, bench.count(100, 3), Path(folder)))
    ratios = {}
    for what, times in desk.times.items():
        short, long = (statistics.median(times[length]) for length in LENGTHS)
        ratios[what] = long / short
        bench.say(f"    {what}: {short:.2f} ms, {long:.2f} ms")
    worst = max(ratios, key=lambda what: ratios[what])
    bench.note("transcript", ratios[worst])
    bench.remark("transcript", worst)


SUBJECT: Final = Subject(
    "transcript",
    "work on a session of 100,000 entries, to one of 1,000",
    (Line("transcript", "work on 100,000 entries, to 1,000: the operation that slows down most", "ratio", 1.5, "low"),),
    measure,
    rounds=1,
)
