"""For everyone: by the keyboard alone, right to left, narrow and wide, and with hostile words in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.pages.conftest import Opens, assert_accessible
from tests.pages.demo_process import Demo
from tests.pages.driving import PATIENCE_MS, DeskPage

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

Desks = Callable[[str], DeskPage]
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script> https://example.com/<b> javascript:alert(1)"
ARABIC = "مرحبا، المفصلة مكسورة 123"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    demo = Demo(tmp_path_factory.mktemp("access"))
    demo.start()
    yield demo
    demo.stop()


def tab_to(page: Page, name: str, *, back: bool = False) -> None:
    """Press Tab until a thing of that name has the focus. Raises AssertionError when Tab comes round without it."""
    for _ in range(60):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        told = page.evaluate(
            "() => { const e = document.activeElement; return e.getAttribute('aria-label') || e.labels?.[0]?.innerText || e.innerText || ''; }"
        )
        if told.strip().startswith(name):
            return
    raise AssertionError(f"Tab never reaches {name!r}")


def test_a_conversation_by_the_keyboard_alone(demo: Demo, desk: Desks) -> None:
    ana = desk("ana")
    keys = ana.page.keyboard
    tab_to(ana.page, "My presence")
    keys.type("Online")
    expect(ana.presence).to_have_value("online")
    demo.says("whatsapp", "kim", "Hello")
    expect(ana.calls).to_have_count(1, timeout=PATIENCE_MS)
    tab_to(ana.page, "Accept")
    keys.press("Enter")
    field = ana.page.get_by_label("Message to the customer")
    expect(field).to_be_focused(timeout=PATIENCE_MS)
    keys.type("Hello Kim")
    keys.press("Shift+Enter")
    keys.type("how can I help?")
    keys.press("Enter")
    ana.sees("how can I help?")
    assert ana.log.locator(".message.mine .text").inner_text() == "Hello Kim\nhow can I help?"
    expect(field).to_be_focused()
    expect(field).to_have_value("")

    # The conference dialog: in, through, out, and back to where it was opened.
    tab_to(ana.page, "Conference")
    keys.press("Enter")
    dialog = ana.page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    tab_to(ana.page, "Agent")
    keys.press("ArrowRight")
    expect(dialog.get_by_role("radio", name="Queue")).to_be_checked()
    expect(dialog.get_by_role("radio", name=re.compile("^Support"))).to_be_visible(timeout=PATIENCE_MS)
    keys.press("Escape")
    expect(dialog).to_have_count(0)
    expect(ana.button("Conference")).to_be_focused()

    # The side thread: opened, closed, the focus follows.
    tab_to(ana.page, "Raise flag", back=True)
    keys.press("Enter")
    expect(ana.page.get_by_label("Raise a flag: tell a supervisor what you need")).to_be_focused()
    tab_to(ana.page, "Close the internal thread", back=True)
    keys.press("Enter")
    expect(ana.button("Raise flag")).to_be_focused()

    # Ended: what had the focus is gone, the keyboard's place isn't.
    tab_to(ana.page, "End Conversation")
    keys.press("Enter")
    expect(ana.page.get_by_role("dialog")).to_be_visible()
    tab_to(ana.page, "End Conversation")
    keys.press("Enter")
    expect(ana.page.get_by_text("This conversation has ended.")).to_be_visible(timeout=PATIENCE_MS)
    assert ana.page.evaluate("document.activeElement !== document.body")
    ana.presence.select_option("offline")


def test_new_messages_are_told_to_screen_readers_once(demo: Demo, desk: Desks) -> None:
    ana = desk("ana").online()
    demo.says("whatsapp", "leo", "First")
    ana.take()
    ana.page.evaluate(
        "() => { window.told = []; new MutationObserver(changes => changes.forEach(c => c.addedNodes.forEach(n =>"
        " n.parentElement?.closest('[aria-live]') && window.told.push(n.textContent)))).observe(document.body, {childList: true, subtree: true});"
        " window.live = () => window.told.filter(t => t.startsWith('Leo: ')); }"
    )
    demo.says("whatsapp", "leo", "Second")
    ana.sees("Second")
    ana.page.wait_for_function("() => window.live().length > 0", timeout=PATIENCE_MS)
    ana.log.evaluate("log => { log.scrollTo(0, 0); log.scrollTo(0, 1e6); }")
    ana.say("Third")
    ana.sees("Third")
    assert ana.page.evaluate("window.live()") == ["Leo: Second"]
    ana.presence.select_option("offline")


def test_a_rep_who_looks_elsewhere_is_called_if_they_want(demo: Demo, opens: Opens) -> None:
    page = opens(permissions=["notifications"])
    # The browser's own notices can't be looked at from here; what it is asked to show can.
    page.add_init_script(
        "window.shown = []; class Asked { static permission = 'granted'; static async requestPermission() { return 'granted'; }"
        " constructor(title, options) { window.shown.push(options.body); } close() {} };"
        " window.Notification = Asked; document.hasFocus = () => false;"
    )
    ana = DeskPage(page, demo.url, "ana").open().online()
    notices, sound = ana.button("Desktop notifications"), ana.button("Sound")
    expect(notices).to_have_attribute("aria-pressed", "false")
    notices.click()
    expect(notices).to_have_attribute("aria-pressed", "true")
    sound.click()
    page.reload()
    expect(notices).to_have_attribute("aria-pressed", "true", timeout=PATIENCE_MS)
    expect(sound).to_have_attribute("aria-pressed", "false")
    demo.says("whatsapp", "olga", "Hello")
    ana.take()
    demo.says("whatsapp", "olga", "Still there?")
    ana.sees("Still there?")
    page.wait_for_function("() => window.shown.length >= 2", timeout=PATIENCE_MS)
    assert page.evaluate("window.shown") == ["Olga is waiting", "Olga: Still there?"]
    assert re.match(r"\(\d+\) Desk", page.title())  # unread: nobody looked
    ana.presence.select_option("offline")


def test_hostile_words_stay_words(demo: Demo, desk: Desks) -> None:
    sam = desk("sam")
    demo.says("whatsapp", "mia", HOSTILE)
    expect(sam.page.locator(".session-row", has_text="Mia")).to_be_visible(timeout=PATIENCE_MS)  # a search finds what has arrived
    sam.page.get_by_label("Search conversations").fill("Mia")
    sam.page.get_by_role("region", name=re.compile("^Found")).get_by_role("button").click(timeout=PATIENCE_MS)
    sam.sees("onerror=")
    shown = sam.log.locator(".message .text")
    assert shown.inner_text() == HOSTILE
    assert shown.locator("img, script").count() == 0
    links = shown.get_by_role("link")
    assert [links.nth(n).get_attribute("href") for n in range(links.count())] == ["https://example.com/"]
    assert "owned" not in sam.page.title()
    sam.page.goto(f"{demo.url}/phones?customer=mia")
    expect(sam.page.get_by_text("onerror=").first).to_be_visible(timeout=PATIENCE_MS)
    assert "owned" not in sam.page.title()


@pytest.mark.parametrize("width", [1440, 1024, 390])
@pytest.mark.parametrize("direction", ["ltr", "rtl"])
def test_every_width_and_both_directions(demo: Demo, opens: Opens, width: int, direction: str) -> None:
    customer = f"noor{width}{direction}"
    demo.says("whatsapp", customer, ARABIC)
    demo.says("whatsapp", customer, "A long address: https://example.com/" + "path/" * 40)
    page = opens(viewport={"width": width, "height": 844})
    page.add_init_script(
        f"document.addEventListener('DOMContentLoaded', () => {{ document.documentElement.dir = '{direction}'; }})"
    )
    sam = DeskPage(page, demo.url, "sam").open()

    def fits(state: str) -> None:
        assert page.evaluate("document.documentElement.scrollWidth") <= width, state
        assert_accessible(page, f"{state} at {width}, {direction}")

    fits("the list")
    page.get_by_label("Search conversations").fill(customer)
    row = page.get_by_role("region", name=re.compile("^Found 1")).get_by_role("button")
    row.click(timeout=PATIENCE_MS)
    sam.sees(ARABIC)
    fits("a conversation")
    first = sam.log.locator(".message.customer .bubble").first.bounding_box()
    log = sam.log.bounding_box()
    assert first
    assert log
    toward_start = first["x"] - log["x"] < log["x"] + log["width"] - first["x"] - first["width"]
    assert toward_start == (direction == "ltr")
    assert sam.log.locator(".text", has_text=ARABIC).evaluate("text => getComputedStyle(text).direction") == "rtl"
    if width < 760:
        expect(page.get_by_label("Search conversations")).to_be_hidden()
        page.get_by_role("button", name="Back to the list").click()
        expect(page.get_by_label("Search conversations")).to_be_visible()
