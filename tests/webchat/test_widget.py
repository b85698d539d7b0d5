"""The widget in a real browser, on a page of another site, as a visitor meets it."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Route, expect

from adapters.envelope import OutboundFile, Speaker
from tests.webchat.browsing import Shop, Visitor, chromium, person
from tests.webchat.test_identity import SITE_KEY, proof
from tests.webchat.world import DOWN, PNG, World

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def chrome() -> AsyncIterator[Browser]:
    """One browser for all; each person has a profile of their own."""
    async with chromium() as browser:
        yield browser


@contextlib.asynccontextmanager
async def scene(tmp_path: Path, chrome: Browser, **settings: Any) -> AsyncIterator[tuple[World, Shop, Browser]]:
    """A chat service, a shop, a browser."""
    settings = {"allowed_origins": ["*"], "welcome": {"en": "Hello! How can we help?"}, "title": {"en": "Ask us"}, **settings}
    async with World(tmp_path, **settings).running() as world, Shop(world).running() as shop, leaving(chrome):
        yield world, shop, chrome


@contextlib.asynccontextmanager
async def leaving(chrome: Browser) -> AsyncIterator[Browser]:
    """At the end everybody goes."""
    try:
        yield chrome
    finally:
        for context in chrome.contexts:
            await context.close()


async def visit(scene: tuple[World, Shop, Browser], **options: Any) -> Visitor:
    """Somebody on the shop's page."""
    world, shop, browser = scene
    context = await person(browser, **options)
    visitor = Visitor(await context.new_page(), world)
    await visitor.page.goto(shop.url)
    return visitor


async def saved(download: Any) -> bytes:
    """What the browser saved."""
    path = await (await download.value).path()
    return await asyncio.to_thread(Path(path).read_bytes)


async def test_there_and_back_on_a_page_of_another_site(tmp_path: Path, chrome: Browser) -> None:
    async with scene(tmp_path, chrome) as here:
        world, shop, _ = here
        kim = await visit(here)
        await kim.open()
        await kim.say("My hinge is broken")
        await kim.until_lines("You: My hinge is broken")
        ana = Speaker(id="rep-1", name="Ana", avatar_url=f"{shop.url}ana.png")
        await world.send(world.notice(kim.visitor_id, "Ana joined the chat."))
        await world.send(world.say(kim.visitor_id, "Which one? See https://shop.example/hinges.", speaker=ana))
        await world.send(world.say(kim.visitor_id, "A picture would help.", speaker=ana))
        await kim.until_lines(
            "You: My hinge is broken",
            "Ana joined the chat.",
            "Ana: Which one? See https://shop.example/hinges.",
            "Ana: A picture would help.",
        )
        notice = kim.page.locator("li.notice")
        assert await notice.locator(".bubble").count() == 0, "a notice is a quiet line, no bubble"
        await expect(kim.page.locator(".who:visible")).to_have_text(["Ana"])
        await expect(kim.page.locator(".face img:visible")).to_have_count(1)
        link = kim.page.get_by_role("link", name="https://shop.example/hinges")
        assert await link.get_attribute("href") == "https://shop.example/hinges"
        assert await link.get_attribute("rel") == "noopener noreferrer nofollow"
        assert kim.faults == []


async def test_nothing_is_asked_or_kept_before_the_chat_is_opened_and_no_cookie_ever(tmp_path: Path, chrome: Browser) -> None:
    async with scene(tmp_path, chrome) as here:
        world, _, _ = here
        asked: list[str] = []
        kim = await visit(here)
        kim.page.on("request", lambda request: asked.append(request.url))
        await kim.page.reload()
        await kim.button("Open chat").wait_for()
        assert [url for url in asked if "/chat/" in url] == []
        assert await kim.page.evaluate("Object.keys(localStorage)") == []
        await kim.open()
        await kim.say("hello")
        await kim.until_lines("You: hello")
        assert len(await kim.page.evaluate("Object.keys(localStorage)")) == 1
        assert await kim.page.context.cookies() == []
        assert await kim.page.context.cookies([world.base]) == []


async def test_focus_goes_in_and_comes_back(tmp_path: Path, chrome: Browser) -> None:
    async with scene(tmp_path, chrome) as here:
        kim = await visit(here)
        launcher = kim.button("Open chat")
        await launcher.wait_for()
        await kim.page.keyboard.press("Tab")
        await kim.page.keyboard.press("Enter")
        await expect(kim.input).to_be_focused()
        assert await kim.page.locator(".launcher").get_attribute("aria-expanded") == "true"
        await kim.page.keyboard.press("Escape")
        await expect(launcher).to_be_focused()
        await expect(kim.page.get_by_role("dialog")).to_be_hidden()


