"""Files by signed addresses: a bucket's are given out as a folder's are, by any process that knows the secret, a part at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway import clock
from gateway.edge.media import MediaDoor, ServedFile
from gateway.errors import StoreUnavailable
from gateway.links import MediaLinks
from gateway.store.files import FileStore
from gateway.store.folder import Folder
from gateway.store.media import MEDIA
from gateway.store.s3 import BucketFolder
from tests.s3 import S3Server, s3_server

CONTENT = bytes(range(256)) * 10_000  # more than two parts
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
LINKS = MediaLinks("one secret for all processes", "http://gateway.example")
VARYING = ("date", "server", "etag", "last-modified", "transfer-encoding", "content-length")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as one:
        yield one


@asynccontextmanager
async def door(files: FileStore) -> AsyncIterator[TestClient[Any, Any]]:
    """A process with the door."""
    types = {"med_pic": "image/png", "med_none": "image/png"}

    async def file_of(media_id: str) -> ServedFile | None:
        kept = await files.find(media_id)
        return ServedFile(kept, types.get(media_id, "application/pdf")) if kept else None

    app = web.Application()
    MediaDoor(LINKS, file_of, clock.now).install(app)
    async with TestClient(TestServer(app)) as http:
        yield http


def link(media_id: str) -> str:
    return LINKS.relative(media_id, "a file", clock.now())


@pytest.fixture
async def both(server: S3Server, tmp_path: Path) -> AsyncIterator[list[TestClient[Any, Any]]]:
    """Doors to a folder and to a bucket, with the same files in them."""
    stores: list[FileStore] = [
        Folder(tmp_path / "media", MEDIA),
        BucketFolder(server.bucket(server.new_bucket()), "media", MEDIA),
    ]
    async with AsyncExitStack() as stack:
        for files in stores:
            for media_id, content in (("med_big", CONTENT), ("med_pic", PNG), ("med_empty", b"")):
                await files.write(media_id, content)
        yield [await stack.enter_async_context(door(files)) for files in stores]


def told(reply: aiohttp.ClientResponse) -> dict[str, str]:
    return {name: value for name, value in reply.headers.items() if name.lower() not in VARYING}


RANGES = ("bytes=0-0", "bytes=10-", "bytes=-5", "bytes=5-1200000", "bytes=0-99999999", "bytes=99999999-", "bytes=7-3", "lines=1")
ASKED: list[dict[str, str]] = [{}, *({"Range": one} for one in RANGES)]


async def test_a_bucket_s_files_are_given_out_as_a_folder_s(both: list[TestClient[Any, Any]]) -> None:
    async def answer(http: TestClient[Any, Any], method: str, media_id: str, headers: dict[str, str]) -> Any:
        async with http.request(method, link(media_id), headers=headers) as reply:
            body = await reply.read()
            # A refusal's body is of no meaning, nor is its length.
            more = (reply.headers.get("Content-Length"), body) if reply.status < 300 else ()
            return reply.status, told(reply), more

    for media_id in ("med_big", "med_pic", "med_empty", "med_none"):
        for method in ("GET", "HEAD"):
            for headers in ASKED:
                of_folder, of_bucket = [await answer(http, method, media_id, headers) for http in both]
                assert of_folder == of_bucket, (media_id, method, headers)
    assert (await answer(both[1], "GET", "med_big", {}))[2] == (str(len(CONTENT)), CONTENT)


async def test_what_a_browser_has_is_not_sent_again(both: list[TestClient[Any, Any]]) -> None:
    for http in both:
        async with http.get(link("med_pic")) as reply:
            tag, modified = reply.headers["ETag"], reply.headers["Last-Modified"]
            assert reply.headers["Cache-Control"] == "private, max-age=3600"
        for condition in ({"If-None-Match": tag}, {"If-None-Match": f'W/{tag}, "x"'}, {"If-None-Match": "*"}):
            async with http.get(link("med_pic"), headers=condition) as reply:
                assert (reply.status, await reply.read(), reply.headers["ETag"]) == (304, b"", tag)
        async with http.get(link("med_pic"), headers={"If-None-Match": '"other"', "If-Modified-Since": modified}) as reply:
            assert (reply.status, await reply.read()) == (200, PNG)
    async with both[1].get(link("med_pic"), headers={"If-Modified-Since": modified}) as reply:
        assert reply.status == 304
    for validator, status in ((tag, 206), (modified, 206), ('"other"', 200), ("Mon, 02 Nov 2020 00:00:00 GMT", 200)):
        async with both[1].get(link("med_pic"), headers={"Range": "bytes=0-3", "If-Range": validator}) as reply:
            assert reply.status == status, validator


async def test_an_address_is_good_at_any_process_and_a_forged_one_at_none(server: S3Server) -> None:
    name = server.new_bucket()
    address = link("med_pic")
    async with AsyncExitStack() as stack:
        stores = [BucketFolder(server.bucket(name), "media", MEDIA) for _ in range(2)]
        doors = [await stack.enter_async_context(door(files)) for files in stores]
        await stores[0].write("med_pic", PNG)
        for http in doors:
            async with http.get(address) as reply:
                assert (reply.status, await reply.read()) == (200, PNG)
            async with http.get(address[:-1] + ("0" if address[-1] != "0" else "1")) as reply:
                assert reply.status == 404


async def test_a_bucket_that_is_away_is_told_as_such(tmp_path: Path) -> None:
    with s3_server(tmp_path) as server:
        files = BucketFolder(server.bucket(server.new_bucket()), "media", MEDIA)
        await files.write("med_pic", PNG)
        async with door(files) as http:
            server.kill()
            async with http.get(link("med_pic")) as reply:
                problem = await reply.json()
                assert (reply.status, reply.headers["Retry-After"], problem["code"]) == (503, "2", "unavailable")


async def test_a_bucket_that_goes_away_in_the_middle_leaves_a_body_that_ends_early(
    server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = BucketFolder(server.bucket(server.new_bucket()), "media", MEDIA)
    await files.write("med_big", CONTENT)
    part = BucketFolder._part

    async def fails_later(self: BucketFolder, key: str, start: int, end: int) -> bytes:
        if start:
            raise StoreUnavailable("gone")
        return await part(self, key, start, end)

    monkeypatch.setattr(BucketFolder, "_part", fails_later)
    async with door(files) as http, http.get(link("med_big")) as reply:
        assert (reply.status, reply.headers["Content-Length"]) == (200, str(len(CONTENT)))
        with pytest.raises(aiohttp.ClientError):
            await reply.read()


async def test_a_client_that_reads_nothing_holds_a_part_and_no_more(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    files, asked = BucketFolder(server.bucket(server.new_bucket()), "media", MEDIA), list[int]()
    content = bytes(30_000_000)
    await files.write("med_big", content)
    part = BucketFolder._part

    async def counted(self: BucketFolder, key: str, start: int, end: int) -> bytes:
        asked.append(end - start)
        return await part(self, key, start, end)

    monkeypatch.setattr(BucketFolder, "_part", counted)
    async with door(files) as http:
        reader, writer = await asyncio.open_connection("127.0.0.1", http.port, limit=1024)
        writer.write(f"GET {link('med_big')} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await reader.readline()
        async with http.get(link("med_big")) as reply:  # meanwhile, another has all of it
            assert len(await reply.read()) == len(content)
        assert max(asked) <= 1024 * 1024
        assert sum(asked) < 2 * len(content), "the sockets' buffers take some, and the rest stays where it is"
        writer.close()
