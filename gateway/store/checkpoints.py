"""Copies what commits wrote from a file's log into the file itself, beside the writer: a commit doesn't wait for it.

SQLite would do so within the commit that makes the log long enough (`wal_autocheckpoint`), and everybody who waits for that commit would wait for the whole copy:
60 ms and more, once a second under load. Copied beside the writer, the log begins again at the first commit that finds all of it copied. A writer that never pauses doesn't
find it so: it copies the rest itself when the log has become long, which is little by then.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from pathlib import Path
from typing import Final

from gateway.store.connecting import connect

_EVERY_SECONDS: Final = 0.5
_LONG_PAGES: Final = 16_000  # 64 MiB


class Checkpoints:
    """See the module. One for each writer; `connection` is the writer's."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path, self._writers = path, connection
        self._work, self._closing = threading.Event(), threading.Event()
        self._long = False
        self._thread = threading.Thread(target=self._run, name=f"checkpoints {path.name}", daemon=True)

    def open(self) -> None:
        """Begin. Raises sqlite3.Error."""
        self._writers.execute("PRAGMA wal_autocheckpoint=0")
        self._connection = connect(self._path)
        self._thread.start()

    def close(self) -> None:
        """End. What is in the log still is copied by whoever closes the file last, or read from there."""
        self._closing.set()
        self._work.set()
        self._thread.join()
        self._connection.close()

    def committed(self) -> None:
        """By the writer, after each commit."""
        if self._long:
            self._long = False
            _copy(self._writers)
        if not self._work.is_set():
            self._work.set()

    def _run(self) -> None:
        while self._work.wait() and not self._closing.wait(_EVERY_SECONDS):
            self._work.clear()
            if self._closing.is_set():  # set since the line above it: what woke us for it is cleared, too
                return
            self._long = _copy(self._connection) > _LONG_PAGES


def _copy(connection: sqlite3.Connection) -> int:
    """As much as can be without waiting for anybody; the log's length in pages. A disk that fails is reported by the commits on it."""
    with contextlib.suppress(sqlite3.Error):
        return int(connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1])
    return 0
