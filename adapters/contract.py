"""What a channel is. An adapter is a handful of plain functions: bytes in, envelopes out; a message in, requests out.

No I/O here nor in any adapter: time, ids, secrets and bytes come in as arguments. Whatever needs HTTP is a *flow*: a
generator that yields `HttpCall`s, is sent `HttpReply`s, and returns its result. One driver in the gateway runs all flows and
is the home of timeouts, connection faults, pacing and logs. A flow may be run again from its start after a crash, so only
its last call may be visible to the customer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any, Final, Generic, Literal, Protocol, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from adapters.envelope import ChannelId, EndUser, Inbound, MediaPart, Outbound

CONTRACT: Final = 2
"""The number of this contract. It grows by one with the release that changes what an adapter must do or may import. The gateway takes the
number before it for that one release, with a warning (`adapters.registry`)."""


# ------------------------------------------------------------------------------------------------- requests


@dataclass(slots=True)
class RawRequest:
    """A request as it came over the wire."""

    method: str
    """In capitals."""
    url: str
    """The public URL that the provider called, as configured, with path and query."""
    path: str
    """The part below the channel's own address: `""`, or `/message`."""
    query: tuple[tuple[str, str], ...]
    """Names and values, decoded, in order."""
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes
    """The raw bytes."""
    received_at: datetime
    """When it arrived; aware, in UTC."""

    def param(self, name: str) -> str | None:
        """The first query value of that name (decoded)."""
        return next((value for key, value in self.query if key == name), None)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: what we say to a provider, or what a simulated provider says to us."""

    status: int = 200
    """Of HTTP."""
    body: bytes = b""
    """Sent as it is."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Its type among them, where there is a body."""


@dataclass(frozen=True, slots=True)
class FormFile:
    """One file of a multipart form."""

    field: str
    """The form's name for it."""
    name: str
    """The file's name."""
    mime_type: str
    """Its type."""
    content: bytes
    """Its bytes."""


class SecretUrl(str):
    """An address with a credential in its path, as some providers want it: a text like any other, but its `repr` shows the host alone."""

    __slots__ = ()

    def __repr__(self) -> str:
        scheme, _, rest = self.partition("://")
        return f"'{scheme}://{rest.partition('/')[0]}/…'"


@dataclass(frozen=True, slots=True)
class HttpCall:
    """One request that a flow asks for."""

    method: str
    """`GET`, `POST` …"""
    url: str
    """The whole address. One that holds a credential is a `SecretUrl`."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent as they are; printable ASCII alone."""
    body: bytes = field(default=b"", repr=False)
    """Sent as it is."""
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)
    """With `files`: the other fields of the multipart form."""
    files: tuple[FormFile, ...] = ()
    """Makes the request a multipart form; `body` is not sent then."""
    foreign: bool = False
    """A customer or provider named this URL, in a webhook or an answer: the driver refuses private addresses, and follows redirects (to public
    addresses only, without the Authorization header on another host)."""
    leads_to: Callable[[str], bool] | None = field(default=None, repr=False)
    """With `foreign`: whether a redirect to this address is followed. None: to any public one."""
    visible: bool | None = None
    """Once the other side has taken this call, the customer may see its effect. It is the last call of `send`. A call that doesn't say
    (None) is taken for visible while a message is sent, and the conformance kit refuses it; a GET shows nothing and needn't say."""
    timeout_seconds: float = 15.0
    """For the whole answer; connecting has 5 seconds of it."""
    max_reply_bytes: int = 1_048_576
    """A longer reply is refused, as `NoReply`."""
    cache_seconds: float = 0.0
    """Over 0: the driver may give the good (2xx) reply of an equal call that is not older than this, instead of calling. For tokens,
    profiles, personas."""
    refresh: bool = False
    """With `cache_seconds`: call all the same, and renew what is cached."""
    proxy: str | None = field(default=None, repr=False)
    """An HTTP proxy that the config names for this call, with its user and password if it has any. None: the call goes directly."""

    def __post_init__(self) -> None:
        if self.visible is None and self.method in ("GET", "HEAD"):
            object.__setattr__(self, "visible", False)


