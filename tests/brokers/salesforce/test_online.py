"""`byoc check --online` against an org that listens: what it finds, what it can't see, and which of the usual causes a refused sign-in has."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from click.testing import CliRunner

from adapters.contract import HttpCall, HttpReply
from gateway import clock
from gateway.brokers.salesforce import queries
from gateway.brokers.salesforce.findings import Finding
from gateway.brokers.salesforce.inspecting import Inspector
from gateway.brokers.salesforce.online import _vendor_of, check
from gateway.brokers.salesforce.simulator.records import INTEGRATION_PERMISSION_SET
from gateway.brokers.salesforce.simulator.token import App
from gateway.cli import main
from gateway.clock import Clock
from gateway.config import build
from gateway.journal.driver import Driver
from tests.brokers.salesforce.keys import key_pair
from tests.brokers.salesforce.set_up_org import ADMIN, EVENT, GATEWAY, KEY, PAYLOAD, SetUpOrg, set_up_org
from tests.config.test_salesforce import ADDRESS, RAW, put


@pytest.fixture
async def driver() -> AsyncIterator[Driver]:
    one = Driver()
    yield one
    await one.close()


@pytest.fixture
async def org(tmp_path: Path) -> AsyncIterator[SetUpOrg]:
    async with set_up_org(tmp_path) as one:
        yield one


async def found(org: SetUpOrg, driver: Driver, now: Clock = clock.now) -> list[tuple[str, Finding]]:
    config = org.config
    channels = {key: one.salesforce for key, one in config.channels.items() if one.salesforce}
    return [
        one async for one in check(config.salesforce["production"], channels, config.public_url, driver.call, driver.run, now)
    ]


def not_ok(findings: list[tuple[str, Finding]]) -> list[tuple[str, str, str]]:
    return [(channel, one.state, one.sentence) for channel, one in findings if one.state != "ok"]


async def test_an_org_that_is_set_up_has_no_fault(org: SetUpOrg, driver: Driver) -> None:
    findings = await found(org, driver)
    assert not_ok(findings) == []
    assert {channel for channel, _ in findings} == {"", "sms-de", "sms-uk"}
    assert len(findings) == 8 + 11 + 14


# -------------------------------------------------------------------------------------------------------- signing in


async def no_token(org: SetUpOrg, driver: Driver, now: Clock = clock.now) -> str:
    (one,) = not_ok(await found(org, driver, now))
    assert one[1] == "FAULT"
    return one[2]


async def test_a_certificate_that_is_not_uploaded(org: SetUpOrg, driver: Driver) -> None:
    org.grants.apps[KEY] = App(KEY, (key_pair("another")[1],), frozenset({GATEWAY}))
    assert "certificate" in await no_token(org, driver)


async def test_a_user_who_is_not_approved(org: SetUpOrg, driver: Driver) -> None:
    org.grants.apps[KEY] = App(KEY, (key_pair()[1],), frozenset({ADMIN}))
    assert "pre-authorised" in await no_token(org, driver)


async def test_a_wrong_audience(org: SetUpOrg, driver: Driver) -> None:
    org.instance._instance_url = "https://other.my.salesforce.com"  # what the org takes for its own address
    assert "audience" in await no_token(org, driver)


async def test_a_clock_that_is_off(org: SetUpOrg, driver: Driver) -> None:
    assert "clock" in await no_token(org, driver, lambda: clock.now() - timedelta(minutes=10))


async def test_a_wrong_user(org: SetUpOrg, driver: Driver) -> None:
    org.raw = put("salesforce.production.username", "nobody@example.com", org.raw)
    assert "`username`" in await no_token(org, driver)


async def test_an_unknown_consumer_key(org: SetUpOrg, driver: Driver) -> None:
    org.raw = put("salesforce.production.consumer_key", "another", org.raw)
    assert "consumer_key" in await no_token(org, driver)


async def test_a_login_address_that_does_not_answer(org: SetUpOrg, driver: Driver) -> None:
    org.raw = put("salesforce.production.login_url", "http://127.0.0.1:9", org.raw)
    assert "doesn't answer" in await no_token(org, driver)


async def test_a_token_for_another_org(org: SetUpOrg, driver: Driver) -> None:
    org.raw = put("salesforce.production.org_id", "00D000000000009", org.raw)
    told = not_ok(await found(org, driver))
    assert told[0][2].startswith("the token is for the org 00D000000000001EAA, not 00D000000000009. Correct `org_id`")


# ------------------------------------------------------------------------------------------------------ what is set up


def forget_type(org: SetUpOrg) -> None:
    del org.records.events[EVENT]["EventType__c"]


def shorten(org: SetUpOrg) -> None:
    org.records.events[EVENT][PAYLOAD] = 255


def no_create(org: SetUpOrg) -> None:
    org.record("ObjectPermissions")["PermissionsCreate"] = False


def no_permissions(org: SetUpOrg) -> None:
    org.records.delete("ObjectPermissions", org.record("ObjectPermissions")["Id"])


def definition(**change: object) -> Callable[[SetUpOrg], None]:
    return lambda org: org.record("ConversationChannelDefinition", DeveloperName="Byoc_Uk").update(change)


def channel(**change: object) -> Callable[[SetUpOrg], None]:
    return lambda org: org.record("MessagingChannel", ChannelAddressIdentifier=ADDRESS).update(change)


def no_contact_center(org: SetUpOrg) -> None:
    org.records.delete("ContactCenterChannel", org.record("ContactCenterChannel")["Id"])


def no_custom_channel(org: SetUpOrg) -> None:
    org.records.delete("CustomMsgChannel", org.record("CustomMsgChannel")["Id"])


def no_vendor(org: SetUpOrg) -> None:
    for one in org.records.all("ConversationChannelDefinition"):  # BYOC for Messaging does without
        one["ConversationVendorInfo"] = None


def wrong_vendor(org: SetUpOrg) -> None:
    org.record("ConversationVendorInfo", VendorType="BringYourOwnContactCenter")["VendorType"] = "ServiceCloudVoicePartner"


def no_definition(org: SetUpOrg) -> None:
    org.records.delete(
        "ConversationChannelDefinition", org.record("ConversationChannelDefinition", DeveloperName="Byoc_Uk")["Id"]
    )


BROKEN = [
    (forget_type, "", "the event Byoc_Message__e has no field EventType__c"),
    (shorten, "", "the field Byoc_Message__e.Payload__c is a short text"),
    (no_create, "", f"the permission set {INTEGRATION_PERMISSION_SET} lacks Create on Byoc_Message__e"),
    (no_permissions, "", f"the permission set {INTEGRATION_PERMISSION_SET} lacks Read and Create on Byoc_Message__e"),
    (no_definition, "sms-uk", "there is no ConversationChannelDefinition Byoc_Uk"),
    (definition(CustomPlatformEvent="Other__e"), "sms-uk", "Byoc_Uk.CustomPlatformEvent is Other__e, and the config says Byoc_Message__e"),
    (definition(CustomEventTypeField=None), "sms-uk", "Byoc_Uk.CustomEventTypeField is empty, and the config says EventType__c"),
    (definition(RoutingOwner="Salesforce"), "sms-uk", "Byoc_Uk.RoutingOwner is Salesforce, and the config says Partner"),
    (definition(ConsentOwner="Salesforce"), "sms-uk", "Byoc_Uk.ConsentOwner is Salesforce, and the config says Partner"),
    (definition(IsConferenceSupported=False), "sms-uk", "Byoc_Uk.IsConferenceSupported is false"),
    (wrong_vendor, "sms-uk", "the ConversationVendorInfo BYOC_CCaaS is of the type ServiceCloudVoicePartner"),
    (channel(ChannelAddressIdentifier="x"), "sms-de", f"there is no messaging channel with the address {ADDRESS}"),
    (channel(MessageType="Text"), "sms-de", "the messaging channel Channel_"),
    (channel(IsActive=False), "sms-de", "the messaging channel Channel_"),
    (channel(ChannelDefinition={"DeveloperName": "Other"}), "sms-de", "the messaging channel was made with the definition Other, not Byoc_Sms"),
    (no_custom_channel, "sms-de", "the messaging channel has no CustomMsgChannel record"),
    (no_vendor, "sms-uk", "the ConversationChannelDefinition Byoc_Uk names no vendor"),
    (no_contact_center, "sms-uk", "the messaging channel belongs to no contact center"),
]  # fmt: skip


@pytest.mark.parametrize(("breaking", "about", "told"), BROKEN, ids=[told[:50] for _, _, told in BROKEN])
async def test_each_fault_is_found_with_its_fix(
    breaking: Callable[[SetUpOrg], None], about: str, told: str, org: SetUpOrg, driver: Driver
) -> None:
    breaking(org)
    ((channel_id, state, sentence),) = not_ok(await found(org, driver))
    assert (channel_id, state) == (about, "FAULT")
    assert sentence.startswith(told)
    assert sentence.endswith(".")


async def test_an_event_that_the_org_does_not_have(org: SetUpOrg, driver: Driver) -> None:
    org.raw = put("salesforce.production.event", "Other__e", org.raw)
    told = [sentence for channel_id, state, sentence in not_ok(await found(org, driver)) if state == "FAULT" and not channel_id]
    assert told[0].startswith("there is no platform event Other__e, or this user may not see it. Create the event")
    assert told[-1].startswith("/event/Other__e can't be subscribed to")


async def test_what_is_switched_off_is_a_note(org: SetUpOrg, driver: Driver) -> None:
    definition(EventCapabilitiesIsTypingIndicatorOptionHidden=True, EventCapabilitiesIsInboundAcknwOptionExposed=False)(org)
    for switches in org.records.all("CustomMsgChannel"):
        switches["EventCapabilitiesIsTypingIndicatorDisabled"] = True
        switches["EventCapabilitiesIsInboundAcknowledgementEnabled"] = False
    told = not_ok(await found(org, driver))
    assert {state for _, state, _ in told} == {"note"}
    assert [channel_id for channel_id, _, _ in told] == ["sms-de"] * 2 + ["sms-uk"] * 4


async def test_work_that_is_not_reported_is_a_note(org: SetUpOrg, driver: Driver) -> None:
    definition(EventCapabilitiesIsRoutingWorkResultSupported=False)(org)
    ((channel_id, state, sentence),) = not_ok(await found(org, driver))
    assert (channel_id, state) == ("sms-uk", "note")
    assert sentence.startswith("Byoc_Uk.EventCapabilitiesIsRoutingWorkResultSupported is false. Set it to true")


async def test_a_vendor_with_another_connector_page_is_a_note(org: SetUpOrg, driver: Driver) -> None:
    org.record("ConversationVendorInfo", VendorType="BringYourOwnContactCenter")["ConnectorUrl"] = None
    ((channel_id, state, sentence),) = not_ok(await found(org, driver))
    assert (channel_id, state) == ("sms-uk", "note")
    assert "Set its ConnectorUrl to http://127.0.0.1:8080/salesforce/connector" in sentence


async def test_what_the_user_may_not_see_is_not_checked_and_no_fault(org: SetUpOrg, driver: Driver) -> None:
    hidden = ("ConversationChannelDefinition", "ConversationVendorInfo", "MessagingChannel", "CustomMsgChannel", "PermissionSet")
    org.records.hidden = frozenset(hidden)
    told = not_ok(await found(org, driver))
    assert {state for _, state, _ in told} == {"not checked"}
    assert len(told) == 1 + 2 * 2


async def test_a_vendor_by_its_record_id() -> None:
    """As the ordinary object has it, where the Tooling API isn't open to the user."""
    asked: list[str] = []

    async def call(one: HttpCall) -> HttpReply:
        query = parse_qs(urlsplit(one.url).query)["q"][0]
        asked.append(query)
        if "tooling" in one.url or "SELECT ConversationVendorInfo " in query:
            return HttpReply(400, {}, json.dumps([{"errorCode": "INVALID_FIELD", "message": "no"}]).encode())
        record = (
            {"ConversationVendorInfoId": "0oV000000000001"} if "InfoId" in query else {"VendorType": "BringYourOwnChannelPartner"}
        )
        return HttpReply(200, {}, json.dumps({"records": [{"attributes": {"type": "X"}, **record}]}).encode())

    config = build(RAW).config
    there = config.channels["sms-de"].salesforce
    assert there is not None
    inspector = Inspector(call, config.salesforce["production"], "t")
    vendor = await _vendor_of(inspector, there)
    assert vendor == "0oV000000000001"
    assert await inspector.one(queries.vendor(vendor))
    assert asked[-1].endswith("WHERE Id = '0oV000000000001'")


