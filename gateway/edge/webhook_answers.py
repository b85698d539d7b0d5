"""What a provider is told: that its webhook is kept, or why it isn't. Each refusal is counted and logged here, whichever way the request came."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from email.utils import formatdate
from time import time
from typing import Final, cast

from aiohttp import web

from adapters.contract import Answer
from adapters.errors import NotAuthentic
from gateway.config import Channel
from gateway.edge.problems import Problem
from gateway.errors import PutOff, StoreUnavailable
from gateway.metrics import Metrics

_log = logging.getLogger(__name__)
_SERVER: Final[Mapping[str, str]] = {"Server": "byoc"}  # aiohttp would name its version and Python's


class Answers:
    """See the module."""

    def __init__(self, metrics: Metrics, *, max_bytes: int, read_seconds: float) -> None:
        self._metrics, self._max_bytes, self._read_seconds = metrics, max_bytes, read_seconds
        self._prepared: dict[str, tuple[int, bytes]] = {}

    def accepted(self, channel: Channel) -> bytes:
        """For a webhook that is kept."""
        return self._of_this_second(channel.id, lambda: response_of(channel.adapter.accepted))

    def put_off(self, channel: Channel) -> bytes:
        """For one that isn't kept, because too much waits already."""
        self._metrics.webhook(channel.id, "put_off")
        return self._of_this_second("", _put_off)  # no channel has this id

    def _of_this_second(self, name: str, make: Callable[[], web.Response]) -> bytes:
        """Made once a second, since nothing in it changes but the date."""
        second = int(time())
        made, answer = self._prepared.get(name, (0, b""))
        if made != second:
            answer = bytes_of(make())
            self._prepared[name] = second, answer
        return answer

    def refused(self, channel: Channel, error: Exception) -> web.Response:
        """For what verification or the store raised, or reading."""
        if isinstance(error, Problem):
            self._metrics.webhook(channel.id, "too_large" if error.code == "too_large" else "refused")
            return error.response()
        if isinstance(error, NotAuthentic):
            self._metrics.webhook(channel.id, "refused")
            _log.warning(
                "webhook refused: %s",
                f"{error} ({error.hint})" if error.hint else error,
                extra={"action": "webhook.refused", "channel": channel.id, "status": error.status},
            )
            return web.Response(status=error.status, text="not authentic\n", headers=_SERVER)
        if isinstance(error, PutOff):
            self._metrics.webhook(channel.id, "put_off")
            return _put_off()
        self._metrics.webhook(channel.id, "failed")
        if isinstance(error, StoreUnavailable):  # reported once by the store, not here for each request
            detail = "The request could not be stored. Send it again; an operator finds the reason at /readyz and in the log."
            return Problem("unavailable", detail, headers={"Retry-After": "5"}).response()
        _log.error(  # this request alone: the others of its commit are kept
            "webhook failed",
            exc_info=error,
            extra={"action": "webhook.failed", "channel": channel.id, "reason": type(error).__name__},
        )
        detail = "The gateway failed on this request. An operator finds the reason in its log."
        return Problem("internal_error", detail).response()

    def too_large(self) -> Problem:
        """The body is over the limit."""
        return Problem("too_large", f"A webhook may have {self._max_bytes} bytes.")

    def too_slow(self) -> Problem:
        """The body didn't arrive in time."""
        return Problem("request_too_slow", f"The body must arrive within {self._read_seconds:g} s.")


def _put_off() -> web.Response:
    detail = "More webhooks wait than can be dealt with at once. Send it again in some seconds."
    return Problem("unavailable", detail, headers={"Retry-After": "5"}).response()


def response_of(answer: Answer) -> web.Response:
    """An adapter's answer as aiohttp sends it."""
    return web.Response(status=answer.status, body=answer.body or None, headers={**_SERVER, **answer.headers})


def bytes_of(response: web.Response) -> bytes:
    """As it goes over the wire in HTTP/1.1."""
    body = cast("bytes", response.body or b"")
    fields = {**response.headers, "Content-Length": str(len(body)), "Date": formatdate(usegmt=True)}
    lines = [f"HTTP/1.1 {response.status} {response.reason}", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body
