"""From the outbox to the providers: in order per conversation, one at a time, paced per account; one slow account delays no other.

A row is taken when there is a turn for it, and stays `queued` until the call that the customer may see: just before that call it is written
down that it begins. So if the process dies, the outcome of those calls alone isn't known, and of nothing that was never called. The next
process sends such a message again where the provider tells a repetition from a new message (a retry key); elsewhere it is `unknown`, and a
receipt or a person settles it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Final, TypeVar

from adapters.contract import Sent
from adapters.envelope import Outbound, Say, TypingSignal
from adapters.errors import SendFailed, Unsupported, Verdict
from adapters.replies import notice_sentence_of, sentence_of
from gateway.backoff import LONGEST_BACKOFF, backoff, hastening
from gateway.clock import Clock, elapsed
from gateway.doorbell.contract import Doorbell
from gateway.errors import Fenced, StoreUnavailable
from gateway.journal.contract import TRIED_FOR, Look, Outbox, OutboxItem, Peer, Room
from gateway.journal.driver import Driver, Unsendable
from gateway.journal.held_up import HeldUp
from gateway.journal.pacing import HORIZON_SECONDS, Pace, Paces, SharedPace, Turns
from gateway.metrics import Metrics
from gateway.sharing.alone import AllMine
from gateway.sharing.contract import Share
from gateway.store.contract import Again, Call, Outcome, Over, OverState, Why

T = TypeVar("T")
_log = logging.getLogger(__name__)
_FLOW_SECONDS: Final = 90.0
_GATHER_SECONDS: Final = 0.02  # turns that fall due within so long are used together
_REPAIR_SECONDS: Final = 60.0  # at most, between tries of what waits for somebody to repair a set-up
_STORE_SECONDS: Final = 1.0  # between tries of a store that is unavailable
_FAULT_SECONDS: Final = 60.0  # how long a conversation rests after a bug in our code, so that it doesn't loop


class _Withdrawn(Exception):
    """The message must not be sent as it is: it is final, the customer has other addresses now, or the process stops. What its row says is
    right."""


class Sender:
    """See the module."""

    def __init__(
        self,
        outbox: Outbox,
        driver: Driver,
        peers: Mapping[str, Peer],
        bell: Doorbell,
        clock: Clock,
        metrics: Metrics | None = None,
        fault: Callable[[str], None] | None = None,
        *,
        share: Share | None = None,
        paces: Paces | None = None,
    ) -> None:
        """`share`: which lanes are this process's. `paces`: where others send by the same accounts. None: it is alone."""
        self._fault = fault or (lambda point: None)  # walks through the points around a call in tests
        self._metrics = metrics or Metrics()
        self._outbox, self._driver, self._peers, self._bell, self._clock = outbox, driver, peers, bell, clock
        self._share = share or AllMine()
        self._turns = paces
        made = SharedPace if paces else Pace
        self._paces = {key: made(peer.messages_per_second) for key, peer in peers.items()}
        self._in_hand: dict[str, set[str]] = {key: set() for key in peers}
        self._items: dict[str, OutboxItem] = {}  # all that are in hand
        self._preparing: dict[asyncio.Task[None], OutboxItem] = {}  # sends in progress whose visible call hasn't begun
        self._pausing: set[asyncio.Task[None]] = set()
        self._share.before_letting_go(self._let_go)
        self._share.on_change(self._follow)
        self._held_up = HeldUp()
        self._left: Collection[str] = ()  # channels of which the last look left something that is due
        self._draining = False
        self._looking = False  # between asking for work and having it
        self._less = asyncio.Event()  # rung for `drain` whenever work has ended

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                for signal in await self._outbox.typing():
                    tasks.create_task(self._signal(signal), name="typing")
                self._looking = True
                rooms = self._rooms()
                found, due = await self._look(rooms)
                for item, at in zip(found.items, due, strict=True):
                    self._in_hand[item.channel_id].add(item.id)
                    self._items[item.id] = item
                    task = tasks.create_task(self._deliver(item, at), name=f"send {item.id}")
                    self._preparing[task] = item
                    task.add_done_callback(self._is_prepared)
                self._looking = False
                self._less.set()
                self._left = {*found.full, *found.held}
                if not self._has_missed(found, rooms):
                    await self._bell.wait("outbox", self._patience(found))

    async def drain(self) -> None:
        """Take no new work; return when all calls that a customer may see have their outcome. What wasn't so far stays queued."""
        self._draining = True
        while self._looking or any(self._in_hand.values()):
            for task in tuple(self._preparing):
                task.cancel()
            self._less.clear()
            await self._less.wait()

    async def _let_go(self, duties: frozenset[str]) -> None:
        """Return when nothing of these lanes is in progress: calls that a customer may see are finished, others not begun."""
        lanes = {int(duty.rpartition(" ")[2]) for duty in duties if duty.startswith("sender ")}
        while any(item.lane in lanes for item in self._items.values()):
            for task, item in tuple(self._preparing.items()):
                if item.lane in lanes:
                    task.cancel()
            self._less.clear()
            await self._less.wait()

    def _follow(self) -> None:
        """Other lanes are ours now. What was taken up under another name is done by others now. Of calls that have begun the outcome is refused (Fenced)."""
        for task, item in tuple(self._preparing.items()):
            if item.worker != self._share.worker:
                task.cancel()
        self._bell.wake("outbox")

    def _is_prepared(self, task: asyncio.Task[None]) -> None:
        self._preparing.pop(task, None)

    def waits(self, channel_id: str) -> dict[str, int]:
        """How many messages of the channel, or lane, wait for another try, by code (`account_fault 10031`)."""
        return self._held_up.waits(channel_id)

    @property
    def in_hand(self) -> int:
        """How many messages are between their turn and their outcome."""
        return sum(map(len, self._in_hand.values()))

    def _rooms(self) -> dict[str, Room]:
        return {} if self._draining else {key: self._room(key) for key, peer in self._peers.items() if peer.takes}

    def _has_missed(self, found: Look, rooms: Mapping[str, Room]) -> bool:
        """Whether some of what the look has left may go by now: a turn is due since, or a message has ended, which didn't know that it was waited for."""
        if any(self._room(channel_id).most > 0 for channel_id in found.full if channel_id in rooms):
            return True
        return any(not self._in_hand[channel_id].issuperset(rooms[channel_id].busy) for channel_id in found.held)

    async def _look(self, rooms: Mapping[str, Room]) -> tuple[Look, Sequence[float]]:
        """What is to be sent, and when each of it is, on the clock of the paces."""
        try:
            found = await self._outbox.look(rooms)
            found, due = await self._with_turns(found)
        except StoreUnavailable:
            return await self._wait_for_store((Look(), ()))
        # Lanes may have been lost, or be let go of, since it was looked.
        lanes, worker = self._share.lanes("sender"), self._share.worker
        ours = [(one, at) for one, at in zip(found.items, due, strict=True) if one.lane in lanes and one.worker == worker]
        if len(ours) < len(found.items):
            found, due = found._replace(items=[one for one, _ in ours]), [at for _, at in ours]
        return found, due

    async def _with_turns(self, found: Look) -> tuple[Look, Sequence[float]]:
        counts = Counter(item.channel_id for item in found.items)
        for channel_id, count in counts.items():
            self._paces[channel_id].take(count)
        if self._turns is None or not counts:
            return found, [0.0] * len(found.items)
        wanted = {key: (self._paces[key].gap, count) for key, count in counts.items()}
        granted = await self._turns.take(wanted, horizon_seconds=HORIZON_SECONDS)
        times = {key: deque(self._taken(key, granted[key], count)) for key, count in counts.items()}
        with_turn = [(item, times[item.channel_id].popleft()) for item in found.items if times[item.channel_id]]
        short = {key for key, count in counts.items() if granted[key].granted < count}
        return found._replace(items=[item for item, _ in with_turn], full={*found.full, *short}), [at for _, at in with_turn]

    def _taken(self, channel_id: str, turns: Turns, wanted: int) -> list[float]:
        pace = self._paces[channel_id]
        return pace.taken(turns, wanted) if isinstance(pace, SharedPace) else []

    def _room(self, channel_id: str) -> Room:
        pace, busy = self._paces[channel_id], self._in_hand[channel_id]
        return Room(min(pace.at_once - len(busy), pace.turns()), sorted(busy))

    @staticmethod
    async def _wait_for_store(nothing: T) -> T:
        """The store has reported its trouble."""
        await asyncio.sleep(_STORE_SECONDS)
        return nothing

    def _patience(self, found: Look) -> float:
        """How long nothing can become ready without a ring."""
        turns = [max(_GATHER_SECONDS, wait) for c in found.due if c in self._paces and (wait := self._paces[c].wait())]
        return min([1.0, *turns, *([max(0.005, found.later)] if found.later is not None else [])])

    async def _deliver(self, item: OutboxItem, at: float) -> None:
        goes_on = True
        try:
            if at and (seconds := at - elapsed()) > 0:
                await asyncio.sleep(seconds)
            goes_on = await self._try(item)
        except _Withdrawn:
            pass
        except StoreUnavailable:  # before the call: it waits for its next turn
            await self._wait_for_store(None)
        except Exception:
            _log.exception("sending failed", extra={"action": "outbox.fault", "row": item.id, "channel": item.channel_id})
            if not self._draining:
                await asyncio.sleep(_FAULT_SECONDS)
        finally:
            self._in_hand[item.channel_id].discard(item.id)
            self._items.pop(item.id, None)
            self._less.set()
            if goes_on or item.channel_id in self._left:
                self._bell.wake("outbox")

    async def _try(self, item: OutboxItem) -> bool:
        """Whether something of the conversation waits to be sent then."""
        peer = self._peers[item.channel_id]
        if item.lost_at is not None and not peer.may_repeat(item.message, item.lost_at, self._clock()):
            return await self._keep(item, Over("unknown", Why("no_answer", sentence_of("no_answer"))))
        begun, now = False, self._clock()

        async def begin() -> None:
            nonlocal begun
            if not begun:
                await self._begin(item)
                begun = True

        outcome: Outcome
        try:
            async with asyncio.timeout(_FLOW_SECONDS):
                message = await self._whole(item)
                sent = await self._driver.run(peer.send(message, now), before_visible=begin)
        except SendFailed as failed:
            outcome = self._failed(item, failed, now)
        except Unsupported as error:
            outcome = Over("skipped", Why("unsupported", str(error)))
        except TimeoutError:
            verdict, code = (Verdict.unknown, "no_answer") if begun else (Verdict.again, "provider_unavailable")
            outcome = self._failed(item, SendFailed(verdict, code), now)
        except (StoreUnavailable, _Withdrawn):
            raise
        except Unsendable as error:  # its text is free of secrets; a traceback need not be
            about = {"row": item.id, "channel": item.channel_id, "reason": str(error)}
            _log.error("request can't be written", extra={"action": "outbox.unsendable", **about})
            outcome = Over(_refused(item), _UNSENDABLE)
        except FileNotFoundError:
            _log.exception("file missing", extra={"action": "outbox.failed", "row": item.id, "channel": item.channel_id})
            outcome = Over("failed", _FILE_GONE)
        except Exception:
            _log.exception("adapter failed", extra={"action": "outbox.failed", "row": item.id, "channel": item.channel_id})
            outcome = Over("unknown" if begun else _refused(item), _FAULTY[begun])
        else:
            self._fault("called")
            outcome = sent if isinstance(sent, Sent) else Sent()
        pace = self._paces[item.channel_id]
        pace.failed() if _is_trouble(outcome) else pace.worked()
        return await self._keep(item, outcome)

    async def _whole(self, item: OutboxItem) -> Outbound | Call:
        message = item.message
        if isinstance(message, Say | Call) and (file := await self._outbox.file(item)) is not None:
            return message.model_copy(update={"file": file})
        return message

    async def _begin(self, item: OutboxItem) -> None:
        if self._draining:
            raise _Withdrawn
        self._fault("in_hand")
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        self._preparing.pop(task, None)  # from here on `drain` waits for it
        if not await self._outbox.begin(item):
            raise _Withdrawn
        self._fault("begun")

    def _failed(self, item: OutboxItem, failed: SendFailed, asked_at: datetime) -> Again | Over:
        """`asked_at`: what the adapter was told that the time is, from which it reckons; the clock may have been set since."""
        if failed.verdict is Verdict.unknown:
            return Over("unknown", _why(failed), failed.remember)
        # What a customer has said is wanted however old it is; what a rep said a day ago may not be.
        too_old = not _is_call(item) and self._clock() - item.message.created_at > TRIED_FOR
        if failed.verdict is Verdict.dead or (too_old and not failed.holds):
            return Over(_refused(item), _why(failed), failed.remember)
        asked = (failed.again_at - asked_at).total_seconds() if failed.again_at else 0.0
        seconds = max(asked, backoff(item.attempts, most_seconds=_REPAIR_SECONDS if failed.holds else LONGEST_BACKOFF))
        if failed.throttles_account:
            self._pause(item.channel_id, asked if failed.again_at else seconds)
        sooner = max(asked, hastening(item.hastened)) if _by_account(failed) else None
        # A broker elsewhere says itself what it waits for; an adapter's own sentence is for the end.
        why = (
            Why(failed.code, failed.sentence, failed.provider_code, failed.detail, failed.status)
            if _is_call(item) and failed.sentence
            else None
        )
        return Again(why or _why(failed, waits=True), seconds, sooner, failed.remember)

    def _pause(self, channel_id: str, seconds: float) -> None:
        self._paces[channel_id].pause(seconds)
        if self._turns is not None:
            task = asyncio.get_running_loop().create_task(self._pause_others(self._turns, channel_id, seconds))
            self._pausing.add(task)
            task.add_done_callback(self._pausing.discard)

    @staticmethod
    async def _pause_others(paces: Paces, channel_id: str, seconds: float) -> None:
        with suppress(StoreUnavailable):  # the provider tells each of them
            await paces.pause(channel_id, seconds)

    async def _keep(self, item: OutboxItem, outcome: Outcome) -> bool:
        """Write the outcome down, however long it takes: nobody else knows it, and what follows in the conversation waits."""
        if isinstance(outcome, Over):
            outcome = _in_its_words(item, outcome)
            _log_over(item, outcome)
        if isinstance(outcome, Again):
            self._held_up.again(item, outcome)
        else:
            self._held_up.over(item)
        word = outcome.state if isinstance(outcome, Over) else "again" if isinstance(outcome, Again) else "sent"
        self._metrics.sends.labels(item.channel_id, word).inc()
        told = False
        while True:
            try:
                goes_on = await self._outbox.settle(item, outcome)
                break
            except Fenced as error:  # whoever has the lane now takes it for unknown, or sends it again
                _log.error("outcome not written", extra={"action": "outbox.fenced", "row": item.id, "reason": str(error)})
                return False
            except StoreUnavailable as error:
                if not told:
                    _log.error("outcome not written yet", extra={"action": "outbox.lost", "row": item.id, "reason": str(error)})
                    told = True
                await asyncio.sleep(_STORE_SECONDS)
        if isinstance(outcome, Sent) and self._held_up.may_hasten(item.channel_id):
            await self._hasten(item.channel_id)
            return True
        return goes_on

    async def _hasten(self, channel_id: str) -> None:
        """The account's calls succeed again: what waited for that goes at once, as the pace allows."""
        try:
            await self._outbox.hasten(channel_id)
        except StoreUnavailable:  # the store has reported it
            self._held_up.not_hastened(channel_id)

    async def _signal(self, signal: TypingSignal) -> None:
        peer = self._peers.get(signal.channel_id)
        if peer is None:
            return
        try:
            async with asyncio.timeout(10):
                await self._driver.run(peer.send(signal, self._clock()))
        except Exception as error:  # its loss is nothing
            _log.debug(
                "typing lost", extra={"action": "typing.lost", "channel": signal.channel_id, "reason": type(error).__name__}
            )


