"""Files both ways: what may come in, how it is given out, and to whom."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from adapters.envelope import MediaPart, OutboundFile
from adapters.webchat import ADAPTER
from gateway.store.folder import Folder
from gateway.webchat import files
from tests.webchat.world import PNG, World


async def test_a_visitors_picture_there_and_fetched_by_the_adapter(world: World) -> None:
    kim = await world.browser()
    reply = await kim.upload(PNG, "hinge.png", "image/png", text="this one")
    assert reply.status == 202
    (message,) = world.inbox.of("message")
    (part,) = message.parts
    assert isinstance(part, MediaPart)
    assert (part.media, part.mime_type, part.name, part.size_bytes, part.caption) == (
        "image",
        "image/png",
        "hinge.png",
        len(PNG),
        "this one",
    )
    fetched = await world.run(ADAPTER.media(part, world.account, world.clock()))
    assert (fetched.content, fetched.mime_type) == (PNG, "image/png")


async def test_a_file_again_under_the_same_client_id_is_kept_once(world: World, tmp_path: Path) -> None:
    kim = await world.browser()
    first, again = await kim.upload(PNG, "a.png", "image/png"), await kim.upload(PNG, "a.png", "image/png")
    assert first.json == again.json
    assert len([path for path in (tmp_path / "chat-files").rglob("*") if path.is_file()]) == 1
    assert len(world.inbox.of("message")) == 1


async def test_how_a_file_is_given_out(world: World) -> None:
    kim = await world.browser()
    await kim.upload(PNG, "scharnier für Tür.png", "image/png")
    (line,) = await kim.poll()
    url = world.base.replace("/chat/web1", "") + line["file"]["url"]
    async with world.http.get(url) as reply:
        assert await reply.read() == PNG
        headers = reply.headers
        assert headers["Content-Disposition"] == "attachment; filename*=UTF-8''scharnier%20f%C3%BCr%20T%C3%BCr.png"
        assert (headers["X-Content-Type-Options"], headers["Content-Type"]) == ("nosniff", "image/png")
        assert headers["Content-Security-Policy"].startswith("sandbox")
        assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    for wrong in (url.replace("sig=", "sig=0"), url.partition("?")[0], url.replace("exp=", "exp=1")):
        async with world.http.get(wrong) as reply:
            assert reply.status == 404
    world.clock.ahead = timedelta(days=2)
    async with world.http.get(url) as reply:
        assert reply.status == 404


async def test_a_reps_file_is_copied_and_shown_with_its_caption(world: World) -> None:
    kim = await world.browser()
    ours = OutboundFile(name="plan.png", mime_type="image/png", size_bytes=len(PNG), url="http://x.test/1", content=PNG)
    message = world.say(kim.visitor_id, "like this?", file=ours)
    assert await world.send(message) == await world.send(message)
    (line,) = await kim.poll()
    assert (line["text"], line["file"]["name"], line["file"]["size_bytes"]) == ("like this?", "plan.png", len(PNG))
    async with world.http.get(world.base.replace("/chat/web1", "") + line["file"]["url"]) as reply:
        assert await reply.read() == PNG


@pytest.mark.parametrize(
    ("content", "name", "mime_type"),
    [
        (b"<html><script>alert(1)</script>", "page.html", "text/html"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a.svg", "image/svg+xml"),
        (b"<script>alert(1)</script>", "a.png", "image/png"),
        (b"MZ\x90\x00", "a.pdf", "application/pdf"),
        (b"MZ\x90\x00", "a.exe", "application/x-msdownload"),
        (b"not a picture", "a.jpg", "image/jpeg"),
        (b"anything", "a.bin", ""),
    ],
)
async def test_what_may_not_come_in(world: World, content: bytes, name: str, mime_type: str) -> None:
    kim = await world.browser()
    reply = await kim.upload(content, name, mime_type or "application/octet-stream")
    assert (reply.status, reply.code) == (415, "unsupported_media_type")
    assert await kim.poll() == []
    assert world.inbox.requests == []


async def test_a_file_over_the_limit_is_refused_before_it_is_read_whole(tmp_path: Path) -> None:
    async with World(tmp_path, max_file_bytes=1024).running() as world:
        kim = await world.browser()
        assert (await kim.upload(PNG + b"x" * 2048, "a.png", "image/png")).status == 413
        assert (await kim.upload(PNG + b"x" * 5_000_000, "a.png", "image/png")).status == 413
        assert (await kim.upload(PNG + b"x" * 512, "a.png", "image/png")).status == 202


async def test_a_hostile_file_name_is_made_harmless(world: World) -> None:
    kim = await world.browser()
    await kim.upload(PNG, "../../etc/\u202egnp.exe", "image/png")
    (line,) = await kim.poll()
    assert "/" not in line["file"]["name"]
    assert "\u202e" not in line["file"]["name"]


async def test_files_go_with_their_time(world: World, tmp_path: Path) -> None:
    kim = await world.browser()
    await kim.upload(PNG, "a.png", "image/png")
    world.clock.ahead = timedelta(days=91)
    await world.service.prune(world.account)
    assert not [path for path in (tmp_path / "chat-files").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("stated", "content", "kept"),
    [
        ("image/png", PNG, "image/png"),
        ("image/jpeg", PNG, "image/png"),
        ("image/webp", b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        ("text/plain", b"<html> is a tag", "text/plain"),
        ("text/csv", b"a,b", "text/csv"),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", b"PK\x03\x04", "same"),
        ("image/png", b"%PDF-1.7", None),
        ("application/pdf", b"hello", None),
        ("audio/ogg", b"OggS", "audio/ogg"),
        ("application/octet-stream", b"%PDF-1.7", "application/pdf"),
        ("image/gif", b"PK\x03\x04", None),
    ],
)
def test_what_a_file_is(stated: str, content: bytes, kept: str | None) -> None:
    assert files.true_type(stated, content) == (stated if kept == "same" else kept)


@pytest.mark.parametrize("file_id", ["", "..", "f_", "f_" + "g" * 32, "f_" + "0" * 31, "../f_" + "0" * 32])
def test_no_path_but_ours(tmp_path: Path, file_id: str) -> None:
    with pytest.raises(ValueError, match="no file id"):
        Folder(tmp_path, files.FILES).path(file_id)