async def test_a_closed_chat_counts_and_an_open_one_is_read(tmp_path: Path, chrome: Browser) -> None:
    async with scene(tmp_path, chrome) as here:
        world, _, _ = here
        kim = await visit(here)
        await kim.open()
        await kim.say("hello")
        await kim.until_lines("You: hello")
        await kim.page.keyboard.press("Escape")
        first = world.say(kim.visitor_id, "Hi!")
        await world.send(first)
        await expect(kim.page.locator(".badge")).to_have_text("1")
        await kim.page.get_by_role("button", name="Open chat. Unread messages: 1").wait_for()
        await world.until(lambda: len(world.inbox.of("receipt")) == 1)
        await kim.page.locator(".launcher").click()
        await expect(kim.page.locator(".badge")).to_be_hidden()
        await world.until(lambda: len(world.inbox.of("receipt")) == 2)
        assert [(one.status, one.outbox_id) for one in world.inbox.of("receipt")] == [("delivered", first.id), ("read", first.id)]


async def test_a_reload_is_the_same_visitor_and_history_isnt_read_aloud(tmp_path: Path, chrome: Browser) -> None:
    async with scene(tmp_path, chrome) as here:
        world, _, _ = here
        kim = await visit(here)
        await kim.open()
        await kim.say("hello")
        await kim.until_lines("You: hello")
        await world.send(world.say(kim.visitor_id, "Hi!"))
        await kim.until_heard("Ana: Hi!")
        before = kim.visitor_id
        await kim.page.reload()
        await kim.until_lines("You: hello", "Ana: Hi!")
        assert await kim.heard() == []
        await kim.say("me again")
        await kim.until_lines("You: hello", "Ana: Hi!", "You: me again")
        assert kim.visitor_id == before


async def test_each_new_line_is_said_once(tmp_path: Path, chrome: Browser) -> None:
    async with scene(tmp_path, chrome) as here:
        world, _, _ = here
        kim = await visit(here)
        await kim.open()
        await kim.say("hello")
        await kim.until_lines("You: hello")
        await world.send(world.notice(kim.visitor_id, "Ana joined the chat."))
        await world.send(world.say(kim.visitor_id, "Hi!"))
        await world.send(world.say(kim.visitor_id, "Hi!"))
        await kim.until_lines("You: hello", "Ana joined the chat.", "Ana: Hi!", "Ana: Hi!")
        assert await kim.heard() == ["Ana joined the chat.", "Ana: Hi!", "Ana: Hi!"]
        await kim.page.keyboard.press("Escape")
        await world.send(world.say(kim.visitor_id, "Still there?"))
        await kim.until_heard("Unread messages: 1")
        assert len(await kim.heard()) == 4
        live = "all => all.filter((one) => one.closest('ol')).length"
        assert await kim.page.locator("[aria-live], [role=log], [role=alert]").evaluate_all(live) == 0


async def test_what_is_typed_while_the_server_is_down_is_sent_once(tmp_path: Path, chrome: Browser) -> None:
    world = World(tmp_path, allowed_origins=["*"])
    shop = Shop(world)
    async with leaving(chrome), shop.running():
        async with world.running():
            kim = await visit((world, shop, chrome))
            await kim.open()
            await kim.say("before")
        await kim.say("one", sent=False)
        await kim.say("two", sent=False)
        await kim.page.get_by_text("You are offline").first.wait_for()
        await kim.until_lines("You: before", "You: one", "You: two")
        async with world.running():
            await world.until(lambda: len(world.inbox.of("message")) == 3, 60)
            await world.send(world.say(kim.visitor_id, "We are back"))
            await kim.page.get_by_text("We are back").first.wait_for(timeout=60_000)
            await kim.until_lines("You: before", "You: one", "You: two", "Ana: We are back")
            assert [message.plain for message in world.inbox.of("message")] == ["before", "one", "two"]
            assert kim.faults == []


async def test_what_is_typed_survives_a_reload(tmp_path: Path, chrome: Browser) -> None:
    async with scene(tmp_path, chrome) as here:
        world, _, _ = here
        kim = await visit(here)
        await kim.open()
        await kim.say("hello")
        await kim.until_lines("You: hello")
        await kim.page.route("**/messages", lambda route: route.abort())
        await kim.say("one", sent=False)
        await kim.page.get_by_text("Sending…").wait_for()
        await kim.page.unroute("**/messages")
        await kim.page.reload()
        await kim.until_lines("You: hello", "You: one")
        await world.until(lambda: len(world.inbox.of("message")) == 2)