def json_call(
    method: str, url: str, body: Any, headers: Mapping[str, str] | None = None, *, visible: bool | None = None
) -> HttpCall:
    """A call that carries JSON in UTF-8; halves of surrogate pairs become `?`. `visible` as in `HttpCall`. Raises TypeError for a value that JSON can't hold."""
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return HttpCall(method, url, {"content-type": "application/json", **(headers or {})}, content, visible=visible)


def form_call(url: str, fields: Mapping[str, Any], *files: FormFile, visible: bool | None = None) -> HttpCall:
    """A multipart POST with files; a field that isn't a text is sent as JSON. It has 60 seconds. `visible` as in `HttpCall`."""
    plain = {key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for key, value in fields.items()}
    return HttpCall("POST", url, fields=plain, files=files, visible=visible, timeout_seconds=60)


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What came back. A status 0 never occurs: no answer is raised inside the flow as `NoReply`."""

    status: int
    """Of HTTP."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """By lower-case name."""
    body: bytes = field(default=b"", repr=False)
    """The raw bytes, at most `max_reply_bytes`."""


class NoReply(Exception):
    """Thrown into a flow at its `yield` when no whole answer came. `sent` says whether the request may have arrived.

    A flow needn't catch it: the driver turns an uncaught one into `again` (not sent) or `unknown` (sent and visible).
    """

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.sent = sent


T = TypeVar("T")
Flow: TypeAlias = Generator[HttpCall, HttpReply, T]


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider has taken the message."""

    message_ids: tuple[str, ...] = ()
    """The provider's ids of it, in order; receipts name them."""
    remember: Mapping[str, Any] = field(default_factory=dict)
    """Merged into the conversation's memory, as `InboundEvent.remember` is."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file of the customer's, fetched and in the clear."""

    content: bytes = field(repr=False)
    """Its bytes, decrypted where the provider encrypts."""
    mime_type: str | None = None
    """Its type, where it is known."""
    name: str | None = None
    """Its name, where it has one."""


# ------------------------------------------------------------------------------------------ what a channel can


class FileRule(BaseModel):
    """One family of files that the channel carries as such. A file that no rule carries goes as a link."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    media: Literal["image", "video", "audio", "file"]
    """The family; `file` carries any."""
    mime_types: tuple[str, ...] = ()
    """The types, in small letters; `image/*` for a whole family. Empty: any."""
    max_bytes: int
    """The largest file."""
    captions: bool = True
    """Such a file can carry a text, where the channel has captions at all (`max_caption`)."""


TextUnit: TypeAlias = Literal["code_points", "utf16", "bytes"]


class Capabilities(BaseModel):
    """What a channel can do; the gateway degrades by these, by rule (see `text.py`), and prints them in `byoc channels`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inbound: frozenset[str]
    """What `parse` may give: the kinds of `envelope.py`, and for messages `message.text`, `message.image` … Each needs a fixture."""
    outbound: frozenset[str]
    """What `send` takes: `say.text`, `say.image`, `say.video`, `say.audio`, `say.file`, `say.reply`, `notice`, `typing`."""
    max_text: int
    """The longest text, in `text_unit`s. A longer one becomes several messages before `send` sees it. At least 16."""
    text_unit: TextUnit = "code_points"
    """How the provider counts a text."""
    max_caption: int = 0
    """The longest text beside a file, in `text_unit`s. 0: a file carries none, and the text is a separate message."""
    files: tuple[FileRule, ...] = ()
    """The files that it carries; the first rule that fits counts."""
    speaker: Literal["native", "prefix"] = "prefix"
    """How the customer is told who speaks: by the channel itself (`Say.speaker`), or by `speaker_prefix` before the text."""
    speaker_prefix: str = "{name}: "
    """The prefix; it is in `Say.text` already when `send` sees it."""
    max_speaker_name: int | None = None
    """With `native`: the longest name, in code points. A longer one is cut."""
    retry_key: bool = False
    """A second try with the same `retry_key` is never shown twice. Else a message whose answer was lost is `unknown` (see `Adapter.retry_safe`)."""
    receipts: frozenset[Literal["sent", "delivered", "read", "failed"]] = frozenset()
    """The statuses that receipts may have. Each needs a fixture."""
    window: timedelta | None = None
    """How long after the customer's last message we may write freely. `send` refuses what comes later, by `last_inbound_at`."""
    chat: bool = False
    """A chat channel by rule P2 (web, in-app), else a messaging channel."""
    editions: tuple[Literal["enhanced", "standard"], ...] = ("enhanced",)
    """The editions that a channel can be configured in, by rule P1."""


