"""Hosts simulated providers: gives them what happens, makes the calls they ask for, and keeps their inputs, so that the handsets remember
everything after a crash. A call that had not come back is made once more, as a provider would.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from adapters.contract import Answer, HttpCall, NoReply, RawRequest
from adapters.simulation import Action, Outcome, ProviderCall, Shown, SimFile, Simulator
from gateway.clock import Clock
from gateway.config import Channel
from gateway.demo import inputs
from gateway.demo.wire import Step, Wire
from gateway.journal.driver import Driver
from gateway.store.simulators import Input, InputLog

_log = logging.getLogger(__name__)
_MOST_BYTES: Final = 64 * 1024 * 1024


class SimulatorHost:
    """See the module. `changed(channel_id, customer)` is told whenever a handset may look different."""

    def __init__(self, channels: Mapping[str, Channel], data_dir: Path, clock: Clock) -> None:
        self.channels = channels
        self._sims: dict[str, Simulator] = {key: c.adapter.simulate(c.account) for key, c in channels.items()}
        self.wires: dict[str, Wire] = {key: Wire(c, self._sims[key]) for key, c in channels.items()}
        self._clock = clock
        self._inputs = InputLog(data_dir)
        self._driver = Driver()
        self._lanes: defaultdict[tuple[str, str], deque[ProviderCall]] = defaultdict(deque)
        self._runners: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._cut_off: dict[str, list[ProviderCall]] = {}
        self._working = False
        self.changed: Callable[[str], None] = lambda channel_id: None

    @asynccontextmanager
    async def remembering(self) -> AsyncIterator[None]:
        """Be as before the last end: to be entered before anybody can call. `working` goes inside."""
        await self._inputs.open()
        try:
            self._cut_off = self._remember(await self._inputs.all())
            yield
        finally:
            await self._inputs.close()
            await self._driver.close()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Take up the calls that were cut off, once somebody listens, and go on until the end."""
        self._working = True
        for channel_id, calls in self._cut_off.items():
            self._start(channel_id, calls)
        try:
            yield
        finally:
            self._working = False
            runners = list(self._runners.values())
            for runner in runners:
                runner.cancel()
            await asyncio.gather(*runners, return_exceptions=True)

    def _remember(self, kept: list[Input]) -> dict[str, list[ProviderCall]]:
        open_calls: dict[str, dict[str, ProviderCall]] = defaultdict(dict)
        for channel_id, at, kind, content in kept:
            now = datetime.fromtimestamp(at, UTC)
            if channel_id not in self._sims:
                continue
            if kind == "handle":
                following = self._handled(channel_id, inputs.load_request(content), now).calls
            elif kind == "act":
                following = self._acted(channel_id, inputs.load_action(content), now).calls
            elif kind == "refresh":
                following = self._sims[channel_id].refresh(content, now)
            else:
                call, answer = inputs.load_settled(content)
                open_calls[channel_id].pop(call.id, None)
                following = self._came_back(channel_id, call, answer, now)
            open_calls[channel_id].update({call.id: call for call in following})
        return {channel_id: list(calls.values()) for channel_id, calls in open_calls.items()}

    # ---------------------------------------------------------------------------------------------- inputs

    async def handle(self, channel_id: str, request: RawRequest) -> Answer:
        """The gateway calls the provider's API."""
        now = self._clock()
        outcome = self._handled(channel_id, request, now)
        await self._keep(channel_id, now, "handle", inputs.dump_request(request))
        self._start(channel_id, outcome.calls)
        self.changed(channel_id)
        return outcome.answer

    async def act(self, channel_id: str, action: Action) -> str | None:
        """A customer does something; the id of the handset's line. Raises CannotAct."""
        now = self._clock()
        outcome = self._acted(channel_id, action, now)
        await self._keep(channel_id, now, "act", inputs.dump_action(action))
        self._start(channel_id, outcome.calls)
        self.changed(channel_id)
        return outcome.line_id

    def _handled(self, channel_id: str, request: RawRequest, now: datetime) -> Outcome:
        outcome = self._sims[channel_id].handle(request, now)
        self.wires[channel_id].handled(request, outcome, now)
        return outcome

    def _acted(self, channel_id: str, action: Action, now: datetime) -> Outcome:
        outcome = self._sims[channel_id].act(action, now)
        self.wires[channel_id].acted(action, outcome, now)
        return outcome

    def _came_back(self, channel_id: str, call: ProviderCall, answer: Answer | None, now: datetime) -> tuple[ProviderCall, ...]:
        following = self._sims[channel_id].settled(call, answer, now)
        self.wires[channel_id].settled(call, answer, following, now)
        return following

    async def handset(self, channel_id: str, customer: str) -> list[Shown]:
        """What the customer's phone shows. Listeners are told only when asking the provider brought something, since they ask again then."""
        sim = self._sims[channel_id]
        before = shown = sim.handset(customer)
        while await self._refresh(channel_id, customer) and sim.handset(customer) != shown:
            shown = sim.handset(customer)  # a page of what is new: perhaps there is more
        if shown != before:
            self.changed(channel_id)
        return shown

    async def _refresh(self, channel_id: str, customer: str) -> bool:
        """Let the handset ask its provider; False: it has no need to."""
        now = self._clock()
        calls = self._sims[channel_id].refresh(customer, now)
        if calls:
            _ = self._keep(channel_id, now, "refresh", customer)  # on disk with what it brings, or not at all
        for call in calls:
            self._start(channel_id, await self._settled(channel_id, call))
        return bool(calls)

    def road(self, channel_id: str, customer: str, line_id: str) -> list[Step] | None:
        """What crossed the wire for a line of this handset; None: it has no such line."""
        lines = self._sims[channel_id].handset(customer)
        return self.wires[channel_id].steps(line_id) if any(line.id == line_id for line in lines) else None

    def file(self, channel_id: str, file_id: str) -> SimFile | None:
        """A file that a handset shows."""
        return self._sims[channel_id].file(file_id)

    def _keep(self, channel_id: str, now: datetime, kind: str, content: str) -> asyncio.Future[None]:
        return self._inputs.keep(Input(channel_id, now.timestamp(), kind, content))

    # ----------------------------------------------------------------------------------------------- calls

    def _start(self, channel_id: str, calls: tuple[ProviderCall, ...] | list[ProviderCall]) -> None:
        if not self._working:  # they wait until work begins, or, by the inputs, for the next start
            self._cut_off.setdefault(channel_id, []).extend(calls)
            return
        for call in calls:
            lane = (channel_id, call.lane or call.id)
            self._lanes[lane].append(call)
            if lane not in self._runners:
                self._runners[lane] = asyncio.create_task(self._run(lane), name=f"provider {channel_id}")

    async def _run(self, lane: tuple[str, str]) -> None:
        """One call after another: the provider keeps one customer's order, redeliveries before what came later."""
        try:
            while self._lanes[lane]:
                call = self._lanes[lane].popleft()
                await asyncio.sleep(call.delay_seconds)
                following = await self._settled(lane[0], call)
                self.changed(lane[0])
                same = [one for one in following if (one.lane or one.id) == lane[1]]
                self._lanes[lane].extendleft(reversed(same))
                self._start(lane[0], [one for one in following if one not in same])
        finally:
            self._runners.pop(lane, None)
            self._lanes.pop(lane, None)

    async def _settled(self, channel_id: str, call: ProviderCall) -> tuple[ProviderCall, ...]:
        answer = await self._call(call)
        now = self._clock()
        following = self._came_back(channel_id, call, answer, now)
        await self._keep(channel_id, now, "settled", inputs.dump_settled(call, answer))
        return following

    async def _call(self, call: ProviderCall) -> Answer | None:
        http = HttpCall(
            call.method,
            call.url.partition("#")[0],
            headers=call.headers,
            body=call.body,
            timeout_seconds=call.timeout_seconds,
            max_reply_bytes=_MOST_BYTES,
        )
        try:
            reply = await self._driver.call(http)
        except NoReply as lost:
            _log.info("no answer", extra={"action": "simulator.no_answer", "call": call.id, "reason": str(lost)})
            return None
        return Answer(status=reply.status, body=reply.body, headers=reply.headers)
