"""LINE's own side: an official account and its friends' phones, as strict as the real one.

Webhooks are signed over their raw bytes, wait two seconds for a 2xx, and are redelivered with the same event ids. What our calls get
stands in `simulator_api`, what is wrong with them in `simulator_rules`, access tokens in `simulator_tokens`.
Source: LINE Developers, "Messaging API reference" and "Receiving messages".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias
from urllib.parse import unquote, urlsplit

from adapters.contract import Answer, RawRequest
from adapters.line.account import LineAccount
from adapters.line.simulator_api import Api, Switches, mischief_of
from adapters.line.simulator_world import Content, Phone, Webhook, World, milliseconds, user_id_of
from adapters.simulation import Action, CannotAct, Outcome, ProviderCall, Shown, SimFile, hex_of

# LINE tells neither how often nor how far apart it redelivers.
REDELIVERY_SECONDS: Final = (1.0, 2.0, 5.0, 15.0, 60.0, 120.0, 300.0, 600.0)
_WITH_REPLY_TOKEN: Final = frozenset({"message", "postback", "follow", "videoPlayComplete"})


class LineSimulator:
    """One official account of the simulated LINE."""

    def __init__(self, account: LineAccount) -> None:
        self.account = account
        self.switches = Switches()
        self._world = World(account)
        self.api = Api(self._world, self.switches)

    def handle(self, request: RawRequest, now: datetime) -> Outcome:
        """Our call to LINE's API, its data host or its sticker shop."""
        return self.api.handle(request, now)

    def handset(self, customer: str) -> list[Shown]:
        """The chat with the account, oldest first."""
        return list(self._world.phone(customer).lines)

    def loading(self, customer: str, now: datetime) -> bool:
        """Whether the phone shows the loading animation."""
        until = self._world.phone(customer).loading_until
        return until is not None and now < until

    def file(self, file_id: str) -> SimFile | None:
        """A file on a phone, by the id of its message."""
        return self._world.files.get(file_id)

    def refresh(self, customer: str, now: datetime) -> tuple[ProviderCall, ...]:
        """Nothing to do: phones are told at once."""
        return ()

    # ---------------------------------------------------------------------------------- what the customer does

    def act(self, action: Action, now: datetime) -> Outcome:
        """A customer does something.

        `details` may hold, beside what the kind takes: `times`, `delay_seconds`, `together_with` (names of other customers, who say the
        same in the same webhook), `group` (it is said there), `standby` (another tool has the chat), `owner` (`bot`: another tool has it from
        now on; `us`: it is ours again), `prepare_seconds` (of a file),
        `mischief` (see `simulator_api`).
        """
        phone = self._world.phone(action.customer)
        doing = _ACTS.get(action.kind)
        if doing is None:
            raise CannotAct(f"LINE has no {action.kind} in a chat with an official account{_INSTEAD.get(action.kind, '')}")
        if not phone.online and action.kind != "online":
            raise CannotAct("the phone is offline")
        if phone.blocked and action.kind not in ("unblock", "read", "offline"):
            raise CannotAct("the account is blocked: unblock it first")
        mischief = mischief_of(action.details)
        outcome = doing(self, phone, action, now)
        self._world.phones[phone.user_id] = phone
        self.api.mischief.extend(mischief)
        return outcome

    def _say(self, phone: Phone, action: Action, now: datetime) -> Outcome:
        if "owner" in action.details:
            return self._hand_over(phone, action, now)
        if not action.text and not action.file:
            raise CannotAct("say needs a text or a file")
        quoted = self._quoted(phone, action)
        first = self._say_file(phone, action, action.file, now) if action.file else Outcome()
        if not action.text:
            return first
        then = self._message(phone, "text", {"text": action.text, **quoted}, action, now, text=action.text)
        return Outcome(calls=(*first.calls, *then.calls), line_id=then.line_id)

    def _hand_over(self, phone: Phone, action: Action, now: datetime) -> Outcome:
        """The initiative in the chat goes to another module channel, or comes to us for an hour."""
        owner = str(action.details["owner"])
        if owner not in ("bot", "us"):
            raise CannotAct("owner is bot or us")
        phone.elsewhere = False  # both are told to us in mode active
        if owner == "us":
            own: dict[str, Any] = {"chatControl": {"expireAt": milliseconds(now + timedelta(hours=1))}}
            return self._posted(phone, self._event("activated", phone, action, now, **own), action, now)
        event = self._event("deactivated", phone, action, now)
        phone.elsewhere = True
        return self._posted(phone, event, action, now)

    def _quoted(self, phone: Phone, action: Action) -> dict[str, str]:
        if action.target and phone.find(action.target) is None:
            raise CannotAct(f"there is no line {action.target} to quote")
        return {"quotedMessageId": action.target} if action.target else {}

    def _say_file(self, phone: Phone, action: Action, file: SimFile, now: datetime) -> Outcome:
        family = file.mime_type.partition("/")[0]
        kind = family if family in ("image", "video", "audio") else "file"
        own: dict[str, Any] = {"contentProvider": {"type": "line"}}
        if kind == "file":
            own = {"fileName": file.name, "fileSize": len(file.content)}
        elif kind != "image":
            own["duration"] = int(action.details.get("duration_ms", 5000))
        outcome = self._message(phone, kind, own, action, now)
        self._keep(phone, str(outcome.line_id), file, now + timedelta(seconds=float(action.details.get("prepare_seconds", 0))))
        return outcome

    def _keep(self, phone: Phone, message_id: str, file: SimFile, ready_at: datetime) -> None:
        self._world.contents[message_id] = Content(file, ready_at)
        self._world.files[message_id] = file
        phone.change(message_id, media=_media(file, message_id))

    def _location(self, phone: Phone, action: Action, now: datetime) -> Outcome:
        names = ("title", "address", "latitude", "longitude")
        place: dict[str, Any] = {key: action.details[key] for key in names if key in action.details}
        if not {"latitude", "longitude"} <= place.keys():
            raise CannotAct("a location needs latitude and longitude in its details")
        return self._message(phone, "location", place, action, now, text=f"[location] {place.get('title', '')}".strip())

    def _sticker(self, phone: Phone, action: Action, now: datetime) -> Outcome:
        keyword = str(action.details.get("keyword") or action.text or "ok")
        package_id, _, sticker_id = str(action.details.get("id", "446/1988")).partition("/")
        ids = {"packageId": package_id, "stickerId": sticker_id or "1988"}
        own = {**ids, "stickerResourceType": "STATIC", "keywords": [keyword]}
        return self._message(phone, "sticker", own, action, now, text=f"[sticker: {keyword}]")

    def _message(
        self, phone: Phone, kind: str, own: Mapping[str, Any], action: Action, now: datetime, *, text: str | None = None
    ) -> Outcome:
        content = self._content(phone, kind, own)
        line_id = phone.show_mine(content["id"], now, text=text)
        return self._posted(phone, self._event("message", phone, action, now, message=content), action, now, line_id)

    def _content(self, phone: Phone, kind: str, own: Mapping[str, Any]) -> dict[str, Any]:
        message_id = self._world.next_message_id()
        tokens = {**self._world.quote_token(message_id, kind), "markAsReadToken": self._world.read_token(phone, message_id)}
        return {"type": kind, "id": message_id, **own, **tokens}

    def _choose(self, phone: Phone, action: Action, now: datetime) -> Outcome:
        """A tap on a button: LINE sends its data, and shows its words."""
        data = action.details.get("id", action.text)
        if not data:
            raise CannotAct("choose needs an id in its details")
        params = action.details.get("params")
        postback = {"data": str(data), **({"params": params} if params else {})}
        line_id = phone.show_mine(f"choice-{self._world.next()}", now, text=str(action.details.get("title") or data))
        return self._posted(phone, self._event("postback", phone, action, now, postback=postback), action, now, line_id)

    def _unsend(self, phone: Phone, action: Action, now: datetime) -> Outcome:
        line = phone.find(action.target)
        if line is None or line.sender != "me":
            raise CannotAct(f"there is no line {action.target} of yours to unsend")
        phone.change(line.id, text="You unsent a message", media=None, unsent=True)
        self._world.contents.pop(line.id, None)
        return self._posted(phone, self._event("unsend", phone, action, now, unsend={"messageId": line.id}), action, now)

    def _watch(self, phone: Phone, action: Action, now: datetime) -> Outcome:
        """The customer looks: LINE tells nobody, but for a video with a tracking id that is watched to its end."""
        line = phone.find(action.target)
        tracking = (line.model_extra or {}).get("tracking_id") if line else None
        if not tracking:
            return Outcome()
        event = self._event("videoPlayComplete", phone, action, now, videoPlayComplete={"trackingId": tracking})
        return self._posted(phone, event, action, now)

    def _block(self, phone: Phone, action: Action, now: datetime) -> Outcome:
        phone.blocked = True
        return self._posted(phone, self._event("unfollow", phone, action, now), action, now)

    def _unblock(self, phone: Phone, action: Action, now: datetime) -> Outcome:
        event = self._event("follow", phone, action, now, follow={"isUnblocked": phone.blocked})
        phone.blocked = False
        return self._posted(phone, event, action, now)

    def _offline(self, phone: Phone, action: Action, now: datetime) -> Outcome:
        phone.online = False
        return Outcome()

    def _online(self, phone: Phone, action: Action, now: datetime) -> Outcome:
        phone.online = True
        phone.lines, phone.held = [*phone.lines, *phone.held], []
        return Outcome()

    # --------------------------------------------------------------------------------------------- webhooks

    def _event(self, kind: str, phone: Phone, action: Action, now: datetime, **own: Any) -> dict[str, Any]:
        group = action.details.get("group")
        source = {"type": "group", "groupId": "C" + hex_of(str(group), 32)} if group else {"type": "user"}
        standby = phone.elsewhere or bool(action.details.get("standby"))
        event = {
            "type": kind,
            **own,
            "webhookEventId": self._world.next_event_id(now),
            "deliveryContext": {"isRedelivery": False},
            "timestamp": milliseconds(now),
            "source": {**source, "userId": phone.user_id},
            "mode": "standby" if standby else "active",
        }
        if kind in _WITH_REPLY_TOKEN and not standby:
            event["replyToken"] = self._world.reply_token(phone, now)
        return event

    def _posted(self, phone: Phone, event: dict[str, Any], action: Action, now: datetime, line_id: str | None = None) -> Outcome:
        """The webhook of an event: once or more often, in time or late, alone or with other customers' events."""
        webhook = Webhook([event], [(phone, line_id)] if line_id else [])
        for name in action.details.get("together_with", ()):
            self._join(webhook, str(name), action, now)
        delay = float(action.details.get("delay_seconds", 0))
        lane = f"late {self._world.next()}" if delay else phone.user_id  # what comes late is overtaken
        times = max(1, int(action.details.get("times", 1)))
        return Outcome(
            calls=tuple(self._world.webhook(webhook, lane, delay_seconds=delay) for _ in range(times)), line_id=line_id
        )

    def _join(self, webhook: Webhook, name: str, action: Action, now: datetime) -> None:
        phone = self._world.phones.setdefault(user_id_of(name), self._world.phone(name))
        content = self._content(phone, "text", {"text": action.text or ""})
        webhook.events.append(self._event("message", phone, action, now, message=content))
        webhook.lines.append((phone, phone.show_mine(content["id"], now, text=action.text)))

    def settled(self, call: ProviderCall, answer: Answer | None, now: datetime) -> tuple[ProviderCall, ...]:
        """A webhook was taken, or is redelivered later; a file was fetched, or is shown as broken."""
        if call.id in self._world.fetches:
            self._fetched(call, answer)
            return ()
        webhook = self._world.webhooks.pop(call.id, None)
        if webhook is None:
            return ()
        taken = answer is not None and 200 <= answer.status < 300
        if not taken and self.switches.redelivery and webhook.events and call.attempt <= len(REDELIVERY_SECONDS):
            return (self._again(webhook, call),)
        for phone, line_id in webhook.lines:
            if taken or (line := phone.find(line_id)) is None or line.status != "sent":
                phone.change(line_id, status="sent" if taken else "failed")
        return ()

    def _again(self, webhook: Webhook, call: ProviderCall) -> ProviderCall:
        """The same events, with the same ids and times, marked as redelivered."""
        events = [{**event, "deliveryContext": {"isRedelivery": True}} for event in webhook.events]
        delay = REDELIVERY_SECONDS[call.attempt - 1]
        return self._world.webhook(Webhook(events, webhook.lines), call.lane, delay_seconds=delay, attempt=call.attempt + 1)

    def _fetched(self, call: ProviderCall, answer: Answer | None) -> None:
        phone, message_id = self._world.fetches.pop(call.id)
        if answer is None or answer.status != 200:
            phone.change(message_id, broken=True)
            return
        headers = {key.lower(): value for key, value in answer.headers.items()}
        mime_type = headers.get("content-type", "application/octet-stream").partition(";")[0]
        name = unquote(urlsplit(call.url).path.rpartition("/")[2]) or "file"
        file = SimFile(name=name, mime_type=mime_type, content=answer.body)
        self._world.files[message_id] = file
        phone.change(message_id, media=_media(file, message_id))


def _media(file: SimFile, file_id: str) -> dict[str, Any]:
    return {"name": file.name, "mime_type": file.mime_type, "size_bytes": len(file.content), "file_id": file_id}


_Doing: TypeAlias = Callable[[LineSimulator, Phone, Action, datetime], Outcome]

_ACTS: Final[Mapping[str, _Doing]] = {
    "say": LineSimulator._say,
    "location": LineSimulator._location,
    "sticker": LineSimulator._sticker,
    "choose": LineSimulator._choose,
    "unsend": LineSimulator._unsend,
    "read": LineSimulator._watch,
    "block": LineSimulator._block,
    "unblock": LineSimulator._unblock,
    "offline": LineSimulator._offline,
    "online": LineSimulator._online,
}
_INSTEAD: Final = {
    "end": ": block the account instead",
    "contact": ": type it instead",
    "edit": ": unsend the message instead",
}
