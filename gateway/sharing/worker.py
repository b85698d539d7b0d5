"""A process among others that work on one store: it says that it is alive, takes its share of the duties, and takes over from the dead.

A thread does this by a connection of its own, so that nothing that the process is busy with makes it look dead. Who wasn't heard of for the time of a lease counts as dead:
another one marks it as gone, which frees its duties. Whatever it writes from then on is refused by the database (`Fenced`); it drops what it had, and comes back
under a new name. By its own clock it knows sooner than the others that it may be taken for dead, and does nothing any more that can't be taken back (`still_ours`).

After the database was away nobody has been heard of. Who comes back first gives the others the time of a lease before it takes them for dead.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Final

from gateway import clock
from gateway.clock import Elapsed, elapsed
from gateway.doorbell.contract import Doorbell
from gateway.errors import StoreUnavailable
from gateway.outage import Outage
from gateway.sharing.contract import Group
from gateway.sharing.quota import moves
from gateway.store.leases import About, Changes, Leases, Shared

_log = logging.getLogger(__name__)
LEASE_SECONDS: Final = 6.0
_MARGIN_SECONDS: Final = 1.0  # so much sooner than the others we count ourselves as dead
_BEAT_SECONDS: Final = 1.0
_SOON_SECONDS: Final = 0.2  # when something is about to be free
_LEAST_SECONDS: Final = 0.05  # between two beats, however often we are told to look
_AGAIN_SECONDS: Final = 1.0  # after a fault of ours
_LISTEN_SECONDS: Final = 60.0
_TOPIC: Final = "leases"
_ALONE: Final = "alone "  # the duties of `alone`
_NOTHING: Final[frozenset[str]] = frozenset()
_NO_LANES: Final[frozenset[int]] = frozenset()


class Worker:
    """See the module, and `gateway.sharing.contract.Sharing`, whose methods these are."""

    def __init__(
        self,
        leases: Leases,
        about: About,
        *,
        bell: Doorbell | None = None,
        lease_seconds: float = LEASE_SECONDS,
        new_id: Callable[[str], str] = clock.new_id,
        time: Elapsed = elapsed,
    ) -> None:
        """`bell`: by it the others are told that duties are free, and tell us."""
        self._leases, self._about, self._bell, self._new_id, self._time = leases, about, bell, new_id, time
        self._lease_seconds = lease_seconds
        self._outage = Outage(_log, "sharing the work", "sharing")
        self._loop: asyncio.AbstractEventLoop
        self._thread: threading.Thread | None = None
        self._groups: Collection[Group] = ()
        self._calls: list[Callable[[], None]] = []
        self._hooks: list[Callable[[frozenset[str]], Awaitable[None]]] = []
        # Of the loop:
        self._held = _NOTHING
        self._lanes: dict[str, frozenset[int]] = {}
        self._worker_told = ""  # whose `_held` is
        self._tasks: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()  # nothing is held any more
        self._rooms: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._turns: dict[str, asyncio.Future[None]] = {}
        # Of the thread; `worker` and `_beaten_at` are read by others:
        self.worker = ""
        self.first = False
        self._beaten_at = float("-inf")
        self._away = False  # the last beat failed
        self._back_at = float("-inf")  # the first one after that
        self._letting: set[str] = set()
        self._retired = False
        self._there: Mapping[str, int] = {}
        # Of both, under the lock:
        self._wake = threading.Condition()
        self._told = self._ending = self._leaving = False
        self._finished: set[tuple[str, str]] = set()  # (worker, duty): of these nothing is in progress any more
        self._wanted: set[str] = set()  # by `alone`

    # -------------------------------------------------------------------------------------------------------- the share

    def lanes(self, role: str) -> frozenset[int]:
        """See the contract."""
        if not self._knows():
            return _NO_LANES
        found = self._lanes.get(role)
        if found is None:
            found = self._lanes[role] = frozenset(
                int(duty.rpartition(" ")[2]) for duty in self._held if duty.startswith(f"{role} ")
            )
        return found

    def has(self, duty: str) -> bool:
        """See the contract."""
        return duty in self._held and self._knows()

    def still_ours(self) -> bool:
        """See the contract."""
        return self._time() - self._beaten_at < self._lease_seconds - _MARGIN_SECONDS

    def _knows(self) -> bool:
        """Whether what is held is still so. The thread may have another name already, of which the loop hasn't heard."""
        return self.worker == self._worker_told and self.still_ours()

    def live(self, role: str) -> int:
        """How many workers of a role there are, as far as is known."""
        return self._there.get(role, 0)

    def on_change(self, call: Callable[[], None]) -> None:
        """See the contract."""
        self._calls.append(call)

    def before_letting_go(self, hook: Callable[[frozenset[str]], Awaitable[None]]) -> None:
        """See the contract."""
        self._hooks.append(hook)

    @asynccontextmanager
    async def alone(self, what: str) -> AsyncIterator[None]:
        """See the contract."""
        duty = f"{_ALONE}{what}"
        async with self._rooms[duty]:  # tasks of this process
            self._turns[duty] = turn = self._loop.create_future()
            try:
                self._say(lambda: self._wanted.add(duty))
                await turn
                yield
            finally:
                del self._turns[duty]
                self._say(lambda: self._wanted.discard(duty))

    async def start(self, groups: Collection[Group]) -> None:
        """See the contract. Once it has started, it goes on."""
        if self._thread is not None:
            return
        self._loop = asyncio.get_running_loop()
        self._groups = groups
        self._thread = threading.Thread(target=self._run, name="sharing", daemon=True)
        self._thread.start()
        if self._bell is not None:
            self._keep(self._listen(self._bell), "listening for free duties")

    async def _listen(self, bell: Doorbell) -> None:
        while True:
            await bell.wait(_TOPIC, _LISTEN_SECONDS)
            self._say(lambda: None)

    def _keep(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = self._loop.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def leave(self) -> None:
        """See the contract. While the database is away, it waits."""
        self._say(lambda: setattr(self, "_leaving", True))
        if self._thread is not None and self.worker:
            await self._empty.wait()

    async def close(self) -> None:
        """See the contract."""
        self._say(lambda: setattr(self, "_ending", True))
        for task in tuple(self._tasks):
            task.cancel()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
            self._thread = None

    def _say(self, change: Callable[[], object]) -> None:
        with self._wake:
            change()
            self._told = True
            self._wake.notify()

    # -------------------------------------------------------------------------------------------------------- on the loop

    def _changed(self, worker: str, held: frozenset[str], letting: frozenset[str], *, lapsed: bool = False) -> None:
        """What the thread has found: what is held, and what else is to be let go of now. `lapsed`: for a moment nothing was ours."""
        changed = lapsed or worker != self._worker_told or held != self._held
        self._worker_told = worker
        self._held, self._lanes = held, {}
        for duty, turn in self._turns.items():
            if duty in held and not turn.done():
                turn.set_result(None)
        if changed:
            self._call()
        if letting:
            self._keep(self._let_go(worker, letting), "letting go of duties")

    def _call(self) -> None:
        for call in self._calls:
            try:
                call()
            except Exception:
                _log.exception("a change of duties was not followed", extra={"action": "sharing.fault"})

    async def _let_go(self, worker: str, duties: frozenset[str]) -> None:
        for hook in self._hooks:
            while worker == self.worker:
                try:
                    await hook(duties)
                    break
                except Exception:  # what may be in progress must not be another's, too
                    _log.exception("duties were not let go of", extra={"action": "sharing.fault"})
                    await asyncio.sleep(_AGAIN_SECONDS)
        self._say(lambda: self._finished.update((worker, duty) for duty in duties))

    def _ring_for_others(self) -> None:
        if self._bell is not None:
            self._post(partial(self._bell.ring, _TOPIC))

    def _post(self, call: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is gone
            self._loop.call_soon_threadsafe(call)

    # ------------------------------------------------------------------------------------------------------ in the thread

    def _run(self) -> None:
        last = float("-inf")
        pause = 0.0
        while True:
            with self._wake:
                until = last + pause
                while not self._ending and (seconds := until - self._time()) > 0:
                    if self._told:
                        until = min(until, max(self._time(), last + _LEAST_SECONDS))
                        self._told = False
                        continue
                    self._wake.wait(seconds)
                self._told = False
                if self._ending:
                    break
            last = self._time()
            try:
                pause = self._round(last)
                self._outage.worked()
            except StoreUnavailable as error:
                self._outage.failed(str(error))
                self._away = True
                pause = _BEAT_SECONDS
                self._post(self._look_whether_lost)
            except Exception:
                _log.exception("sharing the work failed", extra={"action": "sharing.fault"})
                pause = _AGAIN_SECONDS
            pause *= random.uniform(0.9, 1.1)  # noqa: S311 - lest all come at once
        self._end()

    def _look_whether_lost(self) -> None:
        if self._held and not self.still_ours():
            self._call()

    def _end(self) -> None:
        worker, self._beaten_at = self.worker, float("-inf")
        if worker:
            with suppress(StoreUnavailable):
                self._leases.sign_off(worker)
                self._ring_for_others()
        self._leases.close()

    def _round(self, began: float) -> float:
        """One beat. Seconds until the next."""
        if not self.worker:
            self._register()
            began = self._time()
        worker = self.worker
        starting: set[str] = set()
        with self._wake:
            finished = {duty for of, duty in self._finished if of == worker}
            leaving, wanted = self._leaving, set(self._wanted)
        if leaving and not self._retired:
            self._leases.retire(worker)
            self._retired = True
        done: set[str] = set()

        def decide(shared: Shared) -> Changes:
            done.clear()
            starting.clear()
            mine = {duty for duty, holder in shared.holders.items() if holder == worker}
            alone = {duty for duty in mine if duty.startswith(_ALONE)}
            what = moves(worker, shared, () if leaving else self._groups, self._letting)
            surplus = mine - alone - self._letting if leaving else what.surplus
            done.update((finished & self._letting) | (alone - wanted))
            starting.update(surplus)
            return Changes(what.claims | {duty for duty in wanted if duty not in shared.holders}, done & mine)

        beaten = self._leases.beat(worker, decide)
        if beaten is None:
            self._fenced()
            return 0.0
        with self._wake:  # not before: a beat that failed has let go of nothing
            self._finished = {(of, duty) for of, duty in self._finished if of == worker and duty not in finished}
        shared, got = beaten
        lapsed = not self.still_ours()  # who asked meanwhile was told that nothing is ours
        self._beaten_at = began
        if self._away:
            self._away, self._back_at = False, began
        self._letting = (self._letting - done) | starting
        mine = {duty for duty, holder in shared.holders.items() if holder == worker and duty not in done} | got
        self._letting &= mine
        self._count(shared)
        if leaving and not mine:
            self._post(self._empty.set)
        self._post(partial(self._changed, worker, frozenset(mine - self._letting), frozenset(starting), lapsed=lapsed))
        if done:
            self._ring_for_others()
        return self._next(shared, mine, wanted, began)

    def _next(self, shared: Shared, mine: Collection[str], wanted: Collection[str], began: float) -> float:
        late = [one.id for one in shared.workers if one.late]
        if late and self._may_take_over(shared, began):
            count = self._leases.take_over()
            if count:
                about = {"action": "sharing.took_over", "workers": count}
                _log.warning("workers that were not heard of are gone, others do their work", extra=about)
                self._ring_for_others()
            return _SOON_SECONDS
        return _SOON_SECONDS if any(duty not in mine for duty in wanted) else _BEAT_SECONDS

    def _may_take_over(self, shared: Shared, began: float) -> bool:
        """Not while the database comes back: then nobody has been heard of."""
        return began - self._back_at > self._lease_seconds and shared.server_started_seconds_ago > self._lease_seconds

    def _count(self, shared: Shared) -> None:
        roles = [role for one in shared.workers if not one.late for role in one.roles]
        self._there = {role: roles.count(role) for role in set(roles)}

    def _register(self) -> None:
        worker = self._new_id("wrk")
        roles = () if self._leaving else sorted({group.role for group in self._groups})
        first = self._leases.register(worker, self._about, roles)
        self.first = self.first or first
        self._letting = set()
        self.worker = worker

    def _fenced(self) -> None:
        """The others took us for dead. Nothing is ours until the next beat, under a new name."""
        _log.warning(
            "this process was taken for dead, and comes back under a new name",
            extra={"action": "sharing.fenced", "worker": self.worker},
        )
        self._beaten_at = float("-inf")
        self._register()
        self._post(partial(self._changed, self.worker, _NOTHING, _NOTHING))
