"""The calls as reps and programs use them, each answer held against the API's description."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.edge.api import CALLS
from tests.edge.conftest import Site


async def asked(site: Site, session_id: str, login: str, recipient: str = "agent", by: str = "ana") -> str:
    """An open invitation's id."""
    reply = await site.api(login=by).post(
        f"/sessions/{session_id}/invitations", {"recipient": {"type": recipient, "id": login}, "note": "please look"}
    )
    assert reply.status == 201, reply
    return str(reply.json["id"])


async def conference(site: Site) -> str:
    """Ana and Ben in one session."""
    session_id = await site.session()
    await site.online("ben")
    invitation = await asked(site, session_id, "ben")
    assert (await site.api(login="ben").post(f"/sessions/{session_id}/invitations/{invitation}/accept")).status == 200
    return session_id


def is_time(text: str) -> bool:
    return text.endswith("Z") and datetime.fromisoformat(text).tzinfo == UTC


# ---------------------------------------------------------------------------------------------------- presence


async def test_presence_is_set_and_read(site: Site) -> None:
    ana = site.api(login="ana")
    assert (await ana.get("/presence")).json["status"] == "offline"
    for status in ("online", "online_voice", "busy", "away", "offline"):
        assert (await ana("PUT", "/presence", json={"status": status})).json["status"] == status
        assert (await ana.get("/presence")).json["status"] == status
    assert (await ana.get("/me")).json["presence"]["status"] == "offline"


# ----------------------------------------------------------------------------------------------- offered work


async def test_offered_work_is_listed_and_taken(site: Site) -> None:
    await site.online("ana")
    await site.customer_says("hello")
    ana = site.api(login="ana")
    (listed,) = (await ana.get("/sessions?status=waiting")).json["items"]
    assert listed["offer"]["rep"] == "ana"
    assert is_time(listed["offer"]["expires_at"])

    taken = await ana.post(f"/sessions/{listed['id']}/accept")
    assert (taken.status, taken.json["status"], taken.json["offer"]) == (200, "active", None)
    assert [p["id"] for p in taken.json["participants"] if p["role"] == "rep"] == ["ana"]
    assert taken.json["end_user"]["name"] == "Kim"
    assert (await ana.get("/sessions?mine=true")).json["items"][0]["id"] == listed["id"]


async def test_work_that_isnt_offered_cant_be_taken(site: Site) -> None:
    await site.online("ana")
    await site.customer_says("hello")
    (listed,) = (await site.api(login="ben").get("/sessions?status=waiting")).json["items"]
    assert listed["offer"] is None  # it is ana's, and none of ben's business
    reply = await site.api(login="ben").post(f"/sessions/{listed['id']}/accept")
    assert (reply.status, reply.code) == (409, "work_not_offered")
    assert reply.json["detail"].endswith(".")


async def test_declined_work_goes_to_the_next(site: Site) -> None:
    await site.online("ana", "ben")
    await site.customer_says("hello")
    (listed,) = (await site.api(login="sam").get("/sessions")).json["items"]
    first = listed["offer"]["rep"]
    second = {"ana": "ben", "ben": "ana"}[first]
    assert (await site.api(login=first).post(f"/sessions/{listed['id']}/decline")).status == 200
    assert (await site.api(login=second).post(f"/sessions/{listed['id']}/accept")).status == 200


# -------------------------------------------------------------------------------------------------- transcript


async def test_the_transcript_comes_in_pages_newest_first(site: Site) -> None:
    session_id = await site.session()
    ana = site.api(login="ana")
    for number in range(10):
        assert (await ana.post(f"/sessions/{session_id}/messages", {"text": f"line {number}"})).status == 201
    whole = (await ana.get(f"/sessions/{session_id}/entries?limit=100")).json
    numbers = [entry["number"] for entry in whole["items"]]
    assert numbers == sorted(numbers)
    assert (whole["next"], whole["remaining"]) == (None, 0)

    page = (await ana.get(f"/sessions/{session_id}/entries?limit=4")).json
    assert [entry["number"] for entry in page["items"]] == numbers[-4:]
    assert page["remaining"] == len(numbers) - 4
    seen = page["items"]
    while page["next"]:
        page = (await ana.get(f"/sessions/{session_id}/entries?limit=4&before={page['next']}")).json
        seen = page["items"] + seen
    assert seen == whole["items"]

    onwards: list[Any] = []
    after = 0
    while True:
        page = (await ana.get(f"/sessions/{session_id}/entries?limit=4&after={after}")).json
        onwards += page["items"]
        if page["next"] is None:
            break
        after = page["next"]
    assert onwards == whole["items"]


