"""The streams in front of one store: one for all its orgs, but one each for those orgs that `stores` gives a database of their own. So a channel's webhooks go into the
store of its org, and what an org's database doesn't take holds up no other's."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from adapters.contract import RawRequest
from gateway.clock import Clock
from gateway.config import Loaded
from gateway.doorbell.contract import Doorbell
from gateway.metrics import Metrics
from gateway.nats_inbox.edge import NatsInbox
from gateway.nats_inbox.mover import Mover
from gateway.nats_inbox.stream import of_org
from gateway.store.inbox_contract import Taker


class Streams:
    """What puts, and what takes out. `putting`: webhooks are put here; `moving`: they are taken out."""

    def __init__(self, loaded: Loaded, *, putting: bool, moving: bool, inbox: Taker, bell: Doorbell) -> None:
        config = loaded.config
        assert config.inbox is not None  # noqa: S101
        by_channel = {
            str(key): of_org(config.nats.stream, one.config.org) if one.config.org in config.stores else config.nats.stream
            for key, one in loaded.channels.items()
        }
        names = sorted({*by_channel.values()} or {config.nats.stream})
        most = config.limits.webhook_max_bytes
        self._edges = (
            {name: NatsInbox(config.inbox, config.nats, most_bytes=most, stream=name) for name in names} if putting else {}
        )
        self._movers = {name: Mover(config.inbox, config.nats, inbox, bell, stream=name) for name in names} if moving else {}
        self._all: tuple[NatsInbox | Mover, ...] = (*self._edges.values(), *self._movers.values())
        self.keeper = OfSeveral({key: self._edges[name] for key, name in by_channel.items()} if putting else {})

    async def open(self) -> None:
        """Servers that can't be reached are waited for. Raises GatewayError for what an operator has to fix first."""
        for one in self._all:
            await one.open()

    async def close(self) -> None:
        """What was put is kept first."""
        for one in self._all:
            await one.close()

    def work(self) -> Mapping[str, Callable[[], Coroutine[Any, Any, None]]]:
        """The movers, by the duty that each is. One process at a time has it."""
        return {f"mover {name}": one.run for name, one in self._movers.items()}

    def told(self) -> str | None:
        """For people: what isn't moved just now, and why."""
        return "; ".join(f"{name}: {one.trouble}" for name, one in self._movers.items() if one.trouble) or None

    def watch(self, metrics: Metrics, clock: Clock) -> None:
        """Have the gauges set before each reading."""

        async def refresh() -> None:
            for name, mover in self._movers.items():
                held = await mover.held()
                metrics.stream_messages.labels(name).set(held.messages)
                age = (clock() - held.oldest).total_seconds() if held.oldest else 0.0
                metrics.stream_oldest.labels(name).set(max(0.0, age))

        if self._movers:
            metrics.before_reading(refresh)


class OfSeveral:
    """See `gateway.store.inbox_contract.Keeper`: by channel. They are opened and closed by `Streams`."""

    def __init__(self, by_channel: Mapping[str, NatsInbox]) -> None:
        self._by_channel, self._all = by_channel, tuple(dict.fromkeys(by_channel.values()))

    async def open(self) -> None:
        """See `Streams.open`."""

    async def close(self) -> None:
        """See `Streams.close`."""

    def put(self, channel_id: str, request: RawRequest, done: Callable[[Exception | None], None]) -> None:
        """See the contract."""
        self._by_channel[channel_id].put(channel_id, request, done)

    async def ready(self) -> None:
        """See the contract."""
        for one in self._all:
            await one.ready()

    def backlog_seconds(self, channel_id: str) -> float:
        """See the contract."""
        return self._by_channel[channel_id].backlog_seconds(channel_id)

    def unwritten_bytes(self) -> int:
        """See the contract."""
        return sum(one.unwritten_bytes() for one in self._all)
