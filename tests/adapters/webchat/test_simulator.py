"""The visitor's browser, played by hand: its calls, their order, and what it does when they fail."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.contract import RawRequest
from adapters.simulation import Action, CannotAct, ProviderCall, SimFile
from adapters.webchat import ADAPTER
from adapters.webchat.simulator import WebchatSimulator
from tests.adapters.webchat.account import ACCOUNT, BASE, HOOK, NOW, answered

SESSION = {"visitor_token": "tok-1", "visitor_id": "v_1"}


def browser() -> WebchatSimulator:
    return WebchatSimulator(ACCOUNT)


def act(simulator: WebchatSimulator, kind: Any, **more: Any) -> list[ProviderCall]:
    return list(simulator.act(Action(kind=kind, customer="kim", **more), NOW).calls)


def settle(simulator: WebchatSimulator, call: ProviderCall, status: int, body: Any = None, **headers: str) -> list[ProviderCall]:
    return list(simulator.settled(*answered(call, status, body, **headers), NOW))


def signed_in() -> WebchatSimulator:
    simulator = browser()
    (session,) = act(simulator, "typing")
    typing, _ = settle(simulator, session, 201, SESSION)
    assert settle(simulator, typing, 204) == []
    return simulator


def path(call: ProviderCall) -> str:
    assert call.url.startswith(BASE)
    return f"{call.method} {call.url.removeprefix(BASE)}"


def test_the_first_word_begins_with_a_session() -> None:
    simulator = browser()
    (session,) = act(simulator, "say", text="hello")
    assert path(session) == "POST /session"
    assert json.loads(session.body)["prechat"] == {"name": "Kim"}
    message, events = settle(simulator, session, 201, SESSION)
    assert (path(message), path(events)) == ("POST /messages", "GET /events?after=0&wait=0")
    assert message.headers["authorization"] == "Bearer tok-1"
    assert json.loads(message.body)["text"] == "hello"
    assert [line.status for line in simulator.handset("kim")] == ["sending"]
    assert settle(simulator, message, 202, {"id": "m_1", "seq": 1}) == []
    assert [line.status for line in simulator.handset("kim")] == ["sent"]


def test_one_request_at_a_time_keeps_the_order() -> None:
    simulator = signed_in()
    (first,) = act(simulator, "say", text="one")
    assert act(simulator, "say", text="two") == []
    (again,) = settle(simulator, first, 503)
    assert (again.body, again.attempt) == (first.body, 2)
    (second,) = settle(simulator, again, 202, {"id": "m_1", "seq": 1})
    assert json.loads(second.body)["text"] == "two"


def test_a_lost_answer_is_asked_for_again_under_the_same_client_id() -> None:
    simulator = signed_in()
    (first,) = act(simulator, "say", text="one")
    (again,) = simulator.settled(first, None, NOW)
    assert json.loads(again.body)["client_id"] == json.loads(first.body)["client_id"]
    assert again.id != first.id
    assert again.delay_seconds > 0


def test_retry_after_is_obeyed() -> None:
    simulator = signed_in()
    (first,) = act(simulator, "say", text="one")
    (again,) = settle(simulator, first, 429, None, retry_after="7")
    assert again.delay_seconds == 7


def test_a_token_that_ran_out_is_renewed_and_nothing_lost() -> None:
    simulator = signed_in()
    (first,) = act(simulator, "say", text="one")
    (session,) = settle(simulator, first, 401)
    assert path(session) == "POST /session"
    again, _ = settle(simulator, session, 201, {**SESSION, "visitor_token": "tok-2"})
    assert (again.body, again.headers["authorization"]) == (first.body, "Bearer tok-2")


def test_what_is_refused_is_shown_as_failed_and_holds_nothing_up() -> None:
    simulator = signed_in()
    (first,) = act(simulator, "say", text="one")
    act(simulator, "say", text="two")
    (second,) = settle(simulator, first, 422, {"code": "invalid_input"})
    settle(simulator, second, 202, {"id": "m_1", "seq": 1})
    assert [(line.text, line.status) for line in simulator.handset("kim")] == [("two", "sent"), ("one", "failed")]


def test_events_stand_in_the_services_order_and_are_acknowledged() -> None:
    simulator = signed_in()
    (mine,) = act(simulator, "say", text="hello")
    settle(simulator, mine, 202, {"id": "m_1", "seq": 1})
    ana = {"kind": "rep", "name": "Ana", "avatar": None}
    at = NOW.isoformat()
    items = [
        {
            "seq": 1,
            "type": "message",
            "id": "m_1",
            "at": at,
            "from": {"kind": "visitor"},
            "client_id": json.loads(mine.body)["client_id"],
        },
        {"seq": 2, "type": "notice", "id": "m_2", "at": at, "code": "joined", "participant": ana, "text": "Ana joined"},
        {"seq": 3, "type": "message", "id": "m_3", "at": at, "from": ana, "text": "Hi!", "client_id": None},
        {"type": "typing", "from": ana, "on": True},
        {"seq": 3, "type": "message", "id": "m_3", "at": at, "from": ana, "text": "Hi!", "client_id": None},
        {"seq": 4, "type": "hologram", "id": "m_4", "at": at},
    ]
    (poll,) = simulator.refresh("kim", NOW)
    (delivered,) = settle(simulator, poll, 200, {"items": items, "next": "4"})
    assert (path(delivered), json.loads(delivered.body)) == ("POST /delivered", {"seq": 4})
    shown = [(line.sender, line.kind, line.speaker, line.text) for line in simulator.handset("kim")]
    assert shown == [
        ("me", "message", None, "hello"),
        ("them", "notice", None, "Ana joined"),
        ("them", "message", "Ana", "Hi!"),
    ]
    settle(simulator, delivered, 204)
    (read,) = act(simulator, "read")
    assert (path(read), json.loads(read.body)) == ("POST /read", {"seq": 4})


def test_writing_implies_having_read() -> None:
    simulator = signed_in()
    (poll,) = simulator.refresh("kim", NOW)
    item = {"seq": 1, "type": "message", "id": "m", "at": NOW.isoformat(), "from": {"kind": "rep", "name": "Ana"}, "text": "Hi!"}
    (delivered,) = settle(simulator, poll, 200, {"items": [item], "next": "1"})
    act(simulator, "say", text="thanks")
    (read,) = settle(simulator, delivered, 204)
    (message,) = settle(simulator, read, 204)
    assert (path(read), path(message)) == ("POST /read", "POST /messages")


def test_a_picture_both_ways() -> None:
    simulator = signed_in()
    mine = SimFile(name='my "photo".png', mime_type="image/png", content=b"\x89PNG\r\n\x1a\n")
    (upload,) = act(simulator, "say", file=mine, text="look")
    assert upload.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert mine.content in upload.body
    assert upload.body.index(b'name="client_id"') < upload.body.index(b'name="file"; filename="my %22photo%22.png"')
    file_id = simulator.handset("kim")[0].media["file_id"]  # type: ignore[index]
    assert simulator.file(file_id) == mine
    settle(simulator, upload, 202, {"id": "m_1", "seq": 1})
    theirs = {"id": "f_1", "name": "a.png", "mime_type": "image/png", "size_bytes": 3, "url": "/chat/web1/files/f_1?exp=1&sig=2"}
    item = {
        "seq": 2,
        "type": "message",
        "id": "m_2",
        "at": NOW.isoformat(),
        "from": {"kind": "rep", "name": "Ana"},
        "file": theirs,
    }
    (poll,) = simulator.refresh("kim", NOW)
    fetch, _ = settle(simulator, poll, 200, {"items": [item], "next": "2"})
    assert (fetch.purpose, fetch.url) == ("fetch", "http://127.0.0.1:8080/chat/web1/files/f_1?exp=1&sig=2")
    simulator.settled(fetch, answered(fetch, 200)[1].__class__(200, b"abc"), NOW)
    assert simulator.file("f_1") == SimFile(name="a.png", mime_type="image/png", content=b"abc")


def test_twice_is_the_same_client_id_twice() -> None:
    simulator = signed_in()
    (first,) = act(simulator, "say", text="hello", details={"times": 2})
    (second,) = settle(simulator, first, 202, {"id": "m_1", "seq": 1})
    assert first.body == second.body
    assert len(simulator.handset("kim")) == 1


def test_a_tab_that_slept_sends_again_days_later_under_the_same_client_id() -> None:
    simulator = signed_in()
    (first,) = act(simulator, "say", text="hello", details={"again_after_seconds": 6 * 86400})
    (again,) = settle(simulator, first, 202, {"id": "m_1", "seq": 1})
    assert (again.body, again.delay_seconds) == (first.body, 6 * 86400)
    (second,) = act(simulator, "say", text="next")
    assert second.lane != again.lane, "it holds up nothing"
    assert settle(simulator, again, 202, {"id": "m_1", "seq": 1}) == []


def test_details_that_cant_be() -> None:
    with pytest.raises(CannotAct):
        act(browser(), "say", text="hello", details={"delay_seconds": "soon"})


def test_offline_nothing_goes_out_and_online_everything_does() -> None:
    simulator = signed_in()
    assert act(simulator, "offline") == []
    assert act(simulator, "say", text="one") == []
    assert simulator.refresh("kim", NOW) == ()
    message, poll = act(simulator, "online")
    assert (path(message), poll.method) == ("POST /messages", "GET")


def test_a_quick_reply_and_the_end() -> None:
    simulator = signed_in()
    (choice,) = act(simulator, "choose", details={"id": "track", "title": "Track my order"})
    assert json.loads(choice.body)["choice"] == {"id": "track", "title": "Track my order"}
    settle(simulator, choice, 202, {"id": "m_1", "seq": 1})
    (end,) = act(simulator, "end")
    assert path(end) == "POST /end"


@pytest.mark.parametrize("kind", ["block", "location", "sticker", "react", "unsend"])
def test_what_a_page_has_no_button_for(kind: Any) -> None:
    with pytest.raises(CannotAct):
        act(browser(), kind)


def test_a_browser_serves_nothing() -> None:
    request = RawRequest("POST", f"{BASE}/deliver", "/deliver", (), {}, b"{}", NOW)
    assert browser().handle(request, NOW).answer.status == 404


def test_the_demo_talks_to_the_gateways_own_chat() -> None:
    settings = ADAPTER.demo("web1", "http://127.0.0.1:9/sim/web1", HOOK)
    account = ADAPTER.account.model_validate({"channel_id": "web1", "webhook_url": HOOK, **settings})
    assert account.chat_base == "https://gw.example.test/chat/web1"
