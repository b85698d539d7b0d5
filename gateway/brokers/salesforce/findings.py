"""What an org's records say about a config: each is a finding, in a sentence, with what to change. Nothing here asks anybody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from gateway.brokers.salesforce.inspecting import Record
from gateway.brokers.salesforce.setting_up.plan import VENDOR_TYPES, same
from gateway.config.salesforce import SalesforceChannel, SalesforceOrg

State: TypeAlias = Literal["ok", "FAULT", "note", "not checked"]
_OWNERS: Final = {"salesforce": "Salesforce", "partner": "Partner"}


@dataclass(frozen=True, slots=True)
class Finding:
    """`sentence` says what is so and, unless `state` is ok, what to do. note: it works, and may not be meant."""

    state: State
    sentence: str


def ok(sentence: str) -> Finding:
    """As it must be."""
    return Finding("ok", sentence)


def fault(sentence: str, fix: str) -> Finding:
    """The gateway can't work like this."""
    return Finding("FAULT", f"{sentence}. {fix}")


def note(sentence: str, fix: str) -> Finding:
    """It works, and something is missing that the config asks for."""
    return Finding("note", f"{sentence}. {fix}")


def unseen(what: str, why: object) -> Finding:
    """The token may not look there."""
    return Finding("not checked", f"{what}: {why}")


# ------------------------------------------------------------------------------------------------------------------ org


def of_user(org: SalesforceOrg, info: Mapping[str, Any]) -> Iterator[Finding]:
    """`info`: the answer of `/services/oauth2/userinfo`."""
    found = str(info.get("organization_id") or "")
    if not found:
        yield unseen("whose token it is", "the answer names no org")
    elif found[:15] != org.org_id[:15]:
        yield fault(f"the token is for the org {found}, not {org.org_id}", "Correct `org_id`, or `login_url` and `username`.")
    else:
        yield ok(f"signs in to the org {org.org_id} as {info.get('preferred_username') or org.username}")


def of_event(org: SalesforceOrg, fields: Mapping[str, str] | None) -> Iterator[Finding]:
    """`fields`: name and type of each, as the org describes the event; None: it doesn't."""
    if fields is None:
        fix = "Create the event (`byoc salesforce setup`), correct `event`, or give the gateway's user Read on it."
        yield fault(f"there is no platform event {org.event}, or this user may not see it", fix)
        return
    for setting, name, types in (
        ("event_type_field", org.event_type_field, ("string", "textarea")),
        ("event_payload_field", org.event_payload_field, ("textarea", "string")),
    ):
        if name not in fields:
            yield fault(f"the event {org.event} has no field {name}", f"Add it as a text field, or correct `{setting}`.")
        elif fields[name] not in types:
            yield fault(f"the field {org.event}.{name} is of the type {fields[name]}", "Both fields must be texts.")
        elif setting == "event_payload_field" and fields[name] == "string":
            fix = "Make it a long text area: a payload of more than 255 characters doesn't fit."
            yield fault(f"the field {org.event}.{name} is a short text", fix)
        else:
            yield ok(f"the event {org.event} has the field {name}")


def of_publisher(org: SalesforceOrg, permission_set: str, allowed: Record | None) -> Finding:
    """`allowed`: the ObjectPermissions of the messaging runtime's permission set on the event; None: there are none."""
    lacking = [name for name in ("Read", "Create") if allowed is None or allowed.get(f"Permissions{name}") is not True]
    if lacking:
        fix = "Allow Read and Create there (Setup, Permission Sets, Object Settings). Without them, the org publishes nothing and reports no error."
        return fault(f"the permission set {permission_set} lacks {' and '.join(lacking)} on {org.event}", fix)
    return ok(f"the permission set {permission_set} may publish {org.event}")


def of_schema(org: SalesforceOrg, names: frozenset[str]) -> Iterator[Finding]:
    """`names`: the fields of the event's schema, as the Pub/Sub API gives it."""
    for name in (org.event_type_field, org.event_payload_field):
        if name in names:
            yield ok(f"the stream's events have the field {name}")
        else:
            fix = "Give the gateway's user read access to the field, or correct the config."
            yield fault(f"the stream's events have no field {name}", fix)


# -------------------------------------------------------------------------------------------------------------- channels


def of_definition(org: SalesforceOrg, there: SalesforceChannel, record: Record | None) -> Iterator[Finding]:
    """The ConversationChannelDefinition's event and owners."""
    if record is None:
        fix = "Create it (`byoc salesforce setup`), or correct `definition`: it is the developer name."
        yield fault(f"there is no ConversationChannelDefinition {there.definition}", fix)
        return
    yield ok(f"the ConversationChannelDefinition {there.definition} exists")
    for column, wanted, setting in (
        ("CustomPlatformEvent", org.event, "event"),
        ("CustomEventTypeField", org.event_type_field, "event_type_field"),
        ("CustomEventPayloadField", org.event_payload_field, "event_payload_field"),
    ):
        yield _equal(there.definition, column, wanted, record.get(column), f"Correct it there, or `{setting}` in the config.")
    for column, owner, setting in (("RoutingOwner", there.routing, "routing"), ("ConsentOwner", there.consent, "consent")):
        fix = f"Both must say the same: change it there, or `{setting}` in the config."
        yield _equal(there.definition, column, _OWNERS[owner], record.get(column), fix)


def _equal(definition: str, column: str, wanted: str, found: Any, fix: str) -> Finding:
    if same(wanted, found):
        return ok(f"{definition}.{column} is {found}")
    return fault(f"{definition}.{column} is {found or 'empty'}, and the config says {wanted}", fix)


