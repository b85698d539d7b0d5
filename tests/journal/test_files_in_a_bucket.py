"""A gateway whose files are in a bucket: what has to wait while the bucket is away, and what hasn't."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from adapters.envelope import MediaPart, TextPart
from gateway import config
from gateway.app import Gateway
from gateway.errors import GatewayError, StoreUnavailable
from tests.journal.outpost import Outpost, at_work, outpost, sms, whatsapp
from tests.journal.provider import OddProvider, Seen, json, odd_provider
from tests.s3 import KEY, S3Server, s3_server
from tests.world import PNG, wait_until


@pytest.fixture
async def provider() -> AsyncIterator[OddProvider]:
    async with odd_provider() as one:
        yield one


def in_bucket(server: S3Server, bucket: str = "files", **more: Any) -> dict[str, Any]:
    """Settings."""
    s3 = {"endpoint": server.address, "access_key_id": KEY[0], "secret_access_key": KEY[1], **more}
    return {"media": f"s3://{bucket}/byoc", "s3": s3, "media_secret": "a-secret-of-some-length"}


async def states_of(one: Outpost, session_id: str) -> list[str]:
    return [str(media["state"]) for line in await one.lines(session_id) for media in line.media.values()]


async def test_a_customer_s_file_waits_for_the_bucket_and_is_fetched_again(provider: OddProvider, tmp_path: Path) -> None:
    provider.will(lambda seen: web.Response(body=PNG, content_type="image/png"))
    url = f"{provider.address}/2010-04-01/Accounts/AC{'0' * 32}/Messages/MM1/Media/ME1"
    picture = MediaPart(media="image", mime_type="image/png", source={"url": url})
    with s3_server(tmp_path) as server:
        server.new_bucket("files")
        settings = {"allow_private_media_hosts": [provider.host], **in_bucket(server)}
        async with outpost(tmp_path / "data", {"sms": sms(provider.address)}, **settings) as one:
            server.kill()
            session_id = await one.conversation("sms", "kim", TextPart(text="look"), picture)
            async with at_work(one.gateway.fetcher.run()):
                await wait_until(one.gateway.files.trouble, what="the bucket is missed")
                assert await states_of(one, session_id) == ["pending"]
                server.start()
                server.new_bucket("files")

                async def ready() -> bool:
                    return await states_of(one, session_id) == ["ready"]

                await wait_until(ready, what="the picture is there")
            assert [*server.objects("files").values()] == [PNG, b"may be deleted"][: len(server.objects("files"))]
            assert not (tmp_path / "data" / "media").exists()


async def test_a_rep_s_file_waits_for_the_bucket_and_stops_nobody_else(provider: OddProvider, tmp_path: Path) -> None:
    def meta(seen: Seen) -> web.StreamResponse:
        return json({"id": "media-1"} if "/media" in seen.path else {"messages": [{"id": f"wamid.{len(provider.seen)}"}]})(seen)

    provider.will(meta)
    with s3_server(tmp_path) as server:
        server.new_bucket("files")
        async with outpost(tmp_path / "data", {"whatsapp": whatsapp(provider.address)}, **in_bucket(server)) as one:
            kim, lee = [await one.conversation("whatsapp", f"1555123000{number}") for number in (1, 2)]
            picture = await one.picture()
            kept = server.objects("files")
            server.kill()
            with pytest.raises(StoreUnavailable, match="can't be reached"):
                await one.picture()
            await one.say(kim, "look", file=picture)
            await one.say(kim, "after it")
            await one.say(lee, "no file")

            async def over(session_id: str) -> list[str] | None:
                states = await one.states(session_id)
                return states if not {*states} & {"queued"} else None

            async with at_work(one.gateway.sender.run()):
                assert await wait_until(lambda: over(lee), what="what needs no file is sent") == ["sent"]
                assert await one.states(kim) == ["queued", "queued"]
                server.start()
                server.new_bucket("files")
                for key, content in kept.items():
                    server.client().put_object(Bucket="files", Key=key, Body=content)
                assert await wait_until(lambda: over(kim), what="the file is sent, and what follows it") == ["sent", "sent"]


async def test_a_start_says_in_a_sentence_why_it_can_never_keep_files(tmp_path: Path) -> None:
    with s3_server(tmp_path) as server:

        async def told(**settings: Any) -> str:
            raw = {"data_dir": str(tmp_path / "data"), "listen": {"port": 0}, **settings}
            with pytest.raises(GatewayError) as error:
                async with Gateway(config.build(raw)).running():
                    pass
            return str(error.value)

        assert "s3://files/byoc: there is no such bucket." in await told(**in_bucket(server))
        missing = in_bucket(server, ca_file=str(tmp_path / "none.pem"))
        assert "s3.ca_file: " in await told(**missing)


async def test_a_start_without_the_bucket_goes_on_and_readyz_remarks_it(tmp_path: Path) -> None:
    with s3_server(tmp_path) as server:
        server.kill()
        raw = {"data_dir": str(tmp_path / "data"), "listen": {"port": 0}, **in_bucket(server)}
        async with Gateway(config.build(raw)).running() as address, aiohttp.ClientSession() as http:
            async with http.get(f"{address}/readyz") as reply:
                body = await reply.json()
            assert (reply.status, body["status"]) == (200, "ready")
            assert "can't be reached" in body["remarks"]["files"]


async def test_a_missing_package_is_told_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "gateway.store.s3", raising=False)
    monkeypatch.setitem(sys.modules, "obstore", None)
    raw = {"data_dir": str(tmp_path), "media": "s3://files", "media_secret": "a-secret-of-some-length"}
    with pytest.raises(GatewayError, match=r"install byoc-gateway\[s3\]"):
        Gateway(config.build(raw))