async def test_an_older_version_of_the_api_is_not_checked_for_what_it_lacks(org: SetUpOrg, driver: Driver) -> None:
    org.raw = put("salesforce.production.api_version", "63.0", org.raw)
    told = not_ok(await found(org, driver))
    assert {state for _, state, _ in told} == {"not checked"}
    assert any("supports conferences" in sentence for _, _, sentence in told)


async def test_a_stream_that_can_not_be_reached(org: SetUpOrg, driver: Driver) -> None:
    org.raw = put("salesforce.production.pubsub_endpoint", "127.0.0.1:9", org.raw)
    ((_, state, sentence),) = not_ok(await found(org, driver))
    assert state == "FAULT"
    assert sentence.startswith(f"/event/{EVENT} can't be subscribed to at 127.0.0.1:9")


# ---------------------------------------------------------------------------------------------------------- the command


async def test_the_command_prints_each_finding_and_fails_on_a_fault(org: SetUpOrg, tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(yaml.safe_dump(org.raw))
    sound = await asyncio.to_thread(CliRunner().invoke, main, ["check", "--config", str(path), "--online"])
    assert sound.exit_code == 0, sound.output
    assert "Salesforce org production (http://127.0.0.1:" in sound.output
    assert "  ok           sms-uk: the messaging channel belongs to a contact center\n" in sound.output
    no_contact_center(org)
    faulty = await asyncio.to_thread(CliRunner().invoke, main, ["check", "--config", str(path), "--online"])
    assert faulty.exit_code == 1
    assert "  FAULT        sms-uk: the messaging channel belongs to no contact center. Add it" in faulty.output
    shown = sound.output + faulty.output
    assert not any(line in shown for line in key_pair()[0].decode().splitlines()[1:-1])
    assert not any(token in shown for token in org.tokens._sessions)


async def test_the_command_without_an_org(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text("public_url: http://127.0.0.1:8080\n")
    told = await asyncio.to_thread(CliRunner().invoke, main, ["check", "--config", str(tmp_path / "gateway.yaml"), "--online"])
    assert told.exit_code == 0
    assert "no Salesforce org to ask" in told.output


async def test_without_the_packages_the_stream_is_not_checked(
    org: SetUpOrg, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gateway.brokers.salesforce.connection", None)
    ((_, state, sentence),) = not_ok(await found(org, driver))
    assert state == "not checked"
    assert "install byoc-gateway[salesforce]" in sentence
