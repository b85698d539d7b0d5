"""M5: typing both ways, never stored, at most one signal every few seconds.

Who types is told to all processes of a store (`Signals`): whoever has a rep's stream shows it to them, and whoever sends to a customer tells it to their channel.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from pydantic import JsonValue

from adapters.envelope import Address, TypingSignal, Value
from gateway.brokers.contract import Caller, Event
from gateway.brokers.ground import Ground
from gateway.brokers.hub import Hub
from gateway.clock import Clock
from gateway.doorbell.contract import Data, Doorbell, Signals
from gateway.session.audience import rep_audience
from gateway.session.model import Session, SessionId
from gateway.session.saying import Typing, m5_customer_types
from gateway.sharing.contract import Share
from gateway.store.lanes import lane_of

_AT_MOST_EVERY: Final = timedelta(seconds=3)
_MOST_WAITING: Final = 500
_TO_REPS: Final = "typing to reps"
_TO_CUSTOMER: Final = "typing to a customer"


class _ToReps(Value):
    org: str
    session: SessionId
    to: tuple[str, ...]
    data: dict[str, JsonValue]


class TypingRelay:
    """See the module. Signals to customers wait in `take` for the sender, briefly."""

    def __init__(self, ground: Ground, hub: Hub, clock: Clock, bell: Doorbell, share: Share, signals: Signals | None) -> None:
        """`signals`: None where no other process is."""
        self._ground, self._hub, self._clock, self._bell, self._share = ground, hub, clock, bell, share
        self._tell_who_sends, self._tell_who_shows = self._to_customer, self._to_reps
        if signals is not None:
            signals.subscribe(_TO_CUSTOMER, self._to_customer)
            signals.subscribe(_TO_REPS, self._to_reps)
            self._tell_who_sends = partial(signals.publish, _TO_CUSTOMER)
            self._tell_who_shows = partial(signals.publish, _TO_REPS)
        self._to_customers: deque[TypingSignal] = deque(maxlen=_MOST_WAITING)
        self._last: dict[tuple[str, str, bool], datetime] = {}

    def from_rep(self, session: Session, caller: Caller, typing: Typing, on: bool) -> None:
        """To the other reps, and to the customer where the channel can."""
        who: JsonValue = {"role": "rep", "id": caller.login, "name": caller.name}
        self._tell_reps(session, typing.to, {"who": who, "on": on})
        channel = self._ground.channels[session.channel_id]
        if "typing" in channel.adapter.capabilities.outbound and not self._too_soon(session.id, caller.login, on):
            signal = TypingSignal(
                id=self._ground.new_id("typ"),
                channel_id=channel.id,
                to=Address(session.end_user.id),
                retry_key="",
                created_at=self._clock(),
                on=on,
                speaker=typing.speaker,
            )
            self._tell_who_sends(signal.model_dump(mode="json"))

    def from_customer(self, session: Session, on: bool) -> None:
        """To the session's reps."""
        who: JsonValue = {"role": "end_user", "id": session.end_user.id, "name": session.end_user.name}
        self._tell_reps(session, m5_customer_types(session), {"who": who, "on": on})

    def relayed(self, session: Session, signal: TypingSignal) -> None:
        """To a customer from a rep of a broker elsewhere, or the other way."""
        if not self._too_soon(session.id, signal.channel_id, signal.on):
            self._tell_who_sends(signal.model_dump(mode="json"))

    def take(self) -> list[TypingSignal]:
        """All that wait."""
        found = list(self._to_customers)
        self._to_customers.clear()
        return found

    def _to_customer(self, data: Data) -> None:
        """Here, if it is sent from here. Other machines' clocks may be other ones."""
        signal = TypingSignal.model_validate({**data, "created_at": self._clock()})
        if lane_of(signal.channel_id, signal.to) in self._share.lanes("sender"):
            self._to_customers.append(signal)
            self._bell.wake("outbox")

    def _tell_reps(self, session: Session, to: Sequence[str], data: dict[str, JsonValue]) -> None:
        self._tell_who_shows({"org": session.org, "session": session.id, "to": list(to), "data": data})

    def _to_reps(self, data: Data) -> None:
        told = _ToReps.model_validate(data)
        event = Event(number=None, type="typing", session_id=told.session, at=self._clock(), data=told.data)
        self._hub.tell_now(told.org, frozenset(rep_audience(login) for login in told.to), event)

    def _too_soon(self, session_id: str, login: str, on: bool) -> bool:
        now = self._ground.steady()
        if len(self._last) > 10_000:
            self._last = {key: at for key, at in self._last.items() if now - at < _AT_MOST_EVERY}
        key = (session_id, login, on)
        if key in self._last and now - self._last[key] < _AT_MOST_EVERY:
            return True
        self._last.pop((session_id, login, not on), None)
        self._last[key] = now
        return False
