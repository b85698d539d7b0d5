"""M5: typing both ways, never stored, at most one signal every few seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from adapters.envelope import Address, TypingSignal
from gateway.brokers.contract import Caller, Event
from gateway.brokers.ground import Ground
from gateway.brokers.hub import Hub
from gateway.clock import Clock
from gateway.session.audience import rep_audience
from gateway.session.model import Session
from gateway.session.saying import Typing, m5_customer_types

_AT_MOST_EVERY: Final = timedelta(seconds=3)
_MOST_WAITING: Final = 500


class TypingRelay:
    """See the module. Signals to customers wait in `take` for the sender, briefly."""

    def __init__(self, ground: Ground, hub: Hub, clock: Clock) -> None:
        self._ground, self._hub, self._clock = ground, hub, clock
        self._to_customers: deque[TypingSignal] = deque(maxlen=_MOST_WAITING)
        self._last: dict[tuple[str, str, bool], datetime] = {}

    def from_rep(self, session: Session, caller: Caller, typing: Typing, on: bool) -> None:
        """To the other reps, and to the customer where the channel can."""
        who = {"role": "rep", "id": caller.login, "name": caller.name}
        self._tell_reps(session, typing.to, {"who": who, "on": on})
        channel = self._ground.channels[session.channel_id]
        if "typing" in channel.adapter.capabilities.outbound and not self._too_soon(session.id, caller.login, on):
            self._to_customers.append(
                TypingSignal(
                    id=self._ground.new_id("typ"),
                    channel_id=channel.id,
                    to=Address(session.end_user.id),
                    retry_key="",
                    created_at=self._clock(),
                    on=on,
                    speaker=typing.speaker,
                )
            )

    def from_customer(self, session: Session, on: bool) -> None:
        """To the session's reps."""
        who = {"role": "end_user", "id": session.end_user.id, "name": session.end_user.name}
        self._tell_reps(session, m5_customer_types(session), {"who": who, "on": on})

    def relayed(self, session: Session, signal: TypingSignal) -> None:
        """To a customer from a rep of a broker elsewhere, or the other way."""
        if not self._too_soon(session.id, signal.channel_id, signal.on):
            self._to_customers.append(signal)

    def take(self) -> list[TypingSignal]:
        """All that wait."""
        found = list(self._to_customers)
        self._to_customers.clear()
        return found

    def _tell_reps(self, session: Session, to: Sequence[str], data: dict[str, object]) -> None:
        event = Event(number=None, type="typing", session_id=session.id, at=self._clock(), data=data)
        self._hub.tell_now(session.org, frozenset(rep_audience(login) for login in to), event)

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
