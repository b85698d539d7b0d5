"""The pace of one account: so many messages a second, evenly, a pause when the provider says stop, and few calls at once while they fail."""

from __future__ import annotations

from typing import Final

from gateway.clock import Elapsed, elapsed

_MOST_AT_ONCE: Final = 32


class Pace:
    """How many messages may be sent now. An idle account saves up at most `burst` turns. `at_once` bounds the calls in progress: each one that
    the account's trouble makes fail halves it, each other one doubles it. So a provider that is down is asked by one call at a time, and one that
    is up again isn't met by all at once."""

    def __init__(self, per_second: float, *, burst: int = 10, time: Elapsed = elapsed) -> None:
        self._gap = 1 / per_second
        self._burst = self._gap * burst
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
        return max(0, int((now - self._next) / self._gap + 1 + 1e-9))

    def take(self, count: int) -> None:
        """So many of the turns are used."""
        self._next += count * self._gap

    def pause(self, seconds: float) -> None:
        """The provider throttles the account: nothing of it for so long, or longer where that was said before."""
        self._paused_until = max(self._paused_until, self._time() + seconds)

    def wait(self) -> float:
        """Seconds until there is a turn; 0: there is one."""
        now = self._time()
        return max(0.0, self._next - now, self._paused_until - now)
