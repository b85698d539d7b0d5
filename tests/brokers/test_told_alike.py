"""A row is judged once for all who are alike to it. Whatever happened, each is then told what they would be told alone."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from gateway.brokers.contract import Caller, Event
from gateway.demo import cast
from gateway.edge.api.event_shapes import event_of
from gateway.edge.api.stream import Frames, wire
from gateway.session import commands as c
from gateway.session.model import Login, Presence, Recipient, RecipientType, Session
from tests.brokers.desk import Desk, desk
from tests.brokers.test_events import giving_out, newest
from tests.world import wait_until

REPS: Final = ("ana", "ben", "cleo", "dora", "eli")
STRANGERS: Final = ("xan", "yves", "zoe")  # never online, and never asked
EVERYONE: Final = (*REPS, *STRANGERS, "sam", "sue", "robo", "nina")


@pytest.fixture
def crowd(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The demo's cast and some more: of each kind of reader at least two."""
    raw = yaml.safe_load(cast.cast_file().read_text())
    org = raw["orgs"]["demo"]
    org["settings"] |= {"flags_visible_to_reps": request.param, "bots_in_conference": "warn"}
    rights = org["reps"]["ana"]["permissions"]
    org["reps"] |= {login: {"name": login.title(), "permissions": rights} for login in ("dora", "eli", "nina", *STRANGERS)}
    org["reps"]["sue"] = {"name": "Sue", "permissions": rights, "supervisor": True}
    org["queues"]["support"]["reps"] = [*REPS[:4], *STRANGERS, "sue"]
    org["queues"]["billing"]["reps"] = ["cleo", "eli", "zoe"]
    path = tmp_path / "cast.yaml"
    path.write_text(yaml.safe_dump(raw))
    monkeypatch.setattr(cast, "cast_file", lambda: path)


@dataclass
class Shared:
    """What one caller is told with all others, in bytes."""

    caller: Caller
    frames: list[tuple[int, bytes]] = field(default_factory=list)

    async def listen(self, one: Desk, made: Frames, after: int) -> None:
        async for some in one.broker.events(self.caller, after):
            self.frames += [(event.number or 0, made.of(event, self.caller)) for event in some]


@asynccontextmanager
async def listening(one: Desk, made: Frames, after: int) -> AsyncIterator[list[Shared]]:
    heard = [Shared(one.caller(login)) for login in EVERYONE]
    tasks = [asyncio.create_task(each.listen(one, made, after)) for each in heard]
    there = one.broker.hub._listeners
    try:
        # Who comes later is first told what they missed, as it is at that moment: not yet as it is in the end.
        await wait_until(lambda: all((each.caller.org, f"rep:{each.caller.login}") in there for each in heard))
        yield heard
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def alone(one: Desk, caller: Caller, after: int, last: int) -> list[tuple[int, bytes]]:
    """What the caller is told when nobody else is there."""
    found: list[tuple[int, bytes]] = []
    async with asyncio.timeout(20):
        events = one.broker.events(caller, after)
        while not found or found[-1][0] < last:
            some = await anext(events)
            found += [(event.number or 0, wire(event_of(event, caller, one.directory).model_dump_json())) for event in some]
        await events.aclose()  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("crowd", [False, True], ids=["flags_hidden", "flags_visible"], indirect=True)
