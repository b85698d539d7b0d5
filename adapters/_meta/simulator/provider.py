"""The simulated Graph API and the phones behind it, for WhatsApp and the Messenger platform alike.

What Meta's channels share: signed webhooks and their redelivery, who may call, messages of ours that are shown at once or when their
file was fetched, and what customers do. How it looks on the wire stands in a dialect: `item`, `told`, `text`, `attached`, …

Beyond what every handset can, `details` may hold on all of them: `batch` (so many texts in one delivery), `staff` (our own side wrote), `owner`
(another app or agent has the conversation from now on; `us`: it is ours again, with `metadata`), `referral` (an ad or link), `form` of a choice.
Sources: Meta for Developers, "Webhooks", "Error codes"; the gaps between redeliveries are not published, ours grow alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, TypeAlias, TypeVar

from adapters._meta.account import MetaAccount
from adapters._meta.simulator.files import Files
from adapters._meta.simulator.graph import Bucket, check_token, edge_of, graph_error, unknown_path
from adapters.contract import Answer, RawRequest
from adapters.signing import hmac_hex
from adapters.simulation import LATER, Action, CannotAct, Count, Deed, Doing, Mischief, Phone, Provider, SimFile, Wishes, place

M = TypeVar("M", bound=MetaAccount)
P = TypeVar("P", bound=Phone)
_EDITS_FOR: Final = timedelta(minutes=15)
_WORDS: Final = {
    429: (4, "Application request limit reached"),
    500: (1, "An unknown error occurred"),
    503: (2, "Service temporarily unavailable"),
}


class GraphWishes(Wishes):
    """Meta may put up to 1,000 updates into one delivery (`batch`), and reports by webhook what became of a message."""

    plays: ClassVar = LATER | {"code", "subcode"}
    batch: Count = 1


Edge: TypeAlias = Callable[[RawRequest, datetime], Answer]
"""An edge of the Graph API. Raises Refused."""


class GraphProvider(Provider[M, P, GraphWishes]):
    """One number, Page or account. `rate`: burst, and per second."""

    wishes = GraphWishes
    # Meta repeats what isn't answered with 200, at growing gaps, for up to 36 hours or 7 days (its pages differ).
    redelivery_seconds = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 43200.0, 86400.0)
    timeout_seconds = 5.0
    cdn: ClassVar[str]
    """Where files are served: no version stands before it."""
    store: Files

    def __init__(self, account: M, rate: tuple[float, float]) -> None:
        super().__init__(account)
        self.rate = Bucket(*rate)

    @property
    def meta(self) -> MetaAccount:
        """The settings that all of Meta's channels have."""
        return self.account

    # --------------------------------------------------------------------------------------- what a dialect adds

    def message_id(self) -> str:
        """A new id of a message."""
        raise NotImplementedError

    def item(self, deed: Deed[P, GraphWishes], message_id: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """One event of a customer's, from its content."""
        raise NotImplementedError

    def told(self, deed: Deed[P, GraphWishes], items: list[dict[str, Any]]) -> bytes | None:
        """The webhook that holds these events; None: nobody is told."""
        raise NotImplementedError

    def text(self, text: str) -> dict[str, Any]:
        """The content of a text."""
        raise NotImplementedError

    def attached(self, deed: Deed[P, GraphWishes], file: SimFile, file_id: str) -> dict[str, Any]:
        """The content of a message with a file."""
        raise NotImplementedError

    def sticker(self, deed: Deed[P, GraphWishes], file_id: str) -> dict[str, Any]:
        """The content of a sticker."""
        raise NotImplementedError

    def located(self, latitude: float, longitude: float, details: Mapping[str, Any]) -> dict[str, Any]:
        """The content of a place."""
        raise NotImplementedError

    def chosen(self, choice_id: str, title: str, details: Mapping[str, Any]) -> dict[str, Any]:
        """The content of a choice. Raises CannotAct for a form of choice that there isn't."""
        raise NotImplementedError

    def reaction(self, line_id: str, emoji: str) -> dict[str, Any]:
        """The content of a reaction, or (no emoji) of its end."""
        raise NotImplementedError

    def edit(self, deed: Deed[P, GraphWishes], line_id: str) -> dict[str, Any]:
        """The content of a change. Raises CannotAct."""
        raise NotImplementedError

    def revocation(self, line_id: str) -> dict[str, Any] | None:
        """The content of a deletion; None: nobody is told."""
        raise NotImplementedError

    def tales(self) -> Mapping[str, Doing[P, GraphWishes]]:
        """What a `say` is instead, where its details hold that name."""
        raise NotImplementedError

    no_sticker: ClassVar[SimFile]
    """What a sticker is where none is given."""
    deletes_for: ClassVar[timedelta | None] = None
    """How long a message can be taken back; None: for ever."""

    def edge(self, request: RawRequest, path: tuple[str, ...]) -> Edge | None:
        """What answers at that path; the token is checked by then."""
        raise NotImplementedError

    def serve(self, request: RawRequest, now: datetime) -> Answer:
        """A file at the address that was given for it."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------------------------- our calls

    def answer(self, request: RawRequest, now: datetime) -> Answer:
        """A call of ours, answered as Graph answers."""
        if f"{request.path.strip('/')}/".startswith(f"{self.cdn}/"):
            return self.serve(request, now)
        path = edge_of(request)
        check_token(request, self.account)
        found = self.edge(request, path)
        if found is None:
            raise unknown_path(request)
        return found(request, now)

    def troubled(self, befalls: Mischief) -> Answer:
        """In Graph's words."""
        code, words = _WORDS.get(befalls.status or 400, (100, "Invalid parameter"))
        return graph_error(befalls.code or code, words, status=befalls.status or 400, subcode=befalls.subcode).answer

    def once_fetched(
        self, link: str | None, file_id: str | None, phone: P, show: Callable[[str | None, datetime], None], now: datetime
    ) -> None:
        """Go on with the id of a message's file: at once, or when the link that we gave was fetched; "" where it couldn't be."""
        if link is None:
            show(file_id, now)
        else:
            self.bring(link, phone.address, lambda file, then: show(self.store.keep(file, then) if file else "", then))

    def seen_by_us(self, phone: P) -> None:
        """We have marked the chat as read."""
        for line in [one for one in phone.lines.values() if one.sender == "me"]:
            phone.change(line.id, seen=True)

    # -------------------------------------------------------------------------------------------------- webhooks

    def headers(self, body: bytes, number: int, now: datetime) -> Mapping[str, str]:
        """Signed, the old way too."""
        secret = self.account.app_secrets[0].get_secret_value()
        return {
            "content-type": "application/json",
            "user-agent": "facebookexternalua",
            "x-hub-signature": f"sha1={hmac_hex(secret, body, 'sha1')}",
            "x-hub-signature-256": f"sha256={hmac_hex(secret, body)}",
        }

    def takes(self, answer: Answer | None) -> bool:
        """200, and nothing else."""
        return answer is not None and answer.status == 200

    # ---------------------------------------------------------------------------------------- what customers do

    def check(self, phone: P, action: Action) -> None:
        """Who writes turns the phone on."""
        if phone.blocked and action.kind not in ("unblock", "read"):
            raise CannotAct(f"{action.customer} has blocked the business; unblock first")

    def cannot(self, kind: str) -> str:
        """Nothing of it reaches us."""
        return f"Meta tells businesses nothing of this: {kind}"

    def doings(self) -> Mapping[str, Doing[P, GraphWishes]]:
        """What Meta tells of; blocking it doesn't: sends fail from then on."""
        return {
            **self.ordinary(),
            "say": self._say,
            "sticker": self._sticker,
            "location": self._location,
            "choose": self._choose,
            "react": self._react,
            "edit": self._edit,
            "unsend": self._unsend,
        }

    def _say(self, deed: Deed[P, GraphWishes]) -> str | None:
        for name, tale in self.tales().items():
            if deed.details.get(name, False) is not False:
                return tale(deed)
        return self.says(deed)

    def says(self, deed: Deed[P, GraphWishes]) -> str:
        """Texts or a file."""
        text, file = deed.action.text, deed.action.file
        if file is not None:
            file_id = self.store.keep(file, deed.now)
            return self.write(deed, [self.attached(deed, file, file_id)], text=text, file_id=file_id)
        if not text:
            raise CannotAct("say needs a text or a file")
        many = deed.wishes.batch
        texts = [text] if many == 1 else [f"{text} {number}" for number in range(1, many + 1)]
        return self.write(deed, [self.text(one) for one in texts], *texts)

    def _sticker(self, deed: Deed[P, GraphWishes]) -> str:
        file_id = self.store.keep(deed.action.file or self.no_sticker, deed.now)
        return self.write(deed, [self.sticker(deed, file_id)], file_id=file_id)

    def _location(self, deed: Deed[P, GraphWishes]) -> str:
        latitude, longitude = place(deed.details)
        shown = deed.details.get("name") or f"{latitude:g}, {longitude:g}"
        return self.write(deed, [self.located(latitude, longitude, deed.details)], f"[location: {shown}]")

    def _choose(self, deed: Deed[P, GraphWishes]) -> str:
        title = deed.action.text or str(deed.details.get("title") or "")
        if not title:
            raise CannotAct("choose needs details id and title")
        return self.write(deed, [self.chosen(str(deed.details.get("id") or title), title, deed.details)], title)

    def _react(self, deed: Deed[P, GraphWishes]) -> str:
        line, emoji = deed.phone.target(deed.action), deed.action.text or ""
        deed.phone.change(line.id, reaction=emoji or None)
        return self.mention(deed, self.reaction(line.id, emoji), line.id)

    def _edit(self, deed: Deed[P, GraphWishes]) -> str:
        line = deed.phone.target(deed.action, own=True)
        if not deed.action.text or deed.now - line.at > _EDITS_FOR:
            raise CannotAct("edit needs a text, and people can edit for 15 minutes")
        content = self.edit(deed, line.id)
        deed.phone.change(line.id, text=deed.action.text, edited=True)
        return self.mention(deed, content, line.id)

    def _unsend(self, deed: Deed[P, GraphWishes]) -> str:
        line = deed.phone.target(deed.action, own=True)
        if self.deletes_for is not None and deed.now - line.at > self.deletes_for:
            raise CannotAct(f"people can delete for everyone for {self.deletes_for.days} days")
        deed.phone.change(line.id, text=None, media=None, unsent=True)
        content = self.revocation(line.id)
        return line.id if content is None else self.mention(deed, content, line.id)

    def write(
        self,
        deed: Deed[P, GraphWishes],
        contents: Sequence[Mapping[str, Any]],
        *shown: str,
        text: str | None = None,
        file_id: str = "",
    ) -> str:
        """Messages of a customer's in one delivery, and how the phone shows each; the id of the first."""
        self._at_the_chat(deed)
        ids = [self.message_id() for _ in contents]
        for line_id, words in zip(ids, shown or (text,), strict=True):
            self.mine(deed, line_id, words, self.files.get(file_id), file_id)
        self._tell_items(deed, [self.item(deed, line_id, one) for line_id, one in zip(ids, contents, strict=True)], ids)
        return ids[0]

    def mention(self, deed: Deed[P, GraphWishes], content: Mapping[str, Any], line_id: str = "") -> str:
        """An event about a line that stands on the phone already, or about none."""
        self._at_the_chat(deed)
        self._tell_items(deed, [self.item(deed, self.message_id(), content)], [])
        return line_id

    def _at_the_chat(self, deed: Deed[P, GraphWishes]) -> None:
        """Who does something has read what came before."""
        self.wake(deed.phone, deed.now)
        self.look(deed.phone, deed.now)
        deed.phone.wrote_at = deed.now

    def _tell_items(self, deed: Deed[P, GraphWishes], items: list[dict[str, Any]], line_ids: Sequence[str]) -> None:
        body = self.told(deed, items)
        if body is not None:
            self.tell(deed, body, *line_ids)
