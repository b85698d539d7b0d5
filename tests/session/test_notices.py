"""M3: notices."""

from __future__ import annotations

import re

import pytest

from adapters.envelope import Address, ChannelId, EndUser
from gateway.session import commands as c
from gateway.session.model import ChannelFacts, Login, Presence, Visibility
from gateway.session.notice_texts import TEXTS
from gateway.session.notices import m3_fill, m3_locales, m3_template
from tests.session.world import Play, World, active, agent, conference


def channel(locale: str = "en", **notices: dict[str, str | None]) -> ChannelFacts:
    own = {key.replace("_", "-") if key != "ANY" else "*": texts for key, texts in notices.items()}
    return ChannelFacts(id=ChannelId("sms"), kind="sms", org="acme", chat=False, locale=locale, notices=own)


@pytest.mark.parametrize("locale", sorted({"en", "de", "es", "fr", "ja", "pt-BR", "ar"}))
@pytest.mark.parametrize("code", ["joined", "left", "transferred"])
def test_M3_there_are_texts_in_these_languages(locale: str, code: str) -> None:
    text = TEXTS[locale][code]
    places = {"from", "to"} if code == "transferred" else {"name"}
    assert set(re.findall(r"\{(\w+)\}", text)) == places


CHAINS = [
    (["pt-BR", "de", "en"], ["pt-BR", "pt", "de", "en"]),
    (["pt_br", "en"], ["pt-BR", "pt", "en"]),
    (["de-AT", "de", "en"], ["de-AT", "de", "en"]),
    (["es-MX", "en"], ["es-MX", "es-419", "es", "en"]),
    (["es-ES", "en"], ["es-ES", "es", "en"]),
    (["pt-AO", "en"], ["pt-AO", "pt-PT", "pt", "en"]),
    (["zh-Hant-TW", "en"], ["zh-Hant-TW", "zh-Hant", "en"]),
    (["zh-hans-cn", "en"], ["zh-Hans-CN", "zh-Hans", "zh", "en"]),
    (["EN-us", "en"], ["en-US", "en"]),
    (["", "en"], ["en"]),
]


@pytest.mark.parametrize(("locales", "chain"), CHAINS)
def test_M3_locales_fall_back_to_their_parents(locales: list[str], chain: list[str]) -> None:
    assert list(m3_locales(*locales)) == chain


TEMPLATES = [
    ("built-in", channel(), "de", "{name} ist dem Gespräch beigetreten."),
    ("parent", channel(), "de-CH", "{name} ist dem Gespräch beigetreten."),
    ("Brazil's", channel(), "pt-BR", "{name} entrou na conversa."),
    ("unknown: the channel's default", channel("fr"), "nl", "{name} a rejoint la conversation."),
    ("unknown both: English", channel("sv"), "nl", "{name} has joined the conversation."),
    ("own", channel(de={"joined": "Hallo {name}"}), "de-AT", "Hallo {name}"),
    ("own of the parent before the built-in", channel(pt={"joined": "Oi {name}"}), "pt-BR", "Oi {name}"),
    ("own of another locale", channel(fr={"joined": "x"}), "de", "{name} ist dem Gespräch beigetreten."),
    ("own of the default, for a stranger", channel("fr", fr={"joined": "Salut {name}"}), "nl", "Salut {name}"),
    ("any locale", channel(ANY={"joined": "+ {name}"}), "de", "+ {name}"),
    ("own before any", channel(ANY={"joined": None}, de={"joined": "Hallo {name}"}), "de", "Hallo {name}"),
    ("off everywhere", channel(ANY={"joined": None}), "ja", None),
    ("off in one", channel(de={"joined": None}), "de-DE", None),
    ("off in one, not in others", channel(de={"joined": None}), "fr", "{name} a rejoint la conversation."),
    ("tidied keys", channel(pt_br={"joined": "Oi"}), "pt-BR", "Oi"),
]


@pytest.mark.parametrize(("where", "locale", "text"), [t[1:] for t in TEMPLATES], ids=[t[0] for t in TEMPLATES])
def test_M3_the_text_is_chosen_per_channel_and_locale(where: ChannelFacts, locale: str, text: str | None) -> None:
    assert m3_template(where, locale, "joined") == text


def test_M3_ended_and_waiting_are_sent_where_the_channel_has_a_text() -> None:
    assert m3_template(channel(), "en", "ended") is None
    world = World()
    world.set_channel(notices={"en": {"ended": "Goodbye.", "waiting": "We look for somebody else."}})
    play = active(world)
    play.ok(c.RepDisconnected(by=Login("ana")))
    play.wait(120)
    assert play.notices()[-1] == "We look for somebody else."
    play.take("ben")
    play.ok(c.End(by=Login("ben")))
    assert play.notices()[-1] == "Goodbye."
    assert play.outgoing[-1].about is None


def test_M3_names_are_put_in_as_they_are() -> None:
    names = {"name": "{from} {0} {name.x}", "from": "A", "to": "B"}
    assert m3_fill("{name}: {from} > {to} {other} {", names) == "{from} {0} {name.x}: A > B {other} {"


