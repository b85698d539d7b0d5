"""What callers send is checked before anything happens, and each fault is pointed at."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gateway.edge.api import CALLS
from gateway.edge.api.call import Call
from gateway.edge.problems import pointer_of
from tests.edge.conftest import Site

POSTS = [call for call in CALLS if call.method in ("POST", "PUT")]
SOUND: dict[str, Any] = {
    "say": {"text": "hello"},
    "typing": {"on": True},
    "invite": {"recipient": {"type": "agent", "id": "ben"}},
    "transfer": {"recipient": {"type": "agent", "id": "ben"}},
    "raise_flag": {"text": "help"},
    "whisper": {"text": "psst"},
    "set_presence": {"status": "online"},
    "list_contacts": {"work_item_id": "0Mw000000000001"},
    "report_work": {"work_item_id": "0Mw000000000001", "work_id": "0Bz000000000001", "work_event": "ACCEPTED"},
}
"""A sound body for each call that takes one."""


def path_of(call: Call, session_id: str = "ses_1") -> str:
    return re.sub(r"{\w+}", "id_1", call.path.replace("{session_id}", session_id))


def pointers(reply: Any) -> list[tuple[str, str]]:
    return [(fault["in"], fault["pointer"]) for fault in reply.json["errors"]]


async def test_an_unknown_field_is_refused_with_a_pointer_by_every_call(site: Site) -> None:
    for call in POSTS:
        body = {**SOUND.get(call.name, {}), "txet": "x"}
        reply = await site.api(login="ana")(call.method, path_of(call), json=body)
        assert (reply.status, reply.code, pointers(reply)) == (422, "invalid_input", [("body", "/txet")]), call.name


@pytest.mark.parametrize("body", [b"", b"{", b'{"text": "\xff"}', b'{"text": "\\ud800"}', b"[" * 100_000, b"{} {}"])
async def test_what_is_no_sound_json_is_400_for_every_call(site: Site, body: bytes) -> None:
    for call in POSTS:
        if call.takes_body:
            headers = {"Content-Type": "application/json"}
            reply = await site.api(login="ana")(call.method, path_of(call), data=body, headers=headers)
            assert (reply.status, reply.code) == (400, "malformed_request"), call.name


@pytest.mark.parametrize("body", [b"[]", b"null", b'"x"', b"1"])
async def test_json_that_is_no_object_is_422_at_the_root(site: Site, body: bytes) -> None:
    reply = await site.api(login="ana")("POST", "/sessions/x/messages", data=body, headers={"Content-Type": "application/json"})
    assert (reply.status, pointers(reply)) == (422, [("body", "")])


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "application/jsonp"]
)
async def test_another_format_is_415_for_every_call(site: Site, content_type: str) -> None:
    for call in POSTS:
        reply = await site.api(login="ana")(call.method, path_of(call), data=b"{}", headers={"Content-Type": content_type})
        assert (reply.status, reply.code) == (415, "unsupported_media_type"), call.name


async def test_only_messages_take_a_form(site: Site) -> None:
    form = b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\nhelp\r\n--x--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    reply = await site.api(login="ana")("POST", "/sessions/x/flag", data=form, headers=headers)
    assert reply.status == 415


@pytest.mark.parametrize("body", [None, b"", b"{}"])
async def test_a_call_without_a_body_takes_none_or_an_empty_object(site: Site, body: bytes | None) -> None:
    reply = await site.api(login="ana")("POST", "/sessions/none/leave", data=body, headers={"Content-Type": "application/json"})
    assert reply.code == "session_not_found"


UNFIT_VALUES: list[tuple[str, Any, str]] = [
    ("messages", {}, "/text"),
    ("messages", {"text": ""}, "/text"),
    ("messages", {"text": " \n\t"}, "/text"),
    ("messages", {"text": "a\0b"}, "/text"),
    ("messages", {"text": 1}, "/text"),
    ("messages", {"text": None}, "/text"),
    ("messages", {"text": "x" * 100_001}, "/text"),
    ("messages", {"text": "x", "reply_to": "1"}, "/reply_to"),
    ("messages", {"text": "x", "reply_to": -1}, "/reply_to"),
    ("messages", {"text": "x", "reply_to": 2**60}, "/reply_to"),
    ("messages", {"text": "x", "reply_to": 1.5}, "/reply_to"),
    ("typing", {"on": "true"}, "/on"),
    ("typing", {"on": 1}, "/on"),
    ("flag", {"text": "x" * 4_001}, "/text"),
    ("whispers", {"text": "x" * 10_001}, "/text"),
    ("invitations", {}, "/recipient"),
    ("invitations", {"recipient": "ben"}, "/recipient"),
    ("invitations", {"recipient": {"type": "robot", "id": "ben"}}, "/recipient/type"),
    ("invitations", {"recipient": {"type": "agent", "id": ""}}, "/recipient/id"),
    ("invitations", {"recipient": {"type": "agent", "id": ["ben", "cleo"]}}, "/recipient/id"),
    ("invitations", {"recipient": {"type": "agent", "id": "ben", "a/b~c": 1}}, "/recipient/a~1b~0c"),
    ("invitations", {"recipient": {"type": "agent", "id": "ben"}, "note": "x" * 2_001}, "/note"),
    ("transfers", {"recipient": {"type": "agent", "id": "x" * 201}}, "/recipient/id"),
]


async def test_each_unfit_value_is_pointed_at(site: Site) -> None:
    for path, body, pointer in UNFIT_VALUES:
        reply = await site.api(login="ana").post(f"/sessions/x/{path}", body)
        assert (reply.status, pointers(reply)) == (422, [("body", pointer)]), (path, body)


@pytest.mark.parametrize("path", ["invitations", "transfers"])
async def test_C1_a_list_of_recipients_is_invalid_input(site: Site, path: str) -> None:
    session_id = await site.session()
    body = {"recipient": [{"type": "agent", "id": "ben"}, {"type": "agent", "id": "cleo"}]}
    reply = await site.api(login="ana").post(f"/sessions/{session_id}/{path}", body)
    assert (reply.status, reply.code, pointers(reply)) == (422, "invalid_input", [("body", "/recipient")])


async def test_a_misspelled_member_is_pointed_at_beside_the_missing_one(site: Site) -> None:
    body = {"recipient": {"typ": "agent", "id": "ben"}}
    reply = await site.api(login="ana").post("/sessions/x/invitations", body)
    assert sorted(pointers(reply)) == [("body", "/recipient/typ"), ("body", "/recipient/type")]
    assert {fault["detail"] for fault in reply.json["errors"]} == {"unknown field", "required"}


UNFIT_PARAMETERS = [
    ("/sessions?stauts=active", "/stauts"),
    ("/sessions?status=open", "/status"),
    ("/sessions?mine=perhaps", "/mine"),
    ("/sessions?limit=0", "/limit"),
    ("/sessions?limit=1001", "/limit"),
    ("/sessions?limit=ten", "/limit"),
    ("/sessions?limit=1&limit=2", "/limit"),
    ("/sessions?cursor=", "/cursor"),
    ("/sessions?cursor=a%20b", "/cursor"),
    ("/sessions?cursor=made-up", "/cursor"),
    ("/sessions?q=" + "x" * 201, "/q"),
    ("/sessions?q=%00", "/q"),
    ("/sessions/x/entries?before=-1", "/before"),
    ("/sessions/x/entries?after=9223372036854775808", "/after"),
    ("/sessions/x/destinations", "/type"),
    ("/sessions/x/destinations?type=robot", "/type"),
    ("/sessions/x/destinations?type=agent&purpose=chat", "/purpose"),
    ("/me?verbose=1", "/verbose"),
]


async def test_each_unfit_parameter_is_pointed_at(site: Site) -> None:
    for path, pointer in UNFIT_PARAMETERS:
        reply = await site.api(login="ana").get(path)
        assert (reply.status, pointers(reply)) == (422, [("query", pointer)]), path


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "ключ"])
async def test_an_unfit_idempotency_key_is_refused_by_every_post(site: Site, key: str) -> None:
    for call in POSTS:
        if call.method == "POST":
            reply = await site.api(login="ana").post(path_of(call), SOUND.get(call.name), headers={"Idempotency-Key": key})
            assert (reply.status, pointers(reply)) == (422, [("header", "/Idempotency-Key")]), call.name


@pytest.mark.parametrize("session_id", ["none", "a%20b", "%F0%9F%98%80", "%00", "x" * 201, "'--", "..%2f"])
async def test_an_id_that_is_none_is_not_found_by_any_call(site: Site, session_id: str) -> None:
    for call in CALLS:
        if "{session_id}" in call.path:
            path = path_of(call, session_id) + ("?type=agent" if call.name == "list_destinations" else "")
            body = {"json": SOUND.get(call.name, {})} if call.method != "GET" else {}
            reply = await site.api(login="sam")(call.method, path, **body)
            assert (reply.status, reply.code) == (404, "session_not_found"), call.name


async def test_an_answer_never_repeats_what_was_sent(site: Site) -> None:
    canary = "canary-7d1f"
    api = site.api(login="ana")
    replies = [
        await api.post("/sessions/x/messages", {"text": canary, "reply_to": canary}),
        await api.post("/sessions/x/invitations", {"recipient": {"type": canary, "id": 1}}),
        await api(
            "POST", "/sessions/x/messages", data=f'{{"text": "{canary}'.encode(), headers={"Content-Type": "application/json"}
        ),
        await api.get(f"/sessions?status={canary}"),
    ]
    for reply in replies:
        assert reply.status in (400, 422)
        assert canary not in str(reply.json)


def test_pointers_are_escaped() -> None:
    assert pointer_of(("recipient", "a/b~c", 0)) == "/recipient/a~1b~0c/0"
    assert pointer_of(()) == ""
