"""The phone wall: every channel there and back, text and picture, and customers who misbehave."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.pages.conftest import Opens, assert_accessible
from tests.pages.demo_process import Demo
from tests.pages.driving import PATIENCE_MS, DeskPage, Handset

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

# 8 x 8 pixels, orange.
PICTURE = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEklEQVR4nGP4v5QBK2IYWhIANG1fgdFpHPUAAAAASUVORK5CYII=")
CHANNELS = ["whatsapp", "sms", "messenger", "line", "apple", "webchat", "sms-standard"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    demo = Demo(tmp_path_factory.mktemp("phones"))
    demo.start()
    yield demo
    demo.stop()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    file = tmp_path / "hinge.png"
    file.write_bytes(PICTURE)
    return file


def wall_of(demo: Demo, opens: Opens, customer: str) -> Page:
    page = opens()
    page.goto(f"{demo.url}/phones?customer={customer}")
    expect(page.locator("byoc-handset").first).to_be_visible(timeout=PATIENCE_MS)
    return page


def handset_of(demo: Demo, wall: Page, channel: str) -> Handset:
    titles = {item["id"]: item["title"] for item in demo.call("GET", "/phones/channels")["items"]}
    return Handset(wall, titles[channel])


def end(desk: DeskPage) -> None:
    desk.button("End Conversation").click()
    desk.page.get_by_role("dialog").get_by_role("button", name="End Conversation").click()
    expect(desk.page.get_by_text("This conversation has ended.")).to_be_visible(timeout=PATIENCE_MS)


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_text_and_a_picture_go_there_and_back(demo: Demo, opens: Opens, picture: Path, channel: str) -> None:
    ana = DeskPage(opens(), demo.url, "ana").open().online()
    wall = wall_of(demo, opens, "kim")
    phone = handset_of(demo, wall, channel)

    phone.say("Look at my hinge")
    phone.attach(picture)
    ana.take()
    ana.sees("Look at my hinge")
    shown = ana.log.locator(".message.customer img")
    expect(shown).to_be_visible(timeout=PATIENCE_MS)
    ana.page.wait_for_function("() => document.querySelector('.message.customer img').naturalWidth === 8", timeout=PATIENCE_MS)

    ana.say("I see it")
    phone.sees("I see it")
    ana.page.locator("byoc-composer input[type=file]").set_input_files(picture)
    expect(ana.page.locator(".file-chip")).to_contain_text("hinge.png")
    ana.say("This is the new one")
    phone.sees("This is the new one")
    expect(phone.screen.locator(".them img, .them .file, .them a[href*='/media/']").first).to_be_visible(timeout=PATIENCE_MS)
    expect(phone.screen.locator(".notice")).to_contain_text("Ana", timeout=PATIENCE_MS)
    expect(phone.screen.locator(".notice.me, .notice.them")).to_have_count(0)
    assert_accessible(ana.page, f"pictures on {channel}")
    assert_accessible(wall, f"pictures on {channel}'s handset")
    end(ana)
    ana.presence.select_option("offline")


def test_a_webhook_that_comes_twice_is_shown_once(demo: Demo, opens: Opens) -> None:
    ana = DeskPage(opens(), demo.url, "ana").open().online()
    wall = wall_of(demo, opens, "leo")
    phone = handset_of(demo, wall, "whatsapp")
    phone.do("Send twice")
    phone.say("Only once, please")
    ana.take()
    phone.say("And this")
    ana.sees("And this")
    expect(ana.log.get_by_text("Only once, please")).to_have_count(1)
    end(ana)
    ana.presence.select_option("offline")


def test_what_a_customer_does_beside_writing(demo: Demo, opens: Opens) -> None:
    ana = DeskPage(opens(), demo.url, "ana").open().online()
    wall = wall_of(demo, opens, "mia")
    phone = handset_of(demo, wall, "whatsapp")
    phone.say("Where is it?")
    ana.take()
    phone.do("Send a place")
    place = ana.log.get_by_role("link", name=re.compile("^Map: 53"))
    expect(place).to_have_attribute("rel", "noopener noreferrer", timeout=PATIENCE_MS)
    phone.do("Send a contact")
    ana.sees("Leo Paz")
    phone.on_line("Where is it?", "Edit", "Where is my hinge?")
    ana.sees("Where is my hinge?")
    ana.sees("edited")
    expect(ana.log.get_by_text("Where is it?", exact=True)).to_have_count(0)
    ana.say("Over there")
    phone.sees("Over there")
    phone.on_line("Over there", "Thumbs up")
    expect(ana.log.locator(".message.mine .reactions")).to_contain_text("👍", timeout=PATIENCE_MS)
    phone.on_line("Where is my hinge?", "Take back")
    ana.sees("Message deleted")
    expect(ana.log.get_by_text("Where is my hinge?")).to_have_count(0)
    assert_accessible(ana.page, "edits, reactions, places")
    end(ana)
    ana.presence.select_option("offline")


def test_a_message_that_failed_says_why_and_is_sent_again(demo: Demo, opens: Opens) -> None:
    ana = DeskPage(opens(), demo.url, "ana").open().online()
    wall = wall_of(demo, opens, "noor")
    phone = handset_of(demo, wall, "whatsapp-twilio")
    phone.say("Hello")
    ana.take()
    phone.do("Block")
    ana.say("Can you read me?")
    failed = ana.log.locator(".message.mine").filter(has_text="Can you read me?")
    expect(failed).to_contain_text("Not delivered", timeout=PATIENCE_MS)
    reason = failed.locator(".trouble p").inner_text().removeprefix("Not delivered.").strip()
    assert len(reason) > 10  # in words
    assert_accessible(ana.page, "a message failed")
    expect(phone.screen).not_to_contain_text("Can you read me?")
    phone.do("Unblock")
    ana.button("Send again", failed).click()
    phone.sees("Can you read me?")
    expect(failed).to_contain_text(re.compile("Sent|Delivered|Read"), timeout=PATIENCE_MS)
    expect(ana.log.get_by_text("Can you read me?")).to_have_count(1)
    end(ana)
    ana.presence.select_option("offline")


def test_a_message_that_the_provider_could_not_deliver_yet_says_that_it_waits(demo: Demo, opens: Opens) -> None:
    """Twilio's 30001, told after the message was taken: it is sent once more a minute later, and until then the desk says so."""
    ana = DeskPage(opens(), demo.url, "ana").open().online()
    phone = handset_of(demo, wall_of(demo, opens, "pia"), "sms")
    phone.say("Hello")
    ana.take()
    phone.sees("Ana has joined")
    mischief = {"customer": "pia", "kind": "say", "text": "Still there?", "details": {"mischief": [{"error": 30001}]}}
    demo.call("POST", "/phones/sms/actions", mischief)
    ana.say("Can you read me?")
    line = ana.log.locator(".message.mine").filter(has_text="Can you read me?")
    waiting = ana.log.locator(".trouble").filter(has_text="automatically")
    expect(waiting.first).to_be_visible(timeout=PATIENCE_MS)
    expect(line).to_contain_text("Queued", timeout=PATIENCE_MS)
    expect(ana.button("Send again", line)).to_have_count(0)
    assert_accessible(ana.page, "a message waits")
    end(ana)
    ana.presence.select_option("offline")


