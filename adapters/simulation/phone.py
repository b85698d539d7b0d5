"""A customer's phone, as the provider knows it: what it shows, what waits for it, whether it is on."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from adapters.contract import Action, CannotAct, Shown, SimFile


@dataclass
class Phone:
    """A customer's phone. `lines` by their ids, oldest first; `held` is what came of ours while it was offline; `unread` are the
    ids of our lines that the customer hasn't looked at; `wrote_at` is when they last wrote."""

    customer: str
    address: str
    lines: dict[str, Shown] = field(default_factory=dict)
    held: list[Shown] = field(default_factory=list)
    blocked: bool = False
    offline: bool = False
    unread: list[str] = field(default_factory=list)
    wrote_at: datetime | None = None

    def line(self, line_id: str | None) -> Shown | None:
        """The line of that id, if the phone shows it."""
        return self.lines.get(line_id or "")

    def target(self, action: Action, *, own: bool = False) -> Shown:
        """The line that an action is about. Raises CannotAct where there is none, or (`own`) where it isn't the customer's."""
        line = self.line(action.target)
        if line is None:
            raise CannotAct(f"{action.kind} needs the id of a line on the phone: there is no {action.target}")
        if own and line.sender != "me":
            raise CannotAct(f"{action.target} is not the customer's own line")
        return line

    def change(self, line_id: str, **changes: Any) -> None:
        """Change the line of that id, where there is one, held or shown."""
        if line := self.lines.get(line_id):
            self.lines[line_id] = line.model_copy(update=changes)
        self.held = [line.model_copy(update=changes) if line.id == line_id else line for line in self.held]

    def saved(self) -> dict[str, Any]:
        """Everything as it is now, to be put back by `restore`."""
        return {name: copy(value) if isinstance(value, dict | list | set) else value for name, value in vars(self).items()}

    def restore(self, saved: dict[str, Any]) -> None:
        """Be as before."""
        vars(self).update(saved)


def media_of(file: SimFile, file_id: str) -> dict[str, Any]:
    """A file as a handset's line shows it."""
    return {"name": file.name, "mime_type": file.mime_type, "size_bytes": len(file.content), "file_id": file_id}
