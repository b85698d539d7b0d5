"""Connecting to a PostgreSQL database, with our settings. The only place that knows the password."""

from __future__ import annotations

import secrets
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from gateway.errors import CannotStart

SCHEMA: Final = "byoc"
OLDEST: Final = 14  # of the servers' versions; tests run on 16 and 18
# Others tell by it which connections are of a process that they take for dead (`gateway.store.leases`).
PROCESS: Final = f"byoc {secrets.token_hex(6)}"
# A link that is cut says nothing: without these a process would wait for it for many minutes.
_LINK: Final[dict[str, Any]] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "client_encoding": "utf8",
    "application_name": PROCESS,
}
LOCKS: Final = "lock_timeout = 20000"
# A process that stops in the middle of a transaction holds what others wait for: the server ends it.
_SESSION: Final = (
    f"SET search_path = {SCHEMA}, public",
    "SET idle_in_transaction_session_timeout = 10000",
    f"SET {LOCKS}",
    "SET statement_timeout = 25000",
    "SET timezone = 'UTC'",
    "SET jit = off",  # it compiles plans that take a millisecond for tens of them
)


def place_of(url: str) -> str:
    """`HOST/DATABASE`, for logs."""
    known = conninfo_to_dict(url)
    port = known.get("port")
    host = known.get("host") or "localhost"
    return f"{host}{f':{port}' if port and str(port) != '5432' else ''}/{known.get('dbname') or known.get('user') or ''}"


def well_formed(url: str) -> None:
    """Raises CannotStart when it can't be read as an address; the sentence shows nothing of it."""
    try:
        conninfo_to_dict(url)
    except psycopg.Error:
        fix = "Write it like postgresql://USER:PASSWORD@HOST:5432/DATABASE; signs such as @ and / in a password are written as %40 and %2F."
        raise CannotStart(f"store: this is not an address of a PostgreSQL database. {fix}") from None


def connect(url: str) -> psycopg.Connection[Any]:
    """A connection that commits by itself what isn't within BEGIN. Raises psycopg.Error."""
    connection = psycopg.connect(
        url, autocommit=True, **{key: value for key, value in _LINK.items() if key not in conninfo_to_dict(url)}
    )
    try:
        connection.execute("; ".join(_SESSION))
    except BaseException:
        connection.close()
        raise
    return connection
