"""All providers at once, misbehaving on command, and what must hold all the same.

    python -m tests.kit.misbehaving --messages 5000 --seed 7

Customers' messages come twice and thrice, late and overtaken, in batches; our 200 is lost on the way back, so that they come again. Our answers meet 429
with and without a time to wait, 503, and 500 although they were taken; receipts come twice and in the wrong order. Afterwards: no message of a
customer's is lost, none stands twice, and those that weren't sent on their way out of order are in order; every answer is on the handset, or
its delivery says *failed* or *unknown*; where the provider takes a retry key none is there twice. What is unknown is counted and listed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import re
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters.contract import Answer
from adapters.simulation import ProviderCall
from tests.world import CHANNELS, Customer, Rep, World, demo, wait_until

REPS = ("ana", "ben", "cleo")
EVERYWHERE = (*CHANNELS, "open")
OVER = ("sent", "delivered", "read", "failed", "unknown", "skipped")


@dataclass
class Conversation:
    """One customer on one channel: what was said, and how it was sent on its way."""

    customer: Customer
    in_order: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    answers: dict[int, str] = field(default_factory=dict)  # entry number of ours -> its words
    session_id: str = ""

    @property
    def channel_id(self) -> str:
        return self.customer.channel_id

    @property
    def said(self) -> list[str]:
        return [*self.in_order, *self.out_of_order]


@dataclass
class Misbehaviour:
    """The run: `per_customer` messages of each, answered one by one."""

    world: World
    seed: int
    per_customer: int
    conversations: list[Conversation]
    figures: Counter[str] = field(default_factory=Counter)
    unknown: list[str] = field(default_factory=list)
    writing: bool = True

    async def run(self, deadline: float) -> None:
        """Write, answer, wait until all is quiet, and count."""
        for login in REPS:
            await self.world.rep(login).present()
        self._lose_answers()
        async with asyncio.timeout(deadline), asyncio.TaskGroup() as tasks:
            writers = [tasks.create_task(self._write(one)) for one in self.conversations]
            answering = tasks.create_task(self._answer())
            await asyncio.gather(*writers)
            self.writing = False
            await answering
        await wait_until(self._quiet, deadline, what="every answer has come to an end")
        for one in self.conversations:
            await self._count(one)

    # ------------------------------------------------------------------------------------------- misbehaviour

    def _lose_answers(self) -> None:
        """The provider's connection breaks after our 200 was sent: we took the webhook, and the provider doesn't know."""
        dice, call = random.Random(f"{self.seed} cut"), self.world.host._call

        async def cut(about: ProviderCall) -> Answer | None:
            answer = await call(about)
            taken = answer is not None and answer.status < 300 and (about.method, about.purpose) == ("POST", "webhook")
            if taken and dice.random() < 0.05:
                self.figures["our 200 lost"] += 1
                return None
            return answer

        self.world.host._call = cut  # type: ignore[method-assign, assignment]

    def _how(self, one: Conversation, dice: random.Random) -> dict[str, Any]:
        """What befalls the next message of the customer's, and answers of ours."""
        details: dict[str, Any] = {}
        if dice.random() < 0.15:
            details["times"] = dice.choice((2, 2, 3))
        if dice.random() < 0.1:
            details["delay_seconds"] = round(dice.uniform(0.05, 0.4), 2)
        if dice.random() < 0.15 and one.channel_id != "webchat":
            details["mischief"] = [self._mischief(one.channel_id, dice)]
        self.figures.update(key for key in details)
        return details

    @staticmethod
    def _mischief(channel_id: str, dice: random.Random) -> dict[str, Any]:
        refusals: list[dict[str, Any]] = [
            {"status": 429, "retry_after": 1},
            {"status": 429},
            {"status": 503},
            {"status": 500, "taken": True},
        ]
        more: list[dict[str, Any]] = [{"shuffled": True}, {"times": 2}]
        receipts_too = channel_id in ("sms", "whatsapp", "messenger")
        return dice.choice([*refusals, *more] if receipts_too else refusals)

    async def _write(self, one: Conversation) -> None:
        dice = random.Random(f"{self.seed} {one.channel_id} {one.customer.name}")
        while len(one.said) < self.per_customer:
            details, text = self._how(one, dice), f"{one.customer.name} {len(one.said) + 1}"
            texts = [text]
            if one.channel_id in ("whatsapp", "messenger") and dice.random() < 0.05:
                details["batch"] = 5
                texts = [f"{text} {number}" for number in range(1, 6)]
            kept = one.out_of_order if "delay_seconds" in details and one.channel_id != "webchat" else one.in_order
            kept += texts
            reply = await one.customer.does("say", text=text, details=details)
            assert reply.status == 201, reply
            await asyncio.sleep(dice.uniform(0, 0.05))
            await wait_until(lambda: self._room(one), 600, what=f"{one.channel_id}: answers go out")

    async def _room(self, one: Conversation) -> bool:
        """Whether the customer may go on. Else all the mischief would wait for the first answer; a provider that refuses dozens of times in a
        row is another test."""
        return len(one.said) - len(one.answers) <= 4 and await self._waiting(one.channel_id) <= 8

    # ------------------------------------------------------------------------------------------------ answers

    async def _answer(self) -> None:
        """Take what is offered, and answer each message once."""
        last: dict[str, int] = {}
        while self.writing or any(len(one.answers) < len(one.said) for one in self.conversations):
            for login in REPS:
                await self._answer_as(self.world.rep(login), login, last)
            await asyncio.sleep(0.05)

    async def _answer_as(self, rep: Rep, login: str, last: dict[str, int]) -> None:
        for session in (await rep.get("/sessions?limit=100")).json["items"]:
            if session["offer"]:
                await rep.post(f"/sessions/{session['id']}/accept")
            elif any(one["id"] == login for one in session["participants"]):
                page = await rep.get(f"/sessions/{session['id']}/entries?after={last.get(session['id'], 0)}&limit=100")
                for entry in page.json["items"]:
                    last[session["id"]] = entry["number"]
                    if entry["kind"] == "message" and entry["from"]["role"] == "end_user":
                        await self._answer_one(rep, session, entry["text"])

    async def _answer_one(self, rep: Rep, session: Any, text: str) -> None:
        one = next(c for c in self.conversations if c.channel_id == session["channel_id"] and text.split()[0] == c.customer.name)
        assert one.session_id in ("", session["id"]), f"{one.channel_id}: the customer has one session"
        one.session_id = session["id"]
        words = f"answer to <{text}>"
        reply = await rep.say(session["id"], words)
        assert reply.status == 201, reply
        one.answers[reply.json["number"]] = words

    async def _waiting(self, channel_id: str = "%") -> int:
        """How many messages of ours are still on their way."""
        query = "SELECT count(*) FROM outbox WHERE channel_id LIKE ? AND state IN ('queued', 'sending')"
        count: int = await self.world.gateway.store.readers.run(
            lambda connection: connection.execute(query, (channel_id,)).fetchone()[0]
        )
        return count

    async def _quiet(self) -> bool:
        return await self._waiting() == 0

    # ----------------------------------------------------------------------------------------------- counting

    async def _count(self, one: Conversation) -> None:
        where = f"{one.channel_id}/{one.customer.name} (seed {self.seed})"
        entries = await self.world.rep("sam").transcript(one.session_id)
        assert [entry["number"] for entry in entries] == list(range(1, len(entries) + 1)), f"{where}: entry numbers are dense"
        heard = [e["text"] for e in entries if e["kind"] == "message" and e["from"]["role"] == "end_user"]
        twice = [text for text, count in Counter(heard).items() if count > 1]
        assert not twice, f"{where}: twice in the transcript: {twice}"
        assert set(heard) == set(one.said), f"{where}: lost {set(one.said) - set(heard)}"
        orderly = [text for text in heard if text in set(one.in_order)]
        assert orderly == one.in_order, f"{where}: out of order"
        self.figures["messages of customers"] += len(heard)
        await self._count_answers(one, entries, where)

    async def _count_answers(self, one: Conversation, entries: list[Any], where: str) -> None:
        seen = [line["text"] for line in await one.customer.seen("message")]
        shown = Counter(words for text in seen for words in re.findall(r"answer to <[^>]*>", text))
        open_ = [sent for entry in entries for sent in entry["delivery"] if sent["status"] not in OVER]
        assert not open_, f"{where}: neither sent nor given up: {open_}"
        states = {entry["number"]: entry["delivery"] for entry in entries if entry["number"] in one.answers}
        for number, words in one.answers.items():
            status = {sent["status"] for sent in states[number]}
            if "unknown" in status:
                self.unknown.append(f"{where}: {words} {'was' if shown[words] else 'was not'} shown")
            elif not shown[words]:
                assert status <= {"failed", "skipped"}, f"{where}: {words} is {status} and nowhere to be seen"
                self.figures["answers refused, and said so"] += 1
            if shown[words] > 1:
                assert not self._keyed(one), f"{where}: {words} shown {shown[words]} times though there is a retry key"
                self.figures[f"answers shown twice, without a retry key ({one.channel_id})"] += 1
        first = list(dict.fromkeys(words for text in seen for words in re.findall(r"answer to <[^>]*>", text)))
        wanted = [words for _, words in sorted(one.answers.items()) if shown[words]]
        assert first == wanted, f"{where}: answers out of order"
        self.figures["answers"] += len(one.answers)

    def _keyed(self, one: Conversation) -> bool:
        return self.world.gateway.loaded.channels[one.channel_id].adapter.capabilities.retry_key

    def told(self) -> str:
        """The figures, and everything whose fate isn't known."""
        lines = [f"{count:6} {name}" for name, count in sorted(self.figures.items())]
        return "\n".join([*lines, f"{len(self.unknown):6} unknown:", *(f"       {one}" for one in self.unknown)])


async def misbehave(data_dir: Path, *, messages: int, seed: int, customers: int = 2, deadline: float = 100.0) -> Misbehaviour:
    """So many messages, both ways together, over all channels. Raises AssertionError for a promise that isn't kept."""
    async with demo(data_dir) as world:
        people = [f"{name}{seed % 100}" for name in ("kim", "lee", "mia", "noa")[:customers]]
        conversations = [Conversation(world.customer(channel_id, name)) for channel_id in EVERYWHERE for name in people]
        run = Misbehaviour(world, seed, max(1, messages // (2 * len(conversations))), conversations)
        await run.run(deadline)
        return run


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=600)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    asked = parser.parse_args()
    sys.stdout.write(f"seed {asked.seed}\n")
    with tempfile.TemporaryDirectory() as folder:
        run = asyncio.run(misbehave(Path(folder) / "data", messages=asked.messages, seed=asked.seed, deadline=3_000))
    sys.stdout.write(run.told() + "\n")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
