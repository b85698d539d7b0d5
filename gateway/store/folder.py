"""Files in a folder, each under its id (`gateway.store.files.FileStore`)."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from stat import S_ISREG

from gateway.errors import StoreUnavailable
from gateway.outage import Outage
from gateway.store.files import FoundFile, Ids
from gateway.store.trouble import unavailable

_log = logging.getLogger(__name__)


class Folder:
    """See `FileStore`."""

    def __init__(self, folder: Path, ids: Ids) -> None:
        self._folder, self._ids = folder, ids
        self._outage = Outage(_log, f"writing to {folder.name}", "store")

    async def open(self) -> None:
        """See `FileStore`. The folder is made with its first file."""

    def trouble(self) -> str | None:
        """See `FileStore`."""
        return self._outage.reason

    def path(self, file_id: str) -> Path:
        """The path of the bytes. Raises ValueError for an invalid id."""
        return self._folder / self._ids.place(file_id)

    async def write(self, file_id: str, content: bytes) -> None:
        """See `FileStore`."""
        path = self.path(file_id)
        try:
            await asyncio.to_thread(_write, path, content)
        except OSError as error:
            reason = unavailable(self._folder.name, error)
            self._outage.failed(reason)
            raise StoreUnavailable(reason) from error
        self._outage.worked()

    async def read(self, file_id: str) -> bytes:
        """See `FileStore`."""
        return await asyncio.to_thread(self.path(file_id).read_bytes)

    async def find(self, file_id: str) -> FoundFile | None:
        """See `FileStore`."""
        return _found(self.path(file_id))

    async def delete(self, file_ids: Iterable[str]) -> None:
        """See `FileStore`."""
        await asyncio.to_thread(_delete, [self.path(file_id) for file_id in file_ids])


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # a rename is durable once its folder is
    finally:
        os.close(folder)


def _found(path: Path) -> FoundFile | None:
    try:
        about = path.stat()
    except OSError:
        return None
    if not S_ISREG(about.st_mode):
        return None
    modified = datetime.fromtimestamp(about.st_mtime, UTC)
    return FoundFile(about.st_size, modified, f"{about.st_mtime_ns:x}-{about.st_size:x}", path, partial(_part, path))


async def _part(path: Path, start: int, end: int) -> bytes:
    def read() -> bytes:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(end - start)

    return await asyncio.to_thread(read)


def _delete(paths: Iterable[Path]) -> None:
    for path in paths:
        for left in (path, *path.parent.glob(f"{path.name}.*part")):
            left.unlink(missing_ok=True)
