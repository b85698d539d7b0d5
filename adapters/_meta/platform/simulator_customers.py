"""What customers of the simulated Messenger Platform do in their chats, and what Meta tells us of it.

Beyond what every handset can, `details` may hold: `referral` (an ad or link; `say` without a text tells of it alone), `optin` (of a plug-in),
`products` (of the shop's catalogue), `sticker_id` and `twice` (the form of summer 2026), `form` of a
choice (`quick_reply`, `postback`), `story` (an answer to our story), `batch` (so many texts in one delivery), `staff` (our own side wrote in
the inbox, or the app that holds the thread), `owner` (`inbox` or `bot` takes the thread, `us` gets it back, with `metadata`), `asks` (`inbox` or
`bot` asks us for the thread), and `mischief` (see `_meta`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from adapters._meta.mischief import asked_for
from adapters._meta.platform.simulator_files import Files
from adapters._meta.platform.simulator_world import Chat, World
from adapters.simulation import Action, CannotAct, Outcome, Shown, SimFile

_THUMB: Final = 369239263222822
_BOT: Final = "99000000000001"  # an app of somebody else's on the same Page
_MOST_IN_ONE: Final = 1000


class Customers:
    """The people at the other end."""

    def __init__(self, world: World, files: Files) -> None:
        self._world = world
        self._files = files

    def act(self, action: Action, now: datetime) -> Outcome:
        """One of them does something. Raises CannotAct."""
        chat = self._world.chats.get(action.customer) or Chat(action.customer)
        doing = _ACTS.get(action.kind)
        if doing is None or (action.kind == "location" and not self._world.dialect.locations):
            raise CannotAct(f"Meta tells us nothing of this: {action.kind}")
        if chat.blocked and action.kind not in ("unblock", "read"):
            raise CannotAct(f"{action.customer} has blocked the business; unblock first")
        ordered = asked_for(action.details)
        outcome = doing(self, chat, action, now)
        self._world.orders.add(ordered)
        self._world.chats[action.customer] = chat
        return outcome

    # ------------------------------------------------------------------------------------------------- writing

    def _say(self, chat: Chat, action: Action, now: datetime) -> Outcome:
        if "owner" in action.details:
            return self._hand_over(chat, action, now)
        if "asks" in action.details:
            return self._ask(chat, action, now)
        if action.details.get("staff"):
            return self._echo(chat, action, now)
        if "products" in action.details:
            return self._products(chat, action, now)
        if action.file is None and not action.text and ("referral" in action.details or "optin" in action.details):
            return self._come(chat, action, now)
        if action.file is None and not action.text:
            raise CannotAct("say needs a text or a file")
        if int(action.details.get("batch", 1)) > 1:
            return self._say_many(chat, action, int(action.details["batch"]), now)
        message: dict[str, Any] = {"text": action.text} if action.text else {}
        media = None
        if action.file is not None:
            file_id = self._files.keep(action.file, now)
            media = self._files.described(file_id)
            kind = _family(action.file.mime_type)
            message["attachments"] = [{"type": kind, "payload": {"url": self._files.url(file_id, now)}}]
        return self._write(chat, action, message, now, text=action.text, media=media)

    def _products(self, chat: Chat, action: Action, now: datetime) -> Outcome:
        """Products of the shop's catalogue, as an app with `catalog_management` is told of them."""
        given = action.details["products"]
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
        message: dict[str, Any] = {"text": action.text} if action.text else {}
        message["attachments"] = [{"type": "template", "payload": {"product": {"elements": elements}}}]
        shown = ", ".join(str(one.get("title") or one["id"]) for one in given)
        return self._write(chat, action, message, now, text=f"{action.text}\n[{shown}]" if action.text else f"[{shown}]")

    def _come(self, chat: Chat, action: Action, now: datetime) -> Outcome:
        """A link or an ad opens a chat that was there before; a new one begins with the postback of *Get started*. A plug-in needs none."""
        if "optin" in action.details:
            event = {"optin": action.details["optin"]}
        elif chat.lines:
            event = {"referral": action.details["referral"]}
        else:
            raise CannotAct("a link opens an existing chat; a new one begins with choose, form postback, and the referral on it")
        return self._tell(chat, action, event, now, "")

    def _say_many(self, chat: Chat, action: Action, count: int, now: datetime) -> Outcome:
        """Several events in one entry, as after an outage."""
        if count > _MOST_IN_ONE:
            raise CannotAct(f"a delivery holds {_MOST_IN_ONE} events at most")
        messages = [{"mid": self._world.mid(), "text": f"{action.text} {number}"} for number in range(1, count + 1)]
        for one in messages[1:]:
            chat.lines[one["mid"]] = Shown(id=one["mid"], sender="me", text=one["text"], at=now, status="sent")
        first = messages[0]
        chat.lines[first["mid"]] = Shown(id=first["mid"], sender="me", text=first["text"], at=now, status="sending")
        return self._tell(chat, action, {"message": first}, now, first["mid"], more=[{"message": one} for one in messages[1:]])

    def _sticker(self, chat: Chat, action: Action, now: datetime) -> Outcome:
        """Since August 30 2026 a sticker comes as `sticker` alone."""
        file = action.file or SimFile(name="thumb.png", mime_type="image/png", content=b"\x89PNG thumb")
        file_id = self._files.keep(file, now)
        payload = {"url": self._files.url(file_id, now), "sticker_id": int(action.details.get("sticker_id", _THUMB))}
        kinds = ("image", "sticker") if action.details.get("twice") else ("sticker",)
        message = {"attachments": [{"type": kind, "payload": payload} for kind in kinds]}
        return self._write(chat, action, message, now, media=self._files.described(file_id))

    def _location(self, chat: Chat, action: Action, now: datetime) -> Outcome:
        try:
            place = {"lat": float(action.details["latitude"]), "long": float(action.details["longitude"])}
        except (KeyError, TypeError, ValueError) as cause:
            raise CannotAct("location needs details latitude and longitude") from cause
        message = {"attachments": [{"type": "location", "payload": {"coordinates": place}}]}
        return self._write(chat, action, message, now, text=f"[location: {place['lat']:g}, {place['long']:g}]")

    def _choose(self, chat: Chat, action: Action, now: datetime) -> Outcome:
        title = action.text or str(action.details.get("title") or "")
        if not title:
            raise CannotAct("choose needs details id and title")
        payload = str(action.details.get("id") or title)
        if action.details.get("form") == "postback":
            return self._write(chat, action, {"title": title, "payload": payload}, now, text=title, key="postback")
        return self._write(chat, action, {"text": title, "quick_reply": {"payload": payload}}, now, text=title)

    # ------------------------------------------------------------------------------------- what was written before

    def _react(self, chat: Chat, action: Action, now: datetime) -> Outcome:
        line, emoji = _line(chat, action), action.text
        chat.lines[line.id] = line.model_copy(update={"reaction": emoji})
        reaction = {"mid": line.id, "action": "react" if emoji else "unreact"}
        if emoji:
            reaction |= {"reaction": "other", "emoji": emoji}
        return self._tell(chat, action, {"reaction": reaction}, now, line.id)

    def _edit(self, chat: Chat, action: Action, now: datetime) -> Outcome:
        if not self._world.dialect.edits:
            raise CannotAct("Instagram tells nothing of edits")
        line = _line(chat, action, own=True)
        number = chat.edits.get(line.id, 0) + 1
        if not action.text or now - line.at > timedelta(minutes=15) or number > 5:
            raise CannotAct("edit needs a text, and Messenger lets people edit 5 times within 15 minutes")
        chat.edits[line.id] = number
        chat.lines[line.id] = line.model_copy(update={"text": action.text, "edited": True})
        return self._tell(chat, action, {"message_edit": {"mid": line.id, "text": action.text, "num_edit": number}}, now, line.id)

    def _unsend(self, chat: Chat, action: Action, now: datetime) -> Outcome:
        """Messenger tells nobody; Instagram does."""
        line = _line(chat, action, own=True)
        chat.lines[line.id] = line.model_copy(update={"text": None, "media": None, "unsent": True})
        if not self._world.dialect.unsends:
            return Outcome(line_id=line.id)
        return self._tell(chat, action, {"message": {"mid": line.id, "is_deleted": True}}, now, line.id)

    # ----------------------------------------------------------------------------------------------- the webhook

    def _write(
        self,
        chat: Chat,
        action: Action,
        content: dict[str, Any],
        now: datetime,
        *,
        text: str | None = None,
        media: dict[str, Any] | None = None,
        key: str = "message",
    ) -> Outcome:
        mid = self._world.mid()
        chat.lines[mid] = Shown(id=mid, sender="me", text=text, at=now, status="sending", media=media)
        return self._tell(chat, action, {key: {"mid": mid, **content, **_modifiers(action)}}, now, mid)

    def _tell(
        self,
        chat: Chat,
        action: Action,
        event: Mapping[str, Any],
        now: datetime,
        line_id: str,
        more: list[dict[str, Any]] | None = None,
    ) -> Outcome:
        """Post what the customer did, after what they have read by then."""
        chat.offline = False
        before = (*self._world.deliver(chat, now), *self._world.look(chat, now))
        chat.wrote_at = now
        return Outcome(calls=(*before, *self._world.post(chat, line_id, event, action.details, now, more or [])), line_id=line_id)

    def _echo(self, chat: Chat, action: Action, now: datetime) -> Outcome:
        """Our own side wrote to the customer in Meta's inbox."""
        if not action.text:
            raise CannotAct("staff needs a text")
        mid = self._world.mid()
        chat.lines[mid] = Shown(id=mid, sender="them", text=action.text, at=now)
        writer = chat.owner if chat.owner not in (None, self._world.account.app_id) else self._world.dialect.inbox_app
        echo = {"mid": mid, "is_echo": True, "app_id": int(str(writer)), "text": action.text}
        return Outcome(calls=self._world.hook(chat, {"message": echo}, now, from_us=True), line_id=mid)

    def _hand_over(self, chat: Chat, action: Action, now: datetime) -> Outcome:
        """Another app takes the thread when it answers there; it passes it to us when it is done."""
        ours, owner = self._world.account.app_id, str(action.details["owner"])
        before = chat.owner or ours
        chat.owner = ours if owner == "us" else self._app(owner)
        key = "pass_thread_control" if owner == "us" else "take_thread_control"
        handover = {
            "previous_owner_app_id": before,
            "new_owner_app_id": chat.owner,
            "metadata": str(action.details.get("metadata", "")),
        }
        return Outcome(calls=self._world.hook(chat, {key: handover}, now))

    def _ask(self, chat: Chat, action: Action, now: datetime) -> Outcome:
        """Another app asks for the thread; Meta tells the one that holds it."""
        if chat.owner not in (None, self._world.account.app_id):
            raise CannotAct("who holds the thread is asked, and that is another app")
        request = {
            "requested_owner_app_id": self._app(str(action.details["asks"])),
            "metadata": str(action.details.get("metadata", "")),
        }
        return Outcome(calls=self._world.hook(chat, {"request_thread_control": request}, now))

    def _app(self, name: str) -> str:
        apps = {"inbox": self._world.dialect.inbox_app, "bot": _BOT}
        if name not in apps:
            raise CannotAct(f"no such app: {name}; there are {', '.join(apps)} (and us)")
        return apps[name]

    # ------------------------------------------------------------------------------------------------- the rest

    def _read(self, chat: Chat, action: Action, now: datetime) -> Outcome:
        return Outcome(calls=self._world.look(chat, now))

    def _block(self, chat: Chat, action: Action, now: datetime) -> Outcome:
        """Meta tells nobody; sends fail from now on."""
        chat.blocked = True
        return Outcome()

    def _unblock(self, chat: Chat, action: Action, now: datetime) -> Outcome:
        chat.blocked = False
        return Outcome()

    def _offline(self, chat: Chat, action: Action, now: datetime) -> Outcome:
        chat.offline = True
        return Outcome()

    def _online(self, chat: Chat, action: Action, now: datetime) -> Outcome:
        chat.offline = False
        return Outcome(calls=self._world.deliver(chat, now))


