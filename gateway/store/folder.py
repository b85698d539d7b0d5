"""Files in a folder, each under an id of ours. What a folder's ids look like is its own."""

from __future__ import annotations

import logging
import os
import re
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from gateway.errors import StoreUnavailable
from gateway.outage import Outage
from gateway.store.trouble import unavailable

_log = logging.getLogger(__name__)


class Folder:
    """Its methods block: call them in a thread. `ids` matches an id as a whole, and its group is the name of the subfolder."""

    what: ClassVar[str]
    ids: ClassVar[re.Pattern[str]]

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._outage = Outage(_log, f"writing to {folder.name}", "store")

    def path(self, file_id: str) -> Path:
        """The path of the bytes. Raises ValueError for an invalid id."""
        found = self.ids.fullmatch(file_id)
        if not found:
            raise ValueError(f"no {self.what} id")
        return self._folder / found[1] / file_id

    def write(self, file_id: str, content: bytes) -> None:
        """Whole and on disk on return, or not there at all. The same id may be written again, at the same time even. Raises StoreUnavailable."""
        path = self.path(file_id)
        try:
            self._write(path, content)
        except OSError as error:
            reason = unavailable(self._folder.name, error)
            self._outage.failed(reason)
            raise StoreUnavailable(reason) from error
        self._outage.worked()

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
        try:
            with partial.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # a rename is durable once its folder is
        finally:
            os.close(folder)

    def read(self, file_id: str) -> bytes:
        """The bytes. Raises FileNotFoundError."""
        return self.path(file_id).read_bytes()

    def delete(self, file_ids: Iterable[str]) -> None:
        """Also what a crash left of them half written. What isn't there needn't be deleted."""
        for file_id in file_ids:
            path = self.path(file_id)
            for left in (path, *path.parent.glob(f"{file_id}.*part")):
                left.unlink(missing_ok=True)
