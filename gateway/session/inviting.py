"""Requests: rules C1 to C6, also for transfers (T1), which are requested the same way. Answers are in answering.py, C10 in audience.py.

A request is judged in the order of `c6_may_ask`, then its recipient is resolved to the reps who are asked; each of them is
checked by P2, P5 and capacity once more for a queue, and one by one, with the reason, for an agent. The destination list (T3) asks `judged`, too:
what it offers is what a request would be granted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from gateway.session.admission import (
    actor_of,
    can_receive,
    has_capacity,
    not_in_it,
    p1_enhanced_edition,
    p2_missing,
    p2_rights,
    p3_run_flows,
    p4_direct_routing,
    p5_available,
    p5_online,
    p6_room_for_a_request,
    reps_of,
)
from gateway.session.commands import Invite, TimerKind
from gateway.session.decision import Decision, Facts, Refusal
from gateway.session.draft import Draft
from gateway.session.flows import c3_flow_yields
from gateway.session.membership import describe
from gateway.session.model import (
    ChannelFacts,
    EntryKind,
    FlowDefinition,
    Invitation,
    InvitationId,
    Login,
    OrgSettings,
    Purpose,
    Queue,
    Recipient,
    RecipientType,
    Rep,
    Session,
    Visibility,
)
from gateway.session.refusals import e3_refuse
from gateway.session.saying import m5_is_active
from gateway.session.transferring import t2_not_others

BOT_WARNING = "A bot can't distinguish the people in a conference: it may answer the wrong one."


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom a request asks: these reps, by way of this agent or queue. `warning`: C5."""

    reps: tuple[Rep, ...]
    by_way_of: Recipient
    warning: str | None = None


def c1_one_recipient(raw: object) -> object:
    """C1: a request names exactly one recipient. Raises ValueError, with what to do instead, for a list or anything else that isn't one."""
    if isinstance(raw, Recipient | Mapping):
        return raw
    raise ValueError(
        'must be one recipient, such as {"type": "agent", "id": "ben"}: to invite several reps, send several requests'
    )


def invite(session: Session, command: Invite, facts: Facts) -> Decision | Refusal:
    """Open a request. It stays in the session until it is answered, withdrawn or expired."""
    asked = judged(session, command, facts)
    if isinstance(asked, Refusal):
        return asked
    draft = Draft(session, facts)
    return draft.decision(_ask(draft, command, asked))


def judged(session: Session, command: Invite, facts: Facts) -> Asked | Refusal:
    """Whom the request would ask, in an active session, or why it would be refused. Nothing is written."""
    refusal = c6_may_ask(session, command, facts)
    if refusal is not None:
        return refusal
    asked = resolve(session, command, facts)
    if isinstance(asked, Refusal):
        return asked
    return p6_room_for_a_request(session, command.by, command.purpose, facts.settings, facts.channel) or asked


def c6_could_ask(session: Session, by: Login, purpose: Purpose, settings: OrgSettings, channel: ChannelFacts) -> Refusal | None:
    """C6: what speaks against every request of this rep, whomever it names: pages show it at the button."""
    return (
        m5_is_active(session, channel)
        or not_in_it(session, by)
        or p1_enhanced_edition(session, by, purpose, channel)
        or p6_room_for_a_request(session, by, purpose, settings, channel)
    )


def c6_may_ask(session: Session, command: Invite, facts: Facts) -> Refusal | None:
    """C6 and what goes before it: the channel, the recipient's type, and the one who asks. The session is active (see decide.py)."""
    return (
        p1_enhanced_edition(session, command.by, command.purpose, facts.channel)
        or (t2_not_others if command.purpose == Purpose.transfer else c4_not_others)(command.recipient.type)
        or not_in_it(session, command.by)
        or (p3_run_flows(facts.reps[command.by]) if command.recipient.type is RecipientType.flow else None)
    )


def c4_not_others(type: RecipientType) -> Refusal | None:
    """C4: a contact outside the org is never invited. There is not a setting for it."""
    if type is not RecipientType.others:
        return None
    sentence = "People outside the org can't be invited: name an agent, a queue or a flow."
    return e3_refuse("recipient_type_not_allowed", sentence)


