"""How the simulated Graph API misbehaves on command: what Meta does now and then, done when asked for.

An action's `details["mischief"]` is a list; each entry befalls the next message of ours, one after another: `{"status": 503,
"retry_after": 7}` it is refused; `{"code": 130429}` it is refused with that code; `{"status": 500, "taken": true}` it goes out though
the answer says otherwise; `{"error": 131049}` it is taken, and fails later; `{"shuffled": true}` its webhooks come in the wrong
order; `{"times": 2}` they come more than once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from adapters._meta.simulation import graph_error
from adapters.contract import Answer
from adapters.simulation import CannotAct, Outcome, ProviderCall

_WORDS: Final = {
    429: (4, "Application request limit reached"),
    500: (1, "An unknown error occurred"),
    503: (2, "Service temporarily unavailable"),
}


@dataclass(frozen=True)
class Mischief:
    """What befalls one message of ours."""

    status: int | None = None
    retry_after: int | None = None
    code: int | None = None
    subcode: int | None = None
    taken: bool = False
    error: int | None = None
    shuffled: bool = False
    times: int = 1

    @property
    def refuses(self) -> bool:
        """Whether the message doesn't go out."""
        return (self.status is not None or self.code is not None) and not self.taken

    def upon(self, outcome: Outcome) -> Outcome:
        """What we get to see of it."""
        return replace(outcome, answer=self._answer() or outcome.answer, calls=self._calls(outcome.calls))

    def _answer(self) -> Answer | None:
        if self.status is None and self.code is None:
            return None
        code, words = _WORDS.get(self.status or 400, (100, "Invalid parameter"))
        answer = graph_error(self.code or code, words, status=self.status or 400, subcode=self.subcode).answer
        wait = {"retry-after": str(self.retry_after)} if self.retry_after is not None else {}
        return replace(answer, headers={**answer.headers, **wait})

    def _calls(self, calls: tuple[ProviderCall, ...]) -> tuple[ProviderCall, ...]:
        """Lanes keep an order, so what is out of order goes without one."""
        if self.refuses:
            return ()
        if self.shuffled:
            calls = tuple(replace(call, lane=f"{call.lane}.{call.id}") for call in reversed(calls))
        again = [replace(call, id=f"{call.id}x{n}") for n in range(1, self.times) for call in calls if call.purpose == "webhook"]
        return (*calls, *again)


def asked_for(details: Mapping[str, Any]) -> list[Mischief]:
    """The mischief that an action orders. Raises CannotAct for words that mean none."""
    try:
        return [Mischief(**one) for one in details.get("mischief", [])]
    except TypeError as fault:
        raise CannotAct(f"no such mischief: {fault}") from fault


class Orders:
    """The mischief that is still to come."""

    def __init__(self) -> None:
        self._waiting: deque[Mischief] = deque()

    def add(self, ordered: list[Mischief]) -> None:
        """One for each of the next messages."""
        self._waiting += ordered

    def next(self) -> Mischief:
        """What befalls this message; mostly nothing."""
        return self._waiting.popleft() if self._waiting else Mischief()
