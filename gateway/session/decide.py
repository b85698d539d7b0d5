"""The one door to the rules: a session, a command and facts in; a decision or a refusal out. A pure function.

Order of judgement: E1 (the caller's org), whether the session is one in which this can be done at all, then the rule itself:

    people (P)  inviting, answering, flows (C)  leaving, idle (L)  transferring, destinations (T)  saying, flagging, notices (M)  door, refusals (E)

What people command is refused in an ended session. What the customer or the clock does there is taken in as far as it means
anything (a deletion does), and changes nothing otherwise, because nobody would receive a refusal. Only the customer's next message
is refused, with `session_not_active`, since it belongs to a new session: `open_session`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adapters.envelope import Author, EndUser, InboundMessage
from gateway.session import answering, flagging, handing, inviting, leaving, presence, reconciling, relayed, routing, saying
from gateway.session import commands as c
from gateway.session.admission import controlled_elsewhere
from gateway.session.calling import called
from gateway.session.decision import Decision, Facts, Refusal
from gateway.session.door import e1_same_org, e4_whole
from gateway.session.draft import Draft
from gateway.session.idle import l6_turn_inactive
from gateway.session.model import Participant, Role, Session, SessionEndUser, SessionId, Status
from gateway.session.notices import m3_hold_over
from gateway.session.refusals import e3_refuse

Rule = Callable[[Session, Any, Facts], Decision | Refusal]

RULES: dict[type, Rule] = {
    c.CustomerSaid: saying.m1_customer_said,
    c.CustomerChanged: saying.m1_customer_changed,
    c.CustomerCame: saying.m1_customer_came,
    c.ThreadChanged: handing.l6_thread_changed,
    c.CustomerEnded: leaving.l4_customer_ended,
    c.AcceptWork: routing.accept_work,
    c.DeclineWork: routing.decline_work,
    c.SayToCustomer: saying.m1_say_to_customer,
    c.Invite: inviting.invite,
    c.AcceptInvitation: answering.c7_accept,
    c.DeclineInvitation: answering.c8_decline,
    c.WithdrawInvitation: answering.c9_withdraw,
    c.Leave: leaving.l1_leave,
    c.End: leaving.l3_end,
    c.RaiseFlag: flagging.m4_raise_flag,
    c.LowerFlag: flagging.m4_lower_flag,
    c.Whisper: flagging.m4_whisper,
    c.RepDisconnected: leaving.l5_disconnected,
    c.RepConnected: leaving.l5_connected,
    c.RepUnavailable: presence.r7_unavailable,
    c.Route: routing.route_again,
    c.Reconcile: reconciling.reconcile,
    c.RelayedSaid: relayed.said,
    c.RelayedPeople: relayed.people,
    c.RelayedStatus: relayed.status_changed,
    c.RelayedOffer: relayed.offered,
}
# In sessions that a broker elsewhere controls.
ELSEWHERE: dict[type, Rule] = {
    **RULES,
    c.CustomerSaid: relayed.customer_said,
    c.ThreadChanged: relayed.thread_changed,
    c.RepDisconnected: relayed.disconnected,
    c.RepUnavailable: lambda session, command, facts: Decision(session),
    c.Route: lambda session, command, facts: Decision(session),
}

TIMERS: dict[str, Callable[[Draft, str], None]] = {
    c.TimerKind.offer: routing.offer_lapsed,
    c.TimerKind.invitation: answering.c9_expired,
    c.TimerKind.grace: leaving.l5_grace_over,
    c.TimerKind.idle: lambda draft, _: l6_turn_inactive(draft),
    c.TimerKind.leave_notice: m3_hold_over,
}

# What people ask for; RepConnected, RepDisconnected and RepUnavailable carry a login too, but nobody asks for them.
BY_PEOPLE = frozenset(
    {
        c.AcceptWork,
        c.DeclineWork,
        c.SayToCustomer,
        c.Invite,
        c.AcceptInvitation,
        c.DeclineInvitation,
        c.WithdrawInvitation,
        c.Leave,
        c.End,
        c.RaiseFlag,
        c.LowerFlag,
        c.Whisper,
    }
)
NOT_WHEN_ENDED = BY_PEOPLE | {c.CustomerSaid}
ONLY_ACTIVE = frozenset({c.SayToCustomer, c.Invite, c.RaiseFlag})


def decide(session: Session, command: c.Command, facts: Facts) -> Decision | Refusal:
    """What comes of a command. A refusal, or the very session that was given in the decision: nothing has changed."""
    refusal = _at_the_door(session, command, facts)
    if refusal is not None:
        return refusal
    if isinstance(command, c.TimerFired):
        return e4_whole(session, _timer_fired(session, command, facts))
    outcome = (ELSEWHERE if session.broker else RULES)[type(command)](session, command, facts)
    return outcome if isinstance(outcome, Refusal) else e4_whole(session, outcome)


def open_session(id: SessionId, message: InboundMessage, facts: Facts, *, earlier: c.Earlier = ()) -> Decision:
    """A new session for a message that belongs to none, offered to the channel's queue. `earlier` was kept aside and goes before it.

    Words of our own side by another tool open one too, so that they aren't lost, but nobody is asked to take it: it is inactive,
    and the customer's answer wakes and routes it.
    """
    draft = _empty(id, message.end_user, facts)
    if facts.channel.broker:
        return e4_whole(None, relayed.opened(draft, message, earlier))
    saying.m1_take_in_earlier(draft, earlier)
    saying.m1_take_in(draft, message)
    if message.author is Author.end_user:
        routing.offer_next(draft)
    else:
        draft.turn(Status.inactive, reason="opened_outside")
    return e4_whole(None, draft.decision())


def open_handed_over(id: SessionId, command: c.ThreadChanged, facts: Facts) -> Decision:
    """A new session for a conversation that another app has given us, with what was said before, offered to the channel's queue."""
    draft = _empty(id, command.handover.end_user, facts)
    handing.l6_write_handover(draft, command)
    if not facts.channel.broker:
        routing.offer_next(draft)
    return e4_whole(None, draft.decision())