async def test_a_lost_answer_makes_no_second_bubble(tmp_path: Path, chrome: Browser) -> None:
    async with scene(tmp_path, chrome) as here:
        world, _, _ = here
        kim = await visit(here)
        await kim.open()
        await kim.say("hello")
        await kim.until_lines("You: hello")
        lost = 0

        async def lose(route: Route) -> None:
            nonlocal lost
            await route.fetch()
            lost += 1
            await (route.abort() if lost < 3 else route.continue_())

        await kim.page.route("**/messages", lose)
        await kim.say("once", sent=False)
        await world.until(lambda: lost >= 1)
        await kim.until_lines("You: hello", "You: once")
        await world.until(lambda: len(world.inbox.of("message")) == 2)
        await kim.say("twice")
        await kim.until_lines("You: hello", "You: once", "You: twice")
        assert [message.plain for message in world.inbox.of("message")] == ["hello", "once", "twice"]


PLEASE_WAIT = "Please wait a moment; your messages are sent shortly."


@pytest.mark.parametrize("first", ["as it happens", "the line", "the answer"])
async def test_the_webhook_that_is_down_is_waited_for(tmp_path: Path, chrome: Browser, first: str) -> None:
    """The service keeps the line and shows it on the stream, while its answer says that the webhook has not heard it yet: whichever
    of the two the browser hears first, the visitor is told to wait, once, until the webhook has all."""
    async with scene(tmp_path, chrome) as here:
        world, _, _ = here
        kim = await visit(here)
        shown, told = asyncio.Event(), asyncio.Event()

        async def held_back(route: Route) -> None:
            answer = await route.fetch()
            await shown.wait()
            await route.fulfill(response=answer)

        async def not_followed_yet(route: Route) -> None:
            await told.wait()
            await route.continue_()

        if first == "the line":
            await kim.page.route("**/chat/web1/messages", held_back)
        if first == "the answer":
            await kim.page.route("**/chat/web1/events?*", not_followed_yet)
        await kim.open()
        world.inbox.refuse = DOWN
        await kim.say("one", sent=False)
        await kim.say("two", sent=False)
        if first == "the line":  # it is no waiting bubble any more: the stream brought it
            await expect(kim.page.locator("li.mine:not(:has(.under))").filter(has_text="one")).to_be_visible()
        shown.set()
        await kim.until_heard(PLEASE_WAIT)
        told.set()
        await kim.until_lines("You: one", "You: two")
        note = kim.page.locator(".state")
        await expect(note).to_have_text(PLEASE_WAIT)
        assert world.inbox.of("message") == []
        world.inbox.refuse = None
        await world.until(lambda: len(world.inbox.of("message")) == 2)
        await kim.until_lines("You: one", "You: two")
        await expect(note).to_be_hidden()
        assert (await kim.heard()).count(PLEASE_WAIT) == 1


async def test_who_writes_too_fast_is_told_and_nothing_is_lost(tmp_path: Path, chrome: Browser) -> None:
    async with scene(tmp_path, chrome, limits={"messages_per_minute": 2}) as here:
        world, _, _ = here
        kim = await visit(here)
        await kim.open()
        for text in ("one", "two", "three"):
            await kim.say(text, sent=False)
        note = kim.page.locator(".state")
        await expect(note).to_have_text(PLEASE_WAIT)
        await kim.until_lines("You: one", "You: two", "You: three")
        world.clock.ahead = timedelta(minutes=1)
        await kim.page.reload()
        await world.until(lambda: [message.plain for message in world.inbox.of("message")] == ["one", "two", "three"])
        await expect(note).to_be_hidden()


async def test_a_tab_out_of_sight_holds_no_stream_and_catches_up(tmp_path: Path, chrome: Browser) -> None:
    async with scene(tmp_path, chrome) as here:
        world, _, _ = here
        kim = await visit(here)
        await kim.page.clock.install()
        await kim.open()
        await kim.say("hello")
        key = ("web1", kim.visitor_id)
        await world.until(lambda: world.service.streams.count(key) == 1)
        hide = "(on) => { Object.defineProperty(document, 'hidden', { value: on, configurable: true }); document.dispatchEvent(new Event('visibilitychange')); }"
        await kim.page.evaluate(hide, True)
        await kim.page.clock.run_for(75_000)
        await world.until(lambda: world.service.streams.count(key) == 0)
        await world.send(world.say(kim.visitor_id, "Are you there?"))
        await kim.page.clock.run_for(25_000)
        await kim.until_lines("You: hello", "Ana: Are you there?")
        assert {str(one.status) for one in world.inbox.of("receipt")} <= {"delivered"}, "not before anybody's eyes"
        await kim.page.evaluate(hide, False)
        await world.until(lambda: world.service.streams.count(key) == 1)
        await kim.page.clock.run_for(2_000)
        await world.until(lambda: "read" in {str(one.status) for one in world.inbox.of("receipt")})


