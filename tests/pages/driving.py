"""The pages as a person uses them: by names and roles, so that what a screen reader is told is what the tests rely on."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

PATIENCE_MS = 15_000


class DeskPage:
    """A rep's desk."""

    def __init__(self, page: Page, url: str, login: str) -> None:
        self.page, self.login, self._url = page, login, url

    def open(self) -> DeskPage:
        """Sign in by the token; the presence stays as it was (`?as=` would bring the rep online)."""
        self.page.goto(f"{self._url}/desk")
        token = self.page.get_by_label("Access token")
        expect(self.presence.or_(token)).to_be_visible(timeout=PATIENCE_MS)
        if token.is_visible():
            token.fill(f"demo-{self.login}")
            self.button("Sign in").click()
        expect(self.presence).to_be_visible(timeout=PATIENCE_MS)
        return self

    def online(self) -> DeskPage:
        """Say that one may be given work; the gateway has taken it down when this returns."""
        with self.page.expect_response(
            lambda answer: answer.url.endswith("/api/v1/presence") and answer.request.method == "PUT", timeout=PATIENCE_MS
        ):
            self.presence.select_option("online")
        return self

    @property
    def presence(self) -> Locator:
        return self.page.get_by_label("My presence")

    @property
    def calls(self) -> Locator:
        """What waits for an answer."""
        return self.page.locator("byoc-calls-bar li")

    @property
    def asked(self) -> Locator:
        """Of what waits, colleagues' requests. Work may be offered at any moment: a conversation of an earlier test, say, whose rep has been gone for long."""
        return self.calls.filter(has_text="asks you")

    @property
    def log(self) -> Locator:
        return self.page.get_by_role("region", name="Conversation log")

    @property
    def notices(self) -> Locator:
        """What stands above the log."""
        return self.page.get_by_role("list", name="Notifications")

    @property
    def pending(self) -> Locator:
        return self.page.get_by_role("list", name="Pending invitations")

    @property
    def aside(self) -> Locator:
        """The side thread."""
        return self.page.get_by_role("complementary", name="Internal")

    def button(self, name: str, within: Locator | None = None) -> Locator:
        return (within or self.page).get_by_role("button", name=name, exact=True)

    def take(self) -> None:
        """Accept the one session that is offered."""
        expect(self.calls).to_have_count(1, timeout=PATIENCE_MS)
        session = self.calls.get_attribute("data-session")
        self.button("Accept", self.calls).click()
        expect(self.page).to_have_url(re.compile(f"#/{session}$"))
        expect(self.page.get_by_label("Message to the customer")).to_be_visible(timeout=PATIENCE_MS)

    def say(self, text: str) -> None:
        self.page.get_by_label("Message to the customer").fill(text)
        self.button("Send").click()

    def ask(self, purpose: str, kind: str, name: str) -> None:
        """Open the dialog by its button ("Conference" or "Transfer"), choose, send."""
        self.button(purpose).click()
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_role("radio", name=kind, exact=True).check(force=True)
        dialog.get_by_role("radio", name=re.compile(rf"^{name}\b")).check(timeout=PATIENCE_MS)
        dialog.get_by_role("button", name="Invite" if purpose == "Conference" else "Transfer", exact=True).click()
        expect(dialog).to_have_count(0, timeout=PATIENCE_MS)

    def sees(self, text: str | re.Pattern[str]) -> None:
        expect(self.log).to_contain_text(text, timeout=PATIENCE_MS)


class Visitor:
    """The customer of a web chat, on its own page."""

    name = "Kim"

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        page.goto(f"{url}/chat/webchat?locale=en")

    @property
    def screen(self) -> Locator:
        return self.page.locator("byoc-chat")

    def say(self, text: str) -> None:
        field = self.page.get_by_role("textbox", name="Message")
        field.fill(text, timeout=PATIENCE_MS)
        field.press("Enter")

    def sees(self, text: str | re.Pattern[str]) -> None:
        expect(self.page.get_by_text(text).first).to_be_visible(timeout=PATIENCE_MS)


class Handset:
    """One handset of the phone wall."""

    def __init__(self, page: Page, title: str) -> None:
        self.page, self.title = page, title

    @property
    def screen(self) -> Locator:
        return self.page.get_by_role("region", name=f"{self.title}: messages")

    def say(self, text: str) -> None:
        field = self.page.get_by_label(f"Message on {self.title}", exact=True)
        field.fill(text)
        field.press("Enter")

    def sees(self, text: str | re.Pattern[str]) -> None:
        expect(self.screen).to_contain_text(text, timeout=PATIENCE_MS)

    def attach(self, file: Path) -> None:
        self.page.locator("byoc-handset").filter(has=self.screen).locator("input[type=file]").set_input_files(file)

    def do(self, deed: str) -> None:
        """Press one of the buttons behind the dots."""
        mine = self.page.locator("byoc-handset").filter(has=self.screen)
        opener = mine.get_by_role("button", name=f"{self.title}: what else the customer can do", exact=True)
        opener.click()
        mine.get_by_role("button", name=deed, exact=True).click()
        opener.click()

    def choose(self, text: str) -> Locator:
        """Open what there is to see and to do for a line; gives the button that did it."""
        row = self.screen.get_by_role("listitem").filter(has_text=text)
        opener = row.get_by_role("button", name="Actions for this message")
        opener.click()
        return opener

    def on_line(self, text: str, deed: str, words: str | None = None) -> None:
        """Choose a line, and do something with it."""
        self.choose(text)
        dialog = self.page.get_by_role("dialog")
        if words is not None:
            dialog.get_by_label("New text").fill(words)
        dialog.get_by_role("button", name=deed, exact=True).click()
