"""Lists and search among finished sessions: 1,000, 100,000 and, with `--long`, 1,000,000. They should take no longer than among few. Then a hundred desks come
back at once, as after a restart."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final
from urllib.parse import quote

import uvloop

from bench import desk, servers
from bench.archive import Archive, fill, person
from bench.desk import Rep
from bench.load import drive
from bench.results import Line
from bench.servers import Server
from bench.subject import Bench, Subject
from bench.traffic import Traffic
from gateway.store.connecting import connect, migrate

_SIZES: Final = (1_000, 100_000, 1_000_000)
_DESKS: Final = 100
_LOGINS: Final = tuple(f"rep-{number}" for number in range(_DESKS))
_BUSY: Final = 5  # reps who had all the sessions, so that each has more than a page of them among 1,000
_OPEN: Final = ("waiting", "active", "inactive")
_REPEATS: Final = 20


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


async def _asked(server: Server, archive: Archive) -> dict[str, float]:
    """The median time of each question, in ms."""
    found: dict[str, float] = {}
    async with desk.reps(server, _LOGINS[0], "sam") as people:
        for rep in people:
            for what, path in _questions(archive).items():
                times = [await _timed(rep, path) for _ in range(_REPEATS)]
                found[f"{what} ({rep.login})"] = statistics.median(times) * 1000
    return found


async def _timed(rep: Rep, path: str) -> float:
    begun = time.perf_counter()
    await rep.call("GET", path)
    return time.perf_counter() - begun


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
    """Each question, at each size, to its time among 1,000; noted is the question that slows down most."""
    least: dict[str, float] = {}
    if not bench.long:
        for key in (f"lists.{_SIZES[-1]}", f"lists.back.{_SIZES[-1]}"):
            bench.remark(key, "only with --long")
    for size in _SIZES if bench.long else _SIZES[:-1]:
        with _serving(bench, bench.count(size, _SIZES[0])) as (server, archive):
            times = uvloop.run(_asked(server, archive))
            least = least or times
            worst = max(times, key=lambda what: times[what] / least[what])
            bench.say(f"    {size:,}: {', '.join(f'{what} {ms:.1f} ms' for what, ms in times.items())}")
            if size > _SIZES[0]:
                bench.note(f"lists.{size}", times[worst] / least[worst])
                bench.remark(f"lists.{size}", worst)
                bench.note(f"lists.back.{size}", uvloop.run(_back(server)))


SUBJECT: Final = Subject(
    "lists",
    "lists and search among 100,000 finished sessions (with --long 1,000,000) as among 1,000; a hundred desks come back",
    tuple(
        line
        for size in _SIZES[1:]
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
