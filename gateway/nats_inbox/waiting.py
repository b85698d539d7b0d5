"""What waits in the stream, as operators' commands tell it, beside a gateway that may be running."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import SecretStr

from gateway.config.places import NatsConfig
from gateway.nats_inbox.pull import Pull
from gateway.nats_inbox.servers import Servers
from gateway.nats_inbox.stream import NO_STREAM, WEBHOOKS, Refused, State, channel_of, state

_MOST_LOOKED_AT: Final = 20_000  # messages
_PATIENCE_SECONDS: Final = 5.0
_SILENCE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """`channels`: how many webhooks wait of each. `more`: how many messages weren't looked at any more, because they are so many; each holds one webhook
    or several."""

    channels: Mapping[str, int]
    more: int
    oldest: datetime | None
    size: int

    @property
    def webhooks(self) -> int:
        """How many wait, at least."""
        return sum(self.channels.values()) + self.more


async def waiting_in_stream(url: SecretStr, settings: NatsConfig, *, stream: str | None = None) -> Waiting:
    """What no store has taken yet. What was taken in the last second may still be among it. Raises GatewayError."""
    servers = Servers(url, settings, stream=stream, looks_only=True)
    await servers.open()
    try:
        await servers.there(_PATIENCE_SECONDS)
        try:
            held = await state(servers.ask, servers.stream)
        except Refused as error:
            if error.code != NO_STREAM:
                raise
            return Waiting({}, 0, None, 0)  # it is made when a gateway starts
        counted, seen = await _counted(servers, held) if held.messages else (Counter[str](), 0)
    finally:
        await servers.close()
    return Waiting(dict(sorted(counted.items())), held.messages - seen, held.oldest, held.size)


async def _counted(servers: Servers, held: State) -> tuple[Counter[str], int]:
    counted: Counter[str] = Counter()
    seen = 0
    async with Pull(servers, after=held.first - 1, headers_only=True) as pull:
        while seen < min(held.messages, _MOST_LOOKED_AT):
            messages = await pull.next(_SILENCE_SECONDS)
            if not messages:  # the rest was moved meanwhile
                return counted, held.messages
            for one in messages:
                if one.number > held.last:
                    return counted, held.messages
                counted[channel_of(servers.stream, one.subject)] += _webhooks(one.headers)
                seen += 1
    return counted, seen


def _webhooks(headers: Mapping[str, str]) -> int:
    said = headers.get(WEBHOOKS, "1")
    return int(said) if said.isascii() and said.isdigit() else 1
