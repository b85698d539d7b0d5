"""What of PostgreSQL's errors an operator must know, and what they do about it. No sentence has anything of the connection's address but host and database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import psycopg

from gateway.store.statements import Conflict, Lost, StatementFailed

_DOWN: Final = "Start the server, or correct `store`; the gateway goes on by itself when it answers."
_HELD: Final = (
    "what this needs was held by others for too long",
    "It passes; if not, look for what they wait for (pg_stat_activity).",
)
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_SENTENCES: Final[Mapping[str, tuple[str, str]]] = {
    "28P01": ("the server refuses the password", "Correct `store` in the config."),
    "28000": ("the server lets this user not in from here", "Correct `store`, or the server's pg_hba.conf."),
    "3D000": ("the database does not exist", "Create it (`createdb`), or correct `store`."),
    "42501": ("the user lacks the rights for it", "Let the user own the database, or grant it CREATE on the database."),
    "53100": ("the server's disk is full", "Free space there; the gateway then goes on by itself."),
    "53200": ("the server is out of memory", "Give it more, or raise max_locks_per_transaction if its log says so."),
    "53300": ("the server has no connection left", "Raise max_connections, or run fewer processes (docs/scaling.md)."),
    "57P01": ("the server is stopped or restarted", _DOWN),
    "57P02": ("the server crashed", _DOWN),
    "57P03": ("the server is starting, or stopping", _DOWN),
    "25006": ("the server takes no writes: it is a standby, or set so", "Let `store` name the primary."),
    "25P03": ("the server ended a transaction that took too long", "Nothing to do, unless it happens again and again."),
    "40P01": _HELD,
    "55P03": _HELD,
    "57014": ("the server took longer than 25 s for a statement", "Look for what it waits for (pg_stat_activity)."),
    "58030": ("the server's disk is failing", "Look into the server's log, and move it to a working disk."),
    "BY001": ("this process was taken for dead, and others do its work", "It comes back by itself."),
    "XX001": ("the server's data is damaged", "Restore the last backup."),
    "XX002": ("an index of the server is damaged", "REINDEX it, and look into the server's log."),
}
# These don't pass by waiting: a start that meets one ends.
FINAL: Final = frozenset({"28P01", "28000", "3D000", "42501"})


def sentence(what: str, error: BaseException) -> str:
    """What happened, why, and what to do. `error`: psycopg's, or one caused by it."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, psycopg.Error):
        cause = cause.__cause__
    code = code_of(error)
    if code in _SENTENCES:
        happened, fix = _SENTENCES[code]
        return f"{what}: {happened}. {fix}"
    if cause is None:
        return f"{what}: {error}. {_DOWN}"
    if not code:
        return f"{what}: the server can't be reached. {_DOWN}"
    primary = cause.diag.message_primary if isinstance(cause, psycopg.Error) else None
    return f"{what}: {primary or 'the server reports a fault'} ({code}). Look into the server's log."


def code_of(error: BaseException) -> str:
    """The server's code; empty: it said nothing. An attempt to connect tells it in words alone."""
    if isinstance(error, Conflict | Lost | StatementFailed) and error.args and error.args[0]:
        return str(error.args[0])  # a code of our own the driver doesn't keep
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, psycopg.Error):
        cause = cause.__cause__
    if cause is None:
        return ""
    if cause.sqlstate:
        return str(cause.sqlstate)
    return next((code for words, code in _IN_WORDS if words in str(cause)), "")


# libpq gives no code of a connection that was refused; these words are of servers that speak English.
_IN_WORDS: Final = (
    ("password authentication failed", "28P01"),
    ("no password supplied", "28P01"),
    ("no pg_hba.conf entry", "28000"),
    ("does not exist", "3D000"),
    ("too many clients", "53300"),
    ("remaining connection slots", "53300"),
    ("the database system is", "57P03"),
)
