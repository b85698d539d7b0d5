"""The description is true to the code, sound OpenAPI, and readable."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gateway.edge.api import CALLS
from gateway.edge.api.call import PREFIX
from gateway.edge.api.stream import CLOSES
from gateway.edge.openapi import openapi
from gateway.edge.problems import TABLE
from tests.edge.conftest import Site
from tests.edge.described import check_headers

DESCRIPTION = openapi(CALLS, "https://byoc.example/")
OPERATIONS = [
    (path, method, operation) for path, methods in DESCRIPTION["paths"].items() for method, operation in methods.items()
]


async def test_it_is_served(site: Site) -> None:
    async with site.http.get("/openapi.json") as response:
        check_headers(response)
        assert await response.json() == openapi(CALLS)


async def test_every_route_of_the_api_is_described_and_the_other_way_round(site: Site) -> None:
    app = site.http.server.app  # type: ignore[attr-defined]
    routes = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    described = {(method.upper(), path) for path, method, _ in OPERATIONS}
    assert routes - {("GET", "/openapi.json"), ("GET", "/docs")} == described


def test_what_the_contract_names_is_there() -> None:
    named = """GET /me; PUT /presence; GET /sessions; GET /sessions/{session_id}; GET /sessions/{session_id}/entries;
        POST /sessions/{session_id}/accept; POST /sessions/{session_id}/decline; POST /sessions/{session_id}/messages;
        POST /sessions/{session_id}/typing; GET /sessions/{session_id}/destinations; POST /sessions/{session_id}/invitations;
        POST /sessions/{session_id}/invitations/{invitation_id}/accept; POST /sessions/{session_id}/invitations/{invitation_id}/decline;
        POST /sessions/{session_id}/invitations/{invitation_id}/withdraw; POST /sessions/{session_id}/transfers;
        POST /sessions/{session_id}/leave; POST /sessions/{session_id}/end; POST /sessions/{session_id}/flag;
        DELETE /sessions/{session_id}/flag; POST /sessions/{session_id}/whispers; GET /events; GET /sessions/{session_id}/audit"""
    for call in named.split(";"):
        method, path = call.split()
        assert method.lower() in DESCRIPTION["paths"][PREFIX + path]


def test_references_lead_somewhere_and_schemas_are_schemas() -> None:
    schemas = DESCRIPTION["components"]["schemas"]
    for reference in set(_references(DESCRIPTION)):
        assert reference.removeprefix("#/components/schemas/") in schemas
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


def test_operations_have_names_of_their_own_and_known_tags() -> None:
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(names)) == len(names)
    tags = {tag["name"] for tag in DESCRIPTION["tags"]}
    assert {tag for _, _, operation in OPERATIONS for tag in operation["tags"]} == tags
    assert all(operation["summary"] for _, _, operation in OPERATIONS)


def test_every_post_takes_an_idempotency_key() -> None:
    for path, method, operation in OPERATIONS:
        takes = "Idempotency-Key" in [parameter["name"] for parameter in operation.get("parameters", [])]
        assert takes == (method == "post"), path


def test_every_path_parameter_is_described() -> None:
    for path, _, operation in OPERATIONS:
        described = [p["name"] for p in operation.get("parameters", []) if p["in"] == "path"]
        assert described == re.findall(r"{(\w+)}", path)


def test_others_is_no_type_that_is_offered() -> None:
    recipient = DESCRIPTION["components"]["schemas"]["RecipientBody"]
    assert recipient["properties"]["type"]["enum"] == ["agent", "queue", "flow"]
    parameters = DESCRIPTION["paths"][f"{PREFIX}/sessions/{{session_id}}/destinations"]["get"]["parameters"]
    (type_,) = [p for p in parameters if p["name"] == "type"]
    assert (type_["required"], type_["schema"]["enum"]) == (True, ["agent", "queue", "flow"])


def test_bodies_that_are_refused_by_the_description_are_those_that_the_code_refuses() -> None:
    schema = {**DESCRIPTION["components"]["schemas"]["InvitationBody"], "components": DESCRIPTION["components"]}
    check = Draft202012Validator(schema)
    assert check.is_valid({"recipient": {"type": "agent", "id": "ben"}})
    assert not check.is_valid({"recipient": [{"type": "agent", "id": "ben"}]})
    assert not check.is_valid({"recipient": {"type": "agent", "id": "ben", "x": 1}})
    assert not check.is_valid({})


def test_the_server_is_where_the_config_says() -> None:
    assert DESCRIPTION["servers"] == [{"url": "https://byoc.example"}]
    assert openapi(CALLS)["servers"] == [{"url": "/"}]


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.text = ""
        self.style = ""
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [given["href"] or ""] if tag == "a" else []
        self.loads += [tag] if tag in ("script", "link", "img", "iframe", "form") else []
        assert not [name for name in given if name.startswith("on") or name == "style"]
        self._open = [tag]

    def handle_data(self, data: str) -> None:
        if self._open == ["style"]:
            self.style += data
            self._open = []
        else:
            self.text += data


@pytest.fixture
async def page(site: Site) -> tuple[_Page, str]:
    parsed = _Page()
    async with site.http.get("/docs") as response:
        assert response.content_type == "text/html"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        parsed.feed(await response.text())
        return parsed, response.headers["Content-Security-Policy"]


async def test_the_page_shows_all_of_it(page: tuple[_Page, str]) -> None:
    parsed, _ = page
    shown: list[Any] = [operation["operationId"] for _, _, operation in OPERATIONS]
    shown += [f"model-{name}" for name in DESCRIPTION["components"]["schemas"]]
    shown += [f"problem-{code}" for code in TABLE]
    assert set(shown) <= set(parsed.ids)
    assert len(set(parsed.ids)) == len(parsed.ids)
    for path in DESCRIPTION["paths"]:
        assert path in parsed.text


async def test_its_links_lead_somewhere(page: tuple[_Page, str]) -> None:
    parsed, _ = page
    assert {link for link in parsed.links if link.removeprefix("#") not in parsed.ids} == {"/openapi.json"}


async def test_it_loads_nothing_and_its_policy_lets_only_its_own_style_in(page: tuple[_Page, str]) -> None:
    parsed, policy = page
    assert parsed.loads == []
    style = base64.b64encode(hashlib.sha256(parsed.style.encode()).digest()).decode()
    assert policy.split("; ")[:2] == ["default-src 'none'", f"style-src 'sha256-{style}'"]


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for one in value.values() for found in _references(one)]
    return [found for one in value for found in _references(one)] if isinstance(value, list) else []


def test_the_written_page_names_every_call_and_close_code() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text()
    calls = {f"`{method.upper()} {path.removeprefix(PREFIX)}`" for path, method, _ in OPERATIONS if path.startswith(PREFIX)}
    assert {call for call in calls if call not in page} == set()
    assert set(re.findall(r"`(?:GET|POST|PUT|DELETE) [^`]*`", page)) - calls == {"`GET /api/v1/events`"}
    for code, text in CLOSES.items():
        assert f"| {code} | {text} |" in page
