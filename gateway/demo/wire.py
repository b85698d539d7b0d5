"""What crosses the wire between the gateway and one simulated provider, so that the phone wall can show the whole road of a message.

The host tells everything that its provider does; at a restart it tells it again from its log, and the record is as before. Which lines of
the handsets a call has to do with is found by looking at them before and after; what made no line (a receipt, an upload, a read mark)
is found by the line's id in it, or by an id that it gave and that a later call names. Bounded: old calls are forgotten.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

from adapters.contract import Answer, RawRequest
from adapters.envelope import Inbound
from adapters.errors import NotUnderstood
from adapters.simulation import Action, Outcome, ProviderCall, Simulator
from adapters.simulation.reaching import webhook
from gateway.config import Channel
from gateway.demo.wire_text import Mask, json_text, request_text, unpacked
from gateway.logs import secrets_of

_MOST_CALLS: Final = 400
_MOST_BYTES: Final = 131_072  # of a call's body; a picture on its way is not shown anyway
_SHORTEST_ID: Final = 6  # a shorter one may occur anywhere by chance
# Words have no digit: `whatsapp` in an answer gives nothing away. A checksum in base64 may have none either, but no word is as long.
_ID: Final = re.compile(r"\d|^\S{24,}$")
_MOST_ENVELOPES: Final = 20
_MOST_GIVEN: Final = 50


class Step(NamedTuple):
    """One thing that happened on the road of a message."""

    step: Literal["webhook", "envelope", "request"]
    at: datetime
    title: str
    text: str

    def shape(self) -> dict[str, str]:
        """As JSON."""
        return {**self._asdict(), "at": self.at.isoformat().replace("+00:00", "Z")}


@dataclass(slots=True, eq=False)
class Crossing:
    """A call that was made, by either side. `lines` are those of the handsets that it has to do with, where that was seen."""

    way: Literal["webhook", "request"]
    request: RawRequest
    shown_path: str
    lines: frozenset[str]
    answer: Answer | None = None
    cut: bool = False

    @property
    def content(self) -> bytes:
        """Where ids are looked for: address and body."""
        address = "&".join([self.shown_path, *(f"{name}={value}" for name, value in self.request.query)])
        return address.encode("utf-8", "replace") + b"\n" + unpacked(self.request.body, self.request.headers)

    def concerns(self, line_id: str) -> bool:
        """Whether it belongs to the road of this line."""
        if self.lines or len(line_id) < _SHORTEST_ID:
            return line_id in self.lines
        whole = rb"(?<![\w-])" + re.escape(line_id.encode("utf-8", "replace")) + rb"(?![\w-])"
        answer = self.answer.body if self.answer and self.way == "request" else b""
        return re.search(whole, self.content + b"\n" + answer) is not None

    @property
    def given(self) -> list[bytes]:
        """Ids and addresses that its answer gave, and that weren't known before."""
        try:
            told = list(_texts(json.loads(self.answer.body))) if self.answer else []
        except (ValueError, RecursionError):
            return []
        before = self.content
        ids = (text.encode("utf-8", "replace") for text in told if len(text) > _SHORTEST_ID and _ID.search(text))
        return [text for text in ids if text not in before][:_MOST_GIVEN]


