"""Partner-owned routing (BYOC for CCaaS): our routing answers Salesforce's RoutingRequested. A pure state machine, one state a conversation.

    step = decide(load(kept), happened, Around(session, facts, org))  # load, dump and the values are in partner_values

`happened` is an event of the org (RoutingAsked, WorkChanged, PeopleChanged, Routed, StatusChanged) or one of `partner_values`: what Salesforce answered to
a call that had a `ref` (`Answered`, given once the row of the outbox is sent or given up), a timer that is due (`Fired`), a rep who came free while
`Routing.waits` (`CameFree`), the customer's end (`CustomerEnded`), a rep to be removed (`RemoveRep`), or the connector's news (`WorkSeen`). Whatever it
is, and however late or often it comes, `decide` takes it. Commit `dump(step.routing)` with the calls, in order, as rows of the conversation's outbox,
and with the timers, whose refs `Fired` brings back; a due time that jumps with the clock does no harm, since no rule compares clocks when a timer fires.

The rules, with Salesforce's words in brackets:

- A request for a user, or for a queue or flow that the settings map to ours, is served by us: one rep at a time [agentWork], in the turn of
  `gateway.session.routing`. A queue or flow that is Salesforce's alone goes to Salesforce [route], which routes it itself.
- A rep who doesn't answer within the org's `offer_seconds` is cancelled [PATCH agentWork], and the next one is asked only after Salesforce has confirmed
  it: otherwise both could accept, and both would be in. So there are never two open AgentWorks.
- Every request gets one routingResult: success when a rep accepts, failure when nobody is left (then DELETE route, too). Salesforce gives up after 60
  seconds; where that comes close, success is reported first and asking goes on, as its guide prescribes. No result goes out for what Salesforce or the
  customer has ended.
- An Initial request never fails: the customer waits, and whoever comes free is asked. Nor does a Transfer that was reported as a success too early: the rep who
  asked for it has left by then.
- Requests are served one after another, in their order.
- Contacts outside the org: a transfer is reported as `externallyRouted`; a conference with them is refused.

Sources: Salesforce's published schema of the Interaction Service (github.com/salesforce-misc/interaction-service-apis), and the guides on transfers with
partner-owned routing (developer.salesforce.com/docs/service/byoc-ccaas). Whom RoutingResult is about, it doesn't say: a cancellation is taken for the
request that is being served, if its routingType fits.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from pydantic import JsonValue

from gateway.brokers.salesforce.events import PeopleChanged, Routed, RoutingAsked, StatusChanged, WorkChanged
from gateway.brokers.salesforce.partner_asking import (
    Draft,
    accepted,
    advance,
    assign_next,
    cancelled,
    close_work,
    drop_queued,
    wind_down,
)
from gateway.brokers.salesforce.partner_people import short
from gateway.brokers.salesforce.partner_values import (
    Answered,
    Around,
    CameFree,
    CustomerEnded,
    Fired,
    Happened,
    RemoveRep,
    Request,
    Routing,
    Step,
    Target,
    Work,
    WorkSeen,
)

# Salesforce fails a request after 60 s. The result must be there by then, and may have to wait for the calls before it.
ANSWERED_WITHIN_SECONDS: Final = 45.0
MOST_QUEUED: Final = 20  # reps ask by hand, and a conference has fewer seats
_SEEN: Final = 50
_DUPLICATE_WORK: Final = 15_109  # "active work for this user and item": an earlier try of the same call worked


def decide(routing: Routing, happened: Happened, around: Around) -> Step:
    """What comes of it. Nothing: the state is the one given."""
    draft = Draft(routing, around)
    if routing.session != around.session.id:
        draft.change(session=str(around.session.id), ended=False)
    _RULES[type(happened)](draft, happened)
    return draft.step()


# ------------------------------------------------------------------------------------------------------------ requests


def _asked(draft: Draft, event: RoutingAsked) -> None:
    key = event.correlation or event.event_id
    if key in draft.routing.seen:
        return
    draft.change(seen=(*draft.routing.seen, key)[-_SEEN:])
    if event.routing == "Initial":
        _begin_session(draft)
    elif draft.routing.ended:
        return  # it was asked before the end, and came after it
    elif draft.serves_customer:
        accepted(draft, None)  # only a rep who is in can ask for another one
    request = Request(
        number=draft.number(),
        routing=event.routing,
        target=_target(event),
        correlation=event.correlation,
        conversation=event.conversation,
        asked_at=event.at or event.received_at,
    )
    if len(draft.routing.queued) >= MOST_QUEUED:
        draft.reply(request, False, "Too many requests wait in this conversation: wait until they are answered.")
        return
    draft.change(queued=(*draft.routing.queued, request))
    draft.set_timer(f"budget:{request.number}", request.asked_at + timedelta(seconds=ANSWERED_WITHIN_SECONDS))
    advance(draft)


def _target(event: RoutingAsked) -> Target:
    if event.external:
        return Target(kind="external", id=event.external)
    if event.user:
        return Target(kind="user", id=event.user)
    if event.flow:
        return Target(kind="flow", id=event.flow, fallback=event.queue)
    if event.queue:
        return Target(kind="queue", id=event.queue)
    # A new session that names a bot is for whoever serves the channel: bots don't take part in this routing.
    return Target(kind="bot", id=event.bot) if event.bot and event.routing != "Initial" else Target(kind="channel")


def _begin_session(draft: Draft) -> None:
    """A new session: what was asked in the one before is ended, and not answered any more."""
    draft.change(ended=False)
    drop_queued(draft)
    cancelled(draft)


# ---------------------------------------------------------------------------------------------------- what reps answer


def _work_changed(draft: Draft, event: WorkChanged) -> None:
    _work_seen(draft, event.change, event.work_id)


def _work_seen(draft: Draft, change: str, work_id: str) -> None:
    request = draft.request
    work = request.work if request is not None else None
    if request is None:
        return
    if change == "Assigned" and work is not None and work.id is None and short(work_id) not in draft.routing.works:
        draft.change_work(id=work_id, phase="ringing" if work.phase == "assigning" else work.phase)
        wind_down(draft)
    elif change == "Accepted" and _is(work, work_id) and work is not None:
        accepted(draft, work.user)
    elif change == "Accepted" and short(work_id) in request.works:
        accepted(draft, None)  # one who was asked before, and accepted at the moment of the cancellation
    elif change in ("Declined", "Cancelled", "Closed", "TransferError") and _is(work, work_id):
        _went_by(draft, declined=change == "Declined")


def _seen_by_rep(draft: Draft, seen: WorkSeen) -> None:
    """Nobody accepts or declines for another who is in the same session."""
    request = draft.request
    if request is None:
        return
    work = request.work
    theirs = [work.user] if work is not None and (work.id is None or _is(work, seen.work_id)) else request.passed
    if short(seen.user) in map(short, theirs):
        _work_seen(draft, seen.change, seen.work_id)


def _is(work: Work | None, work_id: str) -> bool:
    return work is not None and work.id is not None and short(work.id) == short(work_id)


def _went_by(draft: Draft, *, declined: bool) -> None:
    """The one who was asked won't come: the next one is asked."""
    draft.pass_over(declined=declined)
    if draft.request is not None and not draft.request.done:
        assign_next(draft)
    wind_down(draft)


