"""What goes wrong with Messenger's webhooks at others, and doesn't here."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.envelope import InboundMessage, InboundReceipt, InboundUnknown
from adapters.errors import NotUnderstood
from adapters.messenger.inbound import parse
from tests.adapters.messenger.account import APP, KIM, PAGE, account, event, events, request


def only(item: Any, key: str = "messaging", **settings: Any) -> Any:
    (found,) = parse(request(events(item, key=key)), account(**settings))
    return found


def echo(**message: Any) -> dict[str, Any]:
    return {
        **event(message={"mid": "m_1", "text": "Hi", "is_echo": True, **message}),
        "sender": {"id": PAGE},
        "recipient": {"id": KIM},
    }


def test_our_own_echo_is_a_receipt_that_names_our_row() -> None:
    """It may come before the answer to our call; the row is found by our id, so nothing is shown twice."""
    found = only(echo(app_id=int(APP), metadata="ntc_7"))
    assert isinstance(found, InboundReceipt)
    assert (found.status, found.outbox_id, found.message_ids) == ("sent", "ntc_7", ("m_1",))


def test_what_staff_write_elsewhere_is_ours_without_an_author() -> None:
    found = only(echo(app_id=263902037430900))
    assert isinstance(found, InboundMessage)
    assert found.end_user is not None
    assert (found.author, found.end_user.address) == ("business", KIM)


def test_an_echo_with_a_copied_metadata_is_not_taken_for_ours() -> None:
    assert only(echo(app_id=99, metadata="msg_1")).kind == "message"


def test_nothing_of_a_batch_is_skipped() -> None:
    body = events(*[event(message={"mid": f"m_{number}", "text": "x"}) for number in range(500)])
    body["entry"] = [body["entry"][0], {**body["entry"][0], "messaging": [event(read={"watermark": 1})]}]
    found = parse(request(body), account())
    assert len(found) == 501
    assert len({one.event_id for one in found}) == 501


def test_a_delivery_that_never_ends_is_kept_for_an_operator() -> None:
    with pytest.raises(NotUnderstood):
        parse(request(events(*[None] * 4000)), account())


def test_one_sticker_is_one_part() -> None:
    """All summer of 2026 each sticker stood there twice."""
    payload = {"url": "https://cdn.example/1", "sticker_id": 5}
    both = [{"type": "image", "payload": payload}, {"type": "sticker", "payload": payload}]
    other = {"type": "sticker", "payload": {"url": "https://cdn.example/2", "sticker_id": 6}}
    assert len(only(event(message={"mid": "m", "attachments": [*both, other]})).parts) == 2


def test_standby_is_kept_aside_unless_it_is_wanted() -> None:
    """While another app holds the thread its events come as `standby`: not lost, and not shown as if we should answer."""
    item = event(message={"mid": "m_1", "text": "to the bot"})
    aside, shown = only(item, "standby"), only(item, "standby", read_standby=True)
    assert (aside.plain, aside.standby, shown.plain, shown.standby) == ("to the bot", True, "to the bot", False)


def test_standby_as_field_and_value_is_kept_aside_too() -> None:
    assert only({"field": "standby", "value": event(message={"mid": "m_1", "text": "to the bot"})}, "changes").standby is True


def test_a_message_that_comes_in_standby_and_then_to_us_is_two_events() -> None:
    """The first is kept aside; were the second taken for a redelivery of it, nobody would answer."""
    item = event(message={"mid": "m_1", "text": "to the bot"})
    assert only(item, "standby").event_id != only(item).event_id
    assert only(item, "standby").message_id == only(item).message_id


BOT, INBOX = "99000000000001", "263902037430900"
CONTROL: list[tuple[str, dict[str, Any], tuple[str, str | None] | None]] = [
    ("pass_thread_control", {"previous_owner_app_id": BOT, "new_owner_app_id": APP}, ("to_us", BOT)),
    ("pass_thread_control", {"previous_owner_app_id": None, "new_owner_app_id": int(APP)}, ("to_us", None)),
    ("pass_thread_control", {}, ("to_us", None)),  # told to the new owner
    ("pass_thread_control", {"previous_owner_app_id": APP, "new_owner_app_id": INBOX}, ("away", INBOX)),
    ("pass_thread_control", {"previous_owner_app_id": BOT, "new_owner_app_id": INBOX}, None),  # between two others
    ("take_thread_control", {"previous_owner_app_id": APP, "new_owner_app_id": INBOX}, ("away", INBOX)),
    ("take_thread_control", {"previous_owner_app_id": None, "new_owner_app_id": INBOX}, ("away", INBOX)),
    ("take_thread_control", {}, ("away", None)),  # told to the owner before
    ("take_thread_control", {"previous_owner_app_id": BOT, "new_owner_app_id": APP}, ("to_us", BOT)),
    ("take_thread_control", {"previous_owner_app_id": BOT, "new_owner_app_id": INBOX}, None),
    ("request_thread_control", {"requested_owner_app_id": 99000000000001}, ("requested", BOT)),
]


@pytest.mark.parametrize(("key", "told", "expected"), CONTROL)
def test_who_answers_from_now_on(key: str, told: dict[str, Any], expected: tuple[str, str | None] | None) -> None:
    found = only(event(**{key: told}))
    assert (found.kind == "handover") is (expected is not None)
    if expected is not None:
        assert (found.change, found.app_id) == expected
    owner = told.get("new_owner_app_id")
    assert found.remember == ({"thread_owner": str(owner)} if owner else {})


def test_where_an_answer_takes_the_thread_reps_may_go_on() -> None:
    taken = event(take_thread_control={"previous_owner_app_id": APP, "new_owner_app_id": INBOX})
    assert (only(taken).may_answer, only(taken, take_thread=True).may_answer) == (False, True)


def test_metadata_of_another_app_is_bounded() -> None:
    found = only(event(pass_thread_control={"new_owner_app_id": APP, "metadata": "\x07" + "x" * 5000}))
    assert found.metadata == "x" * 999 + "…"


def test_the_end_of_an_agreement_is_no_agreement() -> None:
    optin = {"type": "notification_messages", "title": "News", "notification_messages_token": "t"}
    assert only(event(optin=optin)).kind == "referral"
    assert only(event(optin={**optin, "notification_messages_status": "STOP NOTIFICATIONS"})).kind == "unknown"
    assert only(event(optin={**optin, "notification_messages_status": "RESUME NOTIFICATIONS"})).kind == "referral"


def test_tokens_of_an_optin_are_shown_to_nobody() -> None:
    found = only(event(optin={"type": "notification_messages", "title": "News", "notification_messages_token": "secret-token"}))
    assert "secret-token" not in found.referral.model_dump_json()


def test_a_checkbox_that_names_a_reference_alone_is_nobodys() -> None:
    item = {"recipient": {"id": PAGE}, "timestamp": 1789640000123, "optin": {"ref": "cart-7", "user_ref": "box-1"}}
    assert only(item).kind == "unknown"


def test_the_same_reaction_later_is_another_event() -> None:
    first = event(reaction={"mid": "m_1", "action": "react", "emoji": "❤"})
    later = {**first, "timestamp": 1789640009999}
    ids = {one.event_id for one in (only(first), only(first), only(later))}
    assert len(ids) == 2


def test_an_edit_again_is_another_event() -> None:
    edits = [only(event(message_edit={"mid": "m_1", "text": "x", "num_edit": number})) for number in (1, 2)]
    assert {one.event_id for one in edits} == {"edit:m_1:1", "edit:m_1:2"}


def test_watermarks_apply_to_all_that_was_sent_until_then() -> None:
    found = only(event(read={"watermark": 1789640001999}))
    assert found.up_to is not None
    assert found.message_ids == ()


ODD: list[Any] = [None, True, 7, 1e999, "x", [], [None], {}, {"id": []}, "\x00", "\ud800", {"a": [{}] * 3}]
KINDS = [
    "message",
    "postback",
    "message_edit",
    "reaction",
    "delivery",
    "read",
    "order",
    "optin",
    "policy_enforcement",
    "pass_thread_control",
    "take_thread_control",
    "request_thread_control",
    "referral",
]


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("kind", KINDS)
def test_odd_contents_are_never_an_error(kind: str, odd: Any) -> None:
    inner = {"mid": "m_1", "text": odd, "watermark": odd, "mids": odd, "attachments": odd, "products": odd, "emoji": odd}
    for item in (event(**{kind: odd}), event(**{kind: inner})):
        assert only(item).channel_id == "ms1"


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("key", ["sender", "recipient", "timestamp"])
def test_odd_fields_are_never_an_error(key: str, odd: Any) -> None:
    assert only({**event(message={"mid": "m_1", "text": "x"}), key: odd}).channel_id == "ms1"


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("key", ["type", "payload"])
@pytest.mark.parametrize("kind", ["image", "file", "sticker", "fallback", "location", "template", "appointment_booking"])
def test_odd_attachments_are_never_an_error(kind: str, key: str, odd: Any) -> None:
    attachment = {
        "type": kind,
        "payload": {"url": odd, "coordinates": odd, "sticker_id": odd, "elements": odd, "start_time": odd},
        key: odd,
    }
    assert only(event(message={"mid": "m_1", "attachments": [attachment, odd]})).channel_id == "ms1"


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("key", ["entry", "messaging", "standby", "changes", "id"])
def test_odd_envelopes_are_never_an_error(key: str, odd: Any) -> None:
    body = events(event(message={"mid": "m_1", "text": "x"}))
    (body if key == "entry" else body["entry"][0])[key] = odd
    assert all(one.channel_id == "ms1" for one in parse(request(body), account()))


def test_nested_deeper_than_the_envelope_takes() -> None:
    deep: Any = []
    for _ in range(400):
        deep = [deep]
    body = events(
        event(message={"mid": "m_1", "text": "x"}, novelty=deep),
        event(novelty={"deep": deep}),
        event(message={"mid": "m_2", "text": "y"}),
    )
    found = parse(request(body), account())
    assert [one.kind for one in found] == ["unknown", "unknown", "message"]


def test_events_of_another_page_are_put_aside() -> None:
    body = events(event(message={"mid": "m_1", "text": "x"}))
    body["entry"][0]["id"] = "999"
    (found,) = parse(request(body), account())
    assert isinstance(found, InboundUnknown)
    assert found.reason == "other_account"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"null"])
def test_what_is_no_json_object_is_not_understood(body: bytes) -> None:
    with pytest.raises(NotUnderstood):
        parse(request(body), account())


@pytest.mark.parametrize(
    "body",
    [
        {"object": "page", "entry": "nonsense"},
        {"object": "page"},
        {"object": "page", "entry": []},
        {"object": "page", "entry": [7]},
        {"object": "page", "entry": [{"id": PAGE, "messaging": {"sender": 1}}]},
    ],
)
def test_a_signed_delivery_of_a_strange_shape_is_kept_as_unknown(body: dict[str, Any]) -> None:
    (found,) = parse(request(body), account())
    assert isinstance(found, InboundUnknown)
    assert found.reason
