"""Which person an address leads to, and which addresses are a person's now.

A person on a channel is kept under one address, the key of conversation, sessions and outbox; others lead to it. An address is *lasting*
(an id that belongs to one person for ever) or *lent* (a phone number, which the network gives to somebody else in time). So:

- Two different lasting addresses are two people, whatever number they share, unless an event says that one has become the other.
- A lent address belongs to whoever used it last, by the provider's time, and a person has one number at a time.
- What a person gave up gets nothing any more. An id still leads to them; a number does for what was said before.
- The key is always an address that is the person's now. When it passes on or is given up, the person moves to another of theirs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from adapters.envelope import EndUser


class Whose(NamedTuple):
    """The key that a person is kept under, and who was moved for it, as (old key, new key), in order."""

    address: str
    moved: tuple[tuple[str, str], ...] = ()


class _Row(NamedTuple):
    owner: str
    lent: bool
    used_at: float
    gone: bool


def known(connection: sqlite3.Connection, channel_id: str, end_user: EndUser) -> str:
    """The key of this person, without writing anything down; for a stranger, the address itself."""
    return _Telling(connection, channel_id, end_user, at=float("inf")).found() or end_user.address


def settle(connection: sqlite3.Connection, channel_id: str, end_user: EndUser, *, at: float) -> Whose:
    """The key of this person, who had these addresses at that time (Unix seconds); what follows from it is written down.

    Aliases and `conversations` follow a person who moves; sessions and outbox rows are the caller's to move.
    """
    return _Telling(connection, channel_id, end_user, at).settled()


def learn(connection: sqlite3.Connection, channel_id: str, end_user: EndUser, *, at: float) -> str:
    """The key of the person whom a receipt is about. It speaks of where a message went, perhaps long ago: so it moves nothing, and only tells
    which ids the owner of a number has."""
    telling = _Telling(connection, channel_id, end_user, at)
    key = telling.found()
    if key is None:
        return end_user.address
    if all(telling.rows[name].used_at <= at for name in telling.lent if name in telling.rows):
        for name in telling.lasting:
            if name not in telling.rows:
                telling.keep_id(name, key)
    return key


def current(connection: sqlite3.Connection, channel_id: str, address: str) -> tuple[str, ...]:
    """The person's other addresses that are theirs now, the last used first."""
    rows = connection.execute(
        "SELECT alias FROM aliases WHERE channel_id = ? AND address = ? AND alias != address AND NOT gone ORDER BY used_at DESC, alias",
        (channel_id, address),
    )
    return tuple(row["alias"] for row in rows)