def _people_changed(draft: Draft, event: PeopleChanged) -> None:
    """Whoever comes in has accepted, also where Salesforce doesn't report it of the work itself (a switch of the channel's definition)."""
    for change in event.changes:
        if change.operation != "add" or change.person.role != "Agent":
            continue
        draft.change(ended=False)
        request, user = draft.request, short(change.person.subject)
        if request is None or request.done:
            continue
        asked = [*request.passed, *([request.work.user] if request.work else [])]
        if request.holds or user in map(short, asked):
            accepted(draft, user)


# ------------------------------------------------------------------------------------------------- what calls came to


def _answered(draft: Draft, answer: Answered) -> None:
    what, _, number = answer.ref.partition(":")
    request = draft.request
    if request is None:
        return
    if what == "route":
        if request.route is not None and number == str(request.number):
            _route_answered(draft, request, answer)
    elif request.work is not None and number == str(request.work.number):
        (_work_answered if what == "work" else _close_answered)(draft, request.work, answer)


def _work_answered(draft: Draft, work: Work, answer: Answered) -> None:
    if answer.work_id is not None and work.phase != "closing":
        draft.change_work(id=answer.work_id)
    if work.phase != "assigning":
        return  # the event was faster
    if not answer.ok and answer.code != _DUPLICATE_WORK:
        _went_by(draft, declined=False)
        return
    draft.change_work(phase="ringing")
    draft.set_offer_timer()
    wind_down(draft)


def _close_answered(draft: Draft, work: Work, answer: Answered) -> None:
    if work.phase != "closing":
        return
    if answer.ok:
        _went_by(draft, declined=False)
        return
    draft.change_work(phase="disputed")
    draft.set_offer_timer()
    wind_down(draft)