async def test_two_tabs_are_in_step(tmp_path: Path, chrome: Browser) -> None:
    async with scene(tmp_path, chrome) as here:
        world, shop, _ = here
        one = await visit(here)
        await one.open()
        await one.say("from one")
        await one.until_lines("You: from one")
        two = Visitor(await one.page.context.new_page(), world)
        await two.page.goto(shop.url)
        await two.until_lines("You: from one")
        await two.say("from two")
        await one.until_lines("You: from one", "You: from two")
        await world.send(world.say(one.visitor_id, "Hi, both!"))
        for tab in (one, two):
            await tab.until_lines("You: from one", "You: from two", "Ana: Hi, both!")
        assert len({message.end_user.address for message in world.inbox.of("message")}) == 1


async def test_typing_both_ways(tmp_path: Path, chrome: Browser) -> None:
    async with scene(tmp_path, chrome) as here:
        world, _, _ = here
        kim = await visit(here)
        await kim.open()
        await kim.say("hello")
        await kim.until_lines("You: hello")
        said = len(world.inbox.of("typing"))
        await kim.input.press_sequentially("I wonder")
        await world.until(lambda: len(world.inbox.of("typing")) > said)
        await kim.input.fill("")
        await world.until(lambda: not world.inbox.of("typing")[-1].on)
        # Said again every four seconds while it lasts, however slow the typing; stopping is said once.
        on = [event.on for event in world.inbox.of("typing")]
        assert on == [True] * (len(on) - 1) + [False]
        assert len(on) < len("helloI wonder")
        await world.send(world.types(kim.visitor_id))
        await expect(kim.page.locator(".typing")).to_have_text("Ana is typing…")
        await kim.until_heard("Ana is typing…")
        await world.send(world.say(kim.visitor_id, "Hi!"))
        await expect(kim.page.locator(".typing")).to_have_text("")
        await world.send(world.types(kim.visitor_id))
        await expect(kim.page.locator(".typing")).to_have_text("Ana is typing…")
        await world.send(world.types(kim.visitor_id, on=False))
        await expect(kim.page.locator(".typing")).to_have_text("")


async def test_files_both_ways(tmp_path: Path, chrome: Browser) -> None:
    async with scene(tmp_path, chrome, max_file_bytes=100_000) as here:
        world, _, _ = here
        kim = await visit(here)
        await kim.open()
        picker = kim.page.locator("input[type=file]")
        await picker.set_input_files({"name": "hinge.png", "mimeType": "image/png", "buffer": PNG})
        await kim.until_lines("You: [hinge.png]")
        await kim.page.get_by_role("img", name="hinge.png").wait_for()
        await world.until(lambda: world.inbox.of("message"))
        assert world.inbox.of("message")[0].parts[0].name == "hinge.png"
        await picker.set_input_files({"name": "big.png", "mimeType": "image/png", "buffer": PNG + bytes(200_000)})
        await kim.page.get_by_text("This file is too large. Largest size: 100 kB.").wait_for()
        await picker.set_input_files({"name": "page.html", "mimeType": "text/html", "buffer": b"<html>"})
        await kim.page.get_by_text("Files of this type can't be sent.").wait_for()
        await picker.set_input_files({"name": "liar.png", "mimeType": "image/png", "buffer": b"<html>"})
        await kim.page.locator(".bad").get_by_text("Not sent").wait_for()
        await kim.button("Remove").click()
        await kim.until_lines("You: [hinge.png]")
        plan = OutboundFile(
            name="plan.pdf", mime_type="application/pdf", size_bytes=1500, url="http://x.test", content=b"%PDF-1.7"
        )
        await world.send(world.say(kim.visitor_id, "Here it is", file=plan))
        await kim.until_lines("You: [hinge.png]", "Ana: [plan.pdf] Here it is")
        async with kim.page.expect_download() as download:
            await kim.page.get_by_role("link", name="plan.pdf (1.5 kB)").click()
        assert (await saved(download)) == b"%PDF-1.7"


async def test_a_file_shows_how_far_it_is_and_can_be_stopped(tmp_path: Path, chrome: Browser) -> None:
    async with scene(tmp_path, chrome) as here:
        world, _, _ = here
        kim = await visit(here)
        await kim.open()
        await kim.say("hello")
        await kim.until_lines("You: hello")
        await kim.page.route("**/messages", lambda route: None)  # it hangs
        await kim.page.locator("input[type=file]").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": PNG})
        await kim.page.get_by_role("progressbar", name="Sending…").wait_for()
        await kim.button("Cancel").click()
        await kim.until_lines("You: hello")
        await kim.page.unroute("**/messages")
        await kim.say("never mind")
        await kim.until_lines("You: hello", "You: never mind")
        assert len(world.inbox.of("message")) == 2


