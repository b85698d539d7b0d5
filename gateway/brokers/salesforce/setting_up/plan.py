"""The records that an org must have for the channels of a config."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.brokers.salesforce import queries
from gateway.config.model import GatewayConfig
from gateway.config.salesforce import SalesforceChannel, SalesforceOrg
from gateway.errors import GatewayError

VENDOR_TYPES: Final = {"messaging": "BringYourOwnChannelPartner", "ccaas": "BringYourOwnContactCenter"}
_VENDORS: Final = {
    "messaging": ("Messaging", "Bring your own channel"),
    "ccaas": ("Contact_Center", "Bring your own contact center"),
}
_OWNERS: Final = {"salesforce": "Salesforce", "partner": "Partner"}
_SINCE: Final = {  # versions of the API; older ones refuse the field
    "isConferenceSupported": 64,
    "isInboundAcknwOptionExposed": 65,
    "isRoutingWorkResultSupported": 65,
    "isTypingIndicatorOptionHidden": 65,
    "maxParticipantsForCnfrOverride": 64,
}
_NAMESPACED: Final = re.compile(r"([A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)*)__([A-Za-z][A-Za-z0-9_]*?)__([ce])")


class NoPlan(GatewayError):
    """The config doesn't say enough, or contradicts itself."""


@dataclass(frozen=True, slots=True)
class Event:
    """The platform event with its two text fields. `namespace`: of the package that it comes in; None: it is the org's own."""

    name: str
    type_field: str
    payload_field: str
    namespace: str | None


@dataclass(frozen=True, slots=True)
class Vendor:
    """A ConversationVendorInfo. `connector`: the page that the console asks for its lists, where the gateway routes."""

    name: str
    label: str
    vendor_type: str
    connector: str | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    """A ConversationChannelDefinition. `fields`: as the Metadata API spells them, in its order of the alphabet."""

    name: str
    fields: Mapping[str, str | int | bool]


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is to be in the org. `app` and `permission_set` are developer names; `username`: whom the gateway signs in as."""

    event: Event
    vendors: tuple[Vendor, ...]
    definitions: tuple[Definition, ...]
    app: str
    permission_set: str
    username: str
    api_version: str
    channels: tuple[tuple[str, SalesforceChannel], ...]


def plan_of(config: GatewayConfig, org_name: str, channel: str | None = None) -> Plan:
    """What this org needs: for all its channels, or for one. Raises NoPlan."""
    org = config.salesforce.get(org_name)
    if org is None:
        known = ", ".join(config.salesforce) or "none"
        raise NoPlan(f"the config has no Salesforce org {org_name!r} (it has: {known})")
    controlled = {
        key: (one.salesforce, one.max_conference_participants)
        for key, one in config.channels.items()
        if one.salesforce is not None and one.salesforce.org == org_name
    }
    if channel is not None and channel not in controlled:
        raise NoPlan(
            f"no channel {channel!r} has `salesforce.org: {org_name}` (it is the org of: {', '.join(controlled) or 'none'})"
        )
    wanted = {key: there for key, there in controlled.items() if channel in (None, key)}
    if not wanted:
        raise NoPlan(f"no channel has `salesforce.org: {org_name}`: give one its `salesforce` settings first")
    prefix = _prefix(there.definition for there, _ in wanted.values())
    event = _event(org)
    return Plan(
        event=event,
        vendors=tuple(_vendors(prefix, [there for there, _ in wanted.values()], connector_url(config.public_url))),
        definitions=tuple(_definitions(prefix, event, wanted, float(org.api_version))),
        app=f"{prefix}_Gateway",
        permission_set=f"{prefix}_Gateway",
        username=org.username,
        api_version=org.api_version,
        channels=tuple((key, there) for key, (there, _) in wanted.items()),
    )


def _prefix(definitions: Iterable[str]) -> str:
    """A definition is called PREFIX_NAME, and the app's developer name begins with the same prefix."""
    found = {name: name.partition("_") for name in definitions}
    for name, (prefix, _, rest) in found.items():
        if not prefix or not rest:
            raise NoPlan(f"the definition {name!r} needs a name of the form PREFIX_NAME, such as Byoc_Sms")
    prefixes = sorted({prefix for prefix, _, _ in found.values()})
    if len(prefixes) > 1:
        raise NoPlan(f"the definitions of one org need one prefix, that of its app; these have {', '.join(prefixes)}")
    return prefixes[0]