def test_a_customer_who_opted_out_has_ended_the_conversation(demo: Demo, opens: Opens) -> None:
    ana = DeskPage(opens(), demo.url, "ana").open().online()
    wall = wall_of(demo, opens, "noor")
    phone = handset_of(demo, wall, "sms")
    phone.say("Hello")
    ana.take()
    phone.do("Opt out (STOP)")
    expect(ana.page.get_by_text("This conversation has ended.")).to_be_visible(timeout=PATIENCE_MS)
    ana.sees("opted out")
    ana.presence.select_option("offline")


def test_what_a_handset_cannot_do_is_said_in_words(demo: Demo, opens: Opens) -> None:
    wall = wall_of(demo, opens, "noor")
    phone = handset_of(demo, wall, "line")
    phone.do("End the chat")
    mine = wall.locator("byoc-handset").filter(has=phone.screen)
    expect(mine.get_by_role("status")).not_to_be_empty(timeout=PATIENCE_MS)


def test_what_crossed_the_wire_for_a_message(demo: Demo, opens: Opens) -> None:
    ana = DeskPage(opens(), demo.url, "ana").open().online()
    wall = wall_of(demo, opens, "wilma")
    phone = handset_of(demo, wall, "whatsapp")
    phone.say("Follow me")
    ana.take()
    ana.say("I follow")
    phone.sees("I follow")
    opener = phone.choose("Follow me")
    dialog = wall.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="What crossed the wire")).to_be_visible(timeout=PATIENCE_MS)
    expect(dialog.locator(".step.webhook pre")).to_contain_text("Follow me")
    expect(dialog.locator(".step.envelope pre")).to_contain_text("Follow me")
    assert_accessible(wall, "the wire of a message that came in")
    dialog.get_by_role("button", name="Close").click()
    expect(opener).to_be_focused()
    phone.choose("I follow")
    expect(dialog.locator(".step.request pre").first).to_contain_text("I follow", timeout=PATIENCE_MS)
    assert "EAA" not in dialog.inner_text()  # how the provider's tokens begin
    end(ana)
    ana.presence.select_option("offline")


@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_the_wall_fits_and_is_accessible(demo: Demo, opens: Opens, width: int) -> None:
    page = opens(viewport={"width": width, "height": 900})
    page.goto(f"{demo.url}/phones")
    expect(page.locator("byoc-handset").first).to_be_visible(timeout=PATIENCE_MS)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("button", name=re.compile("what else the customer can do")).first.click()
    assert_accessible(page, f"the wall at {width}")
