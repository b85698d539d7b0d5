"""The simulated Cloud API: what it answers to our calls, and what it then tells by webhook.

As at Meta, a send is answered with 200 first and most refusals follow as a status `failed`: a closed window (131047), a customer who can't
be reached (131026). Sources: Meta for Developers, WhatsApp Cloud API, "Send messages", "Error codes", "Throughput" (read 2026).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from adapters._meta.simulator.graph import graph_error, json_answer, json_of, known_keys
from adapters._meta.simulator.provider import Edge
from adapters.contract import Answer, RawRequest
from adapters.simulation import media_of
from adapters.whatsapp.simulator.files import CDN
from adapters.whatsapp.simulator.rules import canonical, check_message, details
from adapters.whatsapp.simulator.world import NUMBER, WhatsAppPhone, World

_WINDOW: Final = timedelta(hours=24)
_LATE: Final = "Message failed to send because more than 24 hours have passed since the customer last replied to this number."


class Api(World):
    """One number's part of the Graph API."""

    cdn = CDN

    def serve(self, request: RawRequest, now: datetime) -> Answer:
        """A customer's file."""
        return self.store.fetch(request, now)

    def edge(self, request: RawRequest, path: tuple[str, ...]) -> Edge | None:
        """The number, its messages and files, and the files themselves."""
        number = self.account.phone_number_id
        edges: dict[tuple[str, ...], Edge] = {
            ("POST", number, "messages"): self._messages,
            ("POST", number, "media"): self.store.upload,
            ("GET", number): self._number,
        }
        if len(path) == 1 and path[0] != number and request.method in ("GET", "DELETE"):
            return self.store.node
        return edges.get((request.method, *path))

    def _number(self, request: RawRequest, now: datetime) -> Answer:
        number = self.account.phone_number_id
        return json_answer({"id": number, "display_phone_number": NUMBER, "verified_name": "Demo shop"})

    def _messages(self, request: RawRequest, now: datetime) -> Answer:
        body = json_of(request)
        if body.get("messaging_product") != "whatsapp":
            raise graph_error(100, "The parameter messaging_product is required.")
        if "status" in body:
            return self._mark_read(body, now)
        kind = body.get("type", "text")
        check_message(body, kind)
        befalls = self.befall()
        if not self.rate.take(now):
            raise graph_error(130429, "Rate limit hit", data=details("Cloud API message throughput has been reached."))
        return self._accept(body, kind, befalls.error if befalls else None, now)

    def _accept(self, body: dict[str, Any], kind: str, error: int | None, now: datetime) -> Answer:
        """200 comes first; what WhatsApp thinks of the message follows as a status."""
        given = str(body.get("to") or body.get("recipient"))
        phone = self.find(given)
        if phone is not None and not phone.rate.take(now):
            raise graph_error(
                131056, "(Business Account, Consumer Account) pair rate limit hit", data=details("Too many messages.")
            )
        self.store.check(body.get(kind), kind, now)
        message_id, ours = self.message_id(), body.get("biz_opaque_callback_data")
        if error is not None:
            self.failed(phone or given, message_id, ours, error, "Failed on command", now)
        elif phone is None or phone.blocked:
            self.failed(phone or given, message_id, ours, 131026, "Message undeliverable", now)
        elif phone.wrote_at is None or now - phone.wrote_at > _WINDOW:
            self.failed(phone, message_id, ours, 131047, "Re-engagement message", now, _LATE)
        else:
            self._hand_on(phone, message_id, body, kind, now)
        contact = {"input": given, "wa_id": canonical(given)} if "to" in body else {"input": given, "user_id": given}
        return json_answer({"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": message_id}]})

    def _hand_on(self, phone: WhatsAppPhone, message_id: str, body: dict[str, Any], kind: str, now: datetime) -> None:
        """The message is on its way: `sent`, and `delivered` as soon as the phone is on."""
        content, ours = body[kind], body.get("biz_opaque_callback_data")
        context = body.get("context")
        quoted: dict[str, Any] = {"reply_to": str(context.get("message_id"))} if isinstance(context, dict) else {}

        def show(file_id: str | None, then: datetime) -> None:
            if file_id == "":
                self.failed(phone, message_id, ours, 131053, "Media upload error", then)
                return
            phone.typing_until = None
            phone.agent = False  # who sends takes the conversation over
            phone.ours[message_id] = ours
            self.statuses(phone, "sent", [message_id], then)
            media = media_of(self.files[file_id], file_id) if file_id else None
            words = content.get("body") or content.get("caption")
            notice = (ours or "").startswith("ntc_")
            self.show(phone, message_id, then, text=words, kind="notice" if notice else "message", media=media, **quoted)

        self.once_fetched(content.get("link"), content.get("id"), phone, show, now)

    def _mark_read(self, body: dict[str, Any], now: datetime) -> Answer:
        known_keys(body, {"messaging_product", "status", "message_id", "typing_indicator"}, "body")
        phone = next((one for one in self.phones.values() if body.get("message_id") in one.lines), None)
        if body["status"] != "read" or phone is None:
            raise graph_error(131009, "Parameter value is not valid", data=details("Message ID is invalid."))
        if body.get("typing_indicator", {"type": "text"}) != {"type": "text"}:
            raise graph_error(100, "Invalid parameter: typing_indicator")
        if "typing_indicator" in body:
            phone.typing_until = now + timedelta(seconds=25)
        self.seen_by_us(phone)
        return json_answer({"success": True})
