"""The log follows new lines until the reader moves up, and from then on stays where the reader is."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.pages.conftest import Opens
from tests.pages.demo_process import Demo
from tests.pages.driving import PATIENCE_MS, DeskPage

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

LONG = "and much more to say about it " * 12
FROM_END = "() => { const log = document.querySelector('.log'); return log.scrollHeight - log.clientHeight - log.scrollTop; }"
AT_END = f"() => ({FROM_END})() < 2"
# Where the first line that is wholly in view begins: what the reader looks at.
IN_VIEW = """() => {
  const log = document.querySelector('.log').getBoundingClientRect();
  const line = [...document.querySelectorAll('.log .message')].find(line => line.getBoundingClientRect().top >= log.top);
  return [line.dataset.number, line.getBoundingClientRect().top];
}"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    demo = Demo(tmp_path_factory.mktemp("following"))
    demo.start()
    demo.says("whatsapp", "leo", "Leo's only line")
    yield demo
    demo.stop()


def wrote(demo: Demo, customer: str) -> str:
    """A customer who has written more than a screen; gives their name."""
    for number in range(60):
        demo.says("whatsapp", customer, f"Old {number} {LONG if number % 7 == 0 else ''}")
    return customer.capitalize()


def reads(desk: DeskPage, customer: str) -> DeskPage:
    """Open the customer's conversation from the list."""
    row = desk.page.locator("byoc-session-list").get_by_role("button", name=re.compile(customer))
    row.click(timeout=PATIENCE_MS)
    expect(desk.page.get_by_role("heading", name=customer, exact=True)).to_be_visible()
    return desk


def at_end(desk: DeskPage, newest: str) -> None:
    """The newest line is in the log, and its end in view. Raises playwright's error if it doesn't come."""
    desk.sees(newest)
    desk.page.wait_for_function(AT_END, timeout=PATIENCE_MS)


@pytest.mark.parametrize("size", [(1440, 900), (1024, 700), (390, 844)])
def test_a_supervisors_log_opens_at_its_end_and_follows_every_new_line(demo: Demo, opens: Opens, size: tuple[int, int]) -> None:
    width, height = size
    customer = f"kim{width}"
    name = wrote(demo, customer)
    sam = DeskPage(opens(viewport={"width": width, "height": height}), demo.url, "sam").open()
    reads(sam, name)
    at_end(sam, "Old 59")
    for number in range(12):
        demo.says("whatsapp", customer, f"New {number}. {LONG if number % 4 == 0 else ''}")
        at_end(sam, f"New {number}.")

    # Through another conversation and back, and in a window of another height.
    for other, newest in (("Leo", "Leo's only line"), (name, "New 11.")):
        if width < 760:
            sam.button("Back to the list").click()
        reads(sam, other)
        at_end(sam, newest)
    for resized in (height - 200, height):
        sam.page.set_viewport_size({"width": width, "height": resized})
        sam.page.wait_for_function(AT_END, timeout=PATIENCE_MS)
    demo.says("whatsapp", customer, "The last")
    at_end(sam, "The last")


@pytest.mark.parametrize("move", ["key", "wheel"])
def test_a_reader_who_moves_up_a_little_stays_there_while_lines_come(demo: Demo, opens: Opens, move: str) -> None:
    customer = f"mia{move}"
    name = wrote(demo, customer)
    sam = DeskPage(opens(), demo.url, "sam").open()
    reads(sam, name)
    at_end(sam, "Old 59")
    if move == "key":
        sam.log.focus()
        sam.page.keyboard.press("ArrowUp")
    else:
        sam.log.hover()
        sam.page.mouse.wheel(0, -20)
    sam.page.wait_for_function(f"() => ({FROM_END})() >= 15", timeout=PATIENCE_MS)
    sam.page.wait_for_function(  # the move is over
        f"async () => {{ const a = ({FROM_END})(); await new Promise(r => setTimeout(r, 150)); return a === ({FROM_END})(); }}"
    )
    stood = sam.page.evaluate(IN_VIEW)
    rows = int(sam.log.locator(".line").first.get_attribute("aria-setsize") or 0)
    for number in range(5):
        demo.says("whatsapp", customer, f"While reading, {number}")
    sam.page.wait_for_function(
        f"() => Number(document.querySelector('.log .line').getAttribute('aria-setsize')) >= {rows + 5}", timeout=PATIENCE_MS
    )
    number, top = sam.page.evaluate(IN_VIEW)
    assert (number, round(top)) == (stood[0], round(stood[1]))

    # Back at the end by the same means, the log follows again.
    if move == "key":
        sam.page.keyboard.press("End")
    else:
        sam.page.mouse.wheel(0, 100_000)
    at_end(sam, "While reading, 4")
    demo.says("whatsapp", customer, "At the end again")
    at_end(sam, "At the end again")
