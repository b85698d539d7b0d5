"""A real Chromium and a real demo. Without either these tests fail; they never skip."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.browsers import AXE, AXE_TAGS, CHROMIUM, QUIET
from tests.pages.demo_process import Demo
from tests.pages.driving import PATIENCE_MS, DeskPage, Handset

expect.set_options(timeout=PATIENCE_MS)  # the default of five seconds fails on a busy machine

Opens = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for a module: while it is open, no asyncio test can run in this thread."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """A demo of one's own."""
    demo = Demo(tmp_path)
    demo.start()
    yield demo
    demo.stop()


@pytest.fixture
def opens(browser: Browser) -> Iterator[Opens]:
    """Opens pages, each a person's own browser; at the end no page may have raised an error or met its content policy."""
    faults: list[str] = []
    contexts = []

    def noted(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            faults.append(message.text)

    def open_page(**options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, "locale": "en-GB", **options})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", noted)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def desk(demo: Demo, opens: Opens) -> Callable[[str], DeskPage]:
    """A rep's desk, open."""
    return lambda login: DeskPage(opens(), demo.url, login).open()


@pytest.fixture
def handset(demo: Demo, opens: Opens) -> Callable[..., Handset]:
    """A handset of the phone wall."""

    def open_wall(title: str, customer: str = "kim") -> Handset:
        page = opens()
        page.goto(f"{demo.url}/phones?customer={customer}")
        return Handset(page, title)

    return open_wall


def assert_accessible(page: Page, state: str) -> None:
    """axe-core finds nothing against WCAG 2.2 A and AA, in light and in dark."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        if not page.evaluate("typeof window.axe === 'object'"):
            page.evaluate(AXE.read_text(encoding="utf-8") + "\n;undefined")
        found = page.evaluate("tags => axe.run(document, {runOnly: tags, resultTypes: ['violations']})", list(AXE_TAGS))
        told = [
            {"rule": v["id"], "help": v["help"], "at": [node["html"][:200] for node in v["nodes"]]} for v in found["violations"]
        ]
        assert told == [], f"{state}, {scheme}:\n{json.dumps(told, indent=1)}"
    page.emulate_media(color_scheme="light")
