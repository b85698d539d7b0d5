"""Makes the pictures of README and docs: starts a demo, plays a conversation on its pages, and photographs them into docs/images/.

    .venv/bin/python docs/screenshots.py [FOLDER] [--all]

With --all also in the widths and colours that the docs don't show, to be looked at. Needs the development extras and Debian's chromium.
"""

from __future__ import annotations

import base64
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.browsers import CHROMIUM, QUIET  # noqa: E402 - the tests' way to start a demo and to use its pages
from tests.pages.demo_process import Demo  # noqa: E402
from tests.pages.driving import DeskPage, Handset  # noqa: E402

# Drawn by the browser itself, so that no picture file has to be kept.
HINGE = """() => {
  const canvas = Object.assign(document.createElement("canvas"), {width: 640, height: 420});
  const c = canvas.getContext("2d");
  const wood = c.createLinearGradient(0, 0, 640, 420);
  wood.addColorStop(0, "#b98a5e"); wood.addColorStop(1, "#8f6138");
  c.fillStyle = wood; c.fillRect(0, 0, 640, 420);
  c.strokeStyle = "#7a5230";
  for (let y = 12; y < 420; y += 22) { c.beginPath(); c.moveTo(0, y); c.bezierCurveTo(200, y + 14, 420, y - 14, 640, y + 6); c.stroke(); }
  c.fillStyle = "#3c434d"; c.fillRect(316, 0, 9, 420);
  for (const [x, w] of [[180, 138], [324, 138]]) {
    c.fillStyle = "#c9ced6"; c.beginPath(); c.roundRect(x, 90, w, 240, 14); c.fill();
    for (const y of [130, 210, 290]) { c.fillStyle = "#7d8591"; c.beginPath(); c.arc(x + w / 2, y, 13, 0, 7); c.fill(); }
  }
  c.fillStyle = "#e4e7ec"; for (let n = 0; n < 5; n += 1) { c.beginPath(); c.roundRect(304, 92 + n * 48, 32, 44, 8); c.fill(); }
  c.strokeStyle = "#20242b"; c.lineWidth = 5; c.beginPath(); c.moveTo(200, 300); c.lineTo(236, 262); c.lineTo(228, 236); c.lineTo(268, 196); c.stroke();
  return canvas.toDataURL("image/png").split(",")[1];
}"""