def resolve(session: Session, command: Invite, facts: Facts) -> Asked | Refusal:
    """Who is asked, for each type of recipient."""
    recipient = command.recipient
    if recipient.type is RecipientType.flow:
        return c3_by_flow(session, command, facts)
    if recipient.type is RecipientType.queue:
        return c2_ask_queue(session, command, recipient, facts)
    return c2_ask_agent(session, command, recipient, facts)


def c2_ask_agent(session: Session, command: Invite, recipient: Recipient, facts: Facts) -> Asked | Refusal:
    """C2: that rep alone is asked, if P4 lets one rep be named, and nothing of P2, P5, C5, C6 speaks against it."""
    refusal = p4_direct_routing(facts.settings)
    rep = facts.reps.get(recipient.id)
    if refusal is not None:
        return refusal
    if rep is None or rep.org != session.org:
        return e3_refuse("recipient_not_found", f"There is no agent {recipient.id}: choose one from the destination list.")
    warning = c5_bots(session, [rep], command.by, command.purpose, facts)
    refusal = (
        c6_not_in_yet(session, rep)
        or c6_not_asked_yet(session, rep)
        or (warning if isinstance(warning, Refusal) else None)
        or p2_rights(rep, facts.channel)
        or p5_available(rep, facts)
        or c6_has_capacity(rep, facts)
    )
    if refusal is not None:
        return refusal
    return Asked((rep,), recipient, warning if isinstance(warning, str) else None)


def c2_ask_queue(session: Session, command: Invite, recipient: Recipient, facts: Facts) -> Asked | Refusal:
    """C2: every eligible rep of the queue is asked, and the first to accept joins."""
    queue = facts.queues.get(recipient.id)
    if queue is None or queue.org != session.org:
        return e3_refuse("recipient_not_found", f"There is no queue {recipient.id}: choose one from the destination list.")
    if any(i.to_queue and (i.resolved or i.recipient).id == queue.id for i in session.invitations):
        sentence = f"{queue.name} has an open request to this session: wait for the answer, or withdraw it."
        return e3_refuse("invitation_pending", sentence)
    free = [rep for rep in reps_of(queue, facts) if not _is_asked(session, rep.login)]
    eligible = [rep for rep in free if can_receive(rep, session, facts)]
    if not eligible and (asked := [r for r in reps_of(queue, facts) if _is_asked(session, r.login)]):
        return c6_queue_is_asked(queue.name, asked)
    welcome = [rep for rep in eligible if not isinstance(c5_bots(session, [rep], command.by, command.purpose, facts), Refusal)]
    if not welcome:
        return c2_nobody_in_queue(session, queue.name, free, facts)
    warning = c5_bots(session, welcome, command.by, command.purpose, facts)
    return Asked(tuple(welcome), recipient, warning if isinstance(warning, str) else None)


def c6_queue_is_asked(name: str, asked: list[Rep]) -> Refusal:
    """C6: whoever of the queue could come has an open request already, by name or by another queue."""
    names = ", ".join(rep.name for rep in asked)
    sentence = f"Nobody else of {name} is free, and {names} {'has' if len(asked) == 1 else 'have'} an open request to this session: wait for the answer, or withdraw it."
    return e3_refuse("invitation_pending", sentence)


def c2_nobody_in_queue(session: Session, name: str, reps: list[Rep], facts: Facts) -> Refusal:
    """Nobody in the queue can be asked: because all who are there are busy, or because nobody is there."""
    there = [r for r in reps if p5_online(r.login, facts) and not p2_missing(r, facts.channel) and not session.has_rep(r.login)]
    if there and not any(has_capacity(rep, facts) for rep in there):
        return e3_refuse("recipient_at_capacity", f"All reps of {name} are at capacity: name another queue, or wait.")
    sentence = f"No rep of {name} is online for messaging and free: name another queue, or wait."
    return e3_refuse("recipient_not_available", sentence)


def c3_by_flow(session: Session, command: Invite, facts: Facts) -> Asked | Refusal:
    """C3: the flow yields an agent or a queue, which is asked as by C2."""
    flow = facts.flows.get(command.recipient.id)
    if flow is None or flow.org != session.org:
        sentence = f"There is no flow {command.recipient.id}: choose one from the destination list."
        return e3_refuse("recipient_not_found", sentence)
    yielded = c3_flow_yields(flow, session, facts)
    if yielded is None:
        sentence = f"The flow {flow.name} found nobody for this session: name an agent or a queue."
        return e3_refuse("flow_yielded_no_recipient", sentence)
    ask = c2_ask_queue if yielded.type is RecipientType.queue else c2_ask_agent
    return ask(session, command, yielded, facts)