async def test_an_entry_says_who_and_when(site: Site) -> None:
    session_id = await site.session(text="my door squeaks")
    listed = (await site.api(login="ana").get(f"/sessions/{session_id}/entries")).json["items"]
    first = listed[0]
    assert (first["number"], first["kind"], first["visibility"], first["text"]) == (1, "message", "everyone", "my door squeaks")
    assert first["from"] == {"role": "end_user", "id": "+15550001111", "name": "Kim"}
    assert first["parts"] == [{"type": "text", "text": "my door squeaks"}]
    assert is_time(first["at"])
    assert {entry["kind"] for entry in listed} >= {"message", "participant_joined"}


async def test_what_a_rep_says_shows_how_it_fares(site: Site) -> None:
    session_id = await site.session()
    ana = site.api(login="ana")
    said = await ana.post(f"/sessions/{session_id}/messages", {"text": "Hello, Kim", "reply_to": 1})
    assert said.status == 201
    assert (said.json["text"], said.json["from"]["id"]) == ("Hello, Kim", "ana")
    listed = (await ana.get(f"/sessions/{session_id}/entries?after={said.json['number'] - 1}")).json["items"]
    (delivery,) = listed[0]["delivery"]
    assert delivery["status"] == "queued"
    resent = await ana.post(f"/sessions/{session_id}/deliveries/{delivery['outbox_id']}/resend")
    assert (resent.status, resent.code) == (409, "not_resendable")


async def test_typing_is_taken_and_leaves_no_trace(site: Site) -> None:
    session_id = await site.session()
    ana = site.api(login="ana")
    before = (await ana.get(f"/sessions/{session_id}")).json
    reply = await ana.post(f"/sessions/{session_id}/typing", {"on": True})
    assert (reply.status, reply.json) == (204, None)
    assert (await ana.get(f"/sessions/{session_id}")).json == before
    assert (await site.api(login="sam").post(f"/sessions/{session_id}/typing", {"on": True})).code == "not_a_participant"


# -------------------------------------------------------------------------------------------------- conference


async def test_destinations_show_who_may_be_asked(site: Site) -> None:
    session_id = await site.session()
    await site.online("ben", "cleo")
    ana = site.api(login="ana")
    agents = (await ana.get(f"/sessions/{session_id}/destinations?purpose=invite&type=agent")).json["items"]
    assert {(one["id"], one["name"], one["load"], one["capacity"]) for one in agents} == {
        ("ben", "Ben", 0, 5),
        ("cleo", "Cleo", 0, 5),
    }
    queues = (await ana.get(f"/sessions/{session_id}/destinations?purpose=transfer&type=queue")).json["items"]
    assert [(one["id"], one["available"]) for one in queues] == [("support", 2)]
    found = (await ana.get(f"/sessions/{session_id}/destinations?type=agent&q=cle")).json["items"]
    assert [one["id"] for one in found] == ["cleo"]
    page = (await ana.get(f"/sessions/{session_id}/destinations?type=agent&limit=1")).json
    rest = (await ana.get(f"/sessions/{session_id}/destinations?type=agent&limit=1&cursor={page['next']}")).json
    assert sorted(one["id"] for one in page["items"] + rest["items"]) == ["ben", "cleo"]


@pytest.mark.parametrize("path", ["invitations", "transfers"])
async def test_C4_T2_others_are_refused_by_the_rule(site: Site, path: str) -> None:
    session_id = await site.session()
    body = {"recipient": {"type": "others", "id": "+15559999999"}}
    reply = await site.api(login="ana").post(f"/sessions/{session_id}/{path}", body)
    assert (reply.status, reply.code) == (422, "recipient_type_not_allowed")
    listed = await site.api(login="ana").get(f"/sessions/{session_id}/destinations?type=others")
    assert listed.code == "recipient_type_not_allowed" or listed.json["items"] == []


