"""The demo with a simulated Salesforce org: the desk is the org's console, and the phones show what the gateway makes of the org's events."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.pages.demo_process import Demo
from tests.pages.driving import PATIENCE_MS, DeskPage, Handset

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

WHATSAPP = "WhatsApp (Meta Cloud API)"


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """With the org in control."""
    demo = Demo(tmp_path, "--broker", "salesforce")
    demo.start()
    yield demo
    demo.stop()


def test_a_conversation_in_the_orgs_console(desk: Callable[[str], DeskPage], handset: Callable[..., Handset]) -> None:
    ana, phone = desk("ana").online(), handset(WHATSAPP)
    phone.say("My hinge is broken")
    ana.take()
    phone.sees(re.compile("Ana.*joined"))
    ana.say("Hello Kim")
    phone.sees("Hello Kim")
    expect(ana.log.get_by_text(re.compile("Delivered|Read"))).to_be_visible(timeout=PATIENCE_MS)

    ben = desk("ben").online()
    ana.ask("Conference", "Agent", "Ben")
    ben.button("Join", ben.calls).click(timeout=PATIENCE_MS)
    phone.sees(re.compile("Ben.*joined"))
    ben.sees("My hinge is broken")
    ben.say("I know **hinges**")
    phone.sees(re.compile(r"Ben\s*:?\s*I know \*?hinges"))
    phone.say("Thank you")
    ana.sees("Thank you")
    ana.button("Leave Conversation").click()
    phone.sees(re.compile("Ana.*left"))
