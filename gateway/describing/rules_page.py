"""The two tables of docs/conferencing.md, made from the code and the tests. `python -m gateway.describing.rules_page` writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from gateway.session.refusals import CODES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "conferencing.md"
# Numbers that are missing belong to what isn't there yet.
RULES = [
    *("P1", "P2", "P3", "P4", "P5", "P6"),
    *("C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C9", "C10"),
    *("L1", "L2", "L3", "L4", "L5", "L6"),
    *("T1", "T2", "T3", "T6"),
    *("M1", "M2", "M3", "M4", "M5"),
    *("R7", "R8"),
    *("E1", "E2", "E3", "E4"),
]


def functions(folder: Path, pattern: str) -> Iterator[tuple[str, str, str]]:
    """(rule, file, function) for every function whose name has a rule's number, in the files' order."""
    for path in sorted(folder.glob("*.py")):
        for found in re.finditer(pattern, path.read_text(), re.MULTILINE):
            yield found[2].upper(), path.stem, found[1]


def code() -> list[tuple[str, str, str]]:
    """Of the rules; the public ones."""
    return list(functions(ROOT / "gateway" / "session", r"^def (([pcltmer]\d+)_\w+)"))


def tests() -> list[tuple[str, str, str]]:
    """Of their tests."""
    return list(functions(ROOT / "tests" / "session", r"^def (test_([PCLTMER]\d+)_\w+)"))


def rules_table() -> str:
    """Rule, functions, tests."""
    lines = ["| Rule | Code | Tests |", "| --- | --- | --- |"]
    for rule in RULES:
        functions = [f"`{module}.{name}`" for number, module, name in code() if number == rule]
        held_by = [f"`{module}::{name}`" for number, module, name in tests() if number == rule]
        lines.append(f"| {rule} | {'<br>'.join(functions)} | {'<br>'.join(held_by)} |")
    return "\n".join(lines)


def codes_table() -> str:
    """Code, meaning and fix."""
    lines = ["| Code | What it means: what to do |", "| --- | --- |"]
    return "\n".join([*lines, *(f"| `{code}` | {meaning} |" for code, meaning in sorted(CODES.items()))])


def rebuilt(page: str) -> str:
    """The page with both tables as they must be."""
    for name, table in (("rules", rules_table()), ("codes", codes_table())):
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(end)
        page = f"{before}{begin}{table}\n{end}{after}"
    return page


if __name__ == "__main__":
    PAGE.write_text(rebuilt(PAGE.read_text()))
