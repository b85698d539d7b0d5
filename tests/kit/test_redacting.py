"""A real webhook becomes a fixture without the customer in it: `byoc inbox export --redact ID`."""

from __future__ import annotations

import gzip
import importlib
import json
import string
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.conformance import NOW, Case, Suite
from adapters.conformance.finding import suite_of
from adapters.contract import RawRequest
from adapters.envelope import InboundMessage
from adapters.registry import load
from gateway.cli import main
from gateway.new_channel.recording import record
from gateway.new_channel.redacting import redacted, vocabulary
from gateway.new_channel.stand_ins import NotRedacted, StandIns, stretches, words
from tests.adapters.open.account import an_account, request
from tests.adapters.sms.suite import SUITE as SMS
from tests.world import demo

OPEN = importlib.import_module("tests.adapters.open.suite").SUITE
SUITES = {kind: suite for kind, adapter in load().items() if (suite := suite_of(adapter))}
# What a program can't make anonymous without changing what it says; `NotRedacted` names them, and a person writes such a fixture.
BY_HAND = {
    "apple/business_as_urn",
    "apple/echo_of_ours",
    "apple/form",
    "apple/photo_between_words",
    "line/dummy_reply_tokens",
    "messenger/optin_notifications_stopped",
    "sms/stop_word_alone",
    "whatsapp/contact_info_shared",
}


def unpacked(request: RawRequest) -> str:
    body = gzip.decompress(request.body) if request.body.startswith(b"\x1f\x8b") else request.body
    return body.decode()


def leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from leaves(one)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield str(value)


def said_in(suite: Suite, case: Case) -> set[str]:
    """What the customer wrote, is called, and where they are reached."""
    found: set[str] = set()
    for event in suite.adapter.parse(case.request, suite.account):
        if event.end_user:
            user = event.end_user
            found |= {user.address, *user.aliases, user.name or "", user.username or ""}
        if isinstance(event, InboundMessage):
            found |= {part.plain for part in event.parts if part.type == "text"}
    return {one for one in found if one.lower() not in vocabulary(suite.adapter)}


@pytest.mark.parametrize("kind", SUITES)
def test_every_recorded_request_of_every_channel(kind: str) -> None:
    """It says the same kinds of events, it is signed, and nothing of the customer is in it."""
    suite = SUITES[kind]
    by_hand = set()
    for case in suite.events:
        try:
            found = redacted(case.request, suite.adapter, suite.account, suite.account, suite.proof_headers)
        except NotRedacted:
            by_hand.add(f"{kind}/{case.name}")
            continue
        signed = suite.sign(found.request, suite.account)
        suite.adapter.verify(signed, suite.account, signed.received_at)
        shown = unpacked(signed).lower() if signed.body else ""
        traces = {trace for one in said_in(suite, case) for word in words(one) for trace in stretches(word)}
        kept = {trace for one in (*vocabulary(suite.adapter), *found.stays) for trace in stretches(one)}
        assert [trace for trace in traces - kept if trace in shown] == [], case.name
    assert by_hand == {one for one in BY_HAND if one.startswith(f"{kind}/")}


# Capitals, digits, marks, scripts with and without capitals, right-to-left, and emoji with joiners.
LETTERS = (
    string.ascii_letters + string.digits + " .,:;!?@+-_/\n'\"<>&%=äÖßéñłЖяλΩעבגשاלبتहिकखあいエオ漢字語한국👍🏽👩‍👧🙂\u200d\u202e"
)
TEXTS = st.text(st.sampled_from(LETTERS), min_size=1, max_size=80).filter(lambda text: text.strip())


