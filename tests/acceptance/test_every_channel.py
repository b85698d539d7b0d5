"""The main job, seen from outside: a customer writes on each channel, a rep takes the session and answers, and the handset shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.world import CHANNELS, PNG, Customer, Rep, World, demo, wait_until

pytestmark = pytest.mark.acceptance


@pytest.mark.parametrize("channel_id", [*CHANNELS, "sms-standard"])
async def test_text_picture_and_notices_there_and_back(channel_id: str, tmp_path: Path) -> None:
    async with demo(tmp_path) as world:
        ana = world.rep("ana")
        await ana.present()
        await there_and_back(world, ana, world.customer(channel_id), channel_id)


async def there_and_back(world: World, ana: Rep, kim: Customer, channel_id: str) -> None:
    assert (await kim.says(f"hello by {channel_id}")).status == 201
    session = await ana.take(channel_id)
    assert session["end_user"]["name"]
    assert (await ana.say(session["id"], "good day")).status == 201
    notices = await wait_until(lambda: kim.seen("notice"), what=f"{channel_id}: a join notice")
    assert ["Ana" in line["text"] for line in notices] == [True]
    said = await wait_until(lambda: kim.seen("message"), what=f"{channel_id}: the answer")
    assert ["good day" in line["text"] for line in said] == [True]

    assert (await kim.says("look", file=PNG)).status == 201

    async def picture() -> Any:
        return next((p for e in await ana.transcript(session["id"]) for p in e["parts"] if p.get("state") == "ready"), None)

    part = await wait_until(picture, what=f"{channel_id}: the picture in the transcript")
    fetched = await world.call("GET", part["url"])
    assert (fetched.status, fetched.body) == (200, PNG)

    assert (await ana.say(session["id"], "and this", file=PNG)).status == 201

    async def seen_by_kim() -> bytes | None:
        """The picture's bytes: a handset shows the line first, then the picture."""
        line = next((line for line in await kim.seen("message") if line["media"]), None)
        shown = await world.call("GET", line["media"]["url"]) if line else None
        return shown.body if shown and shown.status == 200 else None

    assert await wait_until(seen_by_kim, what=f"{channel_id}: the picture on the handset") == PNG
    ended = await ana.post(f"/sessions/{session['id']}/end")
    assert ended.status == 200, ended
