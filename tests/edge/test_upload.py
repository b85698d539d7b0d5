"""Files of reps: read piece by piece, their names made harmless, their content kept as it came."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.limits import Limits
from gateway.edge.upload import clean_name, clean_type
from tests.edge.conftest import Site
from tests.edge.described import Reply

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


@pytest.fixture
def settings() -> dict[str, Any]:
    return {"limits": Limits(max_file_bytes=50_000)}


async def test_a_file_with_a_text_is_said_and_can_be_told_apart(site: Site, tmp_path: Path) -> None:
    session_id = await site.session()
    reply = await _send(site, session_id, text="the hinge", file=(PNG, "hinge.png", "image/png"))
    assert reply.status == 201
    assert reply.json["text"] == "the hinge"
    listed = (await site.api(login="ana").get(f"/sessions/{session_id}/entries?limit=1")).json["items"]
    part = next(part for part in listed[0]["parts"] if part["type"] == "media")
    assert (part["media"], part["name"], part["mime_type"], part["size_bytes"], part["state"]) == (
        "image",
        "hinge.png",
        "image/png",
        len(PNG),
        "ready",
    )
    assert [path.read_bytes() for path in (tmp_path / "media").rglob(part["media_id"])] == [PNG]
    assert part["url"].startswith("/media/")


async def test_a_file_needs_no_text_and_an_empty_text_counts_as_none(site: Site) -> None:
    session_id = await site.session()
    assert (await _send(site, session_id, file=(b"x", "a.txt", "text/plain"))).status == 201
    assert (await _send(site, session_id, text="", file=(b"x", "a.txt", "text/plain"))).status == 201


async def test_a_form_without_a_file_is_a_text(site: Site) -> None:
    session_id = await site.session()
    reply = await _send(site, session_id, text="hello")
    assert (reply.status, reply.json["text"]) == (201, "hello")


async def test_a_form_with_neither_is_pointed_at(site: Site) -> None:
    session_id = await site.session()
    reply = await _send(site, session_id, text="")
    assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, "/file")


async def test_the_same_key_gives_the_same_answer_and_says_it_once(site: Site) -> None:
    session_id = await site.session()
    replies = [
        await _send(site, session_id, text="once", file=(PNG, "a.png", "image/png"), headers={"Idempotency-Key": "k1"})
        for _ in range(2)
    ]
    assert [reply.status for reply in replies] == [201, 201]
    assert replies[0].json == replies[1].json
    listed = (await site.api(login="ana").get(f"/sessions/{session_id}/entries")).json["items"]
    assert [entry["text"] for entry in listed].count("once") == 1


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ([("txet", "hello")], "/txet"),
        ([("text", "a"), ("text", "b")], "/text"),
        ([("text", b"\xff")], "/text"),
        ([("text", "x" * 100_001)], "/text"),
        ([("text", "a"), ("reply_to", "first")], "/reply_to"),
        ([("file", b"")], "/file"),
        ([("file", b"a"), ("file", b"b")], "/file"),
    ],
)
async def test_an_unfit_field_is_pointed_at(site: Site, fields: list[tuple[str, str | bytes]], pointer: str) -> None:
    body = b"".join(_raw_part(name, value if isinstance(value, bytes) else value.encode()) for name, value in fields)
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    reply = await site.api(login="ana")("POST", "/sessions/x/messages", data=body + b"--x--\r\n", headers=headers)
    assert (reply.status, [fault["pointer"] for fault in reply.json["errors"]]) == (422, [pointer])


async def test_a_file_over_the_limit_is_cut_off(site: Site) -> None:
    session_id = await site.session()
    reply = await _send(site, session_id, file=(b"x" * 50_001, "a.bin", "application/octet-stream"))
    assert (reply.status, reply.code) == (413, "too_large")
    assert (await _send(site, session_id, file=(b"x" * 50_000, "a.bin", "application/octet-stream"))).status == 201


async def test_a_stranger_to_the_session_stores_no_file(site: Site, tmp_path: Path) -> None:
    session_id = await site.session()
    reply = await _send(site, session_id, login="zoe", file=(PNG, "a.png", "image/png"))
    assert reply.status == 404
    assert [path for path in (tmp_path / "media").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no boundary at all",
        b"--x\r\n",
        b"--x\r\nnonsense\r\n\r\nhello\r\n--x--\r\n",
        b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\nhello',
        b"--x\r\nContent-Disposition: form-data\r\n\r\nhello\r\n--x--\r\n",
        b'--x\r\nContent-Disposition: form-data; name="text"\r\n' + b"A: b\r\n" * 20_000 + b"\r\nhello\r\n--x--\r\n",
        b"".join(b'--x\r\nContent-Disposition: form-data; name="f%d"\r\n\r\na\r\n' % n for n in range(100)) + b"--x--\r\n",
        b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n\r\na\r\n--y--\r\n--x--\r\n",
    ],
)
async def test_a_broken_form_is_refused(site: Site, body: bytes) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    reply = await site.api(login="ana")("POST", "/sessions/x/messages", data=body, headers=headers)
    assert reply.status in (400, 422)


async def test_a_form_without_a_boundary_is_refused(site: Site) -> None:
    headers = {"Content-Type": "multipart/form-data"}
    reply = await site.api(login="ana")("POST", "/sessions/x/messages", data=b"--x--", headers=headers)
    assert reply.status == 400


@pytest.mark.parametrize(
    ("stated", "clean"),
    [
        ("hinge.jpg", "hinge.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\kim\\hinge.jpg", "hinge.jpg"),
        (".htaccess", "htaccess"),
        ("", "file"),
        ("...", "file"),
        ("/", "file"),
        ("a\x00b\r\nc.txt", "abc.txt"),
        ("a\u202egnp.exe", "agnp.exe"),
        ('a"b<c>|d?.txt', "a_b_c__d_.txt"),
        ("T%C3%BCr.pdf", "Tür.pdf"),
        ("%2e%2e%2fpasswd", "passwd"),
        ("100%.txt", "100%.txt"),
        ("%ff.txt", "%ff.txt"),
        ("Tu\u0308r.pdf", "Tür.pdf"),
        ("ドア.png", "ドア.png"),
        ("x" * 200 + ".jpeg", "x" * 115 + ".jpeg"),
        ("x" * 200 + "." + "y" * 50, "x" * 120),
        ("name. . ", "name"),
    ],
)
def test_names_are_made_harmless(stated: str, clean: str) -> None:
    assert clean_name(stated) == clean


@given(st.text(max_size=300))
def test_no_name_gets_by(stated: str) -> None:
    name = clean_name(stated)
    assert 1 <= len(name) <= 120
    assert not set(name) & set('/\\<>:"|?*')
    assert not name.startswith(".")
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs") for c in name)
    name.encode()


@pytest.mark.parametrize(
    ("stated", "clean"),
    [
        ("image/png", "image/png"),
        ("Image/PNG; charset=utf-8", "image/png"),
        ("", "application/octet-stream"),
        ("png", "application/octet-stream"),
        ("text/html\r\nX: y", "application/octet-stream"),
        ("image/" + "x" * 200, "application/octet-stream"),
        ("application/vnd.ms-excel.sheet.macroEnabled.12", "application/vnd.ms-excel.sheet.macroenabled.12"),
    ],
)
def test_types_are_sound_or_unknown(stated: str, clean: str) -> None:
    assert clean_type(stated) == clean


async def _send(
    site: Site,
    session_id: str,
    *,
    login: str = "ana",
    text: str | None = None,
    file: tuple[bytes, str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> Reply:
    fields: list[tuple[str, Any]] = [("text", text)] if text is not None else []
    form = _as_multipart(fields)
    if file:
        form.add_field("file", file[0], filename=file[1], content_type=file[2])
    return await site.api(login=login)("POST", f"/sessions/{session_id}/messages", data=form, headers=headers)


def _as_multipart(fields: list[tuple[str, Any]]) -> FormData:
    form = FormData(default_to_multipart=True)
    for name, value in fields:
        form.add_field(name, value)
    return form


def _raw_part(name: str, value: bytes) -> bytes:
    file = b'; filename="a.txt"' if name == "file" else b""
    return b'--x\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n' % (name.encode(), file, value)
