"""A simulated provider without peculiarities: it has one webhook, and at most one line, for each thing that a customer does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from adapters.contract import A, Action, Answer, CannotAct, RawRequest
from adapters.simulation.phone import Phone
from adapters.simulation.provider import Deed, Doing, Provider
from adapters.simulation.wishes import Wishes

SHOWN: Final = ("say", "location", "contact", "sticker", "choose")
"""What the handset shows as a line."""


class PlainProvider(Provider[A, Phone, Wishes]):
    """A provider without peculiarities: each thing that a customer does is one webhook, and at most one line."""

    def event(self, action: Action, phone: Phone, line_id: str, now: datetime) -> bytes | None:
        """The webhook's body for what a customer does (None: the provider tells nobody); `line_id` is the line that it will be shown as.
        Raises CannotAct. A file is at `self.files[line_id]` by then."""
        raise NotImplementedError

    def is_message(self, request: RawRequest) -> bool:
        """Whether this call of ours is a message, which mischief may befall."""
        return request.method == "POST"

    def replied(self, request: RawRequest, now: datetime) -> Answer:
        """Mischief befalls a message before it is looked at."""
        if self.is_message(request):
            self.befall()
        return self.answer(request, now)

    def doings(self) -> Mapping[str, Doing[Phone, Wishes]]:
        """All kinds: `event` says which the provider knows."""
        kinds = ("typing", "end", "block", "unblock", "read", "react", "edit", "unsend", *SHOWN)
        return {**self.ordinary(), **dict.fromkeys(kinds, self._does)}

    def check(self, phone: Phone, action: Action) -> None:
        """Every line that is named must be there, and edits are of one's own."""
        super().check(phone, action)
        if action.kind == "say" and not (action.text or action.file):
            raise CannotAct("say needs a text or a file")
        if action.kind in ("react", "edit", "unsend"):
            phone.target(action, own=action.kind != "react")

    def _does(self, deed: Deed[Phone, Wishes]) -> str | None:
        phone, action, line_id = deed.phone, deed.action, self.line_id(self.next_number())
        if action.file:
            self.files[line_id] = action.file
        body = self.event(action, phone, line_id, deed.now)
        shown = action.kind in SHOWN
        if shown or action.kind == "read":  # whoever writes has read what the phone shows
            self.look(phone, deed.now)
        if shown:
            words = action.text or action.details.get("title") or action.details.get("name")
            text = str(words) if words else None if action.file else f"[{action.kind}]"
            self.mine(deed, line_id, text, action.file)
        elif action.kind in ("block", "unblock"):
            phone.blocked = action.kind == "block"
        elif action.kind in ("edit", "unsend") and action.target:
            text = action.text if action.kind == "edit" else "[taken back]"
            phone.change(action.target, text=text, **({} if action.kind == "edit" else {"media": None}))
        if body is not None:
            self.tell(deed, body, *([line_id] if shown else []))
        return line_id if shown else None
