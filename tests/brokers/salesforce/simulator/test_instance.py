"""Others' clients judge the simulated org: simple-salesforce and aiosalesforce sign in by JWT and ask it things, unchanged, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
import requests
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiosalesforce import JwtBearerFlow, Salesforce
from aiosalesforce.exceptions import AuthenticationError, SalesforceError
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce as SimpleSalesforce
from simple_salesforce import SalesforceAuthenticationFailed, SalesforceMalformedRequest
from yarl import URL

from gateway import clock
from gateway.brokers.salesforce.simulator.contract import OrgChannel
from gateway.brokers.salesforce.simulator.instance import Instance
from gateway.brokers.salesforce.simulator.records import set_up
from gateway.brokers.salesforce.simulator.token import GRANT, App, Grants, IssuedTokens, User
from tests.brokers.salesforce.keys import key_pair

PREFIX = "/org"
ORG = "00D000000000001EAA"
KEY = "3MVG9consumer"
USERS = {
    name: User(name, f"0050000000000{number:02}") for number, name in enumerate(("byoc@example.com", "admin@example.com"), 1)
}
APP = App(KEY, (key_pair()[1],), frozenset(USERS))
BASE = "https://example.my.salesforce.com"
EVENT = "byoc__Message__e"


class World:
    """An org that listens."""

    def __init__(self, port: int | None, tokens: IssuedTokens) -> None:
        self.url = f"http://127.0.0.1:{port}{PREFIX}"
        self.tokens = tokens


@pytest.fixture
async def world() -> AsyncIterator[World]:
    tokens = IssuedTokens(ORG, clock.now, USERS, timedelta(hours=1))
    records = set_up([OrgChannel("address", "Byoc_Sms")], org_id=ORG, event=EVENT, type_field="T__c", payload_field="P__c")
    instance = Instance(
        Grants([APP], tokens),
        tokens,
        USERS,
        records,
        instance_url=BASE,
        admins=frozenset({"admin@example.com"}),
        limits=lambda: {"HourlyPublishedPlatformEvents": (50_000, 49_000)},
    )
    app = web.Application()
    instance.install(app, PREFIX)
    async with TestServer(app) as server:
        yield World(server.port, tokens)


# ------------------------------------------------------------------------------------------------------- simple-salesforce


class Rewritten(HTTPAdapter):
    """Calls to the org's and the login host go to the simulated one."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        request.url = self._url + str(URL(str(request.url)).relative())
        return super().send(request, *args, **kwargs)


def simple(world: World, **changed: Any) -> SimpleSalesforce:
    session = requests.Session()
    session.mount("https://", Rewritten(world.url))
    known = {
        "username": "byoc@example.com",
        "consumer_key": KEY,
        "privatekey": key_pair()[0],
        "version": "66.0",
        "session": session,
    }
    return SimpleSalesforce(**(known | changed))


async def test_simple_salesforce_signs_in_and_asks(world: World) -> None:
    def ask() -> tuple[Any, Any, Any]:
        org = simple(world)
        described = org.restful(f"sobjects/{EVENT}/describe")
        return org.query("SELECT MessageType, IsActive FROM MessagingChannel"), org.limits(), described

    found, limits, described = await asyncio.to_thread(ask)
    assert [(one["MessageType"], one["IsActive"]) for one in found["records"]] == [("Custom", True)]
    assert limits["HourlyPublishedPlatformEvents"] == {"Max": 50_000, "Remaining": 49_000}
    assert {"T__c", "P__c"} < {one["name"] for one in described["fields"]}


async def test_simple_salesforce_is_told_what_is_wrong(world: World) -> None:
    with pytest.raises(SalesforceAuthenticationFailed, match=r"invalid_grant.*: invalid assertion"):
        await asyncio.to_thread(simple, world, privatekey=key_pair("stranger")[0])
    with pytest.raises(SalesforceAuthenticationFailed, match=r"invalid_client_id.*: client identifier invalid"):
        await asyncio.to_thread(simple, world, consumer_key="3MVG9nobody")

    def ask() -> None:
        simple(world).query("SELECT Nothing FROM MessagingChannel")

    with pytest.raises(SalesforceMalformedRequest, match="INVALID_FIELD"):
        await asyncio.to_thread(ask)


# ----------------------------------------------------------------------------------------------------------- aiosalesforce


