"""A stop costs time and nothing else: what waits goes out after the start, once, in order, and is never called `unknown`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.service import service
from tests.world import wait_until

pytestmark = pytest.mark.acceptance
Tell = Callable[[str], None]


@pytest.mark.parametrize("afterwards", [50, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.timeout(300)
async def test_a_stop_leaves_what_waits_for_its_pace_to_the_next_start(afterwards: int, tmp_path: Path, tell: Tell) -> None:
    """Forty answers by SMS at one a second, and SIGTERM while most of them wait; then at one a second again, or quicker."""
    async with service(tmp_path) as one:
        one.pace(1)
        await one.start()
        conversations = await one.conversations(20)
        for number in range(2):
            for session_id in conversations:
                assert (await one.ana.say(session_id, f"answer {number}")).status == 201
        await one.stop()
        at_the_stop = one.states()
        tell(f"at the stop: {dict(at_the_stop)}")
        assert at_the_stop["queued"] >= 10, "most wait"
        assert not at_the_stop.keys() & {"unknown", "sending", "failed", "skipped"}
        one.pace(afterwards)
        await one.start()
        await wait_until(lambda: one.states().keys() <= {"sent", "delivered"}, 90, what="all is sent")
        for kim in conversations.values():
            shown = [line["text"] for line in await kim.seen() if "answer" in line["text"]]
            assert [re.search(r"answer \d", text)[0] for text in shown] == ["answer 0", "answer 1"]  # type: ignore[index]
