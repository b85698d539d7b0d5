"""A company's sign-in whose tokens are short-lived: the desk renews them, and a rep notices nothing."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from playwright.sync_api import expect

from gateway import config
from gateway.app import Gateway
from tests.company import AUDIENCE, CLIENT, Company, rsa_key
from tests.pages.conftest import Opens
from tests.pages.driving import PATIENCE_MS

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

CORS = {"Access-Control-Allow-Origin": "*"}


@dataclass
class ShortLived(Company):
    """Access tokens live a few seconds; refresh tokens as long as `renews`."""

    life_seconds: int = 4
    renews: bool = True
    renewed: list[str] = field(default_factory=list)

    async def exchange(self, request: web.Request) -> web.Response:
        form = await request.post()
        if form["grant_type"] == "refresh_token":
            if not self.renews:
                return web.json_response({"error": "invalid_grant"}, status=400, headers=CORS)
            self.renewed.append(str(form["refresh_token"]))
        given = {"access_token": self._brief(), "expires_in": self.life_seconds, "refresh_token": f"refresh-{len(self.renewed)}"}
        return web.json_response(given, headers=CORS)

    def _brief(self) -> str:
        return self.token(aud=AUDIENCE, exp=int(time.time()) + self.life_seconds)


@contextmanager
def running(folder: Path, company: ShortLived) -> Iterator[str]:
    """A gateway and its issuer on a loop of their own; gives the gateway's address."""
    up = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    told: list[str] = []

    async def serve() -> None:
        runner = web.AppRunner(company.application(), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        company.address = "http://{}:{}".format(*runner.addresses[0][:2])
        raw: dict[str, Any] = {
            "listen": {"port": 0},
            "data_dir": str(folder),
            "orgs": {"acme": {"reps": {"ana": {"name": "Ana"}}}},
            "oidc": company.settings(client_id=CLIENT),
        }
        try:
            async with Gateway(config.build(raw)).running() as address:
                told.append(address)
                up.set()
                await stop.wait()
        finally:
            await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert up.wait(20), "the gateway is not up"
        yield told[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()


def test_a_token_is_renewed_before_it_runs_out_and_the_rep_is_told_when_it_cannot_be(tmp_path: Path, opens: Opens) -> None:
    company = ShortLived([rsa_key("main")])
    with running(tmp_path, company) as address:
        page = opens()
        page.goto(f"{address}/desk#/some-session")
        page.get_by_role("button", name="Sign in with Acme").click()
        expect(page.get_by_label("My presence")).to_be_visible(timeout=PATIENCE_MS)
        while len(company.renewed) < 3:  # more than two lives of a token
            page.wait_for_timeout(100)
        assert company.renewed[:3] == ["refresh-0", "refresh-1", "refresh-2"]
        page.get_by_label("My presence").select_option("away")
        expect(page.get_by_label("My presence")).to_have_value("away")
        page.reload()
        expect(page.get_by_label("My presence")).to_have_value("away", timeout=PATIENCE_MS)

        company.renews = False
        expect(page.get_by_role("alert").get_by_text("Your sign-in has expired")).to_be_visible(timeout=60_000)
        assert page.url.endswith("#/some-session")
