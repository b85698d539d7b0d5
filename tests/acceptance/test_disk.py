"""The disk fails while everybody works: what was taken is there once and in order, nothing is called unknown that is known, and the log
says what is wrong once.

A third of all fsyncs fail; another process holds the databases' locks for longer than the gateway waits for them; the disk is full.
`faulty_disk.c` makes the disk fail, so these tests need a C compiler; `tests/journal/test_failing_commits.py` does the like without.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.processes import Demo, demo_process
from tests.acceptance.shims import built
from tests.acceptance.storm import Trouble, storm
from tests.world import CHANNELS, Outside, outside, wait_until

pytestmark = pytest.mark.acceptance
Tell = Callable[[str], None]
PATIENT = (sys.executable, "-m", "tests.acceptance.patient_demo", "demo")
STORES = ("inbox.db", "sessions.db", "chat.db")


class FaultyDisk:
    """The gateway's disk. `environment` is for its process."""

    def __init__(self, library: Path, control: Path) -> None:
        self._control, self._hits = control, control.with_name(f"{control.name}.hits")
        self.environment = {"LD_PRELOAD": str(library), "FAULTY_DISK": str(control)}

    def fails(self, how: str) -> None:
        """From now on: `fsync PERCENT` or `full`."""
        partial = self._control.with_suffix(".new")
        partial.write_text(how)
        partial.rename(self._control)

    def is_sound(self) -> None:
        """Again."""
        self._control.unlink()

    @property
    def failures(self) -> int:
        """How often it has failed."""
        return self._hits.stat().st_size if self._hits.exists() else 0


@pytest.fixture
def disk(tmp_path: Path) -> FaultyDisk:
    return FaultyDisk(built("faulty_disk", tmp_path), tmp_path / "plan")


# ------------------------------------------------------------------------------------------------ fsync fails


def fsync_fails(disk: FaultyDisk, percent: int) -> Trouble:
    """At random, for as long as anybody writes."""

    async def trouble(demo: Demo, over: Callable[[], bool]) -> None:
        disk.fails(f"fsync {percent}")
        await wait_until(over, 1_500, what="all has been written and answered")
        disk.is_sound()

    return trouble


@pytest.mark.timeout(900)
async def test_with_fsync_failing_at_random_nothing_is_lost_doubled_or_out_of_order(
    disk: FaultyDisk, tmp_path: Path, tell: Tell
) -> None:
    await storm_and_tell(tmp_path, tell, fsync_fails(disk, 30), messages=25, environment=disk.environment)
    assert disk.failures > 20


@pytest.mark.slow
@pytest.mark.timeout(1_800)
async def test_with_fsync_failing_for_long_nothing_is_lost_doubled_or_out_of_order(
    disk: FaultyDisk, tmp_path: Path, tell: Tell
) -> None:
    await storm_and_tell(tmp_path, tell, fsync_fails(disk, 30), messages=300, environment=disk.environment)
    assert disk.failures > 300


async def storm_and_tell(
    folder: Path, tell: Tell, trouble: Trouble, *, messages: int, environment: Mapping[str, str] | None = None
) -> None:
    seed = random.randrange(1_000_000)
    figures: dict[str, Any] = await storm(
        folder / "data", trouble, seed=seed, messages=messages, environment=environment, command=PATIENT
    )
    tell(f"seed {seed}: {figures}")
    assert figures["messages taken"] == len(CHANNELS) * messages
    assert figures.get("of them unknown", 0) == 0, "nobody died, so every outcome is known"


# --------------------------------------------------------------------------------------- somebody holds the lock

_HOLD = """
import sqlite3, sys, time
held = [sqlite3.connect(path, isolation_level=None) for path in sys.argv[2:]]
for one in held:
    one.execute("PRAGMA busy_timeout=60000")
    one.execute("BEGIN IMMEDIATE")
print("held", flush=True)
time.sleep(float(sys.argv[1]))
for one in held:
    one.execute("ROLLBACK")
"""


@asynccontextmanager
async def locked(data_dir: Path, seconds: float, stores: tuple[str, ...]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Another process has begun to write, and doesn't end; on leaving, it has."""
    paths = [str(data_dir / name) for name in stores]
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _HOLD, str(seconds), *paths, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    yield holder
    assert await holder.wait() == 0


def locks(seconds: float, *groups: tuple[str, ...]) -> Trouble:
    """Each group of databases in turn."""

    async def trouble(demo: Demo, over: Callable[[], bool]) -> None:
        async with outside(demo.address) as world:
            for stores in groups:
                await asyncio.sleep(0.5)
                async with locked(demo.data_dir, seconds, stores) as holder:
                    await wait_until(lambda: readiness(world, 503), what="/readyz says so")
                    assert holder.returncode is None
                await wait_until(lambda: readiness(world, 200), what="/readyz says that it is over")

    return trouble


async def readiness(world: Outside, status: int) -> Any:
    """What /readyz says, once it has this status."""
    told = await world.call("GET", "/readyz")
    return told.json if told.status == status else None


@pytest.mark.timeout(900)
async def test_with_the_databases_locked_for_twelve_seconds_nothing_is_lost_doubled_or_out_of_order(
    tmp_path: Path, tell: Tell
) -> None:
    """Longer than SQLite waits for a lock."""
    await storm_and_tell(tmp_path, tell, locks(12, STORES), messages=25)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
async def test_with_each_database_locked_in_turn_nothing_is_lost_doubled_or_out_of_order(tmp_path: Path, tell: Tell) -> None:
    await storm_and_tell(tmp_path, tell, locks(12, *((name,) for name in STORES), STORES), messages=300)


# ------------------------------------------------------------------------------------------------ the disk is full


async def test_a_full_disk_is_told_to_callers_and_once_to_the_log(disk: FaultyDisk, tmp_path: Path) -> None:
    async with demo_process(tmp_path / "data", environment=disk.environment) as demo, outside(demo.address) as world:
        ana, kim = world.rep("ana"), world.customer("sms")
        await ana.present()
        assert (await kim.says("before")).status == 201
        session = await ana.take("sms")
        disk.fails("full")
        for number in range(20):
            refused = await ana.say(session["id"], f"answer {number}", key=f"key-{number}")
            assert (refused.status, refused.json["code"]) == (503, "unavailable")
            assert "Try again" in refused.json["detail"]
            assert "Retry-After" in refused.headers
        assert (await kim.says("during")).status == 201

        async def all_say_so() -> Any:
            told = await readiness(world, 503)
            return told["details"] if told and len(told["details"]) == 3 else None

        told = await wait_until(all_say_so, what="/readyz says so of every store, idle or not")
        assert set(told) == {"inbox", "broker", "chat"}
        assert all("database or disk is full. Free space on the disk" in reason for reason in told.values()), told
        await asyncio.sleep(1)  # workers try, too
        disk.is_sound()
        await wait_until(lambda: readiness(world, 200), what="/readyz says that it is over")
        assert (await ana.say(session["id"], "answer 0", key="key-0")).status == 201

        async def heard() -> bool:
            texts = [entry["text"] for entry in await ana.transcript(session["id"]) if entry["kind"] == "message"]
            return Counter(texts) == Counter(["before", "answer 0", "during"])

        await wait_until(heard, what="what was said while the disk was full")
        await demo.now.terminate()
    lines = [json.loads(line) for line in demo.log.read_text().splitlines() if line.startswith("{")]
    assert [line for line in lines if "traceback" in line] == []
    failing = Counter(line["message"] for line in lines if line["action"] == "store.failing")
    assert failing
    assert set(failing.values()) == {1}
    assert len(lines) < 20, lines
