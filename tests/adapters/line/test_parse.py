"""What LINE's webhooks become: one row a situation."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.envelope import INBOUND, Inbound, InboundEdit, TextPart
from adapters.errors import NotUnderstood
from adapters.line import ADAPTER
from tests.adapters.line.account import ACCOUNT, FIXTURES, KIM, NOW, an_account, expected, fixture, webhook

DUMP: dict[str, Any] = {"mode": "json", "exclude": {"raw"}, "exclude_defaults": True}


@dataclass(frozen=True)
class Case:
    """A fixture, and the kinds of what comes out of it."""

    name: str
    kinds: str


CASES = [
    Case("no_events", ""),
    Case("text", "message"),
    Case("text_many_scripts", "message"),
    Case("text_with_emoji_and_mention", "message"),
    Case("text_quoting", "message"),
    Case("image", "message"),
    Case("image_external", "message"),
    Case("image_set", "message message"),
    Case("video", "message"),
    Case("video_external", "message"),
    Case("audio", "message"),
    Case("file", "message"),
    Case("location", "message"),
    Case("location_bare", "message"),
    Case("sticker", "message"),
    Case("sticker_with_own_words", "message"),
    Case("sticker_without_keywords", "message"),
    Case("unknown_message_type", "message"),
    Case("redelivered", "message"),
    Case("standby", "message"),
    Case("unsend", "deletion"),
    Case("follow", "unknown"),
    Case("follow_unblocked", "unknown"),
    Case("unfollow", "ended"),
    Case("postback", "message"),
    Case("postback_datetime", "message"),
    Case("postback_date", "message"),
    Case("postback_time", "message"),
    Case("postback_menu_switch", "unknown"),
    Case("video_watched", "receipt"),
    Case("video_of_another_tool_watched", "unknown"),
    Case("beacon", "unknown"),
    Case("account_link", "unknown"),
    Case("account_link_failed", "unknown"),
    Case("membership_joined", "unknown"),
    Case("activated", "handover"),
    Case("deactivated", "handover"),
    Case("bot_suspended", "unknown"),
    Case("bot_resumed", "unknown"),
    Case("phone_number_delivery", "unknown"),
    Case("unknown_event_type", "unknown"),
    Case("module_attached", "unknown"),
    Case("module_detached", "unknown"),
    Case("group_text", "unknown"),
    Case("room_text", "unknown"),
    Case("group_edited", "unknown"),
    Case("group_unsend", "unknown"),
    Case("join", "unknown"),
    Case("leave", "unknown"),
    Case("member_joined", "unknown"),
    Case("member_left", "unknown"),
    Case("dummy_reply_tokens", "unknown unknown"),
    Case("other_account", "unknown"),
    Case("batch_of_two_users_with_bad_events", "message unknown unknown unknown message"),
    Case("message_without_sender", "unknown"),
    Case("odd_timestamp", "message"),
    Case("half_a_surrogate_pair", "message"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_parse(case: Case) -> None:
    request = fixture(case.name)
    ADAPTER.verify(request, ACCOUNT, NOW)
    events = ADAPTER.parse(request, ACCOUNT)
    assert [event.model_dump(**DUMP) for event in events] == expected(case.name)
    assert [event.kind for event in events] == case.kinds.split()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_provider_s_own_event_is_kept(case: Case) -> None:
    request = fixture(case.name)
    kept = [event.raw for event in ADAPTER.parse(request, ACCOUNT)]
    if case.name != "half_a_surrogate_pair":
        assert kept == json.loads(request.body)["events"]


def test_every_fixture_has_its_row() -> None:
    assert sorted(path.name.removesuffix(".body") for path in FIXTURES.glob("*.body")) == sorted(case.name for case in CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_envelopes_survive_json(case: Case) -> None:
    for event in ADAPTER.parse(fixture(case.name), ACCOUNT):
        assert INBOUND.validate_json(INBOUND.dump_json(event)) == event


def test_a_redelivered_event_has_the_same_ids() -> None:
    body = fixture("text").body
    again = webhook(body.replace(b'"isRedelivery":false', b'"isRedelivery":true'))
    first, second = ADAPTER.parse(webhook(body), ACCOUNT)[0], ADAPTER.parse(again, ACCOUNT)[0]
    assert (first.event_id, first.id, first.provider_time) == (second.event_id, second.id, second.provider_time)


def test_an_event_without_an_id_is_known_again_by_its_content() -> None:
    def one(redelivery: str, text: str = "x") -> bytes:
        event = f'{{"type":"unfollow","deliveryContext":{{"isRedelivery":{redelivery}}},"source":{{"type":"user","userId":"{text}"}}}}'
        return f'{{"events":[{event}]}}'.encode()

    first, again, other = (ADAPTER.parse(webhook(body), ACCOUNT)[0] for body in (one("false"), one("true"), one("false", "y")))
    assert first.event_id == again.event_id != other.event_id


def test_an_edit_is_read_should_line_ever_send_one_to_us() -> None:
    """Source: LINE Developers, "Edit event": so far sent for groups alone."""
    body = fixture("text").body.replace(b'"type":"message"', b'"type":"messageEdited"').replace(b'"Hi"', b'"Hello"')
    event = ADAPTER.parse(webhook(body), ACCOUNT)[0]
    assert isinstance(event, InboundEdit)
    assert (event.message_id, event.parts) == ("5551112220001", (TextPart(text="Hello"),))


def test_without_a_bot_id_every_destination_is_ours() -> None:
    account = an_account(bot_user_id=None)
    assert ADAPTER.parse(fixture("other_account"), account)[0].kind == "message"


def test_a_group_s_reply_token_never_answers_a_person() -> None:
    for case in ("group_text", "room_text", "join", "member_joined", "dummy_reply_tokens", "other_account"):
        assert all(event.end_user is None and not event.remember for event in ADAPTER.parse(fixture(case), ACCOUNT))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'"events"',
        b"{}",
        b'{"events":{}}',
        b'{"events":null}',
        b"[" * 100_000,
        b'{"events":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"events":[' + b"1" * 10_000 + b"]}",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_what_is_no_webhook_is_not_understood(body: bytes) -> None:
    with pytest.raises(NotUnderstood):
        ADAPTER.parse(webhook(body), ACCOUNT)


@pytest.mark.parametrize(
    "event",
    [
        "null",
        "7",
        '"text"',
        "[]",
        "{}",
        '{"type":null}',
        '{"type":"message"}',
        '{"type":"message","message":[]}',
        '{"type":"message","source":"kim","message":{"type":"text","id":"1","text":"x"}}',
        '{"type":"message","source":{"type":"user","userId":7},"message":{"type":"text","id":"1","text":"x"}}',
        f'{{"type":"message","source":{{"type":"user","userId":"{KIM}"}},"message":{{"type":"text","id":1,"text":"x"}}}}',
        f'{{"type":"message","source":{{"type":"user","userId":"{KIM}"}},"message":{{"id":"1","text":"x"}}}}',
        f'{{"type":"message","source":{{"type":"user","userId":"{KIM}"}},"message":'
        '{"type":"location","id":"1","latitude":NaN,"longitude":1e999}}',
        f'{{"type":"postback","source":{{"type":"user","userId":"{KIM}"}},"postback":{{"data":7}}}}',
        '{"a":' * 400 + "1" + "}" * 400,
    ],
    ids=lambda event: str(event)[:40],
)
def test_a_bad_event_costs_only_itself(event: str) -> None:
    good = fixture("text").body.decode()
    body = good.replace('"events":[', f'"events":[{event},').encode()
    bad, text = ADAPTER.parse(webhook(body), ACCOUNT)
    assert (bad.kind, text.kind) == ("unknown", "message")
    assert getattr(bad, "reason", None) == "malformed"


# ------------------------------------------------------------------------------------------------ what goes wrong


def test_dummy_tokens_of_the_console_s_check_are_never_answered() -> None:
    """github.com/line/line-bot-sdk-python/issues/188: answering them fails with 400."""
    for event in ADAPTER.parse(fixture("dummy_reply_tokens"), ACCOUNT):
        assert (event.kind, getattr(event, "reason", None), event.remember) == ("unknown", "connection_check", {})


def test_group_chats_come_without_a_sender_and_are_put_aside_whole() -> None:
    """github.com/line/line-bot-sdk-java/issues/40, github.com/chatwoot/chatwoot/issues/8427."""
    body = fixture("group_text").body.replace(f',"userId":"{KIM}"'.encode(), b"")
    (event,) = ADAPTER.parse(webhook(body), ACCOUNT)
    assert (event.kind, getattr(event, "reason", None), event.end_user) == ("unknown", "group", None)
    assert event.raw["source"] == {"type": "group", "groupId": "Ca56f94637c0000000000000000000001"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
BODIES = [fixture(case.name).body for case in CASES]


@given(st.sampled_from(BODIES), st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=3)), max_size=4))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_torn_bodies_end_in_envelopes_or_not_understood(body: bytes, tears: list[tuple[int, bytes]]) -> None:
    for place, new in tears:
        body = body[:place] + new + body[place + len(new) + 1 :]
    read(body)


@given(st.sampled_from(BODIES), st.data())
@settings(max_examples=300, deadline=None, derandomize=True)
def test_strange_values_end_in_envelopes(body: bytes, data: st.DataObject) -> None:
    payload = json.loads(body)
    for event in payload["events"]:
        spot = event
        for _ in range(data.draw(st.integers(1, 3))):
            key = data.draw(st.sampled_from(sorted(spot)))
            if not isinstance(spot[key], dict) or not spot[key]:
                break
            spot = spot[key]
        spot[data.draw(st.sampled_from(sorted(spot)))] = data.draw(JSON)
    assert len(read(json.dumps(payload).encode())) == len(payload["events"])


def read(body: bytes) -> list[Inbound]:
    request = webhook(body)
    ADAPTER.verify(request, ACCOUNT, NOW)
    try:
        events = ADAPTER.parse(request, ACCOUNT)
    except NotUnderstood:
        return []
    for event in events:
        INBOUND.dump_json(event)
    return events