def _event(org: SalesforceOrg) -> Event:
    parts = _NAMESPACED.fullmatch(org.event)
    namespace = parts[1] if parts else None
    return Event(
        name=f"{parts[2]}__e" if parts else org.event,
        type_field=_own_name(org.event_type_field),
        payload_field=_own_name(org.event_payload_field),
        namespace=namespace,
    )


def _own_name(field: str) -> str:
    parts = _NAMESPACED.fullmatch(field)
    return f"{parts[2]}__c" if parts else field


def full_name(event: Event, name: str) -> str:
    """As the org calls it: with its namespace."""
    return f"{event.namespace}__{name}" if event.namespace else name


def _vendor(prefix: str, product: str, connector: str | None = None) -> Vendor:
    name, label = _VENDORS[product]
    return Vendor(f"{prefix}_{name}", f"{prefix}: {label}", VENDOR_TYPES[product], connector)


def _vendors(prefix: str, channels: Sequence[SalesforceChannel], connector: str) -> Iterable[Vendor]:
    routed = {there.product for there in channels if there.routing == "partner"}
    for product in dict.fromkeys(there.product for there in channels):
        yield _vendor(prefix, product, connector if product in routed else None)


def connector_url(public_url: str) -> str:
    """The connector's page."""
    return f"{public_url}/salesforce/connector"


def _definitions(
    prefix: str, event: Event, wanted: Mapping[str, tuple[SalesforceChannel, int | None]], version: float
) -> Iterable[Definition]:
    made: dict[str, tuple[str, Definition]] = {}
    for key, (there, limit) in wanted.items():
        one = _definition(prefix, event, there, limit, version)
        first, same = made.setdefault(there.definition, (key, one))
        if same != one:
            raise NoPlan(
                f"channels {first!r} and {key!r} share the definition {there.definition!r} and differ in product, routing, consent, "
                "typing, receipts or max_conference_participants: give each its own definition"
            )
    return [definition for _, definition in made.values()]


def _definition(prefix: str, event: Event, there: SalesforceChannel, limit: int | None, version: float) -> Definition:
    event_name = full_name(event, event.name)
    fields: dict[str, str | int | bool] = {
        "connectedAppType": "Customer",
        "consentOwner": _OWNERS[there.consent],
        "conversationVendorInfo": _vendor(prefix, there.product).name,
        "customEventPayloadField": f"{event_name}.{full_name(event, event.payload_field)}",
        "customEventTypeField": f"{event_name}.{full_name(event, event.type_field)}",
        "customPlatformEvent": event_name,
        "developerName": there.definition,
        "isConferenceSupported": True,
        "isInboundAcknwOptionExposed": there.receipts,
        "isRoutingWorkResultSupported": there.routing == "partner",
        "isTypingIndicatorOptionHidden": not there.typing,
        "masterLabel": there.definition.replace("_", " "),
        "routingOwner": _OWNERS[there.routing],
        "supportsImplicitConsent": True,
    }
    if limit is not None:
        fields["maxParticipantsForCnfrOverride"] = limit
    return Definition(there.definition, {name: fields[name] for name in sorted(fields) if _SINCE.get(name, 0) <= version})


# Where a field of the metadata is in the Tooling API's object; whatever isn't here has the same name with a capital.
COLUMNS: Final[Mapping[str, str]] = {
    "isInboundAcknwOptionExposed": "EventCapabilitiesIsInboundAcknwOptionExposed",
    "isRoutingWorkResultSupported": "EventCapabilitiesIsRoutingWorkResultSupported",
    "isTypingIndicatorOptionHidden": "EventCapabilitiesIsTypingIndicatorOptionHidden",
}


def column(field: str) -> str:
    """The Tooling API's name of a field of the metadata."""
    return COLUMNS.get(field, f"{field[:1].upper()}{field[1:]}")


def asked_of(definition: Definition) -> tuple[queries.Query, ...]:
    """The queries that together show the definition as the org has it; the newer fields are asked for separately."""
    name = definition.name
    return (
        queries.definition(name),
        queries.definition_of_vendor(name),
        queries.definition_of_conferences(name),
        queries.definition_of_switches(name),
    )


def same(planned: Any, found: Any) -> bool:
    """Whether the org's value is the planned one: names there may come without their namespace, and fields without their event."""
    if isinstance(planned, str) and isinstance(found, str):
        return planned.lower() == found.lower() or _bare(planned) == _bare(found)
    return bool(planned == found)


def _bare(name: str) -> str:
    return re.sub(r"__[ce]$", "", name.rpartition(".")[2]).rpartition("__")[2].lower()
