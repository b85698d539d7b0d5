"""What the connector page inside Salesforce asks, with partner-owned routing: whom its rep can name, and what became of the rep's work.

Answers have the shapes of Salesforce's connector toolkit (`@salesforce/scv-connector-base`), so that the page gives them on as they are.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from gateway.brokers.contract import Connector, Contact
from gateway.edge.api.call import Ask, Call, call
from gateway.edge.api.shapes import Shape
from gateway.edge.input import Id, Input, Nothing, Search
from gateway.edge.problems import Problem
from gateway.session.decision import Refusal
from gateway.session.model import RecipientType

_TYPES: Final[dict[str, RecipientType]] = {
    "AGENT": RecipientType.agent,
    "QUEUE": RecipientType.queue,
    "FLOW": RecipientType.flow,
}
_NAMES: Final[dict[RecipientType, Literal["Agent", "Queue", "Flow"]]] = {
    RecipientType.agent: "Agent",
    RecipientType.queue: "Queue",
    RecipientType.flow: "Flow",
}
_CHANGES: Final = {
    "ASSIGNED": "Assigned",
    "ACCEPTED": "Accepted",
    "DECLINED": "Declined",
    "CLOSED": "Closed",
    "COMPLETED": "Closed",
}


class ContactsBody(Input):
    """The toolkit's ContactsFilter, and the session that it is for. `types`: none means all; contacts and directories are never listed."""

    work_item_id: Id
    contains: Search = ""
    types: tuple[Literal["AGENT", "QUEUE", "FLOW", "CONTACT", "DIRECTORY", "AVAILABLE"], ...] = ()
    offset: Annotated[int, Field(ge=0, le=100_000)] = 0
    limit: Annotated[int, Field(ge=1, le=50)] = 50


class WorkBody(Input):
    """The toolkit's AgentWork."""

    work_item_id: Id
    work_id: Id
    work_event: Literal["ASSIGNED", "ACCEPTED", "DECLINED", "COMPLETED", "CLOSED", "PAUSED", "UNPAUSED"]


class ContactShape(Shape):
    """The toolkit's Contact. `listType`: which of the two lists it belongs to. `queueWaitTime`: seconds, as text."""

    model_config = ConfigDict(alias_generator=to_camel)

    id: str
    type: Literal["Agent", "Queue", "Flow"]
    name: str
    list_type: Literal["Transfer", "Conference", "All"]
    availability: Literal["AVAILABLE", "BUSY", "OFFLINE"] | None
    record_id: str
    description: str
    queue_wait_time: str | None


class ContactsShape(Shape):
    """The toolkit's ContactsResult. `contactTypes` names the three that are ever listed: an empty list would show all that the toolkit knows."""

    model_config = ConfigDict(alias_generator=to_camel)

    contacts: tuple[ContactShape, ...]
    contact_types: tuple[Literal["Agent", "Queue", "Flow"], ...]


def contact_of(contact: Contact) -> ContactShape:
    """As the toolkit has it."""
    both = contact.transfer and contact.conference
    waits = contact.waits_seconds
    return ContactShape(
        id=contact.record,
        type=_NAMES[contact.type],
        name=contact.name,
        list_type="All" if both else "Transfer" if contact.transfer else "Conference",
        availability=("BUSY" if contact.busy else "AVAILABLE") if contact.type is RecipientType.agent else None,
        record_id=contact.record,
        description=contact.remark,
        queue_wait_time=str(waits) if waits is not None else None,
    )


@call(
    "POST", "/salesforce/contacts", "List whom a rep can name in Salesforce", tag="salesforce", body=ContactsBody, answer=ContactsShape,
    codes=("not_found", "session_not_found", "permission_denied", "not_a_participant", "session_not_active", "conferencing_not_supported"),
)  # fmt: skip
async def list_contacts(ask: Ask[ContactsBody, Nothing]) -> ContactsShape | Refusal:
    """For Start Conference and Transfer in the Salesforce console: reps online for messaging with the rights that the channel needs, queues, and flows, as
    far as they have a Salesforce id in the settings. Contacts outside the org are in no list."""
    connector = _connector(ask)
    asked = ask.body
    wanted = [kind for name, kind in _TYPES.items() if name in asked.types]
    others = [name for name in asked.types if name not in _TYPES and name != "AVAILABLE"]
    types = wanted if wanted or others else list(_TYPES.values())
    found = await connector.contacts(
        ask.caller,
        asked.work_item_id,
        types=types,
        q=asked.contains,
        free="AVAILABLE" in asked.types,
        offset=asked.offset,
        limit=asked.limit,
    )
    if isinstance(found, Refusal):
        return found
    return ContactsShape(contacts=tuple(map(contact_of, found)), contact_types=tuple(_NAMES.values()))


@call(
    "POST", "/salesforce/work", "Report what became of a rep's work in Salesforce", tag="salesforce", body=WorkBody,
    codes=("not_found", "session_not_found", "permission_denied"),
)  # fmt: skip
async def report_work(ask: Ask[WorkBody, Nothing]) -> Refusal | None:
    """What the toolkit's `onAgentWorkEvent` reports. The org's own events say it too, but only where the channel definition has them on."""
    connector = _connector(ask)
    change = _CHANGES.get(ask.body.work_event)
    if change is None:
        return None
    return await connector.work_changed(ask.caller, ask.body.work_item_id, ask.body.work_id, change)


def _connector(ask: Ask[Any, Any]) -> Connector:
    """Raises Problem (404) where there is none."""
    if ask.connector is None:
        raise Problem("not_found", "No channel of this gateway has Salesforce with partner-owned routing.")
    return ask.connector


CALLS: Final[tuple[Call, ...]] = (list_contacts, report_work)