def without_trace(originals: list[str], shown: list[str], kept: frozenset[str]) -> None:
    allowed = {trace for word in kept for trace in stretches(word)}
    traces = {trace for one in originals for trace in stretches(one)} - allowed
    assert [(trace, one) for one in shown for trace in stretches(one) if trace in traces] == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    text=TEXTS,
    name=TEXTS,
    address=st.from_regex(r"[a-z]{2,8}-[0-9]{2,12}", fullmatch=True),
    secret=st.from_regex(r"[A-Za-z0-9]{16,40}", fullmatch=True),
)
def test_nothing_of_a_json_message_survives(text: str, name: str, address: str, secret: str) -> None:
    event = {
        "type": "message",
        "id": "e-7",
        "from": {"id": address, "name": name},
        "text": text,
        "session": secret,
        "data": json.dumps({"said": text}),
    }
    made = redacted(request(event), OPEN.adapter, OPEN.account, OPEN.account, OPEN.proof_headers).request
    read = json.loads(made.body)
    assert read["type"] == "message"
    shown = [*leaves({**read, "data": 0}), *leaves(json.loads(read["data"]))]
    assert list(map(len, shown)) == list(map(len, [*leaves({**event, "data": 0}), text]))
    without_trace([text, name, address, secret], shown, vocabulary(OPEN.adapter))
    assert json.loads(read["data"])["said"] == read["text"], "the same words, the same stand-in"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=TEXTS, name=TEXTS, number=st.from_regex(r"\+[1-9][0-9]{7,13}", fullmatch=True))
def test_nothing_of_a_form_survives(text: str, name: str, number: str) -> None:
    fields = {
        "MessageSid": "SM" + "0123456789abcdef" * 2,
        "AccountSid": SMS.account.account_sid,
        "From": number,
        "To": SMS.account.number,
    }
    fields |= {"Body": text, "ProfileName": name, "NumMedia": "0", "SmsStatus": "received"}
    case = replace(SMS.events[0].request, body=urlencode(fields).encode())
    made = redacted(case, SMS.adapter, SMS.account, SMS.account, SMS.proof_headers).request
    read = dict(parse_qsl(made.body.decode(), keep_blank_values=True))
    assert list(read) == list(fields)
    assert read["To"] == SMS.account.number, "the account's own number is the test account's"
    assert {key: len(value) for key, value in read.items()} == {key: len(value) for key, value in fields.items()}
    assert read["MessageSid"][:2] == "SM"
    assert read["From"][1:].isdigit()
    without_trace([text, name, number], [read["From"], read["Body"], read["ProfileName"]], vocabulary(SMS.adapter))


def test_a_stand_in_has_the_shape_of_its_word() -> None:
    values = [
        "Kim Ünal",
        "+34 600 111 222",
        "34600111222",
        "kim.unal@example.org",
        "SM0123456789abcdef0123456789abcdef",
        "Жанна",
        "漢字語です",
        "👍🏽",
    ]
    stand_ins = StandIns(values, {})
    for value in values:
        shown = stand_ins.of(value)
        assert len(shown) == len(value)
        assert len(shown.encode()) == len(value.encode())
        for was, now in zip(value, shown, strict=True):
            assert (was.isdigit(), was.isalpha(), was.isupper()) == (now.isdigit(), now.isalpha(), now.isupper())
    assert all(one in "0123456789abcdef" for one in stand_ins.of(values[4])[2:])
    assert len({stand_ins.of(value) for value in values}) == len(values)


def test_ids_still_refer_to_each_other_and_times_keep_their_distance() -> None:
    event = {
        "type": "message",
        "id": "e-7001",
        "from": "kim-4711",
        "text": "hello",
        "at": (NOW - timedelta(days=40, seconds=3)).isoformat(),
        "reply_to": "e-7001",
    }
    came = replace(request(event), received_at=NOW - timedelta(days=40))
    made = json.loads(redacted(came, OPEN.adapter, OPEN.account, OPEN.account, OPEN.proof_headers).request.body)
    assert made["id"] == made["reply_to"] != event["id"]
    assert made["at"] == (NOW - timedelta(seconds=3)).isoformat()


def test_a_customer_who_says_a_word_of_the_protocol() -> None:
    """The provider's `message` stays, the customer's goes."""
    made = redacted(
        request({"type": "message", "from": "message", "text": "message"}), OPEN.adapter, OPEN.account, OPEN.account, ()
    ).request
    read = json.loads(made.body)
    assert read["type"] == "message"
    assert read["text"] != "message"


