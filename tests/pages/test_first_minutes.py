"""The first five minutes as README has them: each step works as it is written, on the pages that it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.pages.conftest import Opens, assert_accessible
from tests.pages.demo_process import Demo
from tests.pages.driving import PATIENCE_MS, DeskPage, Handset

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

README = Path(__file__).parents[2] / "README.md"


def steps() -> list[list[str]]:
    """README's numbered steps of "Try it": of each what is set in bold, in order - the addresses to open and the buttons to press."""
    section = README.read_text(encoding="utf-8").split("## Try it")[1].split("\n## ")[0]
    numbered = re.split(r"^\d\. ", section.split("To work on the code")[0], flags=re.M)[1:]
    return [[bold.strip("`") for bold in re.findall(r"\*\*(.+?)\*\*", step)] for step in numbered]


def test_readmes_four_steps_work_as_they_are_written(demo: Demo, opens: Opens) -> None:
    ana_says = "We have that hinge"
    assert steps() == [
        ["/phones"],
        ["/desk?as=ana", "Accept"],
        ["/desk?as=ben", "Conference", "Invite", "Join", "Raise flag", "/desk?as=sam"],
        [],
    ]

    # One browser, a tab for each page, as a newcomer has them.
    wall = opens()
    wall.goto(f"{demo.url}/phones")
    phone = Handset(wall, "WhatsApp (Meta Cloud API)")
    phone.say("My hinge is broken")

    def tab(login: str) -> DeskPage:
        desk = DeskPage(wall.context.new_page(), demo.url, login)
        desk.page.goto(f"{demo.url}/desk?as={login}")
        expect(desk.presence).to_have_value("online", timeout=PATIENCE_MS)
        return desk

    ana = tab("ana")
    ana.take()
    ana.say(ana_says)
    phone.sees(ana_says)

    ben = tab("ben")
    ana.ask("Conference", "Agent", "Ben")
    ben.button("Join", ben.calls).click(timeout=PATIENCE_MS)
    phone.sees(re.compile("Ben.*joined"))
    ben.say("Ben here")
    phone.sees(re.compile(r"Ben\W+Ben here"))
    ana.button("Raise flag").click()
    ana.page.get_by_label("Raise a flag: tell a supervisor what you need").fill("May I send it for free?")
    ana.button("Raise flag", ana.aside).click()
    sam = tab("sam")
    sam.page.get_by_role("region", name=re.compile("^Flagged")).get_by_role("button").click(timeout=PATIENCE_MS)
    sam.page.get_by_label("Whisper to Ana").fill("Yes, please do")
    sam.button("Whisper", sam.aside).click()
    expect(ana.aside).to_contain_text("Yes, please do", timeout=PATIENCE_MS)
    ana.say("It is on its way")
    phone.sees("It is on its way")
    expect(wall.locator("body")).not_to_contain_text("Yes, please do")

    shown = [line["text"] for line in demo.shown("whatsapp", "kim")]
    demo.kill()
    demo.start()
    for desk in (ana, ben):
        desk.page.reload()
        for text in ("My hinge is broken", ana_says, "Ben here", "It is on its way"):
            desk.sees(text)
    assert [line["text"] for line in demo.shown("whatsapp", "kim")] == shown


def test_the_demo_says_what_to_do_first(demo: Demo) -> None:
    printed = (demo.folder / "demo.log").read_text()
    told = [re.search(rf"^ +{number}\. .*({re.escape(demo.url)}\S+)", printed, re.M) for number in (1, 2, 3)]
    assert [found and found[1].removeprefix(demo.url) for found in told] == ["/phones", "/desk?as=ana", "/desk?as=ben,"]


def test_an_empty_wall_shows_three_steps_until_a_rep_has_answered(demo: Demo, opens: Opens) -> None:
    wall = opens()
    wall.goto(f"{demo.url}/phones")
    begin = wall.get_by_role("region", name="Begin here")
    expect(begin.get_by_role("listitem")).to_have_count(3, timeout=PATIENCE_MS)
    assert_accessible(wall, "an empty wall")
    demo.says("whatsapp", "kim", "Hello")
    with wall.context.expect_page() as opened:
        begin.get_by_role("link", name="Open Ana’s desk").click()
    ana = DeskPage(opened.value, demo.url, "ana")
    ana.take()
    expect(begin).to_be_visible()
    ana.say("Hello Kim")
    expect(begin).to_be_hidden(timeout=PATIENCE_MS)


def test_an_empty_desk_says_whether_one_is_online_and_goes_online_by_a_button(demo: Demo, opens: Opens) -> None:
    ana = DeskPage(opens(), demo.url, "ana").open()
    empty = ana.page.get_by_role("navigation", name="Conversations")
    expect(empty).to_contain_text("You are offline.", timeout=PATIENCE_MS)
    assert_accessible(ana.page, "an empty desk, offline")
    ana.button("Go online").click()
    expect(ana.presence).to_have_value("online")
    expect(empty).to_contain_text("You are online.")
    expect(ana.button("Go online")).to_be_hidden()
    assert ana.page.evaluate("document.activeElement !== document.body")
    assert_accessible(ana.page, "an empty desk, online")
    demo.says("whatsapp", "kim", "Hello")
    ana.take()


def test_who_opens_the_demos_desk_goes_online_once_and_stays_as_they_say(demo: Demo, opens: Opens) -> None:
    page = opens()
    page.goto(f"{demo.url}/desk?as=ana")
    ana = DeskPage(page, demo.url, "ana")
    expect(ana.presence).to_have_value("online", timeout=PATIENCE_MS)
    ana.presence.select_option("offline")
    expect(page.get_by_text("You are offline.")).to_be_visible(timeout=PATIENCE_MS)
    page.reload()
    expect(page.get_by_text("You are offline.")).to_be_visible(timeout=PATIENCE_MS)
    expect(ana.presence).to_have_value("offline")
