"""What goes wrong with WhatsApp's webhooks at others, and doesn't here."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.envelope import InboundDeletion, InboundEdit, InboundMessage, InboundReaction, InboundUnknown, MediaPart
from adapters.errors import NotUnderstood
from adapters.whatsapp.inbound import parse
from tests.adapters.whatsapp.account import FIXTURES, KIM, NUMBER, account, messages, request


def text(message_id: Any = "wamid.1", **more: Any) -> dict[str, Any]:
    known = {"from": NUMBER, "from_user_id": KIM, "id": message_id, "timestamp": "1789640000"}
    return {**known, "type": "text", "text": {"body": "Hola"}, **more}


def only(item: Any) -> Any:
    (event,) = parse(request(messages(item)), account())
    return event


def test_customers_with_a_username_are_not_lost() -> None:
    """No phone number may ever be required: it is missing, or an empty text, for people with a username."""
    for hidden in ({"from": ""}, {"from": None}, {"from": KIM, "from_user_id": ""}):
        assert only(text(**hidden)).end_user.address == KIM


def test_nothing_of_a_batch_is_skipped() -> None:
    events = parse(request(json.loads((FIXTURES / "batch_with_bad_events.body").read_bytes())), account())
    assert [one.kind for one in events].count("message") == 3
    assert [one.kind for one in events].count("unknown") == 4


def test_a_full_batch_of_a_thousand() -> None:
    events = parse(request(messages(*[text(f"wamid.{number}") for number in range(1000)])), account())
    assert [one.event_id for one in events] == [f"wamid.{number}" for number in range(1000)]


def test_a_delivery_that_never_ends_is_kept_for_an_operator() -> None:
    with pytest.raises(NotUnderstood):
        parse(request(messages(*[None] * 4000)), account())


def test_a_redelivery_has_the_same_ids() -> None:
    first, second = (parse(request(messages(text())), account()) for _ in range(2))
    assert first[0].id == second[0].id


def test_a_lost_file_is_a_failed_part_and_no_empty_message() -> None:
    """The text around a file is there at once; the file has a state of its own."""
    event = only(text(type="image", image={"mime_type": "image/jpeg", "caption": "hinge"}))
    assert isinstance(event, InboundMessage)
    (part,) = event.parts
    assert isinstance(part, MediaPart)
    assert (part.state, part.caption, part.reason) == ("failed", "hinge", "WhatsApp gave no file")


def test_a_button_s_payload_and_the_quoted_message_are_kept() -> None:
    event = only(text(type="button", button={"payload": "YES_1", "text": "Yes"}, context={"id": "wamid.OURS"}))
    assert (event.parts[0].id, event.parts[0].title, event.reply_to) == ("YES_1", "Yes", "wamid.OURS")


def test_numbers_are_kept_as_whatsapp_writes_them() -> None:
    """Brazil's ninth digit or Mexico's 1 is neither added nor taken away: answers go to the number that WhatsApp gave."""
    for number in ("551199991111", "5511999991111", "5215511112222"):
        event = only(text(**{"from": number, "from_user_id": None}))
        assert (event.end_user.address, event.remember["wa_id"]) == (number, number)


def test_events_of_another_number_are_put_aside() -> None:
    body = messages(text())
    body["entry"][0]["changes"][0]["value"]["metadata"]["phone_number_id"] = "107000000000009"
    (event,) = parse(request(body), account())
    assert isinstance(event, InboundUnknown)
    raw: Any = event.raw
    assert (event.reason, raw["messages"][0]["id"]) == ("other_number", "wamid.1")


@pytest.mark.parametrize("order", [("read", "delivered", "sent"), ("sent", "read", "delivered")])
def test_statuses_that_overtake_each_other_keep_their_ranks(order: tuple[str, ...]) -> None:
    value = {"statuses": [{"id": "wamid.X", "status": one, "timestamp": "1789640000", "recipient_id": NUMBER} for one in order]}
    entry = {"id": "2", "changes": [{"field": "messages", "value": value}]}
    events: list[Any] = parse(request({"object": "whatsapp_business_account", "entry": [entry]}), account())
    assert max(events, key=lambda one: one.status.rank).status == "read"
    assert len({one.event_id for one in events}) == 3


ODD: list[Any] = [None, True, 7, 1e999, "x", [], [None], {}, {"id": []}, {"body": {}}, "\x00", "\ud800", {"a": [{}] * 3}]


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize(
    "kind",
    [
        "text",
        "image",
        "audio",
        "document",
        "sticker",
        "location",
        "contacts",
        "interactive",
        "button",
        "order",
        "reaction",
        "edit",
        "revoke",
        "system",
        "unsupported",
    ],
)
def test_odd_contents_are_never_an_error(kind: str, odd: Any) -> None:
    for item in (text(type=kind, **{kind: odd}), text(type=kind, **{kind: {kind: odd, "type": odd, "id": odd, "phones": odd}})):
        assert only(item).channel_id == "wa1"


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("key", ["id", "from", "timestamp", "type", "context", "referral", "errors", "group_id"])
def test_odd_fields_are_never_an_error(key: str, odd: Any) -> None:
    assert only(text(**{key: odd})).channel_id == "wa1"


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("level", ["entry", "changes", "value", "messages", "statuses", "contacts", "metadata", "field"])
def test_odd_envelopes_are_never_an_error(level: str, odd: Any) -> None:
    body = messages(text())
    where = {
        "entry": body,
        "changes": body["entry"][0],
        "value": body["entry"][0]["changes"][0],
        "field": body["entry"][0]["changes"][0],
    }
    where.get(level, body["entry"][0]["changes"][0]["value"])[level] = odd
    assert all(one.channel_id == "wa1" for one in parse(request(body), account()))


def test_nested_deeper_than_the_envelope_takes() -> None:
    deep: Any = []
    for _ in range(400):
        deep = [deep]
    body = messages(text("wamid.deep", novelty=deep), text("wamid.good"))
    events = parse(request(body), account())
    assert [one.kind for one in events] == ["unknown", "message"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"null"])
def test_what_is_no_json_object_is_not_understood(body: bytes) -> None:
    with pytest.raises(NotUnderstood):
        parse(request(body), account())


def test_the_address_of_a_file_reaches_no_reader() -> None:
    event = only(text(type="image", image={"id": "900001", "url": "https://lookaside.example/?secret=1"}))
    assert "lookaside" not in repr(event)
    assert event.parts[0].source == {"id": "900001"}


def echoes(*items: Any) -> dict[str, Any]:
    body = messages()
    value = body["entry"][0]["changes"][0]["value"]
    body["entry"][0]["changes"][0] = {
        "field": "smb_message_echoes",
        "value": {"metadata": value["metadata"], "message_echoes": list(items)},
    }
    return body


def test_what_staff_change_in_the_phone_app_changes_the_message_and_is_staff_s() -> None:
    common = {"from": "15550002222", "to": NUMBER, "to_user_id": KIM, "timestamp": "1789640000"}
    edit = {"type": "edit", "edit": {"original_message_id": "wamid.1", "message": {"type": "text", "text": {"body": "at seven"}}}}
    revoke = {"type": "revoke", "revoke": {"original_message_id": "wamid.1"}}
    reaction = {"type": "reaction", "reaction": {"message_id": "wamid.1", "emoji": "👍"}}
    found = parse(
        request(echoes(*({**common, "id": f"wamid.{one['type']}", **one} for one in (edit, revoke, reaction)))), account()
    )
    assert [one.kind for one in found] == ["edit", "deletion", "reaction"]
    for one in found:
        assert isinstance(one, InboundEdit | InboundDeletion | InboundReaction)
        assert (one.author, one.message_id, one.end_user.address) == ("business", "wamid.1", KIM)


@pytest.mark.parametrize(
    ("context", "forwarded"),
    [({}, None), ({"forwarded": True}, "once"), ({"frequently_forwarded": True}, "often"), ({"forwarded": "no"}, None)],
)
def test_what_was_passed_on_is_marked(context: dict[str, Any], forwarded: str | None) -> None:
    assert only(text(context=context)).forwarded == forwarded


@pytest.mark.parametrize(
    "body",
    [
        {"object": "whatsapp_business_account", "entry": "nonsense"},
        {"object": "whatsapp_business_account"},
        {"object": "whatsapp_business_account", "entry": []},
        {"object": "whatsapp_business_account", "entry": [7]},
        {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": {"field": "messages"}}]},
        {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [[]]}]},
        {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{"field": "messages", "value": "x"}]}]},
        {
            "object": "whatsapp_business_account",
            "entry": [{"id": "1", "changes": [{"field": "messages", "value": {"messages": 1}}]}],
        },
    ],
)
def test_a_signed_delivery_of_a_strange_shape_is_kept_as_unknown(body: dict[str, Any]) -> None:
    (event,) = parse(request(body), account())
    assert isinstance(event, InboundUnknown)
    assert event.reason


def test_what_is_no_list_beside_a_sound_one_is_kept_too() -> None:
    body = messages(text())
    body["entry"][0]["changes"][0]["value"]["statuses"] = "nonsense"
    assert [event.kind for event in parse(request(body), account())] == ["message", "unknown"]


def test_a_card_brings_its_addresses_and_pages() -> None:
    card = {
        "name": {"formatted_name": "Leo Paz"},
        "addresses": [
            {"street": "Gran Via 1", "zip": "28013", "city": "Madrid", "country": "Spain", "country_code": "es", "type": "WORK"},
            {"city": "Vigo", "country_code": "es"},
            {},
        ],
        "urls": [{"url": "https://paz.example", "type": "WORK"}],
    }
    (part,) = only(text(type="contacts", contacts=[card])).parts
    assert part.addresses == ("Gran Via 1, 28013, Madrid, Spain", "Vigo, es")
    assert part.urls == ("https://paz.example",)
    assert part.plain == "[contact: Leo Paz, Gran Via 1, 28013, Madrid, Spain, Vigo, es, https://paz.example]"


def test_a_vcard_brings_them_too() -> None:
    lines = (
        "BEGIN:VCARD",
        "FN:Leo Paz",
        "ORG:Paz;Sales",
        "ADR;TYPE=work:;;Gran Via 1;Madrid;;28013;Spain",
        "URL:https://paz.example",
    )
    (part,) = only(text(type="contacts", contacts=[{"vcard": "\r\n".join(lines)}])).parts
    assert (part.organisation, part.urls) == ("Paz, Sales", ("https://paz.example",))
    assert part.addresses == ("Gran Via 1, Madrid, 28013, Spain",)


def test_a_place_is_told_to_a_metre() -> None:
    (part,) = only(text(type="location", location={"latitude": 53.541342, "longitude": -122.984177})).parts
    assert part.plain == "[location: 53.541342, -122.984177]"


def test_half_a_letter_in_a_form_s_answer_costs_that_letter_alone() -> None:
    answer = {
        "type": "nfm_reply",
        "nfm_reply": {"name": "flow", "body": "Sent", "response_json": '{"name": "Ana \\ud83d", "n": NaN}'},
    }
    (part,) = only(text(type="interactive", interactive=answer)).parts
    assert part.fields == {"name": "Ana \ufffd", "n": None}
    part.model_dump_json()
