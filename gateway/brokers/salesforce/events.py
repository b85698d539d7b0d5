"""What an org tells the gateway: platform events, read into values. Whatever isn't understood is a value too, and none of it is ever shown to a customer
but `RepSaid`.

Sources: Salesforce's published schema of the outbound event (github.com/salesforce-misc/interaction-service-apis), and its guides.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, Field, JsonValue, TypeAdapter

from adapters.envelope import Value
from gateway.brokers.contract import ReportedEvent


class Person(Value):
    """A participant as Salesforce names it. `role`: EndUser, Agent, Supervisor, Chatbot, System, Router …; `subject`: a user's id (005…) or the customer's
    address."""

    app_type: str = ""
    subject: str
    role: str
    name: str = ""


class OrgEvent(ReportedEvent):
    """What all have in common.

    `channel_id` is the org's lane (`salesforce:NAME`); `event_id` the platform event's id, by which doubles are found; `address` the
    ChannelAddressIdentifier and `customer` the subject of the recipient: together they name our channel and its customer. `entry_id` is the conversation entry's
    identifier, the same when one entry comes in two events. `at`: when it entered the transcript there.
    """

    received_at: AwareDatetime
    address: str
    customer: str = ""
    conversation: str = ""
    entry_id: str = ""
    at: AwareDatetime | None = None
    sender: Person | None = None

    @property
    def conversation_key(self) -> str:
        """See `ReportedEvent`."""
        return self.conversation or self.customer or self.event_id


class File(Value):
    """A file that a rep sends: a public address at the org's file host."""

    name: str
    mime_type: str | None = None
    url: str = Field(repr=False)


class Choice(Value):
    """One option of a question."""

    id: str
    title: str
    subtitle: str | None = None


class Said(Value):
    """What an `abstractMessage` comes to. `text` is plain or Markdown as the rep wrote it; `choices` belong to it. `form`: a form's questions, in order."""

    text: str = ""
    files: tuple[File, ...] = ()
    choices: tuple[Choice, ...] = ()
    form: tuple[str, ...] = ()
    reply_to: str | None = None


class RepSaid(OrgEvent):
    """The one event whose words go to the customer: `entryType: Message`, from an agent, supervisor or the system, addressed to this end user."""

    kind: Literal["rep_said"] = "rep_said"
    said: Said
    reason: Literal["AutomatedResponse", "Consent"] | None = None


class PersonChange(Value):
    """One line of ParticipantChanged."""

    operation: Literal["add", "remove", "update"]
    person: Person


class PeopleChanged(OrgEvent):
    """ParticipantChanged. All changes of one event happened in one step: an addition with a removal is a transfer."""

    kind: Literal["people_changed"] = "people_changed"
    changes: tuple[PersonChange, ...]


class RepTypes(OrgEvent):
    """TypingStartedIndicator, TypingStoppedIndicator."""

    kind: Literal["rep_types"] = "rep_types"
    on: bool


class StatusChanged(OrgEvent):
    """SessionStatusChanged. `status`: Active, Ended, Waiting, New, Consent, Inactive, Error, Paused."""

    kind: Literal["status_changed"] = "status_changed"
    session_id: str = ""
    status: str
    before: str | None = None
    ended_by: str | None = None


class FileSettled(OrgEvent):
    """MessageUpdated: what became of a customer's file that was being uploaded. `error` is Salesforce's errorType, None when it worked."""

    kind: Literal["file_settled"] = "file_settled"
    message_id: str
    error: str | None = None


class CustomersReceipt(OrgEvent):
    """DeliveryAcknowledgement, ReadAcknowledgement of the customer's own message."""

    kind: Literal["customers_receipt"] = "customers_receipt"
    message_id: str
    status: Literal["delivered", "read"]


class NotDelivered(OrgEvent):
    """MessageDeliveryFailed."""

    kind: Literal["not_delivered"] = "not_delivered"
    message_id: str = ""
    code: str = ""


class QueuePosition(OrgEvent):
    """QueuePosition."""

    kind: Literal["queue_position"] = "queue_position"
    position: int
    work_item: str = ""


class RoutingAsked(OrgEvent):
    """RoutingRequested: with partner-owned routing, what we are to decide within 60 seconds. `correlation` goes into /agentWork."""

    kind: Literal["routing_asked"] = "routing_asked"
    routing: Literal["Initial", "Transfer", "Conference"]
    user: str | None = None
    queue: str | None = None
    flow: str | None = None
    bot: str | None = None
    external: str | None = None
    correlation: str = ""
    parameters: dict[str, JsonValue] = Field(default_factory=dict, repr=False)


class Routed(OrgEvent):
    """RoutingResult. `failure`: None, Unknown, SubmissionError, RoutingError, Cancelled."""

    kind: Literal["routed"] = "routed"
    routing: str = ""
    failure: str | None = None
    cancel_reason: str | None = None
    errors: tuple[str, ...] = ()


class WorkChanged(OrgEvent):
    """RoutingWorkResult. `change`: Assigned, Accepted, Cancelled, Closed, Declined, TransferError, Transferred."""

    kind: Literal["work_changed"] = "work_changed"
    change: str
    work_id: str
    target: str = ""
    queue: str | None = None
    errors: tuple[str, ...] = ()


class ConsentChanged(OrgEvent):
    """EndUserConsentUpdated."""

    kind: Literal["consent_changed"] = "consent_changed"
    opted_in: bool


class Internal(OrgEvent):
    """Note, FlagRaise, FlagLower, ConsultConversationInfo and every type that isn't known: counted, and shown to nobody. What it says isn't read."""

    kind: Literal["internal"] = "internal"
    entry_type: str


AnyOrgEvent = Annotated[
    RepSaid
    | PeopleChanged
    | RepTypes
    | StatusChanged
    | FileSettled
    | CustomersReceipt
    | NotDelivered
    | QueuePosition
    | RoutingAsked
    | Routed
    | WorkChanged
    | ConsentChanged
    | Internal,
    Field(discriminator="kind"),
]
ANY_ORG_EVENT: Final[TypeAdapter[AnyOrgEvent]] = TypeAdapter(AnyOrgEvent)
