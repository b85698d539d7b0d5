"""Which processes have event streams of a rep open, in PostgreSQL. Whoever changes it holds the rep's org."""

from __future__ import annotations

from typing import Final

from gateway.store.gathering import Gathering

_THERE: Final = "worker IN (SELECT id FROM workers WHERE NOT gone)"


class RepStreams:
    """See the module."""

    def __init__(self, gathering: Gathering) -> None:
        self._run, self._worker = gathering.run, gathering.worker

    def is_here(self, org: str, login: str) -> bool:
        """Whether this process has some."""
        query = "SELECT 1 FROM rep_streams WHERE org = ? AND login = ? AND worker = ?"
        return self._run(query, (org, login, self._worker())).fetchone() is not None

    def here(self) -> set[tuple[str, str]]:
        """Whose this process has."""
        rows = self._run("SELECT org, login FROM rep_streams WHERE worker = ?", (self._worker(),))
        return {(row["org"], row["login"]) for row in rows}

    def note(self, org: str, login: str, open: bool) -> bool:
        """Note that this process has some, or has none. Whether others have."""
        place = (org, login, self._worker())
        if open:
            self._run(
                "INSERT INTO rep_streams (org, login, worker) VALUES (?, ?, ?) ON CONFLICT (org, login, worker) DO NOTHING", place
            )
        else:
            self._run("DELETE FROM rep_streams WHERE org = ? AND login = ? AND worker = ?", place)
        return (
            self._run("SELECT 1 FROM rep_streams WHERE org = ? AND login = ? AND worker != ? LIMIT 1", place).fetchone()
            is not None
        )

    def adrift(self) -> set[tuple[str, str]]:
        """Whose processes have that are gone."""
        rows = self._run(f"SELECT DISTINCT org, login FROM rep_streams WHERE NOT {_THERE}")  # noqa: S608
        return {(row["org"], row["login"]) for row in rows}

    def let_go(self, org: str, login: str) -> bool:
        """Those of processes that are gone are closed. Whether there were some, and no others."""
        gone = self._run(f"DELETE FROM rep_streams WHERE org = ? AND login = ? AND NOT {_THERE}", (org, login))  # noqa: S608
        left = self._run("SELECT 1 FROM rep_streams WHERE org = ? AND login = ? LIMIT 1", (org, login))
        return left.fetchone() is None and gone.rowcount > 0
