"""Never stale: the desk after a killed server, after sleep, in two tabs, and for a rep who was away from a session."""

from __future__ import annotations

import re
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing

import pytest
from playwright.sync_api import expect

from tests.pages.conftest import Opens, assert_accessible
from tests.pages.demo_process import Demo
from tests.pages.driving import PATIENCE_MS, DeskPage, Handset

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

Desks = Callable[[str], DeskPage]


def texts_of(desk: DeskPage) -> list[str]:
    """The messages in the log, in order."""
    return [text.strip() for text in desk.log.locator(".message .bubble .text").all_inner_texts()]


def test_a_killed_server_loses_and_doubles_nothing(demo: Demo, desk: Desks) -> None:
    ana = desk("ana").online()
    demo.says("whatsapp", "kim", "One")
    ana.take()
    ana.say("Two")
    expect(ana.log.get_by_text(re.compile("Delivered|Read"))).to_be_visible(timeout=PATIENCE_MS)

    demo.kill()
    lost = ana.page.get_by_role("region", name="Connection", exact=True)
    expect(lost).to_contain_text("What you see may be out of date", timeout=PATIENCE_MS)
    assert_accessible(ana.page, "disconnected")
    ana.say("Three")
    ana.say("Four")
    expect(ana.log.get_by_text("Not sent yet")).to_have_count(1, timeout=PATIENCE_MS)  # the second waits behind the first

    demo.start()
    demo.says("whatsapp", "kim", "Five")
    expect(lost).to_have_count(0, timeout=30_000)
    ana.sees("Five")
    expect(ana.log.get_by_text(re.compile("Not sent yet|Sending"))).to_have_count(0, timeout=30_000)
    assert sorted(texts_of(ana)) == sorted(["One", "Two", "Three", "Four", "Five"])
    assert [text for text in texts_of(ana) if text in ("Three", "Four")] == ["Three", "Four"]

    # The page, the server and the handset say the same.
    shown = texts_of(ana)
    ana.page.reload()
    ana.sees("Five")
    assert texts_of(ana) == shown
    said = [line["text"] for line in demo.shown("whatsapp", "kim") if line["from"] == "them" and line["kind"] == "message"]
    assert said == ["Two", "Three", "Four"]


def test_what_was_typed_survives_a_reload_while_the_server_is_away(demo: Demo, desk: Desks) -> None:
    ana = desk("ana").online()
    demo.says("sms", "kim", "Hello")
    ana.take()
    field = ana.page.get_by_label("Message to the customer")
    field.fill("A draft")
    ana.page.reload()
    expect(field).to_have_value("A draft", timeout=PATIENCE_MS)


def test_a_connection_that_died_without_a_word_is_noticed_on_waking(demo: Demo, desk: Desks) -> None:
    ana = desk("ana").online()
    demo.says("whatsapp", "kim", "Before")
    ana.take()
    demo.freeze()
    ana.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # as when the lid is opened
    expect(ana.page.get_by_text("Connection lost").first).to_be_visible(timeout=PATIENCE_MS)
    demo.thaw()
    demo.says("whatsapp", "kim", "Meanwhile")
    ana.sees("Meanwhile")
    expect(ana.page.get_by_role("region", name="Connection", exact=True)).to_have_count(0, timeout=30_000)
    assert texts_of(ana) == ["Before", "Meanwhile"]


def test_two_tabs_of_one_rep_agree(demo: Demo, opens: Opens, desk: Desks) -> None:
    ana = desk("ana").online()
    other = DeskPage(ana.page.context.new_page(), demo.url, "ana").open()
    expect(other.presence).to_have_value("online")
    demo.says("line", "kim", "Hello")
    expect(other.calls).to_have_count(1, timeout=PATIENCE_MS)
    ana.take()
    expect(other.calls).to_have_count(0, timeout=PATIENCE_MS)

    # What one has read is read in the other too.
    row = other.page.locator("byoc-session-list .session-row")
    ana.page.bring_to_front()
    demo.says("line", "kim", "Are you there?")
    ana.sees("Are you there?")
    expect(row).to_contain_text("Are you there?", timeout=PATIENCE_MS)
    expect(row).not_to_contain_text("unread", timeout=PATIENCE_MS)

    ana.say("Here I am")
    row.click()
    other.sees("Here I am")
    assert texts_of(other) == texts_of(ana) == ["Hello", "Are you there?", "Here I am"]
    other.presence.select_option("away")
    expect(ana.presence).to_have_value("away", timeout=PATIENCE_MS)


def test_a_rep_who_was_away_from_a_session_misses_nothing_when_back(demo: Demo, desk: Desks) -> None:
    ana, ben = desk("ana").online(), desk("ben")
    demo.says("whatsapp", "kim", "One")
    ana.take()
    ben.online()
    ana.ask("Conference", "Agent", "Ben")
    ben.button("Join", ben.calls).click(timeout=PATIENCE_MS)
    ben.say("Two")
    ana.sees("Two")
    ben.button("Leave Conversation").click()
    expect(ben.page.get_by_text("You are not in this conversation.")).to_be_visible(timeout=PATIENCE_MS)
    for text in ("Three", "Four"):
        demo.says("whatsapp", "kim", text)
        ana.sees(text)
    ana.ask("Conference", "Agent", "Ben")
    ben.button("Join", ben.calls).click(timeout=PATIENCE_MS)
    demo.says("whatsapp", "kim", "Five")
    ben.sees("Five")
    assert texts_of(ben) == texts_of(ana) == ["One", "Two", "Three", "Four", "Five"]


