"""What `partner`'s rules change a conversation's routing with: starting a request, asking the next rep, cancelling one, and the routingResult."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import JsonValue

from gateway.brokers.salesforce.partner_people import as_we_call_them, is_theirs, name_of, people, refused, short
from gateway.brokers.salesforce.partner_values import KIND, Around, OrgCall, Request, Routing, Step, Work
from gateway.session.admission import p6_limit
from gateway.session.decision import CancelTimer, SetTimer

_FAILED_AFTER = timedelta(seconds=60)  # by Salesforce: then the rep was told that the request failed
_CAPACITY_WEIGHT = 1
_REMEMBERED = 50


class Draft:
    """A conversation's routing while it changes, and what has been written so far."""

    def __init__(self, routing: Routing, around: Around) -> None:
        self.routing, self.around = routing, as_we_call_them(around)
        self._calls: list[OrgCall] = []
        self._timers: list[SetTimer | CancelTimer] = []

    def step(self) -> Step:
        """All of it."""
        return Step(self.routing, tuple(self._calls), tuple(self._timers))

    @property
    def request(self) -> Request | None:
        """The request that is being served."""
        return self.routing.current

    @property
    def serves_customer(self) -> bool:
        """Whether somebody is being looked for who comes in first."""
        return self.request is not None and self.request.holds and not self.request.done

    def number(self) -> int:
        """A number that nothing else of this conversation has."""
        self.change(numbers=self.routing.numbers + 1)
        return self.routing.numbers

    def change(self, **fields: Any) -> None:
        """Of the whole."""
        if any(getattr(self.routing, name) != value for name, value in fields.items()):
            self.routing = self.routing.model_copy(update=fields)

    def change_request(self, **fields: Any) -> None:
        """Of the request that is being served."""
        if self.request is not None:
            self.change(current=self.request.model_copy(update=fields))

    def change_work(self, **fields: Any) -> None:
        """Of its open work."""
        if self.request is not None and self.request.work is not None:
            self.change_request(work=self.request.work.model_copy(update=fields))

    def leave_request(self) -> None:
        """It is finished."""
        self.drop_work()
        self.change(current=None)

    # ------------------------------------------------------------------------------------------------ calls and timers

    def call(
        self,
        operation: Literal["agent_work", "close_agent_work", "routing_result", "route", "unroute", "participant", "session"],
        body: Mapping[str, JsonValue],
        *,
        ref: str = "",
    ) -> None:
        """One more call."""
        self._calls.append(OrgCall(operation, body, ref))

    def set_timer(self, ref: str, due_at: datetime) -> None:
        """Set it, or move it."""
        self._timers.append(SetTimer(KIND, ref, due_at))

    def cancel_timer(self, ref: str) -> None:
        """Forget it."""
        self._timers.append(CancelTimer(KIND, ref))

    def set_offer_timer(self) -> None:
        """How long the rep who is asked has to answer, from now."""
        if self.request is not None and self.request.work is not None:
            self.set_timer(f"offer:{self.request.work.number}", self._after(self.around.facts.settings.offer_seconds))

    def set_pause_timer(self) -> None:
        """All have passed: another round begins after a while."""
        if self.request is not None:
            self.set_timer(f"pause:{self.request.number}", self._after(self.around.facts.settings.routing_pause_seconds))

    def _after(self, seconds: float) -> datetime:
        return self.around.facts.now + timedelta(seconds=seconds)

    # ---------------------------------------------------------------------------------------------------- the request

    def reply(self, request: Request, success: bool, sentence: str | None = None, *, external: bool = False) -> None:
        """The routingResult of a request. A sentence goes with a failure, and only with one."""
        body: dict[str, JsonValue] = {"success": success, "externallyRouted": external, "routingType": request.routing}
        if sentence is not None:
            body["errorMessage"] = sentence
        self.call("routing_result", with_conversation(body, request))

    def reply_current(self, success: bool, sentence: str | None = None, *, external: bool = False) -> None:
        """The routingResult of the request that is being served, unless it went out before."""
        request = self.request
        if request is not None and not request.answered:
            self.reply(request, success, sentence, external=external)
            self.change_request(answered=True)

    def reply_early(self, number: int) -> None:
        """Success is reported before it is known, because the time that Salesforce allows is nearly used up. Asking goes on."""
        request = self.request
        if request is not None and request.number == number and not request.done:
            self.reply_current(True)
            return
        late = next((one for one in self.routing.queued if one.number == number and not one.answered), None)
        if late is not None:
            self.reply(late, True)
            answered = late.model_copy(update={"answered": True})
            self.change(queued=tuple(answered if one is late else one for one in self.routing.queued))

    def finish(self) -> None:
        """Nobody else is asked for it."""
        if self.request is not None and not self.request.done:
            self.cancel_timer(f"budget:{self.request.number}")
            self.cancel_timer(f"pause:{self.request.number}")
            self.change_request(done=True, answered=True, route=None)

    def fail(self, sentence: str, *, cancel_reason: str | None = None) -> None:
        """It comes to nothing. `cancel_reason`: what reps did, where some were asked."""
        request = self.request
        if request is None:
            return
        self.reply_current(False, sentence)
        if cancel_reason is not None:
            self.call("unroute", with_conversation({"cancelReason": cancel_reason}, request))
        self.finish()

    def pass_over(self, *, declined: bool) -> None:
        """The rep who was asked doesn't come."""
        request = self.request
        if request is not None and request.work is not None:
            self.change_request(passed=(*request.passed, request.work.user), declined=declined)
            self.drop_work()

    def drop_work(self) -> None:
        """It isn't open any more."""
        request = self.request
        if request is None or request.work is None:
            return
        self.cancel_timer(f"offer:{request.work.number}")
        if request.work.id is not None:
            id = short(request.work.id)
            self.change_request(works=(*request.works, id)[-_REMEMBERED:])
            self.change(works=(*self.routing.works, id)[-_REMEMBERED:])
        self.change_request(work=None)


