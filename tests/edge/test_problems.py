"""What goes wrong: one table, one form, and nothing of the inside in it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from gateway.edge.problems import FAULTS, REFUSALS, TABLE, Problem, of_refusal
from gateway.errors import BrokerUnavailable, StoreUnavailable
from gateway.session.decision import Refusal
from gateway.session.refusals import CODES
from tests.edge.conftest import Site

ROOT = Path(__file__).resolve().parents[2]


def test_every_refusal_of_the_rules_has_its_status() -> None:
    assert set(CODES) - set(TABLE) == set()


def test_every_refusal_made_anywhere_has_its_status() -> None:
    made = {
        str(node.args[0].value)
        for path in (ROOT / "gateway").rglob("*.py")
        if "demo" not in path.parts  # its phones are no part of the API
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Refusal", "e3_refuse", "Problem")
        if node.args and isinstance(node.args[0], ast.Constant)
    }
    assert "not_a_participant" in made  # it does find them
    assert made - set(TABLE) == set()


def test_no_code_is_both_a_refusal_and_a_fault_of_the_edge() -> None:
    assert set(REFUSALS) & set(FAULTS) == set()


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("permission_denied", 403),
        ("session_not_found", 404),
        ("invitation_not_found", 404),
        ("invitation_already_taken", 409),
        ("conferencing_not_supported", 409),
        ("participant_limit_reached", 409),
        ("last_rep_must_end", 409),
        ("recipient_type_not_allowed", 422),
        ("idempotency_key_reused", 422),
        ("a_code_that_a_broker_made_up", 409),
    ],
)
def test_the_code_decides_the_status(code: str, status: int) -> None:
    problem = of_refusal(Refusal(code, "Do this instead.", {"missing": ["run_flows"]}))
    body = problem.body()
    assert (problem.status, body["status"], body["code"]) == (status, status, code)
    assert (body["detail"], body["details"]) == ("Do this instead.", {"missing": ["run_flows"]})
    assert body["type"] == f"/docs#problem-{code}"
    assert problem.response().content_type == "application/problem+json"


def test_a_problem_is_no_dataclass_to_compare() -> None:
    one, other = Problem("not_found", "x"), Problem("not_found", "x")
    assert one != other
    assert len({one, other}) == 2


@pytest.mark.parametrize("error", [StoreUnavailable("disk /secret/path full"), BrokerUnavailable("10.0.0.7 refused")])
async def test_what_cant_be_stored_now_is_to_be_tried_again(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    _let_commands_fail(site, monkeypatch, error)
    reply = await site.api(login="ana").post("/sessions/x/leave")
    assert (reply.status, reply.code) == (503, "unavailable")
    assert int(reply.headers["Retry-After"]) >= 1
    assert str(error) not in str(reply.json)
    assert [getattr(record, "action", None) for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_fault_of_ours_shows_nothing_but_a_number_to_find_it_by(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _let_commands_fail(site, monkeypatch, ValueError("customer said canary-1"))
    reply = await site.api(login="ana").post("/sessions/x/leave")
    assert (reply.status, reply.code) == (500, "internal_error")
    assert "canary" not in str(reply.json)
    (record,) = [record for record in caplog.records if getattr(record, "action", None) == "api.failed"]
    assert record.__dict__["failure"] in reply.json["detail"]
    assert record.__dict__["route"] == "/api/v1/sessions/{session_id}/leave"


def _let_commands_fail(site: Site, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    async def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(site.broker, "command", fail)
