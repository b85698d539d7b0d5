"""A conference of three in a simulated Salesforce org, as the customer sees it on every channel: reps act in the org's console, and all that they do reaches the
customer by the org's events and the gateway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.processes import BYOC, Demo, demo_process
from tests.acceptance.test_conference import Handset, answers, asks, refused_everywhere, said, whispered
from tests.world import CHANNELS, PNG, Customer, Outside, Rep, outside, wait_until

pytestmark = pytest.mark.acceptance
COMMAND = (*BYOC, "demo", "--broker", "salesforce")


async def heard(rep: Rep, session_id: str, found: Callable[[Any], Any], what: str) -> Any:
    """The entry of the org's transcript that is looked for, once it is there."""

    async def there() -> Any:
        return next((line for line in await rep.transcript(session_id) if found(line)), None)

    return await wait_until(there, what=what)


async def test_three_reps_as_the_customer_sees_them(tmp_path: Path) -> None:
    async with demo_process(tmp_path / "demo", command=COMMAND) as demo, outside(demo.address) as world:
        for some in (CHANNELS[:3], CHANNELS[3:]):  # no rep may have more than five sessions at once
            await world.rep("ana").present()
            begun = await asyncio.gather(*(begin(world, channel_id) for channel_id in some))
            await world.rep("ben").present()
            await world.rep("cleo").present()
            await asyncio.gather(*(confer(world, handset, session_id) for handset, session_id in begun))
            for login in ("ana", "ben", "cleo"):
                await world.rep(login).present("away")
        numbers = (await world.call("GET", "/org/_numbers")).json
        assert numbers["deliveries_24h"]["delivered"] >= numbers["events_24h"]["published"] > 0


async def begin(world: Outside, channel_id: str) -> tuple[Handset, str]:
    """The customer's handset, and the session that Ana has taken."""
    kim = world.customer(channel_id)
    handset = Handset(kim)
    assert (await kim.says("hello")).status == 201
    session_id = (await world.rep("ana").take(channel_id))["id"]
    await handset.notice("Ana")
    return handset, session_id


async def confer(world: Outside, handset: Handset, session_id: str) -> None:
    ana, ben, cleo, sam = (world.rep(login) for login in ("ana", "ben", "cleo", "sam"))
    kim = handset.kim
    await answers(ben, session_id, await asks(ana, session_id, "ben"), "accept")
    await handset.notice("Ben")  # C7
    await said(ana, session_id, "from ana", handset, "Ana")  # M2
    await said(ben, session_id, "from ben", handset, "Ben")
    assert (await kim.says("from kim")).status == 201
    await heard(ben, session_id, lambda line: line["text"] == "from kim", f"the customer's words of {kim.channel_id}")

    await answers(cleo, session_id, await asks(ana, session_id, "cleo"), "decline")  # C8
    await answers(cleo, session_id, await asks(ben, session_id, "cleo"), "accept")
    await handset.notice("Cleo")  # the next thing that is seen: the decline was not
    await said(cleo, session_id, "from cleo", handset, "Cleo")
    await files(kim, cleo, session_id, handset)

    await whispered(ana, sam, session_id)  # M4
    await refused_everywhere(ana, session_id)  # C4, T2

    assert (await ben.post(f"/sessions/{session_id}/leave")).status == 200
    await handset.notice("Ben")  # L1
    request = await asks(cleo, session_id, "ben", "transfers")
    await answers(ben, session_id, request, "accept")
    await handset.notice("Ben")  # T1: one notice
    await said(ben, session_id, "the last word", handset, "Ben")
    assert "SECRET" not in await handset.everything()

    assert (await ana.post(f"/sessions/{session_id}/leave")).status == 200
    await handset.notice("Ana")
    ended = await ben.post(f"/sessions/{session_id}/end")
    assert ended.status == 200, ended


async def files(kim: Customer, rep: Rep, session_id: str, handset: Handset) -> None:
    """Both ways, to the byte."""
    assert (await rep.say(session_id, file=PNG)).status == 201
    await handset.next()

    async def picture() -> Any:
        """Where files have no text beside them, the speaker's name comes first; and a phone may show the line before it has loaded the picture."""
        return next((line for line in await kim.seen() if line["media"]), None)

    line = await wait_until(picture, what=f"the picture on {kim.channel_id}")
    assert line["media"]["size_bytes"] == len(PNG), line
    await handset.skip()
    assert (await kim.says(file=PNG)).status == 201

    found = await heard(rep, session_id, ready, f"the customer's file of {kim.channel_id}")
    (media,) = (part for part in found["parts"] if part["type"] == "media")
    stored = await rep._outside.call("GET", media["url"])
    assert (stored.status, stored.body) == (200, PNG)


def ready(line: Any) -> bool:
    """A customer's file that is stored."""
    theirs = line["from"] is not None and line["from"]["role"] == "end_user"
    return theirs and any(part.get("state") == "ready" for part in line["parts"])


async def test_nothing_is_lost_or_doubled_when_the_demo_is_killed(tmp_path: Path) -> None:
    """Gateway and org are one process here, and both begin anew where they were."""
    async with demo_process(tmp_path / "demo", command=COMMAND) as demo, outside(demo.address) as world:
        ana, kim = world.rep("ana"), world.customer("sms")
        await ana.present()
        assert (await kim.says("0")).status == 201
        session_id = (await ana.take("sms"))["id"]
        for number in range(1, 3):
            assert (await kim.says(f"in {number}")).status == 201
            assert (await ana.say(session_id, f"out {number}")).status == 201
            await demo.now.kill()
            await demo.start()
        await all_there(demo, kim, ana, session_id)


async def all_there(demo: Demo, kim: Customer, ana: Rep, session_id: str) -> None:
    async def out() -> bool:
        return len([line for line in await kim.seen("message") if "out" in line["text"]]) == 2

    async def into() -> bool:
        return len([line for line in await ana.transcript(session_id) if (line["text"] or "").startswith("in ")]) == 2

    await wait_until(out, what="the rep's messages")
    await wait_until(into, what="the customer's messages")
    texts = [line["text"] for line in await kim.seen("message")]
    assert [text[-5:] for text in texts] == ["out 1", "out 2"], demo.log.read_text()[-2000:]
    said = [line["text"] for line in await ana.transcript(session_id) if (line["text"] or "").startswith("in ")]
    assert said == ["in 1", "in 2"]
