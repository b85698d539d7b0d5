"""Where an operator's command finds what is stored: in a data folder, at the address of a database, or wherever a config says."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from gateway import config
from gateway.config import GatewayConfig, Loaded
from gateway.config.places import NatsConfig
from gateway.errors import GatewayError, without_nats, without_postgresql
from gateway.store.beside import InFolder, Stored

DEFAULT: Final = Path("data/demo")
DEMO_SERVER: Final = "postgresql"  # the folder of a demo's own PostgreSQL server; while that runs, there is its address
ADDRESS: Final = "address"


@dataclass(frozen=True, slots=True)
class Place:
    """One store. `orgs`: whose it is, where each of several has some; else none is named. `streams`: what of NATS is before it."""

    stored: Stored
    orgs: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Places:
    """All stores of a gateway. `loaded`: its config, if it was given."""

    all: tuple[Place, ...]
    loaded: Loaded | None = None

    def of(self, org: str | None) -> Places:
        """The one that has this org; None: all. Raises GatewayError."""
        if org is None:
            return self
        if self.loaded is not None and org not in self.loaded.orgs:
            raise GatewayError(f"the config has no org {org}")
        found = tuple(one for one in self.all if not one.orgs or org in one.orgs)
        return Places(found, self.loaded)

    @property
    def only(self) -> Place:
        """The one that there is: ids of webhooks are each store's own. Raises GatewayError."""
        if len(self.all) > 1:
            raise GatewayError("each store of this config has its own ids: say with --org whose you mean")
        return self.all[0]


def by_folder(data_dir: Path) -> Places:
    """That of a data folder. The demo's may have a PostgreSQL server instead of files. Raises GatewayError."""
    if (data_dir / "sessions.db").exists() or not (data_dir / DEMO_SERVER).is_dir():
        return Places((Place(InFolder(data_dir)),))
    try:
        return by_address((data_dir / DEMO_SERVER / ADDRESS).read_text())
    except FileNotFoundError:
        raise GatewayError(
            f"{data_dir} is of a demo with a PostgreSQL server of its own, which isn't running: start the demo (--store postgresql)"
        ) from None


def by_address(url: str) -> Places:
    """That at the address of a PostgreSQL database. Raises GatewayError."""
    return Places((Place(in_database(url)),))


def by_config(path: Path) -> Places:
    """Those that a config names. Raises GatewayError."""
    return of_config(config.load(path, environment=os.environ))


def of_config(loaded: Loaded) -> Places:
    """See `by_config`."""
    settings = loaded.config
    if not settings.stores:
        return Places((_place(settings, _secret(settings.store), ()),), loaded)
    places = (_place(settings, _secret(store), tuple(orgs)) for store, orgs in settings.orgs_by_store.items())
    return Places(tuple(places), loaded)


def _place(settings: GatewayConfig, url: str | None, orgs: tuple[str, ...]) -> Place:
    stored = of_address(url, settings.data_dir)
    if settings.inbox is None:
        return Place(stored, orgs)
    return Place(stored, orgs, tuple(_streams(settings, orgs)))


def in_database(url: str) -> Stored:
    """What is kept at the address of a PostgreSQL database. Raises GatewayError when the packages for it are missing."""
    try:
        from gateway.store.postgresql.beside import InDatabase
    except ModuleNotFoundError as missing:
        raise without_postgresql(missing) from missing
    return InDatabase(url)


def of_address(url: str | None, data_dir: Path) -> Stored:
    """A PostgreSQL database, or the files of the folder. Raises GatewayError."""
    return in_database(url) if url else InFolder(data_dir)


def _streams(settings: GatewayConfig, orgs: tuple[str, ...]) -> list[str]:
    from gateway.nats_inbox.stream import of_org

    own = [of_org(settings.nats.stream, org) for org in orgs if org in settings.stores]
    return [*own, *([settings.nats.stream] if len(own) < len(orgs) or not orgs else [])]


def _secret(store: SecretStr | None) -> str | None:
    return store.get_secret_value() if store else None


async def waiting_in_streams(places: Places) -> Mapping[str, int]:
    """By channel, the webhooks in NATS that no store has taken yet. Raises GatewayError."""
    settings = places.loaded.config if places.loaded else None
    if settings is None or settings.inbox is None:
        return {}
    try:
        from gateway.nats_inbox.waiting import waiting_in_stream
    except ModuleNotFoundError as missing:
        raise without_nats(missing) from missing
    found: dict[str, int] = {}
    nats: NatsConfig = settings.nats
    for stream in sorted({stream for place in places.all for stream in place.streams}):
        waiting = await waiting_in_stream(settings.inbox, nats, stream=stream)
        for channel_id, count in waiting.channels.items():
            found[channel_id] = found.get(channel_id, 0) + count
        if waiting.more:
            found["others"] = found.get("others", 0) + waiting.more
    return found
