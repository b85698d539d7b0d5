"""Slips that people make in an adapter, each a change to one line of a sound one, and the check of the kit that must catch it.

Three channels are changed: the template that `byoc new-channel` writes, the open channel (speakers, quotations, receipts for several messages)
and WhatsApp (aliases, file rules, no retry key). A slip that no check can catch says why.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True)
class Slip:
    """In `file` of the channel, `old` stands once and becomes `new`. `caught_by` is a check of the kit, without the fixture's name for
    `parses`; where it is empty, nothing catches it, and `why` says why. With `dumped`, the fixtures' expected.json were written from what
    the slipped adapter gives, as a hasty author would."""

    name: str
    channel: str
    file: str
    old: str
    new: str
    caught_by: str = ""
    why: str = ""
    dumped: bool = field(default=False)

    def __str__(self) -> str:
        return self.name


_VERIFIED: Final = "    if not any_same(given, [hmac_hex(secret, request.body) for secret in secrets]):"
_EVENTS: Final = '[(optional(dict_of(event), "id"), event) for event in events]'
_SENT: Final = "    return Sent(message_ids=(message_id,) if message_id else ())"
_FAILED: Final = '        raise failure(reply, now, table=FAILURES, provider_code=optional(answer_of(reply), "code"))'
_CALL: Final = 'json_call("POST", f"{account.api_base}/messages", _body(message), _auth(account), visible=shows)'
_AGAIN: Final = '_body(message) | {"ref": "again"}'
_TEXT: Final = '    return {**to, "type": "text", "text": message.text}'
_RECEIPT: Final = 'InboundReceipt(**common, status=ReceiptStatus.delivered, outbox_id=text(event, "ref"))'


def _template(name: str, file: str, old: str, new: str, caught_by: str = "", why: str = "", *, dumped: bool = False) -> Slip:
    return Slip(name, "template", file, old, new, caught_by, why, dumped)


def _open(name: str, file: str, old: str, new: str, caught_by: str = "", why: str = "") -> Slip:
    return Slip(name, "open", file, old, new, caught_by, why)


def _whatsapp(name: str, file: str, old: str, new: str, caught_by: str = "", why: str = "") -> Slip:
    return Slip(name, "whatsapp", file, old, new, caught_by, why)


PROOFS: Final = (
    _template(
        "signature_compared_as_text",
        "inbound",
        _VERIFIED,
        '    compare = __import__("hmac").compare_digest\n'
        "    if not any(compare(given, hmac_hex(secret, request.body)) for secret in secrets):",
        "hostile_signatures_are_refused",
    ),
    _template("second_secret_ignored", "inbound", "for secret in secrets]", "for secret in secrets[:1]]", "second_secret"),
    _template(
        "no_signature_no_check",
        "inbound",
        '        raise NotAuthentic(f"{SIGNATURE} is missing", status=401)',
        "        return",
        "unsigned_is_refused",
    ),
    _template("wrong_status_without_a_proof", "inbound", 'is missing", status=401)', 'is missing")', "unsigned_is_refused"),
    _template(
        "signature_over_a_part", "inbound", "hmac_hex(secret, request.body)", "hmac_hex(secret, request.body)[:8]", "parses"
    ),
    _template("any_signature_will_do", "inbound", _VERIFIED, "    if not secrets:", "one_byte_changed_is_refused"),
    _template(
        "secret_in_a_hint",
        "inbound",
        '"are secrets the same on both sides?"',
        'f"is it {secrets[0]}?"',
        "secrets_absent_from_repr",
    ),
    _template(
        "secret_in_the_account_s_repr", "account", "    token: SecretStr = ", "    token: str = ", "secrets_absent_from_repr"
    ),
)

READING: Final = (
    _template("only_the_first_of_several_events", "inbound", "for event in events]", "for event in events[:1]]", "parses"),
    _template("order_reversed", "inbound", "for event in events]", "for event in reversed(events)]", "parses"),
    _template("one_id_for_all_events", "inbound", _EVENTS, '[("1", event) for event in events[:1]]', "other_events_other_ids"),
    _template(
        "event_id_from_the_clock",
        "inbound",
        _EVENTS,
        "[(str(request.received_at), event) for event in events]",
        "same_bytes_same_events",
    ),
    _template(
        "event_id_from_chance",
        "inbound",
        _EVENTS,
        '[(__import__("uuid").uuid4().hex, event) for event in events]',
        "same_bytes_same_events",
    ),
    _template(
        "event_id_is_its_time",
        "inbound",
        'optional(dict_of(event), "id"), event',
        'optional(dict_of(event), "at"), event',
        "other_events_other_ids",
    ),
    _template(
        "one_message_id_for_a_customer",
        "inbound",
        'message_id=text(message, "id")',
        'message_id=common["end_user"].address',
        "other_events_other_ids",
    ),
    _template(
        "receipt_has_the_message_s_id",
        "inbound",
        "InboundReceipt(**common,",
        'InboundReceipt(**common | {"event_id": text(event, "ref")},',
        "same_bytes_same_events",
    ),
    _template(
        "receipt_names_itself",
        "inbound",
        _RECEIPT,
        _RECEIPT.replace('outbox_id=text(event, "ref")', 'message_ids=(text(event, "id") + "/",)'),
        "receipts_find_their_message",
    ),
    _template(
        "seconds_for_a_date",
        "inbound",
        'moment(event.get("at"))',
        'moment(seconds=event.get("at"))',
        "times_are_the_providers",
        dumped=True,
    ),
    _template(
        "milliseconds_for_seconds",
        "inbound",
        'moment(event.get("at"))',
        '(at := moment(event.get("at"))) and moment(milliseconds=at.timestamp())',
        "times_are_the_providers",
        dumped=True,
    ),
    _template(
        "naive_time",
        "inbound",
        'moment(event.get("at"))',
        '(at := moment(event.get("at"))) and at.replace(tzinfo=None)',
        "parses",
    ),
    _template(
        "unknown_event_is_an_error",
        "inbound",
        "        return InboundUnknown(**common, reason=kind)",
        "        raise KeyError(kind)",
        "parses",
    ),
    _template(
        "unknown_events_dropped",
        "inbound",
        "    return each(request, account, " + _EVENTS + ", _event)",
        "    return [one for one in each(request, account, " + _EVENTS + ', _event) if one.kind != "unknown"]',
        "unknown_events_are_kept",
    ),
    _template(
        "broken_letters_replaced",
        "inbound",
        "json_object(request.body)",
        '__import__("json").loads(request.body.decode("utf-8", "replace"))',
        "broken_letters_are_no_message",
    ),
    _template("typing_never_ends", "inbound", 'on=event.get("on") is not False', "on=True", "simulator_and_adapter_agree"),
    _template(
        "picture_dropped",
        "wire",
        '        return MediaPart(media="image", caption=optional(message, "text"), source={"url": text(message, "url")})',
        '        return TextPart(text=optional(message, "text") or "[image]")',
        "simulator_and_adapter_agree",
    ),
    _template("words_beside_a_picture_dropped", "wire", 'caption=optional(message, "text"), ', "", "simulator_and_adapter_agree"),
    _template(
        "address_in_other_letters",
        "wire",
        'Address(text(user, "id"))',
        'Address(text(user, "id").upper())',
        "simulator_and_adapter_agree",
    ),
    _template(
        "letters_lost",
        "wire",
        'TextPart(text=text(message, "text"))',
        'TextPart(text=text(message, "text").encode("ascii", "replace").decode())',
        "simulator_and_adapter_agree",
    ),
    _template(
        "kind_not_declared", "__init__", '"receipt", "typing", "ended"', '"receipt", "ended"', "capabilities_have_fixtures"
    ),
    _open(
        "customer_s_quotation_dropped",
        "inbound",
        'reply_to=_message_id(common, event, "reply_to") if event.get("reply_to") is not None else None',
        "reply_to=None",
        "parses",
    ),
    _open("one_receipt_of_several", "inbound", "for outbox_id in dict.fromkeys(ids):", "for outbox_id in ids[:1]:", "parses"),
    _open(
        "edit_has_the_message_s_id",
        "inbound",
        "    yield InboundEdit(**common, ",
        '    yield InboundEdit(**common | {"event_id": _message_id(common, event)}, ',
        "same_bytes_same_events",
    ),
)

SENDING: Final = (
    _template("visible_forgotten", "outbound", ", visible=shows)", ")", "simulator_and_adapter_agree"),
    _template(
        "notice_not_marked_visible",
        "outbound",
        "shows = not isinstance(message, TypingSignal)",
        "shows = not isinstance(message, TypingSignal | Notice)",
        "simulator_and_adapter_agree",
    ),
    _template(
        "visible_and_cached",
        "outbound",
        f"yield {_CALL}",
        f'yield __import__("dataclasses").replace({_CALL}, cache_seconds=60)',
        "simulator_and_adapter_agree",
    ),
    _template("demo_elsewhere", "__init__", '"api_base": base', '"api_base": "https://api.example.test"', "demo_settings_work"),
    _template(
        "sent_in_two_calls",
        "outbound",
        _SENT,
        '    yield json_call("POST", f"{account.api_base}/messages", {**_body(message), "ref": "2"}, _auth(account), visible=shows)\n'
        + _SENT,
        "simulator_and_adapter_agree",
    ),
    _template("one_retry_key_for_all", "outbound", '"ref": message.id', '"ref": message.to', "the_same_words_are_shown_twice"),
    _template(
        "another_retry_key_on_each_try",
        "outbound",
        '"ref": message.id',
        '"ref": __import__("uuid").uuid4().hex',
        "a_second_try_shows_nothing_twice",
    ),
    _template(
        "sent_again_after_a_lost_answer",
        "outbound",
        f"    reply = yield {_CALL}",
        f"    try:\n        reply = yield {_CALL}\n    except Exception:\n"
        f"        reply = yield {_CALL.replace('_body(message)', _AGAIN)}",
        "a_second_try_shows_nothing_twice",
    ),
    _template(
        "retried_though_blocked", "outbound", '"blocked": dead("blocked")', '"blocked": THROTTLED', "refusals_are_no_success"
    ),
    _template(
        "given_up_in_passing_trouble",
        "outbound",
        _FAILED,
        '        raise SendFailed(Verdict.dead, "refused")',
        "answers_are_judged_by_their_status",
    ),
    _template(
        "retried_whatever_was_said",
        "outbound",
        _FAILED,
        '        raise SendFailed(Verdict.again, "provider_unavailable")',
        "answers_are_judged_by_their_status",
    ),
    _template(
        "trouble_taken_for_sent",
        "outbound",
        "    if reply.status != 200:",
        "    if 400 <= reply.status < 500:",
        "answers_are_judged_by_their_status",
    ),
    _template(
        "refusal_taken_for_sent",
        "outbound",
        "    if reply.status != 200:",
        "    if reply.status >= 500:",
        "answers_are_judged_by_their_status",
    ),
    _template(
        "refusal_within_a_200",
        "simulator",
        "    return Refused(Answer(status, ",
        "    return Refused(Answer(200, ",
        "refusals_are_no_success",
    ),
    _template("provider_s_id_dropped", "outbound", _SENT, "    return Sent()", "receipts_find_their_message"),
    _template("notice_sent_as_a_message", "outbound", '"type": "notice", ', '"type": "text", ', "simulator_and_adapter_agree"),
    _template(
        "typing_sent_as_a_message",
        "outbound",
        '"type": "typing", "on": message.on',
        '"type": "text", "text": "…"',
        "the_same_words_are_shown_twice",
    ),
    _template(
        "picture_of_ours_dropped",
        "outbound",
        '"type": "image", "url": message.file.url, "name": message.file.name',
        '"type": "text", "text": message.file.name',
        "simulator_and_adapter_agree",
    ),
    _template(
        "address_cut_on_the_way_out",
        "outbound",
        '"to": message.to',
        '"to": message.to.removeprefix("u_")',
        "simulator_and_adapter_agree",
    ),
    _template("max_text_one_too_high", "outbound", "MAX_TEXT: Final = 2000", "MAX_TEXT: Final = 2001", "longest_text"),
    _template(
        "cut_one_letter_too_early",
        "outbound",
        _TEXT,
        _TEXT.replace("message.text", "message.text and message.text[: MAX_TEXT - 1]"),
        "longest_text",
    ),
    _template(
        "emoji_taken_apart",
        "outbound",
        _TEXT,
        _TEXT.replace("message.text", 'message.text and message.text.replace("\\u200d", "")'),
        "simulator_and_adapter_agree",
    ),
    _template(
        "markup_escaped",
        "outbound",
        _TEXT,
        _TEXT.replace("message.text", '__import__("html").escape(message.text or "")'),
        "simulator_and_adapter_agree",
    ),
    _template("foreign_forgotten", "outbound", "foreign=True, ", "", "addresses_of_others_are_foreign"),
    _template(
        "token_sent_to_a_stranger",
        "outbound",
        "foreign=True, ",
        "headers=_auth(account), foreign=True, ",
        "addresses_of_others_are_foreign",
    ),
    _template("room_for_the_file_forgotten", "outbound", ", max_reply_bytes=25_000_000", "", "simulator_and_adapter_agree"),
    _open(
        "speaker_dropped",
        "outbound",
        ', "human": message.human, **_speaker("from", message.speaker)}',
        ', "human": message.human}',
        "speaker_names",
    ),
    _open(
        "our_quotation_dropped",
        "outbound",
        ', "reply_to": message.reply_to and message.reply_to.removeprefix(f"{message.to}/")}',
        "}",
        "quotations_name_their_message",
    ),
    _open(
        "caption_of_ours_dropped",
        "outbound",
        'said = {"text": message.text, ',
        'said = {"text": None if file else message.text, ',
        "longest_caption",
    ),
    _open(
        "wait_in_milliseconds",
        "outbound",
        "failure(reply, now, ",
        'failure(replace(reply, headers={"retry-after": reply.headers.get("retry-after", "") + "000"}), now, ',
        "refusals_are_no_success",
    ),
    _whatsapp("file_rule_too_large", "outbound", "max_bytes=5 * _MB", "max_bytes=6 * _MB", "files_at_their_rules"),
    _whatsapp(
        "file_rule_of_a_type_that_is_refused", "outbound", '"image/png")', '"image/png", "image/bmp")', "files_at_their_rules"
    ),
    _whatsapp(
        "retry_key_that_the_provider_has_not",
        "__init__",
        "        window=WINDOW,",
        "        window=WINDOW,\n        retry_key=True,",
        "a_second_try_shows_nothing_twice",
    ),
    _whatsapp(
        "caption_longer_than_the_provider_s",
        "outbound",
        "MAX_CAPTION: Final = 1024",
        "MAX_CAPTION: Final = 1025",
        "longest_caption",
    ),
)

NOT_CAUGHT: Final = (
    _template(
        "time_to_fetch_forgotten",
        "outbound",
        "timeout_seconds=60, ",
        "",
        why="the kit plays no time: the simulator answers at once",
    ),
    _template(
        "code_of_another_meaning",
        "outbound",
        '"unknown_user": dead("recipient_unreachable")',
        '"unknown_user": dead("refused")',
        why="which code is right stands on the provider's page alone",
    ),
)

SLIPS: Final = (*PROOFS, *READING, *SENDING, *NOT_CAUGHT)