class Wire:
    """The record of one channel."""

    def __init__(self, channel: Channel, sim: Simulator) -> None:
        self._channel, self._sim = channel, sim
        self._mask = Mask(secrets_of(channel.account))
        self._crossings: deque[Crossing] = deque(maxlen=_MOST_CALLS)
        self._open: dict[str, Crossing] = {}
        self._known: dict[str, set[str]] = {}  # lines by customer

    # ------------------------------------------------------------------------------------------ told by the host

    def acted(self, action: Action, outcome: Outcome, now: datetime) -> None:
        """A customer did something."""
        self._known.setdefault(action.customer, set())
        lines = self._new_lines() or frozenset([action.target] if action.target else [])
        self._post(outcome.calls, lines, now)

    def handled(self, request: RawRequest, outcome: Outcome, now: datetime) -> None:
        """We called the provider."""
        lines = self._new_lines()
        self._keep(Crossing("request", request, request.path or "/", lines, outcome.answer))
        self._post(outcome.calls, lines, now)

    def settled(self, call: ProviderCall, answer: Answer | None, following: Iterable[ProviderCall], now: datetime) -> None:
        """The provider's call came back, and led to others; a redelivery has to do with the same lines."""
        crossing = self._open.pop(call.id, None)
        if crossing:
            crossing.answer = answer
        self._new_lines()
        for one in following:
            again = crossing is not None and one.attempt > call.attempt
            self._post([one], crossing.lines if crossing and again else frozenset(), now)

    def passed(self, way: Literal["webhook", "request"], request: RawRequest, answer: Answer) -> None:
        """A call that bypassed the host: web chat's service is in the gateway itself."""
        self._keep(Crossing(way, request, urlsplit(request.url).path, frozenset(), answer))

    def _post(self, calls: Iterable[ProviderCall], lines: frozenset[str], now: datetime) -> None:
        # The rest fetches a file, or looks for news.
        posted = [call for call in calls if call.purpose == "webhook" and call.method != "GET"]
        made = [self._crossing(call, now + timedelta(seconds=call.delay_seconds)) for call in posted]
        named = [frozenset(line for line in lines if crossing.concerns(line)) for crossing in made]
        for call, crossing, own in zip(posted, made, named, strict=True):
            crossing.lines = own if any(named) else lines
            self._keep(crossing)
            self._open[call.id] = crossing

    def _crossing(self, call: ProviderCall, at: datetime) -> Crossing:
        request = webhook(call, self._channel.account, at)
        return Crossing("webhook", request, urlsplit(call.url).path, frozenset())

    def _keep(self, crossing: Crossing) -> None:
        if len(crossing.request.body) > _MOST_BYTES:
            crossing.request = replace(crossing.request, body=crossing.request.body[:_MOST_BYTES])
            crossing.cut = True
        if crossing.answer and len(crossing.answer.body) > _MOST_BYTES:
            crossing.answer = replace(crossing.answer, body=b"")
        self._crossings.append(crossing)

    def _new_lines(self) -> frozenset[str]:
        """What the handsets show that they didn't at the last look."""
        new: list[str] = []
        for customer, known in self._known.items():
            lines = self._sim.handset(customer)
            if len(lines) < len(known):  # some were taken back
                known.intersection_update(line.id for line in lines)
            for line in reversed(lines):  # new lines are at the end, or near it
                if len(known) >= len(lines):
                    break
                if line.id not in known:
                    known.add(line.id)
                    new.append(line.id)
        return frozenset(new)

    # -------------------------------------------------------------------------------------------- asked by people

    def steps(self, line_id: str) -> list[Step]:
        """The road of this line, in the order in which it was walked."""
        return [step for crossing in self._road(line_id) for step in self._steps_of(crossing, line_id)]

    def _road(self, line_id: str) -> list[Crossing]:
        road = [one for one in self._crossings if one.concerns(line_id)]
        asked = [one.content for one in road if one.way == "request"]
        # Back in time: a file is uploaded before the message that names it, and a place for it is asked for before that.
        for one in reversed(self._crossings):
            if one.way == "request" and not one.lines and one not in road and any(g in text for g in one.given for text in asked):
                road.append(one)
                asked.append(one.content)
        return sorted(road, key=lambda one: one.request.received_at)

    def _steps_of(self, crossing: Crossing, line_id: str) -> Iterator[Step]:
        request, answer = crossing.request, crossing.answer
        body = unpacked(request.body, request.headers)
        text = request_text(request.method, crossing.shown_path, request.query, request.headers, body, self._mask)
        outcome = f"answered {answer.status}" if answer else "no answer yet"
        title = self._mask(f"{request.method} {crossing.shown_path} · {outcome}")
        yield Step(crossing.way, request.received_at, title, text)
        is_hook = request.url.startswith(self._channel.account.webhook_url)
        if crossing.way == "webhook" and is_hook and not crossing.cut and answer and answer.status < 300:
            yield from self._envelopes(request, line_id)

    def _envelopes(self, request: RawRequest, line_id: str) -> Iterator[Step]:
        try:
            found: list[Inbound] = self._channel.adapter.parse(request, self._channel.account)
        except NotUnderstood as error:
            yield Step("envelope", request.received_at, "not understood", self._mask(str(error)))
            return
        shapes = [_envelope(one) for one in found]
        its_own = [shape for shape in shapes if line_id in json.dumps(shape)]
        for shape in (its_own or shapes)[:_MOST_ENVELOPES]:  # of a batch, what is about this line
            yield Step("envelope", request.received_at, str(shape["kind"]), json_text(shape, self._mask))


def _envelope(one: Inbound) -> dict[str, Any]:
    """Without the provider's own event, which is in the webhook above it."""
    filled: dict[str, Any] = _filled(one.model_dump(mode="json", exclude={"raw", "kind"}))
    return {"id": one.id, "kind": one.kind, **filled}


def _filled(value: Any) -> Any:
    """Without what is empty."""
    if isinstance(value, list):
        return [_filled(one) for one in value]
    if not isinstance(value, dict):
        return value
    filled = {key: _filled(one) for key, one in value.items()}
    return {key: one for key, one in filled.items() if one not in (None, False, "", [], {})}


def _texts(value: object) -> Iterator[str]:
    """Every text in a JSON value, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
