"""What a rep's message says, format by format."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.brokers.salesforce.events import Said
from gateway.brokers.salesforce.messages import said_of
from tests.brokers.salesforce.said import CASES, UNKNOWN, Case

FORMATS = [
    "Text",
    "Attachments",
    "Links",
    "RichLink",
    "Media",
    "WebView",
    "Application",
    "ExperienceType",
    "Buttons",
    "QuickReplies",
    "Carousel",
    "ListPicker",
]
FORMATS += ["TimePicker", "Selections", "Inputs", "Result", "Flow", "MessageDefinition", "Hologram"]
NAMES = [
    "text",
    "title",
    "titleItem",
    "optionItems",
    "attachments",
    "links",
    "url",
    "linkItem",
    "mediaAsset",
    "calendarEvent",
    "timeSlotOptionItems",
]
NAMES += [
    "startTime",
    "timezoneOffset",
    "duration",
    "optionIdentifier",
    "items",
    "interactionItems",
    "sections",
    "input",
    "form",
    "result",
    "records",
    "options",
]

values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["2026-03-02T10:00:00Z", "0001-01-01T00:00:00+14:00"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=8,
)


@pytest.mark.parametrize("case", [*CASES, *UNKNOWN], ids=lambda case: case.name)
def test_a_message(case: Case) -> None:
    assert said_of(case.message) == case.said


@given(
    st.sampled_from(["staticContent", "choices", "form", "formResponse", "poll"]),
    st.sampled_from(FORMATS),
    st.dictionaries(st.sampled_from(NAMES), values),
)
def test_whatever_it_holds_there_is_something_said(where: str, kind: str, content: dict[str, Any]) -> None:
    assert isinstance(said_of({where: {**content, "formatType": kind}}), Said)


@given(values)
def test_nothing_in_the_place_of_content_raises(value: Any) -> None:
    assert isinstance(said_of({"staticContent": value, "choices": value, "inReplyToMessageId": value}), Said)
