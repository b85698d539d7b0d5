"""Whom an event is about, and how the answer names them."""

from __future__ import annotations

import json
from typing import Any

from adapters.contract import HttpReply
from adapters.envelope import Address, EndUser
from adapters.messenger.inbound import parse
from adapters.messenger.outbound import profile, send
from tests.adapters.messenger.account import KIM, NOW, PAGE, account, event, events, request, say, typing
from tests.adapters.outgoing import play

OK = HttpReply(200, {}, b'{"recipient_id":"6100000000000001","message_id":"m_OUT"}')


def only(item: Any) -> Any:
    (found,) = parse(request(events(item)), account())
    return found


def test_who_is_known_by_a_user_ref_alone_is_not_answered_by_it_as_if_it_were_an_id() -> None:
    pressed = {
        "sender": {"user_ref": "u-1"},
        "recipient": {"id": PAGE},
        "postback": {"mid": "m_1", "title": "Yes", "payload": "YES"},
    }
    found = only(pressed)
    assert (found.end_user.address, found.remember) == ("user_ref:u-1", {})
    (call,), _ = play(send(say("Hi", to=found.end_user.address), account(), NOW), OK)
    assert json.loads(call.body)["recipient"] == {"user_ref": "u-1"}
    calls, _ = play(send(typing(True, to=found.end_user.address), account(), NOW), OK, OK)
    assert [json.loads(one.body)["recipient"] for one in calls] == [{"user_ref": "u-1"}] * 2


def test_who_came_by_the_checkbox_is_one_person_when_they_write() -> None:
    prior = {"source": "checkbox_plugin", "identifier": "u-1"}
    found = only({**event(message={"mid": "m_2", "text": "Hi"}), "prior_message": prior})
    assert (found.end_user.address, found.end_user.aliases) == (KIM, ("user_ref:u-1",))
    (call,), _ = play(send(say("Hi", to="user_ref:u-1", memory=found.remember), account(), NOW), OK)
    assert json.loads(call.body)["recipient"] == {"id": KIM}


def test_meta_is_not_asked_who_a_user_ref_is() -> None:
    someone = EndUser(address=Address("user_ref:u-1"))
    assert play(profile(someone, account(), NOW)) == ([], someone)
