"""Brings a database's tables up to date: numbered scripts, each once, by one process at a time.

A script begins with `-- works with: N`, the oldest schema whose code still works on the new tables. So during an upgrade the processes of the older version work on,
and may be started again, while the newer ones come up (`docs/scaling.md`).
"""

from __future__ import annotations

import logging
import re
from importlib import resources
from typing import Any, Final, NamedTuple

import psycopg

from gateway.errors import CannotStart
from gateway.store.postgresql.connecting import OLDEST, SCHEMA

_log = logging.getLogger(__name__)
_LOCK: Final = 0x62796F63  # "byoc": of PostgreSQL's advisory locks
_WORKS_WITH: Final = re.compile(r"-- works with: (\d+)\n")


class Script(NamedTuple):
    """A step. `works_with`: see the module."""

    number: int
    works_with: int
    text: str


def scripts(package: str = "gateway.store.migrations.postgresql") -> list[Script]:
    """In order."""
    found = []
    for file in sorted((f for f in resources.files(package).iterdir() if f.name.endswith(".sql")), key=lambda f: f.name):
        text = file.read_text()
        number = int(file.name.split("_", 1)[0])
        said = _WORKS_WITH.match(text)
        found.append(Script(number, int(said[1]) if said else number, text))
    return found


def migrate(connection: psycopg.Connection[Any], steps: list[Script] | None = None) -> None:
    """Raises CannotStart for a server or a schema that this version can't work with, and psycopg.Error."""
    version = connection.info.server_version // 10_000
    if version < OLDEST:
        raise CannotStart(f"the server is PostgreSQL {version}: version {OLDEST} or newer is needed")
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise CannotStart(f"the database keeps texts as {encoding}: create one with ENCODING 'UTF8'")
    steps = scripts() if steps is None else steps
    with connection.transaction():
        connection.execute(
            "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
        )
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        done = _where_it_is(connection)
        newest = steps[-1].number
        if done.number > newest:
            if done.works_with > newest:
                raise CannotStart(
                    f"the database has tables of a newer version (schema {done.number}; this version knows up to {newest}): "
                    "start the newer version, or restore the backup from before the upgrade"
                )
            return
        due = [step for step in steps if step.number > done.number]
        if not due:
            return
        if done.number:
            about = {"action": "store.upgrading", "from_version": done.number, "to_version": newest}
            _log.warning("the tables are brought up to date, which takes minutes where much is stored: let it end", extra=about)
        for step in due:
            connection.execute(step.text.encode())
        works_with = max(step.works_with for step in due)
        connection.execute("DELETE FROM schema_version")
        connection.execute("INSERT INTO schema_version (number, works_with) VALUES (%s, %s)", (newest, works_with))


def _where_it_is(connection: psycopg.Connection[Any]) -> Script:
    there = connection.execute("SELECT to_regclass(%s)", (f"{SCHEMA}.schema_version",)).fetchone()
    if there is None or there[0] is None:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        connection.execute(f"CREATE TABLE {SCHEMA}.schema_version (number integer NOT NULL, works_with integer NOT NULL)")
        return Script(0, 0, "")
    row = connection.execute("SELECT number, works_with FROM schema_version").fetchone()
    return Script(int(row[0]), int(row[1]), "") if row else Script(0, 0, "")