async def test_an_invitation_is_shown_and_accepted(site: Site) -> None:
    session_id = await site.session()
    await site.online("ben")
    reply = await site.api(login="ana").post(
        f"/sessions/{session_id}/invitations", {"recipient": {"type": "agent", "id": "ben"}, "note": "please look"}
    )
    assert reply.status == 201
    invitation = reply.json
    assert invitation | {"id": "", "created_at": "", "expires_at": ""} == {
        "id": "",
        "purpose": "invite",
        "recipient": {"type": "agent", "id": "ben", "name": "Ben"},
        "from": "ana",
        "from_name": "Ana",
        "status": "open",
        "created_at": "",
        "expires_at": "",
        "asked": ["ben"],
        "declined": [],
        "note": "please look",
        "warning": None,
    }
    shown = (await site.api(login="ben").get(f"/sessions/{session_id}")).json["invitations"]
    assert [one["id"] for one in shown] == [invitation["id"]]

    joined = await site.api(login="ben").post(f"/sessions/{session_id}/invitations/{invitation['id']}/accept")
    assert (joined.status, joined.json["status"]) == (200, "accepted")
    assert [p["id"] for p in joined.json["session"]["participants"] if p["role"] == "rep"] == ["ana", "ben"]
    assert joined.json["session"]["invitations"] == []
    assert (await site.api(login="ben").post(f"/sessions/{session_id}/messages", {"text": "Ben here"})).status == 201


async def test_a_queue_is_asked_and_one_wins(site: Site) -> None:
    session_id = await site.session()
    await site.online("ben", "cleo")
    invitation = await asked(site, session_id, "support", "queue")
    won = await site.api(login="ben").post(f"/sessions/{session_id}/invitations/{invitation}/accept")
    late = await site.api(login="cleo").post(f"/sessions/{session_id}/invitations/{invitation}/accept")
    assert (won.status, late.status, late.code) == (200, 409, "invitation_already_taken")
    for answer in ("accept", "decline"):  # the winner, once more
        again = await site.api(login="ben").post(f"/sessions/{session_id}/invitations/{invitation}/{answer}")
        assert (again.status, again.code) == (409, "already_participant")


async def test_a_declined_invitation_is_told_to_the_inviter_alone(site: Site) -> None:
    session_id = await conference(site)
    await site.online("cleo")
    invitation = await asked(site, session_id, "support", "queue")
    declined = await site.api(login="cleo").post(f"/sessions/{session_id}/invitations/{invitation}/decline")
    assert (declined.status, declined.json["id"]) == (200, invitation)
    for login, told in (("ana", ["cleo"]), ("ben", [])):
        shown = (await site.api(login=login).get(f"/sessions/{session_id}")).json["invitations"]
        for one in shown:  # a queue whose reps have all declined may be closed at once
            assert one["declined"] == told


async def test_an_invitation_is_withdrawn_by_who_asked(site: Site) -> None:
    session_id = await conference(site)
    await site.online("cleo")
    invitation = await asked(site, session_id, "cleo")
    path = f"/sessions/{session_id}/invitations/{invitation}/withdraw"
    refused = await site.api(login="ben").post(path)
    assert refused.status in (403, 404, 409)
    assert (await site.api(login="ana").post(path)).json["status"] == "withdrawn"
    assert (await site.api(login="ana").post(path)).status in (404, 409)


async def test_a_transfer_swaps_in_one_step(site: Site) -> None:
    session_id = await site.session()
    await site.online("ben")
    reply = await site.api(login="ana").post(f"/sessions/{session_id}/transfers", {"recipient": {"type": "agent", "id": "ben"}})
    assert (reply.status, reply.json["purpose"]) == (201, "transfer")
    joined = await site.api(login="ben").post(f"/sessions/{session_id}/invitations/{reply.json['id']}/accept")
    assert [p["id"] for p in joined.json["session"]["participants"] if p["role"] == "rep"] == ["ben"]


