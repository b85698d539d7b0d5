"""Sending on the Messenger Platform, for Messenger and Instagram alike: one message, the window that it may go in, files, typing.

There is no retry key. Our outbox id travels as `metadata` and comes back in the echo, which settles a send whose answer was lost.
Sources: Meta for Developers, Messenger Platform, "Send API", "Send messages", "Error codes" (read 2026); tags as left since April 27 2026.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from adapters._meta import graph
from adapters._meta.account import PlatformAccount
from adapters._meta.platform import people
from adapters._meta.platform.failures import ERRORS, MEDIA
from adapters._meta.webhook import text_of
from adapters.contract import FileRule, Flow, FormFile, HttpCall, HttpReply, Sent
from adapters.envelope import Notice, OutboundFile, Say, TypingSignal
from adapters.errors import SendFailed, Unsupported, Verdict
from adapters.text import rule_among

WINDOW: Final = timedelta(hours=24)
AGENT_WINDOW: Final = timedelta(days=7)


_ROUTING: Final = {"2534037", "2534041", "2018300", "2018321"}
_ELSEWHERE: Final = (
    "Another app (the inbox or a bot) is answering this conversation. Answer there, or wait until it is handed back."
)
_FETCHES: Final = {"2018008", "2018294"}


def window(message: Say | Notice, account: PlatformAccount, now: datetime) -> dict[str, str]:
    """How it may go now. Within 24 hours freely; up to 7 days what a person wrote, where the app has the feature; else SendFailed."""
    age = now - message.last_inbound_at if message.last_inbound_at else timedelta(0)
    if age <= WINDOW:
        return {"messaging_type": "RESPONSE"}
    if isinstance(message, Say) and message.human and account.human_agent and age <= AGENT_WINDOW:
        return {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
    raise SendFailed(Verdict.dead, "outside_window")


def body_of(message: Say | Notice, content: Mapping[str, Any], how: Mapping[str, str]) -> dict[str, Any]:
    """The Send API's body."""
    body: dict[str, Any] = {"recipient": people.recipient(message), **how, "message": {**content, "metadata": message.id}}
    if isinstance(message, Say) and message.reply_to:
        body["reply_to"] = {"mid": message.reply_to}
    return body


def content_of(
    message: Say | Notice, account: PlatformAccount, now: datetime, files: tuple[FileRule, ...], extra: Mapping[str, str]
) -> Flow[dict[str, Any]]:
    """What is inside: a text, or a file that is uploaded first. `extra` are the upload's other fields."""
    if isinstance(message, Say) and message.file is not None:
        return (yield from _attachment(message.file, account, now, files, extra))
    if not message.text:
        raise Unsupported("An empty message can't be sent: write a text or add a file")
    return {"text": message.text}


def _attachment(
    file: OutboundFile, account: PlatformAccount, now: datetime, files: tuple[FileRule, ...], extra: Mapping[str, str]
) -> Flow[dict[str, Any]]:
    rule = rule_among(file, files)
    if rule is None:
        raise SendFailed(Verdict.dead, "media_refused")
    if not file.content:
        return {"attachment": {"type": rule.media, "payload": {"url": file.url, "is_reusable": False}}}
    described = {"attachment": {"type": rule.media, "payload": {"is_reusable": True}}}
    form = FormFile("filedata", file.name, file.mime_type.partition(";")[0].strip().lower(), file.content)
    fields = {"message": json.dumps(described, separators=(",", ":")), **extra}
    reply = yield graph.upload(account, f"{account.node}/message_attachments", fields, form)
    uploaded = text_of(graph.content(reply).get("attachment_id"))
    if not graph.good(reply) or uploaded is None:
        raise _upload_failed(reply, now)
    return {"attachment": {"type": rule.media, "payload": {"attachment_id": uploaded}}}


def _upload_failed(reply: HttpReply, now: datetime) -> SendFailed:
    """Nothing was sent yet, so an unclear answer means again; a bad parameter can only be the file."""
    failed = graph.refused(reply, now, {**ERRORS, "100": MEDIA})
    if failed.verdict is Verdict.unknown:
        return SendFailed(Verdict.again, "provider_unavailable", provider_code=failed.provider_code)
    return failed


def send_call(account: PlatformAccount, body: Mapping[str, Any]) -> HttpCall:
    """The call that the customer sees."""
    return graph.post(account, f"{account.node}/messages", body, visible=True)


def deliver(account: PlatformAccount, body: dict[str, Any]) -> Flow[HttpReply]:
    """Send; and once more where a refusal can be fixed: the quoted message is gone, or another app holds the thread.

    What was refused was not shown, so of all these calls the customer sees one.
    """
    reply = yield send_call(account, body)
    if "reply_to" in body and _code(reply) == "9000001":
        del body["reply_to"]
        reply = yield send_call(account, body)
    if account.take_thread and held_elsewhere(reply):
        taken = yield graph.post(account, f"{account.node}/take_thread_control", {"recipient": body["recipient"]}, visible=False)
        if graph.good(taken):
            reply = yield send_call(account, body)
    return reply


def _code(reply: HttpReply) -> str:
    error = graph.error_of(reply)
    return error.code if error else ""


def held_elsewhere(reply: HttpReply) -> bool:
    """Whether it was refused because another app holds the thread."""
    return bool(_ROUTING & set(_code(reply).split("/")))


def sent(reply: HttpReply, message: Say | Notice, now: datetime, remember: Mapping[str, Any]) -> Sent:
    """The message's id, or SendFailed."""
    if not graph.good(reply):
        raise failed(reply, message, now)
    mid = text_of(graph.content(reply).get("message_id"))
    if mid is None:
        raise graph.unclear(reply)
    return Sent(message_ids=(mid,), remember=remember)


def failed(reply: HttpReply, message: Say | Notice, now: datetime) -> SendFailed:
    """What a refusal means; a file that Meta couldn't fetch is tried for two minutes."""
    if held_elsewhere(reply):
        return SendFailed(Verdict.dead, "refused", _ELSEWHERE, provider_code=_code(reply))
    if _FETCHES & set(_code(reply).split("/")) and now - message.created_at > timedelta(minutes=2):
        return SendFailed(Verdict.dead, "media_refused", provider_code=_code(reply))
    return graph.refused(reply, now, ERRORS)


def typing(message: TypingSignal, account: PlatformAccount, now: datetime, extra: Mapping[str, str]) -> Flow[Sent]:
    """Dots in the chat; Meta lets them go out by themselves after some 20 seconds. Who answers has read, so the chat is marked as seen."""
    person = {"recipient": people.recipient(message)}
    if message.on and account.mark_seen:
        yield graph.post(account, f"{account.node}/messages", {**person, "sender_action": "mark_seen"}, visible=False)
    body = {**person, "sender_action": "typing_on" if message.on else "typing_off", **extra}
    reply = yield graph.post(account, f"{account.node}/messages", body, visible=False)
    if not graph.good(reply):
        raise graph.refused(reply, now, ERRORS)
    return Sent()