# ------------------------------------------------------------------------------------- the provider's own side


class CannotAct(Exception):
    """The handset can't do that on this channel, or not now; the text says why."""


class SimFile(BaseModel):
    """A file on the handset."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    mime_type: str
    content: bytes = Field(repr=False)


class Action(BaseModel):
    """What a customer does. `customer` is a plain name such as `kim`: the simulator makes the channel's address from it.

    `say` needs text or file; `react`, `edit`, `unsend` need `target`, the `id` of a line on the handset; `details` hold what else
    the kind takes (`latitude` and `longitude`; a choice's `id`, `title`; `times` to deliver the webhook more than once).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal[
        "say",
        "typing",
        "read",
        "end",
        "block",
        "unblock",
        "react",
        "edit",
        "unsend",
        "location",
        "contact",
        "sticker",
        "choose",
        "offline",
        "online",
    ]
    customer: str = Field(min_length=1, max_length=64)
    text: str | None = None
    file: SimFile | None = None
    target: str | None = None
    on: bool = True
    details: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """A request that the provider makes: a webhook to us, or a `fetch` of a file that we named.

    Calls with the same `lane` go one after another, each until it is settled (the provider keeps one customer's order);
    `delay_seconds` is waited first. `id` is unique within the simulator.
    """

    id: str
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    purpose: Literal["webhook", "fetch"] = "webhook"
    lane: str = ""
    delay_seconds: float = 0.0
    timeout_seconds: float = 15.0
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an input leads to: an answer (for `handle`), the calls that the provider now makes, and for `act` the `line_id` that
    the handset shows it under."""

    answer: Answer = field(default_factory=Answer)
    calls: tuple[ProviderCall, ...] = ()
    line_id: str | None = None


class Shown(BaseModel):
    """One line of a handset, as the provider knows it.

    `speaker` is the name that the channel itself shows beside the bubble (None where it has none). `status` of my own lines: `sending`,
    `sent` (the webhook was taken), `failed`; of theirs: None. `media` is `{"name", "mime_type", "size_bytes", "file_id"}`. `reply_to` is the `id` of the line that this one answers, as the
    provider shows it.
    """

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True)

    id: str
    sender: Literal["me", "them"] = Field(alias="from")
    kind: Literal["message", "notice"] = "message"
    text: str | None = None
    speaker: str | None = None
    at: datetime
    status: str | None = None
    media: dict[str, Any] | None = None
    reply_to: str | None = None


class Simulator(Protocol):
    """The provider's side of one channel."""

    def handle(self, request: RawRequest, now: datetime) -> Outcome:
        """Our call to the provider's API; `request.path` is below the simulator's base. Unknown paths: the provider's 404."""
        ...

    def act(self, action: Action, now: datetime) -> Outcome:
        """A customer does something. Raises CannotAct, and then changes nothing."""
        ...

    def settled(self, call: ProviderCall, answer: Answer | None, now: datetime) -> tuple[ProviderCall, ...]:
        """The call came back (None: no answer in time); the calls that follow, say a redelivery with its `delay_seconds`."""
        ...

    def refresh(self, customer: str, now: datetime) -> tuple[ProviderCall, ...]:
        """Calls to make and settle before the handset is read; most providers need none."""
        ...

    def handset(self, customer: str) -> list[Shown]:
        """What the customer's phone shows, oldest first."""
        ...

    def file(self, file_id: str) -> SimFile | None:
        """A file that a handset shows."""
        ...


# ----------------------------------------------------------------------------------------------- the adapter


