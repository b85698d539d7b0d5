"""Several processes whose files are in a bucket: a visitor at one API and a rep at the other send each other pictures, and both have them from either."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest

from tests.acceptance.fleet import fleet
from tests.s3 import KEY, s3_server
from tests.webchat.world import Browser, sse
from tests.world import PNG, wait_until

pytestmark = pytest.mark.acceptance
MEMBERS = {"edge": 1, "broker": 1, "sender": 1, "api": 2}


async def picture_at(http: aiohttp.ClientSession, port: int, path: str) -> tuple[int, bytes]:
    async with http.get(f"http://127.0.0.1:{port}{path}") as reply:
        return reply.status, await reply.read()


def picture_of(entries: list[Any]) -> str | None:
    """Where the last picture is that can be had."""
    found = re.findall(r'"(/media/[^"]+)"', str(entries).replace("'", '"'))
    return found[-1] if found else None


@pytest.mark.timeout(600)
async def test_pictures_both_ways_over_two_apis_and_a_bucket(tmp_path: Path) -> None:
    with s3_server(tmp_path) as s3:
        s3.new_bucket("files")
        bucket = {
            "media": "s3://files/byoc",
            "s3": {"endpoint": s3.address, "access_key_id": KEY[0], "secret_access_key": KEY[1]},
        }
        queues = {"support": ["ana"]}
        async with (
            fleet(tmp_path, queues, kinds=("webchat", "line"), members=MEMBERS, more=bucket) as whole,
            aiohttp.ClientSession() as http,
            whole.at("api-2") as second,
        ):
            ports = [one.port for one in whole.of("api")]
            ana = second.rep("ana", whole.rep("ana").token)
            await ana.present()
            kim = Browser(cast(Any, SimpleNamespace(http=http, base=f"http://127.0.0.1:{ports[0]}/chat/webchat")))
            await kim.start()
            assert (await kim.upload(PNG, "hinge.png", "image/png", text="this one")).status == 202
            session = await ana.take("webchat")

            async def shown() -> str | None:
                return picture_of(await ana.transcript(session["id"]))

            link = await wait_until(shown, what="the visitor's picture is with the rep")
            assert [await picture_at(http, port, link) for port in ports] == [(200, PNG)] * 2

            headers = {"authorization": f"Bearer {kim.token}", "accept": "text/event-stream"}
            async with http.get(f"{kim.world.base}/events?after=1", headers=headers) as reply:
                assert (await ana.say(session["id"], "or this?", file=PNG + b"another")).status == 201

                async def with_a_file() -> dict[str, Any]:
                    async for event in sse(reply.content):
                        if event["event"] == "message" and event["data"].get("file"):
                            return dict(event["data"])
                    raise AssertionError("the stream ended")

                line = await asyncio.wait_for(with_a_file(), 60)
            assert line["text"] == "or this?"
            assert [await picture_at(http, port, line["file"]["url"]) for port in ports] == [(200, PNG + b"another")] * 2

            kept = sorted(key.split("/")[1] for key in s3.objects("files") if key.count("/") > 1)
            assert kept == ["chat-files", "chat-files", "media", "media"]
            folders = [path for one in whole.members.values() for path in (tmp_path / one.name).glob("*")]
            assert folders == [], "no process keeps anything of its own"

            s3.kill()
            refused = await ana.say(session["id"], "and this?", file=PNG)
            assert (refused.status, refused.headers["Retry-After"]) == (503, "2")
            assert (await ana.say(session["id"], "words go on")).status == 201
            await wait_until(lambda: heard(kim, "words go on"), what="the words without a file")
            ready = await second.call("GET", "/readyz")
            assert (ready.status, "can't be reached" in ready.json["remarks"]["files"]) == (200, True)


async def heard(kim: Browser, text: str) -> bool:
    return any(item.get("text") == text for item in await kim.poll())
