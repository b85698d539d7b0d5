"""What customers bring along, at the desk: ads, products, orders, missed calls, and a conversation that a bot hands over."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.pages.conftest import Opens, assert_accessible
from tests.pages.demo_process import Demo
from tests.pages.driving import PATIENCE_MS, DeskPage, Handset

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    demo = Demo(tmp_path_factory.mktemp("brings"))
    demo.start()
    yield demo
    demo.stop()


def handset_of(demo: Demo, opens: Opens, channel: str, customer: str) -> Handset:
    page = opens()
    page.goto(f"{demo.url}/phones?customer={customer}")
    expect(page.locator("byoc-handset").first).to_be_visible(timeout=PATIENCE_MS)
    titles = {item["id"]: item["title"] for item in demo.call("GET", "/phones/channels")["items"]}
    return Handset(page, titles[channel])


def act(demo: Demo, channel: str, customer: str, **action: object) -> None:
    demo.call("POST", f"/phones/{channel}/actions", {"customer": customer, "kind": "say", **action})


def end(desk: DeskPage) -> None:
    desk.button("End Conversation").click()
    desk.page.get_by_role("dialog").get_by_role("button", name="End Conversation").click()
    expect(desk.page.get_by_text("This conversation has ended.")).to_be_visible(timeout=PATIENCE_MS)


def test_the_ad_stands_above_the_message_and_orders_and_calls_are_told_in_words(demo: Demo, opens: Opens) -> None:
    ana = DeskPage(opens(), demo.url, "ana").open().online()
    kim = handset_of(demo, opens, "whatsapp", "kim")
    kim.do("Write about an ad")
    ana.take()
    line = ana.log.get_by_role("listitem").filter(has_text="Is this still on?")
    expect(line).to_contain_text("Came by an ad: 20 % off all lamps", timeout=PATIENCE_MS)
    expect(line).to_contain_text("Only this week")
    link = line.get_by_role("link", name="fb.me", exact=True)
    expect(link).to_have_attribute("href", "https://fb.me/3cr4Wq")
    expect(link).to_have_attribute("rel", re.compile("noopener.*noreferrer"))
    kim.do("Send an order")
    ana.sees("2 × LAMP-17 at 40 USD")
    ana.sees("As a gift, please")
    kim.do("Ask about a product")
    ana.sees("Asks about a product: LAMP-17")
    kim.do("Call and hang up")
    ana.sees("Missed call from the customer")
    kim.do("Allow calls")
    ana.sees("May be called on WhatsApp")
    assert_accessible(ana.page, "what a customer brings")
    end(ana)


def test_a_conversation_that_a_bot_hands_over_is_offered_with_what_was_said(demo: Demo, opens: Opens) -> None:
    ana = DeskPage(opens(), demo.url, "ana").open().online()
    kim = handset_of(demo, opens, "messenger", "kim")
    kim.do("A bot answers")
    kim.say("I want my money back")
    act(demo, "messenger", "kim", text="I am a bot. Shall I call a person?", details={"staff": True})
    kim.sees("I am a bot")
    kim.do("The bot hands over")
    ana.take()
    log = ana.log
    ana.sees("handed the conversation to us: “The customer wants to speak to a person”")
    said = log.get_by_role("listitem").filter(has_text="I want my money back")
    expect(said).to_contain_text("To another app")
    expect(log.get_by_role("listitem").filter(has_text="I am a bot")).to_contain_text("Other tool")
    ana.say("I am a person")
    kim.sees("I am a person")
    kim.do("Send a product")
    ana.sees("Product: Desk lamp, $40 (LAMP-17)")
    kim.do("A bot answers")
    ana.sees("answers the customer now")
    ana.sees("Inactive until the conversation is handed back")
    kim.do("The bot hands over")
    ana.sees("Active again")
    assert_accessible(ana.page, "a conversation that was handed over")
    end(ana)


HOSTILE = '<img src="x" onerror="document.title=\'owned\'"><script>document.title="owned"</script>'


def test_an_ad_that_was_written_to_harm_is_text_and_leads_nowhere(demo: Demo, opens: Opens) -> None:
    ana = DeskPage(opens(), demo.url, "ana").open().online()
    address = "javascript:document.title='owned'"
    ad = {"source_type": "ad", "headline": HOSTILE, "body": HOSTILE, "source_url": address, "image_url": address}
    act(demo, "whatsapp", "mal", text="hello", details={"referral": ad})
    ana.take()
    line = ana.log.get_by_role("listitem").filter(has_text="hello")
    expect(line).to_contain_text(HOSTILE, timeout=PATIENCE_MS)
    expect(line.get_by_role("link")).to_have_count(0)
    expect(line.locator("img, script")).to_have_count(0)
    expect(ana.page).not_to_have_title(re.compile("owned"))
    end(ana)
