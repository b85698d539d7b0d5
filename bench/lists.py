"""Lists and search among finished sessions: 1,000, 100,000 and, with `--long`, 1,000,000. They should take no longer than among few. Then a hundred desks come
back at once, as after a restart.

A gateway on few sessions and one on many stand side by side and are asked in turn, and of each pair of questions the processor time is compared: what the machine does besides
meets both alike, and where it makes a pair useless, the median leaves that out.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final, NamedTuple
from urllib.parse import quote

import uvloop

from bench import desk, machine, servers
from bench.archive import Archive, fill, person
from bench.desk import Rep
from bench.load import drive
from bench.results import Line
from bench.servers import Server
from bench.subject import Bench, Subject
from bench.traffic import Traffic
from gateway.store.connecting import connect, migrate

_FEW: Final = 1_000
_MANY: Final = (100_000, 1_000_000)  # the last with `--long`
_DESKS: Final = 100
_LOGINS: Final = tuple(f"rep-{number}" for number in range(_DESKS))
_BUSY: Final = 5  # reps who had all the sessions, so that each has more than a page of them among 1,000
_OPEN: Final = ("waiting", "active", "inactive")
_WARM_UP: Final = 10  # each reader of the store has what the question needs in its cache
_REPEATS: Final = 100


@contextmanager
def _serving(bench: Bench, size: int) -> Iterator[tuple[Server, Archive]]:
    """A gateway on so many finished sessions, at rest."""
    reps = {login: {"capacity": 10} for login in _LOGINS} | {"sam": {"supervisor": True}}
    archive = Archive(size, "bench", channels=(("whatsapp", "whatsapp"),), reps=_LOGINS[:_BUSY], queue="all")
    with servers.prepared(bench, reps=reps) as (folder, port):
        (folder / "data").mkdir()
        with closing(connect(folder / "data" / "sessions.db")) as connection:
            migrate(connection, "gateway.store.migrations.sessions")
            fill(connection, archive)
        with servers.running(folder, port, servers.command(folder / "gateway.yaml")) as server:
            server.come_to_rest()
            yield server, archive


def _questions(archive: Archive) -> dict[str, str]:
    """What is asked, by a rep and by a supervisor. Of searches only the first hit is wanted: among more sessions there are more hits, and showing them
    isn't searching."""
    name = quote(person(archive, 7).name)
    return {
        "the list": "/sessions?limit=50",
        "ended ones": "/sessions?status=ended&limit=50",
        "a search for a name": f"/sessions?limit=1&q={name}",
        "a search for a beginning": f"/sessions?limit=1&q={name[:4]}",
        "a search that finds nothing": "/sessions?limit=1&q=zzyzx",
    }


class _Asked(NamedTuple):
    """Of a question, medians: the times of the answer among few and among many, in ms; the processor time among many to that among few."""

    few: float
    many: float
    ratio: float


async def _asked(few: Server, many: Server, archive: Archive) -> dict[str, _Asked]:
    """Each question, by what it is and who asks."""
    found: dict[str, _Asked] = {}
    async with desk.reps(few, _LOGINS[0], "sam") as of_few, desk.reps(many, _LOGINS[0], "sam") as of_many:
        for pair in zip(of_few, of_many, strict=True):
            asking = list(zip((few, many), pair, strict=True))
            for what, path in _questions(archive).items():
                found[f"{what} ({pair[0].login})"] = await _in_turn(asking, path)
    return found


async def _in_turn(asking: list[tuple[Server, Rep]], path: str) -> _Asked:
    times: dict[int, list[float]] = {server.pid: [] for server, _ in asking}
    costs: dict[int, list[float]] = {server.pid: [] for server, _ in asking}
    for number in range(_WARM_UP + _REPEATS):
        for server, rep in asking if number % 2 else reversed(asking):
            used, begun = machine.thread_seconds(server.pid), time.perf_counter()
            await rep.call("GET", path)
            times[server.pid].append(time.perf_counter() - begun)
            costs[server.pid].append(machine.thread_seconds(server.pid) - used)
    few, many = (statistics.median(one[_WARM_UP:]) * 1000 for one in times.values())
    pairs = zip(*(one[_WARM_UP:] for one in costs.values()), strict=True)
    return _Asked(few, many, statistics.median(among_many / among_few for among_few, among_many in pairs))


async def _back(server: Server) -> float:
    """Seconds until a hundred desks that were online before have what they show at first. Each asks as the page does; as many customers wait."""
    await drive(server.port, iter(Traffic(people=_DESKS).requests(_DESKS)), connections=8, insist=True)
    await asyncio.to_thread(server.drained, _DESKS)
    async with desk.reps(server, *_LOGINS) as people:
        for rep in people:
            await rep.online()
        await asyncio.to_thread(server.come_to_rest)
        begun = time.perf_counter()
        await asyncio.gather(*map(_enter, people))
        return time.perf_counter() - begun


async def _enter(rep: Rep) -> None:
    async with rep.stream():
        lists = (rep.call("GET", f"/sessions?status={status}&limit=100") for status in _OPEN)
        await asyncio.gather(rep.call("GET", "/me"), *lists)


def measure(bench: Bench) -> None:
    """Each question among many to the same among 1,000; noted is the one that slows down most."""
    if not bench.long:
        for key in (f"lists.{_MANY[-1]}", f"lists.back.{_MANY[-1]}"):
            bench.remark(key, "only with --long")
    with _serving(bench, _FEW) as (few, archive):
        for size in _MANY if bench.long else _MANY[:-1]:
            with _serving(bench, bench.count(size, _FEW)) as (many, _):
                asked = uvloop.run(_asked(few, many, archive))
                worst = max(asked, key=lambda what: asked[what].ratio)
                told = (f"{what} {one.few:.1f} ms, {one.many:.1f} ms ({one.ratio:.2f})" for what, one in asked.items())
                bench.say(f"    {_FEW:,} and {bench.count(size, _FEW):,}: {'; '.join(told)}")
                bench.note(f"lists.{size}", asked[worst].ratio)
                bench.remark(f"lists.{size}", worst)
                bench.note(f"lists.back.{size}", uvloop.run(_back(many)))


SUBJECT: Final = Subject(
    "lists",
    "lists and search among 100,000 finished sessions (with --long 1,000,000) as among 1,000; a hundred desks come back",
    tuple(
        line
        for size in _MANY
        for line in (
            Line(
                f"lists.{size}",
                f"lists and search, {size:,} finished sessions to 1,000: what slows down most",
                "ratio",
                1.2,
                "low",
            ),
            Line(f"lists.back.{size}", f"100 desks back, {size:,} finished sessions", "s", 2, "low"),
        )
    ),
    measure,
    rounds=1,
)
