"""The set-up records of the simulated org, in memory: queried, described, created and changed, each time as one version of the API sees them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.brokers.salesforce.simulator import soql
from gateway.brokers.salesforce.simulator.contract import OrgChannel
from gateway.brokers.salesforce.simulator.faults import Faults
from gateway.brokers.salesforce.simulator.objects import OBJECTS, SObject

INTEGRATION_PERMISSION_SET: Final = "sfdc_scrt2"
_SYSTEM: Final = ("CreatedDate", "CreatedById")


class RecordRefusal(Exception):
    """A record can't be read or written. `code`: Salesforce's, such as DUPLICATE_DEVELOPER_NAME; `status`: HTTP."""

    def __init__(self, status: int, code: str, message: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(code, message)
        self.status = status
        self.code = code
        self.message = message
        self.fields = fields


@dataclass(slots=True)
class Records:
    """The records, each with its `Id`. `events`: API name of each platform event, with its custom fields and their lengths. `hidden`: objects that users who
    aren't administrators can't see. `faults`: the switches by which messaging channels are inactive or gone."""

    events: dict[str, dict[str, int]] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    faults: Faults | None = None
    _held: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    _made: int = 0

    # -------------------------------------------------------------------------------------------------------- reading

    def query(self, text: str, version: int, *, tooling: bool, admin: bool) -> list[dict[str, Any]]:
        """The records in the wire's form: `attributes`, then the fields that were asked for. Raises soql.BadQuery."""
        query = soql.parse(text)
        sobject = OBJECTS.get(query.source.lower())
        if sobject is None or (sobject.tooling and not tooling) or (not admin and sobject.name in self.hidden):
            raise soql.BadQuery("INVALID_TYPE", f"sObject type '{query.source}' is not supported.")
        for name in query.names:
            if not sobject.has(name, version):
                raise soql.BadQuery("INVALID_FIELD", f"No such column '{name}' on entity '{sobject.name}'.")
        return [self._shown(sobject, record, query.fields, version, tooling) for record in query.run(self._seen(sobject.name))]

    def _shown(self, sobject: SObject, record: soql.Record, fields: Iterable[str], version: int, tooling: bool) -> dict[str, Any]:
        place = f"/services/data/v{version}.0/{'tooling/' if tooling else ''}sobjects/{sobject.name}/{record['Id']}"
        shown: dict[str, Any] = {"attributes": {"type": sobject.name, "url": place}}
        spelled = {name.lower(): name for name in (*sobject.fields, "Id")}
        for name in fields:
            first, _, rest = name.partition(".")
            value = soql.value_of(record, name)
            shown[spelled[first.lower()]] = {rest: value} if rest else value
        return shown

    def all(self, name: str) -> list[dict[str, Any]]:
        """Every record of an object, as it is held."""
        if name == "EntityDefinition":
            return [_entity(event) for event in self.events]
        if name == "FieldDefinition":
            return [
                _field(event, api_name, length) for event, fields in self.events.items() for api_name, length in fields.items()
            ]
        return self._held.get(name, [])

    def _seen(self, name: str) -> list[dict[str, Any]]:
        held = self.all(name)
        if name != "MessagingChannel" or self.faults is None:
            return held
        inactive, unknown = self.faults.state.inactive, self.faults.state.unknown
        address = "ChannelAddressIdentifier"
        return [one | {"IsActive": False} if one[address] in inactive else one for one in held if one[address] not in unknown]

    def find(self, name: str, **where: Any) -> dict[str, Any] | None:
        """The first record of an object whose fields have these values."""
        return next((one for one in self.all(name) if all(one.get(key) == value for key, value in where.items())), None)

    def describe(self, event: str) -> dict[str, Any] | None:
        """A platform event's description; None: there is no such event."""
        fields = next((held for name, held in self.events.items() if name.lower() == event.lower()), None)
        if fields is None:
            return None
        system = [
            {"name": name, "type": "datetime" if "Date" in name else "reference", "length": 0, "custom": False}
            for name in _SYSTEM
        ]
        custom = [
            {"name": name, "type": "textarea" if size > 255 else "string", "length": size, "custom": True}
            for name, size in fields.items()
        ]
        return {
            "name": event,
            "label": event.removesuffix("__e"),
            "custom": True,
            "createable": True,
            "fields": [*system, *custom],
        }

    # -------------------------------------------------------------------------------------------------------- writing

    def create(self, name: str, body: Mapping[str, Any], version: int = 66) -> str:
        """Create a record from its fields, or from `FullName` and `Metadata` as the Tooling API has it; its id. Raises RecordRefusal."""
        if name.lower() in ("customobject", "customfield"):
            return self._deploy(str(body.get("FullName")), body.get("Metadata") or {})
        sobject = _writable(name)
        values = dict(sobject.fields) | _values(sobject, body, version)
        missing = tuple(sorted(key for key in sobject.required if not values[key]))
        if missing:
            raise RecordRefusal(400, "REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", missing)
        key = values.get("DeveloperName")
        if key and self.find(sobject.name, DeveloperName=key):
            raise RecordRefusal(400, "DUPLICATE_DEVELOPER_NAME", f"The name '{key}' is already used.", ("DeveloperName",))
        self._made += 1
        record_id = f"{sobject.prefix}{self._made:012}AAA"
        self._held.setdefault(sobject.name, []).append({"Id": record_id} | values)
        return record_id

    def _deploy(self, full_name: str, metadata: Mapping[str, Any]) -> str:
        """A platform event (`X__e`) or a field of one (`X__e.Y__c`), as the Tooling API creates them."""
        event, _, field_name = full_name.partition(".")
        if not event.endswith("__e") or (field_name and not field_name.endswith("__c")):
            raise RecordRefusal(400, "FIELD_INTEGRITY_EXCEPTION", f"Not a platform event: {full_name}", ("FullName",))
        if field_name and event not in self.events:
            raise RecordRefusal(400, "INVALID_TYPE", f"There is no event {event}")
        if (field_name in self.events[event]) if field_name else event in self.events:
            raise RecordRefusal(400, "DUPLICATE_DEVELOPER_NAME", f"There is already a {full_name}.", ("FullName",))
        if not field_name:
            self.events[event] = {}
        elif isinstance(length := metadata.get("length"), int):
            self.events[event][field_name] = length
        else:
            raise RecordRefusal(400, "FIELD_INTEGRITY_EXCEPTION", "Must specify 'length'", ("length",))
        self._made += 1
        return f"01I{self._made:012}AAA"

    def change(self, name: str, record_id: str, body: Mapping[str, Any], version: int = 66) -> None:
        """Set fields of a record. Raises RecordRefusal."""
        sobject = _writable(name)
        self.get(name, record_id).update(_values(sobject, body, version))

    def delete(self, name: str, record_id: str) -> None:
        """Remove a record. Raises RecordRefusal."""
        record = self.get(name, record_id)
        self._held[_writable(name).name].remove(record)

    def get(self, name: str, record_id: str) -> dict[str, Any]:
        """A record as it is held. Raises RecordRefusal."""
        sobject = OBJECTS.get(name.lower())
        records = self.all(sobject.name) if sobject else []
        record = next((one for one in records if one["Id"][:15] == record_id[:15]), None)
        if record is None:
            raise RecordRefusal(404, "NOT_FOUND", "The requested resource does not exist")
        return record


