"""What the parts of the simulated org ask of each other.

`rest` checks a request completely and then asks the `Org` for its effect; `pubsub` and `rest` ask `Tokens` whose token it is. Record ids have 15 characters
with Salesforce's prefixes: `0Mw` a MessagingSession (the work item), `0Bz` an AgentWork, `005` a user, `00G` a queue, `300` a flow. Conversations have UUIDs.
Names and codes are those of Salesforce's published API description (github.com/salesforce-misc/interaction-service-apis).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, Protocol, TypeAlias

RoutingType: TypeAlias = Literal["Initial", "Transfer", "Conference"]
CancelReason: TypeAlias = Literal["Unknown", "Unavailable", "Decline", "Cancel"]
ConsentStatus: TypeAlias = Literal["OptedOut", "ImplicitlyOptedIn", "ExplicitlyOptedIn", "DoublyOptedIn"]
WorkStatus: TypeAlias = Literal["Accept", "Close", "Decline", "Cancel"]

INTERACTION_SCOPE: Final = "interaction_api"


class OrgRefusal(Exception):
    """The org says no. `code`: one of Salesforce's error codes (10001 …); `message`: None takes the code's usual text."""

    def __init__(self, code: int, message: str | None = None) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


# ------------------------------------------------------------------------------------------------------------- tokens


@dataclass(frozen=True, slots=True)
class TokenSession:
    """Whose an access token is."""

    token: str = field(repr=False)
    org_id: str
    user_id: str
    username: str
    consumer_key: str
    scopes: frozenset[str]
    expires_at: datetime


class Tokens(Protocol):
    """The org's access tokens. One token opens both the Interaction Service and the Pub/Sub API."""

    def issue(self, username: str, consumer_key: str, scopes: frozenset[str]) -> TokenSession:
        """A new token; those issued before stay valid until they expire."""
        ...

    def check(self, token: str) -> TokenSession | None:
        """None: unknown, or expired. Whoever asks has removed `Bearer `."""
        ...

    def expire_all(self) -> None:
        """Every token issued so far is refused from now on."""
        ...


# ------------------------------------------------------------------------------------------------------------ channels


@dataclass(frozen=True, slots=True)
class OrgChannel:
    """A MessagingChannel with its ConversationChannelDefinition.

    `address`: ChannelAddressIdentifier. `definition`: developer name of the ConversationChannelDefinition, which requests name as AuthorizationContext;
    None: the record is missing (10026). `message_type`: only Custom is served (10035). `contact_center`: a ContactCenterChannel links it (15104).
    `variables`: most characters of each routing attribute (10096). `max_participants`: MaxParticipantsForCnfrOverride, the end user not counted.
    """

    address: str
    definition: str | None
    product: Literal["messaging", "ccaas"] = "messaging"
    routing: Literal["salesforce", "partner"] = "salesforce"
    consent: Literal["salesforce", "partner"] = "salesforce"
    active: bool = True
    message_type: str = "Custom"
    contact_center: bool = True
    supports_keywords: bool = False
    explicit_consent: bool = False
    typing_disabled: bool = False
    receipts: bool = True
    routing_work_result: bool = True
    progress_indicator: bool = False
    conference_supported: bool = True
    max_participants: int | None = None
    variables: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Conversation:
    """What the pair (channel address, customer) comes to. `session_id`: the open messaging session, or else the last one; None: there was none yet."""

    id: str
    address: str
    customer: str
    session_id: str | None


# ------------------------------------------------------------------------------------------------- what customers do


@dataclass(frozen=True, slots=True)
class Text:
    """StaticContentMessage, Text."""

    text: str


@dataclass(frozen=True, slots=True)
class Link:
    """StaticContentMessage, Links: exactly one."""

    url: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """ChoicesResponseMessage: (option's id, title or "") each."""

    options: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Filled:
    """FormResponseMessage: (input's id, its value as text) each."""

    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Upload:
    """AttachmentInteraction with its file. The upload goes on after the answer: MessageUpdated reports how it ended."""

    name: str
    mime_type: str
    content: bytes = field(repr=False)
    text: str = ""


Content: TypeAlias = Text | Link | Chosen | Filled | Upload


@dataclass(frozen=True, slots=True)
class CustomerSays:
    """A message of the customer. `entry_id`: made by the client. `at`: the interaction's timestamp. `anew`: it counts as another one although its id was
    seen before."""

    entry_id: str
    at: datetime
    content: Content
    reply_to: str | None = None
    anew: bool = False


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """One receipt for an entry of a rep. `created_id`: the id of the receipt's own entry."""

    entry_id: str
    status: Literal["Delivered", "Read"]
    at: datetime
    created_id: str


# ------------------------------------------------------------------------------------------------------------- history


@dataclass(frozen=True, slots=True)
class HistoryParticipant:
    """Who took part before. `role`: EndUser (exactly one, who hasn't left) or Chatbot (who has)."""

    subject: str
    role: Literal["EndUser", "Chatbot"]
    name: str
    joined_at: datetime
    left_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """What was said before. `content` as customers say it; for a bot only `text` is set, whatever its format."""

    entry_id: str
    sender: str
    at: datetime
    text: str
    content: Content | None = None


