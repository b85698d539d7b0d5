"""Partner-owned routing at the simulated org's own broker: what the org asks of its partner, and reps who are asked because the partner gave them work.

A new session isn't offered to anybody: RoutingRequested goes out. Work that the partner makes becomes an offer to that rep alone, or, for a conference or a transfer, an
invitation in the name of the rep who wanted it. Which rep answers how, the broker says: `happened` is told of each entry, `declined` of refusals. What was asked and
what work there is, is written down after each step, before anything of it is published.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from pydantic import TypeAdapter

from gateway.brokers.contract import Caller, Effect
from gateway.brokers.salesforce.simulator import asking, ids
from gateway.brokers.salesforce.simulator.contract import (
    CancelReason,
    Conversation,
    OrgRefusal,
    RouteMade,
    RoutingDone,
    RoutingType,
    Target,
    WorkAsked,
    WorkMade,
    WorkStatus,
)
from gateway.brokers.salesforce.simulator.estate import Estate
from gateway.brokers.salesforce.simulator.partner_routing import BUDGET, PartnerRouting
from gateway.brokers.salesforce.simulator.partner_values import Psr, RepFacts, Request, Step, Talk, Wish, Work
from gateway.brokers.salesforce.simulator.reporting import Json, Scene
from gateway.brokers.unit import Unit
from gateway.session.commands import End, Invite
from gateway.session.decision import Refusal
from gateway.session.inviting import judged, name_of
from gateway.session.model import (
    Entry,
    EntryKind,
    Invitation,
    InvitationId,
    Presence,
    Purpose,
    Recipient,
    RecipientType,
    Rep,
    Session,
    Status,
)
from gateway.store.contract import Transaction

Published: TypeAlias = tuple[tuple[str, Json], ...]
_LOOK_SECONDS: Final = 1.0
_FULL: Final = frozenset({"ExplicitlyOptedIn", "DoublyOptedIn"})


@dataclass(frozen=True, slots=True)
class _Kept:
    """What of routing outlives a restart."""

    works: dict[str, Work]
    psrs: dict[str, Psr]
    requests: dict[str, Request]


_KEPT: Final = TypeAdapter(_Kept)


class Hosting:
    """See the module. `open` takes up what was written down. What it answers to `PartnerRouting` as its world is what it learned last."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        self._talks: dict[str, Talk] = {}
        self._reps: dict[str, RepFacts] = {}
        self.routing = PartnerRouting(self, lambda prefix: ids.record_id(prefix, str(uuid.uuid4())))

    async def open(self) -> None:
        """Be as before the last end. The records are open."""
        found = await self._estate.records.record("routing", "")
        if found is not None:
            kept = _KEPT.validate_python(found)
            self.routing.works, self.routing.psrs, self.routing.requests = kept.works, kept.psrs, kept.requests

    async def _keep(self) -> None:
        routing = self.routing
        works = {work.id: work for work in routing.works.values() if work.state in ("Assigned", "Accepted")}
        kept = _KEPT.dump_python(_Kept(works, routing.psrs, routing.requests), mode="json")
        await self._estate.records.keep("routing", "", kept)

    # --------------------------------------------------------------------------------- the world, as routing asks for it

    def talk(self, work_item: str) -> Talk | None:
        """See `partner_values.World`."""
        return self._talks.get(work_item)

    def rep(self, user: str) -> RepFacts | None:
        """See `partner_values.World`."""
        return self._reps.get(user)

    def queue(self, id: str) -> bool:
        """See `partner_values.World`."""
        return any(ids.queue_id(queue) == id[:15] for queue in self._estate.people.queues)

    def routes(self, channel_id: str) -> bool:
        """Whether a partner routes this channel's sessions."""
        return channel_id in self._estate.served and self._estate.served[channel_id].routing == "partner"

    async def _learn_talk(self, work_item: str) -> Session | None:
        """The open session with this id, which `talk` then knows."""
        records = self._estate.records
        tied = await records.session(work_item)
        row = await records.conversation(tied.conversation_id) if tied is not None else None
        if tied is None or row is None or tied.session_id is None:
            return None
        session = await self._estate.store.read(lambda stored: stored.sessions.load(str(tied.session_id)))
        if session is None or session.status is Status.ended or session.channel_id not in self._estate.served:
            self._talks.pop(work_item, None)
            return None
        await self._know(Conversation(row.id, row.address, row.customer, work_item), session)
        return session

    async def _know(self, conversation: Conversation, session: Session) -> Talk:
        channel = self._estate.served[session.channel_id]
        consent = await self._estate.records.record("consent", f"{conversation.address}\0{conversation.customer}") or {}
        opted_in = not channel.explicit_consent or consent.get("status") in _FULL
        talk = Talk(conversation.id, conversation.session_id or "", conversation.customer, channel, opted_in)
        self._talks[talk.work_item] = talk
        return talk

    async def _learn_rep(self, user: str) -> Rep | None:
        """The rep with this user id, whom `rep` then knows as they are now."""
        rep, broker = self._estate.rep_with(user), self._estate.broker
        if rep is not None:
            presence = await broker.presence(self._caller(rep))
            tied, licensed = presence.status is Presence.online, "messaging_user" in rep.licences
            self._reps[user] = RepFacts(user, float(rep.capacity), tied, licensed)
        return rep

    def _caller(self, rep: Rep) -> Caller:
        return Caller(login=rep.login, org=rep.org, name=rep.name, supervisor=rep.supervisor)

    async def _open(self, conversation: Conversation) -> tuple[Talk, Session]:
        session = await self._estate.open_session(conversation)
        if session is None:
            raise OrgRefusal(10_071)
        tied = await self._estate.records.tie(self._estate.row(session), session.id)
        full = Conversation(conversation.id, conversation.address, conversation.customer, tied.work_item)
        return await self._know(full, session), session

    async def _publish(self, step: Step) -> None:
        await self._keep()
        for event_type, payload in step.published:
            await self._estate.bus.append(event_type, payload)

    async def run(self) -> None:
        """Mark what the partner didn't answer in time, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if (late := self.routing.due(self._estate.clock())).published:
                await self._publish(late)

    # ----------------------------------------------------------------------------------------------- what the partner does

    async def route(self, conversation: Conversation, routing: RoutingType, target: Target) -> RouteMade:
        """See `contract.Org`."""
        talk, _ = await self._open(conversation)
        made, step = self.routing.route(talk, routing, target, self._estate.clock())
        await self._publish(step)
        return made

    async def unroute(self, conversation: Conversation, reason: CancelReason) -> None:
        """See `contract.Org`."""
        talk, _ = await self._open(conversation)
        await self._publish(self.routing.unroute(talk, reason, self._estate.clock()))

    async def agent_work(self, asked: WorkAsked) -> WorkMade:
        """See `contract.Org`. The rep is asked before the answer goes out."""
        session, rep = await self._learn_talk(asked.work_item), await self._learn_rep(asked.user)
        made, step = self.routing.agent_work(asked, self._estate.clock())
        sentence = await self._ask(session, rep, made.context.routing) if session and rep else None  # routing knows them
        if sentence is not None:
            self.routing.close(made.work_id, "Cancel", self._estate.clock())
            raise OrgRefusal(10_089, sentence)
        await self._publish(step)
        return made

    async def _ask(self, session: Session, rep: Rep, routing: RoutingType) -> str | None:
        """None: the rep is asked; else why they can't be."""
        if routing == "Initial":
            return await self._estate.store.write(lambda stored: asking.offer(stored, self._estate.ground, session.id, rep.login))
        wanted = self._wanted_by(session)
        if wanted is None:
            return "Nobody is in the conversation who could ask for another rep."
        purpose = Purpose.transfer if routing == "Transfer" else Purpose.invite
        recipient = Recipient(type=RecipientType.agent, id=rep.login)
        command = Invite(by=wanted.login, recipient=recipient, purpose=purpose.value)
        done = await self._estate.broker.command(self._caller(wanted), session.id, command)
        return done.sentence if isinstance(done, Refusal) else None

    def _wanted_by(self, session: Session) -> Rep | None:
        """Who asked for another rep, or else who is in."""
        conversation = self._estate.row(session).id
        request = self.routing.requests.get(conversation)
        by = self._estate.rep_with(request.by) if request is not None and request.by is not None else None
        if by is not None and session.has_rep(by.login):
            return by
        return next((self._estate.people.reps[p.id] for p in session.reps if p.id in self._estate.people.reps), None)

    async def close_agent_work(self, work_id: str, status: WorkStatus) -> None:
        """See `contract.Org`. The rep is no longer asked."""
        step = self.routing.close(work_id, status, self._estate.clock())
        work = self.routing.works[work_id]
        await self._ask_no_longer(work)
        await self._publish(step)

    async def _ask_no_longer(self, work: Work) -> None:
        session, rep = await self._learn_talk(work.talk.work_item), self._estate.rep_with(work.user)
        if session is not None and rep is not None:
            ground = self._estate.ground
            await self._estate.store.write(lambda stored: asking.ask_no_longer(stored, ground, session.id, rep.login))

    async def routing_result(self, done: RoutingDone) -> None:
        """See `contract.Org`. A transfer to outside ends the session here; one to a rep is done when that rep takes over."""
        session = await self._learn_talk(done.work_item)
        request = self.routing.requests.get(done.conversation)
        await self._publish(self.routing.routing_result(done, self._estate.clock()))
        by = self._estate.rep_with(request.by) if request is not None and request.by is not None else None
        if session is not None and by is not None and done.success and done.external:
            await self._estate.broker.command(self._caller(by), session.id, End(by=by.login))

    async def remove(self, conversation: Conversation, user: str) -> None:
        """See `contract.Org`. The session waits when nobody is left."""
        talk, session = await self._open(conversation)
        rep = self._estate.rep_with(user)
        if rep is None or not session.has_rep(rep.login):
            raise OrgRefusal(10_036)
        ground = self._estate.ground
        await self._estate.store.write(lambda stored: asking.let_go(stored, ground, session.id, rep.login))
        await self._publish(self.routing.leave(talk, user, self._estate.clock()))

    # -------------------------------------------------------------------------------------------- what happens at the console

    async def happened(self, entry: Entry, scene: Scene) -> Published:
        """What routing publishes because of an entry of the transcript."""
        address = scene.channel.address
        talk = await self._know(Conversation(scene.conversation, address, scene.customer, scene.work_item), scene.session)
        step = self._follows(entry, scene, talk)
        if step is None:
            return ()
        await self._keep()
        return step.published

    def _follows(self, entry: Entry, scene: Scene, talk: Talk) -> Step | None:
        now, details = self._estate.clock(), entry.details
        becomes = details.get("to") if entry.kind is EntryKind.status_changed else None
        if entry.number == 1 or becomes == Status.waiting.value:
            return self.routing.ask(talk, "Initial", now)
        if becomes == Status.ended.value:
            by_customer = entry.sender is not None and entry.sender.id == scene.customer
            return self.routing.ended(talk, now, by_end_user=by_customer)
        if entry.kind is EntryKind.participant_joined:
            return self._answered(talk, str(details["participant"]["id"]), accepts=True)
        if entry.kind is EntryKind.participant_left:
            return self.routing.leave(talk, ids.user_id(str(details["participant"]["id"])), now)
        return None

    async def declined(self, session: Session, login: str) -> None:
        """A rep doesn't take what the partner gave them."""
        tied = await self._estate.records.tie(self._estate.row(session), session.id)
        talk = self._talks.get(tied.work_item)
        if talk is not None:
            await self._publish(self._answered(talk, login, accepts=False))

    def _answered(self, talk: Talk, login: str, *, accepts: bool) -> Step:
        user, now = ids.user_id(login), self._estate.clock()
        work = next((w for w in self._assigned() if w.user[:15] == user and w.talk.work_item == talk.work_item), None)
        if work is None:
            return Step()
        return self.routing.accept(work.id, now) if accepts else self.routing.decline(work.id, now)

    def _assigned(self) -> Sequence[Work]:
        return [work for work in self.routing.works.values() if work.state == "Assigned"]

    async def wanted(self, caller: Caller, session_id: str, command: Invite) -> Effect | Refusal:
        """A rep wants another one in the conversation, or to hand it over: the partner is asked, if the rules allow it."""
        store, ground = self._estate.store, self._estate.ground

        def judge(stored: Transaction) -> tuple[Session | None, Any]:
            session = stored.sessions.load(session_id)
            if session is None:
                return None, None
            words = command.recipient.type is RecipientType.flow
            return session, judged(session, command, Unit(stored, ground).facts(session, words=words))

        session, asked = await store.read(judge)
        if session is None or isinstance(asked, Refusal):
            return asked or Refusal("session_not_found", "There is no such session.")
        row = self._estate.row(session)
        talk, _ = await self._open(Conversation(row.id, row.address, row.customer, None))
        routing: RoutingType = "Transfer" if command.purpose == Purpose.transfer else "Conference"
        now = self._estate.clock()
        try:
            step = self.routing.ask(talk, routing, now, by=ids.user_id(caller.login), wish=_wish(command.recipient))
        except OrgRefusal as refused:
            return Refusal("permission_denied", refused.message or "This channel has no conferences.")
        await self._publish(step)
        invitation = Invitation(
            id=InvitationId(self._estate.ground.new_id("inv")),
            purpose=Purpose(command.purpose),
            recipient=command.recipient,
            recipient_name=name_of(command.recipient, self._estate.people),
            inviter=command.by,
            inviter_name=caller.name,
            created_at=now,
            expires_at=now + BUDGET,
            asked=(),
            note=command.note,
        )
        return Effect(session=session, invitation=invitation)


def _wish(recipient: Recipient) -> Wish:
    if recipient.type is RecipientType.queue:
        return Wish(queue=ids.queue_id(recipient.id))
    if recipient.type is RecipientType.flow:
        return Wish(flow=ids.flow_id(recipient.id))
    return Wish(user=ids.user_id(recipient.id))
