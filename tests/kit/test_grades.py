"""How good a channel is, by numbered rules; and what ours are."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.conformance import CHECKS, Suite
from adapters.conformance.finding import suite_of
from adapters.conformance.grade_rules import RULES
from adapters.conformance.grading import GRADES, Grade, Outcome, Report, judge
from adapters.contract import Adapter
from adapters.registry import load
from gateway.describing import grades
from tests.kit.installing import ROOT, byoc, run

# Whoever lowers one says why in the change; whoever raises one renews docs/grades.md, too.
OURS = {
    "apple": Grade.gold,
    "instagram": Grade.gold,
    "line": Grade.gold,
    "messenger": Grade.gold,
    "open": Grade.gold,
    "sms": Grade.gold,
    "webchat": Grade.silver,
    "whatsapp": Grade.gold,
    "whatsapp-twilio": Grade.silver,
}
PAGE = (ROOT / "docs" / "grades.md").read_text("utf-8")


@pytest.fixture(scope="module")
def reports() -> dict[str, Report]:
    return grades.reports(load())


def sms(**changes: Any) -> tuple[Adapter[Any], Suite]:
    adapter = replace(load()["sms"], **changes)
    suite = suite_of(load()["sms"])
    assert suite is not None
    return adapter, replace(suite, adapter=adapter)


def verdict(report: Report, number: str) -> tuple[Outcome, str]:
    (found,) = [one for one in report.verdicts if one.rule.number == number]
    return found.outcome, found.why


def test_our_channels_keep_their_grades(reports: dict[str, Report]) -> None:
    assert {kind: report.grade for kind, report in reports.items()} == OURS


def test_no_exemption_of_ours_is_out_of_date(reports: dict[str, Report]) -> None:
    exempt = {
        kind: {one.rule.number for one in report.with_outcome(Outcome.exempt) if not one.rule.of_kit}
        for kind, report in reports.items()
    }
    assert {kind: set(load()[kind].exemptions) for kind in reports} == exempt


def test_the_page_is_true(reports: dict[str, Report]) -> None:
    assert grades.page(reports) == PAGE, "renew it: byoc channels --grade --markdown > docs/grades.md"


def test_the_page_lists_every_rule_and_no_other() -> None:
    rules = PAGE.split("## Rules")[1]
    assert re.findall(r"^\| ([BSG]\d+) \| (.*?) \|", rules, re.MULTILINE) == [(rule.number, rule.demands) for rule in RULES]


def test_there_are_at_least_thirty_rules_each_with_a_number_of_its_own() -> None:
    assert len(RULES) >= 30
    assert len({rule.number for rule in RULES}) == len(RULES)
    assert all(rule.number[0] == str(rule.grade)[0].upper() for rule in RULES)
    assert [GRADES.index(rule.grade) for rule in RULES] == sorted(GRADES.index(rule.grade) for rule in RULES)


def test_every_rule_of_the_kit_is_a_check_of_it() -> None:
    assert {rule.of_kit for rule in RULES if rule.of_kit} <= {check.__name__.removeprefix("check_") for check in CHECKS}


@pytest.mark.parametrize(
    ("changes", "number", "grade"),
    [
        ({"contract": 1}, "B1", Grade.none),
        ({"kind": "SMS!"}, "B2", Grade.none),
        ({"title": " "}, "B2", Grade.none),
        ({"demo": lambda *_: {}}, "B6", Grade.none),
        ({"exemptions": {"B1": "it is so much work"}}, "B10", Grade.none),
        ({"exemptions": {"G99": "there is no such rule"}}, "B10", Grade.none),
        ({"exemptions": {"G7": "no"}}, "B10", Grade.none),
        ({"verify": lambda *_: None}, "B12", Grade.none),
        ({"exemptions": {}}, "S12", Grade.bronze),
    ],
)
def test_what_is_missing_is_named_and_costs_the_grade(changes: dict[str, Any], number: str, grade: Grade) -> None:
    adapter, suite = sms(**changes)
    report = judge(adapter, suite, RULES)
    assert verdict(report, number)[0] is Outcome.missing
    assert report.grade is grade
    assert number in {one.rule.number for one in report.next_steps}


def test_a_check_of_the_kit_that_the_suite_skips_is_exempt_with_its_reason() -> None:
    adapter, suite = sms()
    report = judge(adapter, replace(suite, skip={"second_secret": "the provider has one secret"}), RULES)
    assert verdict(report, "S1") == (Outcome.exempt, "the provider has one secret")


def test_an_exemption_of_a_rule_that_is_kept_changes_nothing() -> None:
    adapter, suite = sms(exemptions={**load()["sms"].exemptions, "S10": "it is exempt for no reason"})
    assert verdict(judge(adapter, suite, RULES), "S10")[0] is Outcome.kept


def test_without_a_suite_there_is_no_grade_and_that_is_said() -> None:
    adapter, _ = sms()
    report = judge(adapter, None, RULES)
    assert report.grade is None
    assert {one.rule for one in report.with_outcome(Outcome.not_judged)} == {rule for rule in RULES if rule.needs_suite}
    (line, *_) = grades.lines({"sms": report})
    assert line.startswith("sms: no grade here: ")
    assert "suite, which isn't installed" in line


def test_without_a_suite_a_fault_that_decides_is_still_told() -> None:
    report = judge(sms(contract=1)[0], None, RULES)
    assert report.grade is Grade.none


SUITES_OF_AN_INSTALLATION = """
import sys, adapters
adapters.__path__[:] = sys.argv[1:]
from adapters import registry
from adapters.conformance.finding import suite_of
print([kind for kind, one in registry.load().items() if suite_of(one)])
"""


def test_an_installed_gateway_has_no_suites(tmp_path: Path) -> None:
    """Where `adapters` stands without the tests beside it, ours have none."""
    (tmp_path / "adapters").symlink_to(ROOT / "adapters")
    assert run(sys.executable, "-c", SUITES_OF_AN_INSTALLATION, str(tmp_path / "adapters")) == "[]\n"


def test_the_command_says_the_grade_what_is_missing_and_what_is_exempt() -> None:
    said = byoc("channels", "--grade")
    assert re.search(r"^webchat: silver \(\d+ of \d+ rules kept, \d+ exempt\)$", said, re.MULTILINE)
    assert "  missing for gold:\n    G3   Receipts say what failed later. capabilities.receipts lacks failed" in said
    assert "    G13  The channel itself shows who speaks. All bubbles of a business look alike." in said
    told = json.loads(byoc("channels", "--grade", "--json"))
    assert told["webchat"]["grade"] == "silver"
    assert told["webchat"]["rules"]["G3"]["outcome"] == "missing"
