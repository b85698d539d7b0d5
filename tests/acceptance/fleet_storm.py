"""Customers write on six channels, reps answer and confer, while a gateway in roles is in trouble: processes are killed, frozen and cut off, and so are its servers. Then
everything is counted.

    python -m tests.acceptance.fleet_storm --messages 100 --kills 60 --seed 7 [--nats]

What must hold at the end is what `tests.acceptance.storm` says; and of each invitation that two reps accepted at once, over two processes, one won.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.acceptance.fleet import Fleet, Member, fleet
from tests.acceptance.storm import REPS, Conversation, Storm, persist
from tests.world import CHANNELS, Customer, Outside, Rep

GUESTS: Final = ("cyn", "dan")
LEASE_SECONDS: Final = 6.0
MOST_UNANSWERED: Final = 10
Trouble = Callable[[Fleet, random.Random], Coroutine[Any, Any, None]]


@dataclass
class World(Outside):
    """Reps by the front, customers at their phones."""

    whole: Fleet

    def rep(self, login: str, token: str | None = None) -> Rep:
        return self.whole.rep(login)

    def customer(self, channel_id: str, name: str = "kim") -> Customer:
        return self.whole.phones.customer(channel_id, name)


@dataclass
class Troubles:
    """What befalls the fleet: so many processes are killed, and everything else happens once."""

    kills: int
    seed: int
    long: bool  # links are cut for a minute and brokers frozen for a minute and a half, as an acceptance asks; else for a few seconds
    nats: bool = False
    done: Counter[str] = field(default_factory=Counter)
    over: bool = False

    async def befall(self, whole: Fleet, over: Callable[[], bool]) -> None:
        """One after the other, at random moments; everything is whole again in the end."""
        dice = random.Random(self.seed)
        others: list[Trouble] = [
            self._cut_silently,
            self._cut_off,
            self._broker_frozen,
            self._sender_frozen,
            self._postgresql_restarted,
            self._postgresql_crashed,
            *([self._nats_killed] if self.nats else []),
        ]
        all_of_them: list[Trouble] = [*([self._killed] * self.kills), *(others if self.kills else [])]
        dice.shuffle(all_of_them)
        for trouble in all_of_them:
            await asyncio.sleep(dice.uniform(0.1, 1.2))
            await trouble(whole, dice)
        self.over = True

    def _seconds(self, long: float, short: float) -> float:
        return long if self.long else short

    async def _killed(self, whole: Fleet, dice: random.Random) -> None:
        name = dice.choice(list(whole.members))
        self.done[f"kill -9 of {whole.members[name].role}"] += 1
        await whole.kill(name)
        await asyncio.sleep(dice.choice([0.0, 0.0, 1.0, LEASE_SECONDS + 1]))
        await whole.start(name)

    async def _cut_silently(self, whole: Fleet, dice: random.Random) -> None:
        one = self._linked(whole, dice)
        self.done["link cut, silently"] += 1
        link = dice.choice(list(one.links.values()))
        link.cut(silently=True)
        await asyncio.sleep(self._seconds(60, 8))
        link.restore()

    async def _cut_off(self, whole: Fleet, dice: random.Random) -> None:
        one = self._linked(whole, dice)
        self.done["link cut, refused"] += 1
        link = dice.choice(list(one.links.values()))
        link.cut(silently=False)
        await asyncio.sleep(self._seconds(60, 8))
        link.restore()

    @staticmethod
    def _linked(whole: Fleet, dice: random.Random) -> Member:
        return whole.members[dice.choice(list(whole.members))]

    async def _broker_frozen(self, whole: Fleet, dice: random.Random) -> None:
        await self._frozen(whole, dice.choice(whole.of("broker")))

    async def _sender_frozen(self, whole: Fleet, dice: random.Random) -> None:
        await self._frozen(whole, dice.choice(whole.of("sender")))

    async def _frozen(self, whole: Fleet, one: Member) -> None:
        self.done[f"{one.role} frozen beyond its lease"] += 1
        whole.freeze(one.name)
        await asyncio.sleep(self._seconds(90, 12))
        whole.thaw(one.name)

    async def _postgresql_restarted(self, whole: Fleet, dice: random.Random) -> None:
        self.done["PostgreSQL restarted"] += 1
        await asyncio.to_thread(whole.server.stop, "fast")
        await asyncio.sleep(dice.uniform(0, 3))
        await asyncio.to_thread(whole.server.start)

    async def _postgresql_crashed(self, whole: Fleet, dice: random.Random) -> None:
        self.done["PostgreSQL killed -9"] += 1
        await asyncio.to_thread(whole.server.kill)
        await asyncio.to_thread(whole.server.start)

    async def _nats_killed(self, whole: Fleet, dice: random.Random) -> None:
        assert whole.nats is not None
        self.done["NATS killed -9"] += 1
        await asyncio.to_thread(whole.nats.kill)
        await asyncio.sleep(dice.uniform(0, 2))
        await asyncio.to_thread(whole.nats.start)


@dataclass
class FleetStorm(Storm):
    """With conferences beside the talk."""

    troubles: Troubles = field(kw_only=True)
    told: Callable[[str], None] | None = None
    invited: dict[str, list[str]] = field(default_factory=dict)  # by invitation, who of the two won

    async def run(self) -> dict[str, Any]:
        for login in GUESTS:
            await persist(lambda login=login: self.world.rep(login)("PUT", "/presence", json={"status": "online"}))  # type: ignore[misc]
        beside = [asyncio.create_task(self._confer()), asyncio.create_task(self._tell())]
        try:
            return await super().run()
        finally:
            for task in beside:
                task.cancel()
            for outcome in await asyncio.gather(*beside, return_exceptions=True):
                if isinstance(outcome, Exception):
                    raise outcome

    async def _tell(self) -> None:
        """A line now and then, for who waits."""
        while self.told is not None:
            await asyncio.sleep(10)
            counts = ", ".join(f"{one.channel_id} {len(one.taken)}/{len(one.answered)}" for one in self.conversations)
            self.told(f"taken/answered: {counts}; {self.troubles.done.total()} troubles{', over' if self.troubles.over else ''}")

    def enough(self, one: Conversation) -> bool:
        return self.troubles.over and super().enough(one)

    async def pause(self, one: Conversation, dice: random.Random) -> None:
        await asyncio.sleep(dice.uniform(0, 0.3))
        while len(one.taken) - len(one.answered) > MOST_UNANSWERED:  # noqa: ASYNC110 - else who writes is far ahead when all trouble is over
            await asyncio.sleep(0.2)

    async def _confer(self) -> None:
        """Ana or Ben asks the guests' queue into a session; both guests accept at once, and who won leaves again."""
        dice = random.Random(f"{self.seed} guests")
        number = 0
        while True:
            await asyncio.sleep(dice.uniform(0.2, 0.8))
            held = [one for one in self.conversations if one.session_id]
            if not held or not self.writing:
                continue
            number += 1
            await self._once(dice.choice(held), number)

    async def _once(self, one: Conversation, number: int) -> None:
        path = f"/sessions/{one.session_id}"
        session = (await persist(lambda: self.world.rep("sam").get(path))).json
        inside = [p["id"] for p in session["participants"] if p["role"] == "rep"]
        if session["status"] != "active" or not inside or set(inside) & {*GUESTS}:
            return
        ask = {"recipient": {"type": "queue", "id": "guests"}}
        invited = await persist(lambda: self.world.rep(inside[0]).post(f"{path}/invitations", ask, key=f"ask-{number}"))
        assert invited.status in (201, 409), invited
        if invited.status != 201:
            return
        accept = f"{path}/invitations/{invited.json['id']}/accept"
        answers = await asyncio.gather(
            *(persist(lambda g=guest: self.world.rep(g).post(accept, key=f"accept-{number}-{g}")) for guest in GUESTS)  # type: ignore[misc]
        )
        won = [guest for guest, answer in zip(GUESTS, answers, strict=True) if answer.status == 200]
        self.invited[invited.json["id"]] = won
        for guest in won:
            await persist(lambda g=guest: self.world.rep(g).post(f"{path}/leave", key=f"leave-{number}-{g}"))  # type: ignore[misc]

    async def _count_one(self, one: Conversation, figures: Counter[str]) -> None:
        await super()._count_one(one, figures)
        inside: set[str] = set()
        for entry in await self.world.rep("sam").transcript(one.session_id):
            if entry["kind"] == "participant_joined":
                assert entry["from"]["id"] not in inside, f"{one.channel_id}: {entry['from']['id']} joined twice"
                inside.add(entry["from"]["id"])
                assert len(inside & {*GUESTS}) <= 1, f"{one.channel_id}: two winners"
            elif entry["kind"] == "participant_left" and entry["from"]["role"] == "rep":
                inside.remove(entry["from"]["id"])
                assert inside, f"{one.channel_id}: nobody was in after {entry['number']}"

    def of_the_trouble(self) -> dict[str, Any]:
        winners = Counter(len(won) for won in self.invited.values())
        assert winners[2] == 0, f"two winners: {self.invited}"
        return {"invitations, by winners": dict(winners), **self.troubles.done}


