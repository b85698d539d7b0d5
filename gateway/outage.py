"""Reports once that something fails, and once that it works again: a full disk must not fill the log with a line for each request."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final

# Between two reports of a failure. What fails and works by turns would fill the log otherwise.
_QUIET_SECONDS: Final = 10.0


class Outage:
    """One thing's trouble. `failed` and `worked` are told of every try; two threads at once may cost a line of log, no more."""

    def __init__(self, log: logging.Logger, what: str, action: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._log, self._what, self._action, self._monotonic = log, what, action, monotonic
        self.reason: str | None = None
        self._reported = False
        self._quiet_until = float("-inf")

    def failed(self, reason: str, **more: Any) -> None:
        """A try failed. Logged as `ACTION.failing`, unless that was said already."""
        self.reason = reason
        if not self._reported and self._monotonic() >= self._quiet_until:
            self._reported = True
            self._quiet_until = self._monotonic() + _QUIET_SECONDS
            extra = {"action": f"{self._action}.failing", "reason": reason, **more}
            self._log.error("%s fails", self._what, extra=extra)

    def worked(self) -> None:
        """A try went well. After a failure that was logged: `ACTION.works`."""
        if self.reason is None:
            return
        self.reason = None
        if self._reported:
            self._reported = False
            self._log.warning("%s works again", self._what, extra={"action": f"{self._action}.works"})