@pytest.mark.parametrize("seed", range(4))
async def test_each_is_told_what_they_would_be_told_alone(crowd: None, seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    async with desk(tmp_path / "data") as one:
        made = Frames(one.directory)
        await one.present(*REPS)
        for _ in range(6):
            begin = await newest(one)
            async with listening(one, made, begin) as heard:
                for _ in range(12):
                    await something_happens(one, dice)
                await one.present(*EVERYONE[5:], status=Presence.away)
                await one.present(*REPS)  # each hears of it: the last that they hear
                last = await newest(one)
                async with giving_out(one):
                    await wait_until(lambda last=last: one.broker.hub.position == last)  # type: ignore[misc]
                await wait_until(lambda heard=heard: all(each.frames for each in heard))  # type: ignore[misc]
            for each in heard:
                expected = await alone(one, each.caller, begin, each.frames[-1][0])
                assert each.frames == expected, f"{each.caller.login} of seed {seed}"


async def test_a_thousand_supervisors_are_given_one_object(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        begin = await one.broker.hub.newest()
        sam = one.caller("sam")
        heard: dict[str, list[Event]] = {f"sue{number}": [] for number in range(1_000)}

        async def hear(login: str) -> None:
            async for some in one.broker.events(sam.model_copy(update={"login": login}), begin):
                heard[login] += some

        tasks = [asyncio.create_task(hear(login)) for login in heard]
        async with giving_out(one):
            await one.take_in(one.message())
            await wait_until(lambda: all(heard.values()), what="all are there")
            already = await one.broker.hub.newest()
            await one.take_in(one.message())
            last = await one.broker.hub.newest()
            await wait_until(lambda: all(events[-1].number == last for events in heard.values()))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        told = {tuple(id(event) for event in events if (event.number or 0) > already) for events in heard.values()}
        assert len(told) == 1


# -------------------------------------------------------------------------------------------------------- what may happen


async def something_happens(one: Desk, dice: random.Random) -> None:
    """One step; a refusal is a step, too."""
    sessions = await one.sessions()
    if not sessions or dice.random() < 0.15:
        await one.take_in(one.message(f"hello {dice.random()}"))
        return
    step = dice.choice([_command, _command, _command, _customer, _receipt, _time, _presence, _moved])
    await step(one, dice, dice.choice(sessions))


async def _customer(one: Desk, dice: random.Random, session: Session) -> None:
    message = one.message("a bill, please")
    await one.take_in(message)
    if dice.random() < 0.5:
        await one.take_in(dice.choice([one.edit(message.message_id, "bread"), one.deletion(message.message_id)]))
    if dice.random() < 0.1:
        await one.take_in(one.ended())


async def _receipt(one: Desk, dice: random.Random, session: Session) -> None:
    await one.deliver()


async def _time(one: Desk, dice: random.Random, session: Session) -> None:
    one.later(dice.choice([1, 31, 61]))
    await one.timers_fire()


async def _presence(one: Desk, dice: random.Random, session: Session) -> None:
    await one.present(dice.choice(REPS), status=dice.choice([Presence.online, Presence.online, Presence.away]))


async def _moved(one: Desk, dice: random.Random, session: Session) -> None:
    """It waits elsewhere now."""
    await one.write(
        """UPDATE sessions SET queue = 'billing', state = json_patch(state, '{"queue": "billing"}') WHERE status = 'waiting'"""
    )


async def _command(one: Desk, dice: random.Random, session: Session) -> None:
    near = [rep.id for rep in session.reps] + ([session.offer.rep] if session.offer else [])
    near += [login for invitation in session.invitations for login in invitation.waits_for]
    by = Login(dice.choice([*near, *near, *near, *REPS, "sam"]))
    await one.refused_or_done(dice.choice(_commands(session, by, dice)), session.id)


def _commands(session: Session, by: Login, dice: random.Random) -> Sequence[Any]:
    to = dice.choice(
        [("agent", dice.choice([*REPS, "robo", "sam"])), ("queue", "support"), ("queue", "billing"), ("flow", "escalate")]
    )
    recipient = Recipient(type=RecipientType(to[0]), id=to[1])
    found = [
        c.AcceptWork(by=by),
        c.AcceptWork(by=by),
        c.DeclineWork(by=by),
        c.SayToCustomer(by=by, text="good day"),
        c.Invite(by=by, recipient=recipient),
        c.Invite(by=by, recipient=recipient, purpose="transfer", note="please"),
        c.Leave(by=by),
        c.RaiseFlag(by=by, text="help"),
        c.LowerFlag(by=by),
        c.Whisper(by=by, text="like this"),
        c.End(by=by),
    ]
    for invitation in session.invitations:
        found += [c.AcceptInvitation(by=by, invitation_id=invitation.id), c.DeclineInvitation(by=by, invitation_id=invitation.id)]
        found += [
            c.AcceptInvitation(by=by, invitation_id=invitation.id),
            c.WithdrawInvitation(by=by, invitation_id=invitation.id),
        ]
    return found
