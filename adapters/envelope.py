"""The common envelope: what customers do, and what they are to see, in one form for every channel.

Frozen values, unknown fields refused. What comes in is one of the `Inbound` kinds; what goes out is one of the
`Outbound` kinds. The JSON Schema of both is printed by `byoc envelope-schema` and is in docs/envelope.schema.json.

Three habits that other models miss: who wrote (`author`) is apart from where it came from (`end_user`), so that a
message that a colleague typed into the provider's own app is not taken for the customer's; a strange time is never a
reason to reject (`provider_time` may be None, ours is always there); and every part can say itself in plain text.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, NewType

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, TypeAdapter
from pydantic_core import to_json

from adapters.referral import Referral as Referral
from adapters.referral import ReferralSource as ReferralSource
from adapters.referral import words

ChannelId = NewType("ChannelId", str)
Address = NewType("Address", str)  # the end user's address on the channel: opaque, unique within the channel

_ENVELOPES = uuid.UUID("6f0c52a4-8a0b-5f0e-9d2e-0b1f6a1c7e55")


class Value(BaseModel):
    """Ground of all our own values: frozen, and an unknown field is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# ---------------------------------------------------------------------------------------------------- parts


class MediaState(StrEnum):
    """The state of a file. The text around it never waits for it."""

    pending = "pending"
    ready = "ready"
    failed = "failed"


class TextPart(Value):
    """What was written, as it was written."""

    type: Literal["text"] = "text"
    text: str
    """As the customer wrote it."""

    @property
    def plain(self) -> str:
        """The part in plain text, for channels, logs and readers that can show no more."""
        return self.text


class MediaPart(Value):
    """A picture, video, sound or document.

    `source` is what the adapter's `media` flow needs to fetch it (a provider's id or URL, a key to decrypt); it never
    reaches a rep. `media_id` is ours, given when the message is taken in; `reason` says why it `failed`.
    """

    type: Literal["media"] = "media"
    media: Literal["image", "video", "audio", "voice", "file"] = "file"
    state: MediaState = MediaState.pending
    """`pending` from the adapter: the gateway fetches the file."""
    mime_type: str | None = None
    """Its type, where the provider says it."""
    name: str | None = None
    """Its name, where it has one."""
    size_bytes: int | None = None
    """Its size, where the provider says it."""
    duration_ms: int | None = None
    """How long it plays, in milliseconds."""
    caption: str | None = None
    """The text that came with it."""
    source: dict[str, JsonValue] = Field(default_factory=dict, repr=False)
    media_id: str | None = None
    reason: str | None = None

    @property
    def plain(self) -> str:
        """`[image: hinge.jpg] caption`."""
        label = f"[{self.media}: {self.name}]" if self.name else f"[{self.media}]"
        return f"{label} {self.caption}" if self.caption else label


def _degrees(value: float) -> str:
    """Six decimals, which is a tenth of a metre; no zeros that say nothing."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


class LocationPart(Value):
    """A place on the map, in degrees (WGS 84)."""

    type: Literal["location"] = "location"
    latitude: float
    """Degrees, north positive."""
    longitude: float
    """Degrees, east positive."""
    name: str | None = None
    """What the place is called."""
    address: str | None = None
    """Its address on one line."""

    @property
    def plain(self) -> str:
        """`[location: name, address, 53.541342, 9.984177]`."""
        words = [w for w in (self.name, self.address) if w]
        return f"[location: {', '.join([*words, _degrees(self.latitude), _degrees(self.longitude)])}]"


class ContactPart(Value):
    """A contact card that the customer shared."""

    type: Literal["contact"] = "contact"
    name: str
    """The name on the card."""
    phones: tuple[str, ...] = ()
    """As they are written on the card."""
    emails: tuple[str, ...] = ()
    """Its email addresses."""
    organisation: str | None = None
    """The company."""
    addresses: tuple[str, ...] = ()  # each on one line
    urls: tuple[str, ...] = ()
    """Its web addresses."""

    @property
    def plain(self) -> str:
        """`[contact: Leo Paz, Paz y Hijos, +34 600 000 000]`."""
        words = [self.name, self.organisation, *self.phones, *self.emails, *self.addresses, *self.urls]
        return f"[contact: {', '.join(filter(None, words))}]"


class ChoicePart(Value):
    """The customer's answer to buttons, a list, a form or a postback; `id` is what we or a bot gave with the choice."""

    type: Literal["choice"] = "choice"
    id: str | None = None
    title: str
    """The words of what was chosen."""
    description: str | None = None
    """The line below the title, where the list has one."""
    fields: dict[str, JsonValue] = Field(default_factory=dict)  # a form's answers, by the form's own names

    @property
    def plain(self) -> str:
        """The words on the button."""
        return self.title


