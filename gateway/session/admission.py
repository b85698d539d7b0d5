"""Who may be here: rules P1 to P6, T6 and R8. Checks give a refusal, or None when all is well."""

from __future__ import annotations

from functools import lru_cache

from gateway.session.decision import Facts, Refusal
from gateway.session.model import (
    Actor,
    ChannelFacts,
    Login,
    OrgSettings,
    Presence,
    Purpose,
    Queue,
    Rep,
    Role,
    Session,
)
from gateway.session.refusals import e3_refuse

# P2: (licence, permission) by family of channels.
CHAT_RIGHTS = ("enhanced_chat_user", "enhanced_chat_rep")
MESSAGING_RIGHTS = ("messaging_user", "messaging_agent")
RUN_FLOWS = "run_flows"  # P3


def t6_swaps(session: Session, by: str, purpose: str) -> bool:
    """T6: a transfer by the session's only rep makes no conference: one goes as the other comes."""
    return purpose == Purpose.transfer and [rep.id for rep in session.reps] == [by]


def p1_enhanced_edition(session: Session, by: str, purpose: str, channel: ChannelFacts) -> Refusal | None:
    """P1: a channel of the standard edition relays messages, and refuses every conference request."""
    if channel.edition == "enhanced" or t6_swaps(session, by, purpose):
        return None
    sentence = "This channel has the standard edition, which has no conferencing: use an enhanced channel, or continue alone."
    return e3_refuse("conferencing_not_supported", sentence, channel_id=channel.id)


def p2_missing(rep: Rep, channel: ChannelFacts) -> tuple[str, ...]:
    """P2: what the rep lacks to receive a session of this channel, or to end one: licence first, then permission.

    P2 doesn't apply to bots: they hold no licence and need none.
    """
    if rep.kind == "bot":
        return ()
    licence, permission = CHAT_RIGHTS if channel.chat else MESSAGING_RIGHTS
    lacks_licence = (f"licence {licence}",) if licence not in rep.licences else ()
    lacks_permission = (f"permission {permission}",) if permission not in rep.permissions else ()
    return lacks_licence + lacks_permission


def p2_rights(rep: Rep, channel: ChannelFacts) -> Refusal | None:
    """P2: without licence and permission, nothing is received or ended; the refusal names what is missing."""
    missing = p2_missing(rep, channel)
    if not missing:
        return None
    sentence = f"{rep.name} lacks the {' and the '.join(missing)} for this channel: have an administrator grant it."
    return e3_refuse("permission_denied", sentence, login=rep.login, missing=[words.split()[1] for words in missing])


def p3_run_flows(rep: Rep) -> Refusal | None:
    """P3: sending a session to a flow needs `run_flows`."""
    if RUN_FLOWS in rep.permissions:
        return None
    sentence = "You lack the permission run_flows: have an administrator grant it, or name an agent or a queue."
    return e3_refuse("permission_denied", sentence, login=rep.login, missing=[RUN_FLOWS])


def p4_direct_routing(settings: OrgSettings) -> Refusal | None:
    """P4: asking one named rep needs the org's setting."""
    if settings.skills_and_direct_to_agent_routing:
        return None
    sentence = "Skills-based and direct-to-agent routing is off in this org: name a queue, or have an administrator enable it."
    return e3_refuse("direct_routing_disabled", sentence)


def p5_online(login: str, facts: Facts) -> bool:
    """P5: online with a messaging presence status; no other status will do."""
    return facts.presence[login].status is Presence.online


def p5_available(rep: Rep, facts: Facts) -> Refusal | None:
    """P5: one who isn't online for messaging can't be asked."""
    if p5_online(rep.login, facts):
        return None
    sentence = f"{rep.name} isn't online for messaging: choose someone from the destination list."
    return e3_refuse("recipient_not_available", sentence, login=rep.login)


def p6_limit(settings: OrgSettings, channel: ChannelFacts) -> int:
    """P6: how many reps a session may have; the channel may lower the org's number, never raise it."""
    if channel.max_conference_participants is None:
        return settings.conference_limit
    return max(1, min(settings.conference_limit, channel.max_conference_participants))


