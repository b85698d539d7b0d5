"""The hot road of the whole gateway, on either database: what gathers while a commit runs is one job of the next, which has one value for each channel, and
whose end is told to all callers."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, cast

from adapters.contract import RawRequest
from gateway.errors import StoreUnavailable
from gateway.store.group_commit import GroupCommit, Readers, Shared
from gateway.store.inbox_contract import Moved
from gateway.store.packing import packed, without_credentials

_log = logging.getLogger(__name__)
# Of one commit, and so of one value: who waits for a commit waits for its bytes, and who reads one value back has all of it in memory.
_MOST_PER_COMMIT, _MOST_BYTES_PER_COMMIT = 512, 1 << 20
# From the beginning of one commit to that of the next. A fast disk would take a commit for every second webhook at a few thousand a second, and a commit
# costs more processor time than ten webhooks in it. Who comes alone waits for nothing.
_APART_SECONDS: Final = 0.002


class Gathered(NamedTuple):
    """A request to be kept, in the form in which it is stored, too, and whom to tell."""

    channel_id: str
    request: RawRequest
    packed: bytes
    done: Callable[[Exception | None], None]


class Commit(NamedTuple):
    """`future`: done when it is durable, or failed. `then` is called first of all, with the error or None."""

    future: asyncio.Future[Any]
    then: Callable[[Exception | None], None]


class Putting(Shared):
    """`put` of `gateway.store.inbox_contract.Inbox`. How what has gathered is written is each database's own (`_keep`)."""

    def __init__(self, writer: GroupCommit, readers: Readers) -> None:
        self._gathered: deque[Gathered] = deque()
        self._being_written = 0  # bytes
        self._busy = False  # a commit is under way, or about to begin
        self._committed_at = float("-inf")
        super().__init__(writer, readers)

    async def close(self) -> None:
        """See the contract."""
        while self._gathered:
            self._write(self._take())
        await super().close()

    def put(self, channel_id: str, request: RawRequest, done: Callable[[Exception | None], None]) -> None:
        """See the contract."""
        request = without_credentials(request)
        self._gathered.append(Gathered(channel_id, request, packed(request), done))
        if not self._busy:
            self._next_commit()

    def unwritten_bytes(self) -> int:
        """See the contract."""
        return self._being_written + sum(len(one.packed) for one in self._gathered)

    def _keep(self, gathered: Sequence[Gathered]) -> Commit:
        """Give the writer a job for these."""
        raise NotImplementedError

    def _next_commit(self) -> None:
        """Of what has gathered, and what else this turn of the loop brings, as one job. What arrives until it is done gathers for the next."""
        self._busy = bool(self._gathered)
        if self._busy:
            loop = asyncio.get_running_loop()
            loop.call_at(max(loop.time(), self._committed_at + _APART_SECONDS), self._commit)

    def _commit(self) -> None:
        self._committed_at = asyncio.get_running_loop().time()
        if self._gathered:  # `close` may have written it already
            self._write(self._take())

    def _take(self) -> list[Gathered]:
        taken: list[Gathered] = []
        size = 0
        while self._gathered and len(taken) < _MOST_PER_COMMIT and size < _MOST_BYTES_PER_COMMIT:
            taken.append(self._gathered.popleft())
            size += len(taken[-1].packed)
        return taken

    def _write(self, gathered: Sequence[Gathered]) -> None:
        size = sum([len(one.packed) for one in gathered])
        self._being_written += size
        commit = self._keep(gathered)
        commit.future.add_done_callback(partial(self._written, gathered, size, commit.then))

    def _written(
        self, gathered: Sequence[Gathered], size: int, then: Callable[[Exception | None], None], commit: asyncio.Future[Any]
    ) -> None:
        self._being_written -= size
        error = cast("Exception | None", commit.exception())
        then(error)
        if len(gathered) > 1 and error is not None and not isinstance(error, StoreUnavailable):
            for each in gathered:  # one of them can't be stored: it fails alone
                self._write([each])
            return
        self._next_commit()
        for each in gathered:
            try:
                each.done(error)
            except Exception:  # the others are told all the same
                _log.exception("webhook failed", extra={"action": "webhook.failed", "channel": each.channel_id})


def portions(moved: Sequence[Moved]) -> Iterator[Sequence[Gathered]]:
    """Webhooks from a stream that wait to be read, as many as of one commit: each becomes one value a channel."""
    portion: list[Gathered] = []
    size = 0
    for one in moved:
        if one.stuck is not None:
            continue
        if len(portion) == _MOST_PER_COMMIT or size >= _MOST_BYTES_PER_COMMIT:
            yield portion
            portion, size = [], 0
        portion.append(Gathered(one.channel_id, one.request, packed(one.request), _nobody))
        size += len(portion[-1].packed)
    yield portion


def _nobody(error: Exception | None) -> None:
    """To be told of a webhook."""


def by_channel(gathered: Sequence[Gathered]) -> Iterator[tuple[str, list[Gathered]]]:
    """In order."""
    found: dict[str, list[Gathered]] = {}
    for one in gathered:
        found.setdefault(one.channel_id, []).append(one)
    yield from found.items()