@pytest.mark.parametrize("kind", ["paste", "drop"])
async def test_a_picture_may_be_pasted_or_dropped(tmp_path: Path, chrome: Browser, kind: str) -> None:
    async with scene(tmp_path, chrome) as here:
        kim = await visit(here)
        await kim.open()
        await kim.page.evaluate(
            """([kind, bytes]) => {
              const data = new DataTransfer();
              data.items.add(new File([new Uint8Array(bytes)], "screen.png", { type: "image/png" }));
              const root = document.querySelector("byoc-chat").shadowRoot;
              const options = { bubbles: true, cancelable: true };
              if (kind === "paste") root.querySelector("textarea").dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, ...options }));
              else root.querySelector("ol").dispatchEvent(new DragEvent("drop", { dataTransfer: data, ...options }));
            }""",
            [kind, list(PNG)],
        )
        await kim.until_lines("You: [screen.png]")


async def test_quick_replies(tmp_path: Path, chrome: Browser) -> None:
    starters = [{"id": "track", "title": "Track my order"}, {"id": "return", "title": "Return something"}]
    async with scene(tmp_path, chrome, starters=starters) as here:
        world, _, _ = here
        kim = await visit(here)
        await kim.open()
        await kim.button("Track my order").click()
        await kim.until_lines("You: Track my order")
        await world.until(lambda: world.inbox.of("message"))
        (part,) = world.inbox.of("message")[0].parts
        assert (part.type, part.id) == ("choice", "track")
        await expect(kim.page.locator(".choices")).to_be_hidden()
        await expect(kim.input).to_be_focused()


async def test_the_form_before_the_chat(tmp_path: Path, chrome: Browser) -> None:
    form = [
        {"name": "name", "kind": "name", "label": {"en": "Your name"}, "required": True},
        {"name": "email", "kind": "email", "label": {"en": "E-mail"}},
        {"name": "topic", "kind": "select", "label": {"en": "Topic"}, "options": ["Orders", "Returns"], "required": True},
        {"name": "consent", "kind": "checkbox", "label": {"en": "I agree"}, "required": True},
    ]
    async with scene(tmp_path, chrome, prechat=form) as here:
        world, _, _ = here
        kim = await visit(here)
        await kim.button("Open chat").click()
        name = kim.page.get_by_role("textbox", name="Your name")
        await name.wait_for()
        await kim.is_accessible("form")
        await kim.button("Start chat").click()
        await expect(name).to_be_focused()
        assert await name.get_attribute("aria-invalid") == "true"
        assert await kim.page.get_by_text("Please fill in this field.").filter(visible=True).count() == 3
        await kim.is_accessible("form with faults")
        await name.fill("Kim")
        await kim.page.get_by_role("textbox", name="E-mail").fill("no address")
        await kim.page.get_by_role("combobox", name="Topic").select_option("Returns")
        await kim.page.get_by_role("checkbox", name="I agree").check()
        await kim.button("Start chat").click()
        await expect(kim.page.get_by_role("textbox", name="E-mail")).to_be_focused()
        await kim.page.get_by_role("textbox", name="E-mail").fill("kim@example.test")
        await kim.button("Start chat").click()
        await expect(kim.input).to_be_focused()
        await kim.say("hello")
        await kim.until_lines("You: hello")
        person = world.inbox.of("message")[0].end_user
        assert (person.name, person.profile["email"]) == ("Kim", "kim@example.test")
        assert person.profile["prechat"]["topic"] == "Returns"
        await kim.page.reload()
        await kim.until_lines("You: hello")
        await expect(kim.button("Start chat")).to_have_count(0)


async def test_the_end_and_a_transcript_to_keep(tmp_path: Path, chrome: Browser) -> None:
    async with scene(tmp_path, chrome) as here:
        world, _, _ = here
        kim = await visit(here)
        await kim.open()
        await expect(kim.button("End chat")).to_be_hidden()
        for number in range(60):
            await kim.say(f"line {number}")
        await world.until(lambda: len(world.inbox.of("message")) == 60)
        await world.send(world.notice(kim.visitor_id, "Ana joined the chat."))
        await kim.page.reload()
        await kim.page.get_by_text("Ana joined the chat.").first.wait_for()
        await kim.button("End chat").click()
        await kim.is_accessible("asked whether to end")
        await kim.button("Cancel").click()
        await expect(kim.input).to_be_focused()
        await kim.button("End chat").click()
        await kim.page.locator(".bar").get_by_role("button", name="End chat").click()
        await kim.page.get_by_text("You ended the chat.").first.wait_for()
        await expect(kim.input).to_be_hidden()
        await kim.is_accessible("ended")
        async with kim.page.expect_download() as download:
            await kim.button("Save transcript").click()
        text = (await saved(download)).decode("utf-8-sig")
        lines = [line.split("  ", 1)[1] for line in text.strip().split("\r\n")]
        assert lines == [*(f"You: line {n}" for n in range(60)), "— Ana joined the chat.", "— You ended the chat."]
        await kim.button("New chat").click()
        await expect(kim.input).to_be_focused()
        await kim.say("one more thing")
        await world.until(lambda: len(world.inbox.of("message")) == 61)
        assert [event.kind for event in world.inbox.events if event.kind in ("message", "ended")][-3:] == [
            "message",
            "ended",
            "message",
        ]


