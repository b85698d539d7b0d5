"""Which person an address leads to, and which addresses are a person's now.

A person on a channel is kept under one address, the key of conversation, sessions and outbox; others lead to it. An address is *lasting*
(an id that permanently belongs to one person) or *lent* (a phone number, which the network gives to somebody else in time). So:

- Two different lasting addresses are two people, whatever number they share, unless an event says that one has become the other.
- A lent address belongs to whoever used it last, by the provider's time, and a person has one number at a time.
- What a person gave up gets nothing any more. An id still leads to them; a number does for what was said before.
- The key is always an address that is the person's now. When it passes on or is given up, the person moves to another of theirs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from adapters.envelope import EndUser
from gateway.store.contract import Whose
from gateway.store.conversations import Conversations
from gateway.store.gathering import Gathering, among

_COLUMNS: Final = "alias, address, lent, used_at, gone"


class _Row(NamedTuple):
    owner: str
    lent: bool
    used_at: float
    gone: bool


class Addresses:
    """See `gateway.store.contract.Addresses`. Whatever is held of a person is all of it. Where others write, too: who reads an address holds it, and who reads a
    person holds the key."""

    def __init__(self, gathering: Gathering, conversations: Conversations) -> None:
        self._gathering, self._conversations = gathering, conversations
        self._rows: dict[tuple[str, str], _Row | None] = gathering.held()  # by channel and alias
        self._persons: dict[tuple[str, str], frozenset[str]] = gathering.held()  # all aliases, by channel and key
        self._gone = gathering.rows("DELETE FROM aliases WHERE channel_id = ? AND alias = ?", types="tt")
        self._kept = gathering.rows(
            f"""INSERT INTO aliases (channel_id, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT (channel_id, alias) DO UPDATE SET
                address = excluded.address, lent = excluded.lent, used_at = excluded.used_at, gone = excluded.gone""",  # noqa: S608
            types="tttifi",
        )

    def known(self, channel_id: str, end_user: EndUser) -> str:
        """See the contract."""
        return (
            self._owner_of_all(channel_id, end_user)
            or _Telling(self, channel_id, end_user, at=float("inf")).found()
            or end_user.address
        )

    def settle(self, channel_id: str, end_user: EndUser, *, at: float) -> Whose:
        """See the contract."""
        owner = self._owner_of_all(channel_id, end_user)
        if owner is not None and self._used_again(channel_id, owner, end_user, at):
            return Whose(owner)
        return _Telling(self, channel_id, end_user, at).settled()

    def learn(self, channel_id: str, end_user: EndUser, *, at: float) -> str:
        """See the contract."""
        return _Telling(self, channel_id, end_user, at).learned()

    def current(self, channel_id: str, address: str) -> tuple[str, ...]:
        """See the contract."""
        theirs = self.rows(channel_id, self._aliases(channel_id, address))
        others = sorted((-row.used_at, alias) for alias, row in theirs.items() if alias != address and not row.gone)
        return tuple(alias for _, alias in others)

    # ------------------------------------------------------------------------------------------------------- the usual case

    def _owner_of_all(self, channel_id: str, end_user: EndUser) -> str | None:
        """Whose all addresses are that the event names; None: not one person's, or it reports a change."""
        row = self._row(channel_id, end_user.address)
        if row is None or row.gone or end_user.formerly:
            return None
        for alias in end_user.aliases:
            other = self._row(channel_id, alias)
            if other is None or other.gone or other.owner != row.owner:
                return None
        return row.owner

    def _used_again(self, channel_id: str, owner: str, end_user: EndUser, at: float) -> bool:
        """Whether the numbers that the event names are those that the person had. They are theirs from now on by this time."""
        lent = set(end_user.lent).intersection((end_user.address, *end_user.aliases))
        if not lent:
            return True
        theirs = {alias: self._rows[channel_id, alias] for alias in self._aliases(channel_id, owner)}
        if lent != {alias for alias, row in theirs.items() if row is not None and _is_number(row)}:
            return False
        for alias in lent:
            row = theirs[alias]
            if row is not None and row.used_at < at:
                self.put(channel_id, alias, row._replace(used_at=at))
        return True

    # ---------------------------------------------------------------------------------------------------- what is written

    def _row(self, channel_id: str, alias: str) -> _Row | None:
        if (channel_id, alias) not in self._rows:
            self._read(channel_id, [alias])
        return self._rows[channel_id, alias]

    def lock(self, channel_id: str, end_users: Sequence[EndUser]) -> None:
        """Hold all addresses of these people that they are named by."""
        self._gathering.lock_conversations((channel_id, name) for name in _names(end_users))

    def read_ahead(self, channel_id: str, end_users: Sequence[EndUser]) -> list[str]:
        """Hold the addresses of these people, read by one statement; their keys."""
        names = _names(end_users)
        self._gathering.lock_conversations((channel_id, name) for name in names)
        found = self._of_people(channel_id, names)
        if self._gathering.lock_conversations((channel_id, row["address"]) for row in found):
            found = self._of_people(channel_id, names)
        self._rows |= dict.fromkeys((channel_id, name) for name in names)
        theirs: dict[str, set[str]] = {}
        for alias, owner, lent, used_at, gone in found:
            self._rows[channel_id, alias] = _Row(owner, bool(lent), used_at, bool(gone))
            theirs.setdefault(owner, set()).add(alias)
        self._persons |= {(channel_id, name): frozenset() for name in names}
        self._persons |= {(channel_id, owner): frozenset(aliases) for owner, aliases in theirs.items()}
        return list(dict.fromkeys(self.known(channel_id, one) for one in end_users))

    def _of_people(self, channel_id: str, names: Sequence[str]) -> list[Any]:
        return self._gathering.point(
            f"""SELECT {_COLUMNS} FROM aliases WHERE channel_id = :channel AND address IN (
                    SELECT address FROM aliases WHERE channel_id = :channel AND alias IN (SELECT value FROM json_each(:names))
                    UNION SELECT value FROM json_each(:names))""",  # noqa: S608
            {"channel": channel_id, "names": json.dumps(names)},
        ).fetchall()

    def rows(self, channel_id: str, names: Iterable[str]) -> dict[str, _Row]:
        """What is known of these addresses."""
        wanted = list(names)
        missing = [name for name in wanted if (channel_id, name) not in self._rows]
        if missing:
            self._read(channel_id, missing)
        return {name: row for name in wanted if (row := self._rows[channel_id, name])}

    def of_person(self, channel_id: str, owner: str, which: Callable[[_Row], bool]) -> list[str]:
        """The person's addresses for which this holds: ids before numbers, and the last used first."""
        theirs = self.rows(channel_id, self._aliases(channel_id, owner))
        found = [(row.lent, -row.used_at, alias) for alias, row in theirs.items() if which(row)]
        return [alias for _, _, alias in sorted(found)]

    def put(self, channel_id: str, alias: str, row: _Row) -> None:
        """Write it down."""
        before = self.rows(channel_id, [alias]).get(alias)
        if before == row:
            return
        if before is None or before.owner != row.owner:
            self._leave(channel_id, alias, before)
            self._hold_person(channel_id, row.owner, self._aliases(channel_id, row.owner) | {alias})
        self._gathering.change(self._rows, (channel_id, alias), row)
        self._kept.add((channel_id, alias, *row), (channel_id, alias))

    def strike(self, channel_id: str, alias: str) -> None:
        """Nobody has this address any more."""
        before = self.rows(channel_id, [alias]).get(alias)
        if before is not None:
            self._leave(channel_id, alias, before)
            self._gathering.change(self._rows, (channel_id, alias), None)
            self._kept.drop((channel_id, alias))
            self._gone.add((channel_id, alias), (channel_id, alias))

    def move(self, channel_id: str, old: str, new: str) -> None:
        """Everything of one person is another's; where both are known, the newer's memory counts."""
        for alias, row in self.rows(channel_id, self._aliases(channel_id, old)).items():
            self.put(channel_id, alias, row._replace(owner=new))
        self._conversations.move(channel_id, old, new)

    def _leave(self, channel_id: str, alias: str, before: _Row | None) -> None:
        if before is not None:
            self._hold_person(channel_id, before.owner, self._aliases(channel_id, before.owner) - {alias})

    def _hold_person(self, channel_id: str, owner: str, aliases: frozenset[str]) -> None:
        self._gathering.change(self._persons, (channel_id, owner), aliases)

    def _aliases(self, channel_id: str, owner: str) -> frozenset[str]:
        if (channel_id, owner) not in self._persons:
            self.read_ahead_persons(channel_id, [owner])()
        return self._persons[channel_id, owner]

    def _read(self, channel_id: str, names: Sequence[str]) -> None:
        self._rows |= dict.fromkeys((channel_id, name) for name in names)
        for alias, row in self._select(channel_id, "alias", names)():
            self._rows[channel_id, alias] = row

    def read_ahead_persons(self, channel_id: str, owners: Sequence[str]) -> Callable[[], None]:
        """Hold all addresses of these people, when what is given back is called."""
        found = self._select(channel_id, "address", owners)

        def hold() -> None:
            theirs: dict[str, set[str]] = {owner: set() for owner in owners}
            for alias, row in found():
                theirs[row.owner].add(alias)
                self._rows.setdefault((channel_id, alias), row)
            for owner, aliases in theirs.items():
                self._persons[channel_id, owner] = frozenset(aliases)

        return hold

    def _select(self, channel_id: str, column: str, names: Sequence[str]) -> Callable[[], Iterator[tuple[str, _Row]]]:
        self._gathering.lock_conversations((channel_id, name) for name in names)
        which, value = among(column, names)
        query = f"SELECT {_COLUMNS} FROM aliases WHERE channel_id = ? AND {which}"  # noqa: S608
        rows = self._gathering.point(query, (channel_id, value))
        return lambda: ((alias, _Row(owner, bool(lent), used_at, bool(gone))) for alias, owner, lent, used_at, gone in rows)


def _names(end_users: Sequence[EndUser]) -> list[str]:
    return list({name for one in end_users for name in (one.address, *one.aliases, *one.formerly)})


class _Telling:
    """What one event says about a person's addresses, compared with what is stored."""

    def __init__(self, book: Addresses, channel_id: str, end_user: EndUser, at: float) -> None:
        self._book, self._channel_id, self.end_user, self.at = book, channel_id, end_user, at
        self.moved: list[tuple[str, str]] = []
        one = end_user
        self.names = tuple(dict.fromkeys((one.address, *one.aliases)))
        self.lasting = [name for name in self.names if name not in one.lent]
        self.lent = [name for name in self.names if name in one.lent]
        self.lasting_before = [name for name in one.formerly if name not in one.lent]
        self.lent_before = [name for name in one.formerly if name in one.lent]
        self.rows = self._rows()

    def _rows(self) -> Mapping[str, _Row]:
        return self._book.rows(self._channel_id, (*self.names, *self.end_user.formerly))

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
        found = self._of(owner, lambda row: not row.lent)
        return set(found) - set(self.end_user.lent)

    def _of(self, owner: str, which: Callable[[_Row], bool]) -> list[str]:
        return self._book.of_person(self._channel_id, owner, which)

    def _put(self, name: str, row: _Row) -> None:
        self._book.put(self._channel_id, name, row)

    def _now(self, name: str) -> _Row | None:
        """The current state; `rows` has the state before."""
        return self._book.rows(self._channel_id, [name]).get(name)

    # ------------------------------------------------------------------------------------------------ settling

    def learned(self) -> str:
        """Only which ids the owner of a number has."""
        key = self.found()
        if key is None:
            return self.end_user.address
        if all(self.rows[name].used_at <= self.at for name in self.lent if name in self.rows):
            for name in self.lasting:
                if name not in self.rows:
                    self.keep_id(name, key)
        return key

    def settled(self) -> Whose:
        """Write down what is new."""
        key = self.found()
        if key is not None and self._is_of_the_past():
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
        """Whether the event names an id that the person has given up since. It arrives late, its number may be given up too, and it changes nothing."""
        known = [row for name in self.lasting if (row := self.rows.get(name))]
        return not self.end_user.formerly and bool(known) and all(row.gone for row in known)

    def _is_outdated(self, key: str) -> bool:
        """The person is known to have had another number, or to have changed, after this."""
        later = self._of(key, lambda row: (row.lent or row.gone) and row.used_at > self.at)
        return bool(set(later) - set(self.names) - set(self.end_user.formerly))

    def _join_former_selves(self, key: str) -> None:
        """People who turn out to be this one: by the id that they had before, or by a number that nobody with an id has."""
        others = {self.rows[name].owner for name in self.lasting_before if name in self.rows}
        numbers = set(self._of(key, _is_number))
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
        for name in names:
            if (row := self._now(name)) and row.owner != key:
                self._book.strike(self._channel_id, name)
        for loser in sorted(losers):
            self._under_an_address_of_theirs(loser)

    def keep_id(self, name: str, key: str, *, gone: bool = False) -> None:
        """This id is theirs, unless another has it. One that is gone stays so."""
        row = self._now(name) or _Row(key, False, self.at, gone)
        if row.owner == key:
            self._put(name, _Row(key, False, max(row.used_at, self.at), row.gone or gone))

    def _keep_number(self, name: str, key: str) -> None:
        row = self._now(name)
        self._put(name, _Row(key, True, max(row.used_at, self.at) if row else self.at, False))

    def _give_up_ids(self, key: str) -> None:
        """The ids that a change names as old; where it names only the new one, all that the person had until then."""
        for name in set(self.lasting_before) - set(self.names):
            self.keep_id(name, key, gone=True)
        theirs = self._of(key, lambda row: not row.lent and not row.gone)
        if self.end_user.formerly and set(theirs) & set(self.lasting):
            for old in set(theirs) - set(self.names):
                if (row := self._now(old)) and row.used_at <= self.at:
                    self._put(old, row._replace(gone=True))

    def _drop_numbers(self, key: str) -> None:
        """An older number goes when a newer one is told, or when the id changes without one."""
        gone: list[str] = [name for name in self.lent_before if name not in self.names]
        if self.lent or set(self.lasting_before) - set(self.names):
            gone += [name for name in self._of(key, _is_number) if name not in self.names]
        for name in gone:
            if (row := self._now(name)) and row.owner == key and row.used_at <= self.at:
                self._put(name, _Row(key, True, self.at, True))

    # -------------------------------------------------------------------------------------------------- moving

    def _under_an_address_of_theirs(self, key: str) -> str:
        """The key, or the one that the person moves to because this one is theirs no more."""
        theirs = self._of(key, lambda row: not row.gone)
        if key in theirs:
            return key
        named: list[str] = [name for name in self.names if name in theirs]
        if not theirs:  # their only known number now belongs to somebody else: they can't be reached
            theirs = [self._nobodys(key)]
        moved_to = (named or theirs)[0]
        self._move(key, moved_to)
        return moved_to

    def _nobodys(self, key: str) -> str:
        """An address that leads nowhere."""
        count, new = 1, f"{key} (given up)"
        while self._of(new, lambda row: True):
            count, new = count + 1, f"{key} (given up {count + 1})"
        self.keep_id(new, new)
        return new

    def _move(self, old: str, new: str) -> None:
        self._book.move(self._channel_id, old, new)
        self.moved.append((old, new))


def _is_number(row: _Row) -> bool:
    return row.lent and not row.gone
