"""What adapters can do, as it is registered in an org."""

from __future__ import annotations

from typing import Any

import pytest

from adapters import registry
from adapters.contract import Capabilities
from gateway.brokers.salesforce.capabilities import body, namespace
from tests.brokers.salesforce.mapped import CHANNEL, an_org

ORG = an_org()


def registered(capabilities: Capabilities) -> dict[str, Any]:
    made = body(capabilities, CHANNEL, ORG)["capabilities"]
    assert made["appType"] == "custom"
    (channel,) = made["channelCapabilities"]
    return channel  # type: ignore[no-any-return]


def text_rule(channel: dict[str, Any]) -> dict[str, Any]:
    static = next(one for one in channel["messageTypeCapabilities"] if one["messageType"] == "StaticContentMessage")
    text = next(one for one in static["formatTypeCapabilities"] if one["formatType"] == "Text")
    (rule,) = text["capabilityFieldRestriction"]
    return rule  # type: ignore[no-any-return]


@pytest.mark.parametrize(("unit", "encoding"), [("code_points", "UTF8"), ("utf16", "UCS2"), ("bytes", "UTF8")])
def test_the_longest_text(unit: Any, encoding: str) -> None:
    channel = registered(Capabilities(inbound=frozenset(), outbound=frozenset(), max_text=1600, text_unit=unit))
    assert text_rule(channel) == {
        "fieldJsonPath": "$.staticContent.text",
        "restriction": {"fieldRestrictionType": "StringFieldRestriction", "encoding": encoding, "maxLength": 1600},
    }


def test_whose_channel_it_is() -> None:
    channel = registered(Capabilities(inbound=frozenset(), outbound=frozenset(), max_text=1600))
    assert channel["customIntegration"] == {
        "customIntegrationType": "CustomChannelIntegration",
        "integrationNamespace": "byoc",
        "conversationChannelDefinitionDevName": "Acme_Sms",
    }


@pytest.mark.parametrize(("event", "expected"), [("byoc__Message__e", "byoc"), ("Message__e", "00D000000000001")])
def test_an_org_without_a_namespace_goes_by_its_id(event: str, expected: str) -> None:
    assert namespace(CHANNEL, an_org(event=event)) == expected


def test_every_adapter_can_be_registered() -> None:
    for adapter in registry.load().values():
        channel = registered(adapter.capabilities)
        kinds = {
            one["messageType"]: [two["formatType"] for two in one["formatTypeCapabilities"]]
            for one in channel["messageTypeCapabilities"]
        }
        assert kinds == {
            "StaticContentMessage": ["Text", "Attachments", "RichLink", "Links", "WebView"],
            "ChoicesMessage": ["Buttons", "QuickReplies", "ListPicker", "Carousel", "TimePicker"],
            "FormMessage": ["Inputs"],
        }
