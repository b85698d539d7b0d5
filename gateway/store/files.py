"""Files by their ids: what is asked of that which keeps their bytes. A folder does it (`gateway.store.folder`), or a bucket (`gateway.store.s3`).

Each id is written once, or again with the same bytes. So nobody has to agree on anything: any process may write, read and delete at any time.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Ids:
    """What the ids of one kind of files look like. `form` matches an id as a whole, and its group is the name of the subfolder."""

    what: str
    form: re.Pattern[str]

    def place(self, file_id: str) -> str:
        """Where a file is, below the place of all. The same in a folder and in a bucket, so that either can be copied to the other as it is.
        Raises ValueError for an invalid id."""
        found = self.form.fullmatch(file_id)
        if not found:
            raise ValueError(f"no {self.what} id")
        return f"{found[1]}/{file_id}"


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that is there. `path`: where the system itself can send it from; None: it must be read. `read` gives the bytes from the first number up to, and
    without, the second, which must be within `size`. It raises FileNotFoundError, and StoreUnavailable."""

    size: int
    modified: datetime
    tag: str  # differs when the bytes do
    path: Path | None
    read: Callable[[int, int], Awaitable[bytes]]


class FileStore(Protocol):
    """Keeps files of one kind. Nothing of it blocks the loop. An invalid id raises ValueError."""

    async def open(self) -> None:
        """Look whether it works, at the start. What waiting won't heal (a wrong key, say) raises GatewayError; other trouble is only reported."""
        ...

    def trouble(self) -> str | None:
        """Why nothing could be kept or read at the last try; None: it could."""
        ...

    async def write(self, file_id: str, content: bytes) -> None:
        """Whole and durable on return, or not there at all. The same id may be written again, at the same time even. Raises StoreUnavailable."""
        ...

    async def read(self, file_id: str) -> bytes:
        """The bytes. Raises FileNotFoundError, and StoreUnavailable."""
        ...

    async def find(self, file_id: str) -> FoundFile | None:
        """The file, to be read in parts; None: it isn't there. Raises StoreUnavailable."""
        ...

    async def delete(self, file_ids: Iterable[str]) -> None:
        """Also what a crash left of them half written. What isn't there needn't be deleted. Raises StoreUnavailable."""
        ...
