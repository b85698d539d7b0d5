"""What a rep is shown before a button is pressed, and before a request is answered; and names wherever a person reads."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import FormData

from adapters.envelope import Address, EndUser
from gateway.brokers.contract import Caller
from gateway.session.model import Page
from gateway.store.sqlite import SqliteStore
from tests.edge.conftest import Site


def recipient(id: str, type: str = "agent") -> dict[str, Any]:
    return {"recipient": {"type": type, "id": id}}


async def asked(site: Site, session_id: str, path: str = "invitations", **more: Any) -> Any:
    await site.online("ben", "cleo")
    reply = await site.api(login="ana").post(f"/sessions/{session_id}/{path}", recipient("ben") | more)
    assert reply.status == 201, reply
    return reply.json


# ----------------------------------------------------------------------------------------------- before pressing


async def test_a_session_says_what_may_be_asked_and_why_not(site: Site) -> None:
    session_id = await site.session()
    fine = {"allowed": True, "code": None, "reason": None}
    ana = (await site.api(login="ana").get(f"/sessions/{session_id}")).json
    assert ana["can"] == {"invite": fine, "transfer": fine}
    sam = (await site.api(login="sam").get(f"/sessions/{session_id}")).json
    assert {one["code"] for one in sam["can"].values()} == {"not_a_participant"}


async def test_T6_on_the_standard_edition_a_transfer_is_offered_and_no_conference(site: Site) -> None:
    session_id = await site.session(channel="sms-standard")
    await site.online("ben")
    ana = site.api(login="ana")
    can = (await ana.get(f"/sessions/{session_id}")).json["can"]
    assert (can["invite"]["allowed"], can["invite"]["code"]) == (False, "conferencing_not_supported")
    assert can["transfer"]["allowed"]
    refused = await ana.post(f"/sessions/{session_id}/invitations", recipient("ben"))
    assert (refused.code, refused.json["detail"]) == (can["invite"]["code"], can["invite"]["reason"])
    invitation = await ana.post(f"/sessions/{session_id}/transfers", recipient("ben"))
    accepted = await site.api(login="ben").post(f"/sessions/{session_id}/invitations/{invitation.json['id']}/accept")
    assert [p["id"] for p in accepted.json["session"]["participants"] if p["role"] == "rep"] == ["ben"]


async def test_T3_each_destination_says_whether_it_may_be_asked_now(site: Site) -> None:
    session_id = await site.session()
    invitation = await asked(site, session_id)
    ana = site.api(login="ana")
    agents = {one["id"]: one for one in (await ana.get(f"/sessions/{session_id}/destinations?type=agent")).json["items"]}
    assert (agents["cleo"]["allowed"], agents["cleo"]["code"]) == (True, None)
    assert (agents["ben"]["allowed"], agents["ben"]["code"]) == (False, "invitation_pending")
    refused = await ana.post(f"/sessions/{session_id}/invitations", recipient("ben"))
    assert (refused.code, refused.json["detail"]) == (agents["ben"]["code"], agents["ben"]["reason"])
    await ana.post(f"/sessions/{session_id}/invitations/{invitation['id']}/withdraw")
    assert (await ana.post(f"/sessions/{session_id}/invitations", recipient("ben"))).status == 201


# --------------------------------------------------------------------------------------------- before answering


async def test_C10_who_is_asked_sees_the_card_and_after_accepting_all(site: Site) -> None:
    session_id = await site.session(text="first")
    await site.customer_says("latest")
    invitation = await asked(site, session_id, note="please look")
    ben = site.api(login="ben")
    seen = (await ben.get(f"/sessions/{session_id}")).json
    assert seen["access"] == "preview"
    assert seen["end_user"] == {"id": "", "name": "Kim"}
    assert [(p["role"], p["id"]) for p in seen["participants"]] == [("end_user", "")]
    assert [(i["note"], i["from_name"]) for i in seen["invitations"]] == [("please look", "Ana")]
    assert seen["channel_title"] == "SMS and MMS (Twilio)", "the adapter's own"
    for path in ("entries", "entries?after=0", "entries?before=100"):
        page = (await ben.get(f"/sessions/{session_id}/{path}")).json
        assert [line["text"] for line in page["items"]] == ["latest"], path
        assert (page["next"], page["remaining"] or 0) == (None, 0)
        assert page["items"][0]["from"] == {"role": "end_user", "id": "", "name": "Kim"}
    listed = (await ben.get("/sessions")).json["items"]
    assert [(one["id"], one["access"], one["entry_count"]) for one in listed] == [(session_id, "preview", seen["entry_count"])]
    assert "+15550001111" not in str((seen, listed))

    joined = await ben.post(f"/sessions/{session_id}/invitations/{invitation['id']}/accept")
    assert joined.json["session"]["access"] == "full"
    texts = [line["text"] for line in (await ben.get(f"/sessions/{session_id}/entries")).json["items"]]
    assert texts[0] == "first"
    assert "latest" in texts


async def test_C10_who_is_asked_hears_of_new_messages_and_of_nothing_else(site: Site) -> None:
    session_id = await site.session()
    await asked(site, session_id)
    ben = await site.api(login="ben").events()
    ana = site.api(login="ana")
    await ana.post(f"/sessions/{session_id}/flag", {"text": "flag-canary"})
    await ana.post(f"/sessions/{session_id}/invitations", recipient("cleo") | {"note": "note-canary"})
    await ana.post(f"/sessions/{session_id}/messages", {"text": "said last"})
    while (await ben.until("entry"))["data"]["entry"]["text"] != "said last":
        pass
    assert "canary" not in str(ben.seen)
    assert {f["data"]["session"]["access"] for f in ben.seen if f["type"] == "session"} <= {"preview"}
    assert {f["data"]["entry"]["kind"] for f in ben.seen if f["type"] == "entry"} == {"message"}
    await ben.socket.close()


async def test_who_loses_sight_of_a_session_is_told_that_and_no_more(site: Site) -> None:
    session_id = await site.session()
    invitation = await asked(site, session_id)
    ben = await site.api(login="ben").events()
    await site.api(login="ana").post(f"/sessions/{session_id}/invitations/{invitation['id']}/withdraw")
    assert (await ben.until("session_gone"))["data"] == {}
    closed = await ben.until("invitation_closed")
    assert closed["data"] == {
        "invitation_id": invitation["id"],
        "reason": "withdrawn",
        "from": {"id": "ana", "name": "Ana"},
        "customer": {"name": "Kim"},
    }
    assert (await site.api(login="ben").get(f"/sessions/{session_id}")).code == "session_not_found"
    await ben.socket.close()


async def test_R7_going_away_answers_for_the_rep_at_once(site: Site) -> None:
    session_id = await site.session()
    invitation = await asked(site, session_id)
    ana, ben = [await site.api(login=login).events() for login in ("ana", "ben")]
    assert (await site.api(login="ben")("PUT", "/presence", json={"status": "away"})).status == 200
    told = await ana.until("invitation_unavailable")
    assert told["data"] == {"invitation_id": invitation["id"], "by": {"id": "ben", "name": "Ben"}}
    assert (await ben.until("invitation_closed"))["data"]["reason"] == "unavailable"
    assert (await site.api(login="ana").get(f"/sessions/{session_id}")).json["invitations"] == []
    for stream in (ana, ben):
        await stream.socket.close()


async def test_R7_offered_work_goes_to_the_next_at_once(site: Site) -> None:
    await site.online("ana")
    await site.customer_says()
    (session,) = (await site.api(login="sam").get("/sessions")).json["items"]
    assert session["offer"]["rep_name"] == "Ana"
    await site.online("ben")
    assert (await site.api(login="ana")("PUT", "/presence", json={"status": "offline"})).status == 200
    (session,) = (await site.api(login="sam").get("/sessions")).json["items"]
    assert (session["offer"]["rep"], session["offer"]["queue_name"]) == ("ben", "Support")


# -------------------------------------------------------------------------------------------------------- names


async def test_people_read_names_where_ids_stand_beside_them(site: Site) -> None:
    session_id = await site.session()
    await site.online("cleo")
    ana = site.api(login="ana")
    await ana.post(f"/sessions/{session_id}/invitations", recipient("support", "queue"))
    invited = (await ana.get(f"/sessions/{session_id}/entries")).json["items"][-1]
    assert invited["details"]["recipient"] == {"type": "queue", "id": "support", "name": "Support"}
    shown = (await ana.get(f"/sessions/{session_id}")).json
    assert shown["invitations"][0]["recipient"]["name"] == "Support"
    assert (shown["queue"], shown["queue_name"]) == ("support", "Support")
    await ana.post(f"/sessions/{session_id}/flag", {"text": "help"})
    assert (await ana.get(f"/sessions/{session_id}")).json["flag"]["raised_by_name"] == "Ana"


async def test_lines_that_came_before_the_name_was_known_bear_it_afterwards(site: Site) -> None:
    session_id = await site.session(address="6190001112223", name=None)
    ana = site.api(login="ana")
    assert (await ana.get(f"/sessions/{session_id}/entries")).json["items"][0]["from"]["name"] == "6190001112223"
    await site.broker.profiles.learned("sms", "6190001112223", EndUser(address=Address("6190001112223"), name="Kim"))
    (first, *_) = (await ana.get(f"/sessions/{session_id}/entries")).json["items"]
    assert (first["from"]["id"], first["from"]["name"]) == ("6190001112223", "Kim")


async def test_lines_of_an_opaque_id_bear_the_name_afterwards_too(site: Site) -> None:
    """What stands for the id is no name: the provider is asked for one, and is not told that one is known."""
    address = "24681357902468135"
    session_id = await site.session(address=address, name=None)
    ana = site.api(login="ana")
    assert (await ana.get(f"/sessions/{session_id}/entries")).json["items"][0]["from"]["name"] == "Customer 8135"
    assert (await site.broker.profiles.end_user("sms", address)).name is None
    await site.broker.profiles.learned("sms", address, EndUser(address=Address(address), name="Maria"))
    (first, *_) = (await ana.get(f"/sessions/{session_id}/entries")).json["items"]
    assert first["from"]["name"] == "Maria"


async def test_the_audit_names_who_asked_and_whom(site: Site) -> None:
    session_id = await site.session()
    await asked(site, session_id)
    records = (await site.api(login="sam").get(f"/sessions/{session_id}/audit")).json["items"]
    (invited,) = (one for one in records if one["command"] == "Invite")
    assert (invited["login"], invited["name"]) == ("ana", "Ana")
    assert invited["details"]["recipient"] == {"type": "agent", "id": "ben", "name": "Ben"}


async def test_who_is_only_asked_in_can_store_no_file_here(site: Site) -> None:
    session_id = await site.session()
    await asked(site, session_id)
    form = FormData({"text": "hello"})
    form.add_field("file", b"x", filename="a.png", content_type="image/png")
    refused = await site.api(login="ben")("POST", f"/sessions/{session_id}/messages", data=form)
    assert refused.code == "not_a_participant"
    store = site.broker.store
    assert isinstance(store, SqliteStore)
    assert await store.readers.run(lambda c: c.execute("SELECT count(*) FROM media").fetchone()[0]) == 0


# -------------------------------------------------------------------------------------------------------- flags


async def test_M4_two_reps_raise_flags_at_once_and_supervisors_answer_each(site: Site) -> None:
    session_id = await site.session()
    invitation = await asked(site, session_id)
    ana, ben, sam = (site.api(login=login) for login in ("ana", "ben", "sam"))
    await ben.post(f"/sessions/{session_id}/invitations/{invitation['id']}/accept")
    raised = await asyncio.gather(*(one.post(f"/sessions/{session_id}/flag", {"text": "help"}) for one in (ana, ben)))
    assert [reply.status for reply in raised] == [201, 201]
    seen = (await sam.get(f"/sessions/{session_id}")).json
    assert {flag["raised_by_name"] for flag in seen["flags"]} == {"Ana", "Ben"}
    assert seen["flag"] == seen["flags"][0]
    assert [(await one.get(f"/sessions/{session_id}")).json["flag"]["raised_by"] for one in (ana, ben)] == ["ana", "ben"]
    said = await sam.post(f"/sessions/{session_id}/whispers", {"text": "for-ben", "to": "ben"})
    assert (said.status, said.json["details"]["raised_by"]) == (201, "ben")
    assert "for-ben" in str((await ben.get(f"/sessions/{session_id}/entries")).json)
    assert "for-ben" not in str((await ana.get(f"/sessions/{session_id}/entries")).json)
    lowered = await sam("DELETE", f"/sessions/{session_id}/flag?raised_by=ben")
    assert [flag["raised_by"] for flag in lowered.json["flags"]] == ["ana"]


# ------------------------------------------------------------------------------------------------- bad questions


async def test_C1_a_list_of_recipients_is_told_to_be_several_requests(site: Site) -> None:
    session_id = await site.session()
    body = {"recipient": [{"type": "agent", "id": "ben"}, {"type": "agent", "id": "cleo"}]}
    refused = await site.api(login="ana").post(f"/sessions/{session_id}/invitations", body)
    assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "/recipient")
    assert "several requests" in str(refused.json["errors"])


@pytest.mark.parametrize("cursor", ["x", "1:x", "nan:1", "1e999:1", "1:99999999999999999999999", "-1:-1", "1"])
async def test_a_cursor_that_no_list_gave_is_the_callers_fault(site: Site, cursor: str) -> None:
    reply = await site.api(login="ana").get(f"/sessions?cursor={cursor}")
    assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, "/cursor")
    session_id = await site.session()
    if cursor != "1":
        reply = await site.api(login="sam").get(f"/sessions/{session_id}/audit?cursor={cursor}")
        assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, "/cursor")


async def test_a_fault_of_ours_under_a_cursor_is_not_said_to_be_the_callers(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(caller: Caller, **asked: Any) -> Page[Any]:
        raise ValueError("a bug")

    monkeypatch.setattr(site.broker, "sessions", broken)
    reply = await site.api(login="ana").get("/sessions?cursor=1.0:1")
    assert (reply.status, reply.code) == (500, "internal_error")
