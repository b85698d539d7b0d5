"""All that hangs on one store: the store itself, the inbox, the broker of the orgs that are in it, and who works in the background for them.

A gateway has one shard, or with `stores` in the config one for each database.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from pydantic import SecretStr

from gateway.brokers.embedded import EmbeddedBroker
from gateway.brokers.ground import Ground
from gateway.brokers.reconciling import Judged
from gateway.clock import Clock
from gateway.config import Loaded
from gateway.doorbell.contract import Doorbell
from gateway.doorbell.local import LocalDoorbell
from gateway.edge.media import ServedFile
from gateway.engines import on_postgresql, on_sqlite
from gateway.errors import CannotStart, StoreUnavailable, without_nats, without_salesforce
from gateway.journal.driver import Driver, peers_of
from gateway.journal.fetcher import Fetcher
from gateway.journal.lane_receiver import LaneReceiver
from gateway.journal.profiler import Profiler
from gateway.journal.receiver import Receiver, sources_of
from gateway.journal.sender import Sender
from gateway.journal.spreading import Spreader
from gateway.links import MediaLinks
from gateway.metrics import Metrics
from gateway.orphans import of_waiting_webhooks
from gateway.processes.starting import Edge
from gateway.roles import Role
from gateway.sharing.contract import Group, of_lanes
from gateway.store.contract import Store
from gateway.store.files import FileStore
from gateway.store.group_commit import Shared
from gateway.store.inbox_contract import Inbox, Keeper, Taker
from gateway.workers import OnDuty, Work

_log = logging.getLogger(__name__)
_PURGE_SECONDS: Final = 3600.0
_UNFIT_SECONDS: Final = 10.0
_AGAIN_SECONDS: Final = 1.0  # between tries of a database that can't be reached

if TYPE_CHECKING:  # imported when the config asks for it
    from gateway.brokers.salesforce.orgs import SalesforceOrgs
    from gateway.nats_inbox.streams import Streams


class Part(NamedTuple):
    """The orgs of one database, and their channels. `store`: its address; None: SQLite in the data folder."""

    store: SecretStr | None
    loaded: Loaded


def parts_of(loaded: Loaded) -> list[Part]:
    """One for each database that the config names, in the order of their orgs; that of `store` first."""
    orgs_by_store = loaded.config.orgs_by_store
    return [Part(store, loaded if len(orgs_by_store) == 1 else _only(loaded, orgs)) for store, orgs in orgs_by_store.items()]


def _only(loaded: Loaded, orgs: Collection[str]) -> Loaded:
    """What of a config is about these orgs. Salesforce orgs belong to where their channels are; one that no channel uses, to nobody."""
    config = loaded.config
    channels = {key: one for key, one in loaded.channels.items() if one.config.org in orgs}
    used = {one.config.salesforce.org for one in channels.values() if one.config.salesforce}
    changes = {
        "orgs": {key: one for key, one in config.orgs.items() if key in orgs},
        "channels": {key: one.config for key, one in channels.items()},
        "salesforce": {key: one for key, one in config.salesforce.items() if key in used},
    }
    return Loaded(config.model_copy(update=changes), channels, loaded.warnings)


@dataclass(frozen=True, slots=True)
class Common:
    """What all shards of a process share."""

    roles: frozenset[Role]
    clock: Clock
    steady: Clock
    new_id: Callable[[str], str]
    fault: Callable[[str], None] | None
    driver: Driver
    metrics: Metrics
    links: MediaLinks
    files: FileStore
    edge: Edge | None


class Shard:
    """See the module. `loaded`: what of the config is about its orgs."""

    def __init__(self, part: Part, common: Common) -> None:
        self.loaded = loaded = part.loaded
        self._common = common
        config, clock, fault, driver = loaded.config, common.clock, common.fault, common.driver
        channels = loaded.channels
        self.engine = engine = (
            on_postgresql(part.store, loaded, clock, fault)
            if part.store is not None
            else on_sqlite(loaded, clock, fault, common.edge)
        )
        self.store, self.inbox = engine.store, engine.inbox
        # An edge that keeps webhooks in NATS needs nothing of the database: its rings reach nobody, and the mover rings.
        self._apart = common.roles == {"edge"} and config.inbox is not None
        self.bell = bell = LocalDoorbell() if self._apart else engine.bell
        self.streams = _streams(loaded, common.roles, self.inbox, bell)
        self.keeper: Keeper = self.streams.keeper if self.streams else self.inbox
        self._duties = OnDuty(engine.share)
        self._opened = asyncio.Event()
        self.salesforce = _salesforce(loaded)
        holders, lanes = (self.salesforce.holders, self.salesforce.peers) if self.salesforce else ({}, {})
        ground = Ground(channels, loaded.orgs, common.links, common.new_id, common.steady, fault or (lambda point: None), holders)
        self.broker = EmbeddedBroker(
            self.store,
            ground,
            bell,
            clock,
            common.files,
            share=engine.share,
            signals=engine.signals if engine.shared else None,
        )
        peers = peers_of(channels) | lanes
        self.sources = sources_of(channels) | lanes
        self.receiver = Receiver(
            self.inbox,
            self.broker,
            self.sources,
            bell,
            common.metrics,
            spreader=Spreader(self.broker.lanes, self.broker, bell, engine.share) if engine.shared else None,
            share=engine.share if engine.shared else None,
        )
        self.lanes = LaneReceiver(self.broker.lanes, bell, engine.share, common.metrics) if engine.shared else None
        self.sender = Sender(
            self.broker.outbox, driver, peers, bell, clock, common.metrics, fault, share=engine.share, paces=engine.paces
        )
        self.fetcher = Fetcher(self.broker.media, driver, peers, bell, clock, config.limits.file_max_bytes)
        self.profiler = Profiler(self.broker.profiles, driver, channels, bell, clock)
        if self.salesforce:
            signals = engine.signals if engine.shared else None
            self.salesforce.connect(driver.run, self.inbox, self.store, bell, common.metrics, clock, signals)
        self.connector = self.salesforce.connector(self.store, ground) if self.salesforce else None

    @property
    def watched(self) -> tuple[Inbox | None, Store]:
        """What is read for the gauges."""
        return self.inbox if "broker" in self._common.roles else None, self.store

    async def open(self) -> None:
        """Open its stores, and make what is in them fit the config. A database that many processes share may be unreachable: it is waited for in the background, and
        whatever needs it is refused meanwhile. Raises CannotStart, and StoreUnavailable where nothing is to be waited for."""
        engine = self.engine
        if self.streams is not None:
            await self.streams.open()
            self.streams.watch(self._common.metrics, self._common.clock)
        if not engine.shared:
            await self._open_stores()
            if "broker" in self._common.roles:
                await self.broker.take_over(self._take_over)
            self._opened.set()
            return
        with contextlib.suppress(StoreUnavailable):  # the first store has reported it, as below
            await self._open_stores()

    async def _open_stores(self) -> None:
        roles = self._common.roles
        wanted: list[Shared] = [self.store] if roles != {"edge"} else []
        if "broker" in roles or (roles != {"sender"} and self.streams is None):
            wanted.append(self.inbox)
        for one in wanted:
            try:
                await one.open()
            except StoreUnavailable as error:
                for other in wanted:
                    other.is_missing(str(error))
                raise
        if "sender" in roles and self.engine.paces is not None:
            await self.engine.paces.open()

    async def _open_at_last(self) -> None:
        """Among others, one after the other."""
        while True:
            try:
                await self._open_stores()
                break
            except StoreUnavailable:
                await asyncio.sleep(_AGAIN_SECONDS)
            except CannotStart as error:  # it came back as one that we can't work with; an operator may still change that
                _log.error("%s", error, extra={"action": "store.unfit"})
                await asyncio.sleep(_UNFIT_SECONDS)
        if self.engine.reaching and not self._apart:
            await self.engine.reaching.start()
        if self._common.roles != {"edge"}:
            await self.engine.share.start(self._groups())
            async with self.engine.share.alone("starting"):
                if "broker" in self._common.roles:
                    await self.broker.take_over(self._take_over, first=self.engine.share.first)
        self._opened.set()

    def _groups(self) -> list[Group]:
        """What of the work is shared out."""
        roles = self._common.roles
        groups = [Group(role, ()) for role in sorted(roles)]
        if "broker" in roles:
            groups += [
                of_lanes("broker"),
                Group("broker", self.receiver.duties),
                Group("broker", tuple(self._of_one_broker())),
            ]
        if "sender" in roles:
            groups += [of_lanes("sender"), Group("sender", tuple(self._of_one_sender()))]
        return groups

    def _of_one_broker(self) -> dict[str, Work]:
        """What only one of all brokers does at a time, by its duty."""
        broker = self.broker
        work: dict[str, Work] = {
            "timers": broker.run_timers,
            "filing": broker.run_filing,
            "adrift": broker.run_adrift,
            "purge": self._purge,
        }
        return {**work, **(self.salesforce.work if self.salesforce else {}), **(self.streams.work() if self.streams else {})}

    def _of_one_sender(self) -> dict[str, Work]:
        return {"fetcher": self.fetcher.run, "profiler": self.profiler.run}

    async def close_inbox(self) -> None:
        """What waits to be kept is kept first."""
        if self.streams is not None:
            await self.streams.close()
        await self.inbox.close()

    async def close(self) -> None:
        """Commit pending work and close; nobody works any more."""
        await self.broker.close()
        await self.engine.share.close()
        if self.engine.paces is not None:
            await self.engine.paces.close()
        if self.engine.reaching:
            await self.engine.reaching.close()

    async def drain(self) -> None:
        """Finish the calls that a customer may see, within the grace time, and begin no more; let others do what is this process's."""
        try:
            async with asyncio.timeout(self.loaded.config.limits.grace_seconds / 2):
                await asyncio.gather(self.sender.drain(), self.engine.share.leave())
        except TimeoutError:
            if left := self.sender.in_hand:  # else the database is away, and what this process had is free after a lease
                _log.warning(
                    "calls were still unanswered at the end of the grace time", extra={"action": "drain.cut", "messages": left}
                )

    def work(self) -> Mapping[str, Work]:
        """What runs in the background, by name."""
        roles, broker, work = self._common.roles, self.broker, dict[str, Work]()
        if "api" in roles:
            work |= {"hub": broker.hub.run, "presence": broker.run_presence}
        if "broker" in roles:
            work |= {"receiver": self.receiver.run, **({"lanes": self.lanes.run} if self.lanes else {})}
            work |= {name: self._duties.only(name, one) for name, one in self._of_one_broker().items()}
        if "sender" in roles:
            work["sender"] = self.sender.run
            work |= {name: self._duties.only(name, one) for name, one in self._of_one_sender().items()}
        if self._opened.is_set():
            return work
        return {"opening": self._open_at_last, **{name: self._once_open(one) for name, one in work.items()}}

    def _once_open(self, work: Work) -> Work:
        async def wait_and_work() -> None:
            await self._opened.wait()
            await work()

        return wait_and_work

    async def file_of(self, media_id: str) -> ServedFile | None:
        """A file that is stored here."""
        found = await self.broker.media.stored(media_id)
        kept = await self._common.files.find(media_id) if found else None
        return ServedFile(kept, found[0]) if found and kept else None

    async def _purge(self) -> None:
        while True:
            await asyncio.sleep(_PURGE_SECONDS)
            retention = self.loaded.config.retention
            await self.inbox.purge(retention.inbox_days, retention.stuck_days)
            await self.broker.purge()

    async def _take_over(self, judged: Judged) -> None:
        """What of a channel that changed hands is kept elsewhere than at the broker; made again when the start is."""
        tallies = await self.inbox.read(lambda rows: rows.tallies())
        for sentence in of_waiting_webhooks(tallies, judged.moved, self.loaded):
            _log.warning("%s", sentence, extra={"action": "config.orphans"})
        for channel_id, before, _ in judged.moved:
            if before in self.loaded.orgs:
                await self.inbox.keep_aside(channel_id, before)
            await asyncio.to_thread(self.engine.forget_profiles, channel_id)


def _salesforce(loaded: Loaded) -> SalesforceOrgs | None:
    """The Salesforce orgs, if the config names any. Raises GatewayError."""
    if not loaded.config.salesforce:
        return None
    try:
        from gateway.brokers.salesforce.orgs import SalesforceOrgs
    except ModuleNotFoundError as missing:
        raise without_salesforce(missing) from missing
    return SalesforceOrgs(loaded)


def _streams(loaded: Loaded, roles: frozenset[Role], inbox: Taker, bell: Doorbell) -> Streams | None:
    """In front of the inbox, if the config asks for them. Raises GatewayError."""
    if loaded.config.inbox is None:
        return None
    try:
        from gateway.nats_inbox.streams import Streams
    except ModuleNotFoundError as missing:
        raise without_nats(missing) from missing
    putting = "edge" in roles or ("api" in roles and any(one.adapter.kind == "webchat" for one in loaded.channels.values()))
    return Streams(loaded, putting=putting, moving="broker" in roles, inbox=inbox, bell=bell)
