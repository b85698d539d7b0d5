"""What comes out of Apple's webhooks: one row a situation; the bodies and the full expectations stand in fixtures/."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.apple.inbound import parse, verify
from adapters.apple.wire import BALLOON
from adapters.conformance import Case, told
from adapters.envelope import INBOUND, InboundUnknown, MediaPart, TextPart
from adapters.errors import NotUnderstood
from tests.adapters.apple.account import BUSINESS, FIXTURES, NOW, account, event, request, said
from tests.adapters.apple.suite import SUITE

CASES: dict[str, tuple[str, str]] = {  # fixture -> kind, and what a rep reads or the reason
    "text": ("message", "Hello"),
    "text_emoji_not_gzipped": ("message", "héllo 👋🏽\nsecond line"),
    "text_unknown_fields": ("message", "Hi"),
    "tapback": ("message", "Liked “Your order has shipped”"),
    "photo_without_caption": ("message", "[image: IMG_0001.HEIC]"),
    "photo_between_words": ("message", "see\n[image: IMG_0001.HEIC]\nand\n[file: note.pdf]\nthere"),
    "voice_message": ("message", "[voice: Audio Message.caf]"),
    "attachment_without_key": ("message", "look\n[image: a.jpg]"),
    "mark_without_attachment": ("message", "[attachment that did not arrive]"),
    "empty_text": ("unknown", "empty"),
    "list_choice": ("message", "Blue"),
    "list_two_choices": ("message", "Red\nBlue"),
    "time_choice": ("message", "2026-09-30 16:00 +0200"),
    "quick_reply": ("message", "No"),
    "form": ("message", "Details sent\nYour name: Kim Lee\nSizes: Small, Large"),
    "sign_in": ("message", "Signed in"),
    "sign_in_failed": ("message", "Sign-in: failed"),
    "payment": ("message", "Paid 12.00 EUR"),
    "app_message": ("message", "Seat 4"),
    "interactive_novelty": ("message", "[interactive message]"),
    "large_answer": ("message", "Blue\n[file: answer.json]"),
    "large_answer_also_as_attachment": (
        "message",
        "[an answer that is too large to be included; the choice is in the file]\n[file: answer.json]",
    ),
    "interactive_without_data": ("unknown", "malformed"),
    "typing_start": ("typing", "True"),
    "typing_end": ("typing", "False"),
    "close": ("ended", "closed"),
    "close_of_updates": ("ended", "closed"),
    "pass_thread_control": ("unknown", "pass_thread_control"),
    "take_thread_control": ("unknown", "take_thread_control"),
    "unknown_type": ("unknown", "hologram"),
    "other_business": ("unknown", "other_business"),
    "business_as_urn": ("message", "Hello"),
    "sender_only_in_header": ("message", "Hello"),
    "sender_unfit": ("unknown", "malformed"),
    "echo_of_ours": ("unknown", "echo"),
    "echo_of_another_tool": ("message", "From the shop's till"),
    "echo_of_another_tools_link": ("message", "https://shop.example.test/p/1"),
    "echo_of_another_tools_picker": ("message", "Pick a colour"),
    "echo_of_typing": ("unknown", "echo"),
    "video": ("message", "[video: IMG_0002.MOV]"),
    "audio": ("message", "[audio: song.m4a]"),
    "pass_for_the_wallet": ("message", "my ticket\n[file: ticket.pkpass]"),
    "tapback_in_another_language": ("message", "Gefällt „Ihre Bestellung ist unterwegs“"),
    "sign_in_of_the_old_kind": ("message", "Sign-in: failed"),
    "reply_without_choice": ("message", "Nothing of these"),
    "answer_with_photo": ("message", "Yes\n[image: IMG_0001.HEIC]"),
}


def recorded(name: str) -> Case:
    case = next(one for one in SUITE.cases if one.name == name)
    assert case.request.received_at == NOW
    return case


@pytest.mark.parametrize("name", CASES)
def test_recorded(name: str) -> None:
    case = recorded(name)
    verify(case.request, account(), NOW)
    events = parse(case.request, account())
    assert [told(one) for one in events] == case.expected
    (only,) = events
    words = (getattr(only, one) for one in ("plain", "reason", "on") if hasattr(only, one))
    assert (only.kind, str(next(words))) == CASES[name]


def test_every_fixture_has_its_row() -> None:
    assert {path.name.removesuffix(".body") for path in FIXTURES.glob("*.body")} == set(CASES)


def test_the_raw_event_is_kept() -> None:
    (only,) = parse(request(event(novelty=[1, None])), account())
    assert only.raw == event(novelty=[1, None])


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b'"text"', b"{", b"\xff\xfe{}", b'{"a": NaN}', b"[" * 5000, b'{"a":' * 5000, b"1" * 5000],
    ids=["empty", "null", "list", "string", "cut", "not_utf8", "nan", "deep_list", "deep_object", "long_number"],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_broken_json_is_not_understood(body: bytes, zipped: bool) -> None:
    with pytest.raises(NotUnderstood):
        parse(request(body, zipped=zipped), account())


def test_a_zip_bomb_is_not_unpacked() -> None:
    bomb = request(b'{"body":"' + b" " * 5_000_000 + b'"}')
    assert len(bomb.body) < 10_000
    with pytest.raises(NotUnderstood, match="over 1048576 bytes"):
        parse(bomb, account())


def test_cut_gzip_is_not_understood() -> None:
    whole = request(event())
    for broken in (whole.body[:-9], whole.body[:12] + b"\0" + whole.body[13:]):
        with pytest.raises(NotUnderstood):
            parse(replace(whole, body=broken), account())


def test_nested_deeper_than_the_envelope_takes_keeps_the_sender() -> None:
    deep: Any = []
    for _ in range(400):
        deep = [deep]
    (only,) = parse(request(event(novelty=deep)), account())
    assert isinstance(only, InboundUnknown)
    assert (only.reason, only.event_id) == ("malformed", event()["id"])


@pytest.mark.parametrize(
    "fields",
    [
        {"type": None},
        {"type": ["text"]},
        {"type": {}, "id": 7},
        {"sourceId": 7.5, "body": None},
        {"body": 12},
        {"body": ["Hello"]},
        {"attachments": "photo"},
        {"attachments": [None, 1, "x", {}]},
        {"type": "interactive", "interactiveData": []},
        {"type": "interactive", "interactiveData": {"data": {"listPicker": {"sections": [{"items": [{"title": {}}]}]}}}},
        {
            "type": "interactive",
            "interactiveData": {"data": {"event": {"timeslots": [{"startTime": "soon"}], "timezoneOffset": 1e99}}},
        },
        {"type": "interactive", "interactiveData": {"data": {"event": {"timeslots": [{"startTime": "2026-09-30T14:00+0000"}]}}}},
        {"type": "interactive", "interactiveData": {"data": {"quick-reply": {"selectedIndex": 9, "items": [{"title": "A"}]}}}},
        {"type": "interactive", "interactiveData": {"data": {"dynamic": {"selections": [{"items": [{}]}, {}]}}}},
        {"type": "interactive", "interactiveDataRef": {"url": 1}},
        {"attachments": [{"url": "https://x.test/\r\nEvil: 1", "owner": "o", "signature": "zz", "key": "00"}]},
    ],
)
def test_strange_fields_are_never_an_error(fields: dict[str, Any]) -> None:
    (only,) = parse(request(event(**fields)), account())
    assert only.channel_id == "apple1"


def test_lone_halves_of_emoji_do_not_break_the_store() -> None:
    message = said(parse(request(b'{"id":"a","type":"text","body":"x \\ud83d y"}'), account()))
    assert message.plain.encode() == b"x ? y"


def test_more_than_a_phone_makes_is_refused_before_it_costs_time() -> None:
    body = b'{"id":"a","type":"text","body":"x","attachments":[' + b"{}," * 300_000 + b"{}]}"
    with pytest.raises(NotUnderstood):
        parse(request(body, zipped=False), account())
    (only,) = parse(request(event(attachments=[{}] * 501)), account())
    assert isinstance(only, InboundUnknown)
    assert only.reason == "malformed"


def test_a_text_of_marks_alone_stays_one_part() -> None:
    message = said(parse(request(event(body="a\ufffc" * 2000)), account()))
    assert message.parts == (TextPart(text="a" * 2000),)


def test_without_an_id_the_bytes_name_the_event() -> None:
    body = {name: value for name, value in event().items() if name != "id"}
    first, again, other = (parse(request(one), account())[0].event_id for one in (body, body, {**body, "body": "Bye"}))
    assert first == again != other
    assert parse(request(body, id="from-the-header"), account())[0].event_id == "from-the-header"


def test_the_signature_of_an_attachment_becomes_base64() -> None:
    """The trap: a hex text is base64 too, so a forgotten step shows only when the download fails."""
    part = recorded("photo_without_caption").expected[0]["parts"][0]
    assert part["source"]["signature"] == "gaqqqqqqqqqq"


def answer(session: str | None = "S-1", choice: str = "Blue", **fields: Any) -> dict[str, Any]:
    data = {"bid": BALLOON, "data": {"listPicker": {"sections": [{"items": [{"identifier": choice, "title": choice}]}]}}}
    return event("interactive", interactiveData=data | ({"sessionIdentifier": session} if session else {}), **fields)


def test_an_answer_that_comes_twice_under_two_ids_is_one_event() -> None:
    """Apple was seen to send answers twice, a second apart, with ids of their own and one sessionIdentifier."""
    first, twin = (parse(request(answer(id=one)), account())[0] for one in ("id-1", "id-2"))
    assert first.event_id == twin.event_id
    assert said([first]).message_id == "id-1"
    changed, elsewhere, unbound = (
        parse(request(one), account())[0] for one in (answer(choice="Red"), answer("S-2"), answer(None, id="id-4"))
    )
    assert len({first.event_id, changed.event_id, elsewhere.event_id, unbound.event_id}) == 4
    assert unbound.event_id == "id-4"


def test_equal_answers_count_each_where_the_operator_says_so() -> None:
    each = account(same_answer_once=False)
    assert [parse(request(answer(id=one)), each)[0].event_id for one in ("id-1", "id-2")] == ["id-1", "id-2"]


def test_a_message_opens_a_closed_conversation_and_typing_does_not() -> None:
    assert parse(request(event("close")), account())[0].remember["closed"] is True
    assert "closed" not in parse(request(event("typing_start")), account())[0].remember
    assert parse(request(event()), account())[0].remember["closed"] is None


def test_the_newest_capabilities_are_remembered() -> None:
    remembered = parse(request(event(), capability_list=" list,TIME%2Cform, list,,"), account())[0].remember
    assert remembered["capabilities"] == ["LIST", "TIME", "FORM"]
    assert "capabilities" not in parse(request(event()), account())[0].remember


def test_a_token_of_a_sign_in_reaches_no_reader() -> None:
    case = recorded("sign_in")
    (only,) = parse(case.request, account())
    assert "made-up-token" not in f"{only!r}{only.model_dump_json(exclude={'raw'})}"


def test_keys_of_files_stay_out_of_sight() -> None:
    message = said(parse(recorded("photo_without_caption").request, account()))
    assert isinstance(message.parts[0], MediaPart)
    assert "C0FFEE" not in repr(message)


def test_an_echo_names_the_customer_and_not_the_business() -> None:
    (only,) = parse(recorded("echo_of_another_tool").request, account())
    assert only.end_user is not None
    assert only.end_user.address != BUSINESS


def test_an_echo_that_says_nothing_or_has_a_strange_id() -> None:
    for fields in ({"body": ""}, {"body": "x", "id": "no-uuid"}):
        (only,) = parse(request(event(sourceId=BUSINESS, destinationId="urn:mbid:kim", **fields)), account())
        assert only.kind == ("unknown" if not fields["body"] else "message")


def test_a_body_too_large_that_was_never_packed() -> None:
    with pytest.raises(NotUnderstood, match="over 1048576 bytes"):
        parse(request(event(body="x" * 1_048_576), zipped=False), account())


# ------------------------------------------------------------------------------------------------- made-up nonsense

SEEDS: list[dict[str, Any]] = [
    parse(case.request, account())[0].raw for case in SUITE.cases if not case.name.startswith("sender")
]
NONSENSE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any) -> list[tuple[Any, ...]]:
    """The way to every member of a JSON value."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for key, inner in members for path in [(key,), *((key, *rest) for rest in places(inner))]]


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """The same value with another member there."""
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(value[path[0]], path[1:], new) if path[1:] else new
    return copy


@settings(deadline=None)
@given(st.sampled_from(SEEDS), st.data())
def test_any_member_may_be_nonsense(seed: dict[str, Any], data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(places(seed)))
    (only,) = parse(request(changed(seed, path, data.draw(NONSENSE))), account())
    assert INBOUND.validate_json(only.model_dump_json()) == only


@settings(deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_end_in_an_event_or_not_understood(body: bytes, zipped: bool) -> None:
    with contextlib.suppress(NotUnderstood):
        assert len(parse(request(body, zipped=zipped), account())) == 1
    with contextlib.suppress(NotUnderstood):
        parse(request(b"\x1f\x8b\x08" + body, zipped=False), account())
