"""`byoc salesforce setup --diff` and `--apply`, against an org that listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from gateway.brokers.salesforce.inspecting import Inspector, OrgUnavailable
from gateway.brokers.salesforce.setting_up.applying import NotCreated, create_missing, difference
from gateway.brokers.salesforce.setting_up.plan import plan_of
from gateway.brokers.salesforce.simulator.records import INTEGRATION_PERMISSION_SET, Records
from gateway.cli import main
from gateway.journal.driver import Driver
from tests.brokers.salesforce.set_up_org import EVENT, GATEWAY, KEY, UK, SetUpOrg, set_up_org
from tests.config.test_salesforce import ADDRESS

PIECES = 12


@pytest.fixture
async def driver() -> AsyncIterator[Driver]:
    one = Driver()
    yield one
    await one.close()


def bare(*addresses: str) -> Records:
    """What an org has before it is set up: the runtime's own permission set, and the messaging channels that were made in Setup."""
    records = Records()
    records.create("PermissionSet", {"Name": INTEGRATION_PERMISSION_SET})
    for address in addresses:
        records.create("MessagingChannel", {"ChannelAddressIdentifier": address})
    return records


async def compared(org: SetUpOrg, driver: Driver, token: str | None = None) -> tuple[bool, list[str]]:
    there, lines = org.config.salesforce["production"], list[str]()
    inspector = Inspector(driver.call, there, token or org.admin_token())
    return await difference(inspector, plan_of(org.config, "production"), lines.append), lines


async def applied(org: SetUpOrg, driver: Driver) -> tuple[bool, list[str]]:
    there, lines = org.config.salesforce["production"], list[str]()
    inspector = Inspector(driver.call, there, org.admin_token())
    return await create_missing(inspector, there, plan_of(org.config, "production"), lines.append), lines


async def test_a_bare_org_gets_everything_and_then_is_as_planned(tmp_path: Path, driver: Driver) -> None:
    async with set_up_org(tmp_path, records=bare(ADDRESS, UK)) as org:
        whole, before = await compared(org, driver)
        assert not whole
        assert [line.split()[0] for line in before] == ["missing"] * PIECES + ["not"]
        whole, lines = await applied(org, driver)
        assert whole, lines
        assert [line.rpartition(": ")[2] for line in lines[:-1]] == ["created"] * PIECES
        assert lines[0] == f"[1/{PIECES}] platform event {EVENT}: created"
        whole, after = await compared(org, driver)
        assert whole, after
        definition = org.record("ConversationChannelDefinition", DeveloperName="Byoc_Uk")
        assert (definition["RoutingOwner"], definition["IsConferenceSupported"]) == ("Partner", True)


async def test_channels_that_are_still_to_be_made_in_setup(tmp_path: Path, driver: Driver) -> None:
    async with set_up_org(tmp_path, records=bare(ADDRESS)) as org:
        whole, lines = await applied(org, driver)
        assert not whole
        assert lines[-3] == f"[11/{PIECES}] CustomMsgChannel of sms-de: created"
        told = f"there is no messaging channel with the address {UK} yet: create it in Setup"
        assert lines[-2] == f"[12/{PIECES}] CustomMsgChannel of sms-uk: not seen, not changed ({told})"


async def test_what_exists_is_skipped(tmp_path: Path, driver: Driver) -> None:
    """As after a run that was cut off: what it made stays, the rest is made."""
    async with set_up_org(tmp_path, records=bare(ADDRESS, UK)) as org:
        await applied(org, driver)
        definition = org.record("ConversationChannelDefinition", DeveloperName="Byoc_Uk")
        org.records.delete("ConversationChannelDefinition", definition["Id"])
        whole, lines = await applied(org, driver)
        assert whole
        assert [line for line in lines if line.endswith("created")] == [
            f"[7/{PIECES}] ConversationChannelDefinition Byoc_Uk: created"
        ]
        assert len([line for line in lines if line.endswith("exists")]) == PIECES - 1


async def test_what_differs_is_shown_and_never_changed(tmp_path: Path, driver: Driver) -> None:
    async with set_up_org(tmp_path, records=bare(ADDRESS, UK)) as org:
        await applied(org, driver)
        definition = org.record("ConversationChannelDefinition", DeveloperName="Byoc_Sms")
        definition["IsConferenceSupported"] = False
        whole, lines = await compared(org, driver)
        assert not whole
        told = "ConversationChannelDefinition Byoc_Sms: isConferenceSupported: planned True, found False"
        assert [line for line in lines if line.startswith("DIFFERS")] == [f"DIFFERS   {told}"]
        whole, lines = await applied(org, driver)
        assert not whole
        assert "differs, not changed (isConferenceSupported: planned True, found False)" in "\n".join(lines)
        assert definition["IsConferenceSupported"] is False


async def test_what_can_not_be_seen_is_not_taken_for_missing(tmp_path: Path, driver: Driver) -> None:
    async with set_up_org(tmp_path) as org:
        org.records.hidden = frozenset({"ConversationVendorInfo", "PermissionSet"})
        token = org.tokens.issue(GATEWAY, KEY, frozenset({"api"})).token
        whole, lines = await compared(org, driver, token)
        assert not whole
        unseen = [line for line in lines if line.startswith("not seen")]
        assert len(unseen) == 5
        assert all("INVALID_TYPE" in line for line in unseen)


async def test_a_refused_record_stops_and_says_why(tmp_path: Path, driver: Driver) -> None:
    async with set_up_org(tmp_path, records=bare(ADDRESS, UK)) as org:
        org.raw["salesforce"]["production"]["event_type_field"] = "EventType"  # the API's names of fields end in __c
        with pytest.raises(NotCreated, match=r"field Byoc_Message__e\.EventType: the org refuses it: FIELD_INTEGRITY_EXCEPTION"):
            await applied(org, driver)


async def test_a_token_that_the_org_refuses(tmp_path: Path, driver: Driver) -> None:
    async with set_up_org(tmp_path) as org:
        with pytest.raises(OrgUnavailable, match=r"refuses the token \(INVALID_SESSION_ID\)"):
            await compared(org, driver, "canary-token")


async def test_the_command_takes_the_token_from_the_environment_and_never_shows_it(tmp_path: Path) -> None:
    async with set_up_org(tmp_path, records=bare(ADDRESS, UK)) as org:
        path = tmp_path / "gateway.yaml"
        path.write_text(yaml.safe_dump(org.raw))
        token = org.admin_token()

        def run(option: str, **more: Any) -> Any:
            arguments = ["salesforce", "setup", "--config", str(path), "--org", "production", option]
            return CliRunner().invoke(main, arguments, **more)

        diff = await asyncio.to_thread(run, "--diff", env={"SALESFORCE_ADMIN_TOKEN": token})
        assert diff.exit_code == 1
        apply = await asyncio.to_thread(run, "--apply", env={"SALESFORCE_ADMIN_TOKEN": ""}, input=f"{token}\n")
        assert apply.exit_code == 0, apply.output
        again = await asyncio.to_thread(run, "--diff", env={"SALESFORCE_ADMIN_TOKEN": token})
        assert again.exit_code == 0, again.output
        written = "".join(f.read_text(errors="replace") for f in tmp_path.rglob("*") if f.is_file())  # noqa: ASYNC240
        assert token not in diff.output + apply.output + again.output + written