class RewritingTransport(httpx.AsyncHTTPTransport):
    """As `Rewritten`."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await super().handle_async_request(
            httpx.Request(
                request.method,
                self._url + request.url.raw_path.decode(),
                headers=request.headers,
                stream=request.stream,
                extensions=request.extensions,
            )
        )


@pytest.fixture
async def httpx_client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=RewritingTransport(world.url)) as client:
        yield client


def signed_in(httpx_client: httpx.AsyncClient, folder: Path, name: str = "first") -> Salesforce:
    path = folder / "key.pem"
    path.write_bytes(key_pair(name)[0])
    auth = JwtBearerFlow(client_id=KEY, username="byoc@example.com", private_key_file=path)
    return Salesforce(httpx_client, base_url=BASE, auth=auth, version="66.0")


async def test_aiosalesforce_signs_in_again_when_its_token_has_expired(
    world: World, httpx_client: httpx.AsyncClient, tmp_path: Path
) -> None:
    org = signed_in(httpx_client, tmp_path)
    before = await org.get_limits()
    world.tokens.expire_all()
    after = await org.get_limits()
    assert before["DailyApiRequests"]["Max"] == 100_000
    assert after["DailyApiRequests"]["Remaining"] < before["DailyApiRequests"]["Remaining"]
    assert [one["VendorType"] async for one in org.query("SELECT Id FROM MessagingChannel WHERE IsActive = false")] == []


async def test_aiosalesforce_is_told_what_is_wrong(world: World, httpx_client: httpx.AsyncClient, tmp_path: Path) -> None:
    with pytest.raises(AuthenticationError, match="invalid assertion"):
        await signed_in(httpx_client, tmp_path, "stranger").get_limits()
    org = signed_in(httpx_client, tmp_path)
    with pytest.raises(SalesforceError, match="MALFORMED_QUERY"):
        _ = [one async for one in org.query("SELECT")]


# --------------------------------------------------------------------------------------------------------- by hand


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as http:
        yield http


def bearer(world: World, username: str, scopes: str = "api") -> dict[str, str]:
    session = world.tokens.issue(username, KEY, frozenset(scopes.split()))
    return {"Authorization": f"Bearer {session.token}"}


async def test_the_form_may_come_in_chunks(world: World, http: aiohttp.ClientSession) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"grant_type=" + GRANT.replace(":", "%3A").encode()
        yield b"&assertion="
        yield b"nonsense"

    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with http.post(f"{world.url}/services/oauth2/token", data=chunks(), headers=headers) as answer:
        assert answer.status == 400
        assert await answer.json() == {"error": "invalid_grant", "error_description": "invalid assertion"}


async def test_who_one_is(world: World, http: aiohttp.ClientSession) -> None:
    headers = bearer(world, "byoc@example.com")
    async with http.get(f"{world.url}/services/oauth2/userinfo", headers=headers) as answer:
        about = await answer.json()
    assert (about["user_id"], about["organization_id"]) == (USERS["byoc@example.com"].id, ORG)
    async with http.get(f"{world.url}/services/oauth2/userinfo") as answer:
        assert (answer.status, await answer.text()) == (403, "Bad_OAuth_Token")


async def test_records_are_written_by_an_administrator(world: World, http: aiohttp.ClientSession) -> None:
    place = f"{world.url}/services/data/v66.0/tooling/sobjects/ConversationVendorInfo"
    body = {"FullName": "New", "Metadata": {"vendorType": "BringYourOwnContactCenter"}}
    admin = bearer(world, "admin@example.com")
    async with http.post(place, json=body, headers=admin) as answer:
        assert answer.status == 201
        made = (await answer.json())["id"]
    async with http.patch(f"{place}/{made}", json={"ConnectorUrl": "https://example.com"}, headers=admin) as answer:
        assert answer.status == 204
    async with http.get(f"{place}/{made}", headers=bearer(world, "byoc@example.com")) as answer:
        assert (await answer.json())["ConnectorUrl"] == "https://example.com"
    async with http.delete(f"{place}/{made}", headers=admin) as answer:
        assert answer.status == 204


@pytest.mark.parametrize(
    ("method", "path", "username", "scopes", "status", "code"),
    [
        ("GET", "v66.0/limits", None, "", 401, "INVALID_SESSION_ID"),
        ("GET", "v66.0/limits", "byoc@example.com", "interaction_api", 403, "INVALID_SESSION_ID"),
        ("GET", "v20.0/limits", "byoc@example.com", "api", 404, "NOT_FOUND"),
        ("GET", "v66.0/nothing", "byoc@example.com", "api", 404, "NOT_FOUND"),
        ("GET", "v66.0/sobjects/Nothing__e/describe", "byoc@example.com", "api", 404, "NOT_FOUND"),
        ("POST", "v66.0/tooling/sobjects/ConversationVendorInfo", "byoc@example.com", "api", 403, "INSUFFICIENT_ACCESS"),
        ("POST", "v66.0/tooling/sobjects/ConversationVendorInfo", "admin@example.com", "api", 400, "JSON_PARSER_ERROR"),
        ("PUT", "v66.0/sobjects/MessagingChannel/0Mj000000000001", "admin@example.com", "api", 405, "METHOD_NOT_ALLOWED"),
    ],
)
async def test_refusals_have_a_code(
    method: str, path: str, username: str | None, scopes: str, status: int, code: str, world: World, http: aiohttp.ClientSession
) -> None:
    headers = bearer(world, username, scopes) if username else {}
    async with http.request(method, f"{world.url}/services/data/{path}", headers=headers) as answer:
        assert answer.status == status
        assert [one["errorCode"] for one in await answer.json()] == [code]
