"""Asking somebody in: what is offered can be done, what can't says why, and an open dialog stays true."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from tests.pages.conftest import assert_accessible
from tests.pages.demo_process import Demo
from tests.pages.driving import PATIENCE_MS, DeskPage

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

Desks = Callable[[str], DeskPage]
NOTE = "Kim's order is 4711. See https://example.com/orders/4711"


def opened(desk: DeskPage, purpose: str, kind: str = "Agent") -> Locator:
    """The dialog, with the list of this kind."""
    desk.button(purpose).click()
    dialog = desk.page.get_by_role("dialog")
    dialog.get_by_role("radio", name=kind, exact=True).check(force=True)
    return dialog


@pytest.mark.parametrize("purpose", ["Conference", "Transfer"])
def test_the_inviters_note_is_in_the_log_and_pinned_for_who_joined(demo: Demo, desk: Desks, purpose: str) -> None:
    ana, ben = desk("ana").online(), desk("ben")
    demo.says("whatsapp", "kim", "Hello")
    ana.take()
    ben.online()
    dialog = opened(ana, purpose)
    dialog.get_by_role("radio", name=re.compile("^Ben")).check(timeout=PATIENCE_MS)
    dialog.get_by_label("Note to them (the customer doesn’t see it)").fill(NOTE)
    dialog.get_by_role("button", name="Invite" if purpose == "Conference" else "Transfer", exact=True).click()
    ana.sees(NOTE)
    ben.button("Join" if purpose == "Conference" else "Take over", ben.calls).click(timeout=PATIENCE_MS)

    pinned = ben.page.get_by_role("region", name="Note from Ana")
    expect(pinned).to_contain_text(NOTE, timeout=PATIENCE_MS)
    expect(pinned.get_by_role("link")).to_have_attribute("href", "https://example.com/orders/4711")
    ben.sees(NOTE)
    assert_accessible(ben.page, "a pinned note")
    ben.page.reload()
    expect(pinned).to_be_visible(timeout=PATIENCE_MS)
    ben.button("Unpin the note", pinned).click()
    expect(pinned).to_be_hidden()
    ben.sees(NOTE)
    expect(ana.page.get_by_role("region", name="Note from Ana")).to_have_count(0)
    ben.say("I look it up")
    ben.sees("I look it up")
    assert not any("4711" in str(line["text"]) for line in demo.shown("whatsapp", "kim"))


def test_what_cannot_work_is_disabled_and_says_why(demo: Demo, desk: Desks) -> None:
    ana, ben = desk("ana").online(), desk("ben")
    demo.says("sms-standard", "kim", "Hello")
    ana.take()
    conference, transfer = ana.button("Conference"), ana.button("Transfer")
    expect(conference).to_have_attribute("aria-disabled", "true")
    expect(conference).to_have_attribute("aria-description", re.compile("standard edition"))
    expect(conference).to_have_attribute("title", re.compile("standard edition"))
    conference.click(force=True)
    expect(ana.notices).to_contain_text("standard edition")
    expect(ana.page.get_by_role("dialog")).to_have_count(0)
    assert_accessible(ana.page, "a conference that can't be")

    # By the only rep a transfer is no conference.
    expect(transfer).not_to_have_attribute("aria-disabled", "true")
    ben.online()
    ana.ask("Transfer", "Agent", "Ben")
    ben.button("Take over", ben.calls).click(timeout=PATIENCE_MS)
    expect(ana.page.get_by_text("You are not in this conversation.")).to_be_visible(timeout=PATIENCE_MS)


def test_the_open_dialog_follows_who_comes_and_goes_and_how_busy_they_are(demo: Demo, desk: Desks) -> None:
    ana, ben = desk("ana").online(), desk("ben")
    demo.says("whatsapp", "kim", "Hello")
    ana.take()
    ana.presence.select_option("busy")
    dialog = opened(ana, "Conference")
    expect(dialog.get_by_text("No agent who can be asked is online")).to_be_visible(timeout=PATIENCE_MS)

    ben.online()
    bens = dialog.get_by_role("radio", name=re.compile("^Ben"))
    expect(bens).to_be_visible(timeout=PATIENCE_MS)
    expect(dialog.get_by_text("0 of 5 in use")).to_be_visible()
    bens.check()
    demo.says("sms", "leo", "Hello")
    ben.take()
    expect(dialog.get_by_text("1 of 5 in use")).to_be_visible(timeout=PATIENCE_MS)
    expect(bens).to_be_checked()
    invite = dialog.get_by_role("button", name="Invite", exact=True)
    expect(invite).to_be_enabled()

    ben.presence.select_option("away")
    expect(bens).to_have_count(0, timeout=PATIENCE_MS)
    expect(invite).to_be_disabled()

    # A queue in which nobody is free can't be chosen, and says so, until somebody is.
    dialog.get_by_role("radio", name="Queue", exact=True).check(force=True)
    support = dialog.get_by_role("radio", name=re.compile("^Support"))
    expect(support).to_be_disabled(timeout=PATIENCE_MS)
    expect(dialog.get_by_text(re.compile("No rep of Support"))).to_be_visible()
    assert_accessible(ana.page, "a queue in which nobody is free")
    ben.presence.select_option("online")
    expect(support).to_be_enabled(timeout=PATIENCE_MS)


def test_the_open_dialog_says_when_the_conversation_has_ended(demo: Demo, desk: Desks) -> None:
    ana, ben, sam = desk("ana").online(), desk("ben"), desk("sam")
    demo.says("whatsapp", "kim", "Hello")
    ana.take()
    ben.online()
    dialog = opened(ana, "Conference")
    dialog.get_by_role("radio", name=re.compile("^Ben")).check(timeout=PATIENCE_MS)
    invite = dialog.get_by_role("button", name="Invite", exact=True)
    expect(invite).to_be_enabled()
    session = ana.page.url.rpartition("/")[2]
    demo.call("POST", f"/api/v1/sessions/{session}/end", token=f"demo-{sam.login}")
    expect(dialog.get_by_role("alert")).to_have_text("This conversation has ended.", timeout=PATIENCE_MS)
    expect(invite).to_be_disabled()


def test_a_channel_is_called_what_its_adapter_says(demo: Demo, desk: Desks) -> None:
    titles = {item["id"]: item["title"] for item in demo.call("GET", "/phones/channels")["items"]}
    sam = desk("sam")
    for channel in titles:
        demo.says(channel, f"kim-{channel}", "Hello")
    rows = sam.page.locator("byoc-session-list .session-row")
    expect(rows).to_have_count(len(titles), timeout=PATIENCE_MS)
    assert sorted(rows.locator(".tag.channel").all_inner_texts()) == sorted(titles.values())
    rows.filter(has_text=titles["sms-standard"]).click()
    expect(sam.page.locator(".facts")).to_contain_text(titles["sms-standard"], timeout=PATIENCE_MS)
