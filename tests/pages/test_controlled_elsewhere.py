"""The gateway's own desk, with a conversation that Salesforce controls: to be read, and where to answer it is said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

from tests.brokers.salesforce.test_partner_whole import reps
from tests.brokers.salesforce.test_whole import says
from tests.brokers.salesforce.whole import Sandbox, gateway_of, sandbox
from tests.browsers import CHROMIUM, QUIET
from tests.world import World

pytestmark = pytest.mark.browser
WHERE = "Salesforce controls this conversation. Open its Messaging Session in the Salesforce console"


@pytest.fixture
async def org(tmp_path: Path) -> AsyncIterator[Sandbox]:
    async with sandbox(tmp_path / "org") as one:
        yield one


@pytest.fixture
async def world(org: Sandbox, tmp_path: Path) -> AsyncIterator[World]:
    async with gateway_of(org, tmp_path / "gateway") as one:
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


@pytest.mark.parametrize("login", ["ana", "sam"])
async def test_it_can_be_read_and_says_where_it_is_answered(org: Sandbox, world: World, page: Page, login: str) -> None:
    await says(world, org, "open", "my lamp is broken")
    await reps(world, "ana")
    await page.goto(f"{world.address}/desk")
    await page.get_by_label("Access token").fill(f"{login}-token-0123456789")
    await page.get_by_role("button", name="Sign in").click()
    (session,) = await world.rep("sam", "sam-token-0123456789").items("/sessions")
    await expect(page.get_by_label("My presence")).to_be_visible()
    await page.goto(f"{world.address}/desk#/{session['id']}")
    await expect(page.get_by_role("region", name="Conversation log")).to_contain_text("my lamp is broken")
    await expect(page.get_by_text(WHERE)).to_be_visible()
    for name in ("Send", "Conference", "Transfer", "Attach a file", "Leave Conversation", "End Conversation", "Raise flag"):
        await expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)
