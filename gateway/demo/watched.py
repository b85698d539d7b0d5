"""The demo's gateway: one as any other, but what it and its own web chat service say to each other is told to the record of the wire, since no
simulated provider sees it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from adapters.contract import Answer, HttpCall, HttpReply, RawRequest
from adapters.webchat import WebchatAccount
from gateway import clock as clocks
from gateway.app import Gateway
from gateway.clock import Clock
from gateway.config import Loaded
from gateway.demo.wire import Wire
from gateway.journal.driver import Driver


class WatchedGateway(Gateway):
    """See the module. `wires` by channel."""

    def __init__(self, loaded: Loaded, wires: Mapping[str, Wire], **how: Any) -> None:
        self._wires = wires
        chats = {c.account.chat_base: wires[key] for key, c in loaded.channels.items() if isinstance(c.account, WebchatAccount)}
        super().__init__(loaded, driver=partial(WatchedDriver, chats, how.get("clock", clocks.now)), **how)

    async def accept_here(self, channel_id: str, request: RawRequest) -> Answer:
        """Web chat's service posts a webhook."""
        answer = await super().accept_here(channel_id, request)
        self._wires[channel_id].passed("webhook", request, answer)
        return answer


class WatchedDriver(Driver):
    """`chats` by the address of their service."""

    def __init__(self, chats: Mapping[str, Wire], clock: Clock, **how: Any) -> None:
        super().__init__(**how)
        self._chats, self._now = chats, clock

    async def call(self, call: HttpCall) -> HttpReply:
        """See `Driver.call`."""
        now = self._now()
        reply = await super().call(call)
        for base, wire in self._chats.items():
            if call.url.startswith(f"{base}/"):
                url = urlsplit(call.url)
                request = RawRequest(
                    method=call.method,
                    url=call.url,
                    path=url.path,
                    query=tuple(parse_qsl(url.query, keep_blank_values=True)),
                    headers=call.headers,
                    body=call.body,
                    received_at=now,
                )
                wire.passed("request", request, Answer(reply.status, reply.body, reply.headers))
        return reply
