"""What customers of the simulated LINE do on their phones, and what LINE tells us of it.

Beyond what every handset can, and `LineWishes`, `details` may hold: `group` (it is said there), `standby` (another tool has the chat), `owner`
(`bot`: another tool has it from now on; `us`: it is ours again).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, TypeAlias

from adapters.line.simulator.world import LinePhone, LineWishes, World, milliseconds
from adapters.simulation import CannotAct, Deed, Doing, SimFile, hex_of, place

_WITH_REPLY_TOKEN: Final = frozenset({"message", "postback", "follow", "videoPlayComplete"})
_INSTEAD: Final = {
    "end": ": block the account instead",
    "contact": ": type it instead",
    "edit": ": unsend the message instead",
}
_Deed: TypeAlias = Deed[LinePhone, LineWishes]


class Customers(World):
    """The account's friends."""

    def cannot(self, kind: str) -> str:
        """With what they can do instead."""
        return f"LINE has no {kind} in a chat with an official account{_INSTEAD.get(kind, '')}"

    def doings(self) -> Mapping[str, Doing[LinePhone, LineWishes]]:
        """What LINE reports. Views are not reported, except for a video with a tracking id that is watched to its end."""
        return {
            **self.ordinary(),
            "say": self._say,
            "location": self._location,
            "sticker": self._sticker,
            "choose": self._choose,
            "unsend": self._unsend,
            "read": self._watch,
            "block": self._block,
            "unblock": self._unblock,
        }

    def _say(self, deed: _Deed) -> str | None:
        text, file, target = deed.action.text, deed.action.file, deed.action.target
        if "owner" in deed.details:
            self._hand_over(deed)
            return None
        if not text and not file:
            raise CannotAct("say needs a text or a file")
        quoted = {"quotedMessageId": deed.phone.target(deed.action).id} if target else {}
        line_id = self._say_file(deed, file) if file else None
        return self._message(deed, "text", {"text": text, **quoted}, text) if text else line_id

    def _hand_over(self, deed: _Deed) -> None:
        """The initiative in the chat goes to another module channel, or comes to us for an hour."""
        owner, phone = deed.details["owner"], deed.phone
        if owner not in ("bot", "us"):
            raise CannotAct("owner is bot or us")
        phone.elsewhere = False  # both are told to us in mode active
        own: dict[str, Any] = {"chatControl": {"expireAt": milliseconds(deed.now + timedelta(hours=1))}} if owner == "us" else {}
        event = self._event("activated" if owner == "us" else "deactivated", deed, **own)
        phone.elsewhere = owner == "bot"
        self._post(deed, event)

    def _say_file(self, deed: _Deed, file: SimFile) -> str:
        family = file.mime_type.partition("/")[0]
        kind = family if family in ("image", "video", "audio") else "file"
        own: dict[str, Any] = {"contentProvider": {"type": "line"}}
        if kind == "file":
            own = {"fileName": file.name, "fileSize": len(file.content)}
        elif kind != "image":
            own["duration"] = int(deed.wishes.duration_ms)
        return self._message(deed, kind, own, None, file)

    def _location(self, deed: _Deed) -> str:
        latitude, longitude = place(deed.details)
        names = {key: deed.details[key] for key in ("title", "address") if key in deed.details}
        where = {**names, "latitude": latitude, "longitude": longitude}
        return self._message(deed, "location", where, f"[location] {names.get('title', '')}".strip())

    def _sticker(self, deed: _Deed) -> str:
        keyword = str(deed.details.get("keyword") or deed.action.text or "ok")
        package_id, _, sticker_id = str(deed.details.get("id", "446/1988")).partition("/")
        ids = {"packageId": package_id, "stickerId": sticker_id or "1988"}
        own = {**ids, "stickerResourceType": "STATIC", "keywords": [keyword]}
        return self._message(deed, "sticker", own, f"[sticker: {keyword}]")

    def _message(self, deed: _Deed, kind: str, own: Mapping[str, Any], text: str | None, file: SimFile | None = None) -> str:
        content = self._worded(deed.phone, kind, own)
        line_id = self.mine(deed, str(content["id"]), text, file)
        if file:
            self.ready_at[line_id] = deed.now + timedelta(seconds=deed.wishes.prepare_seconds)
        self._post(deed, self._event("message", deed, message=content), line_id)
        return line_id

    def _worded(self, phone: LinePhone, kind: str, own: Mapping[str, Any]) -> dict[str, Any]:
        message_id = self.next_message_id()
        tokens = {**self.quote_token(message_id, kind), "markAsReadToken": self.read_token(phone, message_id)}
        return {"type": kind, "id": message_id, **own, **tokens}

    def _choose(self, deed: _Deed) -> str:
        """A tap on a button: LINE sends its data, and shows its words."""
        data = deed.details.get("id", deed.action.text)
        if not data:
            raise CannotAct("choose needs an id in its details")
        params = deed.details.get("params")
        postback = {"data": str(data), **({"params": params} if params else {})}
        line_id = self.mine(deed, f"choice-{self.next_number()}", str(deed.details.get("title") or data))
        self._post(deed, self._event("postback", deed, postback=postback), line_id)
        return line_id

    def _unsend(self, deed: _Deed) -> None:
        line = deed.phone.target(deed.action, own=True)
        deed.phone.change(line.id, text="You unsent a message", media=None, unsent=True)
        self.ready_at.pop(line.id, None)
        self._post(deed, self._event("unsend", deed, unsend={"messageId": line.id}))

    def _watch(self, deed: _Deed) -> None:
        line = deed.phone.line(deed.action.target)
        if tracking := (line.model_extra or {}).get("tracking_id") if line else None:
            self._post(deed, self._event("videoPlayComplete", deed, videoPlayComplete={"trackingId": tracking}))

    def _block(self, deed: _Deed) -> None:
        deed.phone.blocked = True
        self._post(deed, self._event("unfollow", deed))

    def _unblock(self, deed: _Deed) -> None:
        event = self._event("follow", deed, follow={"isUnblocked": deed.phone.blocked})
        deed.phone.blocked = False
        self._post(deed, event)

    # --------------------------------------------------------------------------------------------- webhooks

    def _event(self, kind: str, deed: _Deed, **own: Any) -> dict[str, Any]:
        group, phone = deed.details.get("group"), deed.phone
        source = {"type": "group", "groupId": "C" + hex_of(str(group), 32)} if group else {"type": "user"}
        standby = phone.elsewhere or bool(deed.details.get("standby"))
        event = {
            "type": kind,
            **own,
            "webhookEventId": self.next_event_id(deed.now),
            "deliveryContext": {"isRedelivery": False},
            "timestamp": milliseconds(deed.now),
            "source": {**source, "userId": phone.address},
            "mode": "standby" if standby else "active",
        }
        if kind in _WITH_REPLY_TOKEN and not standby:
            event["replyToken"] = self.reply_token(phone, deed.now)
        return event

    def _post(self, deed: _Deed, event: dict[str, Any], line_id: str | None = None) -> None:
        """The webhook of an event, alone or with other customers' events."""
        events, lines = [event], [(deed.phone, line_id)] if line_id else []
        for name in deed.wishes.together_with:
            theirs = replace(deed, phone=self.phones.setdefault(self.address_of(name), self.phone(name)))
            content = self._worded(theirs.phone, "text", {"text": deed.action.text or ""})
            events.append(self._event("message", theirs, message=content))
            lines.append((theirs.phone, self.mine(theirs, str(content["id"]), deed.action.text)))
        self.send(self.webhook(self.events(events), deed.phone.address, deed.now), deed.now, deed.wishes, tuple(lines))