class StickerPart(Value):
    """A sticker; `text` are the provider's words for it, where it has some."""

    type: Literal["sticker"] = "sticker"
    provider_id: str | None = None
    """The provider's id of the sticker."""
    text: str | None = None
    media: MediaPart | None = None  # where the sticker can be fetched as a picture

    @property
    def plain(self) -> str:
        """`[sticker: ok]`."""
        return f"[sticker: {self.text}]" if self.text else "[sticker]"


class ProductPart(Value):
    """A product of the business's catalogue that the customer sent. `price` is written as the provider writes it."""

    type: Literal["product"] = "product"
    title: str | None = None
    """Its name."""
    price: str | None = None
    retailer_id: str | None = None  # the shop's own id
    product_id: str | None = None  # the provider's
    catalog_id: str | None = None
    """The provider's id of the catalogue."""

    @property
    def plain(self) -> str:
        """`[product: Lamp, $40, SKU 17]`."""
        return f"[product: {', '.join(filter(None, [self.title, self.price, self.retailer_id or self.product_id])) or '?'}]"


class OrderItem(Value):
    """A line of an order; `price` is that of one piece."""

    title: str | None = None
    """Its name."""
    retailer_id: str | None = None
    """The shop's own id."""
    product_id: str | None = None
    """The provider's id."""
    quantity: str | None = None
    """How many, as the provider writes it."""
    price: str | None = None
    currency: str | None = None
    """Of the price, as ISO 4217 has it."""

    @property
    def plain(self) -> str:
        """`2 × Lamp (SKU 17) at 9.5 EUR`."""
        name = self.title or self.retailer_id or self.product_id or "?"
        known_by = f" ({self.retailer_id})" if self.title and self.retailer_id else ""
        price = f" at {self.price} {self.currency or ''}".rstrip() if self.price else ""
        return f"{self.quantity or '?'} × {name}{known_by}{price}"


class OrderPart(Value):
    """A cart that the customer sent, with what they wrote beside it. Nothing is bought by it: the business answers."""

    type: Literal["order"] = "order"
    items: tuple[OrderItem, ...] = ()
    """The lines of the cart."""
    note: str | None = None
    """What the customer wrote beside it."""
    catalog_id: str | None = None
    """The provider's id of the catalogue."""

    @property
    def plain(self) -> str:
        """`[order: 2 × SKU1 at 9.5 EUR; 1 × SKU2] as a gift, please`."""
        lines = f"[order: {'; '.join(item.plain for item in self.items) or 'empty'}]"
        return f"{lines} {self.note}" if self.note else lines


class CallPart(Value):
    """The customer called, and nobody answered."""

    type: Literal["call"] = "call"
    outcome: Literal["missed"] = "missed"
    """Nobody answered."""

    @property
    def plain(self) -> str:
        """`[missed call]`."""
        return "[missed call]"


class UnknownPart(Value):
    """Something this version has no form for, kept with a plain text instead of being dropped."""

    type: Literal["unknown"] = "unknown"
    provider_type: str
    """The provider's own word for it."""
    fallback: str
    """What a reader is shown instead, as `[Telegram: dice]`."""

    @property
    def plain(self) -> str:
        """What a reader is shown instead."""
        return self.fallback


Part = Annotated[
    TextPart
    | MediaPart
    | LocationPart
    | ContactPart
    | ChoicePart
    | StickerPart
    | ProductPart
    | OrderPart
    | CallPart
    | UnknownPart,
    Field(discriminator="type"),
]


# -------------------------------------------------------------------------------------------------- inbound


