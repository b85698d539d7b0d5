"""Delivers new lines to a page: by Server-Sent Events, WebSocket or long poll, with the same sequence of frames in all three.

A frame is a line of the stream (with `seq`), or something fleeting without one: `typing`, `read`, `token`, `reset`. Clients ignore types
that they don't know. Every stream ends after a while, and with the token that opened it; the page opens the next from where it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any, Final

from aiohttp import WSMsgType, web

from gateway.edge.problems import SECURITY_HEADERS, Problem
from gateway.webchat import tokens
from gateway.webchat.calls import number
from gateway.webchat.door import Visit
from gateway.webchat.model import Visitor
from gateway.webchat.problems import ChatProblem
from gateway.webchat.streams import Listener

_HEARTBEAT_SECONDS: Final = 20.0
_WRITE_SECONDS: Final = 20.0  # a page that takes nothing for so long is gone
_HELLO_SECONDS: Final = 10.0
_MOST_WAIT: Final = 25
Frame = dict[str, Any]


async def events(visit: Visit) -> web.StreamResponse:
    """`GET /events?after=`: a stream for `Accept: text/event-stream`, else one answer after at most `wait` seconds."""
    visitor, bearer = await visit.visitor()
    after = number(visit.request, "after", number_of(visit.request.headers.get("Last-Event-ID")))
    _room(visit, visitor)
    if "text/event-stream" in visit.request.headers.get("Accept", ""):
        return await _stream(visit, visitor, bearer, after)
    return await _poll(visit, visitor, after, min(number(visit.request, "wait", 0), _MOST_WAIT))


async def _poll(visit: Visit, visitor: Visitor, after: int, wait: int) -> web.Response:
    until = visit.service.time() + wait
    items: list[Frame] = []
    with visit.service.streams.listening(visitor.key) as listener:
        async for items in frames(visit, visitor, after, listener, until):
            if items:
                break
    last = [item["seq"] for item in items if "seq" in item]
    reset = next((item["cursor"] for item in items if item["type"] == "reset"), None)
    return web.json_response({"items": items, "next": reset or str(last[-1] if last else after)})


async def _stream(visit: Visit, visitor: Visitor, bearer: tokens.Bearer, after: int) -> web.StreamResponse:
    headers = {**SECURITY_HEADERS, **visit.cors, "Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}
    response = web.StreamResponse(headers=headers)
    with visit.service.streams.listening(visitor.key) as listener, contextlib.suppress(ConnectionError, TimeoutError):
        await response.prepare(visit.request)
        await _write(response, b"retry: 2000\n\n")
        if renewed := _renewed(visit, visitor, bearer):
            await _write(response, as_sse([renewed]))
        async for some in frames(visit, visitor, after, listener, _end_of_stream(visit, bearer)):
            await _write(response, as_sse(some) or b": still here\n\n")
    return response


async def _write(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(_WRITE_SECONDS):
        await response.write(data)


async def socket(visit: Visit) -> web.StreamResponse:
    """`GET /ws`: the first frame says `{"op": "hello", "token", "after"}`, so that no token is in an address; then frames as text."""
    # Compressed, each stream would cost 300 kB of memory.
    ws = web.WebSocketResponse(heartbeat=_HEARTBEAT_SECONDS, max_msg_size=16 * 1024, compress=False)
    if not ws.can_prepare(visit.request).ok:
        raise Problem("upgrade_required", "Connect to this address with a WebSocket client.", headers={"Upgrade": "websocket"})
    await ws.prepare(visit.request)
    try:
        visitor, bearer, after = await _hello(visit, ws)
    except Problem as problem:
        with contextlib.suppress(ConnectionError):
            await ws.send_json(problem.body())
        await ws.close(code=4000 + problem.status)
        return ws
    with visit.service.streams.listening(visitor.key) as listener, contextlib.suppress(ConnectionError, TimeoutError):
        reading = asyncio.create_task(_until_closed(ws, listener), name="chat socket reader")
        try:
            if renewed := _renewed(visit, visitor, bearer):
                await ws.send_json(renewed)
            async for some in frames(visit, visitor, after, listener, _end_of_stream(visit, bearer)):
                for frame in some:
                    async with asyncio.timeout(_WRITE_SECONDS):
                        await ws.send_json(frame)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
    await ws.close()
    return ws


async def _hello(visit: Visit, ws: web.WebSocketResponse) -> tuple[Visitor, tokens.Bearer, int]:
    try:
        hello = json.loads(await asyncio.wait_for(ws.receive_str(), _HELLO_SECONDS))
        token, after = hello["token"], number_of(str(hello.get("after", 0)))
        if hello["op"] != "hello" or not isinstance(token, str):
            raise ValueError("no hello")
    except (ValueError, TypeError, KeyError, AttributeError, TimeoutError, RecursionError):
        raise Problem("malformed_request", 'Say {"op": "hello", "token": …, "after": …} first.') from None
    visitor, bearer = await visit.visitor_of(token)
    _room(visit, visitor)
    return visitor, bearer, after


async def _until_closed(ws: web.WebSocketResponse, listener: Listener) -> None:
    """Read on, to see the close; what a page says here otherwise is of no meaning yet."""
    async for message in ws:
        if message.type == WSMsgType.ERROR:
            break
    listener.close()


async def frames(visit: Visit, visitor: Visitor, after: int, listener: Listener, until: float) -> AsyncIterator[list[Frame]]:
    """What the visitor is to be told after this line, as it happens; an empty list when nothing did for a while."""
    listener.seen = after
    while not listener.closed:
        fleeting = [dict(one) for one in listener.take()]
        lines = await visit.service.after(visitor, after)
        if lines is None:
            return
        left = until - visit.service.time()
        if lines or fleeting:
            # What is fleeting first: the line that ends the typing comes after it.
            yield [*fleeting, *lines]
            after = int(lines[-1].get("seq") or lines[-1]["cursor"]) if lines else after
            listener.seen = after
        elif left <= 0:
            return
        elif not await listener.wait(min(left, _HEARTBEAT_SECONDS)):
            yield []


def as_sse(some: list[Frame]) -> bytes:
    """Frames as Server-Sent Events; only numbered ones carry an id, so that a browser's own resume is right."""
    text = ""
    for frame in some:
        name = f"id: {frame['seq']}\n" if "seq" in frame else ""
        text += f"{name}event: {frame['type']}\ndata: {json.dumps(frame, ensure_ascii=False)}\n\n"
    return text.encode("utf-8", "surrogatepass")


def number_of(value: str | None) -> int:
    """A number of a header or frame, or 0."""
    return int(value) if value and value.isascii() and value.isdigit() and len(value) <= 16 else 0


def _room(visit: Visit, visitor: Visitor) -> None:
    if visit.service.streams.count(visitor.key) >= visit.account.limits.streams:
        detail = "Too many tabs are connected. Close one, or try again shortly."
        raise ChatProblem("too_many_streams", detail, headers={"Retry-After": "10"})


def _renewed(visit: Visit, visitor: Visitor, bearer: tokens.Bearer) -> Frame | None:
    """A new token for one that is past half of its life."""
    now = visit.service.now()
    if not bearer.wants_renewal(now):
        return None
    token, expires = tokens.issue(visit.account, visitor.visitor_id, visitor.generation, now)
    return {"type": "token", "visitor_token": token, "expires_at": expires.isoformat()}


def _end_of_stream(visit: Visit, bearer: tokens.Bearer) -> float:
    valid = (bearer.expires_at - visit.service.now()).total_seconds()
    return visit.service.time() + min(valid, visit.account.limits.idle_stream_seconds)