async def storm(
    folder: Path, *, seed: int, messages: int, kills: int, long: bool, nats: bool, told: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """The whole of it."""
    queues = {"support": [*REPS], "guests": [*GUESTS]}
    befalling = Troubles(kills, seed, long, nats)
    async with fleet(folder, queues, kinds=CHANNELS, nats=nats) as whole:
        world = World(whole.front.address, whole.front.http, whole)
        conversations = [Conversation(world.customer(channel_id)) for channel_id in CHANNELS]
        return await FleetStorm(
            seed, messages, befalling.befall, whole, world, conversations, troubles=befalling, told=told
        ).run()


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100, help="per handset, at least")
    parser.add_argument("--kills", type=int, default=60, help="0: no trouble at all")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--short", action="store_true", help="links are cut and brokers frozen for seconds only")
    parser.add_argument("--nats", action="store_true", help="with NATS as the edges' inbox")
    parser.add_argument("--keep", type=Path, help="a folder to keep everything in")
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)  # noqa: T201
    with tempfile.TemporaryDirectory() if asked.keep is None else contextlib.nullcontext(str(asked.keep)) as folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        figures = asyncio.run(
            storm(
                Path(folder),
                seed=asked.seed,
                messages=asked.messages,
                kills=asked.kills,
                long=not asked.short,
                nats=asked.nats,
                told=_print,
            )
        )
    for name, figure in figures.items():
        print(f"{name}: {figure}")  # noqa: T201


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
