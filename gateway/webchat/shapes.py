"""What visitors and the gateway send to the chat service; an unknown field is a fault."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from gateway.edge.input import Input, Number, Words

ClientId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
Short = Annotated[str, StringConstraints(max_length=500)]
Url = Annotated[str, StringConstraints(max_length=2000)]


class VisitedPage(Input):
    """The page that the visitor is on."""

    url: Url | None = None
    title: Short | None = None
    referrer: Url | None = None


class Hash(Input):
    """The old form of identity."""

    user_id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    hash: Annotated[str, StringConstraints(max_length=200)]


class SessionAsk(Input):
    """Starts a session, or resumes one."""

    visitor_token: Annotated[str, StringConstraints(max_length=8192)] | None = None
    identity_jwt: Annotated[str, StringConstraints(max_length=8192)] | None = None
    identity_hash: Hash | None = None
    prechat: dict[str, Short | bool] = Field(default_factory=dict, max_length=50)
    page: VisitedPage | None = None
    locale: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,35}$")] | None = None
    capabilities: list[Short] = Field(default_factory=list, max_length=20)


class Choice(Input):
    """A quick reply that was tapped."""

    id: Annotated[str, StringConstraints(max_length=200)]
    title: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class MessageAsk(Input):
    """One message. `text` may be empty beside a file."""

    client_id: ClientId
    text: Words | None = None
    choice: Choice | None = None
    reply_to: Short | None = None


class TypingAsk(Input):
    """The visitor types, or ceased to."""

    on: bool


class SeqAsk(Input):
    """Up to and with this line."""

    seq: Number


class Speaker(Input):
    """Who speaks to the visitor."""

    kind: Literal["rep", "bot", "system"] = "rep"
    name: Short | None = None
    avatar: Url | None = None


class DeliveredFile(Input):
    """A file of ours: by the id that /deliver/file gave, or by a link."""

    id: Short | None = None
    url: Url | None = None
    name: Short
    mime_type: Short
    size_bytes: Number


class Delivery(Input):
    """What a visitor is to see. `id` is the outbox id, under which it is appended once."""

    type: Literal["message", "notice", "typing"]
    id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    to: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    at: AwareDatetime | None = None
    sender: Speaker = Field(default=Speaker(), alias="from")
    text: Annotated[str, StringConstraints(max_length=20_000)] | None = None
    file: DeliveredFile | None = None
    reply_to: Short | None = None
    quick_replies: list[Choice] = Field(default_factory=list, max_length=20)
    code: Literal["joined", "left", "transferred", "ended", "waiting"] | None = None
    participant: Speaker | None = None
    on: bool = True
    after_end: AwareDatetime | None = None  # the `at` of the last `ended` that was heard of this visitor

    @model_validator(mode="after")
    def _says_something(self) -> Delivery:
        if self.type == "message" and not self.text and self.file is None:
            raise ValueError("a message needs text or a file")
        if self.type == "notice" and (self.code is None or not self.text):
            raise ValueError("a notice needs a code and a text")
        return self

    def line(self) -> dict[str, Any]:
        """As the widget is told it, without id, number, time and the service's own files."""
        if self.type == "typing":
            return {"type": "typing", "from": self.sender.model_dump(), "on": self.on}
        if self.type == "notice":
            about = self.participant.model_dump() if self.participant else None
            return {"type": "notice", "code": self.code, "participant": about, "text": self.text}
        line: dict[str, Any] = {"type": "message", "from": self.sender.model_dump(), "client_id": None, "text": self.text}
        if self.reply_to:
            line["reply_to"] = self.reply_to
        if self.quick_replies:
            line["quick_replies"] = [choice.model_dump() for choice in self.quick_replies]
        if self.file and self.file.url:
            line["file"] = self.file.model_dump(exclude={"id"})
        return line
