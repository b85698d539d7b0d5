"""What keeps files, a folder and a bucket: the same for both, and each with its own troubles."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import GatewayError, StoreUnavailable
from gateway.store import s3
from gateway.store.files import FileStore, Ids
from gateway.store.folder import Folder
from gateway.store.media import MEDIA
from gateway.store.s3 import BucketFolder
from gateway.webchat.files import FILES
from tests.ports import free_port
from tests.s3 import S3Server, s3_server
from tests.world import wait_until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as one:
        yield one


@pytest.fixture(params=["folder", "bucket"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> FileStore:
    if request.param == "folder":
        return Folder(tmp_path / "media", MEDIA)
    server: S3Server = request.getfixturevalue("server")
    return in_bucket(server, server.new_bucket())


def in_bucket(server: S3Server, name: str, ids: Ids = MEDIA, folder: str = "media", **more: Any) -> BucketFolder:
    return BucketFolder(server.bucket(name, **more), folder, ids)


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ------------------------------------------------------------------------------------------------------- both


async def test_what_is_written_is_read(files: FileStore) -> None:
    await files.open()
    await files.write("med_1", b"first")
    await files.write("med_1", b"second")
    await files.write("med_2", b"")
    assert (await files.read("med_1"), await files.read("med_2")) == (b"second", b"")
    with pytest.raises(FileNotFoundError):
        await files.read("med_3")
    assert files.trouble() is None


async def test_a_file_is_read_in_parts(files: FileStore) -> None:
    content = bytes(range(256)) * 40
    await files.write("med_1", content)
    found = await files.find("med_1")
    assert found is not None
    assert found.size == len(content)
    parts = [await found.read(start, min(start + 1000, found.size)) for start in range(0, found.size, 1000)]
    assert b"".join(parts) == content
    assert await found.read(5, 5) == b""
    assert await files.find("med_2") is None
    await files.delete(["med_1"])
    with pytest.raises(FileNotFoundError):
        await found.read(0, 10)


async def test_another_file_has_another_tag(files: FileStore) -> None:
    tags = []
    for content in (b"a", b"bb"):
        await files.write("med_1", content)
        found = await files.find("med_1")
        assert found is not None
        tags.append(found.tag)
    assert tags[0] != tags[1]
    assert all('"' not in tag for tag in tags)


async def test_the_same_file_is_written_many_times_at_once(files: FileStore) -> None:
    content = b"x" * 100_000
    await asyncio.gather(*(files.write("med_1", content) for _ in range(10)))
    assert await files.read("med_1") == content


async def test_what_is_deleted_is_gone_and_what_is_not_there_is_no_trouble(files: FileStore) -> None:
    ids = [f"med_{number}" for number in range(12)]
    for file_id in ids:
        await files.write(file_id, b"x")
    await files.delete([])
    await files.delete([*ids[1:], "med_none"])
    await files.delete(ids[1:])
    assert [file_id for file_id in ids if await files.find(file_id)] == ["med_0"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/b", ".", "..", "", "a\0b", "med_1.part"])
async def test_no_name_leads_out_of_the_folder(name: str, files: FileStore) -> None:
    for refused in (files.read(name), files.write(name, b""), files.find(name), files.delete([name])):
        with pytest.raises(ValueError, match="no media id"):
            await refused


# ----------------------------------------------------------------------------------------------------- folder


async def test_nothing_half_written_stays(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "media", MEDIA)
    await asyncio.gather(*(folder.write("med_1", b"first") for _ in range(5)))
    assert [p.name for p in (tmp_path / "media").rglob("*") if p.is_file()] == ["med_1"]


async def test_what_a_crash_left_half_written_goes_with_its_file(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "media", MEDIA)
    await folder.write("med_1", b"whole")
    for name in ("med_1.part", "med_1.0f0f0f0f.part"):
        folder.path("med_1").with_name(name).write_bytes(b"ha")
    await folder.write("med_21", b"another's")
    await folder.delete(["med_1", "med_3"])
    assert [p.name for p in (tmp_path / "media").rglob("*") if p.is_file()] == ["med_21"]


# ----------------------------------------------------------------------------------------------------- bucket


async def test_another_client_finds_it_where_it_would_be_in_a_folder(server: S3Server, tmp_path: Path) -> None:
    """So `aws s3 sync` moves the files of an installation, either way."""
    name, file_id = server.new_bucket(), "f_" + "0a" * 16
    folders = (in_bucket(server, name, prefix="byoc/one"), in_bucket(server, name, FILES, "chat-files", prefix="byoc/one"))
    await folders[0].write("med_1", b"theirs")
    await folders[1].write(file_id, b"a visitor's")
    disk = (Folder(tmp_path / "media", MEDIA), Folder(tmp_path / "chat-files", FILES))
    await disk[0].write("med_1", b"theirs")
    await disk[1].write(file_id, b"a visitor's")
    assert server.objects(name) == {f"byoc/one/{place}": content for place, content in everything_in(tmp_path).items()}
    server.client().put_object(Bucket=name, Key="byoc/one/media/_2/med_2", Body=b"copied")
    assert await folders[0].read("med_2") == b"copied"


async def test_a_large_file(server: S3Server) -> None:
    name = server.new_bucket()
    files, content = in_bucket(server, name), bytes(range(256)) * 120_000
    await files.write("med_1", content)
    assert server.objects(name) == {"media/_1/med_1": content}
    assert await files.read("med_1") == content
    found = await files.find("med_1")
    assert found is not None
    assert await found.read(found.size - 7, found.size) == content[-7:]
    uploads = server.client().list_multipart_uploads(Bucket=name)
    assert not uploads.get("Uploads"), "a crash in the middle of parts would leave some that cost money and that nobody sees"


async def test_more_are_deleted_than_one_request_takes(server: S3Server) -> None:
    name = server.new_bucket()
    files = in_bucket(server, name)
    await files.write("med_1", b"kept")
    await files.write("med_1500", b"goes")
    await files.delete(f"med_{number}" for number in range(2, 2100))
    assert server.objects(name) == {"media/_1/med_1": b"kept"}


async def test_it_is_killed_and_comes_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with s3_server(tmp_path) as server:
        files = in_bucket(server, server.new_bucket("mine"))
        await files.open()
        await files.write("med_1", b"x")
        server.kill()
        for refused in (files.write("med_2", b"x"), files.read("med_1"), files.find("med_1"), files.delete(["med_1"])):
            with pytest.raises(StoreUnavailable, match=r"^s3://mine: http://127.0.0.1:\d+ can't be reached\. It is tried again"):
                await refused
        assert "can't be reached" in (files.trouble() or "")
        await files.open()  # a start goes on without it
        server.start()
        server.new_bucket("mine")
        # Told by being asked, even if nobody has a file just now.
        await wait_until(lambda: files.trouble() is None, what="the bucket works again")
        await files.write("med_2", b"y")
        assert await files.read("med_2") == b"y"
    told = [getattr(record, "action", "") for record in caplog.records if record.levelno >= logging.WARNING]
    assert told == ["files.failing", "files.works"]


async def test_a_service_that_hangs_is_given_up(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "_SECONDS", 0.5)
    files = in_bucket(server, server.new_bucket())
    with server.frozen():
        with pytest.raises(StoreUnavailable, match="can't be reached"):
            await files.write("med_1", b"x")
        with pytest.raises(StoreUnavailable, match="can't be reached"):
            await files.read("med_1")
    monkeypatch.undo()
    await files.write("med_1", b"x")
    assert await files.read("med_1") == b"x"


async def test_there_is_no_such_bucket(server: S3Server) -> None:
    files = in_bucket(server, "nobody-s")
    with pytest.raises(GatewayError, match=r"^s3://nobody-s: there is no such bucket\. Create it, or correct `media`") as told:
        await files.open()
    assert not isinstance(told.value, StoreUnavailable), "no waiting heals it"
    for refused in (files.write("med_1", b"x"), files.read("med_1"), files.delete(["med_1"])):
        with pytest.raises(StoreUnavailable, match="no such bucket"):
            await refused


async def test_a_key_that_is_not_known_or_may_not_write(server: S3Server) -> None:
    name = server.new_bucket()
    with server.only_for("s3:GetObject") as reader:
        stranger = in_bucket(server, name, key=("AKIA00000000STRANGER", "a-wrong-secret"))
        with pytest.raises(GatewayError, match=r"refuses the access key \(InvalidAccessKeyId\)\. Check the key in `s3`") as told:
            await stranger.open()
        assert "STRANGER" not in str(told.value)
        assert "a-wrong-secret" not in str(told.value)
        wrong = in_bucket(server, name, key=(reader[0], "a-wrong-secret"))
        with pytest.raises(GatewayError, match="SignatureDoesNotMatch"):
            await wrong.open()
        with pytest.raises(GatewayError, match="AccessDenied"):
            await in_bucket(server, name, key=reader).open()
    with server.only_for("s3:*") as key:
        await in_bucket(server, name, key=key).open()


async def test_the_config_s_key_is_not_mixed_with_the_environment_s(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(variable, "another-s")
    name = server.new_bucket()
    with server.only_for("s3:*") as key:
        await in_bucket(server, name, key=key).open()


async def test_a_machine_s_role_is_as_good_as_a_key(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", server.address)  # plays this part, too
    name = server.new_bucket()
    await in_bucket(server, name, key=None).open()
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    files = in_bucket(server, name, key=None)
    with pytest.raises(GatewayError, match=r"there is no access key\. Set `s3.access_key_id`"):
        await files.open()