def test_events_that_are_no_longer_kept_are_made_up_for(demo: Demo, desk: Desks) -> None:
    ana = desk("ana").online()
    demo.says("whatsapp", "kim", "One")
    ana.take()
    ana.sees("One")
    demo.kill()
    ana.page.context.set_offline(True)
    demo.start()
    for text in ("Two", "Three"):
        demo.says("whatsapp", "kim", text)
    wait_for_session_of(demo, "kim")
    demo.kill()
    for file in (demo.folder / "data").glob("*.db"):
        with closing(sqlite3.connect(file)) as database, database:
            if database.execute("SELECT 1 FROM sqlite_master WHERE name = 'events'").fetchone():
                assert database.execute("DELETE FROM events WHERE number < (SELECT max(number) FROM events)").rowcount > 3
    demo.start()
    ana.page.context.set_offline(False)
    ana.sees("Three")
    assert texts_of(ana) == ["One", "Two", "Three"]
    demo.says("whatsapp", "kim", "Four")
    ana.sees("Four")
    assert texts_of(ana) == ["One", "Two", "Three", "Four"]


def wait_for_session_of(demo: Demo, customer: str) -> None:
    """Until what they wrote has gone through the inbox."""
    wanted = len([line for line in demo.shown("whatsapp", customer) if line["from"] == "me"])
    until = time.monotonic() + 15
    while time.monotonic() < until:
        for session in demo.call("GET", "/api/v1/sessions", token="demo-sam")["items"]:
            entries = demo.call("GET", f"/api/v1/sessions/{session['id']}/entries", token="demo-sam")["items"]
            if len([entry for entry in entries if entry["kind"] == "message"]) >= wanted:
                return
        time.sleep(0.05)
    raise AssertionError("the messages never arrived")


def test_typing_is_shown_to_the_rep_and_to_other_reps(demo: Demo, desk: Desks, handset: Callable[..., Handset]) -> None:
    ana, ben = desk("ana").online(), desk("ben")
    phone = handset("Web chat")
    phone.say("Hello")
    ana.take()
    ben.online()
    ana.ask("Conference", "Agent", "Ben")
    ben.button("Join", ben.calls).click(timeout=PATIENCE_MS)
    ana.sees("Ben joined")
    phone.do("Type")
    expect(ana.page.get_by_text("Kim is typing …")).to_be_visible(timeout=PATIENCE_MS)
    ben.page.get_by_label("Message to the customer").press_sequentially("Let me see")
    expect(ana.page.get_by_text(re.compile("Ben (is|are) typing|and Ben are typing"))).to_be_visible(timeout=PATIENCE_MS)
    expect(ben.page.get_by_text(re.compile("Ben (is|are) typing|and Ben are typing"))).to_have_count(0)
    ben.button("Send").click()
    ana.sees("Let me see")
    expect(ana.page.get_by_text(re.compile("Ben (is|are) typing|and Ben are typing"))).to_have_count(0)


def test_a_token_that_is_nobodys_leads_back_to_the_sign_in(demo: Demo, opens: Opens) -> None:
    page = opens()
    page.goto(f"{demo.url}/desk")
    expect(page.get_by_role("heading", name="Desk")).to_be_visible()
    assert_accessible(page, "signing in")
    page.get_by_label("Access token").fill("nobody's")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("Sign in again", timeout=PATIENCE_MS)
    assert_accessible(page, "sign-in refused")
    page.get_by_label("Access token").fill("demo-ana")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_label("My presence")).to_be_visible(timeout=PATIENCE_MS)
    page.reload()
    expect(page.get_by_label("My presence")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Access token")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Access token")).to_be_visible()


def test_after_an_older_backup_was_restored_the_desk_shows_what_is_there(demo: Demo, desk: Desks) -> None:
    ana = desk("ana").online()
    demo.says("whatsapp", "kim", "Kept")
    ana.take()
    ana.sees("Kept")
    demo.kill()
    shutil.copytree(demo.folder / "data", demo.folder / "backup")
    demo.start()
    for number in range(6):
        demo.says("whatsapp", "kim", f"Undone {number}")
    ana.sees("Undone 5")

    demo.kill()
    shutil.rmtree(demo.folder / "data")
    (demo.folder / "backup").rename(demo.folder / "data")
    demo.start()
    expect(ana.log.get_by_text("Undone")).to_have_count(0, timeout=30_000)
    demo.says("whatsapp", "kim", "Anew")
    ana.sees("Anew")
    assert texts_of(ana) == ["Kept", "Anew"]
