"""Channels that several apps of the business share, with Salesforce in control: a conversation that another app gives us asks for a rep there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from adapters.envelope import Address, ChannelId, EndUser, InboundHandover, InboundMessage, Referral, TextPart
from gateway import clock
from tests.brokers.salesforce.test_whole import heard
from tests.brokers.salesforce.whole import Sandbox, conversation_of, gateway_of, sandbox
from tests.world import World, wait_until


@pytest.fixture
async def org(tmp_path: Path) -> AsyncIterator[Sandbox]:
    async with sandbox(tmp_path / "org") as one:
        yield one


@pytest.fixture
async def world(org: Sandbox, tmp_path: Path) -> AsyncIterator[World]:
    async with gateway_of(org, tmp_path / "gateway") as one:
        yield one


def message(text: str, **more: Any) -> InboundMessage:
    return InboundMessage(
        channel_id=ChannelId("open"),
        event_id=text,
        message_id=text,
        end_user=EndUser(address=Address("lea")),
        received_at=clock.now(),
        parts=(TextPart(text=text),),
        **more,
    )


def handover(change: Any, **more: Any) -> InboundHandover:
    return InboundHandover(
        channel_id=ChannelId("open"),
        event_id=f"handover {change}",
        end_user=EndUser(address=Address("lea")),
        received_at=clock.now(),
        change=change,
        app="bot",
        app_id="263902037430900",
        **more,
    )


async def test_what_was_said_to_a_bot_comes_along_when_it_hands_over(org: Sandbox, world: World) -> None:
    said: list[InboundMessage | InboundHandover] = [message("a human please", standby=True), handover("to_us", metadata="angry")]
    assert await world.gateway.broker.take_in(said) == [None, None]
    conversation = await conversation_of(org, "open")
    await wait_until(lambda: heard(org, conversation) == ["a human please"], what="the customer's words")


async def test_a_handover_without_words_asks_for_a_rep_all_the_same(org: Sandbox, world: World) -> None:
    assert await world.gateway.broker.take_in([handover("to_us", metadata="wants a human")]) == [None]
    conversation = await conversation_of(org, "open")
    await wait_until(lambda: heard(org, conversation) == ["[handed over by another app] wants a human"], what="the handover")


async def test_standby_and_a_taken_conversation_call_nobody(org: Sandbox, world: World) -> None:
    said: list[InboundMessage | InboundHandover] = [message("for the bot", standby=True), handover("away")]
    assert await world.gateway.broker.take_in(said) == [None, None]
    await world.customer("open").says("Kim is here")
    conversation = await conversation_of(org, "open")
    assert list(org.plain.threads) == [conversation]
    assert heard(org, conversation) == ["Kim is here"]


async def test_what_brought_the_customer_is_told_with_their_first_words(org: Sandbox, world: World) -> None:
    came = message("Is it still there?", referral=Referral(source="ad", headline="Red lamps, half price"))
    assert await world.gateway.broker.take_in([came]) == [None]
    conversation = await conversation_of(org, "open")
    await wait_until(lambda: heard(org, conversation)[-1:] == ["Is it still there?"], what="the message")
    assert "Red lamps, half price" in heard(org, conversation)[0]
