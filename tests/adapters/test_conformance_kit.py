"""The checks themselves: each lets a sound channel pass and catches the fault that it is there for."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Generator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from adapters import conformance as kit
from adapters.conformance import NotConforming, Suite
from adapters.conformance.secrets import secrets_in
from adapters.contract import HttpCall, HttpReply, RawRequest, Sent
from adapters.envelope import Inbound, InboundUnknown
from adapters.errors import NotAuthentic
from adapters.simulation import Action, Outcome
from adapters.sms.simulator import TextingTwilio
from tests.adapters.sms.suite import SUITE

SOUND = SUITE.adapter


def with_adapter(**parts: Any) -> Suite:
    return replace(SUITE, adapter=replace(SOUND, **parts))


def verify_nothing(request: RawRequest, account: Any, now: datetime) -> None:
    return None


def verify_the_header_alone(request: RawRequest, account: Any, now: datetime) -> None:
    if not request.headers.get("x-twilio-signature"):
        raise NotAuthentic("missing", status=401)


def verify_with_the_wrong_status(request: RawRequest, account: Any, now: datetime) -> None:
    if not request.headers.get("x-twilio-signature"):
        raise NotAuthentic("missing")


def verify_and_trip_over_bytes(request: RawRequest, account: Any, now: datetime) -> None:
    request.headers.get("x-twilio-signature", "").encode("ascii")
    SOUND.verify(request, account, now)


def verify_and_tell(request: RawRequest, account: Any, now: datetime) -> None:
    try:
        SOUND.verify(request, account, now)
    except NotAuthentic as refusal:
        raise NotAuthentic(str(refusal), hint=f"token {account.auth_tokens[0].get_secret_value()}") from refusal


def verify_with_the_first_secret(request: RawRequest, account: Any, now: datetime) -> None:
    SOUND.verify(request, account.model_copy(update={"auth_tokens": account.auth_tokens[:1]}), now)


def verify_in_the_open(request: RawRequest, account: Any, now: datetime) -> None:
    if account.auth_tokens:
        SOUND.verify(request, account, now)


def parse_with_the_time(request: RawRequest, account: Any) -> list[Inbound]:
    return [one.model_copy(update={"event_id": f"{one.event_id}{one.received_at}"}) for one in SOUND.parse(request, account)]


def parse_with_one_id(request: RawRequest, account: Any) -> list[Inbound]:
    return [one.model_copy(update={"event_id": "1"}) for one in SOUND.parse(request, account)]


def parse_and_drop(request: RawRequest, account: Any) -> list[Inbound]:
    return [one for one in SOUND.parse(request, account) if not isinstance(one, InboundUnknown)]


def parse_and_forget(request: RawRequest, account: Any) -> list[Inbound]:
    return [one.model_copy(update={"raw": {}}) for one in SOUND.parse(request, account)]


def parse_with_json(request: RawRequest, account: Any) -> list[Inbound]:
    if request.headers["content-type"].startswith("application/json"):
        json.loads(request.body)
    if b"%zz" in request.body:
        raise KeyError("MessageSid")
    return SOUND.parse(request, account)


def send_with_the_token_in_the_address(message: Any, account: Any, now: datetime) -> Generator[HttpCall, HttpReply, Sent]:
    yield HttpCall("POST", f"{account.api_base}/send?token={account.auth_tokens[0].get_secret_value()}")
    return Sent()


def send_nothing(message: Any, account: Any, now: datetime) -> Generator[HttpCall, HttpReply, Sent]:
    yield HttpCall("GET", f"{account.resources}/Messages.json")
    return Sent()


def send_in_secret(message: Any, account: Any, now: datetime) -> Generator[HttpCall, HttpReply, Sent]:
    flow = SOUND.send(message, account, now)
    call = next(flow)
    while True:
        try:
            call = flow.send((yield replace(call, visible=False)))
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]


class Careless(TextingTwilio):
    """Takes any credentials."""

    def _authenticated(self, request: RawRequest) -> bool:
        return True


class Forgetful(TextingTwilio):
    """Gives each delivery of a message an id of its own."""

    def act(self, action: Action, now: datetime) -> Outcome:
        once = action.model_copy(update={"details": {}})
        outcomes = [super(Forgetful, self).act(once, now) for _ in range(int(action.details.get("times", 1)))]
        return Outcome(calls=tuple(call for one in outcomes for call in one.calls))


FAULTS: list[tuple[Callable[[Suite], None], Suite, str]] = [
    (kit.check_unsigned_is_refused, with_adapter(verify=verify_nothing), "taken without a proof"),
    (kit.check_unsigned_is_refused, with_adapter(verify=verify_with_the_wrong_status), "401"),
    (kit.check_one_byte_changed_is_refused, with_adapter(verify=verify_the_header_alone), "a byte was changed"),
    (kit.check_hostile_signatures_are_refused, with_adapter(verify=verify_the_header_alone), "taken with x-twilio-signature"),
    (kit.check_second_secret, with_adapter(verify=verify_with_the_first_secret), "the old secret is refused"),
    (kit.check_second_secret, with_adapter(verify=verify_the_header_alone), "a secret that we don't know"),
    (kit.check_second_secret, replace(SUITE, rotate=lambda account: account), "no secret that rotates"),
    (kit.check_no_secret_no_entry, with_adapter(verify=verify_in_the_open), "without secrets"),
    (kit.check_same_bytes_same_events, with_adapter(parse=parse_with_the_time), "on redelivery"),
    (kit.check_same_bytes_same_events, with_adapter(parse=parse_with_one_id), "not unique"),
    (kit.check_unknown_events_are_kept, with_adapter(parse=parse_and_drop), "no fixture"),
    (kit.check_unknown_events_are_kept, with_adapter(parse=parse_and_forget), "without its raw event"),
    (kit.check_secrets_absent_from_repr, with_adapter(verify=verify_and_tell), "a secret stands"),
    (kit.check_secrets_absent_from_repr, with_adapter(send=send_with_the_token_in_the_address), "a secret stands"),
    (kit.check_capabilities_have_fixtures, with_adapter(parse=parse_and_drop), "declared, but in no fixture: \\['unknown'\\]"),
    (
        kit.check_capabilities_have_fixtures,
        with_adapter(capabilities=SOUND.capabilities.model_copy(update={"inbound": frozenset({"message.text"})})),
        "not declared",
    ),
    (
        kit.check_capabilities_have_fixtures,
        with_adapter(capabilities=SOUND.capabilities.model_copy(update={"receipts": frozenset()})),
        "receipts declared",
    ),
    (kit.check_simulator_and_adapter_agree, with_adapter(send=send_nothing), "shows nothing new"),
    (kit.check_simulator_and_adapter_agree, with_adapter(send=send_in_secret), "isn't marked visible"),
    (kit.check_simulator_and_adapter_agree, with_adapter(parse=parse_and_drop, send=send_nothing), "the handset"),
    (kit.check_redelivery_is_the_same_event, with_adapter(simulate=Forgetful), "other event ids"),
    (kit.check_simulator_refuses_bad_credentials, with_adapter(simulate=Careless), "wrong credentials"),
]


@pytest.mark.parametrize(("check", "suite", "words"), FAULTS)
def test_a_fault_is_caught(check: Callable[[Suite], None], suite: Suite, words: str) -> None:
    check(SUITE)
    with pytest.raises(NotConforming, match=words):
        check(suite)


def test_other_errors_come_through_as_they_are() -> None:
    """An error that nobody announced is shown with its own traceback."""
    with pytest.raises(UnicodeEncodeError):
        kit.check_hostile_signatures_are_refused(with_adapter(verify=verify_and_trip_over_bytes))
    with pytest.raises(KeyError):
        kit.check_broken_body_is_not_understood_or_unknown(with_adapter(parse=parse_with_json))


def test_a_fixture_that_says_something_else_is_caught() -> None:
    case = next(case for case in SUITE.cases if case.name == "text")
    kit.check_parses(SUITE, case)
    with pytest.raises(NotConforming, match="expected"):
        kit.check_parses(SUITE, replace(case, expected=[{**case.expected[0], "message_id": "SM9"}]))
    with pytest.raises(NotConforming, match="expected"):
        kit.check_parses(SUITE, replace(case, expected=[]))
    with pytest.raises(NotConforming, match="expected"):
        kit.check_parses(SUITE, replace(case, expected=[{**case.expected[0], "kind": "edit"}]))
    with pytest.raises(NotConforming, match="no handshake"):
        kit.check_parses(SUITE, replace(case, expected={"status": 200, "body": "x"}))


def test_what_an_adapter_says_of_itself_proves_nothing(tmp_path: Path) -> None:
    """A fixture whose expected.json was written from the adapter's output is refused until somebody has compared it with the source."""
    case = next(case for case in SUITE.cases if case.name == "text")
    with pytest.raises(NotConforming, match="proves nothing"):
        kit.check_parses(SUITE, replace(case, unchecked=True))
    written(tmp_path, "exported", unchecked="compare it")
    (exported,) = kit.load_cases(tmp_path, SOUND, SUITE.account)
    assert exported.unchecked