async def test_a_rep_who_ends_leaves_the_same_to_keep(tmp_path: Path, chrome: Browser) -> None:
    async with scene(tmp_path, chrome) as here:
        world, _, _ = here
        kim = await visit(here)
        await kim.open()
        await kim.say("hello")
        await kim.until_lines("You: hello")
        await world.send(world.notice(kim.visitor_id, "The chat has ended.", "ended"))
        await kim.button("Save transcript").wait_for()
        await expect(kim.input).to_be_hidden()


async def test_long_histories_come_in_pages(tmp_path: Path, chrome: Browser) -> None:
    async with scene(tmp_path, chrome) as here:
        world, _, _ = here
        kim = await visit(here)
        await kim.open()
        await kim.say("line 1")
        await world.until(lambda: world.inbox.of("message"))
        for number in range(2, 121):
            await world.send(world.say(kim.visitor_id, f"line {number}"))
        await kim.page.reload()
        await kim.page.get_by_text("line 120").first.wait_for()
        assert len(await kim.lines()) == 50
        more = kim.button("Earlier messages")
        await more.click()
        await world.until_async(kim.lines, lambda lines: len(lines) == 100)
        await more.click()
        await world.until_async(kim.lines, lambda lines: len(lines) == 120)
        await expect(more).to_be_hidden()
        assert [line.rpartition(" ")[2] for line in await kim.lines()] == [str(number) for number in range(1, 121)]


async def test_arrow_keys_go_through_the_conversation_which_is_one_tab_stop(tmp_path: Path, chrome: Browser) -> None:
    async with scene(tmp_path, chrome) as here:
        world, _, _ = here
        kim = await visit(here)
        await kim.open()
        for text in ("one", "two", "three"):
            await kim.say(text)
        await kim.until_lines("You: one", "You: two", "You: three")
        await world.until(lambda: len(world.inbox.of("message")) == 3)
        focused = "document.querySelector('byoc-chat').shadowRoot.activeElement.getAttribute('aria-label')"
        for key, expected in (
            ("Shift+Tab", "Attach a file"),
            ("Shift+Tab", "You: three"),
            ("ArrowUp", "You: two"),
            ("Home", None),
        ):
            await kim.page.keyboard.press(key)
            if expected:
                assert await kim.page.evaluate(focused) == expected
        await kim.page.keyboard.press("End")
        assert await kim.page.evaluate(focused) == "You: three"
        assert await kim.page.locator("ol > li[tabindex='0']").count() == 1


async def test_enter_that_chooses_a_word_doesnt_send(tmp_path: Path, chrome: Browser) -> None:
    async with scene(tmp_path, chrome) as here:
        world, _, _ = here
        kim = await visit(here)
        await kim.open()
        await kim.input.fill("にほん")
        for composing in ("isComposing: true", "keyCode: 229"):
            await kim.input.evaluate(
                f"(one) => one.dispatchEvent(new KeyboardEvent('keydown', {{key: 'Enter', bubbles: true, {composing}}}))"
            )
        await kim.input.press("Shift+Enter")
        await kim.input.press_sequentially("ご")
        assert await kim.input.input_value() == "にほん\nご"
        await kim.input.press("Enter")
        await world.until(lambda: [message.plain for message in world.inbox.of("message")] == ["にほん\nご"])
        await kim.until_lines("You: にほん\nご")


async def test_hostile_words_stay_words(tmp_path: Path, chrome: Browser) -> None:
    attack = '<img src=x onerror="alert(1)"><script>alert(2)</script> javascript:alert(3)'
    async with scene(tmp_path, chrome) as here:
        world, _, _ = here
        kim = await visit(here)
        alerts: list[str] = []
        kim.page.on("dialog", lambda dialog: alerts.append(dialog.message))
        await kim.open()
        await kim.say(attack)
        await kim.until_lines(f"You: {attack}")
        mallory = Speaker(id="m", name="<b>Mallory</b>", avatar_url="javascript:alert(4)")
        file = OutboundFile(name='"><script>.txt', mime_type="text/plain", size_bytes=2, url="http://x.test", content=b"ok")
        await world.send(world.say(kim.visitor_id, attack, speaker=mallory, file=file))
        await world.send(world.notice(kim.visitor_id, attack))
        await kim.until_lines(f"You: {attack}", f'<b>Mallory</b>: ["><script>.txt] {attack}', attack)
        assert await kim.page.locator("byoc-chat ol :is(img, script, b)").count() == 0
        assert alerts == []


