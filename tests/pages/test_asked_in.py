"""A rep who is asked in: what they see before they answer, afterwards, and when there is nothing left to answer."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Route, expect

from tests.pages.conftest import Opens
from tests.pages.demo_process import Demo
from tests.pages.driving import PATIENCE_MS, DeskPage

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


def test_C10_the_whole_transcript_is_there_once_one_has_joined(demo: Demo, opens: Opens) -> None:
    ana = DeskPage(opens(), demo.url, "ana").open().online()
    demo.says("whatsapp", "asked-in", "The first words")
    session = ana.calls.first.get_attribute("data-session", timeout=PATIENCE_MS)
    ana.take()
    demo.says("whatsapp", "asked-in", "The latest words")
    ana.sees("The latest words")
    ben = DeskPage(opens(), demo.url, "ben").open().online()
    ask = {"recipient": {"type": "agent", "id": "ben"}, "note": "Please look"}

    demo.call("POST", f"/api/v1/sessions/{session}/invitations", ask, token="demo-ana")
    expect(ben.calls).to_contain_text("Ana asks you to join", timeout=PATIENCE_MS)
    ben.button("Decline", ben.calls).click()
    expect(ana.notices).to_contain_text("Ben declined", timeout=PATIENCE_MS)

    demo.call("POST", f"/api/v1/sessions/{session}/invitations", ask, token="demo-ana")
    expect(ben.calls).to_have_count(1, timeout=PATIENCE_MS)
    ana.button("Withdraw", ana.pending).click(timeout=PATIENCE_MS)
    expect(ben.calls).to_have_count(0, timeout=PATIENCE_MS)
    expect(ben.notices).to_contain_text("Ana’s request about", timeout=PATIENCE_MS)
    expect(ben.notices).to_contain_text("was withdrawn")

    demo.call("POST", f"/api/v1/sessions/{session}/invitations", ask, token="demo-ana")
    ben.page.locator("#search").fill("asked-in")
    row = ben.page.locator(".session-row", has_text="The latest words")
    row.click(timeout=PATIENCE_MS)
    ben.sees("The latest words")
    expect(ben.log).not_to_contain_text("The first words")
    ben.button("Join", ben.calls).click(timeout=PATIENCE_MS)
    ben.sees("The first words")
    expect(ben.log).to_contain_text("The latest words")


def test_R7_who_goes_away_is_asked_no_longer_and_the_inviter_reads_it(demo: Demo, opens: Opens) -> None:
    ana = DeskPage(opens(), demo.url, "ana").open().online()
    demo.says("whatsapp", "gone-away", "Hello")
    session = ana.calls.first.get_attribute("data-session", timeout=PATIENCE_MS)
    ana.take()
    ben = DeskPage(opens(), demo.url, "ben").open().online()
    ask = {"recipient": {"type": "agent", "id": "ben"}}
    demo.call("POST", f"/api/v1/sessions/{session}/invitations", ask, token="demo-ana")
    expect(ben.calls).to_have_count(1, timeout=PATIENCE_MS)
    ben.presence.select_option("away")
    expect(ben.calls).to_have_count(0, timeout=PATIENCE_MS)
    expect(ana.notices).to_contain_text("Ben is no longer online: your invitation was withdrawn", timeout=PATIENCE_MS)
    expect(ana.pending).to_be_hidden()
    ana.sees("The invitation of Ben was withdrawn: nobody asked is online any more")


def test_lines_that_bore_an_address_bear_the_name_once_it_is_known(demo: Demo, opens: Opens) -> None:
    ana = DeskPage(opens(), demo.url, "ana").open().online()

    def nameless(route: Route) -> None:
        page = route.fetch().json()
        for entry in page["items"]:
            if entry["from"] and entry["from"]["role"] == "end_user":
                entry["from"]["name"] = "Customer 1234"
        route.fulfill(json=page)

    ana.page.route(re.compile("/entries"), nameless)
    demo.says("whatsapp", "named-later", "Who am I?")
    session = ana.calls.first.get_attribute("data-session", timeout=PATIENCE_MS)
    ana.take()
    ana.sees("Who am I?")
    customer = demo.call("GET", f"/api/v1/sessions/{session}", token="demo-ana")["end_user"]
    assert customer["name"] != customer["id"]
    demo.says("whatsapp", "named-later", "And now?")
    ana.sees("And now?")
    expect(ana.log).not_to_contain_text("Customer 1234", timeout=PATIENCE_MS)
    expect(ana.log.locator(".speaker").first).to_contain_text(customer["name"])