class EndUser(Value):
    """The customer's address, and apart from it what the provider says of the person.

    `address` is the one key to a conversation within the channel, and what answers go to. `aliases` are other addresses of the
    same person on this channel (WhatsApp: phone and business-scoped id). `lent` says which of all the addresses named here the network may
    give to somebody else (a phone number): such a one leads to whoever used it last, and never from one lasting address to another. `formerly`
    is for an event that reports a change: the addresses under which the person was known until then; those that aren't named above too are
    given up, and nothing goes there any more. Nothing below `formerly` may be relied on.
    """

    address: Address
    aliases: tuple[Address, ...] = ()
    lent: tuple[Address, ...] = ()
    formerly: tuple[Address, ...] = ()
    name: str | None = None
    """What the customer is called."""
    username: str | None = None
    """The customer's handle on the channel."""
    avatar_url: str | None = None
    """A picture, at a public address."""
    locale: str | None = None
    """Their language, as `en` or `pt-BR`."""
    profile: dict[str, JsonValue] = Field(default_factory=dict, repr=False)
    """What else the provider says of the person."""


class Author(StrEnum):
    """Who wrote a message that reached us."""

    end_user = "end_user"
    business = "business"  # an echo: our side, by another tool (a phone app, the provider's own inbox)
    provider = "provider"  # the provider's own words


def _storable(raw: dict[str, Any]) -> dict[str, Any]:
    """Raises ValueError for what no store takes as JSON: nesting without end, halves of surrogate pairs, other than JSON's types."""
    to_json(raw)
    return raw


# Like JsonValue but faster: that checks the type of every value in Python, this writes the JSON once, in C.
RawEvent = Annotated[dict[str, Any], AfterValidator(_storable)]


class SignedReading(Value):
    """How a request was read whose signature allows more than one reading, as one over names and values without marks between them does.

    Digests of the proof and of what was read. Under one proof the first reading counts, and no other, for as long as duplicates are
    remembered: a captured request can't be split differently into further events.
    """

    proof: str
    """Digest of the proof."""
    reading: str
    """Digest of what was read."""


class InboundEvent(Value):
    """What every inbound kind carries.

    `event_id` is the provider's id of this event, or one made from its content, the same on each redelivery: a duplicate is
    found by (channel_id, event_id). `provider_time` is None where the provider gives none or nonsense. `remember` is what the
    adapter wants back with the next answers to this end user (a reply token, a capability list): merged key by key into
    the conversation's memory, a null removes. `raw` is the provider's own event, as it came. `signed` is the same for all events of a
    request; None where the signature covers the raw bytes.
    """

    channel_id: ChannelId
    """The account's `channel_id`."""
    event_id: str
    end_user: EndUser | None = None
    """Whom the event concerns. Every kind but receipts and unknown events has one."""
    provider_time: AwareDatetime | None = None
    received_at: AwareDatetime
    """The request's `received_at`."""
    remember: dict[str, JsonValue] = Field(default_factory=dict, repr=False)
    raw: RawEvent = Field(default_factory=dict, repr=False)
    signed: SignedReading | None = Field(default=None, repr=False)

    @property
    def id(self) -> str:
        """Our id of the envelope: made from the channel and the provider's event id, so that a duplicate has the same."""
        return str(uuid.uuid5(_ENVELOPES, f"{self.channel_id}\0{self.event_id}"))


class InboundMessage(InboundEvent):
    """Something said. `end_user` is always there; `message_id` is the provider's id, for receipts, replies and edits.

    `standby`: another app of the business answers this conversation now. The message is kept aside, and is in the transcript
    when the conversation is handed to us.
    """

    kind: Literal["message"] = "message"
    end_user: EndUser
    message_id: str
    author: Author = Author.end_user
    """Who wrote it: an echo of our own side is `business`."""
    parts: tuple[Part, ...] = Field(min_length=1)
    """What it holds, in order."""
    reply_to: str | None = None  # the provider's id of the message it answers
    forwarded: Literal["once", "often"] | None = None  # the customer passed it on; `often`: it went through many hands
    referral: Referral | None = None  # the ad, link or product that the customer came by
    automatic_reply: bool = False  # the provider has answered it already (an opt-out keyword, say): don't answer again
    standby: bool = False

    @property
    def plain(self) -> str:
        """All parts in plain text, one a line."""
        return "\n".join(part.plain for part in self.parts)


class ReceiptStatus(StrEnum):
    """Ranked: a message only goes up. `failed` is the end."""

    sent = "sent"
    delivered = "delivered"
    read = "read"
    failed = "failed"

    @property
    def rank(self) -> int:
        """sent 1, delivered 2, read 3; failed 4, so that nothing follows it."""
        return list(ReceiptStatus).index(self) + 1