async def test_right_to_left(tmp_path: Path, chrome: Browser) -> None:
    words = {"title": {"en": "Ask us", "ar": "اسألنا"}, "welcome": {"ar": "مرحبًا! كيف يمكننا المساعدة؟"}}
    async with scene(tmp_path, chrome, **words) as here:
        world, shop, _ = here
        shop.lang = "ar"
        kim = await visit(here)
        await kim.button("فتح المحادثة").click()
        await kim.page.get_by_role("dialog", name="اسألنا").wait_for()
        entry = kim.page.get_by_role("textbox", name="الرسالة")
        await entry.fill("المفصلة مكسورة")
        await entry.press("Enter")
        await kim.until_lines("أنت: المفصلة مكسورة")
        await world.until(lambda: world.inbox.of("message"))
        await world.send(world.say(kim.visitor_id, "Which model, please?"))
        await kim.until_lines("أنت: المفصلة مكسورة", "Ana: Which model, please?")
        launcher = await kim.page.locator(".launcher").bounding_box()
        mine = await kim.page.locator("li.mine .bubble").bounding_box()
        theirs = await kim.page.locator("li.theirs .bubble").last.bounding_box()
        assert launcher
        assert mine
        assert theirs
        assert launcher["x"] < 100, "the corner is the other one"
        assert mine["x"] < theirs["x"], "one's own words stand on the left"
        assert world.inbox.of("message")[0].end_user.locale == "ar"
        await kim.is_accessible("Arabic")


@pytest.mark.parametrize(("lang", "label"), [("de-AT", "Chat öffnen"), ("ja", "チャットを開く"), ("xx", "Open chat")])
async def test_the_widget_speaks_the_pages_language(tmp_path: Path, chrome: Browser, lang: str, label: str) -> None:
    async with scene(tmp_path, chrome) as here:
        _, shop, _ = here
        shop.lang = lang
        kim = await visit(here)
        await kim.button(label).wait_for()


async def test_every_language_has_every_word(tmp_path: Path, chrome: Browser) -> None:
    async with scene(tmp_path, chrome) as here:
        world, _, _ = here
        kim = await visit(here)
        module = world.base.replace("/chat/web1", "/widget/x/words.js")
        found = await kim.page.evaluate(
            """async (url) => {
              const text = await (await fetch(url)).text();
              return text.match(/^(\\w\\w): \\{/gm).length + " " + [...text.matchAll(/^(\\w+): "/gm)].map((m) => m[1]).join(" ");
            }""",
            module,
        )
        count, *keys = found.split()
        once = sorted(set(keys))
        assert int(count) == 3, "de, ja, ar beside en"
        assert sorted(keys) == sorted(once * 4)


async def test_accessible_in_every_state(tmp_path: Path, chrome: Browser) -> None:
    starters = [{"id": "track", "title": "Track my order"}]
    async with scene(tmp_path, chrome, starters=starters) as here:
        world, _, _ = here
        kim = await visit(here)
        await kim.button("Open chat").wait_for()
        await kim.is_accessible("closed")
        await kim.open()
        await kim.button("Track my order").wait_for()
        await kim.is_accessible("open, with quick replies")
        await kim.say("hello https://shop.example/")
        await kim.until_lines("You: hello https://shop.example/")
        await world.until(lambda: world.inbox.of("message"))
        await world.send(world.notice(kim.visitor_id, "Ana joined the chat."))
        file = OutboundFile(name="a.png", mime_type="image/png", size_bytes=len(PNG), url="http://x.test", content=PNG)
        await world.send(world.say(kim.visitor_id, "Look", file=file))
        await world.send(world.types(kim.visitor_id))
        await expect(kim.page.locator(".typing")).to_have_text("Ana is typing…")
        await kim.is_accessible("a conversation")
        await kim.page.context.set_offline(True)
        await kim.say("lost?", sent=False)
        await kim.page.get_by_text("You are offline").first.wait_for()
        await kim.is_accessible("offline")
        await kim.page.context.set_offline(False)
        await kim.page.route("**/messages", lambda route: route.fulfill(status=422, body="{}"))
        await kim.page.locator(".bad").or_(kim.page.locator("li.mine").nth(1)).first.wait_for()
        await kim.say("refused", sent=False)
        await kim.page.locator(".bad").first.wait_for()
        await kim.is_accessible("a failed message")


