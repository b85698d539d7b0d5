"""The process dies at every point between two steps, one after another; afterwards every rule holds, and the customer was told each true
thing once, or its delivery says `unknown` where the provider has no key to tell a repetition by.

LINE has such a key, so nothing may be unknown there; SMS has none. What was in hand and not called yet is unknown nowhere.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.faulty_demo import DIED
from tests.acceptance.processes import ROOT
from tests.acceptance.storm import GONE, persist
from tests.ports import free_port
from tests.world import Customer, Outside, Rep, Reply, outside, wait_until

pytestmark = pytest.mark.acceptance
Tell = Callable[[str], None]

# Before a commit's end and after it; within it: the event is known, the entries stand, the messages are queued, the desks' events stand, all of that
# is in the file, the answer is kept under its key; around a call: in hand, begun, taken by the provider, answered.
POINTS = (
    "before_commit",
    "after_commit",
    "event_marked",
    "entries_written",
    "outbox_written",
    "events_written",
    "written",
    "answer_kept",
    "in_hand",
    "begun",
    "provider_took",
    "called",
)
# Where the channel makes a difference.
AROUND_SENDING = ("before_commit", "after_commit", "in_hand", "begun", "provider_took", "called")


class Mortal:
    """A demo that is started again whenever it has died."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, armed: Path) -> None:
        self._process, self.port, self._armed = process, port, armed
        self.deaths = 0
        self._ready = asyncio.Event()

    async def keep_alive(self) -> None:
        """Until cancelled. Ending in another way than by the fault is a fault of the gateway's."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        while True:
            self._process.stdin.write(b"once more\n")
            while (said := (await self._process.stdout.readline()).decode().strip()) in ("imported", "ready"):
                if said == "ready":
                    self._ready.set()
            assert said == f"ended {DIED}", said
            self._ready.clear()
            self.deaths += 1

    async def alive(self) -> None:
        await self._ready.wait()

    def arm(self, point: str, number: int) -> None:
        partial = self._armed.with_suffix(".new")
        partial.write_text(f"{point} {number}")
        partial.rename(self._armed)

    def disarm(self) -> bool:
        """Whether it went off."""
        try:
            self._armed.unlink()
        except FileNotFoundError:
            return True
        return False


@asynccontextmanager
async def mortal_demo(folder: Path) -> AsyncIterator[tuple[Mortal, Outside]]:
    """Up, and up again."""
    port, armed = free_port(), folder / "armed"
    command = ("-m", "tests.acceptance.faulty_demo", "--port", str(port), "--data", str(folder / "data"), "--armed", str(armed))
    with (folder / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            cwd=ROOT,
            start_new_session=True,
        )
    mortal = Mortal(process, port, armed)
    keeping = asyncio.create_task(mortal.keep_alive())
    try:
        async with asyncio.timeout(30):
            await mortal.alive()
        async with outside(f"http://127.0.0.1:{port}") as world:
            yield mortal, world
    finally:
        if keeping.done() and not keeping.cancelled() and keeping.exception():
            print((folder / "log").read_text())  # noqa: T201
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


# ----------------------------------------------------------------------------------------------------- stories


@dataclass
class Story:
    """One customer's conversation, told by commands that are repeated under their key until somebody answers."""

    world: Outside
    kim: Customer
    session_id: str = ""
    _count: int = 0
    told: list[str] = field(default_factory=list)  # what the customer must have been told, in order

    @property
    def ana(self) -> Rep:
        return self.world.rep("ana")

    @property
    def ben(self) -> Rep:
        return self.world.rep("ben")

    async def begin(self) -> None:
        """Kim and Ana talk; Ben is free."""
        await self.ben.present("busy")
        assert (await self.kim.says("hello")).status == 201
        self.session_id = (await self.ana.take(self.kim.channel_id))["id"]
        self.told.append("Ana has joined")
        await self.ben.present()
        await self.quiet()

    async def does(self, rep: Rep, path: str, body: Any = None) -> Reply:
        self._count += 1
        key = f"{self.kim.name}-{self._count}"
        done = await persist(lambda: rep.post(f"/sessions/{self.session_id}{path}", body, key=key))
        assert done.status in (200, 201), done
        return done

    async def quiet(self) -> list[Any]:
        """The transcript, once nothing is under way any more; with what Kim wrote in it."""

        async def settled() -> list[Any]:
            entries = await self.world.rep("sam").transcript(self.session_id)
            open_ones = [d for e in entries for d in e["delivery"] if d["status"] in ("queued", "sending")]
            return [] if open_ones else entries

        return list(await wait_until(lambda: patient(settled), 30, what="nothing is under way"))


async def patient(ask: Callable[[], Awaitable[Any]]) -> Any:
    """None while nobody answers."""
    try:
        return await ask()
    except GONE:
        return None


async def invite(story: Story) -> None:
    """invite → accept → notice"""
    asked = await story.does(story.ana, "/invitations", {"recipient": {"type": "agent", "id": "ben"}})
    await story.does(story.ben, f"/invitations/{asked.json['id']}/accept")
    story.told.append("Ben has joined")


