"""`byoc demo --store postgresql`: it is killed and started again as one on files, and leaves no server behind."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.processes import BYOC, byoc, demo_process
from tests.world import outside, wait_until

pytestmark = pytest.mark.acceptance
COMMAND = (*BYOC, "demo", "--store", "postgresql")


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that the server's user may enter: those of pytest are their owner's alone."""
    with tempfile.TemporaryDirectory(prefix="byoc-test-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


def server_of(data_dir: Path) -> int:
    return int((data_dir / "postgresql" / "data" / "postmaster.pid").read_text().split()[0])


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.timeout(300)
async def test_killed_and_started_again_nothing_is_gone(folder: Path) -> None:
    async with demo_process(folder / "data", command=COMMAND) as demo, outside(demo.address) as world:
        ana, kim = world.rep("ana"), world.customer("sms")
        await ana.present()
        assert (await kim.says("hello")).status == 201
        session = await ana.take("sms")
        first = server_of(demo.data_dir)
        await demo.now.kill()
        await demo.start()
        assert not lives(first)
        await ana.present()
        assert (await ana.say(session["id"], "good day")).status == 201
        await wait_until(lambda: kim.seen("message"), what="the answer")
        listed = await byoc("outbox", "list", "--data", str(demo.data_dir))
        assert (listed.code, listed.out) == (0, "no message has failed, is unknown, or was skipped\n")
        working = await byoc("workers", "--data", str(demo.data_dir))
        assert working.code == 0
        assert "broker 0-63" in working.out
        second = server_of(demo.data_dir)
        assert await demo.now.terminate() == 0
        assert not lives(second)
        over = await byoc("outbox", "list", "--data", str(demo.data_dir))
        assert (over.code, "isn't running: start the demo" in over.err) == (1, True)
        assert not (demo.data_dir / "sessions.db").exists()
