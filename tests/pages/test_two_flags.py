"""Two reps of a conference ask for help at once, and the supervisor's words reach whom they are meant for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.pages.conftest import assert_accessible
from tests.pages.driving import PATIENCE_MS, DeskPage, Handset

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

WHATSAPP = "WhatsApp (Meta Cloud API)"


def raises(rep: DeskPage, words: str) -> None:
    rep.button("Raise flag").click()
    rep.page.get_by_label("Raise a flag: tell a supervisor what you need").fill(words)
    rep.button("Raise flag", rep.aside).click()
    expect(rep.button("Lower flag", rep.aside)).to_be_visible(timeout=PATIENCE_MS)


def test_a_supervisor_whispers_to_whom_they_choose_and_to_nobody_else(
    desk: Callable[[str], DeskPage], handset: Callable[..., Handset]
) -> None:
    ana, ben, sam = desk("ana").online(), desk("ben"), desk("sam")
    handset(WHATSAPP).say("I want my money back")
    ana.take()
    ben.online()
    ana.ask("Conference", "Agent", "Ben")
    ben.button("Join", ben.calls).click(timeout=PATIENCE_MS)
    ana.sees("Ben joined")
    raises(ana, "May I refund fifty?")
    raises(ben, "May I send it for free?")

    sam.page.get_by_role("region", name="Flagged").get_by_role("button").first.click(timeout=PATIENCE_MS)
    whose = sam.aside.get_by_label("Whose flag")
    expect(whose.get_by_role("option")).to_have_text(["Ana’s flag", "Ben’s flag"], timeout=PATIENCE_MS)
    whose.select_option("Ben’s flag")
    sam.page.get_by_label("Whisper to Ben").fill("Yes, send it")
    sam.button("Whisper", sam.aside).click()
    expect(ben.aside).to_contain_text("Yes, send it", timeout=PATIENCE_MS)
    expect(sam.aside).to_contain_text("to Ben")
    assert_accessible(sam.page, "two flags")

    # Ben lowers his while Sam writes to him: the words go to nobody until Sam says to whom.
    sam.page.get_by_label("Whisper to Ben").fill("By Friday")
    ben.button("Lower flag", ben.aside).click()
    expect(whose).to_have_value("", timeout=PATIENCE_MS)
    expect(sam.button("Whisper", sam.aside)).to_be_hidden()
    whose.select_option("Ana’s flag")
    expect(sam.page.get_by_label("Whisper to Ana")).to_have_value("By Friday")
    sam.page.get_by_label("Whisper to Ana").fill("Up to forty")
    sam.button("Whisper", sam.aside).click()
    expect(ana.aside).to_contain_text("Up to forty", timeout=PATIENCE_MS)
    for rep, unseen in ((ana, "Yes, send it"), (ana, "By Friday"), (ben, "Up to forty")):
        expect(rep.page.locator("body")).not_to_contain_text(unseen)
