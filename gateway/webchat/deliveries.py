"""What the gateway's own adapter calls: it proves itself by the account's secret, as any provider's client would."""

from __future__ import annotations

from typing import Final

from aiohttp import web
from pydantic import ValidationError

from adapters import standard_webhooks
from adapters.errors import NotAuthentic
from adapters.webchat import ADAPTER, wire
from gateway.edge.auth import unauthenticated
from gateway.edge.input import faults_of, read_body
from gateway.edge.problems import Fault, invalid
from gateway.webchat import shapes
from gateway.webchat.door import Visit
from gateway.webchat.model import StoredFile
from gateway.webchat.problems import ChatProblem
from gateway.webchat.service import Ended

_LARGEST_LINE: Final = 256 * 1024
_LARGEST_FILE: Final = ADAPTER.capabilities.files[0].max_bytes
_BODY_SECONDS: Final = 60.0


async def deliver(visit: Visit) -> web.Response:
    """`POST /deliver`: one line of the visitor's stream, appended once by its outbox id, or a typing signal."""
    outbox_id, body = await _signed(visit, _LARGEST_LINE)
    try:
        ask = shapes.Delivery.model_validate_json(body, strict=True)
    except ValidationError as wrong:
        raise faults_of(wrong, "body") from None
    if ask.id != outbox_id:
        raise invalid(Fault("/id", "must be the webhook-id"))
    if ask.type == "typing":
        if not await visit.service.deliver_typing(visit.account, ask.to, ask.line()):
            raise _nobody()
        return web.json_response({"id": None, "seq": None})
    try:
        file = await _file(visit, outbox_id, ask)
        event = await visit.service.deliver(visit.account, outbox_id, ask.to, ask.line(), file, ask.after_end)
    except Ended:
        detail = "The visitor has ended the conversation: its messages are no longer shown."
        raise ChatProblem("conversation_closed", detail) from None
    if event is None:
        raise _nobody()
    return web.json_response({"id": event.body["id"], "seq": event.seq})


async def deliver_file(visit: Visit) -> web.Response:
    """`POST /deliver/file`: the bytes of a file that the next line will name; the same outbox id, the same file."""
    outbox_id, body = await _signed(visit, _LARGEST_FILE)
    file_id = wire.file_id(visit.account.channel_id, outbox_id)
    await visit.service.keep(file_id, body)
    return web.json_response({"id": file_id})


async def _signed(visit: Visit, max_bytes: int) -> tuple[str, bytes]:
    body = await read_body(visit.request, max_bytes=max_bytes, seconds=_BODY_SECONDS)
    headers = {name.lower(): value for name, value in visit.request.headers.items()}
    try:
        return standard_webhooks.check(headers, body, visit.account.secrets, visit.service.now()), body
    except NotAuthentic as error:
        raise unauthenticated(f"This address only accepts signed deliveries from the gateway: {error}.") from None


async def _file(visit: Visit, outbox_id: str, ask: shapes.Delivery) -> StoredFile | None:
    if ask.file is None or ask.file.id is None:
        return None
    file_id = wire.file_id(visit.account.channel_id, outbox_id)
    if ask.file.id != file_id or await visit.service.files.find(file_id) is None:
        raise ChatProblem("file_missing", "Send the file to /deliver/file first, under the same webhook-id.")
    return StoredFile(file_id, ask.file.name, ask.file.mime_type, ask.file.size_bytes)


def _nobody() -> ChatProblem:
    return ChatProblem("visitor_not_found", "There is no such visitor. Their stream may have been deleted after `history_days`.")
