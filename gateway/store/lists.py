"""Lists of sessions in SQL, and what search finds.

A list is a merge of streams, each in the order of an index, so that a page costs the same however many sessions there are. A rep's are the sessions that they are tied
to and those that wait in their queues; a supervisor's, all of the org; each with one status. Sessions that rest are many: they are found by what is filed of
them. The others are few, and looked through.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator
from typing import Final

from gateway.session.model import Session, Status
from gateway.store.contract import Wanted
from gateway.store.filing import SOUGHT, Filing
from gateway.store.gathering import Gathering
from gateway.store.sessions import RESTING, parsed

_FIRST: Final = -(2**63)
_ALL: Final = "FROM sessions s INDEXED BY sessions_listed WHERE s.org = :org AND s.status = :status"
_WAITING: Final = """FROM sessions s INDEXED BY sessions_listed
    WHERE s.org = :org AND s.status = :status AND s.queue IN (SELECT value FROM json_each(:queues))"""
_NOT_FILED: Final = "FROM sessions s INDEXED BY sessions_not_filed WHERE s.filed IS NOT 1 AND s.status = :status AND s.org = :org"
# `+`: else SQLite asks whether the value fits `sessions_to_route`, and compiles the statement anew each time, which takes longer than to run it.
_STATUS: Final = "+s.status = :status"
_TIED: Final = f"""FROM rep_sessions r CROSS JOIN sessions s ON s.id = r.session_id
    WHERE r.org = :org AND r.login = :login AND r.rests IS NULL AND {_STATUS}"""
_TIED_AND_FILED: Final = """FROM rep_sessions r CROSS JOIN sessions s ON s.id = r.session_id
    WHERE r.org = :org AND r.login = :login AND r.rests = :status"""
_IN_FTS: Final = "FROM filed_grams CROSS JOIN filed ON filed.place = filed_grams.rowid"
_FOUND: Final = f"""{_IN_FTS} CROSS JOIN sessions s ON s.id = filed.session_id
    WHERE filed_grams MATCH :sought AND s.filed = 1 AND s.org = :org AND {_STATUS}"""
_FOUND_TIED: Final = f"""{_IN_FTS} CROSS JOIN sessions s ON s.id = filed.session_id
    CROSS JOIN rep_sessions r ON r.org = s.org AND r.login = :login AND r.session_id = s.id
    WHERE filed_grams MATCH :sought AND s.filed = 1 AND s.org = :org AND {_STATUS}"""
_NAMED: Final = f"FROM sessions s WHERE s.id = :q AND s.org = :org AND {_STATUS}"
_NAMED_TIED: Final = f"""FROM rep_sessions r CROSS JOIN sessions s ON s.id = r.session_id
    WHERE r.org = :org AND r.login = :login AND r.session_id = :q AND {_STATUS}"""
# Rows that an older version wrote last say what they are found by only when asked.
_HAS: Final = " AND instr(CASE WHEN s.filed IS NULL THEN found_by(s.address, s.name) ELSE s.name END, :word{}) > 0"
# On PostgreSQL a session says from the start whether it is filed, and `filed` has the pieces itself.
_ON_POSTGRESQL: Final = (
    (_IN_FTS, "FROM filed"),
    ("filed_grams.rowid", "filed.place"),
    ("filed_grams MATCH :sought", "filed.grams @> :sought::text[]"),
    ("s.filed IS NOT 1", "s.filed <> 1"),
    (_HAS.format("{}").partition("{}")[0], " AND instr(s.name, :word"),
)


class Lists:
    """See `gateway.store.contract.Lists`."""

    def __init__(self, gathering: Gathering) -> None:
        self._gathering = gathering
        self.file = Filing(gathering).file

    def walk(self, wanted: Wanted, *, after: int | None, chunk: int) -> Iterator[tuple[int, Session]]:
        """See the contract."""
        streams = [
            self._stream(where, place, wanted, status, after, chunk)
            for status in ([wanted.status] if wanted.status else Status)
            for where, place in _sources(wanted, status)
        ]
        given: set[str] = set()
        for place, session_id, state in heapq.merge(*streams):
            if session_id not in given:
                given.add(session_id)
                yield place, parsed(state)

    def _stream(
        self, where: str, place: str, wanted: Wanted, status: Status, after: int | None, chunk: int
    ) -> Iterator[tuple[int, str, str]]:
        query = f"SELECT {place}, s.id, s.state {where} AND {place} > :after ORDER BY {place} LIMIT :chunk"
        if self._gathering.dialect == "postgresql":
            for ours, theirs in _ON_POSTGRESQL:
                query = query.replace(ours, theirs)
        login = None if wanted.everything and not wanted.mine else wanted.login
        values = {
            "org": wanted.org,
            "login": wanted.login,
            "status": status.value,
            "queues": json.dumps(sorted(wanted.queues)),
            "q": wanted.q,
            "sought": SOUGHT[self._gathering.dialect](wanted.org, status, login, wanted.words) if ":sought" in where else None,
            "chunk": chunk,
            **{f"word{number}": word for number, word in enumerate(wanted.words)},
        }
        at = _FIRST if after is None else after
        while True:
            rows = self._gathering.run(query, {**values, "after": at}).fetchall()
            yield from map(tuple, rows)
            if len(rows) < chunk:
                return
            at = rows[-1][0]


def _sources(wanted: Wanted, status: Status) -> Iterator[tuple[str, str]]:
    """From where, and by which column in order."""
    words = "".join(_HAS.format(number) for number in range(len(wanted.words)))
    rests, mine = status in RESTING, " AND r.tie = 'in'" if wanted.mine else ""
    if wanted.everything and not wanted.mine:
        if not words:
            yield _ALL, "s.place"
            return
        yield _NOT_FILED + words, "s.place"
        if rests:
            yield _FOUND, "filed_grams.rowid"
    else:
        yield _TIED + mine + words, "s.place"
        if rests:
            yield (_FOUND_TIED + mine, "filed_grams.rowid") if words else (_TIED_AND_FILED + mine, "r.place")
        if status is Status.waiting and wanted.queues and not wanted.mine:
            yield _WAITING + words, "s.place"
    if len(wanted.words) == 1:
        yield _NAMED_TIED + mine if wanted.mine else _NAMED, "s.place"
