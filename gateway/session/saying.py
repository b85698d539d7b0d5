"""Messages: M1 (who receives them, in which order; what counts as one), M2 (who is named), M5 (typing)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import regex
from pydantic import JsonValue

from adapters.envelope import Author, InboundMessage, InboundReferral, MediaPart, Part, Speaker, TextPart
from gateway.session.admission import actor_of, controlled_elsewhere, end_user_of, not_in_it
from gateway.session.commands import CustomerCame, CustomerChanged, CustomerSaid, Earlier, SayToCustomer
from gateway.session.decision import Decision, Facts, Refusal
from gateway.session.draft import Draft
from gateway.session.idle import l6_set_idle_timer
from gateway.session.leaving import l6_wake
from gateway.session.model import Actor, ChannelFacts, Entry, EntryKind, Login, Rep, Role, Session, Status, Visibility
from gateway.session.notices import about_rep
from gateway.session.outward import PublicEntry, outgoing_for
from gateway.session.refusals import e3_refuse
from gateway.session.routing import start_round

# Whoever reads a text of these alone sees an empty bubble: blanks and controls; what Unicode lets every font leave out (zero-width and
# bidi marks, variation selectors, Hangul fillers, tags); the Braille blank, which is a pattern without dots; the null notehead;
# interlinear annotation marks; halves of characters. A lone accent is drawn, and so is a character that this Unicode doesn't know yet.
# Source: Unicode Character Database, Default_Ignorable_Code_Point and White_Space.
_SEEN: Final = regex.compile(
    r"[^\p{Default_Ignorable_Code_Point}\p{White_Space}\p{Cc}\p{Cs}\u2800\U0001D159\uFFF9-\uFFFB]", flags=regex.V0
)
# Nearly every text has one of these. `regex` lets other threads run while it searches, and then waits for its turn.
_PLAIN: Final = re.compile("[!-~]")


def says_something(text: str) -> bool:
    """Whether at least one character of the text can be seen. The desk asks the same of what a rep types: `desk/words.js`."""
    return _PLAIN.search(text) is not None or _SEEN.search(text) is not None


def m1_customer_said(session: Session, command: CustomerSaid, facts: Facts) -> Decision:
    """M1: write the customer's message for every rep, restart the idle time, and wake an inactive session."""
    draft = Draft(session, facts)
    m1_take_in_earlier(draft, command.earlier)
    m1_take_in(draft, command.message, command.answers)
    if command.message.author is Author.end_user:
        if session.status is Status.inactive:
            l6_wake(draft)
        start_round(draft)  # a session that waits without an offer is asked for once more: the customer insists
    return draft.decision()


def m1_take_in(draft: Draft, message: InboundMessage, answers: int | None = None) -> Entry:
    """Write what came from the channel.

    What our side said by another tool, or the provider itself, is written too, as from the system and marked `outside`: the
    customer has seen it there already, so it is for everyone, but it goes nowhere and wakes nothing.
    """
    details: dict[str, JsonValue] = {"message_id": message.message_id, "author": message.author.value}
    if message.provider_time is not None:
        details["said_at"] = message.provider_time.isoformat()
    if message.reply_to is not None:
        details["reply_to_message_id"] = message.reply_to
    if answers is not None:
        details["reply_to"] = answers
    if message.forwarded is not None:
        details["forwarded"] = message.forwarded
    if message.automatic_reply:
        details["automatic_reply"] = True
    if message.standby:
        details["standby"] = True
    inbound_at = draft.session.last_inbound_at
    if message.author is Author.end_user:
        inbound_at = max(inbound_at, message.received_at) if inbound_at else message.received_at
        sender = end_user_of(draft.session)
    else:
        details["outside"] = True
        if draft.session.entry_count == 0:  # else the transcript wouldn't say whose it is
            details["end_user"] = draft.session.end_user.id
        sender = _outsider(message.author)
    entry = draft.write(
        EntryKind.message,
        Visibility.everyone,
        sender=sender,
        text=words_of(message.parts),
        parts=message.parts,
        referral=message.referral,
        details=details,
    )
    draft.change(
        last_inbound_at=inbound_at,
        last_message_at=draft.facts.now,
        last_message=entry.number,
        referral=message.referral or draft.session.referral,
    )
    l6_set_idle_timer(draft)
    return entry


def _outsider(author: Author) -> Actor:
    """Our side by another tool, or the provider: nobody of this transcript."""
    return Actor(role=Role.system, id=author.value, name=author.value)


def m1_take_in_earlier(draft: Draft, earlier: Earlier) -> None:
    """Write what was kept aside while another app answered. It calls nobody: what comes after it does."""
    for one in earlier:
        if isinstance(one, InboundMessage):
            m1_take_in(draft, one)
        else:
            m1_came(draft, one)


def m1_came(draft: Draft, came: InboundReferral) -> Entry:
    """Write a referral that arrived without a message. Reps see it; there is nothing to answer, so it wakes nothing."""
    sender = end_user_of(draft.session)
    draft.change(referral=came.referral)
    return draft.write(EntryKind.referral, Visibility.reps, sender=sender, text=came.referral.plain, referral=came.referral)


def m1_customer_came(session: Session, command: CustomerCame, facts: Facts) -> Decision:
    """M1: an ad or a link that brought the customer back to a session that is open."""
    draft = Draft(session, facts)
    m1_came(draft, command.came)
    return draft.decision()