async def test_the_chats_own_page(tmp_path: Path, chrome: Browser) -> None:
    async with scene(tmp_path, chrome) as here:
        world, _, browser = here
        context = await person(browser, viewport={"width": 390, "height": 844})
        kim = Visitor(await context.new_page(), world)
        await kim.page.goto(world.base)
        await kim.input.wait_for()
        await kim.say("hello")
        await kim.until_lines("You: hello")
        await kim.is_accessible("the page")
        assert kim.faults == []
        assert await kim.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_no_other_site_can_frame_the_chats_page(tmp_path: Path, chrome: Browser) -> None:
    async with scene(tmp_path, chrome, allowed_origins=["https://shop.example"]) as here:
        world, _, browser = here
        page = await (await person(browser)).new_page()
        refused: list[str] = []
        page.on("console", lambda message: refused.append(message.text))
        await page.set_content(f'<iframe src="{world.base}"></iframe>')
        await world.until(lambda: any("frame-ancestors" in text for text in refused))


async def test_a_page_that_isnt_allowed_is_told_so(tmp_path: Path, chrome: Browser) -> None:
    async with scene(tmp_path, chrome, allowed_origins=[]) as here:
        kim = await visit(here)
        await kim.button("Open chat").click()
        await kim.page.get_by_text("offline").or_(kim.page.get_by_text("isn't available")).first.wait_for()
        assert kim.world.inbox.requests == []


async def test_forbidden_storage_is_lived_without(tmp_path: Path, chrome: Browser) -> None:
    async with scene(tmp_path, chrome) as here:
        world, shop, browser = here
        context = await person(browser)
        await context.add_init_script(
            "Object.defineProperty(window, 'localStorage', { get() { throw new Error('forbidden'); } })"
        )
        kim = Visitor(await context.new_page(), world)
        await kim.page.goto(shop.url)
        await kim.open()
        await kim.say("hello")
        await kim.until_lines("You: hello")
        await world.send(world.say(kim.visitor_id, "Hi!"))
        await kim.until_lines("You: hello", "Ana: Hi!")
        assert kim.faults == []


async def test_a_proxy_that_holds_streams_back_is_polled_through(tmp_path: Path, chrome: Browser) -> None:
    async with scene(tmp_path, chrome) as here:
        world, _, _ = here
        kim = await visit(here)
        held = 0

        async def hold(route: Route) -> None:
            nonlocal held
            if "text/event-stream" in route.request.headers.get("accept", ""):
                held += 1  # never answered
                return
            await route.continue_()

        await kim.page.route("**/events*", hold)
        await kim.page.clock.install()
        await kim.open()
        await kim.say("hello")
        await world.until(lambda: held and world.inbox.of("message"))
        await kim.page.clock.fast_forward(9_000)
        await world.send(world.say(kim.visitor_id, "Hi!"))
        await kim.until_lines("You: hello", "Ana: Hi!")


async def test_signing_in_and_out_by_the_page(tmp_path: Path, chrome: Browser) -> None:
    async with scene(tmp_path, chrome, identity_secrets=[SITE_KEY]) as here:
        world, _, _ = here
        kim = await visit(here)
        await kim.open()
        await kim.say("before")
        await kim.until_lines("You: before")
        await kim.page.evaluate("(token) => byocChat.push(['identify', async () => token])", proof(world.clock()))
        await kim.say("after")
        await kim.until_lines("You: before", "You: after")
        await world.until(lambda: len(world.inbox.of("message")) == 2)
        await kim.page.evaluate("byocChat.push(['signOut'])")
        await kim.until_lines()
        await kim.say("somebody else")
        await kim.until_lines("You: somebody else")
        addresses = [message.end_user.address for message in world.inbox.of("message")]
        assert addresses[0] == addresses[1] != addresses[2]


async def test_calls_made_before_the_script_wait_for_it(tmp_path: Path, chrome: Browser) -> None:
    async with scene(tmp_path, chrome) as here:
        _, shop, _ = here
        shop.script = "window.byocChat = window.byocChat || []; byocChat.push(['open']);"
        kim = await visit(here)
        await kim.input.wait_for()
        assert kim.faults == []


async def test_small(tmp_path: Path, chrome: Browser) -> None:
    """All that a page loads for the chat, as it goes over the wire: at most 20 kB."""
    async with scene(tmp_path, chrome) as here:
        world, shop, browser = here
        page = await (await person(browser)).new_page()
        loaded: dict[str, int] = {}

        async def weigh(response: Any) -> None:
            if "/widget" in response.url:
                sizes = await response.request.sizes()
                loaded[re.sub(r".*/", "", response.url)] = sizes["responseBodySize"]

        page.on("response", weigh)
        await page.goto(shop.url)
        await Visitor(page, world).open()
        await world.until(lambda: len(loaded) > len(_modules()))
        assert sum(loaded.values()) <= 20_000, loaded
        assert set(loaded) == {"widget.js"} | {path.name for path in _modules()}


def _modules() -> list[Path]:
    return list((Path(__file__).parents[2] / "gateway/webchat/widget").glob("*.js"))
