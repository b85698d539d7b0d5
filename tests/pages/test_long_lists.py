"""Long logs and long lists: a window over them in the document, the reader's place kept, nothing missing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.pages.conftest import Opens, assert_accessible
from tests.pages.demo_process import Demo
from tests.pages.driving import PATIENCE_MS, DeskPage
from tests.pages.seeding import seed

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

LONG = 10_000
MANY = 200
MOST_ROWS = 120


# Scrolls near the part that isn't loaded, and tells where a row in view stood before an older page came and after it.
PLACE_KEPT = """async () => {
  const log = document.querySelector('.log');
  const frame = () => new Promise(requestAnimationFrame);
  const count = () => Number(log.querySelector('.line').getAttribute('aria-setsize'));
  log.scrollTo(0, log.querySelector('.grey-lines').offsetHeight + 300);
  await frame();
  const before = count();
  const row = [...log.querySelectorAll('.message')].find(row => row.getBoundingClientRect().top > log.getBoundingClientRect().top);
  const top = () => log.querySelector(`[data-number="${row.dataset.number}"]`).getBoundingClientRect().top;
  const stood = top();
  for (let n = 0; n < 600 && count() === before; n += 1) await frame();
  await frame();
  return {loaded: count() - before, before: stood, after: top()};
}"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder: Path = tmp_path_factory.mktemp("long")
    seed(folder / "data", {"kim": LONG, **{f"visitor{number:03}": 1 for number in range(1, MANY)}})
    demo = Demo(folder)
    demo.start()
    yield demo
    demo.stop()


def numbers_in(log: Locator) -> list[int]:
    """Which of Kim's messages are in the document, in order."""
    return [
        int(found[1]) for text in log.locator(".message .text").all_inner_texts() if (found := re.match(r"Message (\d+) ", text))
    ]


# A step that is shorter than what is in view, and the page has drawn what follows from it: however slow the machine is, nothing goes by unseen.
DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done())))"


def test_a_log_of_10000_entries(demo: Demo, opens: Opens) -> None:
    sam = DeskPage(opens(), demo.url, "sam").open()
    sam.page.get_by_label("Search conversations").fill("kim")
    sam.page.get_by_role("button", name=re.compile("Kim")).click(timeout=PATIENCE_MS)
    sam.sees(f"Message {LONG} of kim")
    rows = sam.log.locator(".line")
    assert rows.count() <= MOST_ROWS

    # Upwards page by page: what is in view stays where it is while older ones come.
    moved = sam.page.evaluate(PLACE_KEPT)
    assert moved["loaded"] > 0
    assert abs(moved["before"] - moved["after"]) <= 2

    # To the very beginning, in one leap: grey lines, then the first message; the document never holds more than a window.
    sam.log.evaluate("log => log.scrollTo(0, 0)")
    sam.page.wait_for_function(
        "() => { const log = document.querySelector('.log'); if (log.scrollTop > 0) log.scrollTo(0, 0);"
        " return [...log.querySelectorAll('.message .text')].some(text => text.innerText.startsWith('Message 1 of')); }",
        timeout=60_000,
        polling=50,
    )
    expect(sam.log.locator(".grey-lines")).to_be_hidden()
    assert rows.count() <= MOST_ROWS
    assert_accessible(sam.page, "at the beginning of a long log")

    # Down again in steps: every number comes by, once and in order.
    passed: list[int] = []
    height = int(sam.log.evaluate("log => log.clientHeight"))
    for _ in range(60):
        passed = sorted({*passed, *(here := numbers_in(sam.log))})
        assert here == list(range(here[0], here[-1] + 1))
        sam.log.evaluate(f"log => log.scrollBy(0, {height // 2})")
        sam.page.evaluate(DRAWN)
    assert passed == list(range(1, passed[-1] + 1))
    assert passed[-1] > 100

    sam.button("Newest").click()
    sam.sees(f"Message {LONG} of kim")
    assert rows.count() <= MOST_ROWS


def test_a_list_of_200_sessions(demo: Demo, opens: Opens) -> None:
    sam = DeskPage(opens(), demo.url, "sam").open()
    waiting = sam.page.get_by_role("region", name=re.compile(f"^Waiting {MANY}"))
    expect(waiting).to_be_visible(timeout=PATIENCE_MS)
    rows = waiting.get_by_role("listitem")
    expect(rows.first).to_have_attribute("aria-setsize", str(MANY))
    assert rows.count() <= 40
    assert_accessible(sam.page, "a long list")

    # By the keyboard alone, from one end to the other.
    rows.first.get_by_role("button").focus()
    places = []
    for key in ("ArrowDown", "ArrowDown", "End", "ArrowUp", "Home"):
        sam.page.keyboard.press(key)
        focused = sam.page.locator(".session-row:focus")
        expect(focused).to_be_visible()
        places.append(int(focused.locator("xpath=..").get_attribute("aria-posinset") or 0))
    assert places == [2, 3, MANY, MANY - 1, 1]
    assert rows.count() <= 40

    sam.page.get_by_label("Search conversations").fill("visitor137")
    found = sam.page.get_by_role("region", name="Found 1")
    expect(found.get_by_role("button")).to_contain_text("Visitor137", timeout=PATIENCE_MS)
    sam.page.get_by_label("Search conversations").fill("")
    expect(waiting).to_be_visible()
