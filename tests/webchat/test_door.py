"""Who may call: origins, channels, budgets; and the page and its scripts."""

from __future__ import annotations

import gzip
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from gateway.webchat.door import may_embed, network_of
from tests.adapters.webchat.account import an_account
from tests.webchat.world import SHOP, Browser, World

EVIL = "https://evil.example"


@pytest.fixture
def where() -> None:
    """What the door decides, it decides without the store."""


async def test_a_page_of_an_allowed_origin_may_call_and_read(world: World) -> None:
    kim = Browser(world)
    reply = await kim.call("POST", "/session", {}, headers={"origin": SHOP})
    assert reply.status == 201
    assert (reply.headers["access-control-allow-origin"], reply.headers["vary"]) == (SHOP, "Origin")
    assert "access-control-allow-credentials" not in reply.headers


async def test_a_page_of_another_origin_may_not(world: World) -> None:
    for method, path in (("POST", "/session"), ("GET", "/events"), ("OPTIONS", "/messages"), ("GET", "/ws")):
        reply = await Browser(world).call(method, path, headers={"origin": EVIL})
        assert (reply.status, reply.code) == (403, "origin_not_allowed")
        assert "access-control-allow-origin" not in reply.headers


async def test_the_gateways_own_page_may(world: World) -> None:
    own = world.base.removesuffix("/chat/web1")
    assert (await Browser(world).call("POST", "/session", {}, headers={"origin": own})).status == 201


async def test_a_web_socket_of_another_origin_is_refused(world: World) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await world.http.ws_connect(f"{world.base}/ws", origin=EVIL)
    assert refused.value.status == 403


async def test_the_question_before(world: World) -> None:
    asking = {
        "origin": SHOP,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
    }
    reply = await Browser(world).call("OPTIONS", "/messages", headers=asking)
    assert reply.status == 204
    assert reply.headers["access-control-allow-origin"] == SHOP
    assert "authorization" in reply.headers["access-control-allow-headers"]


async def test_a_refusal_can_be_read_by_the_page(world: World) -> None:
    reply = await Browser(world).call("GET", "/events", headers={"origin": SHOP})
    assert (reply.status, reply.code, reply.headers["access-control-allow-origin"]) == (401, "unauthenticated", SHOP)


@pytest.mark.parametrize(
    ("allowed", "origin", "host", "may"),
    [
        ([SHOP], SHOP, "chat.example", True),
        ([SHOP], f"{SHOP}.evil.example", "chat.example", False),
        ([SHOP], "http://shop.example", "chat.example", False),
        ([SHOP], "null", "chat.example", False),
        ([], "https://chat.example", "chat.example", True),
        ([], "https://chat.example:8443", "chat.example", False),
        ([], "https://[", "[", False),
        ([], "", "", False),
        (["*"], EVIL, "chat.example", True),
    ],
)
def test_origins(allowed: list[str], origin: str, host: str, may: bool) -> None:
    assert may_embed(an_account(allowed_origins=allowed), origin, host) is may


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2ff::1", "2001:db8:1:200::/56"),
        ("fe80::1%eth0", "fe80::/56"),
        ("unknown", "unknown"),
        ("", ""),
    ],
)
def test_networks(address: str, network: str) -> None:
    assert network_of(address) == network


async def test_no_such_channel(world: World) -> None:
    reply = await Browser(world).call("POST", "/../nobody/session", {})
    assert (reply.status, reply.code) == (404, "not_found")


async def test_who_writes_too_often_is_told_when_to_go_on(tmp_path: Path) -> None:
    async with World(tmp_path, limits={"messages_per_minute": 3}).running() as world:
        kim, lea = await world.browser(), await world.browser()
        replies = [await kim.say(f"text {n}") for n in range(4)]
        assert [reply.status for reply in replies] == [202, 202, 202, 429]
        assert (replies[-1].code, int(replies[-1].headers["retry-after"]) <= 20) == ("rate_limited", True)
        assert (await lea.say("hello")).status == 202, "another visitor of the same office"
        world.clock.ahead = timedelta(seconds=21)
        assert (await kim.say("text 3")).status == 202


async def test_a_networks_budget(tmp_path: Path) -> None:
    async with World(tmp_path, limits={"sessions_per_minute": 2, "requests_per_minute": 5}).running() as world:
        statuses = [(await Browser(world).start()).status for _ in range(3)]
        assert statuses == [201, 201, 429]
        rest = [await Browser(world).call("GET", "/events") for _ in range(3)]
        assert [reply.status for reply in rest] == [401, 401, 429]
        assert rest[-1].headers["retry-after"]


async def test_questions_before_the_chat(tmp_path: Path) -> None:
    form = [{"name": "order", "label": {"en": "Order number", "de": "Bestellnummer"}, "required": True}]
    async with World(tmp_path, prechat=form).running() as world:
        kim = Browser(world)
        reply = await kim.start(locale="de-AT")
        assert [field["label"] for field in reply.json["config"]["prechat"]] == ["Bestellnummer"]
        refused = await kim.say("hello", "client-0001")
        assert (refused.status, refused.code) == (409, "prechat_required")
        strange = await kim.start(prechat={"shoe_size": "43"})
        assert [fault["pointer"] for fault in strange.json["errors"]] == ["/prechat/shoe_size"]
        assert (await kim.start(prechat={"order": "4711"})).json["config"]["prechat"] == []
        assert (await kim.say("hello", "client-0001")).status == 202
        assert world.inbox.of("message")[0].end_user.profile["prechat"] == {"order": "4711"}


async def test_the_page_and_its_policy(world: World) -> None:
    async with world.http.get(world.base, headers={"accept-language": "ar-EG,en;q=0.5"}) as reply:
        text = await reply.text()
        policy = reply.headers["Content-Security-Policy"]
    assert 'dir="rtl"' in text
    assert 'data-channel="web1"' in text
    assert "unsafe" not in policy
    assert policy.endswith(f"frame-ancestors 'self' {SHOP}")


async def test_a_locale_is_no_way_into_the_page(world: World) -> None:
    async with world.http.get(world.base, params={"locale": '"><script>'}) as reply:
        assert "><script>" not in (await reply.text()).replace('<script async src="/widget.js"', "")


async def test_the_scripts_are_for_any_page_and_packed(world: World) -> None:
    root = world.base.removesuffix("/chat/web1")
    async with world.http.get(f"{root}/widget.js", auto_decompress=False) as reply:
        assert (reply.headers["Access-Control-Allow-Origin"], reply.headers["Cross-Origin-Resource-Policy"]) == (
            "*",
            "cross-origin",
        )
        body = await reply.read()
        loader = (gzip.decompress(body) if "Content-Encoding" in reply.headers else body).decode()
        etag = reply.headers["ETag"]
    assert "{{" not in loader
    async with world.http.get(f"{root}/widget.js", headers={"If-None-Match": etag}) as reply:
        assert reply.status == 304
    async with world.http.get(f"{root}/widget/0000/main.js") as reply:
        assert (reply.status, reply.headers["Cache-Control"]) == (200, "no-cache")
    async with world.http.get(f"{root}/widget/0000/../../pages.py") as reply:
        assert reply.status == 404