def test_expected_may_leave_out_kinds_and_spell_out_defaults() -> None:
    case = next(case for case in SUITE.cases if case.name == "text")
    [expected] = case.expected
    brief = {**expected, "parts": [{"text": expected["parts"][0]["text"]}]}
    del brief["kind"]
    kit.check_parses(SUITE, replace(case, expected=[brief]))
    kit.check_parses(SUITE, replace(case, expected=[{**expected, "author": "end_user", "reply_to": None}]))


def written(folder: Path, name: str, **stored: Any) -> None:
    given = {"source": "a page", "url": SUITE.account.webhook_url, "headers": {"X-A": "b"}} | stored
    (folder / f"{name}.headers.json").write_text(json.dumps({key: value for key, value in given.items() if value is not None}))
    (folder / f"{name}.body").write_bytes(b"a=b\r\n")
    (folder / f"{name}.expected.json").write_text("[]")


def test_loading_fixtures(tmp_path: Path) -> None:
    written(tmp_path, "one", url=f"{SUITE.account.webhook_url}/status?m=1&m=2", received_at="2026-01-01T00:00:00Z")
    written(tmp_path, "two", query={"a": "b"}, method="GET", path="/x")
    written(tmp_path, "three", query=[["a", "b"], ["a", "c"]])
    written(tmp_path, "four", query="a=b")
    four, one, three, two = kit.load_cases(tmp_path, SOUND, SUITE.account)
    assert (one.name, one.request.method, one.request.body, one.request.headers) == ("one", "POST", b"a=b\r\n", {"x-a": "b"})
    assert one.request.query == (("m", "1"), ("m", "2"))
    assert (one.request.received_at.year, two.request.received_at) == (2026, kit.NOW)
    assert (two.request.path, two.request.query, four.request.query) == ("/x", (("a", "b"),), (("a", "b"),))
    assert three.request.query == (("a", "b"), ("a", "c"))
    assert str(one) == "one"


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        ({"source": None}, "no source"),
        ({"source": " "}, "no source"),
        ({"method": "PUT"}, "takes no PUT"),
        ({"url": "https://elsewhere.example"}, "not below"),
    ],
)
def test_fixtures_that_are_none(tmp_path: Path, stored: dict[str, Any], words: str) -> None:
    with pytest.raises(NotConforming, match="no fixtures"):
        kit.load_cases(tmp_path, SOUND, SUITE.account)
    written(tmp_path, "one", **stored)
    with pytest.raises(NotConforming, match=words):
        kit.load_cases(tmp_path, SOUND, SUITE.account)


def test_checks_can_be_skipped_with_a_reason() -> None:
    names = [str(check) for check in replace(SUITE, skip={"second_secret": "it has none"}).checks()]
    assert "second_secret" not in names
    assert "parses[text]" in names
    assert len(names) == len(set(names))


def test_every_secret_is_found() -> None:
    account = SUITE.account.model_copy(update={"api_key_sid": "SK1", "api_key_secret": SecretStr("key")})
    assert set(secrets_in(account)) == {"test_auth_token", "test_shared_secret", "key"}


def test_the_kit_needs_no_pytest_and_does_no_network() -> None:
    code = (
        "import sys, adapters.conformance, adapters.sms, adapters.whatsapp_twilio\n"
        "print([name for name in ('pytest', 'httpx', 'aiohttp', 'asyncio', 'requests', 'gateway') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
