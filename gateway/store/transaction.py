"""`gateway.store.contract.Transaction` in SQL, on either database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import cached_property
from typing import TypeVar

from adapters.envelope import Inbound, InboundReceipt
from gateway.clock import Clock
from gateway.store.addresses import Addresses
from gateway.store.contract import OutboxRow
from gateway.store.conversations import Aside, Conversations, MessageIds
from gateway.store.events import Events, Timers
from gateway.store.gathering import Gathering
from gateway.store.lane_events import LaneEvents
from gateway.store.lists import Lists
from gateway.store.media import Media
from gateway.store.outbox import Outbox
from gateway.store.positions import Positions
from gateway.store.records import Records
from gateway.store.reps import Reps
from gateway.store.sessions import Sessions
from gateway.store.standing import Standing
from gateway.store.statements import Conflict, Connection, StatementFailed
from gateway.store.trouble import of_the_disk

T = TypeVar("T")


class SqlTransaction:
    """See `gateway.store.contract.Transaction`."""

    def __init__(
        self,
        connection: Connection,
        clock: Clock,
        fault: Callable[[str], None] = lambda point: None,
        hurried: Callable[[], bool] = lambda: False,
        *,
        writes: bool = True,
        worker: Callable[[], str] = lambda: "",
    ) -> None:
        """`hurried`: whether somebody waits for the commit. `writes`: what is read for a decision is held against other processes until the end.
        `worker`: the process whose transaction it is, where several share the store."""
        self._connection, self._clock, self._fault, self._hurried = connection, clock, fault, hurried
        self._gathering = Gathering(connection, clock(), writes=writes, worker=worker)

    def begin(self) -> None:
        """For another job, as if it were new: making all its objects takes a good part of a short job's time."""
        self._gathering.forget(mark=0)
        self._gathering.news.clear()
        self._gathering.begin(self._clock())

    @property
    def now(self) -> datetime:
        """See the contract."""
        return self._gathering.now

    @property
    def worker(self) -> str:
        """See the contract."""
        return self._gathering.worker()

    @property
    def distant(self) -> bool:
        """See the contract."""
        return self._gathering.shared

    @cached_property
    def sessions(self) -> Sessions:
        """See the contract."""
        return Sessions(self._gathering)

    @cached_property
    def lists(self) -> Lists:
        """See the contract."""
        return Lists(self._gathering)

    @cached_property
    def conversations(self) -> Conversations:
        """See the contract."""
        return Conversations(self._gathering, self.message_ids)

    @cached_property
    def message_ids(self) -> MessageIds:
        """See the contract."""
        return MessageIds(self._gathering)

    @cached_property
    def aside(self) -> Aside:
        """See the contract."""
        return Aside(self._gathering)

    @cached_property
    def addresses(self) -> Addresses:
        """See the contract."""
        return Addresses(self._gathering, self.conversations)

    @cached_property
    def reps(self) -> Reps:
        """See the contract."""
        return Reps(self._gathering)

    @cached_property
    def events(self) -> Events:
        """See the contract."""
        return Events(self._gathering)

    @cached_property
    def timers(self) -> Timers:
        """See the contract."""
        return Timers(self._gathering)

    @cached_property
    def outbox(self) -> Outbox:
        """See the contract."""
        return Outbox(self._gathering, self.message_ids)

    @cached_property
    def media(self) -> Media:
        """See the contract."""
        return Media(self._gathering)

    @cached_property
    def records(self) -> Records:
        """See the contract."""
        return Records(self._gathering)

    @cached_property
    def standing(self) -> Standing:
        """See the contract."""
        return Standing(self._gathering)

    @cached_property
    def positions(self) -> Positions:
        """See the contract."""
        return Positions(self._gathering)

    @cached_property
    def lanes(self) -> LaneEvents:
        """See the contract."""
        return LaneEvents(self._gathering)

    # --------------------------------------------------------------------------------------------------- many jobs at once

    def read_ahead(self, inbound: Sequence[Inbound], org: str) -> None:
        """See the contract. One statement a table. PostgreSQL is asked all of it at once, except whose the addresses are."""
        channel_id = inbound[0].channel_id
        self.addresses.lock(channel_id, [one.end_user for one in inbound if one.end_user is not None])
        self._gathering.lock_names(
            (channel_id, name) for one in inbound if isinstance(one, InboundReceipt) for name in _named(one)
        )
        events = self.conversations.read_ahead_events(channel_id, inbound)
        message_ids = self.message_ids.read_ahead(channel_id, inbound)
        owners = self.addresses.read_ahead(channel_id, [one.end_user for one in inbound if one.end_user is not None])
        self._hold(
            events,
            message_ids,
            self.conversations.read_ahead(channel_id, owners),
            self.aside.read_ahead(channel_id, owners),
            self.sessions.read_ahead(channel_id, owners, org),
        )

    def read_ahead_sessions(self, session_ids: Sequence[str]) -> None:
        """See the contract. One statement."""
        self.sessions.read_ahead_sessions(session_ids)

    def read_ahead_persons(self, places: Iterable[tuple[str, str]]) -> None:
        """See the contract. Two statements a channel."""
        wanted = list(places)
        self._gathering.lock_conversations(wanted)
        for channel_id, addresses in _by_channel(wanted).items():
            self._hold(
                self.conversations.read_ahead(channel_id, addresses), self.addresses.read_ahead_persons(channel_id, addresses)
            )

    def read_ahead_sent(self, sent: Iterable[tuple[OutboxRow, Sequence[str]]]) -> None:
        """See the contract. Three statements a channel."""
        pairs = list(sent)
        places = [(row.channel_id, row.address) for row, _ in pairs]
        ids = [(row.channel_id, name) for row, names in pairs for name in names]
        waited_for = [*ids, *((row.channel_id, row.id) for row, _ in pairs)]
        self._gathering.lock_conversations(places)
        self._gathering.lock_names(waited_for)
        self._hold(
            self.outbox.look_again([row for row, _ in pairs]),
            *(self.conversations.read_ahead(channel_id, some) for channel_id, some in _by_channel(places).items()),
            *(self.message_ids.read_ahead_names(channel_id, some) for channel_id, some in _by_channel(ids).items()),
            *(self.conversations.read_ahead_parked(channel_id, some) for channel_id, some in _by_channel(waited_for).items()),
        )

    @staticmethod
    def _hold(*asked: Callable[[], None]) -> None:
        """All were asked for before one is waited for."""
        for hold in asked:
            hold()

    def each(self, jobs: Sequence[Callable[[], T]], *, at_least: int | None = None) -> list[T | Exception]:
        """See the contract.

        Each is tried in memory first, from what is held. What fails there, or needs a statement, is repeated in its own savepoint, after what the
        ones before it have gathered was written. Should writing fail, no one knows whose fault it is: then all are done in savepoints.
        """
        if len(jobs) == 1:
            return [self._alone(jobs[0])]
        self._connection.execute("SAVEPOINT many")
        mark = self._gathering.mark()
        try:
            results = [self._in_memory(job) for job in self._those(jobs, at_least)]
            self._gathering.flush()
        except Exception as error:
            self._back_to("many", mark, error)
            results = [self._alone(job) for job in self._those(jobs, at_least)]
        else:
            self._connection.execute("RELEASE many")
        return results

    def _those(self, jobs: Sequence[Callable[[], T]], at_least: int | None) -> Iterator[Callable[[], T]]:
        for number, job in enumerate(jobs):
            if at_least is not None and number >= at_least and self._hurried():
                return
            yield job

    def _in_memory(self, job: Callable[[], T]) -> T | Exception:
        self._gathering.begin(self._clock())
        self._gathering.begin_in_memory()
        try:
            result = job()
        except Exception as error:
            self._gathering.end_in_memory(take_back=True)
            if _of_all(error) or not self._connection.in_transaction:
                raise
            self._gathering.flush()
            return self._alone(job)
        self._gathering.end_in_memory(take_back=False)
        return result

    def _alone(self, job: Callable[[], T]) -> T | Exception:
        self._gathering.begin(self._clock())
        self._connection.execute("SAVEPOINT alone")
        mark = self._gathering.mark()
        try:
            result = job()
            self._gathering.flush()
        except Exception as error:
            self._back_to("alone", mark, error)
            return error
        self._connection.execute("RELEASE alone")
        return result

    def _back_to(self, savepoint: str, mark: int, error: Exception) -> None:
        if _of_all(error) or not self._connection.in_transaction:  # the database may have rolled back everything by itself
            raise error
        self._connection.execute(f"ROLLBACK TO {savepoint}")
        self._connection.execute(f"RELEASE {savepoint}")
        self._gathering.forget(mark)

    def finish(self) -> frozenset[str]:
        """Write what is gathered: the job is done. By the doorbell's topics, what it wrote that others wait for."""
        self._gathering.flush()
        self._fault("written")
        self._gathering.finish()
        return frozenset(self._gathering.news)


def _named(receipt: InboundReceipt) -> Iterable[str]:
    return (*receipt.message_ids, *filter(None, [receipt.outbox_id]))


def _by_channel(places: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for channel_id, name in places:
        found.setdefault(channel_id, []).append(name)
    return found


def _of_all(error: Exception) -> bool:
    """Whether it concerns the whole transaction."""
    return isinstance(error, Conflict | StatementFailed) or of_the_disk(error)
