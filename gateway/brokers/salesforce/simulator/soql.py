"""SOQL, as much of it as set-up checks need.

```
SELECT name [, name …]
FROM object
[WHERE condition [AND condition …]]
[ORDER BY name [ASC | DESC]]
[LIMIT number]
```

A condition is `name = value`, `name != value`, `name IN (value, …)` or `name LIKE 'pattern'` with `%` and `_`. A value is a text in single quotes (with `\\'` and `\\\\` in
it), a number, true, false or null. A name may lead over one record to another's (`Parent.Name`), if the record holds such a member. Words and names count in any
case; texts are compared in any case, too, as Salesforce does. There is no OR, no NOT, no function, no subquery and no alias: what isn't known is MALFORMED_QUERY.

Ids of 15 and of 18 characters are the same: the longer one only adds a checksum.
Source: developer.salesforce.com, "SOQL and SOSL Reference".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from typing import Any, Final, TypeAlias

Record: TypeAlias = Mapping[str, Any]

_TOKEN: Final = re.compile(r"\s*(?:('(?:[^'\\]|\\.)*')|(!=|<>|[=(),])|(-?\d+(?:\.\d+)?)(?![\w.])|([A-Za-z_][\w.]*))")
_RECORD_ID: Final = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")


class BadQuery(Exception):
    """The query is refused: `code` is MALFORMED_QUERY, INVALID_FIELD or INVALID_TYPE."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Condition:
    """`name` compared by `=`, `!=`, `IN` or `LIKE` with one value, or with each of several."""

    name: str
    operator: str
    values: tuple[Any, ...]

    def holds(self, record: Record) -> bool:
        """Whether the record fulfils it."""
        found = value_of(record, self.name)
        if self.operator == "LIKE":
            return isinstance(found, str) and any(_like(str(pattern)).fullmatch(found) is not None for pattern in self.values)
        same = any(_same(found, value) for value in self.values)
        return not same if self.operator == "!=" else same


@dataclass(frozen=True, slots=True)
class Query:
    """A query that was read. `order`: (name, descending)."""

    fields: tuple[str, ...]
    source: str
    conditions: tuple[Condition, ...] = ()
    order: tuple[str, bool] | None = None
    limit: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Every field that it names."""
        return (*self.fields, *(one.name for one in self.conditions), *((self.order[0],) if self.order else ()))

    def run(self, records: Sequence[Record]) -> list[Record]:
        """Those that fulfil the conditions, in order."""
        found = [record for record in records if all(one.holds(record) for one in self.conditions)]
        if self.order is not None:
            name, descending = self.order
            found.sort(key=lambda record: _sortable(value_of(record, name)), reverse=descending)
        return found if self.limit is None else found[: self.limit]


def value_of(record: Record, name: str) -> Any:
    """A field of a record by its name in any case; None: it has none."""
    value: Any = record
    for part in name.split("."):
        if not isinstance(value, Mapping):
            return None
        value = next((held for key, held in value.items() if key.lower() == part.lower()), None)
    return value


def parse(text: str) -> Query:
    """Read a query. Raises BadQuery."""
    return _Reader(text).query()


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._split(text))
        self._at = 0

    def _split(self, text: str) -> list[str]:
        tokens, at = [], 0
        text = text.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise _malformed(f"unexpected token: {text[at:].split()[0]!r}")
            tokens.append(found[0].strip())
            at = found.end()
        return tokens

    def query(self) -> Query:
        self._word("SELECT")
        fields = self._several(self._name)
        self._word("FROM")
        source = self._name()
        conditions: tuple[Condition, ...] = ()
        if self._try("WHERE"):
            first = [self._condition()]
            while self._try("AND"):
                first.append(self._condition())
            conditions = tuple(first)
        order = self._order() if self._try("ORDER") else None
        limit = self._limit() if self._try("LIMIT") else None
        if self._at < len(self._tokens):
            raise _malformed(f"unexpected token: '{self._tokens[self._at]}'")
        return Query(fields, source, conditions, order, limit)

    def _condition(self) -> Condition:
        name = self._name()
        operator = self._next().upper().replace("<>", "!=")
        if operator == "IN":
            self._word("(")
            values = self._several(self._value)
            self._word(")")
            return Condition(name, operator, values)
        if operator not in ("=", "!=", "LIKE"):
            raise _malformed(f"unexpected token: '{operator}'")
        return Condition(name, operator, (self._value(),))

    def _order(self) -> tuple[str, bool]:
        self._word("BY")
        name = self._name()
        descending = self._try("DESC")
        if not descending:
            self._try("ASC")
        return name, descending

    def _limit(self) -> int:
        token = self._next()
        if not token.isdecimal():
            raise _malformed(f"expecting a number, found '{token}'")
        return int(token)

    def _several(self, one: Callable[[], Any]) -> tuple[Any, ...]:
        found = [one()]
        while self._try(","):
            found.append(one())
        return tuple(found)

    def _name(self) -> str:
        token = self._next()
        if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", token):
            raise _malformed(f"expecting a name, found '{token}'")
        return token

    def _value(self) -> Any:
        token = self._next()
        if token.startswith("'"):
            return re.sub(r"\\(.)", r"\1", token[1:-1])
        known = {"true": True, "false": False, "null": None}
        if token.lower() in known:
            return known[token.lower()]
        try:
            return float(token)
        except ValueError:
            raise _malformed(f"Bind variables only allowed in Apex code: '{token}'") from None

    def _try(self, word: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at].upper() == word:
            self._at += 1
            return True
        return False

    def _word(self, word: str) -> None:
        if not self._try(word):
            found = self._tokens[self._at] if self._at < len(self._tokens) else "<EOF>"
            raise _malformed(f"expecting {word}, found '{found}'")

    def _next(self) -> str:
        if self._at >= len(self._tokens):
            raise _malformed("unexpected end of the query")
        self._at += 1
        return self._tokens[self._at - 1]


def _malformed(message: str) -> BadQuery:
    return BadQuery("MALFORMED_QUERY", message)


def _same(found: Any, value: Any) -> bool:
    if isinstance(found, str) and isinstance(value, str):
        if _RECORD_ID.fullmatch(found) and _RECORD_ID.fullmatch(value) and len(found) != len(value):
            return found[:15] == value[:15]
        return found.lower() == value.lower()
    if isinstance(found, bool) or isinstance(value, bool):
        return found is value
    return bool(found == value)


def _like(pattern: str) -> re.Pattern[str]:
    literal = re.sub(r"[\[*?]", lambda found: f"[{found[0]}]", pattern)
    return re.compile(translate(literal.replace("%", "*").replace("_", "?")), re.IGNORECASE)


def _sortable(value: Any) -> tuple[int, str]:
    return (0, "") if value is None else (1, str(value).lower())
