"""Calls between the two processes of one gateway, over a socket pair that nobody else has.

A frame is a head of 8 bytes (the lengths of the text and of the body, big-endian), a text of JSON, and a body of plain bytes. Text may hold lone surrogates, which is
how bytes that are no UTF-8 reach us in headers: JSON writes them as escapes, and reads them back.
"""

from __future__ import annotations

import asyncio
import json
import logging
import struct
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any, Final, TypeAlias

from gateway.errors import GatewayError, StoreUnavailable

_log = logging.getLogger(__name__)
_HEAD: Final = struct.Struct(">II")
Answering: TypeAlias = Callable[[str, list[Any], bytes], Awaitable[Any]]


class RefusedThere(Exception):
    """The other process could not do it, and the store is not the reason."""


class Line:
    """One end. Calls may be made from both ends, many at a time; each is answered when it is done, in whatever order."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answering: Answering) -> None:
        self._reader, self._writer, self._answering = reader, writer, answering
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._gone = False

    async def run(self) -> None:
        """Answer the other end until it is gone. Then every call that waits ends with StoreUnavailable."""
        try:
            while True:
                size, more = _HEAD.unpack(await self._reader.readexactly(_HEAD.size))
                text, body = json.loads(await self._reader.readexactly(size)), await self._reader.readexactly(more)
                if "call" in text:
                    self._begin(text, body)
                elif (future := self._waiting.pop(text["answers"], None)) is not None and not future.done():
                    _end(future, text)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self._gone = True
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(_not_there())
            self._waiting.clear()
            self._writer.close()

    async def call(self, what: str, *given: Any, body: bytes = b"") -> Any:
        """Have the other process do something; its result, as JSON gives it back. Raises StoreUnavailable when it is gone or its store is
        unavailable, RefusedThere for anything else that went wrong there."""
        if self._gone:
            raise _not_there()
        number = next(self._numbers)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._write({"call": what, "number": number, "given": given}, body)
        try:
            return await future
        finally:
            self._waiting.pop(number, None)

    def tell(self, what: str, *given: Any) -> None:
        """As `call`, without waiting for it, and without hearing what came of it."""
        if not self._gone:
            self._write({"call": what, "number": None, "given": given})

    def hang_up(self) -> None:
        """After what is written already. The other end sees that this one is gone."""
        self._writer.close()

    def _begin(self, text: dict[str, Any], body: bytes) -> None:
        task = asyncio.create_task(self._answer(text, body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, text: dict[str, Any], body: bytes) -> None:
        answer: dict[str, Any] = {"answers": text["number"]}
        try:
            answer["result"] = await self._answering(text["call"], text["given"], body)
        except StoreUnavailable as error:
            answer["unavailable"] = str(error)
        except GatewayError as error:
            answer["refused"] = str(error)
        except Exception as error:
            answer["refused"] = type(error).__name__  # its words may be a customer's
            _log.exception("the other process asked for what failed", extra={"action": "edge.fault", "call": text["call"]})
        if text["number"] is not None and not self._gone:
            self._write(answer)

    def _write(self, text: dict[str, Any], body: bytes = b"") -> None:
        written = json.dumps(text).encode()
        self._writer.write(_HEAD.pack(len(written), len(body)) + written + body)


def _end(future: asyncio.Future[Any], answer: dict[str, Any]) -> None:
    if "unavailable" in answer:
        future.set_exception(StoreUnavailable(answer["unavailable"]))
    elif "refused" in answer:
        future.set_exception(RefusedThere(answer["refused"]))
    else:
        future.set_result(answer["result"])


def _not_there() -> StoreUnavailable:
    return StoreUnavailable("the edge process is not there: it is started again by itself; the log says why it ended")
