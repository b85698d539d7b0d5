"""Our SQL as PostgreSQL takes it: values by number, and without what is said to SQLite's planner alone."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

# Quoted and commented text, and casts, are left alone. One of several values is looked up in an array: a subquery would be joined to the table. Of SQLite's hints go: `INDEXED BY`, the order that `CROSS JOIN … ON` fixes, and the `+` that hides a column
# from an index.
_PART: Final = re.compile(
    r"""'(?:[^']|'')*' | "[^"]*" | --[^\n]* | ::
      | :(?P<name>[A-Za-z_]\w*) | (?P<next>\?)
      | \bIN\ \(SELECT\ value\ FROM\ json_each\((?P<among> :\w+ | \?)\)\)
      | (?P<hint> \bINDEXED\ BY\ \w+ | \bCROSS\ (?=JOIN\s+\w+(?:\s+(?:AS\s+)?\w+)?\s+ON\b) | (?<=[\s(])\+(?=[A-Za-z_]) )""",
    re.VERBOSE,
)


class Translated(NamedTuple):
    """`names`: whose value each number has, where values go by name."""

    text: str
    names: tuple[str, ...]


@lru_cache(2_000)
def translated(sql: str) -> Translated:
    """See the module."""
    names: list[str] = []
    number = 0

    def instead(part: re.Match[str]) -> str:
        nonlocal number
        if part["hint"]:
            return ""
        if among := part["among"]:
            return f"= ANY (ARRAY(SELECT value FROM json_each({_PART.sub(instead, among)})))"  # noqa: S608
        if part["next"]:
            number += 1
            return f"${number}"
        if name := part["name"]:
            if name not in names:
                names.append(name)
            return f"${names.index(name) + 1}"
        return part[0]

    return Translated(_PART.sub(instead, sql), tuple(names))
