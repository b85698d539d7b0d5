"""The pace of one account: so many messages a second, evenly, a pause when the provider says stop, and few calls at once while they fail.

Where several processes send by the same account, they share its turns (`Paces`): each takes as many as it has messages for, a tenth of a second ahead and by one question for all
accounts. So the rate holds over all of them, and one that dies takes no more than that with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from gateway.clock import Elapsed, elapsed

HORIZON_SECONDS: Final = 0.1
_MOST_AT_ONCE: Final = 32
_LEAST_SECONDS: Final = 0.005


class Turns(Protocol):
    """See `gateway.store.paces.Turns`."""

    @property
    def first_in(self) -> float:
        """In how many seconds the first is due; none granted: when to ask again."""
        ...

    @property
    def granted(self) -> int:
        """How many."""
        ...


class Paces(Protocol):
    """Where several processes send by the same accounts: who may when. Both raise StoreUnavailable."""

    async def take(self, wanted: Mapping[str, tuple[float, int]], *, horizon_seconds: float) -> Mapping[str, Turns]:
        """Of each account so many turns, with the seconds between them (the first of the pair), that fall due until the horizon."""
        ...

    async def pause(self, account: str, seconds: float) -> None:
        """Nobody takes a turn of the account for so long, or longer where that was said before."""
        ...


class Pace:
    """How many messages may be sent now. An idle account saves up at most `burst` turns. `at_once` bounds the calls in progress: each one that
    the account's trouble makes fail halves it, each other one doubles it. So a provider that is down is asked by one call at a time, and one that
    is up again isn't met by all at once."""

    def __init__(self, per_second: float, *, burst: int = 10, time: Elapsed = elapsed) -> None:
        self.gap = 1 / per_second
        self._burst = self.gap * burst
        self._time = time
        self._next = time() - self._burst  # when the first turn that isn't taken yet falls due
        self._paused_until = 0.0
        self.at_once = _MOST_AT_ONCE

    def worked(self) -> None:
        """The account answered a call."""
        self.at_once = min(_MOST_AT_ONCE, 2 * self.at_once)

    def failed(self) -> None:
        """A call failed, and not by its message's fault."""
        self.at_once = max(1, self.at_once // 2)

    def turns(self) -> int:
        """How many there are at this moment."""
        now = self._time()
        if now < self._paused_until:
            return 0
        self._next = max(self._next, now - self._burst)
        return max(0, int((now - self._next) / self.gap + 1 + 1e-9))

    def take(self, count: int) -> None:
        """So many of the turns are used."""
        self._next += count * self.gap

    def pause(self, seconds: float) -> None:
        """The provider throttles the account: nothing of it for so long, or longer where that was said before."""
        self._paused_until = max(self._paused_until, self._time() + seconds)

    def wait(self) -> float:
        """Seconds until there is a turn; 0: there is one."""
        now = self._time()
        return max(0.0, self._next - now, self._paused_until - now)


class SharedPace(Pace):
    """One whose turns are taken from all that send (`Paces`): here is only known how many may be asked for, and when."""

    def turns(self) -> int:
        """How many may be asked for at this moment."""
        return 0 if self._time() < self._paused_until else int(HORIZON_SECONDS / self.gap) + 1

    def take(self, count: int) -> None:
        """They are taken elsewhere."""

    def wait(self) -> float:
        """Seconds until some may be asked for; 0: now."""
        return max(0.0, self._paused_until - self._time())

    def taken(self, turns: Turns, wanted: int) -> list[float]:
        """When each of those that were granted is due, on the clock of `time`. If they are fewer than `wanted`, the next question waits until there may be more."""
        now = self._time()
        if turns.granted < wanted:
            self.pause(max(_LEAST_SECONDS, turns.first_in + turns.granted * self.gap - HORIZON_SECONDS))
        return [now + turns.first_in + number * self.gap for number in range(turns.granted)]
