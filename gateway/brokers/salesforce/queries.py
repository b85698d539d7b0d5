"""What is asked of an org to see how it is set up: the queries, and nothing else that reads records.

`GET {instance_url}/services/data/v{api_version}/query/?q=…`, for set-up objects `…/tooling/query/?q=…`, for a platform event
`…/sobjects/{EVENT}/describe`. Answers: 200 `{"totalSize": n, "done": true, "records": [{"attributes": {…}, FIELD: value}]}`; else a list
`[{"errorCode": "INVALID_TYPE" | "INVALID_FIELD" | "MALFORMED_QUERY" | "INVALID_SESSION_ID" | "INSUFFICIENT_ACCESS" | "NOT_FOUND" …, "message": "…"}]`.

Fields that only newer versions have are asked for by themselves: one unknown field fails a whole query.
Sources: Salesforce's object reference and Tooling API reference; descriptions of the objects in public sf projects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

INTEGRATION_PERMISSION_SET: Final = "sfdc_scrt2"
"""The permission set of the messaging runtime's own user, which publishes the events."""


@dataclass(frozen=True, slots=True)
class Query:
    """One query: `fields` of `source` where all of `where` are equal (texts alone). `tooling`: asked of the Tooling API."""

    source: str
    fields: tuple[str, ...]
    where: tuple[tuple[str, str], ...]
    tooling: bool = False

    @property
    def text(self) -> str:
        """In SOQL, with its values quoted."""
        conditions = " AND ".join(f"{name} = {quoted(value)}" for name, value in self.where)
        return " ".join(("SELECT", ", ".join(self.fields), "FROM", self.source, "WHERE", conditions))

    def path(self, api_version: str) -> str:
        """Its address below the org's own."""
        return f"/services/data/v{api_version}/{'tooling/' if self.tooling else ''}query/?q={quote(self.text, safe='')}"


def quoted(value: str) -> str:
    """A text in SOQL."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def describe(event: str, api_version: str) -> str:
    """Address of a platform event's description: `{"name", "fields": [{"name", "type", "length"}]}`. 404 NOT_FOUND: it isn't there, or may not be seen."""
    return f"/services/data/v{api_version}/sobjects/{quote(event, safe='')}/describe"


# ----------------------------------------------------------------------------------------------- the channel's definition


def definition(developer_name: str) -> Query:
    """The ConversationChannelDefinition's event and owners. `RoutingOwner`, `ConsentOwner`: Salesforce or Partner."""
    return _definition(
        developer_name,
        "DeveloperName",
        "CustomPlatformEvent",
        "CustomEventTypeField",
        "CustomEventPayloadField",
        "RoutingOwner",
        "ConsentOwner",
    )


def definition_of_vendor(developer_name: str) -> Query:
    """Its vendor, as the Tooling API has it: the vendor's developer name."""
    return _definition(developer_name, "ConversationVendorInfo")


def definition_of_vendor_id(developer_name: str) -> Query:
    """Its vendor, as the ordinary object has it: the vendor's record id."""
    return Query("ConversationChannelDefinition", ("ConversationVendorInfoId",), (("DeveloperName", developer_name),))


def definition_of_conferences(developer_name: str) -> Query:
    """API 64.0 and later. `MaxParticipantsForCnfrOverride` may be null."""
    return _definition(developer_name, "IsConferenceSupported", "MaxParticipantsForCnfrOverride")


def definition_of_switches(developer_name: str) -> Query:
    """API 65.0 and later: what the definition offers an admin to switch."""
    return _definition(
        developer_name,
        "EventCapabilitiesIsInboundAcknwOptionExposed",
        "EventCapabilitiesIsTypingIndicatorOptionHidden",
        "EventCapabilitiesIsRoutingWorkResultSupported",
    )


def _definition(developer_name: str, *fields: str) -> Query:
    return Query("ConversationChannelDefinition", fields, (("DeveloperName", developer_name),), tooling=True)


def vendor(name: str) -> Query:
    """The ConversationVendorInfo that a definition names, by its developer name or its record id, which begins with a digit. `VendorType`: BringYourOwnChannelPartner
    (BYOC for Messaging) or BringYourOwnContactCenter (BYOC for CCaaS)."""
    key = "Id" if name[:1].isdigit() else "DeveloperName"
    return Query("ConversationVendorInfo", ("DeveloperName", "VendorType"), ((key, name),), tooling=True)


def connector(name: str) -> Query:
    """The page that the console asks for its lists, of the vendor by its developer name or record id."""
    key = "Id" if name[:1].isdigit() else "DeveloperName"
    return Query("ConversationVendorInfo", ("ConnectorUrl",), ((key, name),), tooling=True)


# ---------------------------------------------------------------------------------------------------- the messaging channel


def messaging_channel(address: str) -> Query:
    """The MessagingChannel with this ChannelAddressIdentifier. `MessageType` must be Custom, `IsActive` true."""
    return Query("MessagingChannel", ("Id", "DeveloperName", "MessageType", "IsActive"), (("ChannelAddressIdentifier", address),))


def definition_id(developer_name: str) -> Query:
    """Its record id."""
    return _definition(developer_name, "Id")


def definition_of_channel(channel_id: str) -> Query:
    """The definition that a messaging channel was made with."""
    return Query("MessagingChannel", ("ChannelDefinition.DeveloperName",), (("Id", channel_id),))


def contact_center(channel_id: str) -> Query:
    """With BYOC for CCaaS, what links the messaging channel to its contact center."""
    return Query("ContactCenterChannel", ("Id",), (("ChannelId", channel_id),))


def custom_channel_id(channel_id: str) -> Query:
    """Whether the messaging channel has its CustomMsgChannel, which Setup doesn't always make."""
    return Query("CustomMsgChannel", ("Id",), (("MessagingChannelId", channel_id),), tooling=True)


def custom_channel(channel_id: str) -> Query:
    """API 65.0 and later: the CustomMsgChannel, an admin's switches of one channel."""
    fields = ("EventCapabilitiesIsInboundAcknowledgementEnabled", "EventCapabilitiesIsTypingIndicatorDisabled")
    return Query("CustomMsgChannel", fields, (("MessagingChannelId", channel_id),), tooling=True)


# ------------------------------------------------------------------------------------------------------------ permissions


def permission_set(name: str) -> Query:
    """A permission set by its name."""
    return Query("PermissionSet", ("Id",), (("Name", name),))


def object_permissions(permission_set_id: str, sobject: str) -> Query:
    """What a permission set allows on an object; no record: nothing."""
    where = (("ParentId", permission_set_id), ("SobjectType", sobject))
    return Query("ObjectPermissions", ("PermissionsRead", "PermissionsCreate"), where)
