"""What customers of the simulated Messenger Platform do in their chats, and what Meta tells us of it.

Beyond what all of Meta's channels can (`adapters._meta.simulator.provider`), `details` may hold: `referral` (`say` without a text tells of it
alone), `optin` (of a plug-in), `products` (of the shop's catalogue), `sticker_id` and `twice` (the form of summer 2026), `form` of a choice
(`quick_reply`, `postback`), `story` (an answer to our story), `owner` (`inbox` or `bot` takes the thread, `us` gets it back), and `asks` (`inbox` or
`bot` asks us for the thread). `staff` wrote in the inbox, or in the app that holds the thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from adapters._meta.platform.simulator.world import Chat, World
from adapters._meta.simulator.provider import GraphWishes
from adapters.simulation import CannotAct, Deed, Doing, Shown, SimFile

_THUMB: Final = 369239263222822
_BOT: Final = "99000000000001"  # an app of somebody else's on the same Page
_Deed: TypeAlias = Deed[Chat, GraphWishes]


class Customers(World):
    """The people at the other end."""

    no_sticker = SimFile(name="thumb.png", mime_type="image/png", content=b"\x89PNG thumb")

    # ------------------------------------------------------------------------------------------------ on the wire

    def item(self, deed: _Deed, message_id: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """An event; a message, or a postback, has an id and what rides on it."""
        for key in ("message", "postback"):
            if key in content and "mid" not in content[key]:
                content = {key: {"mid": message_id, **content[key], **_modifiers(deed)}}
        return self.addressed(deed.phone, content, deed.now)

    def told(self, deed: _Deed, items: list[dict[str, Any]]) -> bytes | None:
        """One entry."""
        return self.entry(deed.phone, items, deed.now)

    def text(self, text: str) -> dict[str, Any]:
        """A message."""
        return {"message": {"text": text}}

    def attached(self, deed: _Deed, file: SimFile, file_id: str) -> dict[str, Any]:
        """A file, perhaps with a text."""
        family = file.mime_type.partition("/")[0]
        words = {"text": deed.action.text} if deed.action.text else {}
        payload = {"url": self.store.url(file_id, deed.now)}
        kind = family if family in ("image", "video", "audio") else "file"
        return {"message": {**words, "attachments": [{"type": kind, "payload": payload}]}}

    def sticker(self, deed: _Deed, file_id: str) -> dict[str, Any]:
        """Since August 30 2026 a sticker comes as `sticker` alone."""
        number = deed.details.get("sticker_id", _THUMB)
        if not str(number).isdecimal():
            raise CannotAct("a sticker_id is a number")
        payload = {"url": self.store.url(file_id, deed.now), "sticker_id": int(number)}
        kinds = ("image", "sticker") if deed.details.get("twice") else ("sticker",)
        return {"message": {"attachments": [{"type": kind, "payload": payload} for kind in kinds]}}

    def located(self, latitude: float, longitude: float, details: Mapping[str, Any]) -> dict[str, Any]:
        """On Messenger."""
        payload = {"coordinates": {"lat": latitude, "long": longitude}}
        return {"message": {"attachments": [{"type": "location", "payload": payload}]}}

    def chosen(self, choice_id: str, title: str, details: Mapping[str, Any]) -> dict[str, Any]:
        """A quick reply, or a button that stays."""
        form = details.get("form", "quick_reply")
        if form == "postback":
            return {"postback": {"title": title, "payload": choice_id}}
        if form != "quick_reply":
            raise CannotAct("the form of a choice is quick_reply or postback")
        return {"message": {"text": title, "quick_reply": {"payload": choice_id}}}

    def reaction(self, line_id: str, emoji: str) -> dict[str, Any]:
        """Without an emoji it is taken back."""
        given = {"reaction": "other", "emoji": emoji} if emoji else {}
        return {"reaction": {"mid": line_id, "action": "react" if emoji else "unreact", **given}}

    def edit(self, deed: _Deed, line_id: str) -> dict[str, Any]:
        """Told by Messenger alone."""
        if not self.dialect.edits:
            raise CannotAct("Instagram tells nothing of edits")
        number = deed.phone.edits.get(line_id, 0) + 1
        if number > 5:
            raise CannotAct("Messenger lets people edit 5 times")
        deed.phone.edits[line_id] = number
        return {"message_edit": {"mid": line_id, "text": deed.action.text, "num_edit": number}}

    def revocation(self, line_id: str) -> dict[str, Any] | None:
        """Messenger tells nobody; Instagram does."""
        return {"message": {"mid": line_id, "is_deleted": True}} if self.dialect.unsends else None

    # ------------------------------------------------------------------------------------- what else they can do

    def doings(self) -> Mapping[str, Doing[Chat, GraphWishes]]:
        """Places on Messenger alone."""
        return {kind: doing for kind, doing in super().doings().items() if kind != "location" or self.dialect.locations}

    def tales(self) -> Mapping[str, Doing[Chat, GraphWishes]]:
        """What is told otherwise than as a text or a file."""
        tales = {"owner": self._hand_over, "asks": self._ask, "staff": self._echo, "products": self._products}
        return {**tales, "optin": self._come, "referral": self._come}

    def _products(self, deed: _Deed) -> str:
        """Products of the shop's catalogue, as an app with `catalog_management` is told of them."""
        given, text = deed.details["products"], deed.action.text
        if (
            not isinstance(given, list)
            or not 1 <= len(given) <= 10
            or not all(isinstance(one, dict) and one.get("id") for one in given)
        ):
            raise CannotAct(
                "products needs 1 to 10 products, each with an id; retailer_id, title, subtitle (the price) and image_url may be there"
            )
        known = ("id", "retailer_id", "image_url", "title", "subtitle")
        elements = [{key: str(one[key]) for key in known if key in one} for one in given]
        attachments = [{"type": "template", "payload": {"product": {"elements": elements}}}]
        message: dict[str, Any] = {**({"text": text} if text else {}), "attachments": attachments}
        shown = ", ".join(str(one.get("title") or one["id"]) for one in given)
        return self.write(deed, [{"message": message}], f"{text}\n[{shown}]" if text else f"[{shown}]")

    def _come(self, deed: _Deed) -> str | None:
        """A link or an ad opens a chat that was there before; a new one begins with the postback of *Get started*. A plug-in needs none.
        With a text, it rides on that."""
        if deed.action.text or deed.action.file:
            return self.says(deed)
        if "optin" in deed.details:
            return self.mention(deed, {"optin": deed.details["optin"]})
        if not deed.phone.lines:
            raise CannotAct("a link opens an existing chat; a new one begins with choose, form postback, and the referral on it")
        return self.mention(deed, {"referral": deed.details["referral"]})

    def _echo(self, deed: _Deed) -> str:
        """Our own side wrote to the customer in Meta's inbox."""
        chat, text = deed.phone, deed.action.text
        if not text:
            raise CannotAct("staff needs a text")
        mid = self.message_id()
        chat.lines[mid] = Shown(id=mid, sender="them", text=text, at=deed.now)
        writer = chat.owner if chat.owner not in (None, self.account.app_id) else self.dialect.inbox_app
        self.event(
            chat, {"message": {"mid": mid, "is_echo": True, "app_id": int(str(writer)), "text": text}}, deed.now, from_us=True
        )
        return mid

    def _hand_over(self, deed: _Deed) -> None:
        """Another app takes the thread when it answers there; it passes it to us when it is done."""
        ours, owner, chat = self.account.app_id, str(deed.details["owner"]), deed.phone
        before = chat.owner or ours
        chat.owner = ours if owner == "us" else self._app(owner)
        key = "pass_thread_control" if owner == "us" else "take_thread_control"
        metadata = str(deed.details.get("metadata", ""))
        handover = {"previous_owner_app_id": before, "new_owner_app_id": chat.owner, "metadata": metadata}
        self.event(chat, {key: handover}, deed.now)

    def _ask(self, deed: _Deed) -> None:
        """Another app asks for the thread; Meta tells the one that holds it."""
        if deed.phone.owner not in (None, self.account.app_id):
            raise CannotAct("who holds the thread is asked, and that is another app")
        metadata, app = str(deed.details.get("metadata", "")), self._app(str(deed.details["asks"]))
        self.event(deed.phone, {"request_thread_control": {"requested_owner_app_id": app, "metadata": metadata}}, deed.now)

    def _app(self, name: str) -> str:
        apps = {"inbox": self.dialect.inbox_app, "bot": _BOT}
        if name not in apps:
            raise CannotAct(f"no such app: {name}; there are {', '.join(apps)} (and us)")
        return apps[name]


def _modifiers(deed: _Deed) -> dict[str, Any]:
    """What may ride on a message: what it answers, and where the customer came from."""
    details, target = deed.details, deed.action.target
    story = {"reply_to": {"story": {"id": str(details.get("story")), "url": "https://cdn.example/story"}}}
    quoted = {"reply_to": {"mid": target}} if target else {}
    referral = {"referral": details["referral"]} if "referral" in details else {}
    return {**quoted, **(story if "story" in details else {}), **referral}
