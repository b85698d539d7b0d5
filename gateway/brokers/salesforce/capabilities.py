"""What an adapter can do → the body of PATCH /capabilities, so that reps are offered what their customers can be shown.

Source: Salesforce's guide, "Register Capabilities", and its published schema (github.com/salesforce-misc/interaction-service-apis).
"""

from __future__ import annotations

from typing import Any, Final

from adapters.contract import Capabilities, TextUnit
from gateway.config.salesforce import SalesforceChannel, SalesforceOrg

_ENCODINGS: Final[dict[TextUnit, str]] = {"code_points": "UTF8", "utf16": "UCS2", "bytes": "UTF8"}


def body(capabilities: Capabilities, channel: SalesforceChannel, org: SalesforceOrg) -> dict[str, Any]:
    """The body of a `Call` with the operation `capabilities`.

    Choices and forms are registered for every channel, since they go as numbered lines; files, too, since one that a channel doesn't carry goes as a
    link. The longest text is the channel's own: Salesforce keeps reps from writing a longer one.
    """
    text: dict[str, Any] = {"formatType": "Text", "capabilityFieldRestriction": [_longest(capabilities)]}
    static = [text, {"formatType": "Attachments"}, {"formatType": "RichLink"}, {"formatType": "Links"}, {"formatType": "WebView"}]
    choices = [{"formatType": name} for name in ("Buttons", "QuickReplies", "ListPicker", "Carousel", "TimePicker")]
    of_channel = {
        "channelType": "custom",
        "customIntegration": {
            "customIntegrationType": "CustomChannelIntegration",
            "integrationNamespace": namespace(channel, org),
            "conversationChannelDefinitionDevName": channel.definition,
        },
        "messageTypeCapabilities": [
            {"messageType": "StaticContentMessage", "formatTypeCapabilities": static},
            {"messageType": "ChoicesMessage", "formatTypeCapabilities": choices},
            {"messageType": "FormMessage", "formatTypeCapabilities": [{"formatType": "Inputs"}]},
        ],
    }
    return {"capabilities": {"appType": "custom", "channelCapabilities": [of_channel]}}


def namespace(channel: SalesforceChannel, org: SalesforceOrg) -> str:
    """The namespace that the platform event is in, of a managed package; else the org's id, as the guide says."""
    first, mark, rest = org.event.removesuffix("__e").partition("__")
    return first if mark and rest else org.org_id[:15]


def _longest(capabilities: Capabilities) -> dict[str, Any]:
    restriction = {
        "fieldRestrictionType": "StringFieldRestriction",
        "encoding": _ENCODINGS[capabilities.text_unit],
        "maxLength": capabilities.max_text,
    }
    return {"fieldJsonPath": "$.staticContent.text", "restriction": restriction}
