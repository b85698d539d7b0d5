"""What a shard runs on: SQLite files and one process, or a PostgreSQL database that many processes share. Packages that only some need are imported when the config asks
for them."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Protocol

from pydantic import SecretStr

from gateway.clock import Clock
from gateway.config import Loaded
from gateway.doorbell.contract import Doorbell, Signals
from gateway.doorbell.local import LocalDoorbell, LocalSignals
from gateway.errors import without_postgresql
from gateway.processes.inbox import InboxOfEdge
from gateway.processes.starting import Edge
from gateway.sharing.alone import AllMine
from gateway.sharing.contract import Sharing
from gateway.store.inbox import SqliteInbox
from gateway.store.sql_store import SqlStore
from gateway.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from gateway.store.paces import Paces
    from gateway.store.postgresql.inbox import PostgresInbox
    from gateway.webchat import ChatStore


class Bell(Doorbell, Signals, Protocol):
    """Both in one, which starts and ends."""

    async def start(self) -> None:
        """Before anything else."""
        ...

    async def close(self) -> None:
        """After everything else."""
        ...


@dataclass(frozen=True, slots=True)
class Engine:
    """`chat` makes web chat's store; `forget_profiles`: of a channel's visitors; it blocks. `shared`: by several processes."""

    store: SqlStore
    inbox: SqliteInbox | PostgresInbox
    bell: Doorbell
    signals: Signals
    share: Sharing
    chat: Callable[[], ChatStore]
    forget_profiles: Callable[[str], None]
    shared: bool = False
    reaching: Bell | None = None  # bell and signals, where they start and end
    paces: Paces | None = None  # of accounts, where several processes send


def on_sqlite(loaded: Loaded, clock: Clock, fault: Callable[[str], None] | None, edge: Edge | None) -> Engine:
    """Files in the data folder."""
    data_dir, bell = loaded.config.data_dir, LocalDoorbell()

    def chat() -> ChatStore:
        from gateway import webchat

        return webchat.ChatStore(webchat.chat_file(data_dir), clock)

    def forget_profiles(channel_id: str) -> None:
        from gateway import webchat

        webchat.forget_profiles(data_dir, channel_id)

    store = SqliteStore(data_dir, clock, fault or (lambda point: None), bell.ring)
    inbox = InboxOfEdge(data_dir, clock, edge, bell) if edge else SqliteInbox(data_dir, clock, fault=fault)
    return Engine(store, inbox, bell, LocalSignals(), AllMine(), chat, forget_profiles)


def on_postgresql(url: SecretStr, loaded: Loaded, clock: Clock, fault: Callable[[str], None] | None) -> Engine:
    """A database. Raises CannotStart, and GatewayError when packages are missing."""
    try:
        from gateway.doorbell.postgresql import PostgresDoorbell
        from gateway.store.postgresql.connecting import PROCESS, connect
        from gateway.store.postgresql.database import PostgresDatabase
        from gateway.store.postgresql.inbox import PostgresInbox
        from gateway.store.postgresql.store import PostgresStore
    except ModuleNotFoundError as missing:
        raise without_postgresql(missing) from missing
    from gateway.sharing.worker import LEASE_SECONDS, Worker
    from gateway.store.group_commit import GroupCommit
    from gateway.store.leases import About, Leases
    from gateway.store.paces import Paces

    address = url.get_secret_value()
    bell = PostgresDoorbell(partial(connect, address))
    leases = Leases(PostgresDatabase(address), lease_seconds=LEASE_SECONDS)
    share = Worker(leases, About(PROCESS, socket.gethostname(), os.getpid(), version("byoc-gateway")), bell=bell)

    def chat() -> ChatStore:
        from gateway import webchat

        return webchat.ChatStore(PostgresDatabase(address), clock, shared=True)

    def forget_profiles(channel_id: str) -> None:
        from gateway import webchat

        webchat.forget_profiles_in(PostgresDatabase(address), channel_id)

    store = PostgresStore(address, clock, fault or (lambda point: None), bell.ring, lambda: share.worker)
    inbox = PostgresInbox(PostgresDatabase(address), clock, fault=fault)
    paces = Paces(GroupCommit(PostgresDatabase(address)))
    return Engine(store, inbox, bell, bell, share, chat, forget_profiles, shared=True, reaching=bell, paces=paces)
