"""A real Chromium on a page of another origin, with the widget in it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any, Final

from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, async_playwright

from tests.browsers import AXE, AXE_TAGS, CHROMIUM, QUIET
from tests.ports import free_port
from tests.webchat.world import PNG, World


class Shop:
    """A company's page, on another site than the chat's, with the strictest policy that still lets the widget in."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.port = free_port()
        self.url = f"http://localhost:{self.port}/"
        self.script = ""
        self.attributes = ""
        self.lang = "en"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Shop]:
        app = web.Application()
        app.add_routes([web.get("/", self._page), web.get("/page.js", self._script), web.get("/ana.png", self._picture)])
        server = TestServer(app, host="127.0.0.1", port=self.port)
        await server.start_server()
        try:
            yield self
        finally:
            await server.close()

    async def _page(self, request: web.Request) -> web.Response:
        chat = self.world.base.removesuffix("/chat/web1")
        policy = f"default-src 'none'; script-src 'self' {chat}; connect-src {chat}; img-src 'self' {chat}; trusted-types 'none'"
        text = f"""<!doctype html><html lang="{self.lang}"><head><title>Hinges</title><link rel="icon" href="/ana.png">
            <script src="/page.js"></script>
            <script async src="{chat}/widget.js" data-channel="web1" {self.attributes}></script></head>
            <body><main><h1>Hinges</h1><p>For every door.</p></main></body></html>"""
        return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": policy})

    async def _script(self, request: web.Request) -> web.Response:
        return web.Response(text=self.script, content_type="text/javascript")

    async def _picture(self, request: web.Request) -> web.Response:
        return web.Response(body=PNG, content_type="image/png")


class Visitor:
    """A person in front of the widget."""

    def __init__(self, page: Page, world: World) -> None:
        self.page, self.world = page, world
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._noted)

    def _noted(self, message: ConsoleMessage) -> None:
        ours = "cdn.example.test" not in message.text  # a rep's picture from where this page loads none: the initial stays
        if ours and ("Content Security Policy" in message.text or "TrustedHTML" in message.text):
            self.faults.append(message.text)

    @property
    def input(self) -> Locator:
        return self.page.get_by_role("textbox", name="Message")

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    async def say(self, text: str, *, sent: bool = True) -> None:
        """Write it; and unless something stands in the way, it reaches the webhook."""
        before = len(self.world.inbox.of("message"))
        await self.input.fill(text)
        await self.input.press("Enter")
        if sent:
            await self.world.until(lambda: len(self.world.inbox.of("message")) > before)

    async def open(self) -> None:
        await self.button("Open chat").click()
        await self.input.wait_for()

    async def lines(self) -> list[str]:
        """The conversation as the page shows it: `name: text`, notices as they are."""
        items = self.page.locator("byoc-chat ol > li:is([aria-label], .notice)")
        found: list[str] = await items.evaluate_all("all => all.map((one) => one.getAttribute('aria-label') || one.textContent)")
        return found

    async def until_lines(self, *expected: str) -> None:
        """Wait until the conversation reads so."""
        try:
            await self.world.until_async(lambda: self.lines(), lambda found: found == list(expected))
        except TimeoutError:
            raise AssertionError(f"shown: {await self.lines()}, expected: {list(expected)}") from None

    async def heard(self) -> list[str]:
        """What a screen reader was told so far (and would not be told twice)."""
        found: list[str] = await self.page.evaluate("window.heard")
        return found

    async def until_heard(self, text: str) -> None:
        """Wait for the voice to say it."""
        await self.world.until_async(self.heard, lambda found: text in found)

    async def is_accessible(self, state: str) -> None:
        """axe-core finds nothing, in light and in dark."""
        for scheme in ("light", "dark"):
            await self.page.emulate_media(color_scheme=scheme)
            if not await self.page.evaluate("typeof window.axe === 'object'"):
                await self.page.evaluate(AXE.read_text("utf-8") + "\n;undefined")
            run = "tags => axe.run(document, {runOnly: tags, resultTypes: ['violations']})"
            found = await self.page.evaluate(run, list(AXE_TAGS))
            told = [{"rule": one["id"], "at": [node["html"][:200] for node in one["nodes"]]} for one in found["violations"]]
            assert told == [], f"{state}, {scheme}: {json.dumps(told, indent=1)}"
        await self.page.emulate_media(color_scheme="light")

    @property
    def visitor_id(self) -> str:
        """The address that the last message came from."""
        return str(self.world.inbox.of("message")[-1].end_user.address)


# Everything that the voice was given, in order, kept beyond its time on the page.
_LISTEN: Final = """
window.heard = [];
const looking = setInterval(() => { // the voice comes within a shadow root, whose inside no observer of the document sees
  const voice = document.querySelector("byoc-chat")?.shadowRoot?.querySelector(".voice");
  if (!voice) return;
  clearInterval(looking);
  for (const node of voice.childNodes) window.heard.push(node.textContent);
  new MutationObserver((changes) => {
    for (const change of changes) for (const node of change.addedNodes) window.heard.push(node.textContent);
  }).observe(voice, { childList: true });
}, 20);
"""


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The browser."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        try:
            yield browser
        finally:
            await browser.close()


async def person(browser: Browser, **options: Any) -> BrowserContext:
    """A browser profile of its own."""
    context = await browser.new_context(
        **{"viewport": {"width": 1024, "height": 768}, "locale": "en-GB", "reduced_motion": "reduce", **options}
    )
    await context.add_init_script(_LISTEN)
    context.set_default_timeout(10_000)
    return context
