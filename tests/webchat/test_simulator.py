"""The simulated browser, the chat service and the adapter joined: there and back, as the demo runs them."""

from __future__ import annotations

from collections.abc import Iterable

from adapters.conformance import PICTURE
from adapters.contract import Answer
from adapters.envelope import MediaPart, OutboundFile
from adapters.simulation import Action, ProviderCall, Shown
from adapters.webchat import ADAPTER
from adapters.webchat.simulator import WebchatSimulator
from tests.webchat.world import DOWN, PNG, World


class Phone:
    """Runs the simulator's calls against the server, one after another."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.simulator = WebchatSimulator(world.account)

    async def act(self, kind: str, customer: str = "kim", **more: object) -> None:
        action = Action.model_validate({"kind": kind, "customer": customer, **more})
        await self._settle(self.simulator.act(action, self.world.clock()).calls)

    async def handset(self, customer: str = "kim") -> list[Shown]:
        await self._settle(self.simulator.refresh(customer, self.world.clock()))
        return self.simulator.handset(customer)

    async def _settle(self, calls: Iterable[ProviderCall]) -> None:
        waiting = list(calls)
        while waiting:
            call = waiting.pop(0)
            async with self.world.http.request(call.method, call.url, headers=call.headers, data=call.body) as reply:
                answer = Answer(reply.status, await reply.read(), {k.lower(): v for k, v in reply.headers.items()})
            if answer.status == 503:
                self.world.inbox.refuse = None
            waiting += self.simulator.settled(call, answer, self.world.clock())


async def test_there_and_back(world: World) -> None:
    phone = Phone(world)
    await phone.act("say", text="hello from the page")
    (message,) = world.inbox.of("message")
    assert (message.plain, message.end_user.name) == ("hello from the page", "Kim")
    to = message.end_user.address
    said, noted = world.say(to, "hello from the desk ☂"), world.notice(to, "Ana joined")
    await world.send(noted)
    await world.send(said)
    shown = [(line.sender, line.kind, line.speaker, line.text, line.status) for line in await phone.handset()]
    assert shown == [
        ("me", "message", None, "hello from the page", "sent"),
        ("them", "notice", None, "Ana joined", None),
        ("them", "message", "Ana", "hello from the desk ☂", None),
    ]
    await phone.act("read")
    receipts = [(str(one.status), one.outbox_id) for one in world.inbox.of("receipt")]
    assert receipts == [("delivered", noted.id), ("delivered", said.id), ("read", noted.id), ("read", said.id)]


async def test_pictures_both_ways(world: World) -> None:
    phone = Phone(world)
    await phone.act("say", file=PICTURE.model_dump())
    (message,) = world.inbox.of("message")
    (part,) = message.parts
    assert isinstance(part, MediaPart)
    assert (await world.run(ADAPTER.media(part, world.account, world.clock()))).content == PICTURE.content
    file = OutboundFile(name="a.png", mime_type="image/png", size_bytes=len(PNG), url="http://x.test", content=PNG)
    await world.send(world.say(message.end_user.address, file=file))
    media = (await phone.handset())[-1].media
    assert media
    kept = phone.simulator.file(media["file_id"])
    assert kept
    assert kept.content == PNG


async def test_twice_and_through_trouble_once(world: World) -> None:
    phone = Phone(world)
    await phone.act("say", text="one", details={"times": 2})
    world.inbox.refuse = DOWN
    await phone.act("say", text="two")
    assert [one.plain for one in world.inbox.of("message")] == ["one", "two"]
    assert [line.text for line in await phone.handset()] == ["one", "two"]


async def test_the_end(world: World) -> None:
    phone = Phone(world)
    await phone.act("say", text="hello")
    await phone.act("typing")
    await phone.act("end")
    assert [event.kind for event in world.inbox.events] == ["message", "typing", "ended"]
