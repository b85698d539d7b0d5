"""Who calls: tokens in headers only, and guessers slowed down."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.brokers.contract import Caller
from gateway.edge.auth import Doorkeeper
from gateway.edge.limits import Rate
from gateway.edge.problems import Problem
from gateway.session.model import ChannelFacts, Login, OrgSettings, Queue, Rep
from tests.edge.conftest import Site

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Basic dG9rZW4tYW5h", "token-ana", "Bearer token-nobody", "Bearer token-ana x", "Bearer  "],
)
async def test_a_caller_without_a_good_token_is_told_who_may_enter(site: Site, header: str | None) -> None:
    reply = await site.api().get("/me", headers={"Authorization": header} if header is not None else {})
    assert (reply.status, reply.code) == (401, "unauthenticated")


async def test_a_token_that_is_no_ascii_is_nobodys(site: Site) -> None:
    reader, writer = await _connect(site)
    writer.write("GET /api/v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\u00f6ken\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 401 ")


async def test_two_authorization_headers_are_refused(site: Site) -> None:
    reader, writer = await _connect(site)
    both = "Authorization: Bearer token-ana\r\nAuthorization: Bearer token-ben\r\n"
    writer.write(f"GET /api/v1/me HTTP/1.1\r\nHost: x\r\n{both}Connection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    assert answer.split(b" ", 2)[1] in (b"400", b"401")


async def test_a_token_in_the_url_counts_for_nothing(site: Site) -> None:
    reply = await site.api().get("/me?access_token=token-ana")
    assert reply.status == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_is_read_in_any_case(site: Site, scheme: str) -> None:
    reply = await site.api().get("/me", headers={"Authorization": f"{scheme} token-ana"})
    assert (reply.status, reply.json["login"]) == (200, "ana")


async def test_a_stranger_learns_nothing_of_what_a_call_takes(site: Site) -> None:
    reply = await site.api("wrong").post("/sessions/none/messages", {"txt": 1})
    assert reply.status == 401


async def test_me_shows_the_reps_rights(site: Site) -> None:
    reply = await site.api(login="cleo").get("/me")
    assert reply.json | {"presence": None} == {
        "login": "cleo",
        "name": "Cleo",
        "org": "acme",
        "supervisor": False,
        "kind": "human",
        "avatar_url": None,
        "permissions": ["enhanced_chat_rep", "messaging_agent", "run_flows"],
        "licences": ["enhanced_chat_user", "messaging_user"],
        "capacity": 5,
        "presence": None,
    }


class _OneToken:
    def caller_of(self, token: str, now: datetime) -> Caller | None:
        return Caller(login=Login("ana"), org="acme", name="Ana") if token in ("good", "other") else None

    def rep(self, org: str, login: str) -> Rep | None:
        return None

    def queue(self, org: str, id: str) -> Queue | None:
        return None

    def channel(self, org: str, id: str) -> ChannelFacts | None:
        return None

    def settings(self, org: str) -> OrgSettings:
        return OrgSettings()


def test_who_guesses_too_often_must_wait_but_known_tokens_still_pass() -> None:
    seconds = 1_000.0
    door = Doorkeeper(_OneToken(), lambda: NOW, Rate(per_second=0.5, burst=3), lambda: seconds)
    assert door.caller_of_token("good", "1.1.1.1").login == "ana"
    for _ in range(3):
        assert _refused(door, "bad", "1.1.1.1").status == 401

    refused = _refused(door, "other", "1.1.1.1")  # a right guess isn't looked at any more
    assert (refused.status, refused.headers["Retry-After"]) == (429, "2")
    assert door.caller_of_token("good", "1.1.1.1").login == "ana"
    assert door.caller_of_token("other", "2.2.2.2").login == "ana"

    seconds += 2
    assert _refused(door, "bad", "1.1.1.1").status == 401
    assert _refused(door, "bad", "1.1.1.1").status == 429


def _refused(door: Doorkeeper, token: str, address: str) -> Problem:
    with pytest.raises(Problem) as raised:
        door.caller_of_token(token, address)
    return raised.value


async def _connect(site: Site) -> tuple[Any, Any]:

    return await asyncio.open_connection("127.0.0.1", site.http.port)
