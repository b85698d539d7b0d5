"""Messages both ways through a real gateway, which is killed again and again, while the org does what orgs do: it cuts streams, delivers twice, ends tokens,
asks to be called again later, lets nobody write for a while.

The org and the customers' service are in this process, and remember all that they were told. Each customer writes numbered lines, and is written to in
numbered lines. Nothing may be missing, twice, or out of order, as the org and the customer see it.

    python -m tests.acceptance.salesforce_storm --messages 10000 --kills 10
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from adapters import registry
from adapters.contract import Action
from gateway.brokers.salesforce.simulator.contract import CustomerSays, OrgChannel
from tests.acceptance.processes import BYOC, Process, start
from tests.brokers.salesforce.whole import ANN, DEFINITION, Sandbox, address_of, sandbox
from tests.ports import free_port
from tests.world import wait_until

CHANNEL: Final = "open"
_PATIENCE_SECONDS: Final = 240.0


@dataclass
class Service:
    """The customers' own service: posts what they write until it is taken, and shows each what it is sent, once for each id."""

    hook: str
    simulator: Any  # of the channel: signs what customers write
    shown: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    ids: set[str] = field(default_factory=set)
    posts: int = 0

    async def take(self, request: web.Request) -> web.Response:
        """The gateway's post. 409: it was taken before, as docs/open-channel.md has it."""
        event = json.loads(await request.read())
        self.posts += 1
        if event["type"] == "typing" or event["id"] in self.ids:
            return web.Response(status=200 if event["type"] == "typing" else 409)
        self.ids.add(event["id"])
        if event["type"] == "message":
            self.shown[event["to"]].append(event["text"])
        return web.json_response({})

    async def write(self, http: aiohttp.ClientSession, customer: str, text: str) -> None:
        """One line, signed and posted until it is taken."""
        (call,) = self.simulator.act(Action(kind="say", customer=customer, text=text), datetime.now(UTC)).calls
        while True:
            try:
                async with http.request(call.method, self.hook, headers=call.headers, data=call.body) as reply:
                    if reply.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)


@dataclass
class Gateway:
    """A gateway in a process of its own, started again and again."""

    config: Path
    starts: int = 0
    process: Process | None = None

    async def start(self) -> None:
        """Once more."""
        command = (*BYOC, "serve", "--config", str(self.config))
        self.process = await start(*command, ready="listening", log=self.config.with_suffix(".log"))
        self.starts += 1

    async def kill(self) -> None:
        """-9."""
        if self.process is not None:
            await self.process.kill()


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[tuple[Sandbox, Service, Gateway]]:
    """The org, the service, and a gateway that isn't started."""
    port = free_port()
    adapter = registry.load()[CHANNEL]
    async with sandbox(folder / "org", [OrgChannel(address_of(CHANNEL), DEFINITION)]) as org:
        org.faults.apply({"idempotent": True})
        app = web.Application()
        server = TestServer(app)
        hook = f"http://127.0.0.1:{port}/webhooks/{CHANNEL}"
        service = Service(hook, None)
        app.router.add_post("/deliver", service.take)
        await server.start_server()
        account = adapter.demo(CHANNEL, f"http://127.0.0.1:{server.port}/deliver", hook)
        service.simulator = adapter.simulate(
            adapter.account.model_validate({"channel_id": CHANNEL, "webhook_url": hook, **account})
        )
        link = {"org": "production", "address": address_of(CHANNEL), "definition": DEFINITION}
        raw = {
            "public_url": f"http://127.0.0.1:{port}",
            "listen": {"port": port},
            "data_dir": str(folder / "gateway"),
            "salesforce": {"production": org.settings() | {"silence_seconds": 20}},
            "orgs": {"acme": {"reps": {"sam": {"name": "Sam", "supervisor": True}}}},
            "channels": {
                CHANNEL: {"kind": CHANNEL, "org": "acme", "account": account, "salesforce": link, "messages_per_second": 10_000}
            },
        }
        config = folder / "gateway.yaml"
        config.write_text(yaml.safe_dump(raw))
        gateway = Gateway(config)
        try:
            yield org, service, gateway
        finally:
            await gateway.kill()
            await server.close()


