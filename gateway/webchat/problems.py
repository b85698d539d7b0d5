"""The refusals that only the chat service knows, beside those of `gateway.edge.problems`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.edge.problems import Problem

CODES: Final[Mapping[str, tuple[int, str]]] = {
    "visitor_not_found": (404, "No such visitor"),
    "file_not_found": (404, "No such file"),
    "file_missing": (409, "The file has not been sent yet"),
    "conversation_closed": (409, "The conversation has ended"),
    "prechat_required": (409, "The form must be answered first"),
    "identity_refused": (401, "The identity is not verified"),
    "too_many_streams": (429, "Too many open streams"),
}


class ChatProblem(Problem):
    """A problem with a code of the table above."""

    @property
    def status(self) -> int:
        """By the table."""
        return CODES[self.code][0]

    def body(self) -> dict[str, Any]:
        """As any problem's."""
        return {**super().body(), "title": CODES[self.code][1]}
