"""How good a channel is: bronze, silver or gold, by numbered rules that a program checks (`grade_rules`).

Bronze: it is safe, and no message is lost or doubled. Silver: an operator can rely on it, and files and notices go both ways. Gold: reps and customers
have all that the provider offers.

A channel has a grade when it keeps every rule of it and of those below. A rule that the provider makes impossible is exempted by the adapter
(`Adapter.exemptions`, by the rule's number) or, for a check of the kit, by `Suite.skip`; either way with a reason. Rules of bronze can't be
exempted, unless the suite skips the check. Rules that need the suite and its fixtures are *not judged* where those aren't installed; then there
is no grade, which is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, TypeAlias

from adapters.conformance.cases import Case
from adapters.conformance.suite import Suite
from adapters.contract import Adapter
from adapters.envelope import Inbound


class Grade(StrEnum):
    """Worst first."""

    none = "none"
    bronze = "bronze"
    silver = "silver"
    gold = "gold"


GRADES: tuple[Grade, ...] = (Grade.bronze, Grade.silver, Grade.gold)


class Outcome(StrEnum):
    """What became of one rule."""

    kept = "kept"
    missing = "missing"
    exempt = "exempt"
    not_judged = "not judged"


class Graded:
    """A channel that is being judged: the adapter, and its suite where that is installed."""

    def __init__(self, adapter: Adapter[Any], suite: Suite | None) -> None:
        self.adapter = adapter
        self._suite = suite

    @property
    def has_suite(self) -> bool:
        """Whether rules that need the suite can be judged."""
        return self._suite is not None

    @property
    def suite(self) -> Suite:
        """The suite; asked for by rules that need it alone."""
        assert self._suite is not None  # noqa: S101 - `judge` asks no such rule without it
        return self._suite

    @cached_property
    def said(self) -> list[tuple[Case, list[Inbound]]]:
        """What each fixture says."""
        return [(case, self.adapter.parse(case.request, self.suite.account)) for case in self.suite.events]

    @property
    def events(self) -> Iterator[Inbound]:
        """All that the fixtures say."""
        for _, found in self.said:
            yield from found


# What is missing, in words; None: nothing is.
Missing: TypeAlias = str | None


@dataclass(frozen=True)
class Rule:
    """One rule. `check` gives what is missing. A rule of the kit names the check that it is (`of_kit`)."""

    number: str
    grade: Grade
    demands: str
    check: Callable[[Graded], Missing]
    needs_suite: bool = False
    of_kit: str | None = None


@dataclass(frozen=True)
class Verdict:
    """A rule, what became of it, and why."""

    rule: Rule
    outcome: Outcome
    why: str = ""


@dataclass(frozen=True)
class Report:
    """All verdicts on a channel, in the rules' order."""

    verdicts: tuple[Verdict, ...]

    @property
    def grade(self) -> Grade | None:
        """None: it can't be told, since rules were not judged and no judged one decides it."""
        reached = Grade.none
        for grade in GRADES:
            outcomes = {verdict.outcome for verdict in self.verdicts if verdict.rule.grade is grade}
            if Outcome.missing in outcomes:
                return reached
            if Outcome.not_judged in outcomes:
                return None
            reached = grade
        return reached

    def with_outcome(self, outcome: Outcome) -> tuple[Verdict, ...]:
        """The verdicts of that outcome."""
        return tuple(verdict for verdict in self.verdicts if verdict.outcome is outcome)

    @property
    def next_steps(self) -> tuple[Verdict, ...]:
        """What is missing for the next grade; the rules name it."""
        missing = self.with_outcome(Outcome.missing)
        grade = min((verdict.rule.grade for verdict in missing), key=GRADES.index, default=None)
        return tuple(verdict for verdict in missing if verdict.rule.grade is grade)


def judge(adapter: Adapter[Any], suite: Suite | None, rules: Sequence[Rule]) -> Report:
    """Hold a channel to the rules."""
    graded = Graded(adapter, suite)
    return Report(tuple(_verdict(rule, graded) for rule in rules))


def _verdict(rule: Rule, graded: Graded) -> Verdict:
    if rule.needs_suite and not graded.has_suite:
        return Verdict(rule, Outcome.not_judged, "needs the channel's suite and fixtures, which aren't installed here")
    if rule.of_kit and (reason := graded.suite.skip.get(rule.of_kit)):
        return Verdict(rule, Outcome.exempt, reason)
    try:
        missing = rule.check(graded)
    except Exception as error:  # an adapter's own fault, whatever it is, is what is missing
        missing = f"{type(error).__name__}: {error}".strip().partition("\n")[0]
    reason = graded.adapter.exemptions.get(rule.number) if rule.grade is not Grade.bronze else None
    if missing and reason:
        return Verdict(rule, Outcome.exempt, reason)
    return Verdict(rule, Outcome.missing, missing) if missing else Verdict(rule, Outcome.kept)
