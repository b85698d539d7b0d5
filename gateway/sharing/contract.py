"""Sharing the work out among processes.

A duty is done by one process at a time, which holds its lease: `broker 17` (apply what comes in of the conversations of this lane), `sender 17`, `sort whatsapp-main`, `purge`.
A process that is alone has them all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from gateway.store.lanes import LANES


@dataclass(frozen=True, slots=True)
class Group:
    """Duties that are shared out evenly among the processes of a role."""

    role: str
    duties: tuple[str, ...]


def of_lanes(role: str) -> Group:
    """`broker 0` to `broker 63`: one for each lane."""
    return Group(role, tuple(f"{role} {number}" for number in range(LANES)))


class Share(Protocol):
    """What is this process's. All of it may be asked on the event loop; `worker` from any thread."""

    @property
    def worker(self) -> str:
        """The name under which the process holds what it holds now; empty: it is alone. When it was taken for dead, it gets a new one, and has
        nothing of what it had. What was begun under one name is written under that name, or not at all (`Store.write(…, by=…)`)."""
        ...

    @property
    def first(self) -> bool:
        """Whether no other process worked on the store when this one came."""
        ...

    def lanes(self, role: str) -> frozenset[int]:
        """The lanes whose duties of this role are its own."""
        ...

    def has(self, duty: str) -> bool:
        """Whether this duty is its own."""
        ...

    def still_ours(self) -> bool:
        """Whether nobody can have taken this process for dead, by its own clock: asked right before what can't be taken back."""
        ...

    def on_change(self, call: Callable[[], None]) -> None:
        """Called on the loop whenever duties come, go or are lost."""
        ...

    def before_letting_go(self, hook: Callable[[frozenset[str]], Awaitable[None]]) -> None:
        """Awaited with duties that are no longer its own here, and nobody else's yet: return when nothing of them is in progress any more. It isn't asked about those
        that were lost (`worker` has changed): what is in progress of them is to be dropped."""
        ...

    def alone(self, what: str) -> AbstractAsyncContextManager[None]:
        """Within it, no other process is in one of the same name. Waits for its turn, and for the database."""
        ...


class Sharing(Share, Protocol):
    """As who puts the parts together has it."""

    async def start(self, groups: Collection[Group]) -> None:
        """Come, and take a share. Returns at once; the share grows in the background, again and again while the database can't be reached."""
        ...

    async def leave(self) -> None:
        """Take nothing more, and let go of everything: as soon as what is in progress is finished, others go on with it."""
        ...

    async def close(self) -> None:
        """Be gone: nothing can be written under this name any more."""
        ...