def c5_bots(session: Session, reps: list[Rep], by: Login, purpose: str, facts: Facts) -> str | Refusal | None:
    """C5: would a bot share the session with another rep? Then refuse, or warn, as the org's setting says.

    It is the same whichever of the two comes second, so inviting a human to where a bot is counts too; handing over from or
    to a bot that is alone with the customer does not.
    """
    leaving = {by} if purpose == Purpose.transfer else set()
    staying = [p for p in session.reps if p.id not in leaving]
    bots = any(rep.kind == "bot" for rep in reps) or any(p.role.value == "bot" for p in staying)
    if not staying or not bots:
        return None
    if facts.settings.bots_in_conference == "warn":
        return BOT_WARNING
    sentence = "Bots can't join conferences in this org: name a human agent or a queue, or transfer the session."
    return e3_refuse("recipient_type_not_allowed", sentence, bot=True)


def c6_not_in_yet(session: Session, rep: Rep) -> Refusal | None:
    """C6: one who is in the session isn't asked."""
    if not session.has_rep(rep.login):
        return None
    return e3_refuse("already_participant", f"{rep.name} is in this session already: choose someone else.", login=rep.login)


def c6_not_asked_yet(session: Session, rep: Rep) -> Refusal | None:
    """C6: one open request at a time for a rep."""
    if not _is_asked(session, rep.login):
        return None
    sentence = f"{rep.name} has an open request to this session: wait for the answer, or withdraw it."
    return e3_refuse("invitation_pending", sentence, login=rep.login)


def c6_has_capacity(rep: Rep, facts: Facts) -> Refusal | None:
    """C6: one without capacity isn't asked."""
    if has_capacity(rep, facts):
        return None
    sentence = f"{rep.name} has no capacity left: choose someone else, or wait."
    return e3_refuse("recipient_at_capacity", sentence, login=rep.login)


def _is_asked(session: Session, login: str) -> bool:
    return any(login in invitation.waits_for for invitation in session.invitations)


def _ask(draft: Draft, command: Invite, asked: Asked) -> Invitation:
    facts = draft.facts
    invitation = Invitation(
        id=InvitationId(facts.new_id("inv")),
        purpose=Purpose(command.purpose),
        recipient=command.recipient,
        recipient_name=name_of(command.recipient, facts),
        resolved=asked.by_way_of if asked.by_way_of != command.recipient else None,
        inviter=command.by,
        inviter_name=actor_of(draft.session, facts, command.by).name,
        created_at=facts.now,
        expires_at=draft.after(facts.settings.invitation_seconds),
        asked=tuple(rep.login for rep in asked.reps),
        warning=asked.warning,
        note=command.note,
    )
    draft.warning = asked.warning
    sender = actor_of(draft.session, facts, command.by)
    draft.change(invitations=(*draft.session.invitations, invitation))
    draft.write(EntryKind.invited, Visibility.reps, sender=sender, text=command.note, details=describe(invitation))
    draft.set_timer(TimerKind.invitation, invitation.id, invitation.expires_at)
    shown = invitation.model_dump(mode="json")
    draft.tell(invitation.asked, "invitation_received", invitation=shown, **{"from": {"id": sender.id, "name": sender.name}})
    return invitation


class Named(Protocol):
    """Where names are known: `Facts`, or the org itself."""

    @property
    def reps(self) -> Mapping[str, Rep]:
        """The org's reps and bots, by login."""
        ...

    @property
    def queues(self) -> Mapping[str, Queue]:
        """The org's queues, by id."""
        ...

    @property
    def flows(self) -> Mapping[str, FlowDefinition]:
        """The org's flows, by id."""
        ...


def name_of(recipient: Recipient, known_by: Named) -> str:
    """What people call it; the id where nobody of that id is known."""
    known: dict[RecipientType, Mapping[str, Rep | Queue | FlowDefinition]] = {
        RecipientType.agent: known_by.reps,
        RecipientType.queue: known_by.queues,
        RecipientType.flow: known_by.flows,
    }
    found = known.get(recipient.type, {}).get(recipient.id)
    return found.name if found is not None else recipient.id
