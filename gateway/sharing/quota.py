"""How duties are shared out: evenly, by the same reckoning in each process, so that nobody need talk to anybody."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Sequence
from typing import NamedTuple

from gateway.sharing.contract import Group
from gateway.store.leases import Shared


class Moves(NamedTuple):
    """What a worker does about its share: duties to claim, and duties to let go of."""

    claims: frozenset[str] = frozenset()
    surplus: frozenset[str] = frozenset()


def moves(me: str, shared: Shared, groups: Collection[Group], letting: Collection[str]) -> Moves:
    """What `me` does now. `letting`: what it holds, and is letting go of already."""
    claims: set[str] = set()
    surplus: set[str] = set()
    for group in groups:
        workers = [one.id for one in shared.workers if group.role in one.roles and not one.late]
        if me not in workers:
            continue
        quota = _quota(group, workers, me)
        mine = [duty for duty in group.duties if shared.holders.get(duty) == me]
        staying = [duty for duty in mine if duty not in letting]
        surplus.update(staying[quota:])
        free = [duty for duty in _from_own_place(group.duties, workers.index(me), len(workers)) if duty not in shared.holders]
        claims.update(free[: max(0, quota - len(mine))])
    return Moves(frozenset(claims), frozenset(surplus))


def _quota(group: Group, workers: Sequence[str], me: str) -> int:
    """How many are its share. Of what can't be divided, each group gives the rest to others, so that one worker doesn't get it of all."""
    each, rest = divmod(len(group.duties), len(workers))
    first = zlib.crc32(group.duties[0].encode()) % len(workers) if group.duties else 0
    return each + ((workers.index(me) - first) % len(workers) < rest)


def _from_own_place(duties: Sequence[str], rank: int, count: int) -> list[str]:
    """Each begins to look elsewhere, so that those who come at once don't all want the same."""
    first = rank * len(duties) // count
    return [*duties[first:], *duties[:first]]
