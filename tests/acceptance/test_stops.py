"""A stop costs time and nothing else: what waits goes out after the start, once, in order, and is never called `unknown`."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.service import service
from tests.acceptance.test_bad_input import genuine, rows
from tests.world import World, demo, puts_of, wait_until

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


async def test_a_stop_answers_the_webhooks_that_are_being_stored(tmp_path: Path) -> None:
    """One that was read in front of aiohttp, and one in chunks, which aiohttp reads. The disk takes its time."""
    reached, go_on, stop = threading.Event(), threading.Event(), asyncio.Event()
    up: asyncio.Future[World] = asyncio.get_running_loop().create_future()

    def slow(point: str) -> None:
        reached.set()
        go_on.wait(60)

    async def life() -> None:
        async with demo(tmp_path) as world:
            world.gateway.inbox.writer._fault = slow
            up.set_result(world)
            await stop.wait()

    living = asyncio.create_task(life())
    world = await up
    given = puts_of(world)
    host, port = world.address.removeprefix("http://").split(":")
    idle, usual, chunked = [await asyncio.open_connection(host, int(port)) for _ in range(3)]
    call = genuine(world, "whatsapp")
    headers = "".join(f"{name}: {value}\r\n" for name, value in call.headers.items() if name.lower() != "content-length")
    head = f"POST /webhooks/whatsapp HTTP/1.1\r\nHost: here\r\n{headers}".encode()
    usual[1].write(head + b"Content-Length: %d\r\n\r\n" % len(call.body) + call.body)
    chunked[1].write(head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(call.body), call.body))
    await wait_until(lambda: len(given) == 2 and reached.is_set(), what="both are with the store")
    stop.set()
    async with asyncio.timeout(60):
        assert await idle[0].read() == b"", "closed at once"
        go_on.set()
        for reader, writer in (usual, chunked):
            assert (await reader.read()).startswith(b"HTTP/1.1 200")
            writer.close()
        await living
    idle[1].close()
    assert rows(tmp_path) == 2
