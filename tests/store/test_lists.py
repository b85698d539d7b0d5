"""Lists by latest activity and search: what they give, in which order, and that no list, search or count looks through all sessions."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.envelope import Address, ChannelId, EndUser, InboundMessage, TextPart
from gateway.session.model import Login, Offer, Participant, Role, Session, SessionEndUser, SessionId, Status
from gateway.session.searching import fold, found_by, has_all, words_of
from gateway.store.connecting import connect, migrate
from gateway.store.contract import Place, Transaction, Waiting, Wanted
from gateway.store.filing import sought
from gateway.store.transaction import SqlTransaction
from tests.store.backends import Jobs, on_sqlite

AT: Final = datetime(2026, 11, 2, tzinfo=UTC)


def session(number: int, name: str = "Kim", **more: Any) -> Session:
    """Of a customer, ended; `reps` are in."""
    in_it = [Participant(role=Role.rep, id=login, name=login, joined_at=AT) for login in more.pop("reps", ())]
    given = {
        "id": SessionId(f"ses_{number}"),
        "org": "acme",
        "channel_id": ChannelId("sms"),
        "channel_type": "sms",
        "end_user": SessionEndUser(id=more.pop("address", f"+49151{number:06d}"), name=name),
        "status": Status.ended,
        "participants": tuple(in_it),
        "been_in": tuple(Login(one.id) for one in in_it),
        "opened_at": AT,
    }
    return Session(**{**given, **more})


def message() -> InboundMessage:
    """From Kim, by two addresses."""
    who = EndUser(address=Address("kim"), aliases=(Address("ben"),))
    about = {"channel_id": ChannelId("sms"), "event_id": "e", "message_id": "m", "received_at": AT, "end_user": who}
    return InboundMessage(**about, parts=(TextPart(text="hello"),))  # type: ignore[arg-type]


def everything(q: str = "", **more: Any) -> Wanted:
    return Wanted(org=more.pop("org", "acme"), login="sam", everything=True, queues=frozenset(), q=q, **more)


def of_rep(login: str = "ana", q: str = "", queues: Iterable[str] = (), **more: Any) -> Wanted:
    return Wanted(org="acme", login=login, everything=False, queues=frozenset(queues), q=q, **more)


def of_rep_by(q: str) -> Wanted:
    return of_rep(q=q)


def walked(stored: Transaction, wanted: Wanted, chunk: int = 3) -> list[str]:
    """The ids, as a list gives them a page at a time: each page is a walk of its own."""
    found: list[tuple[int, Session]] = []
    while page := list(islice(stored.lists.walk(wanted, after=found[-1][0] if found else None, chunk=chunk), chunk)):
        found += page
    return [one.id for _, one in found]


def save(jobs: Jobs, *sessions: Session, before: Sequence[Session] = ()) -> None:
    """Each a second after the one before."""
    for number, one in enumerate(sessions):
        was = before[number] if before else None
        jobs(lambda stored, one=one, was=was: stored.sessions.save(one, before=was), one.last_message + number)  # type: ignore[misc]


def file_all(stored: Transaction) -> int:
    done = 0
    while some := stored.lists.file(2):
        done += some
    return done


# --------------------------------------------------------------------------------------------------------------- the lists


def test_a_supervisor_has_all_of_the_org_the_latest_activity_first(jobs: Jobs) -> None:
    statuses = [Status.ended, Status.waiting, Status.active, Status.inactive, Status.ended, Status.waiting]
    save(jobs, *(session(number, status=status) for number, status in enumerate(statuses)), session(9, org="other"))
    latest_first = [f"ses_{number}" for number in reversed(range(6))]
    for _ in range(2):
        assert jobs(lambda stored: walked(stored, everything())) == latest_first
        for status in Status:
            expected = [one for one in latest_first if statuses[int(one[-1])] is status]
            assert jobs(lambda stored, status=status: walked(stored, everything(status=status))) == expected  # type: ignore[misc]
        jobs(file_all)


def test_what_happened_in_the_same_moment_is_listed_by_number(jobs: Jobs) -> None:
    for number in range(7):
        jobs(lambda stored, number=number: stored.sessions.save(session(number), before=None), 5)  # type: ignore[misc]
    assert jobs(lambda stored: walked(stored, everything())) == [f"ses_{number}" for number in reversed(range(7))]


def test_a_rep_has_their_own_and_what_waits_in_their_queues(jobs: Jobs) -> None:
    offer = Offer(rep=Login("ana"), queue="other", offered_at=AT, expires_at=AT)
    save(
        jobs,
        session(1, reps=["ana"]),
        session(2, reps=["ben"]),
        session(3, reps=["ana", "ben"], status=Status.active),
        session(4, been_in=(Login("ana"),), status=Status.active),
        session(5, status=Status.waiting, queue="support"),
        session(6, status=Status.waiting, queue="other"),
        session(7, status=Status.waiting, queue="other", offer=offer),
        session(8, reps=["ana"], status=Status.inactive),
        session(9, reps=["ana"], org="other"),
    )
    for _ in range(2):
        assert jobs(lambda stored: walked(stored, of_rep(queues=["support"]))) == [
            "ses_8",
            "ses_7",
            "ses_5",
            "ses_4",
            "ses_3",
            "ses_1",
        ]
        assert jobs(lambda stored: walked(stored, of_rep(queues=["support"], mine=True))) == ["ses_8", "ses_3", "ses_1"]
        assert jobs(lambda stored: walked(stored, of_rep(status=Status.inactive))) == ["ses_8"]
        assert jobs(lambda stored: walked(stored, of_rep(status=Status.ended))) == ["ses_1"]
        assert jobs(file_all) in (4, 0), "what has ended or is inactive, whosever it is"


def test_a_session_that_wakes_or_changes_at_rest_is_listed_and_found_as_it_is_now(jobs: Jobs) -> None:
    before = session(1, "Kim", reps=["ana"], status=Status.inactive)
    save(jobs, before, session(2, "Kim", reps=["ana"]))
    jobs(file_all)
    for change in ({"status": Status.active}, {"status": Status.ended}, {"end_user": SessionEndUser(id="+1", name="José")}):
        after = before.model_copy(update={**change, "version": before.version + 1})
        jobs(lambda stored, after=after, was=before: stored.sessions.save(after, before=was), 50 + after.version)  # type: ignore[misc]
        before = after
        for wanted in (everything(), of_rep(), everything("KIM"), of_rep(q="kim"), everything("jose +1")):
            name = after.end_user.name
            expected = ["ses_1"] if wanted.q == "jose +1" else ["ses_1", "ses_2"] if name == "Kim" or not wanted.q else ["ses_2"]
            if wanted.q == "jose +1" and name != "José":
                expected = []
            for _ in range(2):
                assert jobs(lambda stored, wanted=wanted: walked(stored, wanted)) == expected, (change, wanted)  # type: ignore[misc]
                jobs(file_all)


def test_sessions_that_follow_a_person_to_another_address_are_found_by_that(jobs: Jobs) -> None:
    save(jobs, session(1, reps=["ana"], address="+1555"), session(2, reps=["ana"], address="+1666"))
    jobs(file_all)
    jobs(lambda stored: stored.sessions.readdress("sms", "+1555", "+1777"))
    for _ in range(2):
        for whose in (everything, of_rep_by):
            wanted = [whose(q) for q in ("1777", "1555", "1666")]
            found = jobs(lambda stored, wanted=wanted: [walked(stored, one) for one in wanted])  # type: ignore[misc]
            assert found == [["ses_1"], [], ["ses_2"]]
        assert jobs(lambda stored: walked(stored, of_rep())) == ["ses_2", "ses_1"]
        jobs(file_all)


def test_loads_of_many_are_as_those_of_one(jobs: Jobs) -> None:
    save(jobs, *(session(number, reps=["ana", f"rep{number}"], status=Status.active) for number in range(12)))
    logins = ["ana", "nobody", *(f"rep{number}" for number in range(12))]

    def loads(stored: Transaction) -> tuple[list[int], list[int]]:
        before = [stored.sessions.load_of("acme", login) for login in logins]
        active = stored.sessions.load("ses_3")
        assert active is not None
        ended = active.model_copy(update={"status": Status.ended, "version": active.version + 1})
        stored.sessions.save(ended, before=active)
        stored.sessions.save(session(77, reps=["nobody"], status=Status.active), before=None)
        return before, [stored.sessions.load_of("acme", login) for login in logins]

    before, after = jobs(loads)
    assert before == [12, 0, *[1] * 12]
    assert after == [11, 1, *[int(number != 3) for number in range(12)]]


# ------------------------------------------------------------------------------------------------------------------ search

# Names as they come: of several scripts, with marks on letters and letters that fold into two, with signs that mean something to SQL and to FTS5.
LETTERS: Final = "aAbBéÉß İıŁçÇ王美くがД'\"*-+()^:%_\\@.,0123 \u0301\u200d🙂"
NAMES: Final = st.text(LETTERS, max_size=14) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6
)


@given(
    people=st.lists(st.tuples(NAMES, NAMES, st.sampled_from(Status), st.sampled_from([(), ("ana",), ("ben",)])), max_size=8),
    searched=st.lists(NAMES, max_size=4),
    cut=st.tuples(st.integers(0, 9), st.integers(1, 7)),
    filed=st.integers(0, 8),
)
def test_search_finds_who_has_every_word_and_nobody_else(
    people: list[tuple[str, str, Status, tuple[str, ...]]], searched: list[str], cut: tuple[int, int], filed: int
) -> None:
    """Whatever of it is filed already. The store may give a few more, which the rules leave out; here, too."""
    with closing(connect(Path(":memory:"))) as connection:
        migrate(connection, "gateway.store.migrations.sessions")
        stored = SqlTransaction(connection, lambda: AT)
        made = [
            session(n, name, address=address, status=status, reps=reps) for n, (name, address, status, reps) in enumerate(people)
        ]
        for one in made:
            stored.sessions.save(one, before=None)
        if filed:
            stored.lists.file(filed)
        parts = [f"{one.end_user.name}{one.end_user.id}"[cut[0] :][: cut[1]] for one in made]
        for q in (*searched, *parts, *(name.upper() for name, *_ in people)):
            words = words_of(q)
            for wanted, seen in ((everything(q), made), (of_rep(q=q), [one for one in made if one.has_rep("ana")])):
                has = {str(one.id): has_all(found_by(one.end_user.id, one.end_user.name), words) for one in seen}
                given = walked(stored, wanted)
                assert [one for one in given if has[one]] == [one for one in reversed(has) if has[one]], q


@pytest.mark.parametrize(
    ("name", "q"),
    [
        ("José Muñoz", "jose munoz"),
        ("Jose Munoz", "JOSÉ"),
        ("Łukasz Żak", "zak"),
        ("Straße", "STRASSE"),
        ("王伟", "伟"),
        ("Иван", "иВ"),
        ("O'Brien-Smith", "n-s"),
        ("Kim", "sms user 4915"),
        ("María del Carmen", "carmen mar"),
    ],
)
def test_case_accents_and_order_do_not_matter(name: str, q: str) -> None:
    words = tuple(word for word in words_of(q) if word not in ("sms", "user"))
    assert has_all(found_by("+4915112", name), words)


def test_an_id_finds_its_session(jobs: Jobs) -> None:
    save(jobs, session(1, reps=["ben"]), session(11))
    jobs(file_all)
    assert jobs(lambda stored: walked(stored, everything("ses_1"))) == ["ses_1"]
    assert jobs(lambda stored: walked(stored, of_rep("ben", "ses_1", mine=True))) == ["ses_1"]
    assert jobs(lambda stored: walked(stored, of_rep("ana", "ses_1", mine=True))) == []
    assert jobs(lambda stored: walked(stored, everything("ses_1", org="other"))) == []


def test_a_file_of_an_older_version_is_searched_as_well_before_it_is_filed_as_after(tmp_path: Path) -> None:
    """It says only the name in its own spelling, and nothing is filed."""
    with on_sqlite(tmp_path) as jobs:
        save(jobs, *(session(number, name, reps=["ana"]) for number, name in enumerate(["José", "Jo", "KIM"])))
        with closing(connect(tmp_path / "sessions.db")) as connection:
            connection.execute(
                "UPDATE sessions SET filed = NULL, name = CASE id WHEN 'ses_0' THEN 'josé' WHEN 'ses_1' THEN 'jo' ELSE 'kim' END"
            )
        for _ in range(2):
            for whose in (everything, of_rep_by):
                found = jobs(lambda stored, whose=whose: [walked(stored, whose(q)) for q in ("JOSE", "jo", "Kim", "00002")])  # type: ignore[misc]
                assert found == [["ses_0"], ["ses_1", "ses_0"], ["ses_2"], ["ses_2"]]
            jobs(file_all)


def test_filing_takes_the_newest_first_and_ends(jobs: Jobs) -> None:
    save(jobs, *(session(number) for number in range(5)))
    with_one_filed = jobs(lambda stored: stored.lists.file(2))
    assert with_one_filed == 2
    assert jobs(file_all) == 3
    assert jobs(file_all) == 0


def test_two_sessions_of_the_same_place_are_both_found(tmp_path: Path) -> None:
    """Numbers four million apart, in the same millisecond."""
    with on_sqlite(tmp_path) as jobs:
        for number in (1, 2):
            jobs(lambda stored, number=number: stored.sessions.save(session(number), before=None), 5)  # type: ignore[misc]
        with closing(connect(tmp_path / "sessions.db")) as connection:
            connection.execute("UPDATE sessions SET ordinal = 1 + 4194304 WHERE id = 'ses_2'")
        jobs(file_all)
        assert sorted(jobs(lambda stored: walked(stored, everything("kim")))) == ["ses_1", "ses_2"]


def test_a_rep_s_own_list_is_asked_only_for_what_has_all_pieces() -> None:
    """It is long, and FTS5 would look in it for each row that has one of the pieces."""
    words = sought("acme", Status.ended, None, ["jose", "munoz"])
    assert words.count(" AND ") == 2
    own, rest = sought("acme", Status.ended, "ana", ["jose", "munoz"]).split(" AND ", 1)
    assert "ana" in own
    assert rest == f'(({words}) NOT "")'


def test_the_index_of_an_older_file_has_as_few_segments_from_now_on_as_that_of_a_new_one(tmp_path: Path) -> None:
    scripts = sorted(resources.files("gateway.store.migrations.sessions").iterdir(), key=lambda file: file.name)
    with closing(connect(tmp_path / "old.db")) as old, closing(connect(tmp_path / "new.db")) as new:
        old.executescript("".join(script.read_text() for script in scripts[:14]) + "PRAGMA user_version = 14;")
        for connection in (old, new):
            migrate(connection, "gateway.store.migrations.sessions")
            assert [*map(tuple, connection.execute("SELECT v FROM filed_grams_config WHERE k = 'automerge'"))] == [(2,)]


def test_folding() -> None:
    assert fold("İSTANBUL") == fold("istanbul")
    assert words_of(" \t ") == words_of(None) == ()


# -------------------------------------------------------------------------------------------------- how the store looks for it

NOW: Final = AT.timestamp()
SUM: Final = frozenset({"support", "other"})
WHOSE: Final = Place("sms", "acme", "support", "sms", False)
READS: Final[dict[str, Callable[[Transaction], Any]]] = {
    **{
        f"the list of {whose} {status} {q!r}": lambda stored, wanted=wanted: list(stored.lists.walk(wanted, after=-5, chunk=9))  # type: ignore[misc]
        for status in (None, *Status)
        for q in ("", "kim", "kim +4915112")
        for whose, wanted in {
            "all": everything(q, status=status),
            "a rep": of_rep(q=q, queues=SUM, status=status),
            "their own": of_rep(q=q, mine=True, status=status),
        }.items()
    },
    "filing": lambda stored: stored.lists.file(50),
    "a session": lambda stored: stored.sessions.load("ses_1"),
    "the newest of an address": lambda stored: stored.sessions.newest_of_address("sms", "kim", "acme"),
    "the newest of many": lambda stored: stored.read_ahead([message(), message()], "acme"),
    "the open of an address": lambda stored: stored.sessions.open_of_address("sms", "kim"),
    "another address": lambda stored: stored.sessions.readdress("sms", "kim", "ben"),
    "several sessions": lambda stored: stored.sessions.several(["ses_1", "ses_2"]),
    "several entries": lambda stored: stored.sessions.entries_at([("ses_1", 1), ("ses_2", 1)]),
    "an entry": lambda stored: stored.sessions.entry("ses_1", 3),
    "who ended it": lambda stored: stored.sessions.ended_by_customer("ses_1"),
    "the transcript": lambda stored: [*stored.sessions.newest_first("ses_1"), *stored.sessions.oldest_first("ses_1")],
    "what supervisors read": lambda stored: stored.sessions.for_supervisors("ses_1", 9),
    "the latest text": lambda stored: stored.sessions.latest_text("ses_1"),
    "a load": lambda stored: stored.sessions.load_of("acme", "ana"),
    "loads": lambda stored: [stored.sessions.load_of("acme", f"rep{number}") for number in range(20)],
    "what to route": lambda stored: stored.sessions.to_route("acme", "support", 200),
    "a rep's open sessions": lambda stored: stored.sessions.of_rep("acme", "ana", "in"),
    "who has been in": lambda stored: stored.sessions.been_in(["ses_1", "ses_2"]),
    "what kinds they are of": lambda stored: stored.sessions.kinds_of(["ses_1", "ses_2"]),
    "open sessions": lambda stored: stored.sessions.open_by_status(),
    "places": lambda stored: stored.standing.places(),
    "sessions of a place": lambda stored: list(stored.standing.sessions_in(WHOSE)),
    "reps with sessions": lambda stored: list(stored.standing.reps()),
    "sessions with a rep": lambda stored: list(stored.standing.sessions_with("acme", "ana")),
    "sessions that ask": lambda stored: list(stored.standing.sessions_that_ask()),
    "conferences": lambda stored: list(stored.standing.conferences(1)),
    "what waits": lambda stored: stored.standing.waiting(),
    "messages to send": lambda stored: stored.outbox.ready("sms", steady=NOW, limit=9, busy=["msg_1"]),
    "several messages": lambda stored: stored.outbox.several(["msg_1", "msg_2"]),
    "addresses of messages": lambda stored: stored.outbox.addresses_of(["msg_1", "msg_2"]),
    "messages that begin": lambda stored: stored.outbox.begin(["msg_1", "msg_2"]),
    "people to write to": lambda stored: stored.read_ahead_persons([("sms", "kim"), ("sms", "ben")]),
    "conversations that go on": lambda stored: stored.outbox.go_on(stored.outbox.several(["msg_1", "msg_2"]).values()),
    "the heads": lambda stored: stored.outbox.heads(),
    "a start's messages": lambda stored: stored.outbox.begin_anew(NOW),
    "messages of a channel": lambda stored: stored.outbox.open_of(Waiting("sms", "acme", 1), 9),
    "messages to withdraw": lambda stored: stored.outbox.withdraw("sms", "kim"),
    "messages until": lambda stored: stored.outbox.sent_until("sms", "kim", NOW),
    "deliveries": lambda stored: stored.outbox.of_entries([("ses_1", 1), ("ses_1", 2)]),
    "waiting messages": lambda stored: stored.outbox.waiting(9),
    "troubled messages": lambda stored: stored.outbox.troubled(9),
    "message counts": lambda stored: stored.outbox.counts(),
    "message tallies": lambda stored: stored.outbox.tallies(),
    "a message": lambda stored: stored.outbox.report("msg_1"),
    "a start's files": lambda stored: stored.media.begin_anew(NOW),
    "files to fetch": lambda stored: stored.media.pending(NOW, 9, frozenset()),
    "files of entries": lambda stored: stored.media.of_entries([("ses_1", 1), ("ses_1", 2)]),
    "files without a name": lambda stored: stored.media.unnamed(NOW, 9),
    "a provider's id": lambda stored: stored.message_ids.of_entry("ses_1", 1),
    "the audit": lambda stored: stored.records.audit_page("ses_1", None, 9),
    "what is old": lambda stored: stored.records.purge(9),
    "events": lambda stored: (stored.events.after(5), stored.events.newest(), stored.events.oldest()),
    "timers": lambda stored: (stored.timers.due(NOW), stored.timers.next_due()),
    "people to look up": lambda stored: stored.conversations.unknown(["sms", "line"], 9),
    "a person": lambda stored: stored.addresses.known("sms", message().end_user),
}
# What grows with the years. Of it, only these parts, which don't, may be looked through.
LARGE: Final = "sessions|entries|rep_sessions|conversations|aliases|seen_events|signed_readings|message_ids|outbox|outbox_attempts|media|events|audit|answers|filed"
ALIASES: Final = {"s": "sessions", "r": "rep_sessions", "o": "outbox"}
FEW: Final = {
    "sessions_open",
    "sessions_not_filed",
    "rep_sessions_load",
    "outbox_open",
    "outbox_troubled",
    "media_pending",
    "conversations_unknown",
}


@contextmanager
def heard(folder: Path) -> Iterator[tuple[SqlTransaction, sqlite3.Connection, list[str]]]:
    """A transaction, and the statements that it makes."""
    statements: list[str] = []
    with closing(connect(folder / "sessions.db")) as connection:
        migrate(connection, "gateway.store.migrations.sessions")
        connection.set_trace_callback(statements.append)
        yield SqlTransaction(connection, lambda: AT), connection, statements


@pytest.mark.parametrize("what", READS)
def test_nothing_that_grows_with_the_years_is_looked_through(what: str, tmp_path: Path) -> None:
    with heard(tmp_path) as (stored, connection, statements):
        READS[what](stored)
        connection.set_trace_callback(None)
        asked = [one for one in statements if re.match(r"\s*(SELECT|UPDATE|DELETE|INSERT)", one)]
        assert asked
        for statement in asked:
            for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {statement}"):
                assert not _looks_through(step), f"{step}: {statement}"


@pytest.mark.parametrize("what", READS)
def test_no_statement_is_compiled_anew_each_time(what: str, tmp_path: Path) -> None:
    """SQLite does so where a value decides whether an index of a part of the rows may be used."""
    with heard(tmp_path) as (stored, connection, _):
        compiled: list[tuple[object, ...]] = []

        def note(action: int, *more: object) -> int:
            if action != sqlite3.SQLITE_PRAGMA:  # `pragma_table_info` compiles what it reads
                compiled.append((action, *more))
            return sqlite3.SQLITE_OK

        connection.set_authorizer(note)  # all that is compiled already is so once more
        READS[what](stored)
        assert compiled
        compiled.clear()
        stored.begin()
        READS[what](stored)
        assert compiled == []


def _looks_through(step: str) -> bool:
    """Whether it is all of a table that grows, or all that an org has in it."""
    found = re.match(r"(SCAN|SEARCH) (\w+)(?: USING (?:COVERING )?INDEX (\w+))?( \((?:org|channel_id)=\?\))?$", step)
    if found is None or (found[1] == "SEARCH" and not found[4]):
        return False
    return re.fullmatch(LARGE, ALIASES.get(found[2], found[2])) is not None and found[3] not in FEW
