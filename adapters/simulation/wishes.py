"""The wish language: what an action's `details` may ask for, in the same words on every channel.

- `times`: the webhook is delivered so often (1 to 1,000), each time with the same bytes;
- `delay_seconds`: it is late, and overtaken by what comes after;
- `again_after_seconds`: once more, that much later than the first;
- `mischief`: what befalls our next messages, a list with one entry each, see `Mischief`.

A channel that takes more derives its own `Wishes`. What is no wish of the channel's kind is left to what the action is about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from adapters.contract import Answer, CannotAct, Outcome, ProviderCall


def _no_flag(value: Any) -> Any:
    """True is no 1: whoever wrote it meant something else."""
    if isinstance(value, bool):
        raise ValueError("a number is needed")
    return value


_Whole = Annotated[int, BeforeValidator(_no_flag)]
Count = Annotated[_Whole, Field(ge=1, le=1_000)]
"""How often; beyond a thousand it would only fill the memory."""
FromZero = Annotated[_Whole, Field(ge=0, le=1_000)]
Seconds = Annotated[float, BeforeValidator(_no_flag), Field(ge=0, le=366 * 86_400, allow_inf_nan=False)]
Degrees = Annotated[float, BeforeValidator(_no_flag), Field(ge=-180, le=180, allow_inf_nan=False)]
_DEGREES: Final = TypeAdapter(Degrees)

SIMPLE: Final = frozenset({"status", "retry_after", "taken"})
LATER: Final = SIMPLE | {"error", "shuffled", "times"}


class Mischief(BaseModel):
    """What befalls one message of ours; a provider plays some of it (`Wishes.plays`).

    `{"status": 503, "retry_after": 7}`: it is refused. With `"taken": true` it goes out though the answer says otherwise.
    Providers that report by webhook what became of a message: `{"error": 30007}`: it is taken, and fails later with that code;
    `{"shuffled": true}`: its webhooks come in the wrong order; `{"times": 2}`: they come more than once. Meta's: `{"code": 130429}`
    (and `subcode`): it is refused with that code.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: Annotated[_Whole, Field(ge=100, le=599)] | None = None
    retry_after: FromZero | None = None
    taken: bool = False
    error: _Whole | None = None
    shuffled: bool = False
    times: Count = 1
    code: _Whole | None = None
    subcode: _Whole | None = None

    @property
    def answered(self) -> bool:
        """Whether we get to see another answer than the provider's own."""
        return self.status is not None or self.code is not None

    @property
    def refuses(self) -> bool:
        """Whether the message doesn't go out."""
        return self.answered and not self.taken

    def upon(self, outcome: Outcome, trouble: Callable[[Mischief], Answer]) -> Outcome:
        """What we get to see of it; `trouble` is the provider's error body."""
        calls = outcome.calls
        if self.shuffled:  # lanes keep an order, so what is out of order goes without one
            calls = tuple(replace(call, lane=f"{call.lane} {call.id}") for call in reversed(calls))
        again = [replace(call, id=f"{call.id}/x{n}") for n in range(1, self.times) for call in calls if call.purpose == "webhook"]
        return replace(outcome, answer=self.seen(trouble) if self.answered else outcome.answer, calls=(*calls, *again))

    def seen(self, trouble: Callable[[Mischief], Answer]) -> Answer:
        """The error body, with the time to wait."""
        answer = trouble(self)
        wait = {} if self.retry_after is None else {"retry-after": str(self.retry_after)}
        return replace(answer, headers={**answer.headers, **wait})


class Wishes(BaseModel):
    """What an action's `details` wish; see the module. `plays`: which of Mischief's words this provider knows."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    plays: ClassVar[frozenset[str]] = SIMPLE

    times: Count = 1
    delay_seconds: Seconds = 0.0
    again_after_seconds: Seconds = 0.0
    mischief: tuple[Mischief, ...] = ()

    @classmethod
    def of(cls, details: Mapping[str, Any]) -> Self:
        """Raises CannotAct for what is no wish."""
        try:
            found = cls.model_validate(details)
        except ValidationError as fault:
            first = fault.errors()[0]
            raise CannotAct(f"details that can't be: {'.'.join(map(str, first['loc']))}: {first['msg']}") from fault
        for one in found.mischief:
            if not one.model_fields_set or not one.model_fields_set <= cls.plays:
                raise CannotAct(
                    f"no such mischief here: {sorted(one.model_fields_set)}; there are {', '.join(sorted(cls.plays))}"
                )
        return found

    def deliveries(self, call: ProviderCall) -> Iterable[ProviderCall]:
        """The webhook as often and as late as wished; what is late must hold up nothing, so it has a lane of its own."""
        lane = f"{call.lane} {call.id}" if self.delay_seconds else call.lane
        for n in range(self.times):
            yield replace(call, id=f"{call.id}/{n + 1}" if n else call.id, lane=lane, delay_seconds=self.delay_seconds)
        if self.again_after_seconds:
            later = self.delay_seconds + self.again_after_seconds
            yield replace(call, id=f"{call.id}/again", lane=f"{call.lane} again {call.id}", delay_seconds=later)


def place(details: Mapping[str, Any]) -> tuple[float, float]:
    """`latitude` and `longitude` of a location. Raises CannotAct."""
    try:
        return _DEGREES.validate_python(details.get("latitude")), _DEGREES.validate_python(details.get("longitude"))
    except ValidationError as fault:
        raise CannotAct("a location needs latitude and longitude in its details, in degrees") from fault
