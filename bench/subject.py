"""What a subject is: a module of this folder that measures one thing, and the bench that runs all of them, round after round."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bench.results import Line, Report, Result, spread


class Skip(Exception):
    """This can't be measured here; the text says why."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing that is measured. `measure` is one round of it, and notes a value for each line. `rounds`: the most that it is run, where one
    takes long or doesn't vary. `option`: it is run only with this one (`--long`), or by its name."""

    name: str
    about: str
    lines: tuple[Line, ...]
    measure: Callable[[Bench], None]
    rounds: int = 99
    option: Literal["", "long", "peers"] = ""


@dataclass(slots=True)
class Bench:
    """One run: how long everything is to take, and what was found.

    `stacks`: what gateways do is sampled into it; None: it isn't. `scale` multiplies all durations and counts: 1 is the ordinary run. `folder` is where servers keep their data: on the disk that is to be measured.
    """

    folder: Path
    scale: float = 1.0
    rounds: int = 3
    long: bool = False
    minutes: float = 60.0
    stacks: Counter[tuple[str, ...]] | None = None
    values: dict[str, list[float]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    bare: dict[int, list[float]] = field(default_factory=dict)
    capacities: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    _begun: float = field(default_factory=time.monotonic)

    def seconds(self, usual: float) -> float:
        """A duration of this run."""
        return max(0.2, usual * self.scale)

    def count(self, usual: int, least: int = 1) -> int:
        """A number of things of this run."""
        return max(least, round(usual * self.scale))

    def note(self, key: str, value: float) -> None:
        """A value of this round."""
        self.values.setdefault(key, []).append(value)

    def remark(self, key: str, text: str) -> None:
        """What to know about a line's values."""
        self.notes[key] = text

    def say(self, text: str) -> None:
        """Progress."""
        print(f"{time.monotonic() - self._begun:6.0f} s  {text}", flush=True)

    def run(self, subjects: Sequence[Subject]) -> None:
        """All rounds of all subjects, in turn, so that what the machine does besides meets all of them alike."""
        for number in range(self.rounds):
            for subject in subjects:
                if number < subject.rounds and subject.name not in self.failed:
                    self.say(f"round {number + 1} of {min(self.rounds, subject.rounds)}: {subject.name}")
                    self._once(subject)

    def _once(self, subject: Subject) -> None:
        before = {line.key: len(self.values.get(line.key, ())) for line in subject.lines}
        try:
            subject.measure(self)
        except Skip as reason:
            self._without(subject, f"skipped: {reason}")
        except Exception as error:  # the rim: the other subjects' figures must not be lost
            traceback.print_exc()
            self._without(subject, f"failed: {type(error).__name__}: {error}".splitlines()[0])
        for line in subject.lines:
            new = self.values.get(line.key, [])[before[line.key] :]
            if new:
                self.say(f"    {line.what}: {', '.join(f'{value:.4g}' for value in new)} {line.unit}")

    def _without(self, subject: Subject, why: str) -> None:
        self.failed.append(subject.name)
        self.say(f"    {why}")
        for line in subject.lines:
            self.notes.setdefault(line.key, why)

    @property
    def broken(self) -> bool:
        """Whether something failed; what was skipped didn't."""
        return any(note.startswith("failed") for note in self.notes.values())

    def results(self, subjects: Iterable[Subject]) -> list[Result]:
        """Of all lines, in their order."""
        lines = [line for subject in subjects for line in subject.lines]
        return [Result(line, tuple(self.values.get(line.key, ())), self.notes.get(line.key, "")) for line in lines]

    def report(self, subjects: Iterable[Subject], *, at: str, machine: str) -> Report:
        """The whole run."""
        noise = {str(connections): spread(rates) for connections, rates in sorted(self.bare.items())}
        return Report(at, machine, self.scale, self.rounds, noise, self.results(subjects))
