"""What can be made to go wrong in the simulated org, by tests and by `POST {prefix}/_faults`.

The body of that call is a JSON object; each member that is given is applied, in any combination, and the answer is the state then (as is that of a GET):

- `read_only`: bool. Every call to the Interaction Service is refused with 10019.
- `requests_per_second`: number. The rate limit; 2,000 as published.
- `answer`: `{"code": 10055, "times": 3, "when": "before" | "after", "path": "/interactions"}`, or a list of these. The next calls are answered with this code,
  before they have an effect or after; `code` 0 cuts the connection instead. `times` is 1 and `when` is before unless said otherwise; without `path` every call counts.
- `idempotent`: bool. Whether `/interactions` with an entry id seen before is answered with the first answer, without a second effect. Which of both Salesforce
  does isn't published. At the start: true.
- `expire_tokens`: true. All access tokens issued so far are refused.
- `disconnect_streams`: true. All Pub/Sub streams are cut now.
- `deliver_twice`: bool. Pub/Sub delivers every event twice.
- `replay_lost`: bool. Pub/Sub refuses every replay id, as after 72 hours.
- `allocation_used`: bool. Pub/Sub delivers no more events today.
- `inactive`, `unknown`: lists of channel addresses that are inactive (10031), or don't exist (10017).
- `clear`: true. Everything back to the start; applied first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from gateway.brokers.salesforce.simulator.contract import Tokens


class Answer(BaseModel):
    """The next `times` calls below `path` are answered with `code`."""

    model_config = ConfigDict(extra="forbid")

    code: int = Field(ge=0)
    times: int = Field(default=1, ge=1)
    when: Literal["before", "after"] = "before"
    path: str | None = None


def _listed(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


class _State(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    read_only: bool = False
    requests_per_second: Annotated[float, Field(gt=0)] = 2_000
    answer: Annotated[list[Answer], BeforeValidator(_listed)] = Field(default_factory=list)
    idempotent: bool = True
    deliver_twice: bool = False
    replay_lost: bool = False
    allocation_used: bool = False
    inactive: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()


class _Wish(_State):
    clear: bool = False
    expire_tokens: bool = False
    disconnect_streams: bool = False


class Faults:
    """The switches. `state` is read by who obeys them; who holds streams appends to `on_disconnect`. `tokens`: those that `expire_tokens` ends."""

    def __init__(self, tokens: Tokens | None = None) -> None:
        self.state = _State()
        self.on_disconnect: list[Callable[[], None]] = []
        self._tokens = tokens

    def apply(self, wish: Any) -> dict[str, Any]:
        """Apply the body of a call (see the module); the state then. Raises ValueError, which says what to correct: nothing is applied."""
        try:
            wished = _Wish.model_validate(wish)
        except ValidationError as wrong:
            raise ValueError(_told(wrong)) from None
        if wished.clear:
            self.state = _State()
        for name in wished.model_fields_set & _State.model_fields.keys() - {"answer"}:
            setattr(self.state, name, getattr(wished, name))
        self.state.answer.extend(one.model_copy() for one in wished.answer)
        if wished.expire_tokens:
            self.expire_tokens()
        if wished.disconnect_streams:
            self.disconnect_streams()
        return self.describe()

    def describe(self) -> dict[str, Any]:
        """The state as JSON."""
        return self.state.model_dump(mode="json")

    def answer(self, code: int, *, times: int = 1, when: Literal["before", "after"] = "before", path: str | None = None) -> None:
        """Answer the next calls with a code; 0 cuts the connection."""
        self.state.answer.append(Answer(code=code, times=times, when=when, path=path))

    def planned(self, when: Literal["before", "after"], path: str) -> int | None:
        """The code that this call is to be answered with, and one fewer from then on. None: as usual."""
        for one in self.state.answer:
            if one.when == when and one.path in (None, path):
                one.times -= 1
                if not one.times:
                    self.state.answer.remove(one)
                return one.code
        return None

    def expire_tokens(self) -> None:
        """All tokens issued so far are refused from now on."""
        if self._tokens is not None:
            self._tokens.expire_all()

    def disconnect_streams(self) -> None:
        """All Pub/Sub streams are cut."""
        for listener in tuple(self.on_disconnect):
            listener()


def _told(wrong: ValidationError) -> str:
    """Each fault with its place."""
    sentences = []
    for one in wrong.errors():
        place = ".".join(map(str, one["loc"]))
        if one["type"] == "extra_forbidden":
            known = Answer if place.startswith("answer.") else _Wish
            sentences.append(f"{place} is not a switch. There are: {', '.join(known.model_fields)}")
        else:
            sentences.append(f"{place}: {one['msg']}" if place else "the body is not a JSON object")
    return "; ".join(sentences)
