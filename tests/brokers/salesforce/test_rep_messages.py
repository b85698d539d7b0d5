"""A rep's message in several parts on its way to the customer, and what Salesforce learns of it: one thing of the whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.brokers.salesforce.test_whole import says, texts_on
from tests.brokers.salesforce.whole import ANN, Sandbox, gateway_of, sandbox
from tests.world import World, wait_until


@pytest.fixture
async def org(tmp_path: Path) -> AsyncIterator[Sandbox]:
    async with sandbox(tmp_path / "org") as one:
        yield one


@pytest.fixture
async def world(org: Sandbox, tmp_path: Path) -> AsyncIterator[World]:
    async with gateway_of(org, tmp_path / "gateway") as one:
        yield one


def sends(org: Sandbox, conversation: str, *urls: str, text: str = "Here they are") -> str:
    """Ann sends files with a text; the entry's id."""
    files = [
        {"id": f"06800000000000{n}", "name": f"{n}.png", "mimeType": "image/png", "url": url} for n, url in enumerate(urls, 1)
    ]
    content = {"formatType": "Attachments", "text": text, "attachments": files}
    return org.plain.publish(conversation, ANN, "Message", {"messageType": "StaticContentMessage", "staticContent": content})


def learned(org: Sandbox, conversation: str, entry: str) -> list[Any]:
    """What Salesforce was told of it."""
    thread = org.plain.threads[conversation]
    acknowledged = [one.status for one in thread.receipts if one.entry_id == entry]
    return [*acknowledged, *(code for failed, code in thread.failures if failed == entry)]


async def test_of_a_message_with_files_delivery_is_told_when_all_of_it_is_there(org: Sandbox, world: World) -> None:
    conversation = await says(world, org, "whatsapp")
    whole = sends(org, conversation, f"{org.url}/files/dot.png", f"{org.url}/files/dot.png")
    await wait_until(lambda: learned(org, conversation, whole), what="the receipt")

    async def pictures() -> int:
        return len([line for line in await world.customer("whatsapp").seen("message") if line["media"]])

    assert await pictures() == 2
    assert learned(org, conversation, whole) == ["Delivered"]


async def test_a_message_of_which_a_file_is_lost_is_not_delivered(org: Sandbox, world: World) -> None:
    conversation = await says(world, org, "whatsapp")
    part = sends(org, conversation, f"{org.url}/files/dot.png", "http://127.0.0.1:1/dot.png", "http://127.0.0.1:1/dot.png")
    org.plain.say(conversation, ANN, "Did you get them?")
    after = org.plain.say(conversation, ANN, "Well?")
    await wait_until(lambda: learned(org, conversation, after) and learned(org, conversation, part), what="both outcomes")
    (code,) = learned(org, conversation, part)
    assert code != "Delivered"


async def test_a_long_text_is_acknowledged_once(org: Sandbox, world: World) -> None:
    conversation = await says(world, org, "whatsapp")
    words = " ".join(f"word{number}" for number in range(3_000))
    entry = org.plain.say(conversation, ANN, words)
    after = org.plain.say(conversation, ANN, "That was all")
    await wait_until(lambda: learned(org, conversation, after), what="the second receipt")
    assert learned(org, conversation, entry) == ["Delivered"]
    shown = await texts_on(world, "whatsapp", 3)
    assert "".join("".join(shown[1:-1]).split()).count("word") == 3_000
