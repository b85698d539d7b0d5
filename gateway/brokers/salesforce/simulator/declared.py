"""The body of PATCH /capabilities: message types and formats that a channel can show, with their restrictions."""

from __future__ import annotations

from typing import Any, Final

from gateway.brokers.salesforce.simulator import messages
from gateway.brokers.salesforce.simulator.checking import Json, list_of, object_of, one_of, refused, text_of

_NUMBERS: Final = {"FileSizeRestriction": "maxSizeInKb", "ArrayRestriction": "maxItems"}
_RESTRICTIONS: Final = (
    "StringFieldRestriction",
    "MimeTypeRestriction",
    "FileSizeRestriction",
    "DimensionRestriction",
    "ArrayRestriction",
    "RequiredFieldRestriction",
    "TypeRestriction",
)


def read(body: Json, definition: str) -> dict[str, Any]:
    """The `capabilities` object, once it is valid for this channel definition. Raises OrgRefusal."""
    capabilities = object_of(body, "capabilities")
    if capabilities.get("appType") != "custom":
        raise refused(10037, "appType must be custom")
    for channel in list_of(capabilities, "channelCapabilities"):
        if channel.get("channelType", "custom") != "custom":
            raise refused(10078, "channelType must be custom")
        if channel.get("customIntegration") is not None:
            _check_integration(channel, definition)
        for one in list_of(channel, "messageTypeCapabilities", 10047):
            _check_message_type(one)
        if channel.get("progressIndicatorTypeCapabilities") is not None:
            for one in list_of(channel, "progressIndicatorTypeCapabilities", 10098):
                _check_progress(one)
    return dict(capabilities)


def _check_integration(channel: Json, definition: str) -> None:
    integration = object_of(channel, "customIntegration", 10050)
    if integration.get("customIntegrationType") != "CustomChannelIntegration":
        raise refused(10050, "customIntegrationType must be CustomChannelIntegration")
    text_of(integration, "integrationNamespace", 10050, most=240)
    named = text_of(integration, "conversationChannelDefinitionDevName", 10050, most=240)
    if named != definition:
        raise refused(10050, "conversationChannelDefinitionDevName is not the AuthorizationContext")


def _check_message_type(one: Json) -> None:
    kind = messages.message_type_of(one)
    for format_type in list_of(one, "formatTypeCapabilities", 10048):
        messages.format_of(kind, format_type)
        _check_restrictions(format_type)


def _check_progress(one: Json) -> None:
    if one.get("progressIndicatorType") != "ProgressUpdateIndicator":
        raise refused(10098, "progressIndicatorType must be ProgressUpdateIndicator")
    for format_type in list_of(one, "formatTypeCapabilities", 10098):
        if format_type.get("formatType") != "Text":
            raise refused(10049, "A progress indicator can have the format Text only")


def _check_restrictions(format_type: Json) -> None:
    if format_type.get("capabilityFieldRestriction") is None:
        return
    for one in list_of(format_type, "capabilityFieldRestriction", least=0):
        path = text_of(one, "fieldJsonPath")
        if not path.startswith("$") or set(path) & set("[]*?@()"):
            raise refused(10078, "fieldJsonPath supports $ and . only")
        restriction = object_of(one, "restriction")
        kind = one_of(restriction, "fieldRestrictionType", _RESTRICTIONS)
        if kind == "StringFieldRestriction":
            one_of(restriction, "encoding", ("UTF8", "GSM", "UCS2"))
            _check_number(restriction, "maxLength")
        elif kind == "MimeTypeRestriction":
            text_of(restriction, "mimeType")
        elif kind == "DimensionRestriction":
            one_of(restriction, "dimensionType", ("PIXEL", "RATIO"))
            _check_number(restriction, "x")
            _check_number(restriction, "y")
        elif kind in _NUMBERS:
            _check_number(restriction, _NUMBERS[kind])


def _check_number(restriction: Json, name: str) -> None:
    value = restriction.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refused(10078, f"{name} is required and must be a number")
