"""Customers' files, fetched from real servers: kept early, tried again, given up with a reason, never larger than we take."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from adapters.envelope import MediaPart, TextPart
from adapters.replies import file_sentence_of
from tests.journal.outpost import Outpost, at_work, line, outpost, sms
from tests.journal.provider import OddProvider, odd_provider, text
from tests.world import PNG, wait_until


@pytest.fixture
async def provider() -> AsyncIterator[OddProvider]:
    async with odd_provider() as one:
        yield one


async def with_picture(one: Outpost, provider: OddProvider) -> str:
    """A session whose first message brought a picture."""
    url = f"{provider.address}/2010-04-01/Accounts/AC{'0' * 32}/Messages/MM1/Media/ME1"
    picture = MediaPart(media="image", mime_type="image/png", source={"url": url})
    return await one.conversation("sms", "kim", TextPart(text="look"), picture)


async def settled(one: Outpost, session_id: str) -> dict[str, Any]:
    """The picture, once it is ready or given up."""

    async def found() -> Any:
        media = next(iter((await one.lines(session_id))[0].media.values()))
        return media if media["state"] != "pending" else None

    return dict(await wait_until(found, what="the picture is ready, or given up"))


def world(provider: OddProvider, **limits: int) -> dict[str, Any]:
    return {"allow_private_media_hosts": [provider.host], **({"limits": limits} if limits else {})}


async def test_the_text_is_there_at_once_the_picture_when_it_has_come(provider: OddProvider, tmp_path: Path) -> None:
    def picture(seen: Any) -> web.Response:
        return web.Response(body=PNG, content_type="image/png")

    provider.will(picture)
    async with outpost(tmp_path, {"sms": sms(provider.address)}, **world(provider)) as one:
        session_id = await with_picture(one, provider)
        (first, *_) = await one.lines(session_id)
        assert first.entry.text
        async with at_work(one.gateway.fetcher.run()):
            media = await settled(one, session_id)
        assert (media["state"], media["size_bytes"]) == ("ready", len(PNG))
        (media_id,) = first.media
        assert await one.gateway.files.read(media_id) == PNG


async def test_a_server_in_trouble_is_asked_again(provider: OddProvider, tmp_path: Path) -> None:
    provider.will(text("down", status=503), None, text("pixels"))
    async with outpost(tmp_path, {"sms": sms(provider.address)}, **world(provider)) as one:
        session_id = await with_picture(one, provider)
        async with at_work(one.gateway.fetcher.run()):
            assert (await settled(one, session_id))["state"] == "ready"
        assert len(provider.seen) == 3


async def test_a_file_that_is_gone_is_given_up_with_a_reason(provider: OddProvider, tmp_path: Path) -> None:
    provider.will(text("no such file", status=404))
    async with outpost(tmp_path, {"sms": sms(provider.address)}, **world(provider)) as one:
        session_id = await with_picture(one, provider)
        async with at_work(one.gateway.fetcher.run()):
            media = await settled(one, session_id)
        assert media["state"] == "failed"
        assert media["reason"]
        assert media["url"] is None


async def test_a_file_that_is_too_large_is_not_kept(provider: OddProvider, tmp_path: Path) -> None:
    provider.will(text("x" * 1_001))
    async with outpost(tmp_path, {"sms": sms(provider.address)}, **world(provider, file_max_bytes=1_000)) as one:
        session_id = await with_picture(one, provider)
        async with at_work(one.gateway.fetcher.run()):
            assert (await settled(one, session_id))["state"] == "failed"
        assert not list((tmp_path / "media").rglob("med_*"))


async def test_a_file_that_was_not_fetched_before_a_crash_is_fetched_after_it(provider: OddProvider, tmp_path: Path) -> None:
    provider.may_answer.clear()
    async with outpost(tmp_path, {"sms": sms(provider.address)}, **world(provider)) as one:
        session_id = await with_picture(one, provider)
        async with at_work(one.gateway.fetcher.run()):
            await wait_until(lambda: provider.seen)
    provider.may_answer.set()
    async with outpost(tmp_path, {"sms": sms(provider.address)}, **world(provider)) as one, at_work(one.gateway.fetcher.run()):
        assert (await settled(one, session_id))["state"] == "ready"


async def test_a_forbidden_address_is_given_up_at_once_and_nobody_else_is_blamed(provider: OddProvider, tmp_path: Path) -> None:
    picture = MediaPart(media="image", mime_type="image/png", source={"url": f"{provider.address}/picture.png"})
    async with outpost(tmp_path, {"line": line(provider.address)}) as one:
        session_id = await one.conversation("line", "kim", TextPart(text="look"), picture)
        async with at_work(one.gateway.fetcher.run()):
            media = await settled(one, session_id)
        assert media["state"] == "failed"
        assert media["reason"] == file_sentence_of("media_address_refused")
        assert "trouble" not in media["reason"]
        assert "retried automatically" not in media["reason"]
        assert provider.seen == []


async def test_after_the_last_try_the_rep_is_told_what_to_do_and_promised_nothing(
    provider: OddProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.journal.fetcher.backoff", lambda attempts, **limits: 0.0)
    provider.will(text("down", status=503))
    async with outpost(tmp_path, {"sms": sms(provider.address)}, **world(provider)) as one:
        session_id = await with_picture(one, provider)
        async with at_work(one.gateway.fetcher.run()):
            media = await settled(one, session_id)
    assert len(provider.seen) == 12
    assert (media["state"], media["reason"]) == ("failed", file_sentence_of("provider_unavailable"))
    assert "automatically" not in media["reason"]


async def test_the_log_says_why_a_file_is_not_fetched_first_and_last(
    provider: OddProvider, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    provider.will(text("down", status=503), text("down", status=503), text("no", status=403))
    async with outpost(tmp_path, {"sms": sms(provider.address)}, **world(provider)) as one:
        session_id = await with_picture(one, provider)
        async with at_work(one.gateway.fetcher.run()):
            assert (await settled(one, session_id))["state"] == "failed"
    actions = [vars(one) for one in caplog.records if str(vars(one).get("action")).startswith("media.")]
    assert [(one["action"], one["status"]) for one in actions] == [("media.later", 503), ("media.failed", 403)]
