"""From the stream into the store's inbox: in order, each message once.

How far it got is kept in the store, in the transaction that keeps the webhooks themselves. So whatever happens between two steps, the store says where to
continue, and two movers at once can't both take the same messages. What the store has is deleted from the stream about once a second.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from pydantic import SecretStr

from adapters.contract import RawRequest
from gateway.backoff import backoff
from gateway.clock import elapsed
from gateway.config.places import NatsConfig
from gateway.doorbell.contract import Doorbell, inbox_topic
from gateway.errors import StoreUnavailable
from gateway.nats_inbox.pull import Message, Pull
from gateway.nats_inbox.servers import Servers
from gateway.nats_inbox.stream import State, channel_of, state
from gateway.outage import Outage
from gateway.store.inbox_contract import Moved, Taker
from gateway.store.packing import unpacked

_log = logging.getLogger(__name__)
_DELETE_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.5  # whether it may work
_BEHIND_SECONDS = 5.0  # so long the stream may be behind the store
_PROGRESS_SECONDS: Final = 10.0
_LATE_SECONDS: Final = 10.0  # so old a message is when it counts as catching up


class Mover:
    """See the module. `may_work`: looked at before each step; while it says no, nothing is read. `stream`: by default the config's."""

    def __init__(
        self,
        url: SecretStr,
        settings: NatsConfig,
        inbox: Taker,
        bell: Doorbell,
        *,
        may_work: Callable[[], bool] = lambda: True,
        stream: str | None = None,
    ) -> None:
        self._servers = Servers(url, settings, stream=stream)
        self._inbox, self._bell, self.may_work = inbox, bell, may_work
        self._outage = Outage(_log, "taking webhooks out of the stream", "mover")
        self._progress = _Progress()

    async def open(self) -> None:
        """Servers that don't answer are waited for, in the background. Raises GatewayError for what an operator has to fix first."""
        await self._servers.open()

    async def close(self) -> None:
        """When it doesn't run any more."""
        await self._servers.close()

    @property
    def trouble(self) -> str | None:
        """Why nothing is moved; None: all is well."""
        return self._outage.reason

    async def held(self) -> State:
        """What is in the stream. Raises StoreUnavailable."""
        return await state(self._servers.ask, self._servers.stream)

    async def run(self) -> None:
        """Work until cancelled, which may be at any moment. It may be run again."""
        failures = 0
        while True:
            if not self.may_work():
                await asyncio.sleep(_LOOK_SECONDS)
                continue
            try:
                await self._move()
                failures = 0
            except StoreUnavailable as error:
                failures += 1
                self._outage.failed(str(error))
                await asyncio.sleep(backoff(failures, first_seconds=0.1, most_seconds=2))

    async def _move(self) -> None:
        """As long as we may, and nothing fails. Raises StoreUnavailable."""
        held = await self.held()
        position = await self._begun(held)
        deleted_to, deleted_at = held.first - 1, elapsed()
        async with Pull(self._servers, after=position) as pull:
            while self.may_work():
                messages = await pull.next(_DELETE_SECONDS)
                if messages and not await self._take(held.key, messages, position):
                    return  # somebody else did, and the store says where to continue
                self._outage.worked()
                position = messages[-1].number if messages else position
                if position > deleted_to and (not messages or elapsed() - deleted_at > _DELETE_SECONDS):
                    await self._servers.ask(f"STREAM.PURGE.{self._servers.stream}", {"seq": position + 1})
                    deleted_to, deleted_at = position, elapsed()

    async def _begun(self, before: State) -> int:
        """Where to continue. The stream is looked at before the store and after it: another mover may be at work."""
        position = await self._inbox.position(before.key)
        about = {"stream": self._servers.stream, "position": position}
        if position and before.first > position + 1:
            extra = {"action": "mover.gap", **about, "first": before.first}
            _log.error("messages were deleted from the stream before the store had them", extra=extra)
        end = elapsed() + _BEHIND_SECONDS
        while (held := await self.held()).last < position and held.key == before.key:
            if elapsed() > end:
                return await self._gone_back(held, position)
            await asyncio.sleep(_LOOK_SECONDS)  # a server that leads only now may not have got that far yet
        return position

    async def _gone_back(self, held: State, position: int) -> int:
        """The stream counts on from its last message, so new ones would be taken for old ones. What is in it is taken again, which is harmless: each event takes
        effect once."""
        about = {"stream": self._servers.stream, "position": position, "last": held.last}
        _log.error(
            "the stream has lost messages that the store has: its disk, or a backup that was restored",
            extra={"action": "mover.went_back", **about},
        )
        await self._inbox.take_over(held.key, (), after=position, up_to=max(0, held.first - 1))
        return await self._inbox.position(held.key)

    async def _take(self, key: str, messages: Sequence[Message], position: int) -> bool:
        moved = [one for message in messages for one in self._webhooks(message)]
        if not await self._inbox.take_over(key, moved, after=position, up_to=messages[-1].number):
            return False
        for channel_id in {one.channel_id for one in moved}:
            self._bell.ring(inbox_topic(channel_id))
        self._progress.note(len(moved), messages[-1], self._servers.stream)
        return True

    def _webhooks(self, message: Message) -> list[Moved]:
        channel_id = channel_of(self._servers.stream, message.subject)
        try:
            requests = unpacked(message.data)
        except (ValueError, OverflowError, OSError, struct.error, TypeError) as error:
            requests, why = [], type(error).__name__
        else:
            why = "it is empty"
        if requests:
            return [Moved(channel_id, one) for one in requests]
        reason = f"what the stream held under this number isn't a webhook that an edge has put there ({why}): {message.number}"
        _log.error(
            "a message of the stream can't be read",
            extra={"action": "mover.stuck", "channel": channel_id, "number": message.number},
        )
        received_at = datetime.fromtimestamp(message.at, UTC)
        return [Moved(channel_id, RawRequest("", "", "", (), {}, message.data, received_at), reason)]


class _Progress:
    """Tells, while much waits, how it goes."""

    def __init__(self) -> None:
        self._moved, self._since, self._behind = 0, elapsed(), False

    def note(self, webhooks: int, last: Message, stream: str) -> None:
        """So many were taken, the last of them in this message."""
        self._moved += webhooks
        now = elapsed()
        late = datetime.now(UTC).timestamp() - last.at > _LATE_SECONDS
        about = {"stream": stream, "webhooks": self._moved, "messages_left": last.behind}
        if self._behind and not late:
            _log.warning("the webhooks of the stream are all in the store", extra={"action": "mover.caught_up", **about})
        elif late and (not self._behind or now - self._since > _PROGRESS_SECONDS):
            _log.warning("the store catches up with the stream", extra={"action": "mover.catching_up", **about})
            self._since = now
        self._behind = late
        if not late:
            self._moved = 0
