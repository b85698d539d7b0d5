"""The set-up objects of an org that can be asked for: their fields, and which version of the API has them.

Sources: Salesforce's object reference and Tooling API reference (ConversationChannelDefinition, ConversationVendorInfo, CustomMsgChannel, MessagingChannel,
PermissionSet, ObjectPermissions, EntityDefinition, FieldDefinition), and the release notes of Bring Your Own Channel for what 65.0 renamed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class SObject:
    """An object. `prefix`: of its record ids. `fields`: each with its default. `since`, `until`: first and last version of those that not every version has.
    `tooling`: it belongs to the Tooling API alone. `writable`: records can be created there."""

    name: str
    prefix: str
    fields: Mapping[str, Any]
    required: frozenset[str] = frozenset()
    since: Mapping[str, int] = field(default_factory=dict)
    until: Mapping[str, int] = field(default_factory=dict)
    tooling: bool = False
    writable: bool = True

    def has(self, name: str, version: int) -> bool:
        """Whether this version of the API knows the field; names count in any case. Of a related record's field, the first part counts."""
        first = name.partition(".")[0].lower()
        known = {key.lower(): key for key in (*self.fields, "Id")}
        if first not in known:
            return False
        key = known[first]
        return self.since.get(key, 0) <= version <= self.until.get(key, 999)


_DEFINITION: Final = SObject(
    "ConversationChannelDefinition",
    "0oM",
    {
        "DeveloperName": None,
        "MasterLabel": None,
        "FullName": None,
        "NamespacePrefix": None,
        "ManageableState": "unmanaged",
        "ConversationVendorInfo": None,
        "CustomPlatformEvent": None,
        "CustomEventTypeField": None,
        "CustomEventPayloadField": None,
        "RoutingOwner": "Salesforce",
        "ConsentOwner": "Salesforce",
        "ConnectedAppType": "Partner",
        "IsConferenceSupported": False,
        "MaxParticipantsForCnfrOverride": None,
        "CapabilitiesSupportsKeywords": False,
        "CapabilitiesSupportsImplicitConsent": True,
        "CapabilitiesSupportsExplicitConsent": False,
        "CapabilitiesSupportsDoubleOptInConsent": False,
        "CapabilitiesSupportsIsoCountryCode": False,
        "CapabilitiesSupportsCustomChannelParameters": False,
        "IsInboundReceiptsEnabled": False,
        "IsTypingIndicatorDisabled": False,
        "IsRoutingWorkResultEnabled": False,
        "EventCapabilitiesIsInboundAcknwOptionExposed": False,
        "EventCapabilitiesIsTypingIndicatorOptionHidden": False,
        "EventCapabilitiesIsRoutingWorkResultSupported": False,
        "EventCapabilitiesIsProgressIndicatorOptExposed": False,
        "CustomIconId": None,
    },
    required=frozenset({"DeveloperName", "ConversationVendorInfo"}),
    since={
        "ConnectedAppType": 62,
        "IsConferenceSupported": 64,
        "MaxParticipantsForCnfrOverride": 64,
        "IsInboundReceiptsEnabled": 63,
        "EventCapabilitiesIsInboundAcknwOptionExposed": 65,
        "EventCapabilitiesIsTypingIndicatorOptionHidden": 65,
        "EventCapabilitiesIsRoutingWorkResultSupported": 65,
        "EventCapabilitiesIsProgressIndicatorOptExposed": 65,
    },
    until={"IsInboundReceiptsEnabled": 65, "IsTypingIndicatorDisabled": 65, "IsRoutingWorkResultEnabled": 65},
    tooling=True,
)

_VENDOR: Final = SObject(
    "ConversationVendorInfo",
    "0oV",
    {
        "DeveloperName": None,
        "MasterLabel": None,
        "FullName": None,
        "NamespacePrefix": None,
        "VendorType": None,
        "ConnectorUrl": None,
        "CustomLoginUrl": None,
        "BridgeComponent": None,
        "IntegrationClassId": None,
        "NamedCredentialId": None,
    },
    required=frozenset({"DeveloperName", "VendorType"}),
    tooling=True,
)

_CUSTOM_CHANNEL: Final = SObject(
    "CustomMsgChannel",
    "0oC",
    {
        "ChannelDefinitionId": None,
        "MessagingChannelId": None,
        "EventCapabilitiesIsInboundAcknowledgementEnabled": False,
        "EventCapabilitiesIsTypingIndicatorDisabled": False,
        "EventCapabilitiesIsProgressIndicatorEnabled": False,
        "HasInboundReceipts": False,
        "HasTypingIndicator": True,
    },
    since={
        "EventCapabilitiesIsInboundAcknowledgementEnabled": 65,
        "EventCapabilitiesIsTypingIndicatorDisabled": 65,
        "EventCapabilitiesIsProgressIndicatorEnabled": 65,
    },
    until={"HasInboundReceipts": 64, "HasTypingIndicator": 64},
    tooling=True,
)

_ALL: Final = (
    _DEFINITION,
    _VENDOR,
    _CUSTOM_CHANNEL,
    SObject(
        "MessagingChannel",
        "0Mj",
        {
            "DeveloperName": None,
            "MasterLabel": None,
            "ChannelAddressIdentifier": None,
            "MessagingPlatformKey": None,
            "MessageType": "Custom",
            "PlatformType": "Enhanced",
            "IsActive": True,
            "ChannelDefinition": None,
            "SessionHandlerId": None,
        },
    ),
    SObject("ContactCenterChannel", "0oX", {"ChannelId": None, "ContactCenterId": None}),
    SObject("CallCenter", "04v", {"Name": None, "InternalName": None}),
    SObject(
        "PermissionSet",
        "0PS",
        {"Name": None, "Label": None, "PermissionsApiEnabled": False},
        required=frozenset({"Name"}),
    ),
    SObject("PermissionSetAssignment", "0Pa", {"AssigneeId": None, "PermissionSetId": None}),
    SObject(
        "ObjectPermissions",
        "110",
        {
            "ParentId": None,
            "SobjectType": None,
            "PermissionsRead": False,
            "PermissionsCreate": False,
            "PermissionsEdit": False,
            "PermissionsDelete": False,
        },
        required=frozenset({"ParentId", "SobjectType"}),
    ),
    SObject(
        "Organization", "00D", {"Name": "Example", "IsSandbox": False, "OrganizationType": "Developer Edition"}, writable=False
    ),
    SObject("User", "005", {"Username": None, "Name": None, "IsActive": True}, writable=False),
    SObject("Group", "00G", {"DeveloperName": None, "Name": None, "Type": "Queue"}),
    SObject(
        "EntityDefinition",
        "4ie",
        {"QualifiedApiName": None, "DeveloperName": None, "Label": None, "NamespacePrefix": None},
        writable=False,
    ),
    SObject(
        "FieldDefinition",
        "4if",
        {
            "QualifiedApiName": None,
            "DeveloperName": None,
            "DataType": None,
            "Length": None,
            "EntityDefinition": None,
            "EntityDefinitionId": None,
        },
        writable=False,
    ),
)

OBJECTS: Final[Mapping[str, SObject]] = {one.name.lower(): one for one in _ALL}
