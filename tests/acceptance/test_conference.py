"""A conference of three as the customer sees it, on every channel: who came, who speaks, who left; nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.world import CHANNELS, Customer, Rep, demo, wait_until

pytestmark = pytest.mark.acceptance


class Handset:
    """What the customer sees that is new since one looked last."""

    def __init__(self, kim: Customer) -> None:
        self.kim, self._known = kim, 0

    async def next(self, count: int = 1) -> list[Any]:
        """The next so many lines, once they are there."""

        async def there() -> Any:
            seen = await self.kim.seen()
            return seen if len(seen) >= self._known + count else None

        seen = await wait_until(there, what=f"{count} more line(s) on {self.kim.channel_id}")
        found: list[Any] = seen[self._known : self._known + count]
        self._known += count
        return found

    async def skip(self) -> None:
        """What is there has been looked at."""
        self._known = len(await self.kim.seen())

    async def notice(self, *words: str) -> None:
        """One notice with these words comes next."""
        (line,) = await self.next()
        assert line["kind"] == "notice", line
        assert all(word in line["text"] for word in words), line

    async def spoken(self, name: str | None, words: str) -> None:
        """These words come next, and the channel or the text says whose they are (None: nobody need say)."""
        (line,) = await self.next()
        assert line["kind"] == "message", line
        assert words in line["text"]
        if name is not None:
            assert name in (line["speaker"] or "") + line["text"].partition(words)[0], line

    async def everything(self) -> str:
        """All that was ever on it."""
        return str(await self.kim.handset())


async def asks(rep: Rep, session_id: str, login: str, purpose: str = "invitations") -> str:
    """The id of a request to one agent."""
    asked = await rep.post(f"/sessions/{session_id}/{purpose}", {"recipient": {"type": "agent", "id": login}})
    assert asked.status == 201, asked
    return str(asked.json["id"])


async def answers(rep: Rep, session_id: str, invitation_id: str, word: str) -> None:
    """accept, decline"""
    done = await rep.post(f"/sessions/{session_id}/invitations/{invitation_id}/{word}")
    assert done.status == 200, done


@pytest.mark.parametrize("channel_id", CHANNELS)
async def test_three_reps_as_the_customer_sees_them(channel_id: str, tmp_path: Path) -> None:
    async with demo(tmp_path) as world:
        ana, ben, cleo, sam = (world.rep(login) for login in ("ana", "ben", "cleo", "sam"))
        kim = world.customer(channel_id)
        handset = Handset(kim)
        await ana.present()
        assert (await kim.says("hello")).status == 201
        session_id = (await ana.take(channel_id))["id"]
        await handset.notice("Ana")
        await ben.present()
        await cleo.present()

        await answers(ben, session_id, await asks(ana, session_id, "ben"), "accept")
        await handset.notice("Ben")  # C7
        await said(ana, session_id, "from ana", handset, "Ana")  # M2
        await said(ben, session_id, "from ben", handset, "Ben")

        await answers(cleo, session_id, await asks(ana, session_id, "cleo"), "decline")  # C8
        await answers(cleo, session_id, await asks(ben, session_id, "cleo"), "accept")
        await handset.notice("Cleo")  # the next thing that is seen: the decline was not
        await said(cleo, session_id, "from cleo", handset, "Cleo")

        await whispered(ana, sam, session_id)  # M4
        await refused_everywhere(ana, session_id)  # C4, T2

        assert (await ben.post(f"/sessions/{session_id}/leave")).status == 200
        await handset.notice("Ben")  # L1
        request = await asks(cleo, session_id, "ben", "transfers")
        await answers(ben, session_id, request, "accept")
        await handset.notice("Ben")  # T1: one notice
        await said(ben, session_id, "the last word", handset, "Ben")
        inside = (await sam.get(f"/sessions/{session_id}")).json["participants"]
        assert sorted(p["id"] for p in inside if p["role"] == "rep") == ["ana", "ben"]
        assert "SECRET" not in await handset.everything()


async def said(rep: Rep, session_id: str, words: str, handset: Handset, name: str) -> None:
    assert (await rep.say(session_id, words)).status == 201
    await handset.spoken(name, words)


async def whispered(ana: Rep, sam: Rep, session_id: str) -> None:
    """Between the two; the handset's next line shows that nothing of it was seen."""
    steps: list[Callable[[], Any]] = [
        lambda: ana.post(f"/sessions/{session_id}/flag", {"text": "SECRET: help"}),
        lambda: sam.post(f"/sessions/{session_id}/whispers", {"text": "SECRET: offer a refund"}),
        lambda: ana("DELETE", f"/sessions/{session_id}/flag"),
    ]
    for step in steps:
        done = await step()
        assert done.status in (200, 201, 204), done


async def refused_everywhere(rep: Rep, session_id: str) -> None:
    """`others` is in no list and refused in every request."""
    others = {"recipient": {"type": "others", "id": "somebody@elsewhere.example"}}
    for purpose in ("invitations", "transfers"):
        refused = await rep.post(f"/sessions/{session_id}/{purpose}", others)
        assert refused.json["code"] == "recipient_type_not_allowed", refused
    for purpose in ("invite", "transfer"):
        for kind in ("agent", "queue", "flow"):
            items = await rep.items(f"/sessions/{session_id}/destinations?purpose={purpose}&type={kind}")
            assert all(item["type"] == kind for item in items)
        listed = await rep.get(f"/sessions/{session_id}/destinations?purpose={purpose}&type=others")
        assert (listed.json.get("items") or []) == [], listed


async def test_P1_a_standard_channel_relays_and_refuses_to_confer(tmp_path: Path) -> None:
    async with demo(tmp_path) as world:
        ana, kim = world.rep("ana"), world.customer("sms-standard")
        await ana.present()
        assert (await kim.says("hello")).status == 201
        session_id = (await ana.take("sms-standard"))["id"]
        await world.rep("ben").present()
        body = {"recipient": {"type": "agent", "id": "ben"}}
        refused = await ana.post(f"/sessions/{session_id}/invitations", body)
        assert (refused.status, refused.json["code"]) == (409, "conferencing_not_supported")
        assert (await ana.say(session_id, "good day")).status == 201
        await wait_until(lambda: kim.seen("message"))
        transfer = await ana.post(f"/sessions/{session_id}/transfers", body)
        assert transfer.status == 201, "T6: handing over alone is no conference"
        ben = world.rep("ben")
        assert (await ben.post(f"/sessions/{session_id}/invitations/{transfer.json['id']}/accept")).status == 200
        assert (await ben.say(session_id, "Ben here")).status == 201
