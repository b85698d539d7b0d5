"""What a session that was opened under an older config loses under the current one, and how it changes.

`losses` judges and changes nothing: `byoc check --data` and the report at the start are made from it, and `reconcile` does what it says.
A session that was reconciled has lost nothing more, so a start that was cut off is simply made again. Neither presence nor load is
looked at: who is there now has no say in what the config has lost.

- The channel belongs to another org, or is of another kind: the session ends. Its org keeps the history; the next message opens a new one.
- Another broker controls the channel now: the session ends here. What the customer wrote and nobody has answered goes to the new broker.
- The channel is gone: the session becomes inactive and its reps are free. When the channel is back, it continues as it was.
- Its queue is gone: it belongs to its channel's queue.
- A rep is gone: they leave (L1; the last one: L5). Offers and requests that they, or their queue, can't answer any more are withdrawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from pydantic import JsonValue

from gateway.session.admission import p2_missing, p6_limit
from gateway.session.commands import Reconcile, TimerKind
from gateway.session.decision import Decision, Facts
from gateway.session.draft import Draft
from gateway.session.idle import l6_set_idle_timer
from gateway.session.leaving import l1_go, l3_close, l5_begin_grace, l5_wait_for_another
from gateway.session.membership import go_out, withdraw, withdraw_all
from gateway.session.model import (
    EntryKind,
    Invitation,
    Login,
    Offer,
    Purpose,
    Recipient,
    RecipientType,
    Session,
    Status,
    Visibility,
)
from gateway.session.notices import m3_silence
from gateway.session.routing import PAUSE, offer_next, take_back_offer


class Lost(StrEnum):
    """What the config has taken from a session, or given back."""

    channel_moved = "channel_moved"
    channel_kind_changed = "channel_kind_changed"
    broker_changed = "broker_changed"
    channel_removed = "channel_removed"
    channel_back = "channel_back"
    queue_removed = "queue_removed"
    queue_given = "queue_given"  # it had none
    offer = "offer"
    invitation = "invitation"
    rep_removed = "rep_removed"
    room = "room"  # more reps are in than the limit now allows: they stay, and nothing is done


class Loss(NamedTuple):
    """One of them. `about`: the queue's id, the rep's login, the invitation's id; else empty."""

    lost: Lost
    about: str = ""


def losses(session: Session, facts: Facts) -> tuple[Loss, ...]:
    """All that the session has lost, in the order in which it is dealt with."""
    if session.status is Status.ended:
        return ()
    if facts.channel.gone in ("moved", "kind_changed"):
        return (Loss(Lost.channel_moved if facts.channel.gone == "moved" else Lost.channel_kind_changed),)
    if facts.channel.gone is None and facts.channel.broker != session.broker:
        return (Loss(Lost.broker_changed),)
    of_people = () if session.broker else tuple(_of_people(session, facts))  # theirs are another broker's people
    return tuple(_of_channel(session, facts)) + of_people


def _of_channel(session: Session, facts: Facts) -> Iterator[Loss]:
    if facts.channel.gone is not None:
        if session.status in (Status.active, Status.waiting):
            yield Loss(Lost.channel_removed)
        return  # the queue is judged when the channel is back
    if session.set_aside is not None:
        yield Loss(Lost.channel_back)
    if session.queue is not None and session.queue not in facts.queues:
        yield Loss(Lost.queue_removed, session.queue)
    if session.queue is None and facts.channel.queue is not None:
        yield Loss(Lost.queue_given, facts.channel.queue)


def _of_people(session: Session, facts: Facts) -> Iterator[Loss]:
    if session.offer is not None and not offer_stands(session.offer, facts):
        yield Loss(Lost.offer, session.offer.rep)
    for invitation in session.invitations:
        if invitation.inviter in facts.reps and still_asked(invitation, facts) != invitation.asked:
            yield Loss(Lost.invitation, invitation.id)
    for rep in session.reps:
        if rep.id not in facts.reps:
            yield Loss(Lost.rep_removed, rep.id)
    if session.status is Status.active and len(session.reps) > p6_limit(facts.settings, facts.channel):
        yield Loss(Lost.room)


def offer_stands(offer: Offer, facts: Facts) -> bool:
    """The rep may still take it: known, with the rights (P2), and serving the queue that it comes from."""
    return _serves(offer.rep, offer.queue, facts)


def still_asked(invitation: Invitation, facts: Facts) -> tuple[Login, ...]:
    """Who of those asked may still answer; nobody when whom it names is gone, or the channel has no conferencing now (P1)."""
    if invitation.purpose is Purpose.invite and facts.channel.edition == "standard":
        return ()
    named = (invitation.recipient, *filter(None, [invitation.resolved]))
    if not all(_is_there(one, facts) for one in named):
        return ()
    queue = (invitation.resolved or invitation.recipient).id if invitation.to_queue else None
    return tuple(login for login in invitation.asked if login in invitation.declined or _serves(login, queue, facts))