async def trouble(org: Sandbox, chance: random.Random) -> None:
    """Until cancelled: one fault after another, each over after a moment."""
    faults: tuple[dict[str, Any], ...] = (
        {"disconnect_streams": True},
        {"expire_tokens": True},
        {"deliver_twice": True},
        {"answer": [{"code": 10055, "times": 5}]},
        {"answer": [{"code": 10056, "times": 3, "when": "after"}]},
        {"answer": [{"code": 0, "times": 3, "when": "after", "path": "/interactions"}]},
        {"requests_per_second": 50},
        {"read_only": True},
        {"replay_lost": True, "disconnect_streams": True},
    )
    while True:
        org.faults.apply(chance.choice(faults))
        await asyncio.sleep(chance.uniform(0.2, 0.8))
        org.faults.apply({"clear": True, "idempotent": True})
        await asyncio.sleep(chance.uniform(0.1, 0.5))


def heard(org: Sandbox) -> dict[str, list[str]]:
    """What each customer said, as the org has it."""
    return {
        thread.customer: [str(getattr(one.content, "text", "")) for one in thread.entries if isinstance(one, CustomerSays)]
        for thread in org.plain.threads.values()
    }


async def storm(
    folder: Path, *, messages: int, kills: int, seed: int, customers: int = 20, tell: Callable[[str], None] = print
) -> dict[str, Any]:
    """`messages` each way. Raises AssertionError when one is missing, twice, or out of order."""
    chance = random.Random(seed)
    async with scene(folder) as (org, service, gateway), aiohttp.ClientSession() as http:
        await gateway.start()
        begun = time.monotonic()
        names = [f"customer-{number}" for number in range(customers)]
        lines = [f"line {number}" for number in range(messages // customers)]

        pause = 4.0 * (kills + 1) / len(lines)  # so that they are still on their way at the last kill

        async def write(name: str) -> None:
            for line in lines:
                await service.write(http, name, line)
                await asyncio.sleep(chance.uniform(0, 2 * pause))

        async def answer(name: str) -> None:
            """A rep takes the conversation when it is there, and writes."""
            thread = await wait_until(
                lambda: next((t for t in org.plain.threads.values() if t.customer == name or t.customer.endswith(name)), None),
                _PATIENCE_SECONDS,
            )
            org.plain.join(thread.id, ANN)
            for line in lines:
                org.plain.say(thread.id, ANN, line)
                await asyncio.sleep(chance.uniform(0, 2 * pause))

        async def kill() -> None:
            for number in range(kills):
                await asyncio.sleep(chance.uniform(1.0, 3.0))
                await gateway.kill()
                tell(
                    f"killed {number + 1} of {kills}; the org has {sum(map(len, heard(org).values()))}, customers {sum(map(len, service.shown.values()))}"
                )
                await gateway.start()

        troubling = asyncio.create_task(trouble(org, chance))
        await asyncio.gather(*map(write, names), *map(answer, names), kill())
        troubling.cancel()
        await asyncio.gather(troubling, return_exceptions=True)
        org.faults.apply({"clear": True, "idempotent": True})
        want = {"in": customers * len(lines), "out": customers * len(lines)}
        await wait_until(
            lambda: sum(map(len, heard(org).values())) >= want["in"] and sum(map(len, service.shown.values())) >= want["out"],
            _PATIENCE_SECONDS,
            what="all messages",
        )
        await asyncio.sleep(1.0)  # what came twice would come now
        for whose, found in (("org", heard(org)), ("customers", service.shown)):
            assert len(found) == customers, (whose, len(found))
            for name, said in found.items():
                assert said == lines, f"{whose}, {name}: {said}"
        return {
            "messages each way": want["in"],
            "kills": kills,
            "posts to customers": service.posts,
            "seconds": round(time.monotonic() - begun, 1),
        }


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description="Messages both ways while the gateway is killed and the org fails.")
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}")  # noqa: T201
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(storm(Path(folder), messages=chosen.messages, kills=chosen.kills, seed=chosen.seed))
    for name, figure in figures.items():
        print(f"{name}: {figure}")  # noqa: T201


if __name__ == "__main__":
    main()
