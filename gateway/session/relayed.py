"""Sessions that a broker elsewhere controls (`Session.broker`): what it decided is written down here. Who may do what isn't judged: it has been judged there.

What the customer is told is as in every session: in the transcript's order, by public names (M2), with our notices (M3), and nothing that isn't for
everyone. What this gateway's reps command is refused, since nothing of it would be true there.
"""

from __future__ import annotations

from pydantic import JsonValue

from adapters.envelope import Author, InboundMessage, Speaker
from gateway.session.commands import (
    CustomerSaid,
    Earlier,
    RelayedOffer,
    RelayedPeople,
    RelayedSaid,
    RelayedStatus,
    RepDisconnected,
    ThreadChanged,
)
from gateway.session.decision import Decision, Facts
from gateway.session.draft import Draft
from gateway.session.handing import l6_write_handover
from gateway.session.leaving import l3_close, l5_disconnected
from gateway.session.model import Actor, ChannelFacts, EntryKind, Login, Offer, Participant, Role, Session, Status, Visibility
from gateway.session.notices import m3_joined, m3_left, m3_transferred
from gateway.session.outward import PublicEntry, outgoing_for, speaker_id
from gateway.session.saying import m1_take_in, m1_take_in_earlier, m2_names_speakers, words_of


def customer_said(session: Session, command: CustomerSaid, facts: Facts) -> Decision:
    """M1: the customer's message. Nobody of ours is asked to take it."""
    draft = Draft(session, facts)
    m1_take_in_earlier(draft, command.earlier)
    m1_take_in(draft, command.message, command.answers)
    if session.status is Status.inactive and command.message.author is Author.end_user:
        draft.turn(Status.active if session.reps else Status.waiting, reason="customer_wrote")
    return draft.decision()


def thread_changed(session: Session, command: ThreadChanged, facts: Facts) -> Decision:
    """What was said to another app, and that it gave us the conversation or took it."""
    draft = Draft(session, facts)
    if session.status is not Status.ended:
        l6_write_handover(draft, command)
    return draft.decision()


def opened(draft: Draft, message: InboundMessage, earlier: Earlier) -> Decision:
    """The first lines of a new session. It waits until the broker elsewhere says who took it."""
    m1_take_in_earlier(draft, earlier)
    m1_take_in(draft, message)
    if message.author is not Author.end_user:
        draft.turn(Status.inactive, reason="opened_outside")
    return draft.decision()


def said(session: Session, command: RelayedSaid, facts: Facts) -> Decision:
    """M1, M2: it goes to the customer, by the name of who speaks where one is shown."""
    draft = Draft(session, facts)
    say(draft, command)
    return draft.decision()


def say(draft: Draft, command: RelayedSaid) -> None:
    """M1: one line, which wakes a session that rests."""
    details = dict(command.details)
    if draft.session.entry_count == 0:  # else the transcript wouldn't say whose it is
        details["end_user"] = draft.session.end_user.id
    text = words_of(command.parts)
    entry = draft.write(
        EntryKind.message, Visibility.everyone, sender=command.by, text=text, parts=command.parts, details=details
    )
    draft.change(last_message_at=draft.facts.now, last_message=entry.number)
    speaker = None if command.automatic else _speaker(draft.session, command.by, draft.facts.channel)
    draft.outgoing.append(outgoing_for(PublicEntry(entry), speaker=speaker, human=not command.automatic))
    if draft.session.status is Status.inactive or entry.number == 1:
        draft.turn(Status.active, reason="rep_wrote")


def people(session: Session, command: RelayedPeople, facts: Facts) -> Decision:
    """L1, C7, T1, M3: who came and who went, in one step. One who came as another went is a transfer, with one notice for both.

    The leaving is written first, so that no reader counts two reps where there never were. Reported twice, it changes nothing.
    """
    draft = Draft(session, facts)
    if session.status is Status.ended:
        return draft.decision()
    known = {p.id: p for p in session.participants if p.role is not Role.end_user}
    went = [who for who in command.went if who.id in known]
    came = [who for who in command.came if who.id not in known]
    for who in went:
        _go_out(draft, who)
    for who in came:
        _come_in(draft, who)
    if command.announced:
        _announce(draft, came, went)
    if came and draft.session.status is not Status.active:
        draft.turn(Status.active, reason="accepted", sender=came[0])
    elif went and not draft.session.reps and draft.session.status is Status.active:
        draft.turn(Status.waiting, reason="nobody_left")
    return draft.decision()


def status_changed(session: Session, command: RelayedStatus, facts: Facts) -> Decision:
    """L3, L6: ended, it tells the customer what is still to be told; otherwise reps see it in the transcript."""
    draft = Draft(session, facts)
    if session.status is Status.ended or session.status is command.status:
        return draft.decision()
    if command.status is Status.ended:
        l3_close(draft, reason=command.reason, sender=None)
    else:
        draft.turn(command.status, reason=command.reason)
    return draft.decision()


def offered(session: Session, command: RelayedOffer, facts: Facts) -> Decision:
    """Who is asked: it counts towards their capacity. They answer there."""
    draft = Draft(session, facts)
    asked = session.offer.rep if session.offer is not None else None
    if command.rep == asked or session.status is Status.ended:
        return draft.decision()
    offer = (
        Offer(rep=command.rep, queue=session.queue, offered_at=facts.now, expires_at=command.expires_at) if command.rep else None
    )
    draft.change(offer=offer)
    return draft.decision()


def disconnected(session: Session, command: RepDisconnected, facts: Facts) -> Decision:
    """L5, where this gateway routes: the grace time begins. Elsewhere the broker sees to it itself."""
    return l5_disconnected(session, command, facts) if facts.channel.queue is not None else Decision(session)


def _speaker(session: Session, by: Actor, channel: ChannelFacts) -> Speaker | None:
    if by.role not in (Role.rep, Role.supervisor) or not by.name or not m2_names_speakers(session, channel):
        return None
    return Speaker(id=speaker_id(session.org, Login(by.id)), name=by.name)


def _announce(draft: Draft, came: list[Actor], went: list[Actor]) -> None:
    """M3, of reps alone: supervisors and bots come and go unannounced."""
    joined, left = ([who for who in some if who.role is Role.rep] for some in (came, went))
    while joined and left:
        giver, taker = left.pop(0), joined.pop(0)
        m3_transferred(draft, Login(giver.id), giver.name, Login(taker.id))
    for who in joined:
        m3_joined(draft, Login(who.id))
    for who in left:
        m3_left(draft, Login(who.id), who.name)


def _come_in(draft: Draft, who: Actor) -> None:
    session = draft.session
    participant = Participant(role=who.role, id=who.id, name=who.name, joined_at=draft.facts.now)
    login = Login(who.id)
    draft.change(
        participants=(*session.participants, participant),
        been_in=session.been_in if login in session.been_in else (*session.been_in, login),
        conferenced=session.conferenced or len(session.reps) >= 1,
    )
    details: dict[str, JsonValue] = {"participant": who.model_dump(mode="json"), "reason": "accepted"}
    draft.write(EntryKind.participant_joined, Visibility.reps, sender=who, details=details)


def _go_out(draft: Draft, who: Actor) -> None:
    draft.change(participants=tuple(p for p in draft.session.participants if p.id != who.id or p.role is Role.end_user))
    details: dict[str, JsonValue] = {"participant": who.model_dump(mode="json"), "reason": "left"}
    draft.write(EntryKind.participant_left, Visibility.reps, sender=who, details=details)
