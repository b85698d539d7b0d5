"""A long text is split before the writer has the command, and what goes out is what the writer itself would split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import current_thread

import pytest

from adapters.contract import TextUnit
from adapters.text import split
from gateway.brokers import embedded
from gateway.session.commands import SayToCustomer
from gateway.session.decision import Refusal
from gateway.session.model import Login
from tests.brokers.desk import Desk, desk

LONG = "Good day, dear customer. " * 400


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The threads that split, one for each time."""
    return note(monkeypatch, lambda: None)


def note(monkeypatch: pytest.MonkeyPatch, then: Callable[[], None]) -> list[str]:
    threads: list[str] = []

    def splitting(text: str, limit: int, unit: TextUnit) -> list[str]:
        threads.append("writer" if current_thread().name.startswith("writer") else "reader")
        try:
            return split(text, limit, unit)
        finally:
            then()

    monkeypatch.setattr(embedded, "split", splitting)
    return threads


def narrow(one: Desk) -> None:
    """The channel takes fewer characters from now on."""
    channel = one.channel(one.channel_id)
    channel.adapter = replace(channel.adapter, capabilities=channel.adapter.capabilities.model_copy(update={"max_text": 1_000}))


async def going_out(one: Desk) -> list[str]:
    """What a rep said, as it goes to the customer, in order."""
    return [
        text
        for (text,) in await one.rows("SELECT json_extract(payload, '$.text') FROM outbox WHERE kind = 'say' ORDER BY ordinal")
    ]


async def test_a_long_text_is_split_once_and_not_by_the_writer(tmp_path: Path, noted: list[str]) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        await one.say(session_id, "good day")
        assert noted == ["writer"], "it isn't long"
        noted.clear()
        await one.say(session_id, LONG)
        assert noted == ["reader"]
        short, *pieces = await going_out(one)
        capabilities = one.channel(one.channel_id).adapter.capabilities
    assert len(pieces) > 1
    assert pieces == split(short.removesuffix("good day") + LONG, capabilities.max_text, capabilities.text_unit)


async def test_what_is_different_when_the_writer_decides_is_split_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        threads = note(monkeypatch, lambda: narrow(one))
        await one.say(session_id, LONG)
        assert threads == ["reader", "writer"]
        pieces = await going_out(one)
    assert all(len(piece) <= 1_000 for piece in pieces)
    assert " ".join(pieces).endswith(LONG.strip())


async def test_a_long_text_that_is_refused_is_not_split(tmp_path: Path, noted: list[str]) -> None:
    async with desk(tmp_path) as one:
        session_id = await one.conversation()
        noted.clear()
        for login in ("ben", "sam"):
            refused = await one.refused_or_done(SayToCustomer(by=Login(login), text=LONG), session_id)
            assert isinstance(refused, Refusal)
    assert noted == []