def m1_customer_changed(session: Session, command: CustomerChanged, facts: Facts) -> Decision:
    """M1: an edit, a deletion or a reaction is a separate line, also after the end, because deleted messages must not be shown."""
    draft = Draft(session, facts)
    change = command.change
    details: dict[str, JsonValue] = {"message_id": change.message_id, "number": command.number}
    sender = end_user_of(session)
    if change.author is not Author.end_user:
        details["outside"] = True
        sender = _outsider(change.author)
    if change.kind == "edit":
        text = words_of(change.parts)
        draft.write(EntryKind.message_edited, Visibility.everyone, sender=sender, text=text, parts=change.parts, details=details)
    elif change.kind == "deletion":
        draft.write(EntryKind.message_deleted, Visibility.everyone, sender=sender, details=details)
    else:
        details["emoji"] = change.emoji
        draft.write(EntryKind.reaction, Visibility.everyone, sender=sender, details=details)
    return draft.decision()


def m1_say_to_customer(session: Session, command: SayToCustomer, facts: Facts) -> Decision | Refusal:
    """M1: a rep's message reaches the customer and every other rep, in the transcript's order."""
    refusal = not_in_it(session, command.by) or m1_something_said(session, command)
    if refusal is not None:
        return refusal
    draft = Draft(session, facts)
    parts = m1_parts(command)
    details: dict[str, JsonValue] = {} if command.reply_to is None else {"reply_to": command.reply_to}
    sender = actor_of(session, facts, command.by)
    text = words_of(parts)
    entry = draft.write(EntryKind.message, Visibility.everyone, sender=sender, text=text, parts=parts, details=details)
    draft.change(last_message_at=facts.now, last_message=entry.number)
    rep = facts.reps[command.by]
    speaker = m2_speaker(session, rep, facts)
    human = rep.kind == "human"
    draft.outgoing.append(outgoing_for(PublicEntry(entry), speaker=speaker, human=human, reply_to=command.reply_to))
    l6_set_idle_timer(draft)
    return draft.decision()


def m1_something_said(session: Session, command: SayToCustomer) -> Refusal | None:
    """M1: there is a text that can be seen, or a file, and what it answers is in the transcript."""
    if command.file is None and not says_something(command.text or ""):
        return e3_refuse("nothing_to_say", "The message has no visible text and no file: write a text, or attach a file.")
    if command.reply_to is not None and not 1 <= command.reply_to <= session.entry_count:
        sentence = f"There is no entry {command.reply_to} to answer: send the message without `reply_to`."
        return e3_refuse("entry_not_found", sentence)
    return None


def m1_parts(command: SayToCustomer) -> tuple[Part, ...]:
    """Text first, then the file; a text that can't be seen, beside a file, is none."""
    text: tuple[Part, ...] = (TextPart(text=command.text),) if command.text and says_something(command.text) else ()
    file: tuple[Part, ...] = (command.file,) if command.file is not None else ()
    return text + file


def m2_speaker(session: Session, rep: Rep, facts: Facts) -> Speaker | None:
    """M2: who the customer is told is speaking, or None. By the public name; bots and automatic texts go without.

    `conference` counts from when the session first had two reps until it ends: who has read two names would else wonder whose
    the nameless words are, once one of the two has left.
    """
    if rep.kind == "bot" or not m2_names_speakers(session, facts.channel):
        return None
    return about_rep(session, facts, rep.login)


def m2_names_speakers(session: Session, channel: ChannelFacts) -> bool:
    """M2: as the channel's setting says. Where the channel itself shows who speaks, a name costs no words, and is always given
    unless the setting says never; `conference` is about prefixes."""
    if channel.name_speaker == "conference":
        return channel.speaks_natively or session.conferenced
    return channel.name_speaker == "always"


@dataclass(frozen=True, slots=True)
class Typing:
    """M5: who is told that a rep types: these reps, and the customer, by the speaker's name where one is shown."""

    to: tuple[Login, ...]
    speaker: Speaker | None


def m5_rep_types(session: Session, by: Login, facts: Facts) -> Typing | Refusal:
    """M5: the other reps and the customer are told; nothing is stored. Only a rep in an active session types."""
    refusal = not_in_it(session, by) or m5_is_active(session, facts.channel)
    if refusal is not None:
        return refusal
    return Typing(m5_customer_types(session, but=by), m2_speaker(session, facts.reps[by], facts))


def m5_customer_types(session: Session, but: str = "") -> tuple[Login, ...]:
    """M5: all reps in the session are told; nothing is stored."""
    return tuple(Login(rep.id) for rep in session.reps if rep.id != but)


def m5_is_active(session: Session, channel: ChannelFacts) -> Refusal | None:
    """The session is one in which things are said, by the rules of this gateway."""
    if session.broker or session.status is Status.active:
        return controlled_elsewhere(session)
    sentence = "This session isn't active: accept it when it is offered, or wait until the customer writes."
    if channel.gone is not None:
        sentence = "This session's channel is no longer in the config, so nothing can be sent: end the session, or have the channel added again."
    return e3_refuse("session_not_active", sentence, status=session.status.value)


def words_of(parts: tuple[Part, ...]) -> str:
    """What was written, captions included; where nothing was, each part's plain text."""
    written = [part.text for part in parts if isinstance(part, TextPart)]
    written += [part.caption for part in parts if isinstance(part, MediaPart) and part.caption]
    return "\n".join(written or [part.plain for part in parts])
