"""The desk sends no message that nobody could see, and says so; it judges as the server does."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.pages.demo_process import Demo
from tests.pages.driving import PATIENCE_MS, DeskPage
from tests.unseen import SEEN, UNSEEN

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

JUDGED = """async (texts) => {
  const asset = document.querySelector('link[rel=modulepreload][href$="/desk/words.js"]').href;
  const { saysSomething } = await import(asset);
  return texts.map((text) => saysSomething(text));
}"""


def test_invisible_characters_alone_are_not_sent_and_the_rep_is_told(demo: Demo, desk: Callable[[str], DeskPage]) -> None:
    ana = desk("ana").online()
    assert ana.page.evaluate(JUDGED, list(UNSEEN.values())) == [False] * len(UNSEEN)
    assert ana.page.evaluate(JUDGED, list(SEEN.values())) == [True] * len(SEEN)

    demo.says("whatsapp", "kim", "Hello")
    ana.take()
    ana.say(UNSEEN["Braille blank"])
    expect(ana.notices).to_contain_text("only invisible characters", timeout=PATIENCE_MS)
    ana.button("Raise flag").click()
    ana.page.get_by_label("Raise a flag: tell a supervisor what you need").fill(UNSEEN["zero width space"])
    ana.button("Raise flag", ana.aside).click()
    expect(ana.notices.get_by_role("listitem")).to_have_count(2)
    ana.say(SEEN["a family of joined emojis"])
    ana.sees(SEEN["a family of joined emojis"])
    expect(ana.log.locator(".message.mine")).to_have_count(1)
    assert ana.page.get_by_role("button", name="Flag raised").count() == 0
