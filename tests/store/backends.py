"""The stores that the suites of this folder run on. A test that takes `store` runs once on each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gateway.store import inbox
from gateway.store.inbox_contract import Inbox, InboxRows


@dataclass(frozen=True)
class Backend:
    """How a store is made: for a folder, with a clock, and with `fault` walking through the points of a commit."""

    inbox: Callable[..., Inbox]
    inbox_rows: Callable[[Path], AbstractContextManager[InboxRows]]  # as an operator's command has them


BACKENDS: Final = {"sqlite": Backend(inbox.SqliteInbox, inbox.opened)}


class Time:
    """A clock that is set."""

    now = datetime(2026, 11, 2, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now
