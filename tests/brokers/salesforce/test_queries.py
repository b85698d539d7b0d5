"""Queries about an org's set-up: what is asked, word by word."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from gateway.brokers.salesforce import queries


def test_a_query_in_words_and_as_an_address() -> None:
    asked = queries.object_permissions("0PS000000000001", "Byoc_Message__e")
    words = (
        "SELECT PermissionsRead, PermissionsCreate FROM ObjectPermissions"
        " WHERE ParentId = '0PS000000000001' AND SobjectType = 'Byoc_Message__e'"
    )
    assert asked.text == words
    parts = urlsplit(asked.path("66.0"))
    assert parts.path == "/services/data/v66.0/query/"
    assert parse_qs(parts.query) == {"q": [words]}


def test_set_up_objects_are_asked_of_the_tooling_api() -> None:
    asked = queries.definition("Byoc_Sms")
    assert asked.path("66.0").startswith("/services/data/v66.0/tooling/query/?q=SELECT%20DeveloperName")
    assert asked.text.endswith("FROM ConversationChannelDefinition WHERE DeveloperName = 'Byoc_Sms'")


def test_a_value_can_not_leave_its_quotes() -> None:
    assert queries.messaging_channel("x' OR Id != '\\").text.endswith("WHERE ChannelAddressIdentifier = 'x\\' OR Id != \\'\\\\'")
