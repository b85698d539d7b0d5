"""Consent that the gateway keeps (BYOC for CCaaS): Salesforce is told when a customer stops it, and when they write again."""

from __future__ import annotations

from pathlib import Path

from tests.brokers.salesforce.whole import channels_of, conversation_of, gateway_of, sandbox
from tests.world import wait_until


async def test_stopped_and_given_again(tmp_path: Path) -> None:
    channels = channels_of(product="ccaas", consent="partner")
    async with (
        sandbox(tmp_path / "org", channels) as org,
        gateway_of(org, tmp_path / "gateway", product="ccaas", consent="partner") as world,
    ):
        kim = world.customer("open")
        await kim.says("hello")
        await conversation_of(org, "open")
        assert org.plain.consents == {}
        await kim.does("block")
        await wait_until(lambda: list(org.plain.consents.values()) == ["OptedOut"], what="the end of consent in the org")
        await kim.does("unblock")
        await kim.says("hello again")
        await wait_until(lambda: list(org.plain.consents.values()) == ["ImplicitlyOptedIn"], what="consent in the org")
