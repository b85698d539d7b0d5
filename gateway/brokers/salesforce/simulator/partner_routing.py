"""Partner-owned routing as the org keeps it: what it asked the partner to route, PendingServiceRoutings, and AgentWorks. A pure state machine.

The host gives it what happens, with the time, and appends what a `Step` publishes to the event log; `joined` and `left` are users who enter or leave the conversation.

- The org asks (`ask`): RoutingRequested. The partner has 60 seconds to send routingResult; for an Initial one, giving the work to a rep or making a
  PendingServiceRouting is enough. Otherwise `due` marks it failed: RoutingResult with RoutingError (that event is inferred).
- POST /route makes a PendingServiceRouting, which ends when a rep accepts, by DELETE /route, or with the session.
- POST /agentWork assigns work; the rep accepts or declines. Work that isn't cancelled before another rep gets some can be accepted by both: then both are in.
- PATCH /agentWork with Close or Cancel works while the work is assigned and neither accepted nor declined.
- A Transfer's routingResult closes the work of the rep who asked for it.
- RoutingWorkResult is published where the channel definition has it on.

Source: Salesforce's published API description and its guides on transfers and conferences; which code refuses a rep without capacity, or beyond the limit of
participants, isn't published: 10089 here.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.brokers.salesforce.simulator.contract import (
    CancelReason,
    OrgRefusal,
    RouteMade,
    RoutingContext,
    RoutingDone,
    RoutingType,
    Target,
    WorkAsked,
    WorkMade,
    WorkStatus,
)
from gateway.brokers.salesforce.simulator.partner_payloads import interaction, requested
from gateway.brokers.salesforce.simulator.partner_values import Psr, RepFacts, Request, Step, Talk, Wish, Work, WorkState, World

BUDGET: Final = timedelta(seconds=60)
_ACTIVE: Final = ("Assigned", "Accepted")
_NOTHING: Final[Mapping[str, str]] = {}


@dataclass(slots=True)
class PartnerRouting:
    """See the module. `new_id`: an id of 15 characters with this prefix. Methods raise OrgRefusal where Salesforce would refuse."""

    world: World
    new_id: Callable[[str], str]
    new_uuid: Callable[[], str] = field(default=lambda: str(uuid.uuid4()))
    works: dict[str, Work] = field(default_factory=dict)
    psrs: dict[str, Psr] = field(default_factory=dict)
    requests: dict[str, Request] = field(default_factory=dict)

    # ------------------------------------------------------------------------------------------- the org asks

    def ask(self, talk: Talk, routing: RoutingType, now: datetime, *, by: str | None = None, wish: Wish | None = None) -> Step:
        """The org wants a session routed: a new one, or because a rep transfers it or adds somebody. Raises 10075 where there are no conferences."""
        if routing == "Conference":
            self._check_conference(talk)
        request = Request(talk, routing, self.new_uuid(), by, now + BUDGET)
        self.requests[talk.conversation] = request
        return Step((("RoutingRequested", requested(request, wish or Wish(), self.new_uuid())),))

    def cancel(self, conversation: str, now: datetime) -> Step:
        """The rep takes the request back."""
        return self._over(conversation, now, "Cancelled", cancel_reason="Cancel")

    def due(self, now: datetime) -> Step:
        """Requests that nobody answered in time are marked failed."""
        late = [conversation for conversation, request in self.requests.items() if request.until <= now]
        step = Step()
        for conversation in late:
            step += self._over(conversation, now, "RoutingError", errors=("The routing request timed out after 60 seconds",))
        return step

    def next_due(self) -> datetime | None:
        """When `due` is to be called next."""
        return min((request.until for request in self.requests.values()), default=None)

    # ---------------------------------------------------------------------------------------- the partner routes

    def route(self, talk: Talk, routing: RoutingType, target: Target, now: datetime) -> tuple[RouteMade, Step]:
        """POST /route. A PendingServiceRouting that exists already is replaced."""
        if routing == "Conference":
            self._check_conference(talk)
        if target.queue is not None and not self.world.queue(target.queue):
            raise OrgRefusal(10032)
        request = self.requests.get(talk.conversation)
        psr = Psr(self.new_id("0JR"), routing, request.correlation_id if request else self.new_uuid())
        self.psrs[talk.conversation] = psr
        if routing == "Initial":
            self.requests.pop(talk.conversation, None)
        context = {"queueId": target.queue} if target.queue else _NOTHING
        made = RouteMade(psr.correlation_id, psr.id, talk.work_item, context)
        result = self._result(talk, now, routing, "None", psr=psr)
        return made, result

    def unroute(self, talk: Talk, reason: CancelReason, now: datetime) -> Step:
        """DELETE /route: the PendingServiceRouting is removed, and with it what was asked for."""
        psr = self.psrs.pop(talk.conversation, None)
        if talk.conversation in self.requests:
            return self._over(talk.conversation, now, "Cancelled", cancel_reason=reason)
        if psr is None:
            return Step()
        return self._result(talk, now, psr.routing, "Cancelled", cancel_reason=reason)

    def agent_work(self, asked: WorkAsked, now: datetime) -> tuple[WorkMade, Step]:
        """POST /agentWork."""
        talk = self._talk(asked.work_item, asked.context.conversation if asked.context else None)
        self._check_channel(talk)
        rep = self._rep(asked.user)
        if any(one.user == rep.id and one.talk.work_item == talk.work_item for one in self._active()):
            raise OrgRefusal(15109)
        psr = self.psrs.get(talk.conversation)
        context, load = self._context(asked, talk, psr, rep)
        if context.routing == "Conference":
            self._check_conference(talk)
            self._check_room(talk)
        if sum(one.load for one in self._active() if one.user == rep.id) + load > rep.capacity:
            raise OrgRefusal(10089, "The user has not enough capacity")
        hidden = frozenset(action for action, visible in asked.actions if not visible)
        work = Work(self.new_id("0Bz"), rep.id, talk, context, load, hidden=hidden)
        self.works[work.id] = work
        if context.routing == "Initial":
            self.requests.pop(talk.conversation, None)
        made = WorkMade(work.id, psr.id if psr else None, context, asked.weight, asked.percentage)
        return made, self._changed(work, now)

    def close(self, work_id: str, status: WorkStatus, now: datetime) -> Step:
        """PATCH /agentWork. Accept and Decline are for bots alone."""
        if status not in ("Close", "Cancel"):
            raise OrgRefusal(10085)
        work = self.works.get(work_id)
        if work is None:
            raise OrgRefusal(10082, "The AgentWork was not found")
        if work.state != "Assigned":
            raise OrgRefusal(10089, "The AgentWork is not in a cancellable state")
        return self._set(work, "Cancelled", now)

    def routing_result(self, done: RoutingDone, now: datetime) -> Step:
        """POST /routingResult. Where nothing was asked for any more, or something of another `routingType`, it changes nothing."""
        talk = self._talk(done.work_item, done.conversation)
        request = self.requests.get(talk.conversation)
        if request is None or done.routing not in (None, request.routing):
            return Step()
        del self.requests[talk.conversation]
        if not done.success:
            return self._result(talk, now, request.routing, "RoutingError", errors=(done.error or "",), by=request.by)
        step = self._result(talk, now, request.routing, "None", by=request.by, external=done.external)
        if request.routing == "Transfer":
            step += self._leave(talk, request.by, now)
        return step

    def remove(self, talk: Talk, user: str, now: datetime) -> Step:
        """POST /participant. Raises 10036 when the user isn't in the conversation."""
        step = self._leave(talk, user, now)
        if not step.left:
            raise OrgRefusal(10036)
        return step

    # ------------------------------------------------------------------------------------------------ at the console

    def accept(self, work_id: str, now: datetime) -> Step:
        """The rep takes the work, and joins. Raises 10089 when it is no longer on offer."""
        work = self._offered(work_id)
        psr = self.psrs.get(work.talk.conversation)
        if psr is not None and psr.correlation_id == work.context.correlation_id:
            del self.psrs[work.talk.conversation]
        return self._set(work, "Accepted", now) + Step(joined=(work.user,))

    def decline(self, work_id: str, now: datetime) -> Step:
        """The rep doesn't take the work. Raises 10089 when it is no longer on offer."""
        return self._set(self._offered(work_id), "Declined", now)

    def leave(self, talk: Talk, user: str, now: datetime) -> Step:
        """A rep leaves the conversation."""
        return self._leave(talk, user, now)

    def ended(self, talk: Talk, now: datetime, *, by_end_user: bool = False) -> Step:
        """The session has ended: no work, no PendingServiceRouting and no request outlive it."""
        self.psrs.pop(talk.conversation, None)
        reason = "EndUserEnded" if by_end_user else "Cancel"
        step = self._over(talk.conversation, now, "Cancelled", cancel_reason=reason)
        for work in self._active():
            if work.talk.work_item == talk.work_item:
                step += self._set(work, "Closed" if work.state == "Accepted" else "Cancelled", now)
        return step

    def participants(self, conversation: str) -> tuple[str, ...]:
        """Users who are in the conversation, those who joined first first."""
        return tuple(one.user for one in self.works.values() if one.state == "Accepted" and one.talk.conversation == conversation)

    # ------------------------------------------------------------------------------------------------------ inside

    def _active(self) -> list[Work]:
        return [work for work in self.works.values() if work.state in _ACTIVE]

    def _talk(self, work_item: str, conversation: str | None) -> Talk:
        talk = self.world.talk(work_item)
        if talk is None:
            raise OrgRefusal(15111)
        if conversation is not None and talk.conversation != conversation:
            raise OrgRefusal(15107)
        return talk

    def _check_channel(self, talk: Talk) -> None:
        channel = talk.channel
        if channel.product != "ccaas":
            raise OrgRefusal(15102)
        if not channel.contact_center:
            raise OrgRefusal(15104)
        if not talk.opted_in:
            raise OrgRefusal(15103)

    def _rep(self, user: str) -> RepFacts:
        rep = self.world.rep(user)
        if rep is None:
            raise OrgRefusal(15106)
        if not rep.licensed:
            raise OrgRefusal(15105)
        if not rep.tied:
            raise OrgRefusal(15112)
        return rep

    def _context(self, asked: WorkAsked, talk: Talk, psr: Psr | None, rep: RepFacts) -> tuple[RoutingContext, float]:
        """With a PendingServiceRouting, what else the request has is passed over."""
        if psr is not None:
            return RoutingContext(talk.conversation, psr.routing, psr.correlation_id), 1.0
        if asked.context is None:
            raise OrgRefusal(10089, "routingContext is required when there is no PendingServiceRouting")
        if asked.weight is None and asked.percentage is None:
            raise OrgRefusal(10089, "capacityWeight or capacityPercentage is required when there is no PendingServiceRouting")
        load = asked.weight if asked.weight is not None else rep.capacity * (asked.percentage or 0) / 100
        return asked.context, load

    def _check_conference(self, talk: Talk) -> None:
        if not talk.channel.conference_supported:
            raise OrgRefusal(10075)

    def _check_room(self, talk: Talk) -> None:
        most = talk.channel.max_participants
        taken = sum(one.talk.conversation == talk.conversation for one in self._active())
        if most is not None and taken >= most:
            raise OrgRefusal(10089, "The conversation has as many participants as it may have")

    def _offered(self, work_id: str) -> Work:
        work = self.works.get(work_id)
        if work is None or work.state != "Assigned":
            raise OrgRefusal(10089, "The AgentWork is no longer on offer")
        return work

    def _leave(self, talk: Talk, user: str | None, now: datetime) -> Step:
        mine = [
            one for one in self._active() if one.user == user and one.talk.work_item == talk.work_item and one.state == "Accepted"
        ]
        if not mine:
            return Step()
        return self._set(mine[0], "Closed", now) + Step(left=(mine[0].user,))

    def _set(self, work: Work, state: WorkState, now: datetime) -> Step:
        changed = replace(work, state=state)
        self.works.pop(work.id)
        self.works[work.id] = changed  # last: `participants` has those who joined first first
        return self._changed(changed, now)

    def _changed(self, work: Work, now: datetime) -> Step:
        if not work.talk.channel.routing_work_result:
            return Step()
        content = {
            "workType": work.state,
            "workId": work.id,
            "workTargetId": work.user,
            "errorMessages": [],
            "routingType": work.context.routing,
        }
        return Step((interaction(work.talk, "RoutingWorkResult", content, self.new_uuid(), now),))

    def _over(
        self, conversation: str, now: datetime, failure: str, *, cancel_reason: str | None = None, errors: tuple[str, ...] = ()
    ) -> Step:
        request = self.requests.pop(conversation, None)
        if request is None:
            return Step()
        return self._result(
            request.talk, now, request.routing, failure, cancel_reason=cancel_reason, errors=errors, by=request.by
        )

    def _result(
        self,
        talk: Talk,
        now: datetime,
        routing: RoutingType,
        failure: str,
        *,
        psr: Psr | None = None,
        cancel_reason: str | None = None,
        errors: tuple[str, ...] = (),
        by: str | None = None,
        external: bool = False,
    ) -> Step:
        content: dict[str, Any] = {"routingType": routing, "failureType": failure, "errorMessages": list(errors)}
        content |= {"recordId": talk.work_item, "isExternallyRouted": external}
        if psr is not None:
            content["pendingServiceRoutingId"] = psr.id
        if cancel_reason is not None:
            content["cancelReason"] = cancel_reason
        if by is not None:
            content["initiator"] = {"appType": "agent", "subject": by, "role": "Agent"}
        return Step((interaction(talk, "RoutingResult", content, self.new_uuid(), now),))
