"""Counts lines of code: without blank ones, comments and docstrings. `python count_lines.py byoc_telegram/*.py`"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from pathlib import Path

_SILENT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


def code_lines(source: str) -> int:
    """Lines that hold anything but a comment or a docstring."""
    used: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _SILENT:
            used.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        words = getattr(node, "body", None)
        first = words[0] if isinstance(words, list) and words else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            used -= set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return len(used)


if __name__ == "__main__":
    counts = {name: code_lines(Path(name).read_text()) for name in sys.argv[1:]}
    for name, lines in {**counts, "in all": sum(counts.values())}.items():
        sys.stdout.write(f"{lines:5} {name}\n")
