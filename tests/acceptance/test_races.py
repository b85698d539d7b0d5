"""Races over real HTTP against real processes: one winner of a queue's invitation, and never a session without a rep."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

import pytest

from tests.acceptance.crowd import crowd
from tests.world import Customer, Outside, Rep, wait_until

pytestmark = pytest.mark.acceptance
Tell = Callable[[str], None]
ASKED: Final = [f"rep{n:03d}" for n in range(1_000)]
SOON: Final = {"leave_notice_hold_seconds": 0.05}


class Here(Protocol):
    """Where it happens: one process, or a gateway in roles."""

    @property
    def phones(self) -> Outside:
        """The customers' side."""
        ...

    def rep(self, login: str) -> Rep:
        """Somebody of the org."""
        ...


@pytest.mark.timeout(300)
async def test_C2_of_a_thousand_acceptances_at_once_exactly_one_wins(tmp_path: Path, tell: Tell) -> None:
    async with crowd(tmp_path, {"door": ["host"], "crowd": ASKED}) as here:
        await a_thousand_accept(here, tell)


async def a_thousand_accept(here: Here, tell: Tell) -> None:
    kim, host = here.phones.customer("line"), here.rep("host")
    await host.present()
    assert (await kim.says("hello")).status == 201
    session = await host.take("line")
    await asyncio.gather(*(here.rep(login).present() for login in ASKED))  # each over a connection of its own, kept open
    invited = await host.post(f"/sessions/{session['id']}/invitations", {"recipient": {"type": "queue", "id": "crowd"}})
    assert invited.status == 201, invited
    assert len(invited.json["asked"]) == 1_000

    path = f"/sessions/{session['id']}/invitations/{invited.json['id']}/accept"
    answers = await asyncio.gather(*(here.rep(login).post(path) for login in ASKED))
    outcomes = Counter((a.status, (a.json or {}).get("code")) for a in answers)
    tell(f"outcomes: {dict(outcomes)}")
    assert outcomes == {(200, None): 1, (409, "invitation_already_taken"): 999}

    winner = ASKED[next(n for n, answer in enumerate(answers) if answer.status == 200)]
    entries = await here.rep("sam").transcript(session["id"])
    joined = [e["from"]["id"] for e in entries if e["kind"] == "participant_joined"]
    assert joined == ["host", winner]
    participants = (await host.get(f"/sessions/{session['id']}")).json["participants"]
    assert sorted(p["id"] for p in participants if p["role"] == "rep") == sorted(["host", winner])
    assert (await here.rep(winner).say(session["id"], "here I am")).status == 201  # C7

    async def arrived() -> bool:
        return any("here I am" in line["text"] for line in await kim.seen("message"))

    await wait_until(arrived, what="the winner's words on the handset")
    notices = [line["text"] for line in await kim.seen("notice")]
    assert [winner.capitalize() in text for text in notices] == [False, True], "the host's, then one of the winner's"


# ------------------------------------------------------------------------------------------- the last two leave

ROUNDS, SESSIONS = 50, 10


@pytest.mark.timeout(300)
async def test_L2_of_two_last_reps_who_leave_at_once_one_stays(tmp_path: Path, tell: Tell) -> None:
    """500 times: ten sessions at once, fifty times each; who stayed asks the other in again."""
    async with crowd(tmp_path, {"desk": ["ana", "ben"]}, settings=SOON) as here:
        await the_last_two_leave(here, tell)


async def the_last_two_leave(here: Here, tell: Tell) -> None:
    await asyncio.gather(here.rep("ana").present(), here.rep("ben").present())
    customers = [here.phones.customer("line", f"kim{n}") for n in range(SESSIONS)]
    for one in customers:
        assert (await one.says("hello")).status == 201
    sessions = [await opened(here) for _ in customers]
    stayed: Counter[str] = Counter()
    await asyncio.gather(*(leave_again_and_again(here, session, stayed) for session in sessions))
    assert stayed.total() == ROUNDS * SESSIONS
    tell(f"who stayed: {dict(stayed)}")
    for session in sessions:
        await ends_well(here, session)
    for one in customers:
        await writes_again(here, one, {session["id"] for session in sessions})


async def opened(here: Here) -> Any:
    """One more session that somebody has taken; with `host`, who that is."""

    async def offered() -> Any:
        for login in ("ana", "ben"):
            listed = await here.rep(login).get("/sessions?status=waiting")
            if session := next((s for s in listed.json["items"] if s["offer"]), None):
                taken = await here.rep(login).post(f"/sessions/{session['id']}/accept")
                assert taken.status == 200, taken
                return {**taken.json, "host": login}
        return None

    return await wait_until(offered, what="a session is offered")


async def leave_again_and_again(here: Here, session: Any, stayed: Counter[str]) -> None:
    path, host = f"/sessions/{session['id']}", session["host"]
    for _ in range(ROUNDS):
        guest = "ben" if host == "ana" else "ana"
        invited = await here.rep(host).post(f"{path}/invitations", {"recipient": {"type": "agent", "id": guest}})
        assert invited.status == 201, invited
        joined = await here.rep(guest).post(f"{path}/invitations/{invited.json['id']}/accept")
        assert joined.status == 200, joined
        first, second = random.sample(["ana", "ben"], 2)
        answers = await asyncio.gather(here.rep(first).post(f"{path}/leave"), here.rep(second).post(f"{path}/leave"))
        both = dict(zip((first, second), answers, strict=True))
        outcomes = [(answer.status, (answer.json or {}).get("code")) for answer in both.values()]
        assert sorted(outcomes, key=str) == [(200, None), (409, "last_rep_must_end")], both
        host = next(login for login, answer in both.items() if answer.status == 409)
        stayed[host] += 1
        now = (await here.rep("sam").get(path)).json
        assert now["status"] == "active"
        assert [p["id"] for p in now["participants"] if p["role"] == "rep"] == [host]
    session["host"] = host


async def ends_well(here: Here, session: Any) -> None:
    """No session hangs: whoever stayed can speak and end it; numbers are dense, and reps in are joined less left throughout."""
    rep = here.rep(session["host"])
    assert (await rep.say(session["id"], "bye")).status == 201
    ended = await rep.post(f"/sessions/{session['id']}/end")
    assert (ended.status, ended.json["status"]) == (200, "ended")
    entries = await here.rep("sam").transcript(session["id"])
    assert [e["number"] for e in entries] == list(range(1, len(entries) + 1))
    inside: set[str] = set()
    for entry in entries:
        if entry["kind"] == "participant_joined":
            assert entry["from"]["id"] not in inside
            inside.add(entry["from"]["id"])
        elif entry["kind"] == "participant_left" and entry["from"]["role"] == "rep":
            inside.remove(entry["from"]["id"])
            assert inside or entry["details"].get("reason") == "ended", f"nobody was in after {entry['number']}"


async def writes_again(here: Here, customer: Customer, before: set[str]) -> None:
    assert (await customer.says("hello again")).status == 201
    assert (await opened(here))["id"] not in before