async def transfer(story: Story) -> None:
    """transfer → swap → notice"""
    asked = await story.does(story.ana, "/transfers", {"recipient": {"type": "agent", "id": "ben"}})
    await story.does(story.ben, f"/invitations/{asked.json['id']}/accept")
    story.told.append("Ben")


async def question(story: Story) -> None:
    """message in → answer out"""
    await wait_until(lambda: patient(lambda: typed(story.kim, "a question")), 30, what="the question stands on the handset")
    await wait_until(lambda: patient(lambda: has_said(story, "a question")), 30, what="the question stands in the transcript")
    await story.does(story.ana, "/messages", {"text": "an answer"})
    story.told.append("an answer")


async def typed(kim: Customer, text: str) -> bool:
    """Type it, unless the handset has it already: a person looks before typing again."""
    if not any(line["text"] == text for line in await kim.handset()):
        assert (await kim.says(text)).status == 201
    return True


async def has_said(story: Story, text: str) -> bool:
    return any(e["text"] == text for e in await story.world.rep("sam").transcript(story.session_id))


AFTER = {"invite": (["ana", "ben"], "ben"), "transfer": (["ben"], "ben"), "question": (["ana"], "ana")}
STORIES: dict[str, Callable[[Story], Coroutine[Any, Any, None]]] = {"invite": invite, "transfer": transfer, "question": question}


async def check(story: Story, name: str, unknown_allowed: bool, figures: Counter[str]) -> None:
    """The rules hold, and the customer knows each thing once."""
    entries = await story.quiet()
    assert [e["number"] for e in entries] == list(range(1, len(entries) + 1))
    reps, speaker = AFTER[name]
    session = (await story.world.rep("sam").get(f"/sessions/{story.session_id}")).json
    assert session["status"] == "active"
    assert sorted(p["id"] for p in session["participants"] if p["role"] == "rep") == reps
    assert session["invitations"] == []
    kinds = Counter(e["kind"] for e in entries)
    assert kinds["participant_joined"] == (1 if name == "question" else 2)
    assert kinds["invited"] == (0 if name == "question" else 1)
    assert kinds["notice"] == (1 if name == "question" else 2)
    assert [e["text"] for e in entries if e["kind"] == "message" and e["from"]["role"] == "end_user"] == (
        ["hello", "a question"] if name == "question" else ["hello"]
    )
    await told_once(story, entries, unknown_allowed, figures)
    assert (await story.world.rep(speaker).say(story.session_id, "and now?")).status == 201  # C7: whoever is in can write
    assert (await story.world.rep("sam").post(f"/sessions/{story.session_id}/end")).status == 200
    await story.quiet()


async def told_once(story: Story, entries: list[Any], unknown_allowed: bool, figures: Counter[str]) -> None:
    shown = [line["text"] for line in await story.kim.seen()]
    sent = [e for e in entries if e["delivery"]]
    assert len(sent) == len(story.told), [e["text"] for e in sent]
    places = []
    for entry, words in zip(sent, story.told, strict=True):
        assert words in entry["text"]
        (delivery,) = entry["delivery"]
        times = [n for n, line in enumerate(shown) if entry["text"] in line]
        assert len(times) <= 1, f"told {len(times)} times: {entry['text']}"
        figures[delivery["status"]] += 1
        if delivery["status"] == "unknown":
            assert unknown_allowed, entry
        else:
            assert times, f"not told, but {delivery}"
        places += times
    assert places == sorted(places), shown


# ------------------------------------------------------------------------------------------------------- walks


@pytest.mark.timeout(600)
@pytest.mark.parametrize("channel_id", ["line", "sms"])
@pytest.mark.parametrize("name", STORIES)
async def test_dying_at_every_point_leaves_every_rule_true(
    name: str, channel_id: str, tmp_path: Path, tell: Tell, pytestconfig: pytest.Config
) -> None:
    every = channel_id == "line" or pytestconfig.getoption("--slow")
    async with mortal_demo(tmp_path) as (mortal, world):
        await world.rep("ana").present()
        figures: Counter[str] = Counter()
        for point in POINTS if every else AROUND_SENDING:
            for number in itertools.count(1) if every else range(1, 6):  # Twilio's receipts alone are a dozen commits
                if not await dies(mortal, world, name, channel_id, point, number, figures):
                    break
                figures[f"deaths at {point}"] += 1
        tell(f"{name} on {channel_id}: {mortal.deaths} deaths, {dict(figures)}")
        assert mortal.deaths >= 10
        if channel_id == "line":
            assert figures["unknown"] == 0


async def dies(
    mortal: Mortal, world: Outside, name: str, channel_id: str, point: str, number: int, figures: Counter[str]
) -> bool:
    """Play the story once, dying at the `number`th passing of `point`. False: the story ends before that."""
    story = Story(world, world.customer(channel_id, f"kim-{point.replace('_', '-')}-{number}"))
    await story.begin()
    mortal.arm(point, number)
    await STORIES[name](story)
    await story.quiet()
    died = mortal.disarm()
    await mortal.alive()
    await check(story, name, channel_id != "line" and point != "in_hand", figures)
    return died
