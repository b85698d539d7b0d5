"""An open channel in the demo: there and back as every channel, and what only it does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.test_every_channel import there_and_back
from tests.world import demo, wait_until

pytestmark = pytest.mark.acceptance


async def test_text_picture_and_notices_there_and_back(tmp_path: Path) -> None:
    async with demo(tmp_path) as world:
        ana = world.rep("ana")
        await ana.present()
        await there_and_back(world, ana, world.customer("open"), "open")


async def test_a_changed_message_and_one_taken_back_are_seen_by_the_rep(tmp_path: Path) -> None:
    async with demo(tmp_path) as world:
        ana, kim = world.rep("ana"), world.customer("open")
        await ana.present()
        first, second = [(await kim.says(text)).json["id"] for text in ("helo", "never mind")]
        session = await ana.take("open")
        assert (await kim.does("edit", target=first, text="hello")).status == 201
        assert (await kim.does("unsend", target=second)).status == 201

        async def changed() -> bool:
            said = [e for e in await ana.transcript(session["id"]) if e["kind"] == "message"]
            return [(e["edited"], e["deleted"], e["text"]) for e in said] == [(True, False, "helo"), (False, True, None)]

        await wait_until(changed, what="the change and the deletion are in the transcript")


async def test_a_message_that_the_server_refuses_is_told_to_the_rep_in_words(tmp_path: Path) -> None:
    async with demo(tmp_path) as world:
        ana, kim = world.rep("ana"), world.customer("open")
        await ana.present()
        refused = {"mischief": [{"status": 400}]}
        assert (await kim.does("say", text="hello")).status == 201
        session = await ana.take("open")
        await wait_until(lambda: kim.seen("notice"))
        assert (await kim.does("say", text="again", details=refused)).status == 201
        said = (await ana.say(session["id"], "good day")).json

        async def failed() -> bool:
            entry = next(e for e in await ana.transcript(session["id"]) if e["number"] == said["number"])
            return any(one["status"] == "failed" for one in entry["delivery"])

        await wait_until(failed, what="the answer is marked as failed")
