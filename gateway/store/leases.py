"""Who works on a store, and who does what, in PostgreSQL: `gateway.sharing` decides by it. All times are the server's.

Everything here blocks, and is called in a thread of its own by a connection of its own: a worker that is busy is not dead.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

from gateway.errors import StoreUnavailable
from gateway.store.database import Database
from gateway.store.statements import Conflict, Connection

T = TypeVar("T")
_MOST_TRIES: Final = 5  # of a transaction that meets another one
_IS_HELD: Final = "EXISTS (SELECT 1 FROM workers WHERE workers.id = leases.worker AND NOT workers.gone)"
_LOCK: Final = 0x62796F64  # of PostgreSQL's advisory locks: one comes at a time


class About(NamedTuple):
    """A process. `process`: the name that its connections have at the server."""

    process: str
    host: str
    pid: int
    version: str


class There(NamedTuple):
    """A worker that is there. `late`: it hasn't been heard of for so long that it counts as dead."""

    id: str
    roles: frozenset[str]
    late: bool


class Shared(NamedTuple):
    """How the work is shared at a moment: the workers in the order in which they came, and the holder of each duty that has one."""

    workers: Sequence[There]
    holders: Mapping[str, str]
    server_started_seconds_ago: float


class Changes(NamedTuple):
    """What a worker wants to hold from now on if nobody has it, and what no longer."""

    claims: Collection[str] = ()
    let_go: Collection[str] = ()


class Leases:
    """See the module."""

    def __init__(self, database: Database, *, lease_seconds: float) -> None:
        self._database, self._seconds = database, lease_seconds
        self._connection: Connection | None = None

    def close(self) -> None:
        """Never raises."""
        if self._connection is not None:
            self._database.close(self._connection)
            self._connection = None

    def register(self, worker: str, about: About, roles: Collection[str]) -> bool:
        """Be there. Whether it is the first: nobody else is, or has been for the time of a lease. Raises StoreUnavailable, as all of these."""

        def job(connection: Connection) -> bool:
            connection.execute("SELECT pg_advisory_xact_lock(?)", (_LOCK,))
            query = "SELECT 1 FROM workers WHERE NOT gone AND seen_at > clock_timestamp() - make_interval(secs => ?) LIMIT 1"
            others = connection.execute(query, (self._seconds,))
            connection.execute(
                "INSERT INTO workers (id, process, roles, host, pid, version) VALUES (?, ?, ?, ?, ?, ?)",
                (worker, about.process, _names(roles), about.host, about.pid, about.version),
            )
            connection.execute(
                """DELETE FROM workers WHERE gone AND seen_at < clock_timestamp() - interval '1 day'
                   AND NOT EXISTS (SELECT 1 FROM rep_streams WHERE worker = workers.id)"""
            )
            return others.fetchone() is None

        return self._do(job)

    def beat(self, worker: str, decide: Callable[[Shared], Changes]) -> tuple[Shared, frozenset[str]] | None:
        """Still be there, and change what `decide` says. What was there before, and what of the claims was got; None: it was taken for dead."""

        def job(connection: Connection) -> tuple[Shared, frozenset[str]] | None:
            seen = connection.execute("UPDATE workers SET seen_at = clock_timestamp() WHERE id = ? AND NOT gone", (worker,))
            there = connection.execute(
                """SELECT id, roles, seen_at < clock_timestamp() - make_interval(secs => ?) AS late FROM workers
                   WHERE NOT gone ORDER BY started_at, id""",
                (self._seconds,),
            )
            server = connection.execute("SELECT extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8")
            held = connection.execute(f"SELECT duty, worker FROM leases WHERE {_IS_HELD}")  # noqa: S608
            shared = Shared(
                [There(row["id"], frozenset(json.loads(row["roles"])), bool(row["late"])) for row in there.fetchall()],
                {row["duty"]: row["worker"] for row in held.fetchall()},
                float(server.fetchone()[0]),
            )
            if seen.rowcount != 1:
                return None
            changes = decide(shared)
            got: frozenset[str] = frozenset()
            if changes.let_go:
                connection.execute("DELETE FROM leases WHERE worker = ? AND duty = ANY(?)", (worker, sorted(changes.let_go)))
            if changes.claims:
                rows = connection.execute(
                    f"""INSERT INTO leases (duty, worker) SELECT duty, ?::text FROM unnest(?::text[]) AS duty ORDER BY duty
                        ON CONFLICT (duty) DO UPDATE SET worker = excluded.worker, since = clock_timestamp() WHERE NOT {_IS_HELD}
                        RETURNING duty""",  # noqa: S608
                    (worker, sorted(changes.claims)),
                )
                got = frozenset(row["duty"] for row in rows.fetchall())
            return shared, got

        return self._do(job)

    def take_over(self) -> int:
        """The workers that are late are gone, and what they held is free. How many; one that is within a transaction that writes isn't among them
        yet: what it has open at the server is cut off, and the next call will find it. Nobody waits."""

        def job(connection: Connection) -> int:
            late = "NOT gone AND seen_at < clock_timestamp() - make_interval(secs => ?)"
            # A process that stands still, or whose link is cut, may hold what others need.
            connection.execute(
                f"""SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid != pg_backend_pid()
                    AND application_name IN (SELECT process FROM workers WHERE {late})""",  # noqa: S608
                (self._seconds,),
            )
            found = connection.execute(f"SELECT id FROM workers WHERE {late} FOR UPDATE SKIP LOCKED", (self._seconds,))  # noqa: S608
            ids = [row["id"] for row in found.fetchall()]
            if ids:
                self._is_gone(connection, ids)
            return len(ids)

        return self._do(job)

    def retire(self, worker: str) -> None:
        """No longer be asked to share."""
        self._do(lambda connection: connection.execute("UPDATE workers SET roles = '[]' WHERE id = ?", (worker,)))

    def sign_off(self, worker: str) -> None:
        """Be gone, at once."""

        def job(connection: Connection) -> None:
            connection.execute("SELECT id FROM workers WHERE id = ? FOR UPDATE", (worker,))
            self._is_gone(connection, [worker])

        self._do(job)

    @staticmethod
    def _is_gone(connection: Connection, ids: Sequence[str]) -> None:
        connection.execute("UPDATE workers SET gone = true WHERE id = ANY(?)", (ids,))
        connection.execute("DELETE FROM leases WHERE worker = ANY(?)", (ids,))

    def _do(self, job: Callable[[Connection], T]) -> T:
        if self._connection is None:
            self._connection = self._database.open()
        for _ in range(_MOST_TRIES):
            try:
                self._database.begin(self._connection)
                result = job(self._connection)
                self._database.commit(self._connection)
                return result
            except Exception as error:
                self._database.rollback(self._connection)
                met: Exception = error
                if not isinstance(error, Conflict):
                    break
        if isinstance(met, StoreUnavailable):
            raise met
        raise StoreUnavailable(self._database.unavailable(met)) from met


def _names(roles: Collection[str]) -> str:
    return json.dumps(sorted(roles))
