"""What erasing a customer leaves in Salesforce is named: where, by which keys, and who can delete it."""

from __future__ import annotations

from gateway import config
from gateway.brokers.salesforce.erasure import what_stays
from tests.config.test_salesforce import ADDRESS, RAW

CONFIG = config.build(RAW).config


def test_each_kind_of_record_is_named_with_its_keys() -> None:
    there = CONFIG.channels["sms-de"].salesforce
    assert there is not None
    told = "\n".join(what_stays("production", CONFIG.salesforce["production"], there, "+4915112345678", ["6f1c"]))
    for word in (
        "MessagingEndUser",
        "MessagingSession",
        "ConversationEntry",
        "ContentDocument",
        "72 hours",
        "Conversation Data API",
    ):
        assert word in told
    assert f"MessagingPlatformKey = '+4915112345678' AND MessagingChannel.ChannelAddressIdentifier = '{ADDRESS}'" in told
    assert "00D000000000001" in told
    assert "(conversation 6f1c)" in told
    assert "PRIVATE KEY" not in told


def test_an_address_can_not_leave_its_quotes() -> None:
    there = CONFIG.channels["sms-de"].salesforce
    assert there is not None
    told = "\n".join(what_stays("production", CONFIG.salesforce["production"], there, "kim' OR Id != ''"))
    assert "MessagingPlatformKey = 'kim\\' OR Id != \\'\\'' AND" in told
