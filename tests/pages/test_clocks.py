"""A rep's computer and the server rarely agree on the time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from tests.pages.conftest import Opens
from tests.pages.demo_process import Demo
from tests.pages.driving import PATIENCE_MS, DeskPage

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_rep_whose_clock_is_wrong_is_offered_work_all_the_same(demo: Demo, opens: Opens, hours: int) -> None:
    page = opens()
    page.clock.install(time=datetime.now(UTC) + timedelta(hours=hours))
    ana = DeskPage(page, demo.url, "ana").open().online()
    demo.says("whatsapp", f"kim{hours}", "Hello")
    expect(ana.calls).to_have_count(1, timeout=PATIENCE_MS)
    assert 0 < float(ana.calls.locator("time").get_attribute("data-whole") or 0) <= 32_000
    ana.take()
    ana.sees("Hello")
