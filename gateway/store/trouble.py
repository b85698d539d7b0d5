"""What of SQLite's and the system's errors is the disk's fault, and what an operator does about it."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Mapping
from typing import Final

from gateway.store.statements import Lost

_FULL: Final = "Free space on the disk of `data_dir`; the gateway then recovers by itself."
_FAILS: Final = "The disk is failing: check the kernel's log (`dmesg`), and move `data_dir` to a working disk."
_NOT_OURS: Final = "Give the gateway's user write access to `data_dir`, on a disk that is mounted for writing."
_BROKEN: Final = "Stop the gateway and restore the last backup."
HANGING: Final = "Another process may hold the file's write lock: find it with `fuser` and stop it."

# What fails for every job, as https://www.sqlite.org/rescode.html names it. The rest (a fault in one statement, a value that is too big) is one
# job's own fault. Blaming the whole commit would let one such event block everybody for ever.
_SQLITE: Final[Mapping[int, str]] = {
    sqlite3.SQLITE_BUSY: HANGING,
    sqlite3.SQLITE_CANTOPEN: _NOT_OURS,
    sqlite3.SQLITE_CORRUPT: _BROKEN,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_IOERR: _FAILS,
    sqlite3.SQLITE_LOCKED: HANGING,
    sqlite3.SQLITE_NOMEM: "The machine has too little memory.",
    sqlite3.SQLITE_NOTADB: _BROKEN,
    sqlite3.SQLITE_PERM: _NOT_OURS,
    sqlite3.SQLITE_PROTOCOL: HANGING,
    sqlite3.SQLITE_READONLY: _NOT_OURS,
}
_SYSTEM: Final[Mapping[int | None, str]] = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EACCES: _NOT_OURS,
    errno.EPERM: _NOT_OURS,
    errno.EROFS: _NOT_OURS,
    errno.ENOTDIR: _NOT_OURS,
}


def of_the_disk(error: BaseException) -> bool:
    """Whether an error holds for everybody who uses the file."""
    return isinstance(error, OSError | Lost) or _code(error) in _SQLITE


def unavailable(what: str, error: BaseException) -> str:
    """What happened to `what`, why, and what to do."""
    if isinstance(error, OSError):
        return f"{what}: {error.strerror or error}. {_SYSTEM.get(error.errno, _FAILS)}"
    return f"{what}: {error}. {_SQLITE.get(_code(error), _FAILS)}"


def _code(error: BaseException) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF if isinstance(error, sqlite3.Error) else 0
