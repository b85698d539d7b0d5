"""Somebody sets the clock of a machine on which the gateway runs: nothing stands still, nothing is sent twice.

`stepped_clock.c` sets the wall clock of the gateway's process alone, so these tests need a C compiler; `tests/brokers/test_timers.py` and
`tests/journal/test_sender.py` do the like without.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.acceptance.service import service
from tests.acceptance.shims import built
from tests.world import wait_until

pytestmark = pytest.mark.acceptance


@pytest.mark.parametrize("step", [-3_600, *(pytest.param(step, marks=pytest.mark.slow) for step in (-45, 3_600))])
@pytest.mark.timeout(300)
async def test_a_set_clock_stops_no_messages(step: int, tmp_path: Path) -> None:
    setting = tmp_path / "step"
    shim = {"LD_PRELOAD": str(built("stepped_clock", tmp_path)), "STEPPED_CLOCK": str(setting)}
    async with service(tmp_path, shim) as one:
        one.pace(4)
        await one.start()
        conversations = await one.conversations(5)
        for number in range(4):
            for session_id in conversations:
                assert (await one.ana.say(session_id, f"answer {number}")).status == 201
        setting.write_text(str(step))
        for session_id, kim in conversations.items():  # both ways, after the step
            assert (await one.ana.say(session_id, "answer 4")).status == 201
            assert (await kim.says("thank you")).status == 201
        await wait_until(lambda: one.states().keys() <= {"sent", "delivered"}, 40, what="all is sent")
        for session_id, kim in conversations.items():
            shown = [line["text"] for line in await kim.seen() if "answer" in line["text"]]
            assert [re.search(r"answer \d", text)[0] for text in shown] == [f"answer {n}" for n in range(5)]  # type: ignore[index]

            async def thanked(session_id: str = session_id) -> bool:
                return "thank you" in [e["text"] for e in await one.ana.transcript(session_id)]

            await wait_until(thanked, what="the customer's words after the step")
        await one.stop()
        await one.start()  # with the time that was set
        await one.ana.present()
        for session_id in conversations:
            assert (await one.ana.say(session_id, "after the start")).status == 201
        await wait_until(lambda: one.states().keys() <= {"sent", "delivered"}, 40, what="all is sent after the start")
