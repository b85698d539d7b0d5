"""Sessions that rest, filed for search.

SQLite's FTS5 finds words; reps look for a part of a name or number. So what is filed of a word is its pieces of 1, 2, 3 and 5 characters. A search asks for
those pieces of its words that are as long as can be; whoever has all of them is looked at more closely by whoever asked. The pieces of each org and status are
words of their own, so that one org's sessions don't slow down another's search.

PostgreSQL keeps the same pieces in an array, which has an index of its parts; it knows by itself what it has to take out.

The index is in the order of lists: the row's number is the session's place. A session that wakes, or is changed at rest, keeps its old row until it is
filed again; until then `sessions.filed` says that the row doesn't count. So nothing of this is done while a message is taken in.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from gateway.session.model import Status
from gateway.session.searching import found_by
from gateway.store.gathering import Gathering
from gateway.store.sessions import RESTING

_SIZES: Final = (1, 2, 3, 5)
# FTS5's plainest tokenizer parts words at every sign of ASCII that is neither letter nor digit: those are put elsewhere, as in a private alphabet.
_APART: Final = chr(0xE000)
_AS_SIGNS: Final = {code: 0xE000 + code for code in range(1, 128) if not chr(code).isalnum()}


_TO_FILE: Final = {
    "sqlite": """SELECT id, place, org, status, address, json_extract(state, '$.end_user.name') AS called
        FROM sessions INDEXED BY sessions_not_filed WHERE filed IS NOT 1 AND status = ? ORDER BY ordinal DESC LIMIT ?""",
    "postgresql": """SELECT id, place, org, status, address, json_extract(state, '$.end_user.name') AS called
        FROM sessions WHERE filed <> 1 AND status = ? ORDER BY ordinal DESC LIMIT ?""",
}


class _Filed(NamedTuple):
    """What a row of the index is made from. `place`: its number."""

    place: int
    session_id: str
    org: str
    status: str
    logins: Sequence[str]
    words: str

    @property
    def grams(self) -> str:
        return " ".join(self.pieces)

    @property
    def pieces(self) -> list[str]:
        return grams_of(self.org, self.status, self.logins, self.words)

    @property
    def made_from(self) -> str:
        return json.dumps([self.org, self.status, self.logins, self.words])


class Filing:
    """See `gateway.store.contract.Lists.file`."""

    def __init__(self, gathering: Gathering) -> None:
        self._run, self._run_many = gathering.run, gathering.run_many
        self._gathering, self._in_array = gathering, gathering.dialect == "postgresql"

    def file(self, most: int) -> int:
        """See the contract."""
        rows = [row for status in RESTING for row in self._to_file(status, most)]
        ids = json.dumps([row["id"] for row in rows])
        self._take_out(ids)
        logins = self._logins(ids)
        filed = self._put(
            [
                _Filed(
                    place=row["place"],
                    session_id=row["id"],
                    org=row["org"],
                    status=row["status"],
                    logins=logins.get(row["id"], ()),
                    words=found_by(row["address"], row["called"]),
                )
                for row in rows
            ]
        )
        if not self._in_array:  # in the order of their numbers FTS5 takes them at once, else one by one
            self._run_many("INSERT INTO filed_grams (rowid, grams) VALUES (?, ?)", [(o.place, o.grams) for o in sorted(filed)])
        self._run_many("UPDATE sessions SET filed = 1 WHERE id = ?", [(one.session_id,) for one in filed])
        self._run_many(
            "UPDATE rep_sessions SET rests = ?, place = ? WHERE org = ? AND login = ? AND session_id = ?",
            [(one.status, one.place, one.org, login, one.session_id) for one in filed for login in one.logins],
        )
        return len(filed)

    def _to_file(self, status: Status, most: int) -> list[Any]:
        """The newest first: an old file is filed from the end that people look at."""
        return self._run(
            _TO_FILE[self._gathering.dialect] + (self._gathering.for_update and " FOR UPDATE SKIP LOCKED"), (status.value, most)
        ).fetchall()

    def _take_out(self, ids: str) -> None:
        among = "session_id IN (SELECT value FROM json_each(?))"
        if self._in_array:
            self._run(f"DELETE FROM filed WHERE {among}", (ids,))  # noqa: S608
            return
        rows = self._run(f"SELECT place, session_id, made_from FROM filed WHERE {among} ORDER BY place", (ids,)).fetchall()  # noqa: S608
        old = [_Filed(row["place"], row["session_id"], *json.loads(row["made_from"])) for row in rows]
        self._run_many(
            "INSERT INTO filed_grams (filed_grams, rowid, grams) VALUES ('delete', ?, ?)", [(o.place, o.grams) for o in old]
        )
        self._run_many("DELETE FROM filed WHERE place = ?", [(one.place,) for one in old])

    def _logins(self, ids: str) -> Mapping[str, Sequence[str]]:
        found: dict[str, list[str]] = {}
        query = "SELECT session_id, login FROM rep_sessions WHERE session_id IN (SELECT value FROM json_each(?)) ORDER BY login"
        for session_id, login in self._run(query, (ids,)):
            found.setdefault(session_id, []).append(login)
        return found

    def _put(self, rows: Sequence[_Filed]) -> list[_Filed]:
        """Each in its place, or the next that is free: two sessions share one where millions were active in the same millisecond."""
        put: dict[int, _Filed] = {}
        for one in rows:
            while one.place in put:
                one = one._replace(place=one.place + 1)
            put[one.place] = one
        while taken := [row["place"] for row in self._run(*self._at(put))]:
            for place in taken:
                one = put.pop(place)
                while one.place in put or one.place == place:
                    one = one._replace(place=one.place + 1)
                put[one.place] = one
        kept = [(one.place, one.session_id, one.pieces if self._in_array else one.made_from) for one in put.values()]
        column = "grams" if self._in_array else "made_from"
        self._run_many(f"INSERT INTO filed (place, session_id, {column}) VALUES (?, ?, ?)", kept)  # noqa: S608
        return list(put.values())

    def _at(self, places: Iterable[int]) -> tuple[str, tuple[Any]]:
        if self._in_array:
            return "SELECT place FROM filed WHERE place = ANY (?::bigint[])", (list(places),)
        return "SELECT place FROM filed WHERE place IN (SELECT value FROM json_each(?))", (json.dumps(list(places)),)


def sought(org: str, status: Status, login: str | None, words: Iterable[str]) -> str:
    """What FTS5 is asked for: sessions of an org at rest in this status, `login`'s or anybody's, that may have all the words.

    FTS5 goes through what AND joins abreast, and looks in each list for each of the rarest one's rows. A rep's own list is long, and has no place in that: it is to be
    asked only for rows that have all pieces. FTS5 joins AND within AND to one; `NOT` nothing keeps them apart.
    """
    before = _before(org, status.value)
    pieces = _all(dict.fromkeys(before + piece for word in words for piece in _longest(_signs(word))))
    if login is None:
        return pieces
    return f'"{before}{_APART}{_signs(login)}" AND (({pieces}) NOT "")'


def _all(terms: Iterable[str]) -> str:
    return " AND ".join(f'"{one}"' for one in terms)


def sought_in_array(org: str, status: Status, login: str | None, words: Iterable[str]) -> list[str]:
    """As `sought`, as what the array is to have."""
    before = _before(org, status.value)
    whose = [] if login is None else [f"{before}{_APART}{_signs(login)}"]
    return list(dict.fromkeys([*(before + piece for word in words for piece in _longest(_signs(word))), *whose]))


SOUGHT: Final = {"sqlite": sought, "postgresql": sought_in_array}


def grams_of(org: str, status: str, logins: Iterable[str], words: str) -> list[str]:
    """What the row has in the index: the pieces of its words, and whose it is."""
    before = _before(org, status)
    # Put into the other alphabet before they are cut: each piece by itself would take ten times as long.
    pieces = {
        word[at : at + size] for word in map(_signs, words.split()) for size in _SIZES for at in range(len(word) - size + 1)
    }
    return [before + one for one in (*pieces, *(_APART + _signs(login) for login in logins))]


def _longest(word: str) -> Iterator[str]:
    """The pieces that together stand for a word, of the greatest size that there is: one after the other, and the last. Each one more is another list to read."""
    size = max(size for size in _SIZES if size <= len(word))
    return (word[at : at + size] for at in dict.fromkeys((*range(0, len(word) - size, size), len(word) - size)))


def _before(org: str, status: str) -> str:
    return f"{_signs(org)}{_APART}{status}{_APART}"


def _signs(text: str) -> str:
    return text.translate(_AS_SIGNS)