def p6_seats_taken(session: Session) -> int:
    """P6: reps, and open requests by which one more may come in. A transfer by the only rep isn't one (T6)."""
    return len(session.reps) + sum(not t6_swaps(session, i.inviter, i.purpose) for i in session.invitations)


def p6_room_for_a_request(
    session: Session, by: str, purpose: str, settings: OrgSettings, channel: ChannelFacts
) -> Refusal | None:
    """P6: reps and open requests together stay within the limit, so that no acceptances can overfill it."""
    limit = p6_limit(settings, channel)
    if t6_swaps(session, by, purpose) or p6_seats_taken(session) < limit:
        return None
    if limit == 1:
        sentence = "Conversations on this channel have one rep at a time: transfer it instead."
    else:
        sentence = (
            f"The session is full with {limit} reps, open requests included: wait for an answer, withdraw a request, or leave."
        )
    return e3_refuse("participant_limit_reached", sentence, limit=limit)


def p6_room_for_one(session: Session, facts: Facts, *, leaving: int = 0) -> Refusal | None:
    """P6 once more on acceptance, as the limit may have been lowered meanwhile. `leaving`: how many go as this one comes."""
    limit = p6_limit(facts.settings, facts.channel)
    if len(session.reps) - leaving + 1 <= limit:
        return None
    sentence = f"The session is full with {limit} reps: wait until one leaves, and be invited again."
    return e3_refuse("participant_limit_reached", sentence, limit=limit)


def r8_room_to_accept(rep: Rep, facts: Facts, *, reserved: int = 0) -> Refusal | None:
    """R8: who accepts may have become full since they were asked. `reserved`: what of their load is this very session's offer."""
    if facts.load[rep.login] - reserved < rep.capacity:
        return None
    sentence = "You have no capacity left: first finish another conversation or answer your other offers, or decline."
    return e3_refuse("recipient_at_capacity", sentence, login=rep.login)


def has_capacity(rep: Rep, facts: Facts) -> bool:
    """Whether the rep can take one more session."""
    return facts.load[rep.login] < rep.capacity


def can_receive(rep: Rep, session: Session, facts: Facts) -> bool:
    """Whether the rep could be given this session now: P2, P5, capacity, of the same org, and not in it."""
    return (
        p5_online(rep.login, facts)  # first: of a whole queue, it leaves the fewest
        and rep.org == session.org
        and not session.has_rep(rep.login)
        and not p2_missing(rep, facts.channel)
        and has_capacity(rep, facts)
    )


def reps_of(queue: Queue, facts: Facts) -> list[Rep]:
    """The queue's reps that the org knows, in the queue's order."""
    return [rep for rep in map(facts.reps.get, queue.reps) if rep is not None]


def not_in_it(session: Session, by: str) -> Refusal | None:
    """C6 and others: only a rep who is in the session may do this."""
    if session.has_rep(by):
        return None
    return e3_refuse("not_a_participant", "You aren't in this session: accept it when it is offered, or ask for an invitation.")


def controlled_elsewhere(session: Session) -> Refusal | None:
    """E3: in a session that a broker elsewhere controls, nothing that is asked here would be true there."""
    if not session.broker:
        return None
    sentence = (
        "Salesforce controls this conversation. Open its Messaging Session in the Salesforce console: "
        "Start Conference, Transfer, Leave Conversation and End Conversation are there."
    )
    return e3_refuse("conferencing_controlled_by_salesforce", sentence)


def actor_of(session: Session, facts: Facts, login: Login) -> Actor:
    """Who did it, by the name under which they are in the session, else the org's."""
    member = next((p for p in session.participants if p.id == login and p.role is not Role.end_user), None)
    if member is not None:
        return Actor(role=member.role, id=login, name=member.name)
    rep = facts.reps.get(login)
    role = Role.supervisor if rep is not None and rep.supervisor else Role.rep
    return Actor(role=role, id=login, name=rep.name if rep is not None else login)


def end_user_of(session: Session) -> Actor:
    """The customer, as the sender of an entry."""
    return _customer(session.end_user.id, session.end_user.name)


@lru_cache(2_000)
def _customer(id: str, name: str) -> Actor:
    return Actor(role=Role.end_user, id=id, name=name)
