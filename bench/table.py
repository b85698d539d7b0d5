"""A report as a table: for the terminal, and as Markdown for the docs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import shorten
from typing import Final

from bench.results import Line, Report, Result

_LONGEST_NOTE: Final = 70
HEADINGS: Final = ("what", "measured", "least-most", "target", "reached")


def number(value: float, unit: str) -> str:
    """With the digits that mean something: `0.71`, `3.4 ms`, `12,300/s`."""
    size = abs(value)
    digits = 0 if not unit else 2 if size < 1 or unit == "ratio" else 1 if size < 100 else 0
    written = f"{value:,.{digits}f}"
    return written if unit in ("ratio", "") else f"{written}{unit}" if unit.startswith("/") else f"{written} {unit}"


def target(line: Line) -> str:
    """`≥ 0.70`; nothing without one."""
    if line.target is None:
        return ""
    return f"{'≥' if line.best == 'high' else '≤'} {number(line.target, line.unit)}"


def row(result: Result) -> tuple[str, ...]:
    """The cells of one line."""
    line, middle, note = result.line, result.median, shorten(result.note, _LONGEST_NOTE)
    if middle is None:
        return line.what, note or "not measured", "", target(line), ""
    least, most = min(result.values), max(result.values)
    between = f"{number(least, line.unit)} - {number(most, line.unit)}" if len(result.values) > 1 else ""
    measured = number(middle, line.unit) + (f" ({note})" if note else "")
    return line.what, measured, between, target(line), {True: "yes", False: "no", None: ""}[result.reached]


def noise(report: Report) -> str:
    """How much the bare server's rate differed between rounds, which had the same to do in each."""
    if not report.noise:
        return "The bare server wasn't measured."
    told = ", ".join(f"{value:.0%} at {connections}" for connections, value in report.noise.items())
    return f"The machine's noise, as the spread of the bare server's rate over {report.rounds} round{'s' * (report.rounds > 1)}: {told} connections."


def plain(report: Report) -> str:
    """For a terminal."""
    rows = [HEADINGS, *map(row, report.results)]
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() for cells in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join([*lines, "", noise(report)])


def markdown(results: Sequence[Result]) -> str:
    """For a page."""
    return "\n".join(_markdown(results)) + "\n"


def _markdown(results: Sequence[Result]) -> Iterator[str]:
    yield f"| {' | '.join(HEADINGS)} |"
    yield "| --- " * len(HEADINGS) + "|"
    for result in results:
        yield f"| {' | '.join(row(result))} |"