class InboundReceipt(InboundEvent):
    """What became of messages of ours: named by the provider's ids, by our own outbox id, or all `up_to` a time."""

    kind: Literal["receipt"] = "receipt"
    status: ReceiptStatus
    """What became of them."""
    message_ids: tuple[str, ...] = ()
    """The provider's ids of the messages, as `Sent.message_ids` gave them."""
    outbox_id: str | None = None  # ours, where the provider carries it back
    up_to: AwareDatetime | None = None  # a watermark: everything sent to this end user until then
    code: str | None = None
    """When failed: one of the codes below. `late_failure` gives it and the members that follow."""
    sentence: str | None = None
    """The adapter's own words for a rep, where they say more than the code's."""
    provider_code: str | None = None
    """The provider's own code, for operators."""
    detail: str | None = Field(default=None, repr=False)
    """The provider's own words, for operators."""
    again_after_seconds: float | None = None
    """Nothing was delivered and trying later helps: the message is sent once more, not sooner than this. None: the failure is final."""


class InboundTyping(InboundEvent):
    """The customer began (or ceased) to type. Never stored."""

    kind: Literal["typing"] = "typing"
    end_user: EndUser
    """Who types."""
    on: bool
    """False: they stopped."""


class InboundEdit(InboundEvent):
    """A message was changed, by whoever wrote it."""

    kind: Literal["edit"] = "edit"
    end_user: EndUser
    """Whose conversation it is in."""
    author: Author = Author.end_user
    """Who changed it."""
    message_id: str
    """Of the message, as it was when it came."""
    parts: tuple[Part, ...] = Field(min_length=1)
    """What it holds now."""


class InboundDeletion(InboundEvent):
    """A message was taken back, by whoever wrote it; reps must no longer be shown it."""

    kind: Literal["deletion"] = "deletion"
    end_user: EndUser
    """Whose conversation it is in."""
    author: Author = Author.end_user
    """Who took it back."""
    message_id: str
    """Of the message."""


class InboundReaction(InboundEvent):
    """Someone reacted to a message, ours or theirs; no emoji: the reaction was taken back."""

    kind: Literal["reaction"] = "reaction"
    end_user: EndUser
    """Whose conversation it is in."""
    author: Author = Author.end_user
    """Who reacted."""
    message_id: str
    """Of the message that was reacted to."""
    emoji: str | None
    """The emoji; None: taken back."""


class InboundEnded(InboundEvent):
    """The customer ended the conversation (L4): web chat's end, Apple's close, LINE's unfollow, an SMS stop word."""

    kind: Literal["ended"] = "ended"
    end_user: EndUser
    """Whose conversation ended."""
    reason: Literal["ended", "closed", "blocked", "opted_out"]
    """`ended`: by a button or command; `closed`: the conversation was closed; `blocked`: blocked or unfollowed; `opted_out`: by a stop word."""


class InboundReferral(InboundEvent):
    """The customer arrived through an ad, a link or a plug-in, and has not written yet."""

    kind: Literal["referral"] = "referral"
    end_user: EndUser
    """Who came."""
    referral: Referral
    """By what."""
    standby: bool = False  # as of a message


class InboundHandover(InboundEvent):
    """Another app of the business gave us the conversation (`to_us`), took it (`away`), or asks for it (`requested`).

    `app` names that app, `app_id` is its id at the provider; `metadata` is what it tells us with it. `may_answer`, when it went away: our
    next answer takes it back.
    """

    kind: Literal["handover"] = "handover"
    end_user: EndUser
    """Whose conversation it is."""
    change: Literal["to_us", "away", "requested"]
    """What happened."""
    may_answer: bool = False
    app: Annotated[str | None, BeforeValidator(words(200))] = None
    app_id: Annotated[str | None, BeforeValidator(words(200))] = None
    metadata: Annotated[str | None, BeforeValidator(words(1_000))] = None


class InboundProfile(InboundEvent):
    """The provider says who the customer is, and nothing was said: somebody signed in, say. A running session is called by the new name."""

    kind: Literal["profile"] = "profile"
    end_user: EndUser
    """Who they are now."""


class InboundUnknown(InboundEvent):
    """Anything else: kept, shown to operators, never an error. `reason` says what it was in a word (`follow`, `beacon`).

    `meant_for`: the number, account or page that it was sent to, where that isn't the channel's own. Often a mistyped id in the config, which
    hides all customers: so the gateway logs each once, counts them, and they can be read again after a fix.
    """

    kind: Literal["unknown"] = "unknown"
    reason: str
    meant_for: str | None = None


