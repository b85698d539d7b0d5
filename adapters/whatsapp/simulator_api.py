"""The simulated Cloud API: what it answers to our calls, and what it then tells by webhook.

As at Meta, a send is answered with 200 first and most refusals follow as a status `failed`: a closed window (131047), a customer who can't
be reached (131026). Sources: Meta for Developers, WhatsApp Cloud API, "Send messages", "Error codes", "Throughput" (read 2026).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from adapters._meta.mischief import Mischief
from adapters._meta.simulation import (
    Bucket,
    Refused,
    check_token,
    edge_of,
    graph_error,
    json_answer,
    json_of,
    known_keys,
    unknown_path,
)
from adapters.contract import Answer, RawRequest
from adapters.simulation import Outcome, ProviderCall, Shown, SimFile
from adapters.whatsapp.simulator_files import CDN, Files
from adapters.whatsapp.simulator_rules import canonical, check_message, details
from adapters.whatsapp.simulator_world import NUMBER, Phone, World

_WINDOW: Final = timedelta(hours=24)
_LATE: Final = "Message failed to send because more than 24 hours have passed since the customer last replied to this number."


@dataclass(frozen=True, slots=True)
class _Pending:
    """A message of ours on its way to a phone."""

    phone: Phone
    message_id: str
    ours: str | None
    text: str | None
    quoted: str | None = None


class Api:
    """One number's part of the Graph API."""

    def __init__(self, world: World, files: Files, rate: tuple[float, float]) -> None:
        self._world = world
        self._files = files
        self._rate = Bucket(*rate)
        self._fetching: dict[str, _Pending] = {}

    def handle(self, request: RawRequest, now: datetime) -> Outcome:
        """A call of ours, answered as Graph answers."""
        try:
            if request.path.strip("/") == CDN:
                return Outcome(self._files.fetch(request, now))
            return self._edge(request, edge_of(request), now)
        except Refused as refused:
            return Outcome(refused.answer)

    def _edge(self, request: RawRequest, edge: tuple[str, ...], now: datetime) -> Outcome:
        check_token(request, self._world.account)
        number = self._world.account.phone_number_id
        if edge == (number, "messages") and request.method == "POST":
            return self._messages(json_of(request), now)
        if edge == (number, "media") and request.method == "POST":
            return Outcome(self._files.upload(request, now))
        if edge == (number,) and request.method == "GET":
            return Outcome(json_answer({"id": number, "display_phone_number": NUMBER, "verified_name": "Demo shop"}))
        if len(edge) == 1 and request.method in ("GET", "DELETE"):
            return Outcome(self._files.node(request.method, edge[0], now))
        raise unknown_path(request)

    def _messages(self, body: dict[str, Any], now: datetime) -> Outcome:
        if body.get("messaging_product") != "whatsapp":
            raise graph_error(100, "The parameter messaging_product is required.")
        if "status" in body:
            return Outcome(self._mark_read(body, now))
        kind = body.get("type", "text")
        check_message(body, kind)
        mischief = self._world.orders.next()
        if mischief.refuses:
            return mischief.upon(Outcome())
        if not self._rate.take(now):
            raise graph_error(130429, "Rate limit hit", data=details("Cloud API message throughput has been reached."))
        return mischief.upon(self._accept(body, kind, mischief, now))

    def _accept(self, body: dict[str, Any], kind: str, mischief: Mischief, now: datetime) -> Outcome:
        """200 comes first; what WhatsApp thinks of the message follows as a status."""
        given = str(body.get("to") or body.get("recipient"))
        phone = self._world.find(given)
        if phone is not None and not phone.rate.take(now):
            raise graph_error(
                131056, "(Business Account, Consumer Account) pair rate limit hit", data=details("Too many messages.")
            )
        self._files.check(body.get(kind), kind, now)
        message_id = self._world.wamid()
        contact = {"input": given, "wa_id": canonical(given)} if "to" in body else {"input": given, "user_id": given}
        answer = json_answer({"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": message_id}]})
        return Outcome(answer, self._later(phone or given, body, kind, message_id, mischief, now))

    def _later(
        self, to: Phone | str, body: dict[str, Any], kind: str, message_id: str, mischief: Mischief, now: datetime
    ) -> tuple[ProviderCall, ...]:
        ours = (message_id, body.get("biz_opaque_callback_data"))
        if mischief.error is not None:
            return (self._world.failed(to, ours, mischief.error, "Failed on command", now),)
        if isinstance(to, str) or to.blocked:
            return (self._world.failed(to, ours, 131026, "Message undeliverable", now),)
        if to.wrote_at is None or now - to.wrote_at > _WINDOW:
            return (self._world.failed(to, ours, 131047, "Re-engagement message", now, _LATE),)
        content = body[kind]
        pending = _Pending(to, *ours, content.get("body") or content.get("caption"), _quoted(body))
        return (self._fetch(pending, content["link"]),) if "link" in content else self._show(pending, content.get("id"), now)

    def _show(self, pending: _Pending, file_id: str | None, now: datetime) -> tuple[ProviderCall, ...]:
        """The message is on its way: `sent`, and `delivered` as soon as the phone is on."""
        phone, ours = pending.phone, (pending.message_id, pending.ours)
        phone.lines[pending.message_id] = Shown(
            id=pending.message_id,
            sender="them",
            kind="notice" if (pending.ours or "").startswith("ntc_") else "message",
            text=pending.text,
            at=now,
            media=self._files.described(file_id),
            **({"reply_to": pending.quoted} if pending.quoted else {}),
        )
        phone.typing_until = None
        phone.agent = False  # who sends takes the conversation over
        phone.waiting.append(ours)
        return (self._world.statuses(phone, "sent", [ours], now), *self._world.deliver(phone, now))

    def _mark_read(self, body: dict[str, Any], now: datetime) -> Answer:
        known_keys(body, {"messaging_product", "status", "message_id", "typing_indicator"}, "body")
        phone = next((one for one in self._world.phones.values() if body.get("message_id") in one.lines), None)
        if body["status"] != "read" or phone is None:
            raise graph_error(131009, "Parameter value is not valid", data=details("Message ID is invalid."))
        if body.get("typing_indicator", {"type": "text"}) != {"type": "text"}:
            raise graph_error(100, "Invalid parameter: typing_indicator")
        if "typing_indicator" in body:
            phone.typing_until = now + timedelta(seconds=25)
        for line in [one for one in phone.lines.values() if one.sender == "me"]:
            phone.lines[line.id] = line.model_copy(update={"seen": True})
        return json_answer({"success": True})

    def _fetch(self, pending: _Pending, link: str) -> ProviderCall:
        """A file that we gave as a link is fetched before the message goes on."""
        call_id = f"fetch-{self._world.count()}"
        self._fetching[call_id] = pending
        return ProviderCall(call_id, "GET", link, purpose="fetch", lane=pending.phone.wa_id)

    def fetched(self, call: ProviderCall, answer: Answer | None, now: datetime) -> tuple[ProviderCall, ...]:
        """The link was answered, or not."""
        pending = self._fetching.pop(call.id)
        if answer is None or answer.status != 200:
            ours = (pending.message_id, pending.ours)
            return (self._world.failed(pending.phone, ours, 131053, "Media upload error", now),)
        headers = {name.lower(): value for name, value in answer.headers.items()}
        mime_type = headers.get("content-type", "application/octet-stream").partition(";")[0]
        name = call.url.partition("?")[0].rpartition("/")[2] or "file"
        file = SimFile(name=name, mime_type=mime_type, content=answer.body)
        return self._show(pending, self._files.keep(file, now), now)


def _quoted(body: dict[str, Any]) -> str | None:
    context = body.get("context")
    return str(context.get("message_id")) if isinstance(context, dict) else None