@dataclass
class _Telling:
    """What one event tells of a person's addresses, beside what is written down."""

    connection: sqlite3.Connection
    channel_id: str
    end_user: EndUser
    at: float
    moved: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        one = self.end_user
        self.names = tuple(dict.fromkeys((one.address, *one.aliases)))
        self.lasting = [name for name in self.names if name not in one.lent]
        self.lent = [name for name in self.names if name in one.lent]
        self.lasting_before = [name for name in one.formerly if name not in one.lent]
        self.lent_before = [name for name in one.formerly if name in one.lent]
        self.rows = self._rows()

    def _rows(self) -> Mapping[str, _Row]:
        wanted = (*self.names, *self.end_user.formerly)
        found = self.connection.execute(
            f"SELECT alias, address, lent, used_at, gone FROM aliases WHERE channel_id = ? AND alias IN ({','.join('?' * len(wanted))})",  # noqa: S608
            (self.channel_id, *wanted),
        )
        return {row["alias"]: _Row(row["address"], bool(row["lent"]), row["used_at"], bool(row["gone"])) for row in found}

    # ------------------------------------------------------------------------------------------------- finding

    def found(self) -> str | None:
        """The key of the person whom the event is about; None for a stranger."""
        for name in (*self.lasting, *self.lasting_before):
            if name in self.rows:
                return self.rows[name].owner
        for name in self.lent_before:  # whoever had the number is the one who changed, unless another id of theirs is named
            if (owner := self._owner_by_number(name)) and not (self.lasting_before and self._ids_of(owner)):
                return owner
        for name in self.lent:
            if (owner := self._owner_by_number(name)) and not (self.lasting and self._ids_of(owner)):
                return owner
        return None

    def _owner_by_number(self, name: str) -> str | None:
        row = self.rows.get(name)
        return row.owner if row is not None and (not row.gone or self.at < row.used_at) else None

    def _ids_of(self, owner: str) -> set[str]:
        """The lasting addresses of a person, but those that this event knows to be lent."""
        found = self._of(owner, "NOT lent")
        return set(found) - set(self.end_user.lent)

    def _of(self, owner: str, which: str) -> list[str]:
        query = f"SELECT alias FROM aliases WHERE channel_id = ? AND address = ? AND {which} ORDER BY lent, used_at DESC, alias"  # noqa: S608
        return [row["alias"] for row in self.connection.execute(query, (self.channel_id, owner))]

    # ------------------------------------------------------------------------------------------------ settling

    def settled(self) -> Whose:
        """Write down what is new."""
        key = self.found()
        if key is not None and (self._is_of_the_past() or self._all_as_before(key)):
            return Whose(key)
        if key is not None:
            self._join_former_selves(key)
        won = [] if key is not None and self._is_outdated(key) else [name for name in self.lent if self._passes_to(name, key)]
        self._take_from_others(won, key)
        key = key or next(name for name in self.names if name in won or name in self.lasting)
        for name in self.lasting:
            self.keep_id(name, key)
        self._give_up_ids(key)
        self._drop_numbers(key)
        for name in won:
            self._keep_number(name, key)
        return Whose(self._under_an_address_of_theirs(key), tuple(self.moved))

    def _is_of_the_past(self) -> bool:
        """It names an id that the person has had no more since, so its number may be given up too: it comes late, and tells nothing new."""
        known = [row for name in self.lasting if (row := self.rows.get(name))]
        return not self.end_user.formerly and bool(known) and all(row.gone for row in known)

    def _is_outdated(self, key: str) -> bool:
        """The person is known to have had another number, or to have changed, after this."""
        later = self._of(key, f"(lent OR gone) AND used_at > {self.at!r}")
        return bool(set(later) - set(self.names) - set(self.end_user.formerly))

    def _all_as_before(self, key: str) -> bool:
        """The usual case, told cheaply: known addresses of one person, and no change."""
        rows = [self.rows.get(name) for name in self.names]
        if self.end_user.formerly or not all(row and row.owner == key and not row.gone for row in rows):
            return False
        if not self.lent:
            return True
        if set(self._of(key, "lent AND NOT gone")) != set(self.lent):
            return False
        self.connection.executemany(
            "UPDATE aliases SET used_at = ? WHERE channel_id = ? AND alias = ? AND used_at < ?",
            [(self.at, self.channel_id, name, self.at) for name in self.lent],
        )
        return True

    def _join_former_selves(self, key: str) -> None:
        """People who turn out to be this one: by the id that they had before, or by a number that nobody with an id has."""
        others = {self.rows[name].owner for name in self.lasting_before if name in self.rows}
        numbers = set(self._of(key, "lent AND NOT gone"))
        for name in self.lent:
            owner = self._owner_by_number(name)
            if owner not in (None, key) and not self._ids_of(str(owner)):
                used_since_the_change = bool(self.end_user.formerly) and self.rows[name].used_at > self.at
                the_only_number = not self.end_user.formerly and (not self.lasting or numbers <= set(self.names))
                others |= {str(owner)} if used_since_the_change or the_only_number else set()
        for other in sorted(others - {key}):
            self._move(other, key)
        self.rows = self._rows()

    def _passes_to(self, name: str, key: str | None) -> bool:
        """Whether a number is this person's from now on: not if its owner used it, or this person gave it up, later than this."""
        row = self.rows.get(name)
        if row is None or (row.gone and row.owner != key):
            return True
        return (row.owner == key and not row.gone) or row.used_at <= self.at  # within a second, as they arrive

    def _take_from_others(self, names: Iterable[str], key: str | None) -> None:
        losers = {row.owner for name in names if (row := self.rows.get(name)) and row.owner != key}
        self.connection.executemany(
            "DELETE FROM aliases WHERE channel_id = ? AND alias = ? AND address IS NOT ?",
            [(self.channel_id, name, key) for name in names],
        )
        for loser in sorted(losers):
            self._under_an_address_of_theirs(loser)

    def keep_id(self, name: str, key: str, *, gone: bool = False) -> None:
        """This id is theirs, unless another has it. One that is gone stays so."""
        self.connection.execute(
            """INSERT INTO aliases (channel_id, alias, address, used_at, gone) VALUES (:channel, :name, :key, :at, :gone)
               ON CONFLICT DO UPDATE SET used_at = max(used_at, :at), lent = 0, gone = max(gone, :gone) WHERE address = :key""",
            {"channel": self.channel_id, "name": name, "key": key, "at": self.at, "gone": gone},
        )

    def _keep_number(self, name: str, key: str) -> None:
        self.connection.execute(
            """INSERT INTO aliases (channel_id, alias, address, lent, used_at) VALUES (:channel, :name, :key, 1, :at)
               ON CONFLICT DO UPDATE SET address = :key, lent = 1, used_at = max(used_at, :at), gone = 0""",
            {"channel": self.channel_id, "name": name, "key": key, "at": self.at},
        )

    def _give_up_ids(self, key: str) -> None:
        """The ids that a change names as old; where it names only the new one, all that the person had until then."""
        for name in set(self.lasting_before) - set(self.names):
            self.keep_id(name, key, gone=True)
        theirs = self._of(key, "NOT lent AND NOT gone")
        if self.end_user.formerly and set(theirs) & set(self.lasting):
            self.connection.executemany(
                "UPDATE aliases SET gone = 1 WHERE channel_id = ? AND alias = ? AND address = ? AND used_at <= ?",
                [(self.channel_id, name, key, self.at) for name in theirs if name not in self.names],
            )

    def _drop_numbers(self, key: str) -> None:
        """An older number goes when a newer one is told, or when the id changes without one."""
        gone: list[str] = [name for name in self.lent_before if name not in self.names]
        if self.lent or set(self.lasting_before) - set(self.names):
            gone += [name for name in self._of(key, "lent AND NOT gone") if name not in self.names]
        self.connection.executemany(
            """UPDATE aliases SET lent = 1, gone = 1, used_at = :at
               WHERE channel_id = :channel AND alias = :name AND address = :key AND used_at <= :at""",
            [{"channel": self.channel_id, "name": name, "key": key, "at": self.at} for name in gone],
        )

    # -------------------------------------------------------------------------------------------------- moving

    def _under_an_address_of_theirs(self, key: str) -> str:
        """The key, or the one that the person moves to because this one is theirs no more."""
        theirs = self._of(key, "NOT gone")
        if key in theirs:
            return key
        named: list[str] = [name for name in self.names if name in theirs]
        if not theirs:  # the number that all we know of them hung on has gone to another: they can't be reached
            theirs = [self._nobodys(key)]
        new = (named or theirs)[0]
        self._move(key, new)
        return new

    def _nobodys(self, key: str) -> str:
        """An address that leads nowhere."""
        count, new = 1, f"{key} (given up)"
        while self._of(new, "1"):
            count, new = count + 1, f"{key} (given up {count + 1})"
        self.keep_id(new, new)
        return new

    def _move(self, old: str, new: str) -> None:
        """Aliases and what is remembered; where both are known, the newer's memory counts."""
        values = {"channel": self.channel_id, "old": old, "new": new}
        self.connection.execute("UPDATE aliases SET address = :new WHERE channel_id = :channel AND address = :old", values)
        self.connection.execute(
            """INSERT INTO conversations (channel_id, address, memory, person, last_inbound_at)
               SELECT channel_id, :new, memory, person, last_inbound_at FROM conversations WHERE channel_id = :channel AND address = :old
               ON CONFLICT DO UPDATE SET memory = json_patch(excluded.memory, memory), person = json_patch(excluded.person, person),
                   last_inbound_at = max(coalesce(last_inbound_at, 0), coalesce(excluded.last_inbound_at, 0))""",
            values,
        )
        self.connection.execute("DELETE FROM conversations WHERE channel_id = :channel AND address = :old", values)
        self.moved.append((old, new))