def open_relayed(id: SessionId, command: c.RelayedSaid, facts: Facts) -> Decision:
    """A new session in which the broker elsewhere speaks first."""
    draft = _empty(id, command.end_user, facts)
    relayed.say(draft, command)
    return e4_whole(None, draft.decision())


def _empty(id: SessionId, end_user: EndUser, facts: Facts) -> Draft:
    """A session with the customer in it, and no line."""
    name = called(end_user)
    customer = Participant(role=Role.end_user, id=end_user.address, name=name, joined_at=facts.now)
    empty = Session(
        id=id,
        org=facts.channel.org,
        channel_id=facts.channel.id,
        channel_type=facts.channel.kind,
        broker=facts.channel.broker,
        end_user=SessionEndUser(id=end_user.address, name=name),
        locale=end_user.locale or facts.channel.locale,
        participants=(customer,),
        queue=facts.channel.queue,
        opened_at=facts.now,
    )
    return Draft(empty, facts)


def _timer_fired(session: Session, command: c.TimerFired, facts: Facts) -> Decision:
    draft = Draft(session, facts._replace(reached=command.due_at))
    TIMERS[command.kind](draft, command.ref)
    return draft.decision()


def _at_the_door(session: Session, command: c.Command, facts: Facts) -> Refusal | None:
    kind = type(command)
    if kind in BY_PEOPLE:
        refusal = e1_same_org(session, command.by, facts) or controlled_elsewhere(session)  # type: ignore[union-attr, arg-type]  # all of them have it
        if refusal is not None:
            return refusal
    if session.status is Status.ended and kind in NOT_WHEN_ENDED:
        sentence = "This session has ended: the customer's next message opens a new one."
        return e3_refuse("session_not_active", sentence, status=session.status.value)
    if kind in ONLY_ACTIVE:
        return saying.m5_is_active(session, facts.channel)
    return None