def with_conversation(body: dict[str, JsonValue], request: Request) -> dict[str, JsonValue]:
    """With the conversation that the request named; else it is filled in when the call is sent."""
    return {"conversationIdentifier": request.conversation, **body} if request.conversation else body


def start(draft: Draft) -> None:
    """What a request comes to at first."""
    request = draft.request
    if request is None:
        return
    too_late = draft.around.facts.now - request.asked_at > _FAILED_AFTER and not request.answered
    if too_late and request.routing != "Initial":
        draft.fail("This request reached the gateway too late: ask again.")
        return
    if too_late:
        draft.reply_current(True)
    why = refused(request, draft.around)
    if request.route == "ours":
        _route_again(draft, request)
    elif why is not None and not request.holds:
        draft.fail(why)
    elif request.target.kind == "external":
        draft.reply_current(True, external=True)
        draft.finish()
    elif is_theirs(request.target, draft.around):
        _let_salesforce_route(draft, request)
    else:
        assign_next(draft)


def _route_again(draft: Draft, request: Request) -> None:
    """The rep whom the target names is gone; unless somebody else came in meanwhile, the session is routed again."""
    gone = name_of(request.target.id, draft.around.org.reps) or request.target.id
    if any(short(rep.id) != short(gone) for rep in draft.around.session.reps):
        draft.finish()
    else:
        draft.call("route", {"routingType": "Initial"}, ref=f"route:{request.number}")


def _let_salesforce_route(draft: Draft, request: Request) -> None:
    body: dict[str, JsonValue] = {"routingType": request.routing}
    if request.target.kind == "queue":
        body["routingInfo"] = {"queueId": request.target.id}
    elif request.target.kind == "flow":
        queue = draft.around.facts.channel.queue
        fallback = request.target.fallback or (draft.around.org.queues.get(queue) if queue is not None else None)
        if fallback is not None:
            body["routingInfo"] = {"flow": {"flowId": request.target.id, "queueId": fallback}}
        elif not request.holds:  # else it goes where the channel is configured to go
            draft.fail("A flow needs a fallback queue: give the channel a queue that has a Salesforce id in the settings.")
            return
    draft.change_request(route="theirs")
    draft.call("route", with_conversation(body, request), ref=f"route:{request.number}")