def test_an_account_s_own_ids_become_the_test_account_s() -> None:
    own = SMS.account.model_copy(update={"account_sid": "AC" + "9" * 32, "number": "+4930123456"})
    fields = dict(parse_qsl(SMS.events[0].request.body.decode(), keep_blank_values=True))
    body = urlencode(fields | {"AccountSid": own.account_sid, "To": own.number}).encode()
    made = redacted(replace(SMS.events[0].request, body=body), SMS.adapter, own, SMS.account, SMS.proof_headers).request
    read = dict(parse_qsl(made.body.decode(), keep_blank_values=True))
    assert (read["AccountSid"], read["To"]) == (SMS.account.account_sid, SMS.account.number)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"<xml>kim</xml>", "text/xml"), (b"kim", ""), (b"\x1f\x8bkim", "application/json"), (b"\x00\x01", "multipart/form-data")],
)
def test_what_is_neither_json_nor_a_form_is_refused(body: bytes, content_type: str) -> None:
    other = replace(request(body), headers={"content-type": content_type})
    with pytest.raises(NotRedacted, match="by hand"):
        redacted(other, OPEN.adapter, OPEN.account, OPEN.account, OPEN.proof_headers)


def test_proofs_proxies_and_cookies_leave_no_header() -> None:
    came = request({"type": "message", "from": "kim-17", "text": "hello"})
    came.headers = {
        **came.headers,
        "x-forwarded-for": "203.0.113.7",
        "cookie": "session=abcdef",
        "authorization": "Bearer abcdef",
    }
    made = redacted(came, OPEN.adapter, OPEN.account, OPEN.account, OPEN.proof_headers).request
    assert set(made.headers) == {"content-type"}


def test_without_a_suite_it_is_left_unsigned_and_says_so(tmp_path: Path) -> None:
    came = request({"type": "message", "from": "kim-17", "text": "hello"})
    made = record(came, OPEN.adapter, an_account(), None, "hello", tmp_path)
    assert any("unsigned" in sentence for sentence in made.to_do)
    assert set(json.loads((tmp_path / "hello.headers.json").read_text())["headers"]) == {"content-type"}
    with pytest.raises(NotRedacted, match="--case"):
        record(came, OPEN.adapter, an_account(), None, "hello", tmp_path)


@pytest.mark.parametrize("kind", ["sms", "whatsapp", "line"])
async def test_a_message_in_the_demo_becomes_a_fixture_that_passes_the_parse_check(kind: str, tmp_path: Path) -> None:
    words_said = "Where is my parcel 4711, Ünal?"
    async with demo(tmp_path / "data") as world:
        ana = world.rep("ana")
        await ana.present()
        assert (await world.customer(kind).says(words_said)).status == 201
        await ana.take(kind)
    command = [
        "inbox",
        "export",
        "--redact",
        "1",
        "--data",
        str(tmp_path / "data"),
        "--to",
        str(tmp_path / "made"),
        "--case",
        "asks",
    ]
    told = CliRunner().invoke(main, command)
    assert told.exit_code == 0, told.output
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["asks.body", "asks.expected.json", "asks.headers.json"]
    stored = json.loads((tmp_path / "made" / "asks.headers.json").read_text())
    assert stored["source"].startswith("recorded by a gateway")
    assert "unchecked" in stored
    stored.pop("unchecked")
    (tmp_path / "made" / "asks.headers.json").write_text(json.dumps(stored))
    suite = replace(SUITES[kind], fixtures=tmp_path / "made")
    (check,) = [check for check in suite.checks() if check.name == "parses[asks]"]
    check.run()
    everything = " ".join(path.read_text().lower() for path in (tmp_path / "made").iterdir())
    assert [
        trace for word in ("where", "parcel", "4711", "ünal", "demo-") for trace in stretches(word) if trace in everything
    ] == []


def test_export_wants_redact_and_a_webhook_that_is_there(tmp_path: Path) -> None:
    told = CliRunner().invoke(main, ["inbox", "export", "1", "--data", str(tmp_path)])
    assert (told.exit_code, "give --redact" in told.stderr) == (2, True)
    told = CliRunner().invoke(main, ["inbox", "export", "--redact", "1", "--data", str(tmp_path)])
    assert (told.exit_code, "pass the gateway's data_dir" in told.stderr) == (1, True)
