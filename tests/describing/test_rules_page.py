"""docs/conferencing.md tells the truth: every rule has its text, its function and its test, every code its line."""

from __future__ import annotations

import ast
import re

import pytest

from gateway.describing import rules_page
from gateway.describing.rules_page import PAGE, ROOT, RULES
from gateway.session.model import ChannelFacts, OrgSettings
from gateway.session.refusals import CODES


def test_the_tables_are_what_the_code_and_the_tests_are() -> None:
    page = PAGE.read_text()
    assert rules_page.rebuilt(page) == page, "write them anew: python -m gateway.describing.rules_page"


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_a_text_a_function_and_a_test(rule: str) -> None:
    assert re.search(rf"^### {rule} ", PAGE.read_text(), re.MULTILINE)
    assert any(number == rule for number, _, _ in rules_page.code())
    assert any(number == rule for number, _, _ in rules_page.tests())


def test_every_rule_function_is_run_by_the_product() -> None:
    """A rule that nothing calls holds nothing, whatever its tests say."""
    used: set[str] = set()
    for path in (ROOT / "gateway").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Name):
                used.add(node.id)
            elif isinstance(node, ast.Attribute):
                used.add(node.attr)
    assert [f"{module}.{name}" for _, module, name in rules_page.code() if name not in used] == []


def test_there_are_no_rules_that_the_page_does_not_know() -> None:
    numbers = {number for number, _, _ in [*rules_page.code(), *rules_page.tests()]}
    assert numbers == set(RULES)
    assert re.findall(r"^### (\S+) ", PAGE.read_text(), re.MULTILINE) == RULES


def test_every_code_that_is_used_is_in_the_table_and_the_other_way_round() -> None:
    used: set[str] = set()
    for folder in ("session", "brokers", "edge"):
        for path in (ROOT / "gateway" / folder).rglob("*.py"):
            if "simulator" in path.parts:  # a simulated org refuses by Salesforce's own codes
                continue
            used |= set(re.findall(r'(?:e3_refuse|Refusal)\(\s*"(\w+)"', path.read_text()))
    assert used <= CODES.keys()
    by_others = {"message_not_found", "not_resendable", "invalid_input", "idempotency_key_reused"}
    assert CODES.keys() - used <= by_others


def test_the_settings_that_the_page_names_exist() -> None:
    known = OrgSettings.model_fields.keys() | ChannelFacts.model_fields.keys()
    named = set(
        re.findall(r"`(\w+_seconds|\w+_limit|max_\w+|bots_\w+|flags_\w+|skills_\w+|name_speaker|edition)\b", PAGE.read_text())
    )
    assert named
    assert named <= known