def assign_next(draft: Draft, *, again: bool = False) -> None:
    """Ask the next rep who hasn't passed; nobody: the request fails, or the customer waits. `again`: those who passed may be asked once more, if nobody
    else is left."""
    request = draft.request
    if request is None:
        return
    found = people(request, draft.around)
    left = [user for user in found.users if user not in request.passed]
    if not left and again:
        left = list(found.users)
        draft.change_request(passed=tuple(user for user in request.passed if user not in left))
    if left:
        _assign(draft, request, left[0])
    elif request.holds:
        if found.users:
            draft.set_pause_timer()
    else:
        why = found.why or ("It was declined." if request.declined else "Nobody answered in time.")
        draft.fail(why, cancel_reason="Decline" if request.declined else "Unavailable")


def _assign(draft: Draft, request: Request, user: str) -> None:
    work = Work(number=draft.number(), user=user)
    draft.cancel_timer(f"pause:{request.number}")
    draft.change_request(work=work)
    context: dict[str, JsonValue] = {"routingType": request.routing, "routingCorrelationId": request.correlation}
    body: dict[str, JsonValue] = {
        "userId": user,
        "capacityWeight": _CAPACITY_WEIGHT,
        "routingContext": with_conversation(context, request),
    }
    if not _may_confer(draft.around):
        body["agentActionVisibilities"] = [{"agentAction": "Conference", "visible": False}]
    draft.call("agent_work", body, ref=f"work:{work.number}")
    draft.set_offer_timer()


def _may_confer(around: Around) -> bool:
    """Whether the button Start Conference leads anywhere on this channel."""
    return around.facts.channel.edition == "enhanced" and p6_limit(around.facts.settings, around.facts.channel) > 1


def close_work(draft: Draft) -> None:
    """Cancel the open work. Whoever else is to be asked waits for Salesforce's answer."""
    work = draft.request.work if draft.request is not None else None
    if work is None or work.id is None:
        return
    draft.change_work(phase="closing")
    draft.call(
        "close_agent_work", {"contextType": "Agent", "workId": short(work.id), "status": "Close"}, ref=f"close:{work.number}"
    )
    draft.set_offer_timer()


# ------------------------------------------------------------------------------------------- from one request to the next


def advance(draft: Draft) -> None:
    """Serve the next request, once the one before it is finished."""
    while draft.request is None and draft.routing.queued:
        first, *rest = draft.routing.queued
        draft.change(current=first, queued=tuple(rest))
        start(draft)
        wind_down(draft)


def wind_down(draft: Draft) -> None:
    """Leave a request that is done, as soon as it has no open work; work whose id isn't known can't be cancelled, and is left to Salesforce."""
    request = draft.request
    if request is None or not request.done:
        return
    work = request.work
    if work is not None and work.phase == "ringing" and work.id is not None:
        close_work(draft)
    elif work is None or work.phase in ("ringing", "disputed"):
        draft.leave_request()
        advance(draft)


def drop_queued(draft: Draft) -> None:
    for request in draft.routing.queued:
        draft.cancel_timer(f"budget:{request.number}")
    draft.change(queued=())


def cancelled(draft: Draft) -> None:
    """The request was ended from outside: no result, and nobody else is asked."""
    if draft.request is not None:
        draft.finish()
        wind_down(draft)


def accepted(draft: Draft, by: str | None) -> None:
    """A rep came in: the one who is being asked, or another one (None: nobody knows who), in which case the open work is cancelled."""
    request = draft.request
    if request is None:
        return
    work = request.work
    # While the call is on its way, the news may be old: then the work is cancelled once it is there, which does nothing to one that was accepted.
    if work is not None and work.phase != "assigning" and by is not None and short(by) == short(work.user):
        draft.drop_work()
    if not request.done:
        # Whoever came in replaces the one who was lost, so the session isn't routed again for that.
        draft.change(queued=tuple(one for one in draft.routing.queued if one.route != "ours"))
        draft.reply_current(True)
        draft.finish()
    wind_down(draft)
