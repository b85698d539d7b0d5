"""The edge's inbox: a webhook is in the stream, on the servers' disks, before it is answered.

What gathers of a channel while its last message is being kept is one message. So a channel has one message under way at a time, which keeps its order
however often a message has to be published again, and a busy one costs the servers no more writes than a quiet one. A message that isn't acknowledged
is published again under the same id, which the stream stores once, for as long as a provider can wait; then its webhooks are refused, and the
provider sends them again.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from itertools import count
from typing import Final, NamedTuple

from pydantic import SecretStr

from adapters.contract import RawRequest
from gateway.backoff import backoff
from gateway.clock import elapsed
from gateway.config.places import NatsConfig
from gateway.errors import GatewayError, StoreUnavailable
from gateway.nats_inbox.servers import Servers
from gateway.nats_inbox.stream import WEBHOOKS, Refused, said, state, subject_of
from gateway.outage import Outage
from gateway.store.packing import packed, without_credentials

_log = logging.getLogger(__name__)
Done = Callable[[Exception | None], None]
# Of one message: a server writes it in one piece, and who takes it out has all of it in memory.
_MOST_PER_MESSAGE, _MOST_BYTES_PER_MESSAGE = 512, 1 << 19
_APART_SECONDS: Final = (
    0.002  # from the beginning of one message of a channel to that of the next: a message costs more than ten webhooks in it
)
# From arrival to refusal: most elections of a leader end within it, and the providers wait for so long, or send again. While it is known to fail, sooner.
_LONGEST_SECONDS, _SHORTER_SECONDS = 10.0, 2.0
_ACK_SECONDS: Final = 2.0  # then the connection is taken for dead
_FRESH_SECONDS: Final = 2.0  # for so long the last message says how the next will end
_NEARLY_FULL: Final = 0.99  # the next message may not fit
# The stream is full, or the server has no room for it. The others are passing: a leader is being chosen, the same message is being stored already.
_FULL: Final = frozenset({10023, 10047, 10077, 10122})


class _Gathered(NamedTuple):
    """A request to be kept, whom to tell, and when it came."""

    packed: bytes
    done: Done
    at: float


class _Lane:
    """A channel's webhooks that aren't kept yet."""

    def __init__(self, channel_id: str, subject: str) -> None:
        self.channel_id, self.subject = channel_id, subject
        self.gathered: deque[_Gathered] = deque()
        self.begun_at = float("-inf")
        self.working: asyncio.Task[None] | None = None

    def take(self) -> list[_Gathered]:
        """What the next message holds."""
        taken, size = [self.gathered.popleft()], 0
        while self.gathered and len(taken) < _MOST_PER_MESSAGE:
            size += len(taken[-1].packed)
            if size + len(self.gathered[0].packed) > _MOST_BYTES_PER_MESSAGE:
                break
            taken.append(self.gathered.popleft())
        return taken


class NatsInbox:
    """See the module, and `gateway.store.inbox_contract.Keeper`. `most_bytes`: of one webhook's body; `stream`: by default the config's."""

    def __init__(self, url: SecretStr, settings: NatsConfig, *, most_bytes: int = 0, stream: str | None = None) -> None:
        self._servers = Servers(url, settings, stream=stream, most_bytes=most_bytes)
        self._stream, self._most_stored = self._servers.stream, settings.max_bytes
        self._lanes: dict[str, _Lane] = {}
        self._unwritten = 0
        self._outage = Outage(_log, "keeping webhooks in the stream", "nats_stream")
        self._ids, self._number = secrets.token_hex(8), count(1)
        self._ended_at = float("-inf")  # when the last message was acknowledged or given up
        self._closing = False

    async def open(self) -> None:
        """See the contract. Servers that don't answer are waited for, and webhooks refused meanwhile; what an operator has to fix first is a GatewayError."""
        await self._servers.open()

    async def close(self) -> None:
        """See the contract."""
        self._closing = True
        while working := [lane.working for lane in self._lanes.values() if lane.working is not None]:
            await asyncio.wait(working)
        await self._servers.close()

    def put(self, channel_id: str, request: RawRequest, done: Done) -> None:
        """See the contract."""
        lane = self._lanes.get(channel_id)
        if lane is None:
            lane = self._lanes[channel_id] = _Lane(channel_id, subject_of(self._stream, channel_id))
        if self._closing or self._servers.away_seconds() > _LONGEST_SECONDS:
            error = StoreUnavailable(
                "the inbox is closing" if self._closing else self._outage.reason or "the NATS servers can't be reached"
            )
            asyncio.get_running_loop().call_soon(self._tell, lane, [done], error)
            return
        one = _Gathered(packed(without_credentials(request)), done, elapsed())
        self._unwritten += len(one.packed)
        lane.gathered.append(one)
        if lane.working is None:
            lane.working = asyncio.create_task(self._work(lane), name=f"keep {channel_id}")

    async def ready(self) -> None:
        """See the contract. What failed some time ago is asked for again: where nobody sends webhooks to who isn't ready, none would ever be tried."""
        if elapsed() - self._ended_at <= _FRESH_SECONDS:
            if self._outage.reason is not None:
                raise StoreUnavailable(self._outage.reason)
            return
        held = await state(self._servers.ask, self._stream)
        if held.size >= self._most_stored * _NEARLY_FULL:
            raise StoreUnavailable(
                f"the stream {self._stream} is full ({held.size} bytes): see that the mover runs, or raise `nats.max_bytes`"
            )

    def backlog_seconds(self, channel_id: str) -> float:
        """0: the stream is there to hold what comes faster than it is applied, and its size is the limit."""
        return 0.0

    def unwritten_bytes(self) -> int:
        """See the contract."""
        return self._unwritten

    # ------------------------------------------------------------------------------------------------ publishing

    async def _work(self, lane: _Lane) -> None:
        """Until nothing of the channel waits."""
        while lane.gathered:
            pause = lane.begun_at + _APART_SECONDS - elapsed()
            if pause > 0:
                await asyncio.sleep(pause)
            lane.begun_at = elapsed()
            taken = lane.take()
            try:
                error = await self._kept(lane, taken)
            except Exception as fault:  # a fault of ours: nobody may wait for ever
                error = fault
            self._ended_at = elapsed()
            self._unwritten -= sum(len(one.packed) for one in taken)
            self._tell(lane, [one.done for one in taken], error)
        lane.working = None

    async def _kept(self, lane: _Lane, taken: Sequence[_Gathered]) -> Exception | None:
        """Why they aren't kept, or None."""
        payload = b"".join([one.packed for one in taken])
        headers = {
            "Nats-Msg-Id": f"{self._ids}-{next(self._number)}",
            "Nats-Expected-Stream": self._stream,
            WEBHOOKS: str(len(taken)),
        }
        end = taken[0].at + (_LONGEST_SECONDS if self._outage.reason is None else _SHORTER_SECONDS)
        failures = 0
        while True:
            try:
                answer = await self._servers.request(lane.subject, payload, headers=headers, timeout_seconds=_ACK_SECONDS)
                said(answer.data, f"the stream {self._stream} doesn't take webhooks")
            except StoreUnavailable as error:
                failures += 1
                if elapsed() >= end or (isinstance(error, Refused) and error.code in _FULL):
                    self._outage.failed(str(error))
                    if not isinstance(error, Refused):
                        self._servers.doubt()
                    return error
                await self._servers.there(end - elapsed())
                await asyncio.sleep(min(backoff(failures, first_seconds=0.02, most_seconds=0.5), max(0.0, end - elapsed())))
            except GatewayError as error:  # this message alone, of which there is one webhook
                return error
            else:
                self._outage.worked()
                return None

    def _tell(self, lane: _Lane, waiting: Sequence[Done], error: Exception | None) -> None:
        for done in waiting:
            try:
                done(error)
            except Exception:  # the others are told all the same
                _log.exception("webhook failed", extra={"action": "webhook.failed", "channel": lane.channel_id})
