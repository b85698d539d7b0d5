"""What a measurement is: lines with targets, the values of all rounds, and how they are summed up and kept."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

_ELSEWHERE: Final = "measured in another run"


@dataclass(frozen=True, slots=True)
class Line:
    """One figure. `unit`: `ratio`, or what stands behind the number. `target`: at least (`high`) or at most (`low`) this is wanted; None: it is
    only reported."""

    key: str
    what: str
    unit: str
    target: float | None = None
    best: Literal["high", "low"] = "high"


@dataclass(frozen=True, slots=True)
class Result:
    """A line with the value of each round. `note`: why there is none, or what to know about it."""

    line: Line
    values: tuple[float, ...] = ()
    note: str = ""

    @property
    def median(self) -> float | None:
        """Of the rounds; None without any."""
        return statistics.median(self.values) if self.values else None

    @property
    def reached(self) -> bool | None:
        """Whether the median reaches the target; None: there is no value, or no target."""
        if self.median is None or self.line.target is None:
            return None
        return self.median >= self.line.target if self.line.best == "high" else self.median <= self.line.target


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run. `noise`: the spread of the bare server's rate over the rounds, (most - least) / median, by connections."""

    at: str
    machine: str
    scale: float
    rounds: int
    noise: dict[str, float]
    results: list[Result] = field(default_factory=list)

    def find(self, key: str) -> Result | None:
        """The result of a line; None if it wasn't measured."""
        return next((one for one in self.results if one.line.key == key), None)


def quantile(values: Sequence[float], q: float) -> float:
    """The value that a share `q` of all is not above. Raises ValueError without values."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * q))]


def spread(values: Sequence[float]) -> float:
    """(most - least) / median; 0 for fewer than two values."""
    return (max(values) - min(values)) / statistics.median(values) if len(values) > 1 else 0.0


def save(report: Report, path: Path) -> None:
    """As JSON."""
    path.write_text(json.dumps(asdict(report), indent=1, ensure_ascii=False) + "\n")


def load(path: Path) -> Report:
    """What `save` wrote."""
    raw: dict[str, Any] = json.loads(path.read_text())
    results = [Result(Line(**one["line"]), tuple(one["values"]), one["note"]) for one in raw.pop("results")]
    return Report(**raw, results=results)


def merged(before: Report, now: Report, order: Sequence[str]) -> Report:
    """Both, the newer one's lines instead of the older one's, in this order. Whichever measured less has a note at its lines: the rest is the run that the
    report describes."""
    main, added = (before, now) if len(now.results) < len(before.results) else (now, before)
    found = {one.line.key: one for one in before.results} | {one.line.key: one for one in now.results}
    own = {one.line.key for one in main.results if found[one.line.key] is one}
    results = [found[key] if key in own else _elsewhere(found[key]) for key in order if key in found]
    return replace(main, noise=main.noise or added.noise, results=results)


def _elsewhere(result: Result) -> Result:
    notes = [note for note in result.note.split(", ") if note not in ("", _ELSEWHERE)]
    return replace(result, note=", ".join([*notes, _ELSEWHERE]))
