"""The org's events are published once each, wherever a run is cut off, and receipts, files and typing find their way."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.brokers.salesforce.simulator import ids
from gateway.brokers.salesforce.simulator.contract import Acknowledged, Upload
from gateway.session.commands import Invite, SayToCustomer
from gateway.session.model import Login, Recipient, RecipientType
from tests.brokers.salesforce.console import Console, console
from tests.world import wait_until

ANA, BEN = Login("ana"), Login("ben")


def entry_ids(events: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [payload["payload"]["identifier"] for _, payload in events]


async def cut_off_after(org: Console, events: int) -> None:
    """The exporter publishes so many more, and then no more: what it noted of its place is from before."""
    bus, published = org.organisation.log, asyncio.Event()
    append, left = bus.append, [events]

    async def some(event_type: str, payload: Mapping[str, Any], event_id: str | None = None) -> bytes:
        if left[0] == 0:
            published.set()
            await asyncio.Event().wait()
        left[0] -= 1
        return await append(event_type, payload, event_id)

    bus.append = some  # type: ignore[method-assign]
    await org.says((await org.session()).id, "ana", "is this lost?")
    await org.customer_says("no")
    await org.says((await org.session()).id, "ana", "good")
    await published.wait()


@pytest.mark.parametrize("events", [0, 1, 2])
async def test_what_was_published_before_a_stop_is_not_published_again(events: int, tmp_path: Path) -> None:
    async with console(tmp_path) as org:
        await org.taken()
        await org.until("SessionStatusChanged", 2)
        await cut_off_after(org, events)
    async with console(tmp_path) as org:
        await org.until("Message", 2)
        await org.until("DeliveryAcknowledgement", 2)
        told = [p["payload"] for _, p in await org.published()]
        tail = [one["entryType"] for one in told if one["entryType"] in ("Message", "DeliveryAcknowledgement")]
        assert tail == ["DeliveryAcknowledgement", "Message", "DeliveryAcknowledgement", "Message"]
        every = entry_ids(await org.published())
        assert len(every) == len(set(every))


async def test_a_receipt_finds_the_message(tmp_path: Path) -> None:
    async with console(tmp_path) as org:
        session_id = await org.taken()
        await org.says(session_id, "ana", "one")
        await org.says(session_id, "ana", "two")
        first, second = (one["identifier"] for one in await org.until("Message", 2))
        conversation, now = await org.conversation(), datetime.now(UTC)
        await org.organisation.org.acknowledged(
            conversation, [Acknowledged(first, "Read", now, "x"), Acknowledged("?", "Read", now, "y")]
        )
        await org.organisation.org.not_delivered(conversation, second, "unreachable", "The phone is off.")

        async def states() -> list[str]:
            page = await org.organisation.estate.broker.entries(org.caller("ana"), session_id, before=None, after=0, limit=50)
            return [one.delivery[0].status for one in page.items if one.delivery]  # type: ignore[union-attr]

        await wait_until(lambda: _equal(states, ["read", "failed"]), what="both receipts")


async def _equal(read: Any, expected: object) -> bool:
    return bool(await read() == expected)


async def test_a_customers_file_is_stored_and_reported(tmp_path: Path) -> None:
    async with console(tmp_path) as org:
        await org.taken()
        sent = await org.customer_says(Upload("hinge.png", "image/png", b"a picture", "look"))
        (updated,) = await org.until("MessageUpdated")
        message = updated["entryPayload"]["updatedMessage"]
        assert message["id"] == sent
        (attachment,) = message["staticContent"]["attachments"]
        assert attachment["attachmentUploadResult"] == {"resultType": "CompletedAttachmentUploadResult"}
        assert list((tmp_path / "uploads").iterdir()) == []


async def test_a_reps_file_has_an_address_on_the_orgs_file_host(tmp_path: Path) -> None:
    async with console(tmp_path) as org:
        session_id = await org.taken()
        file = await org.organisation.estate.broker.store_file(org.caller("ana"), "terms.pdf", "application/pdf", b"%PDF")
        await org.does(session_id, SayToCustomer(by=ANA, text="the terms", file=file))
        (message,) = await org.until("Message")
        content = message["entryPayload"]["abstractMessage"]["staticContent"]
        assert (content["formatType"], content["text"]) == ("Attachments", "the terms")
        (attachment,) = content["attachments"]
        assert attachment["url"].startswith("http://127.0.0.1:1/media/")
        assert (attachment["name"], attachment["mimeType"]) == ("terms.pdf", "application/pdf")


async def test_a_rep_who_types_is_reported(tmp_path: Path) -> None:
    async with console(tmp_path) as org:
        session_id = await org.taken()
        for on in (True, False):
            await org.organisation.estate.broker.typing(org.caller("ana"), session_id, on)
        (started,) = await org.until("TypingStartedIndicator")
        await org.until("TypingStoppedIndicator")
        assert started["sender"] == {"appType": "agent", "subject": ids.user_id("ana"), "role": "Agent"}


async def test_the_conversation_stays_and_each_session_is_another(tmp_path: Path) -> None:
    async with console(tmp_path) as org:
        before = await org.conversation()
        await org.customer_says("hello")
        assert await org.conversation() == before
        assert await org.organisation.org.end(before, "End", "EndUser", None) is None
        (*_, ended) = await org.until("SessionStatusChanged", 2)
        assert ended["entryPayload"]["sessionId"] == before.session_id
        assert ended["entryPayload"]["sessionEndedByRole"] == "EndUser"
        again = await org.conversation()
        assert (again.id, again.session_id == before.session_id) == (before.id, False)
        assert await org.organisation.org.end(again, "End", "System", None) == "ACTIVE_CONVERSATION_NOT_FOUND"


@pytest.mark.parametrize(("anew", "entries"), [(False, 1), (True, 2)])
async def test_the_same_entry_twice_is_one_unless_the_org_does_not_recognise_it(tmp_path: Path, anew: bool, entries: int) -> None:
    async with console(tmp_path) as org:
        sent = await org.customer_says("hello")
        await org.customer_says("hello", entry_id=sent, anew=anew)
        assert (await org.session()).entry_count == entries


async def test_an_answer_names_what_it_answers(tmp_path: Path) -> None:
    async with console(tmp_path) as org:
        session_id = await org.taken()
        asked = await org.customer_says("how much?")
        number = (await org.session()).entry_count
        await org.does(session_id, SayToCustomer(by=ANA, text="40", reply_to=number))
        (message,) = await org.until("Message")
        assert message["entryPayload"]["abstractMessage"]["inReplyToMessageId"] == asked


async def test_numbers_count_what_was_published(tmp_path: Path) -> None:
    async with console(tmp_path) as org:
        session_id = await org.taken()
        await org.online("ben")
        await org.does(session_id, Invite(by=ANA, recipient=Recipient(type=RecipientType.agent, id=BEN)))
        await org.until("SessionStatusChanged", 2)

        async def counted() -> bool:
            numbers = await org.organisation.org.numbers()
            return bool(numbers["events_24h"].get("published") == len(await org.published()))

        await wait_until(counted, what="all events counted")