_ACTS: Final[dict[str, Callable[[Customers, Chat, Action, datetime], Outcome]]] = {
    "say": Customers._say,
    "read": Customers._read,
    "sticker": Customers._sticker,
    "location": Customers._location,
    "choose": Customers._choose,
    "react": Customers._react,
    "edit": Customers._edit,
    "unsend": Customers._unsend,
    "block": Customers._block,
    "unblock": Customers._unblock,
    "offline": Customers._offline,
    "online": Customers._online,
}


def _modifiers(action: Action) -> dict[str, Any]:
    """What may ride on a message: what it answers, and where the customer came from."""
    story = {"reply_to": {"story": {"id": str(action.details.get("story")), "url": "https://cdn.example/story"}}}
    quoted = {"reply_to": {"mid": action.target}} if action.target else {}
    referral = {"referral": action.details["referral"]} if "referral" in action.details else {}
    return {**quoted, **(story if "story" in action.details else {}), **referral}


def _family(mime_type: str) -> str:
    family = mime_type.partition("/")[0]
    return family if family in ("image", "video", "audio") else "file"


def _line(chat: Chat, action: Action, *, own: bool = False) -> Shown:
    line = chat.lines.get(action.target or "")
    if line is None or (own and line.sender != "me"):
        raise CannotAct(f"{action.kind} needs the id of a line on the handset" + (" that the customer wrote" if own else ""))
    return line
