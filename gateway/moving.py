"""Moves an installation from one store to another: sessions, webhooks, web chat, and the files of all of them. `byoc store copy`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from gateway import webchat
from gateway.config import GatewayConfig
from gateway.errors import GatewayError, without_postgresql
from gateway.file_places import FilePlaces
from gateway.store.copying.ends import End
from gateway.store.copying.files import Files
from gateway.store.copying.moving import Step, move
from gateway.store.copying.tables import TABLES, Table
from gateway.store.files import FileStore, Ids
from gateway.store.folder import Folder
from gateway.store.media import MEDIA
from gateway.store.sole import sole_user

if TYPE_CHECKING:  # for those who have the package
    from gateway.store.postgresql.copying import Database

_AT_ONCE: Final = 16
# Each kind of files: the folder's name, its ids, and which table names them.
_KINDS: Final[tuple[tuple[str, Ids, str], ...]] = (("media", MEDIA, "id"), ("chat-files", webchat.FILES, "file_id"))
Say: TypeAlias = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Spot:
    """One end, as it was given: a folder, or the address of a database. `files`: where its files are, if that is known; `kept`: where that is, for people."""

    folder: Path | None
    url: str | None
    files: Callable[[str, Ids], FileStore] | None
    kept: str


def spot_of(word: str, config: GatewayConfig | None) -> Spot:
    """`sqlite` and `postgresql` as the config names them; an address; else a folder. Raises GatewayError."""
    if word in ("sqlite", "postgresql") and config is None:
        raise GatewayError(f"--config must say where {word} is, or give a folder or an address instead")
    if config is not None and word == "sqlite":
        return Spot(config.data_dir, None, FilePlaces(config).store, _kept(config))
    if config is not None and word == "postgresql":
        if config.stores:
            raise GatewayError("the config has `stores` by org: give the address of the one that is meant")
        if config.store is None:
            raise GatewayError("the config has no `store`: set it to the database's address")
        return Spot(None, config.store.get_secret_value(), FilePlaces(config).store, _kept(config))
    if "://" in word:
        if config is None:
            return Spot(None, word, None, "")
        return Spot(None, word, FilePlaces(config).store, _kept(config))
    folder = Path(word)
    return Spot(folder, None, lambda name, ids: Folder(folder / name, ids), str(folder.resolve()))


def _kept(config: GatewayConfig) -> str:
    return config.media or str(config.data_dir.resolve())


def copy(source: Spot, target: Spot, say: Say) -> None:
    """All of it. Raises GatewayError."""
    if source.folder and target.folder and source.folder.resolve() == target.folder.resolve():
        raise GatewayError("--from and --to are the same folder")
    if source.folder and not (source.folder / "sessions.db").is_file():
        raise GatewayError(f"{source.folder} has no sessions.db: name the gateway's data_dir")
    with ExitStack() as stack:
        for spot in (source, target):
            stack.enter_context(_sole(spot))
        from_end, to_end = (_end(spot, other) for spot, other in ((source, target), (target, source)))
        stack.callback(from_end.close)
        from_end.open_source()
        stack.callback(to_end.close)
        to_end.open_target()
        say(f"copying {from_end.name} to {to_end.name}")
        if not move(from_end, to_end, lambda step: say(_told(step)), lambda: _files(source, target, from_end, say)):
            say("all tables were copied before: nothing to do for them")
            _files(source, target, from_end, say)  # the first time may have had no config that says where they belong
            return
        say(f"complete: {to_end.name} has what {from_end.name} has. What is in {from_end.name} was not changed")


def _sole(spot: Spot) -> AbstractContextManager[object]:
    if spot.folder is None:
        return nullcontext()
    spot.folder.mkdir(parents=True, exist_ok=True)
    return sole_user(spot.folder)


def _end(spot: Spot, other: Spot) -> Files | Database:
    if spot.folder is not None:
        return Files(spot.folder, for_postgresql=other.folder is None)
    try:
        from gateway.store.postgresql.copying import Database
    except ModuleNotFoundError as missing:
        raise without_postgresql(missing) from missing
    return Database(spot.url or "")


def _told(step: Step) -> str:
    of = f" of {step.of:,}" if step.of > step.rows else ""
    return f"  {step.table:22} {step.doing}: {step.rows:,}{of} rows, {step.per_second:,.0f} a second"


# --------------------------------------------------------------------------------------------------------------------- files


def _files(source: Spot, target: Spot, end: End, say: Say) -> None:
    if source.files is None or target.files is None:
        known = f"belong: they are in {source.kept}" if source.kept else "are"
        say(f"  files were not copied, since no config says where they {known}. To copy them, run it again with --config")
        return
    if source.kept == target.kept:
        say(f"  files stay in {source.kept}, as the config has it")
        return
    for name, ids, column in _KINDS:
        table = next(one for one in TABLES if one.name == ("media" if name == "media" else "file"))
        copied, there, missing = asyncio.run(_copied(source.files(name, ids), target.files(name, ids), _ids(end, table, column)))
        if copied or there:
            known = f", {there:,} were there" if there else ""
            lost = f", {missing:,} have no bytes (not fetched yet, or refused)" if missing else ""
            say(f"  {name:22} copied: {copied:,} files to {target.kept}{known}{lost}")


def _ids(end: End, table: Table, column: str) -> Iterator[str]:
    if end.columns(table):
        for rows in end.read(table, (column,)):
            yield from (row[0] for row in rows)


async def _copied(source: FileStore, target: FileStore, ids: Iterator[str]) -> tuple[int, int, int]:
    """How many were copied, were there, and have no bytes."""
    await source.open()
    await target.open()
    counted = [0, 0, 0]

    async def one(file_id: str) -> None:
        try:
            found = await source.find(file_id)
            known = await target.find(file_id) if found else None
        except ValueError:
            found = known = None
        if found is None:
            counted[2] += 1
        elif known is not None and known.size == found.size:
            counted[1] += 1
        else:
            await target.write(file_id, await source.read(file_id))
            counted[0] += 1

    waiting: set[asyncio.Task[None]] = set()
    for file_id in ids:
        waiting.add(asyncio.create_task(one(file_id)))
        if len(waiting) >= _AT_ONCE:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    for task in waiting:
        await task
    return counted[0], counted[1], counted[2]
