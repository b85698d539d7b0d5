"""The store that was chosen with `--store`, for tests of whole gateways: SQLite files in their folders, or a database of a real PostgreSQL server for each folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.store.beside import Stored

STORE = "sqlite"  # set by tests/conftest.py
_MOST: Final = 50
_urls: dict[Path, str] = {}  # by folder


def store_of(folder: Path) -> dict[str, str]:
    """What a gateway's config says of it: the same for the same folder, which may be started on again and again."""
    return {"store": _url(folder.resolve()), "media_secret": "the-same-for-all-of-its-processes"} if STORE == "postgresql" else {}


def stored_in(folder: Path) -> Path | Stored:
    """Where operators' commands find it."""
    if STORE == "sqlite":
        return folder
    from gateway.store.postgresql.beside import InDatabase

    return InDatabase(_url(folder.resolve()))


def examples(count: int) -> int:
    """How many a test makes up that starts a gateway on an empty store for each: a database takes much longer than a file."""
    return count if STORE == "sqlite" else count // 5


def _url(folder: Path) -> str:
    from tests import postgresql
    from tests.store.backends import migrated

    if folder not in _urls:
        if len(_urls) == _MOST:  # of tests that are long over: each takes 8 MB
            postgresql.drop(_urls.pop(next(iter(_urls))))
        _urls[folder] = postgresql.new_database(migrated)
    return _urls[folder]


def demo_options(folder: Path) -> Iterator[str]:
    """For `byoc demo`, which starts a server of its own in the folder. For root, that is another user's, who can't enter folders that pytest makes."""
    if STORE == "postgresql":
        yield from ("--store", "postgresql")
        for above in folder.resolve().parents if os.geteuid() == 0 else ():
            if not above.stat().st_mode & 0o001:
                above.chmod(above.stat().st_mode | 0o011)