def _route_answered(draft: Draft, request: Request, answer: Answered) -> None:
    draft.change_request(route=None)
    if request.route == "ours":
        draft.change_request(correlation=answer.correlation or request.correlation)
        assign_next(draft)
    elif answer.ok:
        draft.reply_current(True)
        draft.finish()
    elif request.holds:
        draft.change_request(target=Target(kind="channel"))  # the customer mustn't be lost: whoever serves the channel is asked
        assign_next(draft)
    else:
        draft.fail("Salesforce didn't accept this queue or flow: name another one.")
    wind_down(draft)


def _routed(draft: Draft, event: Routed) -> None:
    """The request was cancelled by the rep who made it, or by the customer's end. What else goes wrong we report ourselves, and hear of again."""
    if event.cancel_reason == "EndUserEnded":
        _ended(draft)
    elif draft.request is not None and event.routing in ("", draft.request.routing):
        ours = event.cancel_reason in ("Decline", "Unavailable")  # what our own DELETE route says
        if not ours and (event.failure == "Cancelled" or event.cancel_reason in ("Cancel", "Cancelled")):
            cancelled(draft)


# ------------------------------------------------------------------------------------------------------ time, and ends


def _fired(draft: Draft, happened: Fired) -> None:
    what, _, number = happened.ref.partition(":")
    request = draft.request
    if what == "budget":
        draft.reply_early(int(number))
    elif request is None or request.done:
        return
    elif what == "offer" and request.work is not None and number == str(request.work.number):
        _lapsed(draft, request, request.work)
    elif what == "pause" and number == str(request.number) and draft.routing.waits:
        draft.change_request(passed=())
        assign_next(draft)


def _lapsed(draft: Draft, request: Request, work: Work) -> None:
    if work.phase in ("assigning", "closing"):
        draft.set_offer_timer()  # Salesforce hasn't answered yet: the call waits its turn
    elif work.phase == "disputed":
        if request.holds and not draft.around.session.reps:
            _went_by(draft, declined=True)  # who accepts comes in, and nobody did
        else:
            accepted(draft, work.user)
    elif work.id is not None:
        close_work(draft)
    elif request.holds:
        draft.set_offer_timer()
    else:  # it can't be cancelled, so nobody else may be asked
        draft.fail("No answer came in time: ask again.", cancel_reason="Unavailable")
        wind_down(draft)


def _came_free(draft: Draft, happened: CameFree) -> None:
    if draft.routing.waits:
        assign_next(draft, again=happened.again)


def _status_changed(draft: Draft, event: StatusChanged) -> None:
    if event.status == "Ended":
        _ended(draft)
    elif event.status in ("New", "Active", "Waiting"):
        draft.change(ended=False)


def _ended(draft: Draft) -> None:
    """Nothing is called any more: Salesforce cancels what is open in a session that has ended. A work whose call is on its way is another matter: it may reach
    the next session, so it is waited for, and cancelled."""
    drop_queued(draft)
    if draft.request is not None:
        draft.finish()
        if draft.request.work is None or draft.request.work.phase != "assigning":
            draft.leave_request()
    draft.change(ended=True)


def _customer_ended(draft: Draft, _: CustomerEnded) -> None:
    if draft.routing.ended:
        return
    _ended(draft)
    draft.call("session", {"operation": "End", "operationBy": "EndUser"})


def _remove(draft: Draft, happened: RemoveRep) -> None:
    """Salesforce's order: first the session is routed again, then the rep is removed."""
    if draft.routing.ended:
        return
    if happened.replace and not draft.serves_customer:
        again = Request(
            number=draft.number(),
            routing="Initial",
            target=Target(kind="channel", id=happened.user),
            correlation="",
            conversation="",
            asked_at=draft.around.facts.now,
            answered=True,  # nobody asked for it
            route="ours",
        )
        draft.change(queued=(*draft.routing.queued, again))
        advance(draft)
    participant: dict[str, JsonValue] = {"appType": "agent", "subject": short(happened.user), "role": "Agent"}
    draft.call("participant", {"operation": "Remove", "participants": [participant]})


_RULES: Final[dict[type, Callable[[Draft, Any], None]]] = {
    RoutingAsked: _asked,
    WorkChanged: _work_changed,
    WorkSeen: _seen_by_rep,
    PeopleChanged: _people_changed,
    Routed: _routed,
    StatusChanged: _status_changed,
    Answered: _answered,
    Fired: _fired,
    CameFree: _came_free,
    CustomerEnded: _customer_ended,
    RemoveRep: _remove,
}