def of_conferences(there: SalesforceChannel, record: Record) -> Finding:
    """Whether reps may add each other."""
    if record.get("IsConferenceSupported") is not True:
        return fault(f"{there.definition}.IsConferenceSupported is false", "Set it to true: reps can't add each other otherwise.")
    most = record.get("MaxParticipantsForCnfrOverride")
    return ok(
        f"{there.definition} supports conferences, with {'the usual number of' if most is None else f'at most {most}'} participants"
    )


def of_switches(there: SalesforceChannel, record: Record) -> Iterator[Finding]:
    """What the definition offers."""
    if there.routing == "partner":
        if record.get("EventCapabilitiesIsRoutingWorkResultSupported") is True:
            yield ok(f"{there.definition} reports who accepts work (RoutingWorkResult)")
        else:
            fix = "Set it to true: otherwise the gateway learns from the connector page alone whether a rep accepted."
            yield note(f"{there.definition}.EventCapabilitiesIsRoutingWorkResultSupported is false", fix)
    if there.typing and record.get("EventCapabilitiesIsTypingIndicatorOptionHidden") is True:
        yield note(f"{there.definition} hides the switch for typing", "Show it there, or set `typing: false`.")
    if there.receipts and record.get("EventCapabilitiesIsInboundAcknwOptionExposed") is not True:
        yield note(
            f"{there.definition} doesn't offer receipts of customers' messages",
            "Set EventCapabilitiesIsInboundAcknwOptionExposed to true if customers should see that reps have read their messages.",
        )


def of_vendor(there: SalesforceChannel, name: str, record: Record | None) -> Finding:
    """The ConversationVendorInfo of the definition."""
    wanted = VENDOR_TYPES[there.product]
    if not name and there.product == "messaging":
        return ok(f"the ConversationChannelDefinition {there.definition} names no vendor, as with an app of one's own")
    if not name:
        return fault(
            f"the ConversationChannelDefinition {there.definition} names no vendor",
            f"BYOC for CCaaS needs one of the type {wanted}.",
        )
    if record is None:
        return fault(f"there is no ConversationVendorInfo {name}", "Create it (`byoc salesforce setup`).")
    if record.get("VendorType") != wanted:
        fix = f"`product: {there.product}` needs {wanted}: change `product`, or use a definition of another vendor."
        return fault(f"the ConversationVendorInfo {name} is of the type {record.get('VendorType')}", fix)
    return ok(f"the ConversationVendorInfo {name} is of the type {wanted}")


def of_connector(name: str, wanted: str, record: Record) -> Finding:
    """With partner-owned routing: whether the console's lists ask this gateway's page."""
    found = record.get("ConnectorUrl")
    if found == wanted:
        return ok(f"the vendor {name} has the connector page {wanted}")
    fix = f"Set its ConnectorUrl to {wanted}; until then, reps can't choose in Start Conference and Transfer."
    return note(f"the vendor {name} has the connector page {found or 'of nobody'}", fix)


def of_messaging_channel(there: SalesforceChannel, record: Record | None) -> Finding:
    """The MessagingChannel with the channel's address."""
    if record is None:
        fix = "Copy the Channel Address Identifier from Setup, Messaging Settings; a sandbox has others than production."
        return fault(f"there is no messaging channel with the address {there.address}", fix)
    name = record.get("DeveloperName")
    if record.get("MessageType") != "Custom":
        return fault(
            f"the messaging channel {name} is of the type {record.get('MessageType')}, not Custom",
            "Use a custom channel's address.",
        )
    if record.get("IsActive") is not True:
        return fault(f"the messaging channel {name} is not active", "Activate it in Setup, Messaging Settings.")
    return ok(f"the messaging channel {name} is active")


def of_channel_definition(there: SalesforceChannel, record: Record) -> Finding:
    """Whether the messaging channel was made with the configured definition."""
    found = record.get("ChannelDefinition")
    name = found.get("DeveloperName") if isinstance(found, Mapping) else None
    if not isinstance(name, str) or not name:
        return unseen("with which definition the messaging channel was made", "the record doesn't say")
    if not same(there.definition, name):
        fix = "Correct `definition` or `address`: Salesforce refuses calls in which they don't fit."
        return fault(f"the messaging channel was made with the definition {name}, not {there.definition}", fix)
    return ok(f"the messaging channel was made with the definition {name}")


def of_contact_center(record: Record | None) -> Finding:
    """With BYOC for CCaaS: whether the messaging channel belongs to a contact center."""
    if record is None:
        return fault("the messaging channel belongs to no contact center", "Add it to one in Setup, Contact Centers.")
    return ok("the messaging channel belongs to a contact center")


def of_custom_channel(there: SalesforceChannel, record: Record | None) -> Iterator[Finding]:
    """An admin's switches of the one channel."""
    if record is None:
        fix = "Create it with the ids of the messaging channel and its definition (`byoc salesforce setup --apply`)."
        yield fault("the messaging channel has no CustomMsgChannel record, which Setup doesn't always make", fix)
        return
    yield ok("the messaging channel has its CustomMsgChannel record")
    if there.typing and record.get("EventCapabilitiesIsTypingIndicatorDisabled") is True:
        yield note("typing is switched off in the messaging channel", "Switch it on there, or set `typing: false`.")
    if there.receipts and record.get("EventCapabilitiesIsInboundAcknowledgementEnabled") is not True:
        yield note(
            "receipts of customers' messages are switched off in the messaging channel",
            "Switch them on there if customers should see that reps have read their messages.",
        )