def test_M3_the_customers_language_is_used() -> None:
    world = World()
    play = Play(world)
    play.customer(end_user=EndUser(address=Address("+4940123"), name="Kim", locale="ja-JP"))
    play.take("ana")
    play.accept("ben", play.invite("ana", agent("ben"), purpose="transfer"))
    assert play.notices() == ["Anaが会話に参加しました。", "担当がAnaからBenに替わりました。"]


def test_M3_the_channels_language_where_the_customers_is_unknown() -> None:
    world = World()
    world.set_channel(locale="ar")
    play = active(world)
    assert play.notices() == ["تم انضمام Ana إلى المحادثة."]


def test_M3_the_first_reps_joining_is_announced_by_default() -> None:
    play = active()
    assert play.notices() == ["Ana has joined the conversation."]
    notice = play.outgoing[0]
    assert (notice.code, notice.about.name if notice.about else None) == ("joined", "Ana")
    entry = play.entry("notice")
    assert entry.visibility is Visibility.everyone
    assert entry.details["code"] == "joined"
    assert entry.sender is None


def test_M3_a_notice_that_is_off_leaves_no_trace() -> None:
    world = World()
    world.set_channel(notices={"*": {"joined": None, "left": None, "transferred": None}})
    play = conference("ana", "ben", world=world)
    play.ok(c.Leave(by=Login("ana")))
    play.wait(10)
    play.accept("cleo", play.invite("ben", agent("cleo"), purpose="transfer"))
    assert play.notices() == []
    assert "notice" not in play.kinds()


def test_M3_who_leaves_and_rejoins_at_once_makes_no_noise() -> None:
    play = conference("ana", "ben")
    play.ok(c.Leave(by=Login("ben")))
    play.wait(1)
    play.join("ben")
    play.wait(10)
    assert play.reps == ["ana", "ben"]
    assert play.notices() == ["Ana has joined the conversation.", "Ben has joined the conversation."]
    assert play.kinds().count("participant_joined") == 3, "reps see it all"


def test_M3_who_rejoins_later_is_announced() -> None:
    play = conference("ana", "ben")
    play.ok(c.Leave(by=Login("ben")))
    play.wait(3)
    play.join("ben")
    assert play.notices()[2:] == ["Ben has left the conversation.", "Ben has joined the conversation."]


def test_M3_without_a_window_the_leave_notice_goes_at_once() -> None:
    world = World()
    world.set(leave_notice_hold_seconds=0)
    play = conference("ana", "ben", world=world)
    play.ok(c.Leave(by=Login("ben")))
    assert play.notices()[-1] == "Ben has left the conversation."
    assert play.session.held_notices == ()


def test_M3_a_transfer_to_one_who_has_just_left_has_one_notice() -> None:
    play = conference("ana", "ben")
    play.ok(c.Leave(by=Login("ben")))
    play.accept("ben", play.invite("ana", agent("ben"), purpose="transfer"))
    play.wait(10)
    assert play.notices()[2:] == ["Ana has handed the conversation over to Ben."]


def test_M3_a_second_hold_is_not_cut_short_by_the_first_timer() -> None:
    play = conference("ana", "ben")
    play.ok(c.Leave(by=Login("ben")))
    stale = play.timers["leave_notice", "ben"]
    play.wait(1)
    play.join("ben")
    play.ok(c.Leave(by=Login("ben")))
    play.now = stale
    play.ok(c.TimerFired(kind="leave_notice", ref="ben"))
    assert len(play.notices()) == 2
    play.wait(1)
    assert play.notices()[2:] == ["Ben has left the conversation."]


def test_M3_what_cannot_be_delivered_is_recorded_as_skipped_and_stops_nothing() -> None:
    world = World()
    world.set_channel(can_notify=False, cannot_notify_reason="The window is closed until the customer writes.")
    play = conference("ana", "ben", world=world)
    assert play.reps == ["ana", "ben"]
    assert play.outgoing == []
    skipped = [e for e in play.entries if e.kind.value == "notice"]
    assert [e.details["skipped"] for e in skipped] == ["The window is closed until the customer writes."] * 2
    assert all(e.visibility is Visibility.reps for e in skipped), "the customer hasn't seen it"


def test_M3_a_notice_tells_the_public_name_and_nothing_else_of_a_rep() -> None:
    world = World()
    world.people["x17"] = world.people["ana"].model_copy(update={"login": "x17", "name": "Ana P."})
    world.presence["x17"] = world.presence["ana"]
    world.go(Presence.away, "ana", "ben", "cleo")
    world.queues["support"] = world.queues["support"].model_copy(update={"reps": ("x17",)})
    play = active(world, by="x17")
    assert play.notices() == ["Ana P. has joined the conversation."]
    assert "x17" not in repr(play.outgoing)
    assert "x17" not in play.entry("notice").model_dump_json()