async def test_leaving_and_ending(site: Site) -> None:
    session_id = await conference(site)
    ana, ben = site.api(login="ana"), site.api(login="ben")
    refused = await ben.post(f"/sessions/{session_id}/end")
    assert (refused.status, refused.code) == (409, "other_reps_present")
    left = await ben.post(f"/sessions/{session_id}/leave")
    assert left.status == 200
    refused = await ana.post(f"/sessions/{session_id}/leave")
    assert (refused.status, refused.code) == (409, "last_rep_must_end")
    ended = await ana.post(f"/sessions/{session_id}/end")
    assert (ended.status, ended.json["status"]) == (200, "ended")
    assert (await ana.post(f"/sessions/{session_id}/messages", {"text": "too late"})).code == "session_not_active"


async def test_a_standard_channel_has_no_conferencing(site: Site) -> None:
    session_id = await site.session(channel="sms-standard")
    await site.online("ben")
    body = {"recipient": {"type": "agent", "id": "ben"}}
    reply = await site.api(login="ana").post(f"/sessions/{session_id}/invitations", body)
    assert (reply.status, reply.code) == (409, "conferencing_not_supported")


async def test_a_refusal_names_what_is_missing(site: Site) -> None:
    session_id = await site.session()
    body = {"recipient": {"type": "flow", "id": "escalate"}}
    reply = await site.api(login="ana").post(f"/sessions/{session_id}/invitations", body)
    assert (reply.status, reply.code) == (403, "permission_denied")
    assert reply.json["details"]["missing"] == ["run_flows"]


# ------------------------------------------------------------------------------------------------- supervision


async def test_M4_flag_and_whispers_reach_supervisors_and_the_flagging_rep_alone(site: Site) -> None:
    session_id = await conference(site)
    ana, ben, sam = (site.api(login=login) for login in ("ana", "ben", "sam"))
    raised = await ana.post(f"/sessions/{session_id}/flag", {"text": "help-canary"})
    assert (raised.status, raised.json["kind"], raised.json["visibility"]) == (201, "flag_raised", "supervisors")
    whispered = await sam.post(f"/sessions/{session_id}/whispers", {"text": "whisper-canary"})
    assert (whispered.status, whispered.json["kind"]) == (201, "whisper")

    for api in (ana, sam):
        assert (await api.get(f"/sessions/{session_id}")).json["flag"]["raised_by"] == "ana"
        assert "whisper-canary" in str((await api.get(f"/sessions/{session_id}/entries")).json)
    seen = [
        await ben.get(f"/sessions/{session_id}"),
        await ben.get(f"/sessions/{session_id}/entries"),
        await ben.get("/sessions"),
    ]
    assert seen[0].json["flag"] is None
    assert "canary" not in str([reply.json for reply in seen])

    assert (await ben("DELETE", f"/sessions/{session_id}/flag")).status in (403, 409)
    lowered = await sam("DELETE", f"/sessions/{session_id}/flag")
    assert (lowered.status, lowered.json["flag"]) == (200, None)


async def test_the_audit_is_for_supervisors_and_holds_no_words(site: Site) -> None:
    session_id = await site.session()
    ana, sam = site.api(login="ana"), site.api(login="sam")
    await ana.post(f"/sessions/{session_id}/messages", {"text": "audit-canary"})
    await ana.post(f"/sessions/{session_id}/leave")
    refused = await ana.get(f"/sessions/{session_id}/audit")
    assert (refused.status, refused.code) == (403, "permission_denied")
    audit = await sam.get(f"/sessions/{session_id}/audit")
    outcomes = {(record["login"], record["outcome"]) for record in audit.json["items"]}
    assert outcomes >= {("ana", "done"), ("ana", "last_rep_must_end")}
    assert "audit-canary" not in str(audit.json)
    page = await sam.get(f"/sessions/{session_id}/audit?limit=1")
    rest = await sam.get(f"/sessions/{session_id}/audit?cursor={page.json['next']}")
    assert page.json["items"] + rest.json["items"] == audit.json["items"]


