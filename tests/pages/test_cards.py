"""Whatever others wrote on a card, its buttons can be pressed: what waits for an answer, what is pending, what is told."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.pages.conftest import Opens, assert_accessible
from tests.pages.demo_process import Demo
from tests.pages.driving import PATIENCE_MS, DeskPage

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

ADDRESS = "https://example.com/orders?" + "reference=4711&" * 30
NOTES = {"an address": ADDRESS, "one long word": "Donau" + "dampfschiff" * 40, "many words": "Please look at the order. " * 70}
SIZES = [(1440, 900), (1024, 768), (768, 1024), (390, 844), (360, 640)]
LONG_NAME = "W" * 60

# Nothing lies over its middle, and all of it is in the window and in every box that cuts it off.
PRESSABLE = """button => {
  const box = button.getBoundingClientRect();
  const found = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  if (!button.contains(found)) return `covered by ${found?.outerHTML.slice(0, 80)}`;
  for (let around = button.parentElement; around; around = around.parentElement) {
    const edge = around === document.documentElement ? {left: 0, top: 0, right: innerWidth, bottom: innerHeight} : around.getBoundingClientRect();
    const cuts = around === document.documentElement || getComputedStyle(around).overflowX !== 'visible';
    if (cuts && (box.left < edge.left - 1 || box.right > edge.right + 1 || box.top < edge.top - 1 || box.bottom > edge.bottom + 1)) return `cut off by ${around.tagName}.${around.className}`;
  }
  return 'pressable';
}"""


def fits(page: Page, buttons: Locator, state: str) -> None:
    """All of these buttons can be pressed, in every size; the page is never wider than its window."""
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("() => new Promise(requestAnimationFrame)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{state} at {width}"
        assert buttons.count() > 0, f"{state} at {width}"
        for button in buttons.all():
            assert button.evaluate(PRESSABLE) == "pressable", f"{state} at {width} x {height}: {button.inner_text()}"


@pytest.mark.parametrize("note", NOTES)
def test_a_card_keeps_its_buttons_whatever_the_note_says(demo: Demo, opens: Opens, note: str) -> None:
    ana = DeskPage(opens(), demo.url, "ana").open().online()
    ben = DeskPage(opens(), demo.url, "ben").open()
    demo.says("whatsapp", f"kim{len(NOTES[note])}", "Hello")
    session = ana.calls.first.get_attribute("data-session", timeout=PATIENCE_MS)
    ana.take()
    ben.online()
    asked = {"recipient": {"type": "agent", "id": "ben"}, "note": NOTES[note]}
    demo.call("POST", f"/api/v1/sessions/{session}/invitations", asked, token="demo-ana")
    expect(ben.calls).to_contain_text(NOTES[note][:20], timeout=PATIENCE_MS)
    fits(ben.page, ben.calls.get_by_role("button"), f"an invitation with {note}")
    assert_accessible(ben.page, f"an invitation with {note}")
    expect(ana.pending).to_be_visible(timeout=PATIENCE_MS)
    fits(ana.page, ana.pending.get_by_role("button"), f"a pending invitation with {note}")
    ben.button("Decline", ben.calls).click()
    expect(ana.notices).to_contain_text("declined", timeout=PATIENCE_MS)
    fits(ana.page, ana.notices.get_by_role("button"), "a notification")


def test_an_offer_and_a_flag_keep_their_buttons_whatever_the_customer_is_called(demo: Demo, opens: Opens) -> None:
    ana, sam = DeskPage(opens(), demo.url, "ana").open().online(), DeskPage(opens(), demo.url, "sam").open()
    demo.says("whatsapp", LONG_NAME, ADDRESS)
    expect(ana.calls).to_have_count(1, timeout=PATIENCE_MS)
    fits(ana.page, ana.calls.get_by_role("button"), "an offer")
    session = ana.calls.first.get_attribute("data-session")
    demo.call("POST", f"/api/v1/sessions/{session}/accept", token="demo-ana")
    demo.call("POST", f"/api/v1/sessions/{session}/flag", {"text": ADDRESS}, token="demo-ana")
    sam.page.goto(f"{demo.url}/desk#/{session}")
    lower = sam.button("Lower flag")
    sam.page.get_by_role("button", name="Flag raised").click(timeout=PATIENCE_MS)
    if not lower.is_visible():
        sam.page.get_by_role("button", name="Flag raised").click()
    expect(lower).to_be_visible(timeout=PATIENCE_MS)
    fits(sam.page, sam.aside.get_by_role("button"), "a flag")