def _writable(name: str) -> SObject:
    sobject = OBJECTS.get(name.lower())
    if sobject is None or not sobject.writable:
        raise RecordRefusal(404, "NOT_FOUND", "The requested resource does not exist")
    return sobject


def _values(sobject: SObject, body: Mapping[str, Any], version: int) -> dict[str, Any]:
    """The fields of a body. In `Metadata` the names begin in lower case, and the groups `capabilities` and `eventCapabilities` may be objects of their own, or left out."""
    given = {key: value for key, value in body.items() if key != "Metadata"}
    given |= _flat("", body.get("Metadata") or {})
    if "FullName" in given:
        given.setdefault("DeveloperName", given["FullName"])
    spelled = {name.lower(): name for name in sobject.fields}
    for group in ("Capabilities", "EventCapabilities"):
        spelled |= {name.removeprefix(group).lower(): name for name in sobject.fields if name.startswith(group)}
    values: dict[str, Any] = {}
    for key, value in given.items():
        name = spelled.get(key.lower())
        if name is None or not sobject.has(name, version):
            raise RecordRefusal(400, "INVALID_FIELD", f"No such column '{key}' on sobject of type {sobject.name}")
        values[name] = value
    return values


def _flat(prefix: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in metadata.items():
        name = f"{prefix}{key[:1].upper()}{key[1:]}"
        flat |= _flat(name, value) if isinstance(value, Mapping) else {name: value}
    return flat


def _entity(event: str) -> dict[str, Any]:
    name = event.removesuffix("__e")
    return {
        "Id": f"4ie{event}",
        "QualifiedApiName": event,
        "DeveloperName": name.rpartition("__")[2],
        "Label": name,
        "NamespacePrefix": None,
    }


def _field(event: str, api_name: str, length: int) -> dict[str, Any]:
    return {
        "Id": f"4if{event}.{api_name}",
        "QualifiedApiName": api_name,
        "DeveloperName": api_name.removesuffix("__c").rpartition("__")[2],
        "DataType": f"Long Text Area({length})" if length > 255 else f"Text({length})",
        "Length": length,
        "EntityDefinition": {"QualifiedApiName": event},
        "EntityDefinitionId": event,
    }


def set_up(
    channels: Iterable[OrgChannel], *, org_id: str, event: str, type_field: str, payload_field: str, payload_length: int = 131_072
) -> Records:
    """The records of an org in which everything is as it must be for these channels."""
    records = Records({event: {type_field: 255, payload_field: payload_length}})
    records._held["Organization"] = [{"Id": org_id} | dict(OBJECTS["organization"].fields)]
    permission_set = records.create("PermissionSet", {"Name": INTEGRATION_PERMISSION_SET, "Label": "Messaging runtime"})
    allowed = {"ParentId": permission_set, "SobjectType": event, "PermissionsRead": True, "PermissionsCreate": True}
    records.create("ObjectPermissions", allowed)
    contact_center = records.create("CallCenter", {"Name": "BYOC", "InternalName": "BYOC"})
    for channel in channels:
        definition = _definition(records, channel, event, type_field, payload_field)
        channel_id = records.create(
            "MessagingChannel",
            {
                "DeveloperName": f"Channel_{channel.address.replace('-', '_')}",
                "ChannelAddressIdentifier": channel.address,
                "MessagingPlatformKey": channel.address,
                "MessageType": channel.message_type,
                "IsActive": channel.active,
                "ChannelDefinition": {"DeveloperName": channel.definition},
            },
        )
        switches = {
            "ChannelDefinitionId": definition,
            "MessagingChannelId": channel_id,
            "EventCapabilitiesIsInboundAcknowledgementEnabled": channel.receipts,
            "EventCapabilitiesIsTypingIndicatorDisabled": channel.typing_disabled,
            "EventCapabilitiesIsProgressIndicatorEnabled": channel.progress_indicator,
        }
        records.create("CustomMsgChannel", switches)
        if channel.product == "ccaas" and channel.contact_center:
            records.create("ContactCenterChannel", {"ChannelId": channel_id, "ContactCenterId": contact_center})
    return records


def _definition(records: Records, channel: OrgChannel, event: str, type_field: str, payload_field: str) -> str | None:
    if channel.definition is None:
        return None
    existing = records.find("ConversationChannelDefinition", DeveloperName=channel.definition)
    if existing:
        return str(existing["Id"])
    vendor = "BYOC_CCaaS" if channel.product == "ccaas" else "BYOC_Messaging"
    if records.find("ConversationVendorInfo", DeveloperName=vendor) is None:
        kind = "BringYourOwnContactCenter" if channel.product == "ccaas" else "BringYourOwnChannelPartner"
        records.create("ConversationVendorInfo", {"DeveloperName": vendor, "VendorType": kind})
    return records.create(
        "ConversationChannelDefinition",
        {
            "DeveloperName": channel.definition,
            "MasterLabel": channel.definition,
            "ConversationVendorInfo": vendor,
            "CustomPlatformEvent": event,
            "CustomEventTypeField": type_field,
            "CustomEventPayloadField": payload_field,
            "RoutingOwner": channel.routing.capitalize(),
            "ConsentOwner": channel.consent.capitalize(),
            "IsConferenceSupported": channel.conference_supported,
            "MaxParticipantsForCnfrOverride": channel.max_participants,
            "CapabilitiesSupportsKeywords": channel.supports_keywords,
            "CapabilitiesSupportsExplicitConsent": channel.explicit_consent,
            "EventCapabilitiesIsInboundAcknwOptionExposed": channel.receipts,
            "EventCapabilitiesIsTypingIndicatorOptionHidden": channel.typing_disabled,
            "EventCapabilitiesIsRoutingWorkResultSupported": channel.routing == "partner" and channel.routing_work_result,
        },
    )
