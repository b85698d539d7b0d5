"""What each channel's proof covers, and what it doesn't: the table of docs/security.md, row by row."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from adapters import standard_webhooks
from adapters._twilio.signature import reading
from adapters.conformance import NOW, Suite
from adapters.contract import RawRequest
from adapters.envelope import Inbound, InboundUnknown
from adapters.errors import NotAuthentic, NotUnderstood
from tests.adapters.apple.suite import SUITE as APPLE
from tests.adapters.instagram.suite import SUITE as INSTAGRAM
from tests.adapters.line.suite import SUITE as LINE
from tests.adapters.messenger.suite import SUITE as MESSENGER
from tests.adapters.open.suite import SUITE as OPEN
from tests.adapters.sms.suite import SUITE as SMS
from tests.adapters.webchat.suite import SUITE as WEBCHAT
from tests.adapters.whatsapp.suite import SUITE as WHATSAPP

META = [WHATSAPP, MESSENGER, INSTAGRAM]
BY_BODY = [*META, LINE]


def message(suite: Suite) -> RawRequest:
    """A genuine request with a customer's message."""
    return next(
        c.request for c in suite.events if any(e.kind == "message" for e in suite.adapter.parse(c.request, suite.account))
    )


def verify(suite: Suite, request: RawRequest) -> None:
    suite.adapter.verify(request, suite.account, request.received_at)


def understood(suite: Suite, request: RawRequest) -> list[Inbound]:
    """What comes of a request; nothing for one that is refused or makes no sense."""
    try:
        verify(suite, request)
        return suite.adapter.parse(request, suite.account)
    except (NotAuthentic, NotUnderstood):
        return []


def kind(suite: Suite) -> str:
    return suite.adapter.kind


# ------------------------------------------------------------------------------ sms, whatsapp-twilio: names and values without marks


