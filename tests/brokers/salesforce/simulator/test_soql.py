"""The simulated org's queries: what is understood, what comes out, and what is refused with which code."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.brokers.salesforce.simulator import soql
from gateway.brokers.salesforce.simulator.contract import OrgChannel
from gateway.brokers.salesforce.simulator.records import RecordRefusal, Records, set_up

ADDRESS = "0f2f0b4e-2f2b-4c66-a1e8-7a3a6b1d0a11"
EVENT = "byoc__Message__e"


@pytest.fixture
def records() -> Records:
    channels = [
        OrgChannel(ADDRESS, "Byoc_Sms", max_participants=3),
        OrgChannel("second", "Byoc_Line", product="ccaas", routing="partner"),
    ]
    return set_up(
        channels, org_id="00D000000000001EAA", event=EVENT, type_field="byoc__EventType__c", payload_field="byoc__Payload__c"
    )


def asked(records: Records, query: str, *, version: int = 66, tooling: bool = True, admin: bool = False) -> list[dict[str, Any]]:
    found = records.query(query, version, tooling=tooling, admin=admin)
    return [{key: value for key, value in one.items() if key != "attributes"} for one in found]


ANSWERED: list[tuple[str, str, list[dict[str, Any]]]] = [
    (
        "a definition",
        "SELECT DeveloperName, RoutingOwner, MaxParticipantsForCnfrOverride FROM ConversationChannelDefinition WHERE DeveloperName = 'Byoc_Sms'",
        [{"DeveloperName": "Byoc_Sms", "RoutingOwner": "Salesforce", "MaxParticipantsForCnfrOverride": 3}],
    ),
    (
        "names in any case, texts too",
        "select developername from conversationchanneldefinition where DEVELOPERNAME='byoc_line'",
        [{"DeveloperName": "Byoc_Line"}],
    ),
    (
        "nothing found",
        "SELECT Id FROM MessagingChannel WHERE ChannelAddressIdentifier = 'nowhere' AND MessageType = 'Custom'",
        [],
    ),
    (
        "several conditions, false and null",
        "SELECT ConsentOwner FROM ConversationChannelDefinition WHERE CapabilitiesSupportsKeywords = false AND CustomIconId = null AND RoutingOwner != 'Salesforce'",
        [{"ConsentOwner": "Salesforce"}],
    ),
    (
        "one of several, in order, one only",
        "SELECT DeveloperName FROM ConversationVendorInfo WHERE VendorType IN ('BringYourOwnContactCenter', 'BringYourOwnChannelPartner') ORDER BY DeveloperName DESC LIMIT 1",
        [{"DeveloperName": "BYOC_Messaging"}],
    ),
    (
        "a pattern",
        "SELECT DeveloperName FROM ConversationChannelDefinition WHERE DeveloperName LIKE 'byoc_s%'",
        [{"DeveloperName": "Byoc_Sms"}],
    ),
    (
        "a field of another record",
        "SELECT QualifiedApiName, Length FROM FieldDefinition WHERE EntityDefinition.QualifiedApiName = 'byoc__Message__e'",
        [
            {"QualifiedApiName": "byoc__EventType__c", "Length": 255},
            {"QualifiedApiName": "byoc__Payload__c", "Length": 131_072},
        ],
    ),
    (
        "an event",
        "SELECT DeveloperName FROM EntityDefinition WHERE QualifiedApiName = 'byoc__Message__e'",
        [{"DeveloperName": "Message"}],
    ),
    (
        "a permission",
        "SELECT PermissionsRead, PermissionsCreate FROM ObjectPermissions WHERE SobjectType = 'byoc__Message__e'",
        [{"PermissionsRead": True, "PermissionsCreate": True}],
    ),
]


@pytest.mark.parametrize(("query", "expected"), [row[1:] for row in ANSWERED], ids=[row[0] for row in ANSWERED])
def test_answered(query: str, expected: list[dict[str, Any]], records: Records) -> None:
    assert asked(records, query) == expected


def test_the_org_has_a_long_and_a_short_id(records: Records) -> None:
    assert asked(records, "SELECT IsSandbox FROM Organization WHERE Id = '00D000000000001EAA'") == [{"IsSandbox": False}]
    assert asked(records, "SELECT IsSandbox FROM Organization WHERE Id = '00D000000000001'") == [{"IsSandbox": False}]


REFUSED = [
    ("", "MALFORMED_QUERY"),
    ("SELECT Id", "MALFORMED_QUERY"),
    ("SELECT FROM MessagingChannel", "MALFORMED_QUERY"),
    ("SELECT Id FROM MessagingChannel WHERE Id", "MALFORMED_QUERY"),
    ("SELECT Id FROM MessagingChannel WHERE Id = byoc", "MALFORMED_QUERY"),
    ("SELECT Id FROM MessagingChannel WHERE Id = 'a' OR Id = 'b'", "MALFORMED_QUERY"),
    ("SELECT Id FROM MessagingChannel WHERE Id > 'a'", "MALFORMED_QUERY"),
    ("SELECT Id FROM MessagingChannel LIMIT x", "MALFORMED_QUERY"),
    ("SELECT Id FROM MessagingChannel WHERE Id = 'a", "MALFORMED_QUERY"),
    ("SELECT COUNT() FROM MessagingChannel", "MALFORMED_QUERY"),
    ("SELECT Id FROM Nothing", "INVALID_TYPE"),
    ("SELECT Nothing FROM MessagingChannel", "INVALID_FIELD"),
    ("SELECT Id FROM MessagingChannel WHERE Nothing = 1", "INVALID_FIELD"),
    ("SELECT Id FROM MessagingChannel ORDER BY Nothing", "INVALID_FIELD"),
]


@pytest.mark.parametrize(("query", "code"), REFUSED)
def test_refused(query: str, code: str, records: Records) -> None:
    with pytest.raises(soql.BadQuery) as bad:
        asked(records, query)
    assert bad.value.code == code


def test_a_version_knows_its_own_fields(records: Records) -> None:
    old, new = ("IsTypingIndicatorDisabled", "EventCapabilitiesIsTypingIndicatorOptionHidden")
    for name, versions in ((old, (64, 65)), (new, (65, 66))):
        for version in (64, 65, 66):
            query = " ".join(("SELECT", name, "FROM ConversationChannelDefinition LIMIT 1"))
            if version in versions:
                assert len(asked(records, query, version=version)) == 1
            else:
                with pytest.raises(soql.BadQuery, match="INVALID_FIELD"):
                    asked(records, query, version=version)


def test_who_may_not_see_an_object_is_told_it_is_unknown(records: Records) -> None:
    records.hidden = frozenset({"PermissionSet"})
    query = "SELECT Name FROM PermissionSet"
    with pytest.raises(soql.BadQuery, match="INVALID_TYPE"):
        asked(records, query)
    assert asked(records, query, admin=True) == [{"Name": "sfdc_scrt2"}]


def test_set_up_objects_are_asked_of_the_tooling_api(records: Records) -> None:
    with pytest.raises(soql.BadQuery, match="INVALID_TYPE"):
        asked(records, "SELECT Id FROM ConversationVendorInfo", tooling=False)


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\x00"), max_size=30))
def test_any_text_is_found_when_it_is_quoted(text: str) -> None:
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    query = soql.parse("".join(("SELECT Id FROM Thing WHERE Name = '", quoted, "' LIMIT 1")))
    record = {"Id": "1", "Name": text}
    assert query.run([{"Id": "0", "Name": f"{text}x"}, record, record]) == [record]


@given(st.text(max_size=60))
def test_whatever_is_asked_is_read_or_refused(text: str) -> None:
    with suppress(soql.BadQuery):
        soql.parse(f"SELECT {text}")


# ------------------------------------------------------------------------------------------------------------- writing


def test_a_definition_is_created_from_its_metadata(records: Records) -> None:
    metadata = {
        "masterLabel": "Web",
        "conversationVendorInfo": "BYOC_CCaaS",
        "routingOwner": "Partner",
        "isConferenceSupported": True,
        "supportsKeywords": True,
        "eventCapabilities": {"isRoutingWorkResultSupported": True},
    }
    created = records.create("ConversationChannelDefinition", {"FullName": "Byoc_Web", "Metadata": metadata})
    held = records.get("ConversationChannelDefinition", created)
    names = ("DeveloperName", "RoutingOwner", "ConsentOwner", "IsConferenceSupported", "CapabilitiesSupportsKeywords")
    assert [held[name] for name in names] == ["Byoc_Web", "Partner", "Salesforce", True, True]
    assert held["EventCapabilitiesIsRoutingWorkResultSupported"] is True


def test_changed_and_removed(records: Records) -> None:
    record = records.find("MessagingChannel", ChannelAddressIdentifier=ADDRESS)
    assert record
    records.change("MessagingChannel", record["Id"], {"IsActive": False})
    assert asked(records, "SELECT IsActive FROM MessagingChannel WHERE IsActive = false") == [{"IsActive": False}]
    records.delete("MessagingChannel", record["Id"])
    with pytest.raises(RecordRefusal, match="NOT_FOUND"):
        records.get("MessagingChannel", record["Id"])


@pytest.mark.parametrize(
    ("name", "body", "code"),
    [
        (
            "ConversationVendorInfo",
            {"DeveloperName": "BYOC_CCaaS", "VendorType": "BringYourOwnContactCenter"},
            "DUPLICATE_DEVELOPER_NAME",
        ),
        ("ConversationVendorInfo", {"DeveloperName": "New"}, "REQUIRED_FIELD_MISSING"),
        ("ConversationVendorInfo", {"DeveloperName": "New", "Vendor": "x"}, "INVALID_FIELD"),
        ("Organization", {"Name": "x"}, "NOT_FOUND"),
        ("Nothing", {}, "NOT_FOUND"),
    ],
)
def test_not_created(name: str, body: dict[str, Any], code: str, records: Records) -> None:
    with pytest.raises(RecordRefusal) as refused:
        records.create(name, body)
    assert refused.value.code == code