@dataclass(frozen=True, slots=True)
class History:
    """POST /conversationHistory. `session_id`: attach to this session; else `started_at` establishes one (or, with None, the org chooses)."""

    participants: tuple[HistoryParticipant, ...]
    entries: tuple[HistoryEntry, ...]
    session_id: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


# ----------------------------------------------------------------------------------------------------- partner routing


@dataclass(frozen=True, slots=True)
class Target:
    """Where POST /route leads: nothing set: what the channel is configured with; `flow` always with its fallback `queue`; or `queue` alone."""

    flow: str | None = None
    queue: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RouteMade:
    """Answer to POST /route. `reason`: why it could not be routed; the rest then says nothing."""

    correlation_id: str
    psr_id: str
    work_item: str
    context: Mapping[str, str] = field(default_factory=dict)
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class RoutingContext:
    """The `routingContext` of POST /agentWork."""

    conversation: str
    routing: RoutingType
    correlation_id: str


@dataclass(frozen=True, slots=True)
class WorkAsked:
    """POST /agentWork. `context` and one capacity are required unless a PendingServiceRouting exists. `actions`: (Transfer or Conference, shown?)."""

    user: str
    work_item: str
    weight: float | None = None
    percentage: float | None = None
    context: RoutingContext | None = None
    actions: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True, slots=True)
class WorkMade:
    """Answer to POST /agentWork. `psr_id`: of the PendingServiceRouting that it came from, None without one."""

    work_id: str
    psr_id: str | None
    context: RoutingContext
    weight: float | None = None
    percentage: float | None = None


@dataclass(frozen=True, slots=True)
class RoutingDone:
    """POST /routingResult."""

    conversation: str
    work_item: str
    success: bool
    external: bool
    routing: RoutingType | None = None
    error: str | None = None


# ----------------------------------------------------------------------------------------------------------------- org


class Org(Protocol):
    """The simulated org, asked only what `rest` has found valid in form. Every method may raise OrgRefusal. What it publishes goes into the event log.

    A method's effect is there when it returns: an answer that is lost afterwards, by a fault, must not lose it.
    """

    @property
    def id(self) -> str:
        """The org's id, 18 characters."""
        ...

    @property
    def definitions(self) -> frozenset[str]:
        """Developer names of all ConversationChannelDefinitions of the signed-in app."""
        ...

    def channel(self, address: str) -> OrgChannel | None:
        """The channel with this ChannelAddressIdentifier; None: no such channel (10017)."""
        ...

    async def converse(self, address: str, customer: str, attributes: Mapping[str, str]) -> Conversation:
        """Get or create conversation, messaging session and end user. A session that has ended is followed by a new one, with another id; the
        conversation stays. A new session is routed when the customer first says something."""
        ...

    async def conversation(self, id: str) -> Conversation | None:
        """An existing conversation; nothing is created."""
        ...

    async def said(self, conversation: Conversation, says: CustomerSays) -> None:
        """The customer said something. The same entry id again is another entry."""
        ...

    async def typing(self, conversation: Conversation, on: bool) -> None:
        """The customer started or stopped typing. Nothing happens where typing is disabled."""
        ...

    async def not_delivered(self, conversation: Conversation, entry_id: str, code: str, message: str | None) -> None:
        """An outbound entry could not be delivered to the customer: recorded, and shown to the reps."""
        ...

    async def acknowledged(self, conversation: Conversation, receipts: Sequence[Acknowledged]) -> None:
        """The customer's side has got or read entries. An unknown entry is passed over."""
        ...

    async def history(self, address: str, history: History) -> Conversation:
        """Import what was said before: entries older than those of the session. Raises 10071 for an unknown session, 10073 for an entry id that exists."""
        ...

    async def end(
        self, conversation: Conversation, operation: Literal["End", "Inactivate"], by: str, session_id: str | None
    ) -> str | None:
        """End or inactivate the session. None: done; else the `errorReason`: SESSION_NOT_FOUND, ACTIVE_CONVERSATION_NOT_FOUND …"""
        ...

    async def consent(self, address: str, customer: str, status: ConsentStatus) -> None:
        """Set the end user's consent."""
        ...

    async def capabilities(self, definition: str, capabilities: Mapping[str, object]) -> None:
        """Keep what the channel can show: the `capabilities` object as it came."""
        ...

    async def route(self, conversation: Conversation, routing: RoutingType, target: Target) -> RouteMade:
        """Make a PendingServiceRouting. Raises 10032 for an unknown queue, 10075 for a conference that the channel doesn't support."""
        ...

    async def unroute(self, conversation: Conversation, reason: CancelReason) -> None:
        """Remove the PendingServiceRouting."""
        ...

    async def agent_work(self, asked: WorkAsked) -> WorkMade:
        """Give work to a rep. Raises 15106, 15107, 15109, 15111, 15112 …"""
        ...

    async def close_agent_work(self, work_id: str, status: WorkStatus) -> None:
        """Close or cancel a rep's work. Raises 10082 for an unknown id, 10089 when it is not in a state for it."""
        ...

    async def routing_result(self, done: RoutingDone) -> None:
        """The partner has routed, or failed to. Raises 15107, 15111."""
        ...

    async def remove(self, conversation: Conversation, user: str) -> None:
        """A rep leaves the conversation; the session stays open for the others. Raises 10036 when they aren't in it."""
        ...
