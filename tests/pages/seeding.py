"""A demo's data with much in it, written by the broker itself before the demo starts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from adapters.envelope import Address, ChannelId, EndUser, InboundMessage, TextPart
from gateway.app import Gateway
from gateway.demo import cast

_BEGIN = datetime(2026, 11, 1, 8, tzinfo=UTC)
_BATCH = 2_000


def messages(customer: str, count: int) -> Iterator[InboundMessage]:
    """What a customer wrote, one a minute; every seventh is long."""
    for number in range(1, count + 1):
        at = _BEGIN + timedelta(minutes=number)
        text = f"Message {number} of {customer}" + (" and much more to say about it" * 12 if number % 7 == 0 else "")
        yield InboundMessage(
            channel_id=ChannelId("whatsapp"),
            event_id=f"{customer}-{number}",
            message_id=f"{customer}-{number}",
            end_user=EndUser(address=Address(customer), name=customer.capitalize()),
            provider_time=at,
            received_at=at,
            parts=(TextPart(text=text),),
        )


def seed(folder: Path, customers: dict[str, int]) -> None:
    """So many messages of each customer. Runs in a thread, for a browser's driver may hold this one's event loop."""
    failed: list[BaseException] = []

    def work() -> None:
        try:
            asyncio.run(_seed(folder, customers))
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work, name="seed")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


async def _seed(folder: Path, customers: dict[str, int]) -> None:
    broker = Gateway(cast.load(1, folder), demo=True).broker
    await broker.open()
    try:
        waiting: list[InboundMessage] = []
        for customer, count in customers.items():
            waiting += messages(customer, count)
        for start in range(0, len(waiting), _BATCH):
            results = await broker.take_in(waiting[start : start + _BATCH])
            assert not any(results), next(filter(None, results))
    finally:
        await broker.close()