def _serves(login: str, queue: str | None, facts: Facts) -> bool:
    rep = facts.reps.get(login)
    if rep is None or p2_missing(rep, facts.channel):
        return False
    return queue is None or (queue in facts.queues and login in facts.queues[queue].reps)


def _is_there(recipient: Recipient, facts: Facts) -> bool:
    known = {RecipientType.agent: facts.reps, RecipientType.queue: facts.queues, RecipientType.flow: facts.flows}
    return recipient.id in known.get(recipient.type, ())


# -------------------------------------------------------------------------------------------- how it changes


def reconcile(session: Session, command: Reconcile, facts: Facts) -> Decision:
    """Deal with each loss; without any, nothing changes."""
    draft = Draft(session, facts)
    for lost, about in losses(session, facts):
        if lost in (Lost.channel_moved, Lost.channel_kind_changed, Lost.broker_changed):
            l3_close(draft, reason=lost.value, sender=None, tell_customer=False)
        elif lost is Lost.channel_removed:
            _set_aside(draft)
        elif lost is Lost.channel_back:
            _take_up_again(draft)
        elif lost in (Lost.queue_removed, Lost.queue_given):
            _give_to_channels_queue(draft, lost)
        elif lost is Lost.offer:
            take_back_offer(draft, "unavailable")
            offer_next(draft)
        elif lost is Lost.invitation:
            _narrow(draft, about)
        elif lost is Lost.rep_removed:
            _rep_leaves(draft, Login(about))
    return draft.decision()


def _set_aside(draft: Draft) -> None:
    session = draft.session
    take_back_offer(draft, "unavailable")
    withdraw_all(draft, reason=Lost.channel_removed.value)
    m3_silence(draft)
    for login in session.absent:
        draft.cancel_timer(TimerKind.grace, login)
    draft.cancel_timer(TimerKind.idle, "")
    draft.cancel_timer(TimerKind.offer, PAUSE)
    draft.change(set_aside=session.status, passed=(), last_reps=tuple(rep.id for rep in session.reps))
    draft.turn(Status.inactive, reason=Lost.channel_removed.value)


def _take_up_again(draft: Draft) -> None:
    """Continue as before; its reps have the grace time to be there (L5). Nobody has to write first: the customer may be waiting for an answer."""
    was = draft.session.set_aside
    draft.change(set_aside=None, last_reps=())
    if draft.session.broker:
        draft.turn(was or Status.waiting, reason=Lost.channel_back.value)
        return
    if was is not Status.active or not draft.session.reps:
        l5_wait_for_another(draft, reason=Lost.channel_back.value)
        return
    draft.turn(Status.active, reason=Lost.channel_back.value)
    draft.change(absent={})
    for rep in draft.session.reps:
        if not draft.facts.presence[rep.id].connected:
            l5_begin_grace(draft, Login(rep.id))
    l6_set_idle_timer(draft)


def _give_to_channels_queue(draft: Draft, lost: Lost) -> None:
    """The transcript says so, and a new round of offers starts, because reps passed on it in another queue."""
    status, to = draft.session.status.value, draft.facts.channel.queue
    queues: dict[str, JsonValue] = {"from_queue": draft.session.queue, "to_queue": to}
    draft.change(queue=to, passed=())
    details: dict[str, JsonValue] = {"from": status, "to": status, "reason": lost.value}
    draft.write(EntryKind.status_changed, Visibility.reps, details=details | queues)
    offer_next(draft)


def _narrow(draft: Draft, invitation_id: str) -> None:
    """Those who can't answer are asked no longer; when nobody is left, the request is withdrawn."""
    invitation = draft.session.invitation(invitation_id)
    if invitation is None:
        return
    narrowed = invitation.model_copy(update={"asked": still_asked(invitation, draft.facts)})
    if not narrowed.waits_for:
        withdraw(draft, invitation, reason="unavailable")
        return
    draft.change(invitations=tuple(narrowed if one.id == invitation_id else one for one in draft.session.invitations))


def _rep_leaves(draft: Draft, login: Login) -> None:
    if draft.session.status is not Status.active:  # nobody is talking: the customer isn't written to out of the blue
        go_out(draft, login, reason=Lost.rep_removed.value)
        return
    l1_go(draft, login, reason=Lost.rep_removed.value)
    if not draft.session.reps:
        l5_wait_for_another(draft, reason=Lost.rep_removed.value)