def test_twilios_signature_fits_other_fields_too_and_says_which_were_read() -> None:
    """That one signature stands for one event all the same: tests/brokers/test_one_signature_one_event.py."""
    genuine = {"MessageSid": "SM" + "1" * 32, "From": "+1555", "To": "+15550002222", "Body": "hi"}
    token = SMS.account.auth_tokens[0].get_secret_value()
    signature = RequestValidator(token).compute_signature(SMS.account.webhook_url, genuine)
    headers = {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": signature}
    forms = [
        genuine,
        {**{k: v for k, v in genuine.items() if k != "From"}, "Body": "hiFrom+1555"},
        dict(reversed(genuine.items())),
    ]
    read = []
    for form in forms:
        request = RawRequest("POST", SMS.account.webhook_url, "", (), headers, urlencode(form).encode(), NOW)
        verify(SMS, request)
        (event,) = SMS.adapter.parse(request, SMS.account)
        read.append(event.signed)
    assert all(one is not None for one in read)
    assert len({one.proof for one in read if one}) == 1
    assert read[0] != read[1], "another reading"
    assert read[0] == read[2], "Twilio doesn't sign the order"


@given(st.lists(st.tuples(st.text(), st.text()), max_size=5))
def test_what_was_read_has_the_same_digest_in_every_release(fields: list[tuple[str, str]]) -> None:
    """Else what an earlier release read would be taken for another reading, and refused, when it is read again."""
    request = RawRequest("POST", SMS.account.webhook_url, "", (), {}, b"", NOW)
    written = json.dumps([request.url, sorted(fields)], separators=(",", ":"))
    assert reading(request, fields).reading == hashlib.sha256(written.encode()).hexdigest()


# ----------------------------------------------------------------------------------- LINE and Meta: the raw body, and only it


@pytest.mark.parametrize("suite", BY_BODY, ids=kind)
def test_the_body_is_bound_byte_by_byte_and_so_is_each_event_id(suite: Suite) -> None:
    request = message(suite)
    for changed in (request.body + b" ", request.body.replace(b'"', b' "', 1), request.body[1:]):
        with pytest.raises(NotAuthentic):
            verify(suite, replace(request, body=changed))
    elsewhere = replace(request, url=f"{request.url}?x=1", query=(("x", "1"),), headers={**request.headers, "x-other": "1"})
    verify(suite, elsewhere)
    ids = [event.event_id for event in suite.adapter.parse(request, suite.account)]
    assert [event.event_id for event in suite.adapter.parse(elsewhere, suite.account)] == ids, "the address adds no event"


@pytest.mark.parametrize("suite", META, ids=kind)
@pytest.mark.parametrize("other", META, ids=kind)
def test_one_apps_webhook_for_another_channel_says_nothing_there(suite: Suite, other: Suite) -> None:
    """An app's secret signs for all its products and numbers; the body says which one it is for."""
    request = message(other)
    if suite is other:
        body: Any = json.loads(request.body)
        metadata = body["entry"][0].get("changes", [{}])[0].get("value", {}).get("metadata")
        (metadata if metadata is not None else body["entry"][0])["phone_number_id" if metadata is not None else "id"] = "999"
        request = replace(request, body=json.dumps(body).encode())
    found = suite.adapter.parse(request, suite.account)
    assert found
    assert all(isinstance(event, InboundUnknown) for event in found)
    assert {event.reason for event in found if isinstance(event, InboundUnknown)} <= {
        "other_object",
        "other_account",
        "other_number",
    }


# -------------------------------------------------------------------------------------- web chat and open: id, time and body, by dots


@pytest.mark.parametrize("suite", [WEBCHAT, OPEN], ids=kind)
@given(
    request_id=st.text(alphabet='a.1:{}"', min_size=1, max_size=12),
    text=st.text(alphabet='.0123456789{}[]":, ax\\', max_size=40) | st.from_regex(r"x\.1793620800\.\{[^a]{0,12}", fullmatch=True),
)
def test_no_other_parting_of_what_was_signed_is_understood(suite: Suite, request_id: str, text: str) -> None:
    """Dots in an id or in the customer's words could be taken for those between id, time and body; but what follows them is no JSON then."""
    body: Any = json.loads(message(suite).body)
    body["note"] = text
    body[text] = [text, text]
    raw = json.dumps(body, ensure_ascii=False).encode()
    account, now = suite.account, NOW
    proof = standard_webhooks.signed_headers(account.secrets, request_id, raw, now)
    genuine = RawRequest("POST", account.webhook_url, "", (), {**message(suite).headers, **proof}, raw, now)
    assert understood(suite, genuine)
    signed = f"{request_id}.{proof['webhook-timestamp']}.".encode() + raw
    for found in re.finditer(rb"\.([0-9]{1,12})(?=\.)", signed):
        parts = signed[: found.start()], found.group(1), signed[found.end() + 1 :]
        if parts[2] != raw:
            given = {"webhook-id": parts[0].decode(), "webhook-timestamp": parts[1].decode()}
            assert understood(suite, replace(genuine, headers={**genuine.headers, **given}, body=parts[2])) == []


@pytest.mark.parametrize("suite", [WEBCHAT, OPEN], ids=kind)
@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp"])
def test_id_and_time_are_bound_too(suite: Suite, header: str) -> None:
    request = message(suite)
    with pytest.raises(NotAuthentic):
        verify(suite, replace(request, headers={**request.headers, header: request.headers[header] + "1"}))


# --------------------------------------------------------------------------------------------------- Apple: the caller alone


def test_apples_token_proves_the_caller_for_an_hour_and_binds_nothing_of_the_request() -> None:
    request = message(APPLE)
    verify(APPLE, replace(request, body=b"anything", headers={**request.headers, "id": "another"}))
    with pytest.raises(NotAuthentic):
        APPLE.adapter.verify(
            request, APPLE.account, request.received_at + timedelta(seconds=APPLE.account.token_age_seconds + 60)
        )
