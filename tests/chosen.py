"""The store that was chosen with `--store`, for tests of whole gateways: SQLite files in their folders, or a database of a real PostgreSQL server for each folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

STORE = "sqlite"  # set by tests/conftest.py


def store_of(folder: Path) -> dict[str, str]:
    """What a gateway's config says of it: the same for the same folder, which may be started on again and again."""
    return {"store": _url(folder.resolve()), "media_secret": "the-same-for-all-of-its-processes"} if STORE == "postgresql" else {}


@cache
def _url(_: Path) -> str:
    from tests import postgresql

    server = postgresql.shared()
    return server.url(server.new_database())


def demo_options(folder: Path) -> Iterator[str]:
    """For `byoc demo`, which starts a server of its own in the folder. For root, that is another user's, who can't enter folders that pytest makes."""
    if STORE == "postgresql":
        yield from ("--store", "postgresql")
        for above in folder.resolve().parents if os.geteuid() == 0 else ():
            if not above.stat().st_mode & 0o001:
                above.chmod(above.stat().st_mode | 0o011)