def main(folder: Path, *, every: bool) -> None:
    """All pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        demo = Demo(Path(made))
        demo.start()
        try:
            Shoot(browser, demo, folder, Path(made), every=every).all()
        finally:
            demo.stop()
            browser.close()


class Shoot:
    """The play, and the moments at which it is photographed."""

    def __init__(self, browser: Browser, demo: Demo, folder: Path, made: Path, *, every: bool) -> None:
        self.browser, self.demo, self.folder, self.every = browser, demo, folder, every
        self.wall = self.page(1440, 900)
        self.wall.goto(f"{demo.url}/phones")
        self.picture = made / "hinge.png"
        self.picture.write_bytes(base64.b64decode(self.wall.evaluate(HINGE)))

    def page(self, width: int, height: int, **options: str) -> Page:
        context = self.browser.new_context(viewport={"width": width, "height": height}, **{"locale": "en-GB", **options})
        return context.new_page()

    def desk(self, login: str) -> DeskPage:
        return DeskPage(self.page(1440, 900), self.demo.url, login).open()

    def handset(self, channel: str) -> Handset:
        titles = {item["id"]: item["title"] for item in self.demo.call("GET", "/phones/channels")["items"]}
        return Handset(self.wall, titles[channel])

    def keep(self, page: Page, name: str, scheme: str = "light", size: tuple[int, int] | None = None) -> None:
        if size:
            page.set_viewport_size({"width": size[0], "height": size[1]})
        page.emulate_media(color_scheme=scheme)
        page.evaluate("scrollTo(0, 0)")
        page.wait_for_timeout(400)
        page.screenshot(path=self.folder / f"{name}.png")
        print(f"{name}.png")  # noqa: T201

    def all(self) -> None:
        """In the order of the play."""
        ana, ben, cleo = (self.desk(login) for login in ("ana", "ben", "cleo"))
        sam = self.desk("sam")
        ana.online()
        self.others(ana)
        self.conference(ana, ben, cleo, sam)
        self.keep(ana.page, "desk-conference")
        self.keep(sam.page, "desk-supervisor", "dark")
        self.keep(self.wall, "phones", size=(1440, 1180))
        self.handset("whatsapp").choose("2019 series")
        expect(self.wall.get_by_role("heading", name="What crossed the wire")).to_be_visible()
        self.keep(self.wall, "phones-wire", size=(1440, 900))
        self.wall.keyboard.press("Escape")
        if self.every:
            self.all_sizes({"conference": ana.page, "supervisor": sam.page, "phones": self.wall})
        for desk in (ana, ben, cleo):
            desk.presence.select_option("away")
        self.widget()

    def all_sizes(self, pages: dict[str, Page]) -> None:
        """For whoever looks at the pages."""
        for name, page in pages.items():
            for width, height in ((1440, 900), (1024, 768), (390, 844)):
                for scheme in ("light", "dark"):
                    self.keep(page, f"{name}-{width}-{scheme}", scheme, (width, height))

    def others(self, ana: DeskPage) -> None:
        """Life on the other handsets."""
        lines = {
            "sms": "Is the shop in Altona open on Saturday?",
            "messenger": "Do you deliver to Bremen?",
            "line": "¿Puedo cambiar una bisagra en la tienda?",
            "apple": "Which screws fit the brass hinge?",
        }
        answers = {
            "sms": "Yes, from 10 to 16.",
            "messenger": "We do, within three days.",
            "line": "Claro, tráigala cuando quiera.",
            "apple": "4 × 30 mm, countersunk.",
        }
        for channel, text in lines.items():
            phone = self.handset(channel)
            phone.say(text)
            ana.take()
            ana.say(answers[channel])
            phone.sees(answers[channel])

    def conference(self, ana: DeskPage, ben: DeskPage, cleo: DeskPage, sam: DeskPage) -> None:
        """Kim's hinge, three reps, a declined invitation, a flag."""
        phone = self.handset("whatsapp")
        phone.say("Hello! The hinge of my cupboard door broke. Can I get a new one?")
        phone.attach(self.picture)
        self.keep(ana.page, "desk-offer")
        ana.take()
        ana.say("Hello Kim, I'm sorry about that. Let me ask a colleague who knows the parts.")
        phone.sees("who knows the parts")
        ben.online()
        cleo.online()
        ana.ask("Conference", "Agent", "Ben")
        ben.button("Decline", ben.calls).click()
        expect(ana.notices).to_contain_text("declined")
        ana.button("Conference").click()
        ana.page.get_by_role("dialog").get_by_role("radio", name="Cleo").check()
        self.keep(ana.page, "desk-invite")
        ana.page.keyboard.press("Escape")
        ana.ask("Conference", "Agent", "Cleo")
        cleo.button("Join", cleo.calls).click()
        ana.sees("Cleo joined")
        cleo.say("Hi Kim, Cleo here. That is the brass hinge of the 2019 series; we still have it.")
        phone.sees("2019 series")
        phone.say("Great! It is still under guarantee, isn't it?")
        ana.button("Raise flag").click()
        ana.page.get_by_label("Raise a flag: tell a supervisor what you need").fill(
            "Bought two years and a month ago. May I send it for free?"
        )
        ana.button("Raise flag", ana.aside).click()
        sam.page.get_by_role("region", name="Flagged 1").get_by_role("button").click()
        sam.page.get_by_label("Whisper to Ana").fill("Yes, please do. Note the order number.")
        sam.button("Whisper", sam.aside).click()
        expect(ana.aside).to_contain_text("order number")
        ana.ask("Conference", "Queue", "Support")

    def widget(self) -> None:
        """A visitor's chat in Arabic."""
        page = self.page(900, 760, locale="ar")
        page.goto(f"{self.demo.url}/chat/webchat?locale=ar")
        field = page.get_by_role("textbox").last
        field.fill("مرحبا، انكسرت مفصلة باب خزانتي. هل يمكنني الحصول على بديل؟")
        field.press("Enter")
        cleo = self.desk("cleo").online()
        cleo.take()
        cleo.say("مرحبا، أنا كليو. نعم بالتأكيد، ما هو رقم طلبك؟")
        expect(page.locator(".bubble", has_text="رقم طلبك")).to_be_visible(timeout=15_000)
        self.keep(page, "widget-ar")


if __name__ == "__main__":
    folders = [one for one in sys.argv[1:] if one != "--all"]
    main(Path(folders[0]) if folders else ROOT / "docs" / "images", every="--all" in sys.argv)
