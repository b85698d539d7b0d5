"""How the simulated Twilio misbehaves on command: what a provider does now and then, done when asked for.

An action's `details["mischief"]` is a list; each entry befalls the next message that we create, one after another:
`{"status": 503, "retry_after": 7}` it is refused; `{"status": 500, "taken": true}` it goes out though the answer says otherwise;
`{"error": 30007}` it is taken and fails later; `{"shuffled": true}` its callbacks come in the wrong order; `{"times": 2}` they
come more than once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from adapters._twilio.faults import Fault
from adapters.contract import Answer
from adapters.simulation import CannotAct, Outcome, ProviderCall

_WORDS = {429: (20429, "Too Many Requests"), 500: (20500, "Internal Server Error"), 503: (20503, "Service unavailable")}


@dataclass(frozen=True)
class Mischief:
    """What befalls one message of ours."""

    status: int | None = None
    retry_after: int | None = None
    taken: bool = False
    error: int | None = None
    shuffled: bool = False
    times: int = 1

    @property
    def refuses(self) -> bool:
        """Whether the message doesn't go out."""
        return self.status is not None and not self.taken

    def upon(self, outcome: Outcome) -> Outcome:
        """What we get to see of it."""
        return replace(outcome, answer=self._answer() or outcome.answer, calls=self._calls(outcome.calls))

    def _answer(self) -> Answer | None:
        if self.status is None:
            return None
        code, words = _WORDS.get(self.status, (20001, "Bad request"))
        answer = Fault(code, words, self.status).answer
        wait = {"retry-after": str(self.retry_after)} if self.retry_after is not None else {}
        return replace(answer, headers={**answer.headers, **wait})

    def _calls(self, calls: tuple[ProviderCall, ...]) -> tuple[ProviderCall, ...]:
        """Lanes keep an order, so what is out of order goes without one."""
        if self.refuses:
            return ()
        if self.shuffled:
            calls = tuple(replace(call, lane=f"{call.lane}.{call.id}") for call in reversed(calls))
        again = [replace(call, id=f"{call.id}.x{n}") for n in range(1, self.times) for call in calls if call.purpose == "webhook"]
        return (*calls, *again)


def asked_for(details: Mapping[str, Any]) -> Sequence[Mischief]:
    """The mischief that an action orders. Raises CannotAct for words that mean none."""
    try:
        return [Mischief(**one) for one in details.get("mischief", [])]
    except TypeError as fault:
        raise CannotAct(f"no such mischief: {fault}") from fault
