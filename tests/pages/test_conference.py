"""Three reps, a supervisor and a customer through a whole conference, by the pages alone."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.pages.conftest import Opens, assert_accessible
from tests.pages.demo_process import Demo
from tests.pages.driving import PATIENCE_MS, DeskPage, Handset, Visitor

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

WHATSAPP = "WhatsApp (Meta Cloud API)"
Desks = Callable[[str], DeskPage]
Handsets = Callable[..., Handset]


def offered_to(desks: list[DeskPage]) -> DeskPage:
    """Whichever of them routing asks."""
    until = time.monotonic() + 15
    while time.monotonic() < until:
        for one in desks:
            if one.calls.count():
                return one
        desks[0].page.wait_for_timeout(100)
    raise AssertionError("nobody was offered the session")


@pytest.mark.parametrize("channel", ["web chat", "WhatsApp"])
def test_a_conference_from_its_first_message_to_its_end(
    demo: Demo, desk: Desks, handset: Handsets, opens: Opens, channel: str
) -> None:
    reps = [desk(login).online() for login in ("ana", "ben", "cleo")]
    phone = Visitor(opens(), demo.url) if channel == "web chat" else handset(WHATSAPP)
    phone.say("My hinge is broken")

    first = offered_to(reps)
    assert_accessible(first.page, "work is offered")
    first.take()
    first.say("Hello Kim")
    phone.sees("Hello Kim")
    expect(first.log.get_by_text(re.compile("Delivered|Read"))).to_be_visible(timeout=PATIENCE_MS)
    second, third = (one for one in reps if one is not first)
    names = {one: one.login.capitalize() for one in reps}

    # Declined: above the log, for the inviter alone.
    first.ask("Conference", "Agent", names[second])
    expect(first.pending).to_contain_text(f"Invited: {names[second]}")
    assert_accessible(first.page, "an invitation is pending")
    assert_accessible(second.page, "an invitation waits")
    second.button("Decline", second.asked).click(timeout=PATIENCE_MS)
    expect(first.notices).to_contain_text(f"{names[second]} declined", timeout=PATIENCE_MS)
    expect(first.log).not_to_contain_text("declined")
    expect(first.pending).to_be_hidden()
    assert_accessible(first.page, "an invitation was declined")
    first.notices.get_by_role("button", name="Dismiss").click()

    # Withdrawn.
    first.ask("Conference", "Agent", names[second])
    expect(second.asked).to_have_count(1, timeout=PATIENCE_MS)
    first.button("Withdraw", first.pending).click()
    expect(second.asked).to_have_count(0, timeout=PATIENCE_MS)

    # A queue's invitation: both are asked, the first in wins, the other's card goes.
    first.ask("Conference", "Queue", "Support")
    expect(second.asked).to_have_count(1, timeout=PATIENCE_MS)
    third.button("Join", third.asked).click(timeout=PATIENCE_MS)
    expect(second.asked).to_have_count(0, timeout=PATIENCE_MS)
    first.sees(f"{names[third]} joined")

    # The joiner has the whole history and may write; the customer is told who speaks.
    third.sees("My hinge is broken")
    third.sees("Hello Kim")
    third.say("I know hinges")
    phone.sees("I know hinges")
    phone.sees(re.compile(rf"{names[third]}.*joined"))
    expect(phone.screen).to_contain_text(re.compile(rf"{names[third]}\s*:?\s*I know hinges"))
    first.sees("I know hinges")
    expect(first.button("Leave Conversation")).to_be_visible()
    expect(first.button("End Conversation")).to_be_hidden()
    assert_accessible(third.page, "in a conference")

    # Transfer: the one who asks goes, the other stays.
    first.ask("Transfer", "Agent", names[second])
    second.button("Take over", second.calls).click(timeout=PATIENCE_MS)
    expect(second.page.get_by_label("Message to the customer")).to_be_visible(timeout=PATIENCE_MS)
    expect(first.page.get_by_text("You are not in this conversation.")).to_be_visible(timeout=PATIENCE_MS)
    expect(first.page.get_by_label("Message to the customer")).to_be_hidden()
    second.sees("I know hinges")

    # Leave while others are in, end for the last.
    third.button("Leave Conversation").click()
    second.sees(f"{names[third]} left")
    phone.sees(re.compile(rf"{names[third]}.*left"))
    second.button("End Conversation").click(timeout=PATIENCE_MS)
    assert_accessible(second.page, "asked whether to end")
    second.page.get_by_role("dialog").get_by_role("button", name="End Conversation").click()
    expect(second.page.get_by_text("This conversation has ended.")).to_be_visible(timeout=PATIENCE_MS)
    assert_accessible(second.page, "ended")


def test_two_reps_race_for_a_queue(demo: Demo, desk: Desks, handset: Handsets) -> None:
    ana, ben, cleo = (desk(login) for login in ("ana", "ben", "cleo"))
    ana.online()
    phone = handset(WHATSAPP)
    phone.say("Hello")
    ana.take()
    ben.online()
    cleo.online()
    ana.ask("Conference", "Queue", "Support")
    for one in (ben, cleo):
        expect(one.button("Join", one.asked)).to_be_visible(timeout=PATIENCE_MS)
    # Both press before either hears of the other: the clicks are queued in the pages, not waited for.
    for one in (ben, cleo):
        one.button("Join", one.calls).evaluate("button => setTimeout(() => button.click(), 300)")
    ana.sees(re.compile("(Ben|Cleo) joined"))
    expect(ana.log.get_by_text(re.compile(r"^(Ben|Cleo) joined"))).to_have_count(1)
    fields = [one.page.get_by_label("Message to the customer") for one in (ben, cleo)]
    for one in (ben, cleo):
        expect(one.asked).to_have_count(0, timeout=PATIENCE_MS)
    inside = [one for one, field in zip((ben, cleo), fields, strict=True) if field.is_visible()]
    assert len(inside) == 1
    loser = ben if inside == [cleo] else cleo
    told = loser.page.get_by_role("list", name="General notifications")
    expect(told).to_contain_text(re.compile("quicker|taken|took|Somebody", re.I), timeout=PATIENCE_MS)


def test_nobody_outside_the_org_can_be_chosen(demo: Demo, desk: Desks, handset: Handsets) -> None:
    ana, ben = desk("ana").online(), desk("ben").online()
    phone = handset(WHATSAPP)
    phone.say("Hello")
    taker = offered_to([ana, ben])
    taker.take()
    taker.button("Conference").click()
    dialog = taker.page.get_by_role("dialog")
    kinds = dialog.get_by_role("group", name="Recipient type").get_by_role("radio")
    expect(kinds).to_have_count(3)
    assert [kinds.nth(n).get_attribute("value") for n in range(3)] == ["agent", "queue", "flow"]
    expect(dialog.get_by_text("of 5 in use")).to_have_count(1, timeout=PATIENCE_MS)
    assert_accessible(taker.page, "choosing a recipient")
    dialog.get_by_label("Search").fill("nobody at all")
    expect(dialog.get_by_text("No agent who can be asked is online")).to_be_visible(timeout=PATIENCE_MS)
    taker.page.keyboard.press("Escape")  # clears the search
    taker.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(taker.button("Conference")).to_be_focused()


def test_a_flag_is_seen_by_supervisors_and_never_by_the_customer_or_the_other_rep(
    demo: Demo, desk: Desks, handset: Handsets
) -> None:
    ana, ben, sam = desk("ana").online(), desk("ben"), desk("sam")
    phone = handset(WHATSAPP)
    phone.say("I want my money back")
    ana.take()
    ben.online()
    ana.ask("Conference", "Agent", "Ben")
    ben.button("Join", ben.calls).click(timeout=PATIENCE_MS)
    ana.sees("Ben joined")

    ana.button("Raise flag").click()
    assert_accessible(ana.page, "about to raise a flag")
    ana.page.get_by_label("Raise a flag: tell a supervisor what you need").fill("May I refund fifty?")
    ana.button("Raise flag", ana.aside).click()
    flagged = sam.page.get_by_role("region", name=re.compile("^Flagged"))
    flagged.get_by_role("button").click(timeout=PATIENCE_MS)
    expect(sam.aside).to_contain_text("May I refund fifty?", timeout=PATIENCE_MS)
    sam.page.get_by_label("Whisper to Ana").fill("Up to forty")
    sam.button("Whisper", sam.aside).click()
    expect(ana.aside).to_contain_text("Up to forty", timeout=PATIENCE_MS)
    assert_accessible(ana.page, "whispering")
    assert_accessible(sam.page, "a supervisor watches")
    expect(ana.log).not_to_contain_text("Up to forty")

    # A word in the log after the whisper, so that what didn't come by then won't come.
    ana.say("We look into it")
    phone.sees("We look into it")
    ben.sees("We look into it")
    for page in (ben.page, phone.page):
        expect(page.locator("body")).not_to_contain_text("Up to forty")
        expect(page.locator("body")).not_to_contain_text("May I refund fifty?")

    sam.button("Audit").click()
    audit = sam.page.get_by_role("dialog")
    expect(audit.get_by_role("row", name=re.compile("Raise flag"))).to_be_visible(timeout=PATIENCE_MS)
    expect(audit).not_to_contain_text("fifty")
    assert_accessible(sam.page, "the audit")
    audit.get_by_role("button", name="Close").click()

    ana.button("Lower flag", ana.aside).click()
    expect(sam.page.get_by_role("region", name=re.compile("^Flagged"))).to_be_hidden(timeout=PATIENCE_MS)
    sam.button("End Conversation").click()
    sam.page.get_by_role("dialog").get_by_role("button", name="End Conversation").click()
    expect(ana.page.get_by_text("This conversation has ended.")).to_be_visible(timeout=PATIENCE_MS)