# What an adapter's fault means for its message: whether the call that the customer may see had begun.
_FAULTY: Final = {
    False: Why(
        "adapter_fault", "The channel's adapter failed on this message. An operator must check the log; then send it again."
    ),
    True: Why(
        "adapter_fault",
        "The channel's adapter failed on the provider's answer, so it is unknown whether the customer has the message. An operator must check the log.",
    ),
}
_UNSENDABLE: Final = Why(
    "adapter_fault",
    "The request to the provider can't be written, so nothing was sent. An operator must check the channel's token; then send it again.",
)
_FILE_GONE: Final = Why("adapter_fault", "The file is no longer stored. Attach it to a new message.")


def _is_call(item: OutboxItem) -> bool:
    return isinstance(item.message, Call)


def _by_account(failed: SendFailed) -> bool:
    """Whether other messages of the account would have failed as well. What only seems so costs a few tries that come to nothing."""
    return failed.throttles_account or failed.holds or failed.code == "provider_unavailable"


def _is_trouble(outcome: Outcome) -> bool:
    """Whether the account's, and not the message's."""
    if isinstance(outcome, Again):
        return outcome.sooner is not None
    return isinstance(outcome, Over) and outcome.why.code == "no_answer"


def _refused(item: OutboxItem) -> OverState:
    """M3: a notice that can't be delivered now is skipped, with the reason, and stops nothing."""
    return "skipped" if item.message.kind == "notice" else "failed"


def _why(failed: SendFailed, *, waits: bool = False) -> Why:
    """Choose the sentence that is true for the message's state: an adapter's own sentence is for final failures."""
    final = failed.sentence if failed.verdict is not Verdict.again else None
    reason = final or sentence_of(failed.code, waits=waits)
    return Why(failed.code, reason, failed.provider_code, failed.detail, failed.status)


def _in_its_words(item: OutboxItem, over: Over) -> Over:
    """A notice isn't resent, so it needs its own sentence if the adapter has none."""
    why = over.why
    if item.message.kind != "notice" or why.reason != sentence_of(why.code):
        return over
    return replace(over, why=replace(why, reason=notice_sentence_of(why.code)))


def _log_over(item: OutboxItem, over: Over) -> None:
    about = {"row": item.id, "channel": item.channel_id, "code": over.why.code}
    theirs = {"status": over.why.status, "provider_code": over.why.provider_code}
    _log.warning("message %s", over.state, extra={"action": f"outbox.{over.state}", **about, **theirs})
