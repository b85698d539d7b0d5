"""What PostgreSQL's errors mean to the stores. `https://www.postgresql.org/docs/current/errcodes-appendix.html` has the codes."""

from __future__ import annotations

from typing import Final

import psycopg

from gateway.store.statements import Conflict, Held, Lost, StatementFailed

# Not another process's doing alone: done once more, it may meet nobody. The last of them: an upgrade of the tables while a statement was prepared.
_MET: Final = frozenset({"23505", "23P01", "40001"})
_CHANGED_TABLES: Final = "cached plan must not change result type"
_HELD: Final = frozenset({"40P01", "55P03"})  # the same, and no fault of the job's even where it goes on
# By class: connections, resources (disk and memory), operators' interventions, the system's own errors.
_OF_ALL: Final = frozenset({"08", "53", "58", "F0"})
_ENDS_CONNECTION: Final = frozenset({"57P01", "57P02", "57P03", "57P04", "57P05", "25P03", "25006"})
# Also what the server took too long for, what it doesn't allow us, data of its that are damaged, and a worker that counts as gone (`fence`).
_STOPPED: Final = _ENDS_CONNECTION | {"BY001", "57014", "28000", "28P01", "3D000", "42501", "XX001", "XX002"}


def meaning(error: psycopg.Error) -> Conflict | Lost | StatementFailed:
    """The stores' own error, caused by the driver's."""
    code = error.sqlstate or ""
    made: Conflict | Lost | StatementFailed
    if code in _HELD:
        made = Held(code)
    elif code in _MET or changed_tables(error):
        made = Conflict(code)
    elif code in _STOPPED or code[:2] in _OF_ALL or (not code and isinstance(error, psycopg.OperationalError)):
        made = Lost(code)
    else:
        made = StatementFailed(code)
    made.__cause__ = _without_values(error)
    return made


def _without_values(error: psycopg.Error) -> psycopg.Error:
    """The server's details quote rows, and its words of a wrong value that value: both may be a customer's, and errors are logged."""
    diagnosis = error.diag
    if diagnosis.message_primary is None:  # libpq's own words
        return error
    told = f"{type(error).__name__} {error.sqlstate}"
    if (error.sqlstate or "")[:2] != "22":
        told += f": {diagnosis.message_primary}"
    without = type(error)(told)
    without.sqlstate = error.sqlstate  # a code of our own has no class
    return without


def changed_tables(error: psycopg.Error) -> bool:
    """Whether what this connection has prepared is of older tables."""
    return error.sqlstate == "0A000" and _CHANGED_TABLES in str(error)


def ends_connection(error: psycopg.Error) -> bool:
    """Whether nothing can be done by the connection any more."""
    return (error.sqlstate or "") in _ENDS_CONNECTION or (error.sqlstate is None and isinstance(error, psycopg.OperationalError))