Inbound = Annotated[
    InboundMessage
    | InboundReceipt
    | InboundTyping
    | InboundEdit
    | InboundDeletion
    | InboundReaction
    | InboundEnded
    | InboundReferral
    | InboundHandover
    | InboundProfile
    | InboundUnknown,
    Field(discriminator="kind"),
]


# ------------------------------------------------------------------------------------------------- outbound


class Speaker(Value):
    """Who speaks to the customer: the public name, never the login. `id` is opaque (to cache a persona by)."""

    id: str
    name: str
    """The public name."""
    avatar_url: str | None = None
    """A picture, at a public address."""


class OutboundFile(Value):
    """A file to send. `url` is where the provider can fetch it (public, signed); `content` is the same in bytes."""

    name: str
    """Its name, as the rep gave it."""
    mime_type: str
    """Its type."""
    size_bytes: int
    """Its size."""
    url: str = Field(repr=False)
    content: bytes = Field(default=b"", repr=False)

    @property
    def media(self) -> Literal["image", "video", "audio", "file"]:
        """The family of its type."""
        family = self.mime_type.partition("/")[0].lower()
        if family == "image":
            return "image"
        if family == "video":
            return "video"
        return "audio" if family == "audio" else "file"


class OutboundEvent(Value):
    """What every outbound kind carries.

    `id` is the outbox row's. `aliases` are the other addresses that are the person's now, those given up not among them. `retry_key` (a
    UUID) was made with the row, before the first try, and is the same on every try.
    `memory` is what the adapter remembered of this conversation (`InboundEvent.remember`). `last_inbound_at`: when the
    customer last wrote, for windows. `human`: a person wrote it, no bot and no automatic notice.
    """

    id: str
    channel_id: ChannelId
    """The channel that it goes by."""
    to: Address
    """The customer's address: `EndUser.address`."""
    aliases: tuple[Address, ...] = ()
    retry_key: str
    created_at: AwareDatetime
    """When it was written."""
    memory: dict[str, JsonValue] = Field(default_factory=dict, repr=False)
    last_inbound_at: AwareDatetime | None = None
    human: bool = True


class Say(OutboundEvent):
    """A message of a rep or bot: text, or one file with an optional caption in `text`.

    `speaker` is None when the customer needn't be told who speaks (M2). By the time an adapter sees it, `text` fits the
    channel, a prefix naming the speaker included where the channel has no other way.
    """

    kind: Literal["say"] = "say"
    text: str | None = None
    file: OutboundFile | None = None
    """The file; one that no rule carries is a link in `text` already."""
    speaker: Speaker | None = None
    reply_to: str | None = None  # the provider's id of the message it answers


class Notice(OutboundEvent):
    """A short automatic text: who joined, left or took over. `about` is the rep concerned."""

    kind: Literal["notice"] = "notice"
    code: Literal["joined", "left", "transferred", "ended", "waiting"]
    """What it tells of."""
    text: str
    """The sentence for the customer, in their language."""
    about: Speaker | None = None
    human: bool = False
    """False: no person wrote it."""


class TypingSignal(OutboundEvent):
    """A rep is typing, or ceased to. Sent at most once, never stored, its loss is nothing."""

    kind: Literal["typing"] = "typing"
    on: bool
    """False: they stopped."""
    speaker: Speaker | None = None
    """Who types; None: the customer needn't be told."""


Outbound = Annotated[Say | Notice | TypingSignal, Field(discriminator="kind")]

INBOUND: TypeAdapter[Inbound] = TypeAdapter(Inbound)
OUTBOUND: TypeAdapter[Outbound] = TypeAdapter(Outbound)


def envelope_schema() -> dict[str, Any]:
    """The JSON Schema of the whole family, as `{"$defs": …, "oneOf": [inbound, outbound]}`."""
    both: TypeAdapter[Inbound | Outbound] = TypeAdapter(Inbound | Outbound)
    return {
        "title": "BYOC envelope",
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **both.json_schema(),
    }


def from_unix(seconds: object, *, unit: Literal["s", "ms"] = "s") -> datetime | None:
    """A provider's time stamp (number or digits), or None where it is missing or nonsense."""
    try:
        number = float(seconds if isinstance(seconds, (int, float)) and not isinstance(seconds, bool) else str(seconds))
        return datetime.fromtimestamp(number / 1000 if unit == "ms" else number, UTC)
    except (ValueError, OverflowError, OSError):
        return None
