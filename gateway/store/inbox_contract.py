"""The inbox: raw webhooks, kept before they are answered. What its users ask of it; no store is named here.

One receiver works on it, a batch of each channel at a time. what it is working on isn't stored, and that a batch was dealt with is stored a little later: so
after a crash the last ones are given again, which is harmless, since each event takes effect once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeAlias, TypeVar

from adapters.contract import RawRequest

T = TypeVar("T")
Kept: TypeAlias = Literal[
    "stuck", "unknown"
]  # couldn't be read or applied; was applied, except for events that have no meaning here


class Batch(NamedTuple):
    """Webhooks of one channel that wait, in order: what the receiver works on at a time. `apart`: each has a row of its own, because it is replayed, or
    was kept by an older version."""

    channel_id: str
    ids: Sequence[int]
    requests: Sequence[RawRequest]
    apart: bool = False


@dataclass(frozen=True, slots=True)
class InboxRow:
    """A webhook that was answered, as operators see it. `reason`: why it is stuck, or what of it has no meaning here."""

    id: int
    channel_id: str
    request: RawRequest
    state: Literal["waiting", "done", "stuck"]
    attempts: int
    reason: str | None


class InboxCounts(NamedTuple):
    """How many webhooks are not read yet, stuck, and kept as unknown."""

    waiting: int
    stuck: int
    unknown: int


class Replayed(NamedTuple):
    """How many are read again, and how many are not, because they came while their channel was another org's."""

    again: int
    skipped: int


class Tally(NamedTuple):
    """How many webhooks of a channel are in a state, and when the oldest of them came (Unix seconds)."""

    channel_id: str
    state: str
    rows: int
    oldest: float


class InboxRows(Protocol):
    """The inbox within one transaction: what operators and gauges see of it, and what operators do."""

    def one(self, row_id: int) -> InboxRow | None:
        """A row, whatever its state."""
        ...

    def kept(self, which: Kept, limit: int) -> list[InboxRow]:
        """The rows that are stuck or kept as unknown, oldest first."""
        ...

    def counts(self) -> InboxCounts:
        """How many rows there are in each state, over all channels."""
        ...

    def tallies(self) -> list[Tally]:
        """Of `waiting` and `stuck` rows, by channel."""
        ...

    def replay(self, ids: Sequence[int] | None, which: Kept = "stuck") -> Replayed:
        """Let rows be read again. None: all that are stuck or kept as unknown, except those that came while their channel was another org's.
        By its id, every webhook that isn't waiting already, also one that was dealt with."""
        ...


class Keeper(Protocol):
    """What keeps webhooks before they are answered: the inbox itself, or a stream in front of it. Everything but `settle` raises StoreUnavailable while
    nothing can be kept or read."""

    async def open(self) -> None:
        """Create or migrate what it needs. Call it once, before anything else. Raises StoreUnavailable."""
        ...

    async def close(self) -> None:
        """Commit pending work, then close."""
        ...

    def put(self, channel_id: str, request: RawRequest, done: Callable[[Exception | None], None]) -> None:
        """Keep a request. `done` is called on this loop: with None when the request is on disk, else with why it isn't kept (StoreUnavailable, or
        what is wrong with this request alone). Credentials that were checked aren't kept."""
        ...

    async def ready(self) -> None:
        """Raises StoreUnavailable when nothing can be made durable."""
        ...

    def backlog_seconds(self, channel_id: str) -> float:
        """For how long the channel's oldest waiting webhook has been in the inbox, or since the start; 0 if none waits. Known at once, and measured by a clock
        that never jumps."""
        ...

    def unwritten_bytes(self) -> int:
        """The size of the requests that were put and aren't on disk yet."""
        ...


class Inbox(Keeper, Protocol):
    """See the module."""

    async def channels(self) -> list[str]:
        """The channels that have waiting webhooks, configured or not; also those that another process put or replayed."""
        ...

    async def waiting(self, channel_id: str, *, limit: int) -> Batch | None:
        """The channel's oldest waiting webhooks, about `limit` of them; the same again until they are settled. None: nothing waits."""
        ...

    async def settle(self, batch: Batch, remarks: Mapping[int, str], stuck: Mapping[int, str]) -> None:
        """The batch was dealt with. By id, `remarks` on what had no meaning here (say `unknown: follow`), and of what is `stuck` and waits for an operator,
        the reasons. While the store is unavailable, this waits for it."""
        ...

    async def keep_aside(self, channel_id: str, org: str) -> None:
        """The channel was this org's and is another's now. What isn't done with waits for an operator: waiting rows become stuck, and of those that are
        stuck or kept as unknown, too, `replay` takes none but by its id. Their reasons say so. A row that is kept aside already stays as it is.
        Call it before the receiver begins."""
        ...

    async def purge(self, done_days: float, stuck_days: float) -> None:
        """Throw away what was dealt with and arrived so many days ago, and what arrived so many days ago and is stuck. It takes its time, so that nothing
        waits for it."""
        ...

    async def read(self, job: Callable[[InboxRows], T]) -> T:
        """Run a job that only reads, in its own transaction."""
        ...


class Moved(NamedTuple):
    """A webhook from a stream. `stuck`: why it can't be read, if so; then an operator looks at it."""

    channel_id: str
    request: RawRequest
    stuck: str | None = None


class Taker(Protocol):
    """An inbox that takes webhooks out of a stream, in order, each once. A stream counts its messages from 1; a message holds one webhook or several."""

    async def position(self, stream: str) -> int:
        """The number of the last message that was taken; 0 before the first. Raises StoreUnavailable."""
        ...

    async def take_over(self, stream: str, moved: Sequence[Moved], *, after: int, up_to: int) -> bool:
        """Keep these in their order, and that the position is `up_to`, in one transaction. If the position isn't `after` any more, somebody else has
        taken them: nothing is kept, and the answer is False. `up_to` may be below `after`. Raises StoreUnavailable; then it may have happened all the same."""
        ...