# ---------------------------------------------------------------------------------------------- every command


async def test_E1_another_orgs_session_isnt_there(site: Site) -> None:
    session_id = await site.session()
    zoe = site.api(login="zoe")
    assert (await zoe.get("/sessions")).json["items"] == []
    replies = [
        await zoe.get(f"/sessions/{session_id}"),
        await zoe.get(f"/sessions/{session_id}/entries"),
        await zoe.get(f"/sessions/{session_id}/audit"),
        await zoe.get(f"/sessions/{session_id}/destinations?type=agent"),
        await zoe.post(f"/sessions/{session_id}/messages", {"text": "hi"}),
        await zoe.post(f"/sessions/{session_id}/end"),
        await zoe.post(f"/sessions/{session_id}/typing", {"on": True}),
    ]
    assert {(reply.status, reply.code) for reply in replies} == {(404, "session_not_found")}


async def test_E2_the_same_key_gives_the_first_answer(site: Site) -> None:
    session_id = await site.session()
    await site.online("ben")
    ana = site.api(login="ana")
    key = {"Idempotency-Key": "key-1"}
    body = {"recipient": {"type": "agent", "id": "ben"}}
    first = await ana.post(f"/sessions/{session_id}/invitations", body, headers=key)
    again = await ana.post(f"/sessions/{session_id}/invitations", body, headers=key)
    assert (first.status, again.status, again.json) == (201, 201, first.json)
    other = await ana.post(f"/sessions/{session_id}/messages", {"text": "hello"}, headers=key)
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    bens = await site.api(login="ben").post(f"/sessions/{session_id}/invitations/{first.json['id']}/accept", headers=key)
    assert bens.status == 200  # another caller's keys are their own


async def test_E2_a_refusal_is_repeated_too(site: Site) -> None:
    session_id = await site.session()
    ana = site.api(login="ana")
    key = {"Idempotency-Key": "key-1"}
    first = await ana.post(f"/sessions/{session_id}/leave", headers=key)
    again = await ana.post(f"/sessions/{session_id}/leave", headers=key)
    assert first.code == "last_rep_must_end"
    assert again.json == first.json


# ---------------------------------------------------------------------------------------------------- the list


async def test_the_list_is_searched_filtered_and_paged(site: Site) -> None:
    await site.session(address="+15550000001")
    await site.session(address="+15550000002")
    ana = site.api(login="ana")
    everything = (await ana.get("/sessions")).json
    assert len(everything["items"]) == 2
    assert len((await ana.get("/sessions?q=kim")).json["items"]) == 2
    assert (await ana.get("/sessions?q=nobody")).json["items"] == []
    assert (await ana.get("/sessions?status=ended")).json["items"] == []
    page = (await ana.get("/sessions?limit=1")).json
    rest = (await ana.get(f"/sessions?limit=1&cursor={page['next']}")).json
    assert page["items"] + rest["items"] == everything["items"]
    assert rest["next"] is None


# ------------------------------------------------------------------------------------------------------ errors


async def test_an_unknown_address_is_a_problem(site: Site) -> None:
    for path in ("/", "/nothing", "/sessions/x/nothing", "/sessions/x/y/z"):
        assert (await site.api(login="ana").get(path)).code == "not_found"


async def test_the_wrong_method_is_a_problem_that_names_the_right_ones(site: Site) -> None:
    reply = await site.api(login="ana")("DELETE", "/me")
    assert (reply.status, reply.code, reply.headers["Allow"]) == (405, "method_not_allowed", "GET, HEAD")


async def test_every_call_is_counted_by_its_template(site: Site) -> None:
    await site.api(login="ana").get("/sessions/none")
    await site.api().get("/me")
    async with site.http.get("/metrics") as response:
        text = await response.text()
    assert 'byoc_api_requests_total{method="GET",route="/api/v1/sessions/{session_id}",status="404"} 1.0' in text
    assert 'byoc_api_requests_total{method="GET",route="/api/v1/me",status="401"} 1.0' in text


def test_every_operation_has_a_name_of_its_own() -> None:
    assert len({call.name for call in CALLS}) == len(CALLS)
