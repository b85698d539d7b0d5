"""Firing timers: each once, in the transaction of its effect."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Final

from gateway.brokers.ground import Ground
from gateway.brokers.unit import Unit
from gateway.doorbell.contract import Doorbell
from gateway.session.commands import TimerFired, TimerKind
from gateway.store.contract import DueTimer, Store

_AT_ONCE: Final = 50  # share a commit


async def run_timers(store: Store, ground: Ground, bell: Doorbell) -> None:
    """Fire timers as they fall due, until cancelled; those that fell due while nobody ran fire now."""
    while True:
        now = ground.steady().timestamp()
        due, upcoming = await store.read(lambda stored, now=now: (stored.timers.due(now), stored.timers.next_due()))  # type: ignore[misc]
        for start in range(0, len(due), _AT_ONCE):
            some = due[start : start + _AT_ONCE]
            await asyncio.gather(*(store.write(lambda stored, one=timer: _fire(Unit(stored, ground), one)) for timer in some))  # type: ignore[misc]
        if due:
            continue
        seconds = 5.0 if upcoming is None else min(5.0, max(0.01, upcoming - ground.steady().timestamp()))
        await bell.wait("timers", seconds)


def _fire(unit: Unit, timer: DueTimer) -> None:
    session = unit.stored.sessions.load(timer.session_id) if unit.stored.timers.take(timer) else None
    if session is None:
        return
    holder = unit.ground.holders.get(session.channel_id)
    elsewhere = session.broker and timer.kind == TimerKind.grace
    if holder is not None and (elsewhere or timer.kind.startswith(f"{holder.kind}:")):
        holder.fire(unit, session, timer)
    elif ":" not in timer.kind:  # else of a broker that no longer controls the channel
        due_at = datetime.fromtimestamp(timer.due_at, UTC)
        unit.do(session, TimerFired(kind=timer.kind, ref=timer.ref, due_at=due_at))
