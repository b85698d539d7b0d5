"""What was said before, as Salesforce takes it."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from adapters.envelope import MediaPart
from gateway.brokers.salesforce.history import portions
from gateway.session.model import Actor, Entry, EntryKind, Role, Visibility
from tests.brokers.salesforce.mapped import CUSTOMER, NOW

KIM = Actor(role=Role.end_user, id=CUSTOMER, name="Kim")
ANA = Actor(role=Role.rep, id="ana", name="Ana")
BOT = Actor(role=Role.bot, id="bot", name="Robo")


def said(number: int, sender: Actor, words: str | None = "words", *, minutes_ago: float = 60, **more: Any) -> Entry:
    usual = {"kind": EntryKind.message, "visibility": Visibility.everyone, "at": NOW - timedelta(minutes=minutes_ago)}
    return Entry(**{**usual, **more}, number=number, sender=sender, text=words)


def handed_over(*entries: Entry) -> list[dict[str, Any]]:
    return portions(entries, session_id="s1", customer=CUSTOMER, now=NOW)


def words_of(portion: dict[str, Any]) -> list[str]:
    return [one["entryPayload"]["abstractMessage"]["staticContent"]["text"] for one in portion["conversationEntries"]]


def test_a_conversation_with_one_rep() -> None:
    (portion,) = handed_over(said(1, KIM, "hello", minutes_ago=10), said(2, ANA, "hi", minutes_ago=9))
    first, last = (int((NOW - timedelta(minutes=ago)).timestamp() * 1000) for ago in (10, 9))
    kim, ana = (
        {"appType": "custom", "subject": CUSTOMER, "role": "EndUser"},
        {"appType": "custom", "subject": "before", "role": "Chatbot"},
    )
    assert portion["conversationParticipants"] == [
        {"displayName": "Kim", "participant": kim, "joinedTime": first - 1},
        {"displayName": "Ana", "participant": ana, "joinedTime": first - 1, "leftTime": last + 1},
    ]
    assert [(one["sender"], one["clientTimestamp"]) for one in portion["conversationEntries"]] == [(kim, first), (ana, last)]
    assert words_of(portion) == ["hello", "hi"]


def test_several_speakers_are_named() -> None:
    (portion,) = handed_over(said(1, KIM, "hello"), said(2, ANA, "hi"), said(3, BOT, "beep"))
    assert words_of(portion) == ["hello", "Ana: hi", "Robo: beep"]
    assert [one["displayName"] for one in portion["conversationParticipants"]] == ["Kim", "Before"]


def test_the_newest_part_goes_first_and_five_at_a_time() -> None:
    found = handed_over(*(said(n, KIM, f"t{n}", minutes_ago=100 - n) for n in range(1, 13)))
    assert [words_of(one) for one in found] == [[f"t{n}" for n in range(8, 13)], [f"t{n}" for n in range(3, 8)], ["t1", "t2"]]


def test_what_isnt_handed_over() -> None:
    hidden = said(1, ANA, "psst", visibility=Visibility.supervisors, kind=EntryKind.whisper)
    private = said(2, ANA, "psst", visibility=Visibility.reps)
    old = said(3, KIM, "long ago", minutes_ago=24 * 60)
    notice = said(4, ANA, "Ana joined", kind=EntryKind.notice)
    empty = said(5, KIM, None)
    assert handed_over(hidden, private, old, notice, empty) == []


def test_files_are_named() -> None:
    (portion,) = handed_over(said(1, KIM, None, parts=(MediaPart(media="image", name="a.jpg"),)))
    assert words_of(portion) == ["[image: a.jpg]"]


@given(st.lists(st.tuples(st.sampled_from([KIM, ANA, BOT]), st.integers(0, 3_000)), max_size=30))
def test_salesforces_rules_hold(lines: list[tuple[Actor, int]]) -> None:
    found = handed_over(*(said(n, sender, "x", minutes_ago=ago) for n, (sender, ago) in enumerate(lines, 1)))
    assert found == handed_over(*(said(n, sender, "x", minutes_ago=ago) for n, (sender, ago) in enumerate(lines, 1)))
    ids = [one["entryPayload"]["id"] for portion in found for one in portion["conversationEntries"]]
    assert len(set(ids)) == len(ids)  # 10073
    for portion in found:
        people = {one["participant"]["subject"]: one for one in portion["conversationParticipants"]}
        roles = [one["participant"]["role"] for one in people.values()]
        assert roles.count("EndUser") == 1  # 10042, 10044
        assert len(roles) <= 3
        assert set(roles) <= {"EndUser", "Chatbot"}  # 10043
        assert all(("leftTime" in one) == (one["participant"]["role"] == "Chatbot") for one in people.values())  # 10065, 10066
        assert all(one["joinedTime"] < one["leftTime"] for one in people.values() if "leftTime" in one)  # 10067
        assert 0 < len(portion["conversationEntries"]) <= 5
        for one in portion["conversationEntries"]:
            sender = people[one["sender"]["subject"]]  # 10068
            assert sender["participant"] == one["sender"]
            assert sender["joinedTime"] <= one["clientTimestamp"] <= sender.get("leftTime", one["clientTimestamp"])  # 10074
            assert one["clientTimestamp"] >= (NOW - timedelta(hours=24)).timestamp() * 1000  # 10046
    times = [[one["clientTimestamp"] for one in portion["conversationEntries"]] for portion in found]
    assert all(newer[0] >= older[-1] for newer, older in pairwise(times))
