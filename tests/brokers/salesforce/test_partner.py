"""Partner-owned routing: each flow of the guides as a conversation, call by call."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from gateway.brokers.salesforce.partner_people import short
from gateway.brokers.salesforce.partner_values import Answered, CameFree, CustomerEnded, Fired, RemoveRep
from gateway.session.model import Presence
from tests.brokers.salesforce.partner_play import (
    BILLING,
    ESCALATE,
    NOWHERE,
    STRANGER,
    SUPPORT,
    THEIR_FLOW,
    THEIR_QUEUE,
    USERS,
    PartnerPlay,
    login_of,
)

SUCCESS = {"conversationIdentifier": "con-1", "success": True, "externallyRouted": False}
FAILURE = {"conversationIdentifier": "con-1", "success": False, "externallyRouted": False}


def work_for(login: str, routing: str, correlation: str) -> tuple[str, dict[str, Any]]:
    """POST /agentWork."""
    context = {"conversationIdentifier": "con-1", "routingType": routing, "routingCorrelationId": correlation}
    return "agent_work", {"userId": USERS[login], "capacityWeight": 1, "routingContext": context}


def asked_in_turn(play: PartnerPlay) -> list[str]:
    """Whom we had Salesforce ask so far, in order."""
    return [login_of(call.body["userId"]) for call in play.calls if call.operation == "agent_work"]


def operations(play: PartnerPlay) -> list[str]:
    return [call.operation for call in play.calls]


def results(play: PartnerPlay) -> list[bool]:
    return [bool(call.body["success"]) for call in play.calls if call.operation == "routing_result"]


# --------------------------------------------------------------------------------------------------- to a rep, a queue, a flow


@pytest.mark.parametrize("routing", ["Initial", "Transfer", "Conference"])
@pytest.mark.parametrize(
    ("to", "login"),
    [
        ({"user": USERS["dora"]}, "dora"),
        ({"user": short(USERS["dora"])}, "dora"),
        ({"queue": SUPPORT}, "ben"),
        ({"queue": short(BILLING)}, "cleo"),
        ({"flow": ESCALATE, "queue": SUPPORT}, "dora"),
    ],
    ids=["user", "user_15", "queue", "queue_15", "flow"],
)
def test_the_rep_who_is_in_turn_is_asked_and_accepts(
    routing: Literal["Initial", "Transfer", "Conference"], to: dict[str, str], login: str
) -> None:
    play = PartnerPlay()
    play.come_in("ana")  # is in already, so never asked
    [(operation, body)] = play.do(play.asked(routing, **to, correlation="c-1"))
    expected = work_for(login, routing, "c-1")
    assert (operation, body) == (expected[0], {**expected[1], "userId": to.get("user", USERS[login])})
    play.send()
    assert results(play) == []
    work = next(iter(play.works))
    assert play.do(play.seen("Accepted", work)) == [("routing_result", {**SUCCESS, "routingType": routing})]
    assert play.do(play.people(login)) == []
    assert play.wait(600) == []
    assert play.timers == {}


@pytest.mark.parametrize("change", ["Accepted", "Declined", "Closed"])
def test_nobody_answers_for_another(change: str) -> None:
    play = PartnerPlay()
    play.do(play.asked("Conference", user=USERS["ben"]))
    play.send()
    work = next(iter(play.works))
    assert play.do(play.seen(change, work, by=USERS["ana"])) == []
    assert play.routing.asked == USERS["ben"]
    assert play.do(play.seen(change, work, by=USERS["ben"][:15])) != []


def test_a_rep_whom_the_settings_do_not_name_is_judged_by_salesforce() -> None:
    play = PartnerPlay()
    assert play.do(play.asked("Transfer", user=STRANGER))[0][1]["userId"] == STRANGER


def test_who_is_being_asked_elsewhere_has_less_capacity_left() -> None:
    play = PartnerPlay()
    play.world.set_rep("ana", capacity=2)
    play.world.set_rep("ben", capacity=2)
    play.world.other_load = {short(USERS["ana"]): 1, USERS["ben"]: 1}  # conversations that Salesforce holds
    play.asked_elsewhere = {short(USERS["ana"]): 1}
    play.world.go(Presence.offline, "cleo")
    play.do(play.asked(queue=SUPPORT))
    assert asked_in_turn(play) == ["ben"]
    play.send()
    play.answer("ben", "Declined")
    assert play.routing.waits


def test_a_request_without_a_recipient_is_for_the_channels_queue() -> None:
    play = PartnerPlay()
    play.do(play.asked())
    assert asked_in_turn(play) == ["ana"]


def test_longest_idle_and_least_loaded_first() -> None:
    play = PartnerPlay()
    play.world.other_load = {"ana": 3, "ben": 1}
    play.do(play.asked(queue=SUPPORT))
    for login in ("cleo", "ben", "ana"):
        play.send()
        play.answer(login, "Declined")
    assert asked_in_turn(play) == ["cleo", "ben", "ana"]


def test_joining_is_accepting_where_salesforce_does_not_report_the_work() -> None:
    play = PartnerPlay()
    play.come_in("dora")
    play.do(play.asked("Conference", user=USERS["ana"]))
    play.send()
    assert play.answer("ana", "Accepted", event=False) == [("routing_result", {**SUCCESS, "routingType": "Conference"})]


def test_a_supervisor_who_joins_has_not_accepted_for_the_one_who_is_asked() -> None:
    play = PartnerPlay()
    play.do(play.asked())
    play.send()
    assert play.do(play.people("ana", role="Supervisor")) == []


# ------------------------------------------------------------------------------------------------------- nobody comes


@pytest.mark.parametrize("routing", ["Transfer", "Conference"])
@pytest.mark.parametrize(("change", "reason"), [("Declined", "Decline"), ("Closed", "Unavailable"), ("Cancelled", "Unavailable")])
def test_nobody_left_fails_a_request_and_removes_the_route(
    routing: Literal["Transfer", "Conference"], change: Literal["Declined", "Closed", "Cancelled"], reason: str
) -> None:
    play = PartnerPlay()
    play.come_in("ana")
    play.do(play.asked(routing, queue=BILLING))
    play.send()
    assert play.answer("cleo", "Declined")[0][0] == "agent_work"
    play.send()
    [result, unroute] = play.do(play.seen(change, list(play.works)[1]))
    assert result[0] == "routing_result"
    assert result[1].pop("errorMessage")
    assert result[1] == {**FAILURE, "routingType": routing}
    assert unroute == ("unroute", {"conversationIdentifier": "con-1", "cancelReason": reason})
    assert asked_in_turn(play) == ["cleo", "dora"]
    assert play.wait(600) == []


@pytest.mark.parametrize(
    ("to", "sentence"),
    [
        ({"user": USERS["cleo"]}, "Cleo isn't online for messaging: choose someone from the destination list."),
        ({"user": USERS["ana"]}, "Ana is in this session already: choose someone else."),
        ({"user": USERS["dora"]}, "Dora has no capacity left: choose someone else, or wait."),
        ({"queue": BILLING}, "No rep of Billing is online for messaging and free: name another queue, or wait."),
        ({"flow": NOWHERE, "queue": SUPPORT}, "The flow Nowhere found nobody: name a rep or a queue."),
        ({"bot": "0Xx000000000001"}, "Bots can't be asked through this channel: name a rep, a queue or a flow."),
    ],
    ids=["offline", "in_it", "full", "queue_empty", "flow_yields_nothing", "bot"],
)
def test_what_cannot_be_done_is_answered_at_once(to: dict[str, str], sentence: str) -> None:
    play = PartnerPlay()
    play.come_in("ana")
    play.world.go(Presence.away, "cleo")
    play.world.other_load = {"dora": 5}
    if "queue" in to and "flow" not in to:
        play.world.go(Presence.offline, "dora")
    result = play.do(play.asked("Conference", **to))[0]
    assert result == ("routing_result", {**FAILURE, "routingType": "Conference", "errorMessage": sentence})
    assert "agent_work" not in operations(play)


def test_a_conference_that_is_full_is_refused_and_a_transfer_is_not() -> None:
    play = PartnerPlay()
    play.come_in("ana", "ben")
    play.world.set(conference_limit=2)
    assert play.do(play.asked("Conference", user=USERS["cleo"]))[0][1]["success"] is False
    assert play.do(play.asked("Transfer", user=USERS["cleo"]))[0][0] == "agent_work"


def test_a_channel_without_conferencing_refuses_and_hides_the_button() -> None:
    play = PartnerPlay()
    play.come_in("ana")
    play.world.set_channel(edition="standard")
    assert play.do(play.asked("Conference", user=USERS["cleo"]))[0][1]["success"] is False
    [(_, body)] = play.do(play.asked("Transfer", user=USERS["cleo"]))
    assert body["agentActionVisibilities"] == [{"agentAction": "Conference", "visible": False}]


# ---------------------------------------------------------------------------------------------------------- outside


def test_a_transfer_outside_is_reported_as_routed_externally() -> None:
    play = PartnerPlay()
    play.come_in("ana")
    called = play.do(play.asked("Transfer", external="contact-1"))
    assert called == [("routing_result", {**SUCCESS, "externallyRouted": True, "routingType": "Transfer"})]
    assert play.routing.current is None


def test_a_conference_with_somebody_outside_is_refused() -> None:
    play = PartnerPlay()
    play.come_in("ana")
    [(operation, body)] = play.do(play.asked("Conference", external="contact-1"))
    assert (operation, body["success"], body["externallyRouted"]) == ("routing_result", False, False)
    assert "outside" in body["errorMessage"]


# -------------------------------------------------------------------------------------------- Salesforce's own queues and flows


@pytest.mark.parametrize(
    ("to", "info"),
    [
        ({"queue": THEIR_QUEUE}, {"queueId": THEIR_QUEUE}),
        ({"flow": THEIR_FLOW, "queue": THEIR_QUEUE}, {"flow": {"flowId": THEIR_FLOW, "queueId": THEIR_QUEUE}}),
        ({"flow": THEIR_FLOW}, {"flow": {"flowId": THEIR_FLOW, "queueId": SUPPORT}}),
    ],
    ids=["queue", "flow", "flow_without_a_queue"],
)
def test_what_is_salesforces_own_is_routed_there(to: dict[str, str], info: dict[str, Any]) -> None:
    play = PartnerPlay()
    play.come_in("ana")
    called = play.do(play.asked("Transfer", **to))
    assert called == [("route", {"conversationIdentifier": "con-1", "routingType": "Transfer", "routingInfo": info})]
    play.send()
    assert operations(play) == ["route", "routing_result"]
    assert results(play) == [True]
    assert play.wait(600) == []


def test_a_route_that_salesforce_refuses_fails_a_transfer_but_loses_no_customer() -> None:
    play = PartnerPlay()
    play.do(play.asked("Transfer", queue=THEIR_QUEUE))
    assert play.do(Answered(ref="route:1", ok=False, code=10_032))[0][1]["success"] is False
    play.do(play.asked("Initial", queue=THEIR_QUEUE))
    assert play.do(Answered(ref="route:2", ok=False, code=10_032))[0][0] == "agent_work"


def test_a_flow_without_any_fallback_queue() -> None:
    play = PartnerPlay()
    play.world.set_channel(queue=None)
    [(operation, body)] = play.do(play.asked("Transfer", flow=THEIR_FLOW))
    assert (operation, body["success"]) == ("routing_result", False)
    assert play.do(play.asked("Initial", flow=THEIR_FLOW)) == [
        ("route", {"conversationIdentifier": "con-1", "routingType": "Initial"})
    ]


def test_a_channel_without_a_queue_is_routed_as_salesforce_has_configured_it() -> None:
    play = PartnerPlay()
    play.world.set_channel(queue=None)
    assert play.do(play.asked()) == [("route", {"conversationIdentifier": "con-1", "routingType": "Initial"})]


# ------------------------------------------------------------------------------------------------------ no answer in time


def test_an_unanswered_work_is_cancelled_before_the_next_is_assigned() -> None:
    play = PartnerPlay()
    play.do(play.asked(queue=SUPPORT))
    play.send()
    assert play.do(Fired(ref="offer:2")) == [
        ("close_agent_work", {"contextType": "Agent", "workId": "0Bz000000000000", "status": "Close"})
    ]
    assert play.do(Fired(ref="offer:2")) == []
    assert [call.operation for call in play.unsent] == ["close_agent_work"]
    play.send()
    assert asked_in_turn(play) == ["ana", "ben"]
    assert play.ringing == [USERS["ben"]]


def test_a_rep_who_accepts_at_the_moment_of_the_cancellation_is_in_and_nobody_else_is_asked() -> None:
    play = PartnerPlay()
    play.do(play.asked(queue=SUPPORT))
    play.send()
    play.do(Fired(ref="offer:2"))
    play.works["0Bz000000000000AAA"].state = "accepted"
    play.send()  # Salesforce won't cancel it any more
    assert asked_in_turn(play) == ["ana"]
    assert play.do(play.people("ana")) == [("routing_result", {**SUCCESS, "routingType": "Initial"})]
    assert play.wait(600) == []


def test_a_rep_who_declines_at_the_moment_of_the_cancellation_is_passed_over() -> None:
    play = PartnerPlay()
    play.do(play.asked(queue=SUPPORT))
    play.send()
    play.do(Fired(ref="offer:2"))
    play.works["0Bz000000000000AAA"].state = "declined"
    play.send()
    assert play.do(play.seen("Declined", "0Bz000000000000AAA"))[0][0] == "agent_work"


def test_a_customer_does_not_wait_for_ever_for_news_of_a_work_that_cannot_be_cancelled() -> None:
    play = PartnerPlay()
    play.do(play.asked(queue=SUPPORT))
    play.send()
    play.do(Fired(ref="offer:2"))
    play.works["0Bz000000000000AAA"].state = "declined"  # and no event says so
    play.send()
    play.wait(60)
    assert asked_in_turn(play)[:2] == ["ana", "ben"]


def test_success_is_reported_before_the_60_seconds_and_asking_goes_on() -> None:
    play = PartnerPlay()
    play.come_in("dora")
    play.do(play.asked("Conference", queue=SUPPORT))
    play.send()
    assert play.wait(50) == ["close_agent_work", "agent_work", "routing_result"]
    assert results(play) == [True]
    play.wait(100)
    assert asked_in_turn(play) == ["ana", "ben", "cleo"]
    assert operations(play)[-1] == "unroute"
    assert results(play) == [True]
    assert play.timers == {}


def test_a_customer_whose_transfer_was_reported_too_early_is_not_left_alone() -> None:
    play = PartnerPlay()
    play.come_in("dora")
    play.world.go(Presence.offline, "ana")
    play.do(play.asked("Transfer", queue=BILLING))  # Cleo alone, as Dora is in
    play.send()
    play.world.set(offer_seconds=100)
    play.do(Fired(ref="offer:2"))
    play.do(Fired(ref="budget:1"))  # Cleo still rings, or so it seems
    assert results(play) == [True]
    play.reps.clear()  # Dora has left with it
    play.do(play.people("dora", "remove"))
    play.world.go(Presence.offline, "dora")
    play.send()  # Cleo's work is cancelled: Ben of the channel's own queue is next
    assert asked_in_turn(play) == ["cleo", "ben"]
    play.send()
    play.answer("ben", "Declined")
    assert play.routing.waits
    play.world.go(Presence.online, "ana")
    assert play.do(CameFree())[0][1]["userId"] == USERS["ana"]
    play.send()
    play.answer("ana", "Accepted")
    assert (results(play), play.timers) == ([True], {})


def test_a_slow_call_gives_the_rep_their_whole_time() -> None:
    play = PartnerPlay()
    play.do(play.asked("Transfer", queue=SUPPORT))
    assert play.do(Fired(ref="offer:2")) == []  # it isn't sent yet
    play.send()
    assert play.wait(25) == []
    assert play.wait(10) == ["close_agent_work", "agent_work"]


def test_an_assignment_that_fails_goes_to_the_next() -> None:
    play = PartnerPlay()
    play.do(play.asked("Transfer", queue=BILLING))
    assert play.do(Answered(ref="work:2", ok=False, code=15_112))[0][1]["userId"] == USERS["dora"]
    called = play.do(Answered(ref="work:3", ok=False, code=15_112))
    assert [operation for operation, _ in called] == ["routing_result", "unroute"]


def test_a_repeated_assignment_that_is_a_duplicate_has_worked() -> None:
    play = PartnerPlay()
    play.do(play.asked("Transfer", queue=BILLING))
    play.unsent.clear()
    assert play.do(Answered(ref="work:2", ok=False, code=15_109)) == []
    assert play.do(play.seen("Assigned", "0BzX")) == []
    assert play.do(Fired(ref="offer:2"))[0] == ("close_agent_work", {"contextType": "Agent", "workId": "0BzX", "status": "Close"})


def test_a_work_that_cannot_be_cancelled_because_nobody_knows_its_id_is_the_last() -> None:
    play = PartnerPlay()
    play.do(play.asked("Transfer", queue=BILLING))
    play.do(Answered(ref="work:2", ok=False, code=15_109))
    assert [operation for operation, _ in play.do(Fired(ref="offer:2"))] == ["routing_result", "unroute"]
    play.do(play.asked())
    play.do(Answered(ref="work:4", ok=False, code=15_109))
    assert play.do(Fired(ref="offer:4")) == []
    assert "offer:4" in play.timers


# ---------------------------------------------------------------------------------------------------- the customer waits


def test_a_customer_waits_until_somebody_comes_free() -> None:
    play = PartnerPlay()
    play.world.go(Presence.offline, "ana", "ben", "cleo")
    assert play.do(play.asked()) == []
    assert play.routing.waits
    assert play.wait(50) == ["routing_result"]
    assert results(play) == [True]
    play.world.go(Presence.online, "ben")
    assert play.do(CameFree())[0][1]["userId"] == USERS["ben"]
    assert not play.routing.waits
    assert play.routing.asked == USERS["ben"]
    play.send()
    play.answer("ben", "Accepted")
    assert results(play) == [True]
    assert play.wait(600) == []


def test_all_have_passed_and_a_pause_later_they_are_asked_again() -> None:
    play = PartnerPlay()
    play.world.go(Presence.offline, "cleo")
    play.do(play.asked())
    play.send()
    play.wait(65)
    assert asked_in_turn(play) == ["ana", "ben"]
    assert play.do(CameFree(again=False)) == []
    play.wait(70)
    assert asked_in_turn(play)[:3] == ["ana", "ben", "ana"]


def test_who_comes_online_is_asked_again_when_all_have_passed() -> None:
    play = PartnerPlay()
    play.world.go(Presence.offline, "ben", "cleo")
    play.do(play.asked())
    play.send()
    play.answer("ana", "Declined")
    assert play.do(CameFree(again=True))[0][1]["userId"] == USERS["ana"]


def test_the_rep_named_for_a_new_session_goes_before_the_queue() -> None:
    play = PartnerPlay()
    play.do(play.asked(user=USERS["dora"]))
    play.send()
    play.answer("dora", "Declined")
    assert asked_in_turn(play) == ["dora", "ana"]


# ------------------------------------------------------------------------------------------------------- repeated, late, several


def test_a_repeated_request_does_nothing() -> None:
    play = PartnerPlay()
    play.do(play.asked("Conference", user=USERS["ben"], correlation="c-1"))
    assert play.do(play.asked("Conference", user=USERS["ben"], correlation="c-1")) == []
    play.send()
    play.answer("ben", "Accepted")
    assert play.do(play.asked("Conference", user=USERS["ben"], correlation="c-1")) == []


def test_two_conference_requests_are_served_one_after_the_other() -> None:
    play = PartnerPlay()
    play.come_in("ana")
    play.do(play.asked("Conference", user=USERS["ben"], correlation="c-1"))
    assert play.do(play.asked("Conference", user=USERS["cleo"], correlation="c-2")) == []
    play.send()
    called = play.answer("ben", "Accepted")
    assert [operation for operation, _ in called] == ["routing_result", "agent_work"]
    assert called[1] == work_for("cleo", "Conference", "c-2")
    play.send()
    play.answer("cleo", "Accepted")
    assert results(play) == [True, True]
    assert play.reps == ["ana", "ben", "cleo"]


def test_a_queued_request_is_answered_within_its_own_60_seconds() -> None:
    play = PartnerPlay()
    play.come_in("dora")
    play.world.set(offer_seconds=300)
    play.do(play.asked("Conference", user=USERS["ben"]))
    play.do(play.asked("Conference", user=USERS["cleo"]))
    play.send()
    assert play.wait(55) == ["routing_result", "routing_result"]
    assert results(play) == [True, True]


def test_too_many_requests_at_once_are_refused() -> None:
    play = PartnerPlay()
    for _ in range(21):
        play.do(play.asked("Conference", user=USERS["ben"]))
    assert play.do(play.asked("Conference", user=USERS["ben"]))[0][1]["success"] is False
    assert results(play) == [False]


def test_a_request_that_comes_late_is_answered_and_nobody_is_asked() -> None:
    play = PartnerPlay()
    event = play.asked("Conference", user=USERS["ben"])
    first = play.asked()
    play.wait(3600)
    assert [operation for operation, _ in play.do(event)] == ["routing_result"]
    assert results(play) == [False]
    assert [operation for operation, _ in play.do(first)] == ["routing_result", "agent_work"]
    assert results(play) == [False, True]


# ----------------------------------------------------------------------------------------------------------------- ends


@pytest.mark.parametrize("cancel", [{"cancel_reason": "Cancel"}, {"failure": "Cancelled"}], ids=["reason", "failure"])
def test_a_rep_who_cancels_their_request(cancel: dict[str, str]) -> None:
    play = PartnerPlay()
    play.come_in("dora")
    play.do(play.asked("Conference", queue=SUPPORT))
    play.send()
    assert [operation for operation, _ in play.do(play.routed(routing="Conference", **cancel))] == ["close_agent_work"]
    play.send()
    assert play.ringing == []
    assert results(play) == []
    assert play.routing.current is None


def test_a_cancelled_request_whose_work_is_on_its_way_is_cancelled_once_its_id_is_known() -> None:
    play = PartnerPlay()
    play.come_in("dora")
    play.do(play.asked("Conference", queue=SUPPORT))
    assert play.do(play.routed(routing="Conference", cancel_reason="Cancel")) == []
    assert play.do(play.asked("Conference", user=USERS["cleo"])) == []
    play.send_one()
    assert play.ringing == [USERS["ana"]]
    play.send_one()
    assert play.ringing == []
    play.send()
    assert play.ringing == [USERS["cleo"]]


@pytest.mark.parametrize("reason", ["Decline", "Unavailable"])
def test_the_result_of_our_own_delete_route_ends_nothing(reason: str) -> None:
    play = PartnerPlay()
    play.do(play.asked("Conference", queue=SUPPORT))
    assert play.do(play.routed(routing="Conference", failure="Cancelled", cancel_reason=reason)) == []
    assert play.routing.asked == USERS["ana"]


def test_a_cancelled_transfer_is_not_the_conference_that_is_being_served() -> None:
    play = PartnerPlay()
    play.do(play.asked("Conference", queue=SUPPORT))
    assert play.do(play.routed(routing="Transfer", cancel_reason="Cancel")) == []
    assert play.routing.asked == USERS["ana"]


def test_the_customers_end_ends_the_session_there_and_nothing_follows() -> None:
    play = PartnerPlay()
    play.do(play.asked("Initial", queue=SUPPORT))
    play.send()
    assert play.do(CustomerEnded()) == [("session", {"operation": "End", "operationBy": "EndUser"})]
    assert play.do(CustomerEnded()) == []
    assert play.do(play.asked("Conference", user=USERS["ben"])) == []
    assert play.do(play.seen("Declined", "0Bz000000000000AAA")) == []
    assert play.do(CameFree()) == []
    assert play.wait(600) == []


@pytest.mark.parametrize("how", ["status", "result"])
def test_salesforces_end_calls_nothing(how: str) -> None:
    play = PartnerPlay()
    play.do(play.asked("Initial", queue=SUPPORT))
    play.send()
    event = play.status("Ended") if how == "status" else play.routed(routing="Initial", cancel_reason="EndUserEnded")
    assert play.do(event) == []
    assert play.do(CustomerEnded()) == []
    assert play.wait(600) == []


def test_a_new_session_of_the_conversation_begins_afresh() -> None:
    play = PartnerPlay()
    play.do(play.asked())
    play.send()
    play.do(CustomerEnded())
    assert play.do(play.asked())[0][0] == "agent_work"


def test_a_work_that_was_on_its_way_when_the_session_ended_is_cancelled_before_the_next_session_is_served() -> None:
    play = PartnerPlay()
    play.do(play.asked())
    assert [operation for operation, _ in play.do(CustomerEnded())] == ["session"]
    assert play.do(play.asked()) == []
    play.send_one()
    assert play.ringing == [USERS["ana"]]  # in the new session
    play.send()
    assert asked_in_turn(play) == ["ana", "ana"]
    assert play.ringing == [USERS["ana"]]


def test_a_session_that_a_rep_began_can_have_conferences() -> None:
    play = PartnerPlay()
    play.do(play.status("Ended"))
    play.do(play.status("Active"))
    assert play.do(play.asked("Conference", user=USERS["ben"]))[0][0] == "agent_work"


def test_a_conference_request_shows_that_the_customer_is_served() -> None:
    play = PartnerPlay()
    play.world.go(Presence.offline, "ana", "ben", "cleo")
    play.do(play.asked())
    called = play.do(play.asked("Conference", user=USERS["dora"]))
    assert [operation for operation, _ in called] == ["routing_result", "agent_work"]


# ---------------------------------------------------------------------------------------------------------------- removal


def test_a_rep_is_removed() -> None:
    play = PartnerPlay()
    play.come_in("ana", "ben")
    person = {"appType": "agent", "subject": short(USERS["ana"]), "role": "Agent"}
    assert play.do(RemoveRep(user=USERS["ana"])) == [("participant", {"operation": "Remove", "participants": [person]})]


def test_the_only_rep_who_lost_the_connection_is_replaced() -> None:
    play = PartnerPlay()
    play.come_in("ana")
    called = play.do(RemoveRep(user=USERS["ana"], replace=True))
    assert [operation for operation, _ in called] == ["route", "participant"]
    play.reps.clear()
    play.world.go(Presence.offline, "ana")
    play.send()
    [work] = [call for call in play.calls if call.operation == "agent_work"]
    assert work.body["userId"] == USERS["ben"]
    assert work.body["routingContext"] == {"routingType": "Initial", "routingCorrelationId": "from-route"}
    play.send()
    play.answer("ben", "Accepted")
    assert results(play) == []


def test_a_session_that_is_being_routed_is_not_routed_twice() -> None:
    play = PartnerPlay()
    play.do(play.asked())
    assert [operation for operation, _ in play.do(RemoveRep(user=USERS["ben"], replace=True))] == ["participant"]
    assert play.routing.queued == ()


def test_nobody_is_asked_to_replace_a_rep_when_another_one_has_come_in_meanwhile() -> None:
    play = PartnerPlay()
    play.come_in("ana")
    play.do(play.asked("Conference", user=USERS["ben"]))
    play.send()
    assert [operation for operation, _ in play.do(RemoveRep(user=USERS["ana"], replace=True))] == ["participant"]
    play.answer("ben", "Accepted")
    assert play.routing.current is None
    assert "route" not in operations(play)
