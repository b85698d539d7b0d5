"""The connector page in a real browser, in a frame as Salesforce shows it, over a whole gateway. The toolkit is a stand-in that asks as the real one does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Page, async_playwright, expect

from gateway import config
from gateway.brokers.salesforce.simulator.contract import OrgChannel
from tests.brokers.salesforce.test_partner_whole import asked, present, reps
from tests.brokers.salesforce.whole import (
    ANN,
    BOB,
    CHANNELS,
    DEFINITION,
    Sandbox,
    address_of,
    conversation_of,
    gateway_of,
    sandbox,
)
from tests.browsers import CHROMIUM, QUIET
from tests.company import CLIENT, company, rsa_key
from tests.world import World, wait_until

pytestmark = pytest.mark.browser

TYPES = Path(__file__).resolve().parents[1] / "scripts" / "toolkit.js"
TOOLKIT = TYPES.read_text() + "export const initializeConnector = (connector) => { globalThis.theConnector = connector; };\n"


@pytest.fixture
async def console() -> AsyncIterator[TestServer]:
    """Pages of a console: `/?frame=ADDRESS` shows the address in a frame."""

    async def show(request: web.Request) -> web.Response:
        return web.Response(text=f'<iframe src="{request.query["frame"]}"></iframe>', content_type="text/html")

    app = web.Application()
    app.router.add_get("/", show)
    server = TestServer(app)
    await server.start_server()
    yield server
    await server.close()


@pytest.fixture
async def org(tmp_path: Path) -> AsyncIterator[Sandbox]:
    channels = [OrgChannel(address_of(one), DEFINITION, product="ccaas", routing="partner") for one in CHANNELS]
    async with sandbox(tmp_path / "org", channels) as one:
        yield one


@pytest.fixture
async def world(org: Sandbox, console: TestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    bundle = tmp_path / "toolkit.js"
    bundle.write_text(TOOLKIT)
    known = org.settings()
    more = {"connector_origins": [f"http://127.0.0.1:{console.port}"], "connector_toolkit": str(bundle)}
    monkeypatch.setattr(Sandbox, "settings", lambda self: {**known, **more})
    async with gateway_of(org, tmp_path / "gateway", product="ccaas", routing="partner") as one:
        yield one


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """A tab in which no script fails."""
    faults: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        page = await browser.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        yield page
        await browser.close()
    assert faults == []


async def test_a_rep_signs_in_within_salesforce_and_the_toolkit_is_answered(
    org: Sandbox, world: World, console: TestServer, page: Page
) -> None:
    await page.goto(f"http://127.0.0.1:{console.port}/?frame={world.address}/salesforce/connector")
    frame = page.frame_locator("iframe")
    await frame.get_by_label("Access token").fill("nobody's")
    await frame.get_by_role("button", name="Sign in").click()
    await expect(frame.get_by_role("alert")).to_contain_text("Sign in again")
    await frame.get_by_label("Access token").fill("ana-token-0123456789")
    await frame.get_by_role("button", name="Sign in").click()
    await expect(frame.get_by_role("status")).to_have_text("Connected as Ana.")

    inside = page.frames[1]
    await inside.evaluate("theConnector.setAgentStatus('Online')")
    await world.customer("open").says("hello")
    org.plain.accept(await asked(org, ANN))
    await reps(world, "ana")
    await present(world, "ben")
    item = org.plain.threads[await conversation_of(org, "open")].sessions[-1].id
    found: Any = await inside.evaluate("item => theConnector.getContacts({limit: 50}, item)", item)
    assert [one["given"]["recordId"] for one in found["contacts"]][:1] == [BOB]
    assert found["contactTypes"] == ["Agent", "Queue", "Flow"]

    await page.reload()  # the tab remembers who it was
    await expect(page.frame_locator("iframe").get_by_role("status")).to_have_text("Connected as Ana.")


async def test_a_rep_who_closes_the_page_is_gone_after_a_while(world: World, console: TestServer, page: Page) -> None:
    await page.goto(f"http://127.0.0.1:{console.port}/?frame={world.address}/salesforce/connector")
    frame = page.frame_locator("iframe")
    await frame.get_by_label("Access token").fill("ana-token-0123456789")
    await frame.get_by_role("button", name="Sign in").click()
    await expect(frame.get_by_role("status")).to_have_text("Connected as Ana.")

    async def connected() -> bool:
        return bool(await world.gateway.store.read(lambda stored: stored.reps.is_connected("acme", "ana")))

    await wait_until(connected, what="the page's stream")
    await page.goto("about:blank")

    async def gone() -> bool:
        return not await connected()

    await wait_until(gone, what="the stream is closed")


async def test_a_companys_sign_in_opens_in_a_window_of_its_own(
    org: Sandbox, console: TestServer, page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = config.build
    async with company(rsa_key("main")) as issuer:
        signs_in = {"oidc": issuer.settings(client_id=CLIENT, audience="nobody")}  # as the page asks for none
        monkeypatch.setattr(config, "build", lambda raw: build({**raw, **signs_in}))
        known = {**org.settings(), "connector_origins": [f"http://127.0.0.1:{console.port}"]}
        monkeypatch.setattr(Sandbox, "settings", lambda self: known)
        async with gateway_of(org, tmp_path / "gateway", product="ccaas", routing="partner") as world:
            await page.goto(f"http://127.0.0.1:{console.port}/?frame={world.address}/salesforce/connector")
            frame = page.frame_locator("iframe")
            async with page.expect_popup() as opened:
                await frame.get_by_role("button", name="Sign in with Acme").click()
            await expect(frame.get_by_role("status")).to_contain_text("Signed in as Ana.")
            assert (await opened.value).is_closed()


async def test_pages_of_others_can_not_show_it(world: World, page: Page) -> None:
    stranger = web.Application()

    async def show(request: web.Request) -> web.Response:
        return web.Response(text=f'<iframe src="{world.address}/salesforce/connector"></iframe>', content_type="text/html")

    stranger.router.add_get("/", show)
    async with TestServer(stranger) as server:
        refused: list[str] = []
        page.on("console", lambda message: refused.append(message.text))
        await page.goto(f"http://127.0.0.1:{server.port}/")
        await wait_until(lambda: any("frame-ancestors" in text for text in refused), what="the browser's refusal")
        assert await page.frames[1].locator("main").count() == 0
