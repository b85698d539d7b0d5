"""The project's English stays plain: no worn phrase in what people read, and every name that a text refers to exists."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "adapters/README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MODULES = sorted(path for room in ("gateway", "adapters") for path in (ROOT / room).rglob("*.py"))
SCRIPTS = sorted((ROOT / "gateway").rglob("words.js"))

# Translated, old-fashioned or inverted; beside each, what to write instead.
WORN = {
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\b(to|can't|can|could not|couldn't) be had\b": "available",
    r"\bto the letter\b": "exactly",
    r"\banew\b": "again",
    r"\bin hand\b": "in progress",
    r"\bwhose words are\b": "whose text is",
    r"\bhas come\b|\bhave come\b": "has arrived",
    r"\bhas run out\b|\bruns? out\b|\bran out\b": "expires",
    r"\btells (every|all)\b": "reports",
    r"\bby ourselves\b": "automatically",
    r"\bis over\b(?! (the|a|its|\d))": "has ended",
    r"(?<![Tt]here )\bis no (JSON|text|number|list|URL|error|entry|file|address|name|Adapter|YAML)\b": "is not a",
    r"\b(it|they|he|she|that|which|what|all|row|text|address|settings?|rules?|codes?) stands? (in|at|there|here|below|above|behind|before|under)\b": (
        "is in"
    ),
    r"\bbut for\b": "except",
    r"\bdoes no harm to nobody\b": "is harmless",
}


def literals(path: Path) -> Iterator[tuple[int, str]]:
    """Docstrings and messages: every text of at least two words."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value


def worn(text: str) -> list[str]:
    text = re.sub(r"`[^`]*`", "", text)  # a name in code may be called whatever it is called
    return [f"{found[0]!r}: write {better!r}" for pattern, better in WORN.items() for found in re.finditer(pattern, text)]


@pytest.mark.parametrize("path", [*PAGES, *SCRIPTS], ids=lambda path: str(path.relative_to(ROOT)))
def test_no_worn_word_on_a_page(path: Path) -> None:
    text = path.read_text("utf-8")
    lines = re.findall(r'"([^"]+)"', text) if path.suffix == ".js" else text.splitlines()
    assert [(number, one) for number, line in enumerate(lines, 1) for one in worn(line)] == []


def test_no_worn_word_in_a_docstring_or_message() -> None:
    found = [f"{path.relative_to(ROOT)}:{line}: {one}" for path in MODULES for line, text in literals(path) for one in worn(text)]
    assert found == []


# ------------------------------------------------------------------------------------------------- what texts refer to


def names(path: Path) -> Iterator[tuple[str, str]]:
    """(text's place, dotted name) of every `gateway.…` and `adapters.…` in backquotes."""
    texts = [(0, path.read_text("utf-8"))] if path.suffix == ".md" else literals(path)
    for line, text in texts:
        for name in re.findall(r"`((?:gateway|adapters)(?:\.\w+)+)(?:\(\))?`", text):
            if name not in ("gateway.yaml", "gateway.lock"):
                yield f"{path.relative_to(ROOT)}:{line}", name


def resolves(name: str) -> bool:
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for part in parts[count:]:
            fields = getattr(found, "__annotations__", {})
            if not hasattr(found, part) and part not in fields:
                return False
            found = getattr(found, part, fields.get(part))
        return True
    return False


def test_every_name_that_a_text_refers_to_exists() -> None:
    assert not resolves("gateway.session.saying.no_such_rule")
    found = [one for path in [*PAGES, *MODULES] for one in names(path)]
    assert len(found) >= 20
    assert [(where, name) for where, name in found if not resolves(name)] == []


def test_every_path_that_a_text_refers_to_exists() -> None:
    pattern = re.compile(r"`((?:gateway|adapters|tests|docs|bench|examples)/[\w./-]+\.\w+)`")
    found = [
        (str(path.relative_to(ROOT)), name)
        for path in [*PAGES, *MODULES]
        for name in pattern.findall(path.read_text("utf-8"))
        if not (ROOT / name).exists()
    ]
    assert found == []
