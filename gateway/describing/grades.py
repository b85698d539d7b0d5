"""`byoc channels --grade`, and docs/grades.md: how good each channel is, and which rules say so.

`byoc channels --grade --markdown > docs/grades.md` renews the page, in a source checkout; a test keeps it true.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from adapters.conformance.finding import suite_of
from adapters.conformance.grade_rules import RULES
from adapters.conformance.grading import GRADES, Grade, Outcome, Report, Verdict, judge
from adapters.contract import Adapter

_HEAD: Final = """\
# Grades

How good a channel is, checked by a program: `byoc channels --grade`. Renew this page with `byoc channels --grade --markdown > docs/grades.md`.

| grade | means |
| --- | --- |
| bronze | The channel is safe, and no message is lost or doubled. |
| silver | An operator can rely on it, and files and notices go both ways. |
| gold | Reps and customers have all that the provider offers. |

A channel has a grade if it keeps every rule of that grade and of those below it.

- If the provider makes a rule impossible, the adapter exempts itself, with a reason: `Adapter(exemptions={"G7": "The provider doesn't report that a customer is typing."})`. Rules of bronze
  can't be exempted in this way. A check of the conformance kit is exempted by the suite's `skip`, also with a reason.
- Rules marked *suite* need the channel's suite and fixtures. The suites of the channels below are in this repository and not in an installed package, so without a source checkout the command
  says "no grade here" and lists only what it can judge. A plug-in [names its own suite](adding-a-channel.md#the-suite).
"""


def reports(adapters: Mapping[str, Adapter[Any]]) -> dict[str, Report]:
    """Every channel held to the rules, by kind."""
    return {kind: judge(adapter, suite_of(adapter), RULES) for kind, adapter in adapters.items()}


def lines(found: Mapping[str, Report]) -> Iterator[str]:
    """For people: the grade, what is missing for the next, and what is exempt."""
    for kind, report in found.items():
        yield f"{kind}: {_grade(report)}"
        steps = report.next_steps
        if steps:
            yield f"  missing for {steps[0].rule.grade}:"
            yield from (f"    {_told(verdict)}" for verdict in steps)
        if exempt := report.with_outcome(Outcome.exempt):
            yield "  exempt:"
            yield from (f"    {_told(verdict)}" for verdict in exempt)


def _grade(report: Report) -> str:
    if report.grade is None:
        unjudged = len(report.with_outcome(Outcome.not_judged))
        return f"no grade here: {unjudged} of {len(report.verdicts)} rules need the channel's suite, which isn't installed"
    counts = f"{len(report.with_outcome(Outcome.kept))} of {len(report.verdicts)} rules kept"
    exempt = len(report.with_outcome(Outcome.exempt))
    return (
        f"{report.grade if report.grade is not Grade.none else 'below bronze'} ({counts}{f', {exempt} exempt' if exempt else ''})"
    )


def _told(verdict: Verdict) -> str:
    return f"{verdict.rule.number:4} {verdict.rule.demands} {verdict.why}"


def for_programs(found: Mapping[str, Report]) -> dict[str, Any]:
    """As JSON, by kind; `grade` is null where it can't be told here."""
    return {
        kind: {
            "grade": report.grade,
            "rules": {one.rule.number: {"outcome": one.outcome, "why": one.why} for one in report.verdicts},
        }
        for kind, report in found.items()
    }


def page(found: Mapping[str, Report]) -> str:
    """docs/grades.md."""
    return "\n".join([_HEAD, *_channels(found), "## Rules", "", *_rules()])


def _channels(found: Mapping[str, Report]) -> Iterator[str]:
    yield "## Channels\n"
    yield "| channel | grade | missing for the next | exempt |"
    yield "| --- | --- | --- | --- |"
    for kind, report in found.items():
        missing = ", ".join(verdict.rule.number for verdict in report.next_steps)
        exempt = "<br>".join(f"{one.rule.number}: {one.why}" for one in report.with_outcome(Outcome.exempt))
        yield f"| [{kind}](channels.md#{kind}) | {report.grade or 'not judged'} | {missing} | {exempt} |"
    yield ""


def _rules() -> Iterator[str]:
    for grade in GRADES:
        yield f"### {str(grade).capitalize()}\n"
        yield "| rule | demands | |"
        yield "| --- | --- | --- |"
        for rule in RULES:
            if rule.grade is grade:
                yield f"| {rule.number} | {rule.demands} | {'suite' if rule.needs_suite else ''} |"
        yield ""