class Account(BaseModel):
    """The settings of one channel of one kind; each adapter subclasses it with its own.

    `channel_id` and `webhook_url` (the public URL that the provider calls, no trailing slash) are given by the gateway. Secrets
    are `SecretStr`, those that rotate are tuples: the first is used, all are accepted. `api_base` (no trailing slash) is the
    provider's real address by default, and a simulator's in the demo. Types for fields with a format are in `adapters.forms`.
    The gateway refuses secrets under 16 bytes and those that are not printable ASCII (no header carries them); a field whose secrets may
    be so says it by `Field(json_schema_extra={"least_bytes": 4})` and `{"any_letters": True}`. A faulty setting's error doesn't show what was given, which may
    be a secret.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    channel_id: ChannelId = Field(default=ChannelId(""), exclude=True)
    webhook_url: str = Field(default="", exclude=True)


A = TypeVar("A", bound=Account)


def no_handshake(request: RawRequest, account: Any) -> Answer | None:
    """For channels without one: every request is an event."""
    return None


def later(module: str, name: str) -> Callable[..., Any]:
    """A function of a module that is imported when it is called first: for `simulate` and `demo`, which a gateway in service never needs."""

    def call(*given: Any) -> Any:
        return getattr(import_module(module), name)(*given)

    return call


@dataclass(frozen=True)
class Adapter(Generic[A]):
    """One kind of channel. Its functions do no I/O; `account` is what the operator configured, `now` the time, aware, in UTC."""

    kind: str
    """What a config names it by: small letters, digits and `-`."""
    title: str
    """Its name for people."""
    account: type[A]
    """Its settings."""
    capabilities: Capabilities
    """What it can do."""
    verify: Callable[[RawRequest, A, datetime], None]
    """`verify(request, account, now)`: raises NotAuthentic unless the raw bytes are the provider's; reads nothing from the body before. Any input
    at all ends in return or NotAuthentic, in constant time for the secret's part."""
    parse: Callable[[RawRequest, A], list[Inbound]]
    """`parse(request, account)`: every event of a verified request, in order; unknown ones as `unknown`; one bad event costs only itself (it becomes
    `unknown` with reason `malformed`). Raises NotUnderstood when nothing can be read at all."""
    send: Callable[[Outbound, A, datetime], Flow[Sent]]
    """`send(message, account, now)`: a flow. Raises SendFailed or Unsupported."""
    media: Callable[[MediaPart, A, datetime], Flow[Fetched]]
    """`media(part, account, now)`: a flow that fetches a pending part's file. Raises SendFailed (`again`: not ready yet; `dead`: gone)."""
    simulate: Callable[[A], Simulator]
    """`simulate(account)`: the provider's own side, strict."""
    demo: Callable[[str, str, str], dict[str, Any]]
    """`demo(channel_id, base, hook)`: account settings for the demo, with the simulator at `base` and our webhook at `hook`."""
    handshake: Callable[[RawRequest, A], Answer | None] = no_handshake
    """`handshake(request, account)`: the provider's setup calls (a GET with a challenge), answered at once and not stored; None: an ordinary event.
    Called for every request, before `verify`, and does its own check. Raises NotAuthentic."""
    accepted: Answer = Answer(200)
    """The answer that the provider expects once the request is stored."""
    methods: tuple[str, ...] = ("POST",)
    """The methods that webhooks come by."""
    profile: Callable[[EndUser, A, datetime], Flow[EndUser]] | None = None
    """`profile(end_user, account, now)`: a flow that looks up what the provider says of the person (name, picture); the same end user where it
    says nothing. Its calls ask for a cached reply. None: the channel has no such call."""
    retry_safe: Callable[[Outbound, A, datetime, datetime], bool] | None = None
    """`retry_safe(message, account, tried_at, now)`: asked when a send that began at `tried_at` was lost (a crash): whether running the flow
    again from its start can't show the message twice. None: always as `capabilities.retry_key` says."""
    contract: int = 1
    """The `CONTRACT` that the adapter was written for. A plug-in writes the number itself, not the name: it must not change when another gateway
    is installed. An adapter that doesn't say is from the release before the number existed: 1."""
    exemptions: Mapping[str, str] = field(default_factory=dict)
    """Numbers of the grades' rules (docs/grades.md) that the provider makes impossible to keep, each with the reason."""
