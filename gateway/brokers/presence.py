"""Who is there: what reps say of themselves, and their event streams as they open and close (L5)."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable
from typing import Final, TypeAlias

from gateway.brokers.contract import Caller
from gateway.brokers.ground import Ground
from gateway.brokers.unit import Unit
from gateway.errors import StoreUnavailable
from gateway.session.commands import Command, RepConnected, RepDisconnected, RepUnavailable
from gateway.session.model import Login, Presence
from gateway.store.contract import Store, Transaction

_log = logging.getLogger(__name__)
_LOOK_SECONDS: Final = 1.0
_Rep: TypeAlias = tuple[str, str]  # org and login


def set_presence(unit: Unit, caller: Caller, status: Presence) -> None:
    """A rep who comes online is offered work; a rep who goes away is no longer asked for anything."""
    org, login = caller.org, caller.login
    unit.stored.reps.set_presence(org, login, status)
    data = {"login": login, "status": status.value}
    unit.stored.events.add(org=org, session_id=None, type="presence", audience={f"rep:{login}", "supervisors"}, data=data)
    if status is Presence.online:
        unit.offer_work(org, login)
    else:
        _in_each(unit, org, login, ("offered", "asked"), RepUnavailable(by=login))


def _in_each(unit: Unit, org: str, login: str, ties: tuple[str, ...], command: Command) -> None:
    for session_id in unit.stored.sessions.of_rep(org, login, *ties):
        if session := unit.stored.sessions.load(session_id):
            unit.do(session, command)


class Streams:
    """How many event streams of each rep are open in this process: what is so. It is written down as soon as it can be, in one job for all who come and go meanwhile.
    A rep is connected while any process that is alive has one of theirs."""

    def __init__(self, store: Store, ground: Ground) -> None:
        self._store, self._ground = store, ground
        self._open: Counter[_Rep] = Counter()
        self._changed: set[_Rep] = set()
        self._noting = asyncio.Lock()

    async def opened(self, org: str, login: str) -> None:
        """One more."""
        self._open[org, login] += 1
        if self._open[org, login] == 1:
            await self._note_change(org, login)

    async def closed(self, org: str, login: str) -> None:
        """One fewer."""
        self._open[org, login] -= 1
        if self._open[org, login] <= 0:
            del self._open[org, login]
            await self._note_change(org, login)

    async def _note_change(self, org: str, login: str) -> None:
        """Write it down; where that fails, `run` does it later."""
        self._changed.add((org, login))
        async with self._noting:
            if (org, login) not in self._changed:
                return  # written with another's
            changed, self._changed = self._changed, set()
            try:
                await self._store.write(lambda stored: self._note_all(stored, changed))
            except StoreUnavailable as error:
                _log.warning(
                    "presence not written yet", extra={"action": "presence.wait", "reps": len(changed), "reason": str(error)}
                )

    def begin_anew(self, stored: Transaction) -> None:
        """After a restart none is open: those who had one get the grace time."""
        self._note_all(stored, stored.reps.held_here())

    def _note_all(self, stored: Transaction, reps: Iterable[_Rep]) -> None:
        for org, login in sorted(reps):
            self._note(stored, org, login)

    def _note(self, stored: Transaction, org: str, login: str) -> None:
        """Bring what is written of a rep's streams up to what is so, with all that follows from it; whoever comes first does it."""
        connected = self._open[org, login] > 0
        if connected == stored.reps.is_held_here(org, login):
            return
        if stored.reps.set_connected(org, login, connected, self._ground.steady()):
            self._follow(stored, org, login, connected)

    def _follow(self, stored: Transaction, org: str, login: str, connected: bool) -> None:
        """The rep has arrived, or is gone, from all processes."""
        unit = Unit(stored, self._ground)
        if connected and org in self._ground.orgs and self._is_online(stored, org, login):
            unit.offer_work(org, login)
        command = RepConnected(by=Login(login)) if connected else RepDisconnected(by=Login(login))
        _in_each(unit, org, login, ("in",), command)

    def _is_online(self, stored: Transaction, org: str, login: str) -> bool:
        grace = self._ground.orgs[org].settings.disconnect_grace_seconds
        presence = stored.reps.presence(org, login, steady=self._ground.steady, grace_seconds=grace)
        return presence.status is Presence.online

    async def run(self) -> None:
        """Look again and again whether what is written is so, until cancelled: a write may have failed."""
        while True:
            try:
                written = await self._store.read(lambda stored: stored.reps.held_here())
                for key in written ^ {key for key, count in self._open.items() if count > 0}:
                    await self._store.write(lambda stored, key=key: self._note(stored, *key))  # type: ignore[misc]
            except StoreUnavailable:
                pass  # `_note_change` has told
            await asyncio.sleep(_LOOK_SECONDS)

    async def run_adrift(self) -> None:
        """For processes that are gone, whose reps nobody else would miss: let go of the streams that they had, until cancelled. One process does it."""
        while True:
            for org, login in sorted(await self._store.read(lambda stored: stored.reps.adrift())):
                await self._store.write(lambda stored, rep=(org, login): self._let_go(stored, *rep))  # type: ignore[misc]
            await asyncio.sleep(_LOOK_SECONDS)

    def _let_go(self, stored: Transaction, org: str, login: str) -> None:
        if stored.reps.let_go(org, login, self._ground.steady()):
            self._follow(stored, org, login, connected=False)
