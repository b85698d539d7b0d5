"""M1, M2, M4, M5: what is said, by whom, and who never hears it. M3's notices stand in test_notices.py."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from adapters.envelope import (
    Address,
    Author,
    ChannelId,
    ChoicePart,
    EndUser,
    InboundDeletion,
    InboundEdit,
    InboundReaction,
    LocationPart,
    MediaPart,
    TextPart,
)
from gateway.session import commands as c
from gateway.session.audience import as_seen_by, audiences_of_entry, e1_sight, visible_to
from gateway.session.decision import Decision, Refusal
from gateway.session.model import Entry, EntryKind, Login, Status, Visibility
from gateway.session.outward import PublicEntry, outgoing_for
from gateway.session.saying import m5_customer_types, m5_rep_types
from tests.session.world import PICTURE, START, Play, World, active, agent, conference, customer_sees
from tests.unseen import SEEN, UNSEEN


def say(by: str, text: str | None = "hi", **more: object) -> c.SayToCustomer:
    return c.SayToCustomer.model_validate({"by": by, "text": text, **more})


# ---------------------------------------------------------------------------------------------------- M1


def test_M1_the_customers_words_stand_in_the_transcript_for_everyone() -> None:
    play = active()
    said_at = datetime(2026, 3, 2, 8, 59, tzinfo=UTC)
    play.customer("my lamp is broken", provider_time=said_at, reply_to="message-0")
    entry = play.entry("message")
    assert (entry.text, entry.visibility) == ("my lamp is broken", Visibility.everyone)
    assert entry.sender is not None
    assert (entry.sender.role.value, entry.sender.id, entry.sender.name) == ("end_user", "+4940123", "Kim")
    assert entry.details == {
        "message_id": "message-2",
        "author": "end_user",
        "said_at": "2026-03-02T08:59:00+00:00",
        "reply_to_message_id": "message-0",
    }
    assert entry.at == play.now
    assert play.said() == [], "a customer's words don't go back out"


def test_M1_what_the_customer_answers_is_named_by_its_number() -> None:
    play = active()
    play.ok(c.CustomerSaid(message=_inbound("yes"), answers=1))
    assert play.entry("message").details["reply_to"] == 1


def _inbound(text: str):  # type: ignore[no-untyped-def]
    from tests.session.world import message

    return message(text, 77)


def test_M1_a_reps_words_go_to_the_customer_and_stand_for_all() -> None:
    play = conference("ana", "ben")
    play.say("ben", "we'll mend it")
    entry = play.entry("message")
    assert (entry.text, entry.visibility) == ("we'll mend it", Visibility.everyone)
    assert entry.sender is not None
    assert entry.sender.id == "ben"
    assert play.outgoing[-1].entry_number == entry.number
    assert play.outgoing[-1].human
    assert all(f"rep:{login}" in audiences_of_entry(entry, play.session, play.world.settings) for login in ("ana", "ben"))


def test_M1_a_file_with_and_without_words() -> None:
    play = active()
    play.ok(say("ana", None, file=PICTURE))
    assert (play.outgoing[-1].text, play.outgoing[-1].file) == (None, PICTURE)
    assert play.entry("message").text == "[image: hinge.png]"
    play.ok(say("ana", "look", file=PICTURE, reply_to=1))
    assert (play.outgoing[-1].text, play.outgoing[-1].file, play.outgoing[-1].reply_to) == ("look", PICTURE, 1)
    assert play.entry("message").parts == (TextPart(text="look"), PICTURE)
    assert play.entry("message").details == {"reply_to": 1}


@pytest.mark.parametrize("text", [None, "", "   ", "\n\t ", *UNSEEN.values()])
def test_M1_nothing_is_not_said(text: str | None) -> None:
    active().refused(say("ana", text), "nothing_to_say")


@pytest.mark.parametrize("text", SEEN.values(), ids=SEEN)
def test_M1_what_can_be_seen_is_a_text(text: str) -> None:
    play = active()
    play.ok(say("ana", text))
    assert play.outgoing[-1].text == text


@pytest.mark.parametrize("text", UNSEEN.values(), ids=UNSEEN)
def test_M1_a_text_that_cannot_be_seen_beside_a_file_is_none(text: str) -> None:
    play = active()
    play.ok(say("ana", text, file=PICTURE))
    assert play.entry("message").parts == (PICTURE,)


@pytest.mark.parametrize("number", [0, -1, 999])
def test_M1_what_is_answered_must_be_there(number: int) -> None:
    active().refused(say("ana", reply_to=number), "entry_not_found")


def test_M1_only_a_rep_in_an_active_session_speaks() -> None:
    play = Play()
    play.customer()
    play.refused(say("ana"), "session_not_active")
    play.take("ana")
    play.refused(say("ben"), "not_a_participant")
    play.refused(say("sam"), "not_a_participant")


def test_M1_the_order_is_the_transcripts() -> None:
    play = conference("ana", "ben")
    for n in range(5):
        play.say("ana" if n % 2 else "ben", f"out {n}")
        play.customer(f"in {n}")
    numbers = [out.entry_number for out in play.outgoing]
    assert numbers == sorted(numbers)
    lines = [e.text for e in play.entries if e.kind is EntryKind.message]
    assert lines[1:] == [text for n in range(5) for text in (f"out {n}", f"in {n}")]


PARTS = [
    ((TextPart(text="a"), TextPart(text="b")), "a\nb"),
    ((MediaPart(media="image", caption="my lamp"),), "my lamp"),
    ((MediaPart(media="image", name="l.jpg"),), "[image: l.jpg]"),
    ((MediaPart(media="image"), TextPart(text="see")), "see"),
    ((LocationPart(latitude=1.5, longitude=2, name="Pier"),), "[location: Pier, 1.5, 2]"),
    ((ChoicePart(title="Yes"),), "Yes"),
]


@pytest.mark.parametrize(("parts", "text"), PARTS)
def test_M1_every_part_has_its_words(parts: tuple[object, ...], text: str) -> None:
    play = active()
    play.customer(parts=parts)
    assert play.entry("message").text == text
    assert play.entry("message").parts == parts


@pytest.mark.parametrize("author", [Author.business, Author.provider])
def test_M1_our_own_words_by_another_tool_go_to_reps_and_never_back(author: Author) -> None:
    play = active()
    outgoing = len(play.outgoing)
    inbound_at = play.session.last_inbound_at
    play.wait(60)
    play.customer("typed into the provider's app", author=author)
    entry = play.entry("message")
    assert entry.sender is not None
    assert entry.sender.role.value == "system"
    assert entry.details["outside"] is True
    assert entry.visibility is Visibility.everyone
    assert len(play.outgoing) == outgoing
    assert play.session.last_inbound_at == inbound_at, "it opens no window to the customer"
    assert play.session.last_message_at == play.now


def test_M1_our_own_words_open_a_session_that_nobody_is_asked_to_take() -> None:
    play = Play()
    play.customer("our shop wrote first", author=Author.business)
    assert (play.session.status, play.session.offer) == (Status.inactive, None)
    play.customer("thanks for writing")
    assert play.session.status is Status.waiting
    assert play.session.offer is not None


def test_M1_when_the_customer_last_wrote_never_goes_back() -> None:
    play = active()
    late = START - timedelta(hours=5)
    assert play.session.last_inbound_at == START
    play.ok(c.CustomerSaid(message=_inbound("late").model_copy(update={"received_at": late})))
    assert play.session.last_inbound_at == START


def test_M1_the_end_users_name_is_what_is_known() -> None:
    for end_user, name in (
        (EndUser(address=Address("a"), name="Kim", username="kim1"), "Kim"),
        (EndUser(address=Address("a"), username="kim1"), "kim1"),
        (EndUser(address=Address("a")), "a"),
    ):
        play = Play()
        play.customer(end_user=end_user)
        assert play.session.end_user.name == name


CHANGED = {
    "channel_id": ChannelId("sms"),
    "event_id": "x",
    "end_user": EndUser(address=Address("+4940123")),
    "received_at": START,
}


@pytest.mark.parametrize("ended", [False, True])
def test_M1_edits_deletions_and_reactions_are_lines_of_their_own(ended: bool) -> None:
    play = active()
    if ended:
        play.ok(c.End(by=Login("ana")))
    status = play.session.status
    edit = InboundEdit(message_id="message-1", parts=(TextPart(text="hullo"),), **CHANGED)  # type: ignore[arg-type]
    deletion = InboundDeletion(message_id="message-1", **CHANGED)  # type: ignore[arg-type]
    reaction = InboundReaction(message_id="message-9", emoji="👍", **CHANGED)  # type: ignore[arg-type]
    play.ok(c.CustomerChanged(change=edit, number=1))
    assert (play.entry("message_edited").text, play.entry("message_edited").details["number"]) == ("hullo", 1)
    play.ok(c.CustomerChanged(change=deletion, number=1))
    assert play.entry("message_deleted").details == {"message_id": "message-1", "number": 1}
    play.ok(c.CustomerChanged(change=reaction))
    assert play.entry("reaction").details == {"message_id": "message-9", "number": None, "emoji": "👍"}
    assert play.session.status is status
    assert play.timers.keys() <= {("idle", "")}


def test_M1_what_our_side_changes_by_another_tool_is_not_said_of_the_customer() -> None:
    play = active()
    common = {**CHANGED, "author": Author.business}
    changes: list[InboundEdit | InboundDeletion | InboundReaction] = [
        InboundEdit(message_id="message-1", parts=(TextPart(text="at seven"),), **common),  # type: ignore[arg-type]
        InboundDeletion(message_id="message-1", **common),  # type: ignore[arg-type]
        InboundReaction(message_id="message-1", emoji="👍", **common),  # type: ignore[arg-type]
    ]
    for change in changes:
        decision = play.ok(c.CustomerChanged(change=change, number=1))
        (entry,) = decision.entries
        assert entry.sender is not None
        assert (entry.sender.role.value, entry.sender.name, entry.details["outside"]) == ("system", "business", True)
    assert play.said() == []


def test_M1_what_the_customer_passed_on_is_marked() -> None:
    play = active()
    play.customer("chain letter", forwarded="often")
    assert play.entry("message").details["forwarded"] == "often"


# ---------------------------------------------------------------------------------------------------- M2


def speakers(play: Play) -> list[str | None]:
    return [out.speaker.name if out.speaker else None for out in play.outgoing if out.kind == "say"]


@pytest.mark.parametrize(
    ("setting", "names"),
    [("always", ["Ana", "Ana", "Ben", "Ben"]), ("conference", [None, "Ana", "Ben", "Ben"]), ("never", [None] * 4)],
)
def test_M2_who_speaks_is_told_as_the_setting_says(setting: str, names: list[str | None]) -> None:
    world = World()
    world.set_channel(name_speaker=setting)
    play = active(world)
    play.say("ana", "alone")
    play.join("ben")
    play.say("ana", "two of us")
    play.say("ben", "hello")
    play.ok(c.Leave(by=Login("ana")))
    play.say("ben", "alone again: still a conferencing session")
    assert speakers(play) == names


@pytest.mark.parametrize(("setting", "names"), [("always", ["Ana"]), ("conference", ["Ana"]), ("never", [None])])
def test_M2_a_channel_that_shows_names_itself_shows_them_from_the_first_rep_on(setting: str, names: list[str | None]) -> None:
    world = World()
    world.set_channel(name_speaker=setting, speaks_natively=True)
    play = active(world)
    play.say("ana", "alone")
    assert speakers(play) == names


def test_M2_the_public_name_and_an_opaque_id_never_the_login() -> None:
    world = World()
    world.set_channel(name_speaker="always")
    world.set_rep("ana", name="Ana P.", avatar_url="https://example.org/a.png")
    play = active(world)
    play.say("ana")
    speaker = play.outgoing[-1].speaker
    assert speaker is not None
    assert (speaker.name, speaker.avatar_url) == ("Ana P.", "https://example.org/a.png")
    assert "ana" not in speaker.id
    play.say("ana")
    assert play.outgoing[-1].speaker == speaker


def test_M2_a_transfer_from_one_to_one_names_nobody() -> None:
    play = active()
    play.accept("ben", play.invite("ana", agent("ben"), purpose="transfer"))
    play.say("ben")
    assert speakers(play) == [None]


def test_M2_bots_go_without_a_name() -> None:
    world = World()
    world.set_channel(name_speaker="always")
    play = active(world)
    play.accept("robo", play.invite("ana", agent("robo"), purpose="transfer"))
    play.say("robo", "beep")
    assert (play.outgoing[-1].speaker, play.outgoing[-1].human) == (None, False)


def test_M2_automatic_texts_go_without_a_name() -> None:
    world = World()
    world.set_channel(name_speaker="always")
    play = conference("ana", "ben", world=world)
    notices = [out for out in play.outgoing if out.kind == "notice"]
    assert notices
    assert all(out.speaker is None and not out.human for out in notices)


# ---------------------------------------------------------------------------------------------------- M4


SECRET = "the-customer-is-my-cousin"


def raise_flag(by: str, text: str = SECRET) -> c.RaiseFlag:
    return c.RaiseFlag(by=Login(by), text=text)


def whisper(by: str, text: str = SECRET) -> c.Whisper:
    return c.Whisper(by=Login(by), text=text)


def lower(by: str) -> c.LowerFlag:
    return c.LowerFlag(by=Login(by))


def test_M4_supervisors_see_it_at_once_the_customer_never() -> None:
    play = conference("ana", "ben")
    outgoing = len(play.outgoing)
    since = play.session.entry_count
    play.ok(raise_flag("ana"))
    play.ok(whisper("sam"))
    play.ok(whisper("ana"))
    play.ok(lower("ana"))
    lines = play.entries[since:]
    assert [e.kind.value for e in lines] == ["flag_raised", "whisper", "whisper", "flag_lowered"]
    assert all(e.visibility is Visibility.supervisors for e in lines)
    assert all(audiences_of_entry(e, play.session, play.world.settings) == {"supervisors", "rep:ana"} for e in lines)
    assert len(play.outgoing) == outgoing
    assert SECRET not in repr([e.model_dump() for e in customer_sees(play.entries)])


def test_M4_other_reps_see_nothing_of_it_unless_the_org_wants() -> None:
    play = conference("ana", "ben")
    play.ok(raise_flag("ana"))
    play.ok(whisper("sam"))
    settings = play.world.settings
    apart = [e for e in play.entries if e.visibility is Visibility.supervisors]
    assert len(apart) == 2
    for login, supervisor, sees in (("ana", False, True), ("sam", True, True), ("ben", False, False)):
        assert all(visible_to(e, play.session, login, supervisor, settings) is sees for e in apart)
        sight = e1_sight(play.session, login, supervisor, ())
        assert (as_seen_by(play.session, sight, login, supervisor, settings).flags != ()) is sees
    open_settings = settings.model_copy(update={"flags_visible_to_reps": True})
    assert all(visible_to(e, play.session, "ben", False, open_settings) for e in apart)
    assert not any(visible_to(e, play.session, "dora", False, open_settings) for e in apart), "who never was in it"
    assert all("rep:ben" in audiences_of_entry(e, play.session, open_settings) for e in apart)


def test_M4_who_raised_an_earlier_flag_does_not_hear_anothers() -> None:
    play = conference("ana", "ben")
    play.ok(raise_flag("ana", "first"))
    play.ok(lower("sam"))
    play.ok(raise_flag("ben", "second"))
    second = play.entry("flag_raised")
    assert not visible_to(second, play.session, "ana", False, play.world.settings)
    assert audiences_of_entry(second, play.session, play.world.settings) == {"supervisors", "rep:ben"}


def test_M4_one_flag_at_a_time_by_a_rep_who_is_in() -> None:
    play = conference("ana", "ben")
    play.refused(raise_flag("cleo"), "not_a_participant")
    play.refused(whisper("ana"), "no_flag")
    play.refused(lower("sam"), "no_flag")
    for text in ("  ", *UNSEEN.values()):
        play.refused(raise_flag("ana", text), "nothing_to_say")
    play.ok(raise_flag("ana"))
    play.refused(raise_flag("ana"), "flag_already_raised")
    play.refused(whisper("ana", " "), "nothing_to_say")


def test_M4_two_reps_may_ask_for_help_at_once_and_neither_hears_of_the_other() -> None:
    play = conference("ana", "ben")
    play.ok(raise_flag("ana", "of ana"))
    play.ok(raise_flag("ben", "of ben"))
    assert [(flag.raised_by, flag.text) for flag in play.session.flags] == [("ana", "of ana"), ("ben", "of ben")]
    for login in ("ana", "ben"):
        sight = e1_sight(play.session, login, False, ())
        seen = as_seen_by(play.session, sight, login, False, play.world.settings)
        assert [flag.raised_by for flag in seen.flags] == [login]
        play.ok(whisper(login, f"I am {login}"))
    play.ok(whisper("sam", "to the first"))
    assert play.entry("whisper").details["raised_by"] == "ana"
    play.ok(c.Whisper(by=Login("sam"), to=Login("ben"), text="to Ben"))
    told = play.entry("whisper")
    assert told.details["raised_by"] == "ben"
    assert visible_to(told, play.session, "ben", False, play.world.settings)
    assert not visible_to(told, play.session, "ana", False, play.world.settings)
    play.refused(c.Whisper(by=Login("ana"), to=Login("ben"), text="psst"), "not_a_supervisor")
    play.refused(c.LowerFlag(by=Login("ana"), raised_by=Login("ben")), "not_a_supervisor")
    play.refused(c.LowerFlag(by=Login("sam"), raised_by=Login("cleo")), "no_flag")
    play.ok(c.LowerFlag(by=Login("sam"), raised_by=Login("ben")))
    assert [flag.raised_by for flag in play.session.flags] == ["ana"]
    play.ok(lower("ana"))
    assert not play.session.flags


def test_M4_only_the_flagging_rep_and_supervisors_speak_and_lower() -> None:
    play = conference("ana", "ben")
    play.ok(raise_flag("ana"))
    play.refused(whisper("ben"), "not_a_supervisor")
    play.refused(lower("ben"), "not_a_supervisor")
    play.refused(whisper("cleo"), "not_a_participant")
    play.ok(lower("sam"))
    assert not play.session.flags
    sender = play.entry("flag_lowered").sender
    assert sender is not None
    assert (sender.role.value, sender.id) == ("supervisor", "sam")


def test_M4_nothing_but_what_everyone_sees_can_be_sent() -> None:
    for visibility in (Visibility.reps, Visibility.supervisors):
        entry = Entry(number=1, kind=EntryKind.whisper, visibility=visibility, at=START, text=SECRET)
        with pytest.raises(ValueError, match="is for"):
            PublicEntry(entry)
    public = Entry(number=1, kind=EntryKind.message, visibility=Visibility.everyone, at=START, text="hi")
    assert outgoing_for(PublicEntry(public)).text == "hi"


# ---------------------------------------------------------------------------------------------------- M5


def test_M5_typing_goes_to_the_others_and_is_never_stored() -> None:
    play = conference("ana", "ben", "cleo")
    before = play.session
    typing = m5_rep_types(play.session, Login("ben"), play.facts())
    assert not isinstance(typing, Refusal)
    assert typing.to == ("ana", "cleo")
    assert typing.speaker is not None
    assert typing.speaker.name == "Ben"
    assert m5_customer_types(play.session) == ("ana", "ben", "cleo")
    assert play.session is before


def test_M5_only_who_may_speak_is_shown_typing() -> None:
    play = active()
    outsider = m5_rep_types(play.session, Login("ben"), play.facts())
    assert isinstance(outsider, Refusal)
    assert outsider.code == "not_a_participant"
    alone = m5_rep_types(play.session, Login("ana"), play.facts())
    assert not isinstance(alone, Refusal)
    assert (alone.to, alone.speaker) == ((), None)
    play.wait(play.world.settings.idle_seconds)
    asleep = m5_rep_types(play.session, Login("ana"), play.facts())
    assert isinstance(asleep, Refusal)
    assert asleep.code == "session_not_active"


def test_a_decision_tells_nothing_by_itself() -> None:
    play = active()
    assert isinstance(play.say("ana"), Decision)
