"""The one way out to the customer.

Nothing reaches a customer but by `outgoing_for`, which takes a `PublicEntry` and nothing else; a `PublicEntry` can't be made of
an entry that isn't visible to everyone. `door.e4_whole` checks the same once more on every decision.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from adapters.envelope import MediaPart, Speaker, TextPart
from gateway.session.decision import Outgoing
from gateway.session.model import Entry, Login, Visibility

NoticeCode = Literal["joined", "left", "transferred", "ended", "waiting"]


@dataclass(frozen=True, slots=True)
class PublicEntry:
    """An entry that the customer may see. Making one of any other entry raises ValueError."""

    entry: Entry

    def __post_init__(self) -> None:
        if self.entry.visibility is not Visibility.everyone:
            raise ValueError(f"entry {self.entry.number} is for {self.entry.visibility.value} only")


def outgoing_for(
    public: PublicEntry,
    *,
    speaker: Speaker | None = None,
    human: bool = True,
    code: NoticeCode | None = None,
    about: Speaker | None = None,
    reply_to: int | None = None,
) -> Outgoing:
    """What the customer is to see of an entry: a notice when it has a code, else what was said."""
    entry = public.entry
    texts = [part.text for part in entry.parts if isinstance(part, TextPart)]
    files = [part for part in entry.parts if isinstance(part, MediaPart)]
    return Outgoing(
        entry_number=entry.number,
        kind="say" if code is None else "notice",
        text=("\n".join(texts) or None) if entry.parts else entry.text,
        file=files[0] if files else None,
        speaker=speaker,
        code=code,
        about=about,
        human=human and code is None,
        reply_to=reply_to,
    )


def speaker_id(org: str, login: Login) -> str:
    """An opaque id by which providers distinguish personas: never the login, always the same for a rep."""
    return hashlib.sha256(f"{org}\0{login}".encode()).hexdigest()[:20]
