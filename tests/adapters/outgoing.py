"""Messages that the tests of all channels send, and a flow played by hand."""

from __future__ import annotations

from typing import Any, TypeVar

from adapters.contract import Flow, HttpCall, HttpReply
from adapters.envelope import Notice, Say, TypingSignal

T = TypeVar("T")


class Outgoing:
    """Makes messages for one conversation: `common` are the fields that all of them share, the others those of a kind."""

    def __init__(
        self,
        common: dict[str, Any],
        *,
        say: dict[str, Any] | None = None,
        notice: dict[str, Any] | None = None,
        typing: dict[str, Any] | None = None,
    ) -> None:
        common = {"retry_key": "0f8fad5b-d9cb-469f-a165-70867728950e", **common}
        self._say = {**common, "id": "msg_1", **(say or {})}
        self._notice = {**common, "id": "ntc_1", "code": "joined", "text": "Ana joined", **(notice or {})}
        self._typing = {**common, "id": "typ_1", **(typing or {})}

    def say(self, *text: str, **changes: Any) -> Say:
        """A rep's message."""
        return Say(**{**self._say, **dict(zip(("text",), text, strict=False)), **changes})

    def notice(self, *text: str, **changes: Any) -> Notice:
        """Somebody joined."""
        return Notice(**{**self._notice, **dict(zip(("text",), text, strict=False)), **changes})

    def typing(self, on: bool = True, **changes: Any) -> TypingSignal:
        """A rep types."""
        return TypingSignal(**{**self._typing, "on": on, **changes})


def play(flow: Flow[T], *replies: HttpReply | Exception) -> tuple[list[HttpCall], T]:
    """The calls that a flow makes when it gets these replies, all of them and no more, and what it returns."""
    calls: list[HttpCall] = []
    waiting = list(replies)
    try:
        calls.append(next(flow))
        while True:
            assert waiting, f"the flow wants one more reply, to {calls[-1]}"
            reply = waiting.pop(0)
            calls.append(flow.throw(reply) if isinstance(reply, Exception) else flow.send(reply))
    except StopIteration as end:
        assert not waiting, "the flow made fewer calls"
        return calls, end.value
