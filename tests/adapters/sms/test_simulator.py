"""The simulated Twilio: it refuses what Twilio refuses, repeats what Twilio repeats, and misbehaves when told to."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from pydantic import SecretStr
from twilio.request_validator import RequestValidator

from adapters._twilio.simulator.records import segments
from adapters.conformance import NOW, PICTURE, Suite, World, as_reply
from adapters.contract import Answer, RawRequest
from adapters.envelope import InboundEnded, InboundMessage, InboundReceipt, OutboundFile
from adapters.errors import SendFailed, Verdict
from adapters.simulation import Action, CannotAct, Outcome, ProviderCall
from adapters.sms import ADAPTER
from adapters.sms.simulator import TextingTwilio
from tests.adapters.sms.account import ACCOUNT
from tests.adapters.sms.suite import SUITE

SERVICE = ACCOUNT.model_copy(update={"messaging_service_sid": "MG10000000000000000000000000000001"})
KIM = TextingTwilio(ACCOUNT).address_of("kim")
TOKEN = ACCOUNT.auth_tokens[0].get_secret_value()
ROOT = f"/2010-04-01/Accounts/{ACCOUNT.account_sid}/Messages"


@pytest.fixture
def twilio() -> TextingTwilio:
    return TextingTwilio(ACCOUNT)


def world(suite: Suite = SUITE) -> World:
    found = World(suite)
    found.says_text("hello")
    return found


def api(method: str, path: str, fields: Any = None, *, password: str = TOKEN, query: Any = ()) -> RawRequest:
    auth = b64encode(f"{ACCOUNT.account_sid}:{password}".encode()).decode()
    headers = {"authorization": f"Basic {auth}", "content-type": "application/x-www-form-urlencoded"}
    return RawRequest(
        method, f"https://api.twilio.com{path}", path, query, headers, urlencode(fields or [], doseq=True).encode(), NOW
    )


def create(twilio: TextingTwilio, **fields: Any) -> Outcome:
    form = {"To": KIM, "From": ACCOUNT.number, "Body": "hi", **fields}
    return twilio.handle(api("POST", f"{ROOT}.json", {key: value for key, value in form.items() if value is not None}), NOW)


def said(outcome: Outcome) -> tuple[int, int]:
    found = json.loads(outcome.answer.body)
    assert found["more_info"] == f"https://www.twilio.com/docs/errors/{found['code']}"
    assert found["status"] == outcome.answer.status
    return found["status"], found["code"]


def fields_of(call: ProviderCall) -> dict[str, str]:
    return dict(parse_qsl(call.body.decode(), keep_blank_values=True))


# ------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"To": None}, 21604),
        ({"To": "555"[:2]}, 21211),
        ({"To": "kim"}, 21211),
        ({"To": "+15005550009"}, 21614),
        ({"From": None}, 21603),
        ({"From": "+15550009999"}, 21606),
        ({"From": "whatsapp:+15550002222"}, 21910),
        ({"MessagingServiceSid": "MG9"}, 21705),
        ({"Body": None}, 21602),
        ({"Body": ""}, 21602),
        ({"Body": "x" * 1_601}, 21617),
        ({"MediaUrl": ["https://x.example/1"] * 11}, 21623),
        ({"MediaUrl": "hinge.jpg"}, 21620),
        ({"StatusCallback": "https://under_score.example/x"}, 21609),
        ({"StatusCallback": "nowhere"}, 21609),
        ({"ValidityPeriod": "36001"}, 20001),
        ({"Colour": "red"}, 20001),
        ({"Body": ["a", "b"]}, 20001),
    ],
)
def test_refusals(twilio: TextingTwilio, fields: dict[str, Any], code: int) -> None:
    outcome = create(twilio, **fields)
    assert said(outcome) == (400, code)
    assert outcome.calls == ()
    assert twilio.handset("kim") == []


@pytest.mark.parametrize(
    "authorization", ["", "Basic", "Basic ☂", "Bearer x", "Basic " + b64encode(b"AC1:x").decode(), "Basic AAAA"]
)
def test_bad_credentials(twilio: TextingTwilio, authorization: str) -> None:
    request = api("POST", f"{ROOT}.json")
    outcome = twilio.handle(replace(request, headers={**request.headers, "authorization": authorization}), NOW)
    assert said(outcome) == (401, 20003)


@pytest.mark.parametrize(
    "path", ["/", "/2010-04-01/Accounts/AC9/Messages.json", f"{ROOT}/SM9.json", f"{ROOT}/SM9/Media/ME9", "/v2/x"]
)
def test_what_is_not_there(twilio: TextingTwilio, path: str) -> None:
    assert said(twilio.handle(api("GET", path), NOW)) == (404, 20404)


def test_too_many_calls_a_second(twilio: TextingTwilio) -> None:
    assert all(create(twilio).answer.status == 201 for _ in range(twilio.requests_per_second))
    assert said(create(twilio)) == (429, 20429)
    later = twilio.handle(api("GET", f"{ROOT}.json"), NOW + timedelta(seconds=2))
    assert later.answer.status == 200


# ------------------------------------------------------------------------------------------- sending, receipts


def test_a_message_is_described_as_twilio_does(twilio: TextingTwilio) -> None:
    found = json.loads(create(twilio, Body="x" * 161).answer.body)
    assert found["status"] == "queued"
    assert found["num_segments"] == "2"
    assert found["date_created"] == "Mon, 02 Nov 2026 12:00:00 +0000"
    assert found["uri"] == f"{ROOT}/{found['sid']}.json"


@pytest.mark.parametrize(
    ("text", "count"), [("a" * 160, 1), ("a" * 161, 2), ("a" * 307, 3), ("€" * 80, 1), ("€" * 81, 2), ("☂" * 70, 1), ("☂" * 71, 2), ("😀" * 35, 1), ("😀" * 36, 2)]
)  # fmt: skip
def test_segments(text: str, count: int) -> None:
    assert segments(text) == count


def test_callbacks_are_signed_and_in_order(twilio: TextingTwilio) -> None:
    calls = create(twilio, StatusCallback=f"{ACCOUNT.webhook_url}/status?m=msg_1#rc=5&rp=all").calls
    assert [fields_of(call)["MessageStatus"] for call in calls] == ["sent", "delivered"]
    for call in calls:
        assert call.url == f"{ACCOUNT.webhook_url}/status?m=msg_1"
        assert RequestValidator("test_auth_token").validate(call.url, fields_of(call), call.headers["X-Twilio-Signature"])
    assert len({call.lane for call in calls}) == 1


def test_with_a_service_it_is_accepted_first_and_the_opt_out_told_later() -> None:
    suite = replace(SUITE, account=SERVICE)
    ours = world(suite)
    ours.act(Action(kind="say", customer="kim", text="STOP"))
    ours.memory.pop("opted_out")  # as if it had happened before our time
    flow = ADAPTER.send(ours.say(text="hi"), SERVICE, NOW)
    outcome = ours.simulator.handle(ours.as_request(next(flow)), NOW)
    assert json.loads(outcome.answer.body)["status"] == "accepted"
    statuses = [event for call in outcome.calls for event in ours.understood(call)]
    assert isinstance(statuses[-1], InboundReceipt)
    assert statuses[-1].code == "opted_out"


def test_a_phone_that_is_off_gets_it_later() -> None:
    ours = world()
    ours.act(Action(kind="offline", customer="kim"))
    ours.send(ours.say(text="are you there?"))
    assert [line.text for line in ours.handset()] == ["hello"]
    calls = ours.act(Action(kind="online", customer="kim"))
    receipt = ours.understood(calls[0])[0]
    assert isinstance(receipt, InboundReceipt)
    assert (receipt.status, receipt.outbox_id) == ("delivered", "msg_1")
    assert [line.text for line in ours.handset()] == ["hello", "are you there?"]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (None, "11200"),
        (Answer(404), "11200"),
        (Answer(200, b"x" * 500_001, {"Content-Type": "application/pdf"}), "30019"),
        (Answer(200, b"x" * 5_000_001, {"Content-Type": "image/png"}), "30019"),
    ],
)
def test_files_that_twilio_can_not_fetch_or_carry(twilio: TextingTwilio, answer: Answer | None, code: str) -> None:
    outcome = create(twilio, MediaUrl="https://gw.example.net/files/1", StatusCallback=f"{ACCOUNT.webhook_url}/status")
    assert [(call.purpose, call.url) for call in outcome.calls] == [("fetch", "https://gw.example.net/files/1")]
    told = twilio.settled(outcome.calls[0], answer, NOW)
    assert fields_of(told[0])["ErrorCode"] == code
    assert twilio.handset("kim") == []


def test_several_files_of_one_message(twilio: TextingTwilio) -> None:
    outcome = create(twilio, MediaUrl=["https://x.example/a.png", "https://x.example/b.png"])
    assert twilio.settled(outcome.calls[0], Answer(200, b"a", {"content-type": "image/png"}), NOW) == ()
    assert twilio.handset("kim") == []
    named = {"content-type": "image/png", "content-disposition": 'inline; filename="second.png"'}
    twilio.settled(outcome.calls[1], Answer(200, b"b", named), NOW)
    assert [(line.text, line.media and line.media["name"]) for line in twilio.handset("kim")] == [
        ("hi", "a.png"),
        (None, "second.png"),
    ]


def test_a_file_of_ours_is_fetched_and_shown() -> None:
    ours = world()
    url = "https://files.example/dot.png"
    ours.files[url] = file = OutboundFile(name="dot.png", mime_type="image/png", size_bytes=9, url=url, content=PICTURE.content)
    ours.send(ours.say(text="Ana: look", file=file))
    line = ours.handset()[-1]
    assert (line.text, line.media and line.media["mime_type"]) == ("Ana: look", "image/png")


def test_messages_can_be_read_and_deleted(twilio: TextingTwilio) -> None:
    sid = json.loads(create(twilio).answer.body)["sid"]
    assert json.loads(twilio.handle(api("GET", f"{ROOT}/{sid}.json"), NOW).answer.body)["status"] == "delivered"
    found = json.loads(twilio.handle(api("GET", f"{ROOT}.json", query=(("To", KIM),)), NOW).answer.body)["messages"]
    assert [one["sid"] for one in found] == [sid]
    nobody = json.loads(twilio.handle(api("GET", f"{ROOT}.json", query=(("To", "+1"),)), NOW).answer.body)["messages"]
    assert nobody == []
    assert twilio.handle(api("DELETE", f"{ROOT}/{sid}.json"), NOW).answer.status == 204
    assert twilio.handle(api("GET", f"{ROOT}/{sid}.json"), NOW).answer.status == 404


# ------------------------------------------------------------------------------------------------- customers


def test_a_webhook_is_signed_as_twilios_library_wants_it(twilio: TextingTwilio) -> None:
    call = twilio.act(Action(kind="say", customer="kim", text="Hola é ☂ +1"), NOW).calls[0]
    assert RequestValidator("test_auth_token").validate(call.url, fields_of(call), call.headers["X-Twilio-Signature"])
    assert len(call.headers["I-Twilio-Idempotency-Token"]) == 32


def test_the_way_to_a_customers_file(twilio: TextingTwilio) -> None:
    """First it isn't there, then it needs credentials, then it redirects to a place that takes none."""
    call = twilio.act(Action(kind="say", customer="kim", file=PICTURE, details={"late": 1}), NOW).calls[0]
    url = fields_of(call)["MediaUrl0"]
    path = url.removeprefix("https://api.twilio.com")
    assert twilio.handle(api("GET", path, password="wrong"), NOW).answer.status == 401
    assert twilio.handle(api("GET", path), NOW).answer.status == 404
    found = twilio.handle(api("GET", path), NOW).answer
    assert found.status == 307
    there, _, query = found.headers["location"].removeprefix("https://api.twilio.com").partition("?")
    assert twilio.handle(api("GET", there, query=parse_qsl(query)), NOW).answer.status == 400
    bare = replace(api("GET", there, query=tuple(parse_qsl(query))), headers={})
    assert twilio.handle(bare, NOW).answer.body == PICTURE.content
    assert twilio.handle(replace(bare, query=()), NOW).answer.status == 403
    assert json.loads(twilio.handle(api("GET", path + ".json"), NOW).answer.body)["content_type"] == "image/png"
    listed = json.loads(twilio.handle(api("GET", path.rpartition("/")[0] + ".json"), NOW).answer.body)["media_list"]
    assert len(listed) == 1
    assert twilio.handle(api("DELETE", path), NOW).answer.status == 204
    assert twilio.handle(api("GET", path), NOW).answer.status == 404


def test_media_lost_and_found_again() -> None:
    """Media lost: the file is late, the flow says `again`, and the next try has it."""
    ours = world()
    calls = ours.act(Action(kind="say", customer="kim", file=PICTURE, details={"late": 2}))
    part: Any = ours._message(calls).parts[0]
    for _ in range(2):
        with pytest.raises(SendFailed) as error:
            ours.run(ADAPTER.media(part, ACCOUNT, NOW))
        assert error.value.verdict is Verdict.again
    assert ours.run(ADAPTER.media(part, ACCOUNT, NOW)).content == PICTURE.content


def test_stop_start_and_help() -> None:
    ours = world()
    calls = ours.act(Action(kind="end", customer="kim"))
    assert [type(event) for event in ours.understood(calls[0])] == [InboundMessage, InboundEnded]
    assert [(line.sender, line.text) for line in ours.handset()][1] == ("me", "STOP")
    assert "unsubscribed" in (ours.handset()[-1].text or "")
    with pytest.raises(SendFailed) as known:
        ours.send(ours.say(text="wait"))
    assert known.value.provider_code is None
    ours.memory.clear()
    with pytest.raises(SendFailed) as told:
        ours.send(ours.say(text="wait"))
    assert told.value.provider_code == "21610"
    ours.act(Action(kind="say", customer="kim", text="help"))
    assert "Reply STOP" in (ours.handset()[-1].text or "")
    ours.act(Action(kind="say", customer="kim", text="Start"))
    ours.send(ours.say(text="welcome back"))
    assert ours.handset()[-1].text == "welcome back"


def test_with_a_service_twilio_says_that_it_has_answered() -> None:
    ours = world(replace(SUITE, account=SERVICE))
    for word, kind in (("stop", "STOP"), ("unstop", "START"), ("info", "HELP")):
        call = ours.act(Action(kind="say", customer="kim", text=word))[0]
        assert fields_of(call)["OptOutType"] == kind
        message = ours.understood(call)[0]
        assert isinstance(message, InboundMessage)
        assert message.automatic_reply


@pytest.mark.parametrize("kind", ["typing", "read", "react", "edit", "unsend", "location", "sticker", "choose", "block"])
def test_what_no_texter_can_do(twilio: TextingTwilio, kind: Any) -> None:
    with pytest.raises(CannotAct):
        twilio.act(Action(kind=kind, customer="kim", target="x"), NOW)


def test_nothing_said_is_nothing(twilio: TextingTwilio) -> None:
    with pytest.raises(CannotAct):
        twilio.act(Action(kind="say", customer="kim"), NOW)
    assert twilio.handset("kim") == []


# ---------------------------------------------------------------------------------------------- redelivery


def attempts(twilio: TextingTwilio, answer: Answer | None) -> list[ProviderCall]:
    calls = list(twilio.act(Action(kind="say", customer="kim", text="hi"), NOW).calls)
    for call in calls:
        calls += twilio.settled(call, answer, NOW)
    return calls


@pytest.mark.parametrize("answer", [None, Answer(500), Answer(404), Answer(429)])
def test_with_overrides_a_failed_webhook_comes_again(twilio: TextingTwilio, answer: Answer | None) -> None:
    calls = attempts(twilio, answer)
    assert [call.attempt for call in calls] == [1, 2, 3, 4, 5, 6]
    assert len({call.id for call in calls}) == 6
    assert len({(call.body, call.headers["I-Twilio-Idempotency-Token"]) for call in calls}) == 1
    assert [call.delay_seconds for call in calls] == [0, 1, 2, 4, 8, 8]
    assert twilio.handset("kim")[0].status == "failed"


@pytest.mark.parametrize(
    ("overrides", "answer", "count"),
    [
        ("", None, 2),
        ("", Answer(500), 1),
        ("", Answer(404), 1),
        ("rc=2&rp=5xx", Answer(500), 3),
        ("rc=2&rp=5xx", Answer(404), 1),
        ("rc=2&rp=5xx,4xx", Answer(404), 3),
        ("rc=9&rp=all", Answer(404), 6),
        ("rc=many&rp=all", Answer(404), 2),
        ("rc=0&rp=all", Answer(404), 1),
    ],
)
def test_without_overrides_a_failed_webhook_is_lost(overrides: str, answer: Answer | None, count: int) -> None:
    twilio = TextingTwilio(ACCOUNT.model_copy(update={"connection_overrides": overrides}))
    assert len(attempts(twilio, answer)) == count


def test_late_twice_and_with_a_parameter_more() -> None:
    ours = world()
    details = {"times": 3, "delay_seconds": 2, "extra": {"Brand New": 7}}
    calls = ours.act(Action(kind="say", customer="kim", text="hi", details=details))
    assert [call.delay_seconds for call in calls] == [2.0] * 3
    assert len({event.event_id for call in calls for event in ours.understood(call)}) == 1
    assert fields_of(calls[0])["Brand New"] == "7"


def test_once_more_days_later_and_out_of_order() -> None:
    ours = world()
    details = {"times": 2, "again_seconds": 6 * 86_400}
    first, again = ours.act(Action(kind="say", customer="kim", text="hi", details=details))
    assert (first.delay_seconds, again.delay_seconds) == (0, 518_400)
    assert first.lane != again.lane
    assert ours.understood(first)[0].event_id == ours.understood(again)[0].event_id
    slow = ours.act(Action(kind="say", customer="kim", text="1", details={"unordered": True, "delay_seconds": 5}))[0]
    quick = ours.act(Action(kind="say", customer="kim", text="2"))[0]
    assert slow.lane != quick.lane == KIM


@pytest.mark.parametrize(
    "details", [{"times": 0}, {"times": "many"}, {"delay_seconds": -1}, {"token": 1}, {"extra": [1]}, {"late": None}]
)
def test_deliveries_that_nobody_knows_change_nothing(twilio: TextingTwilio, details: dict[str, Any]) -> None:
    with pytest.raises(CannotAct):
        twilio.act(Action(kind="say", customer="kim", text="x", details=details), NOW)
    assert twilio.handset("kim") == []


def test_a_service_without_a_number_picks_one() -> None:
    account = SERVICE.model_copy(update={"number": None})
    ours = world(replace(SUITE, account=account))
    ours.send(ours.say(text="hi"))
    assert [line.text for line in ours.handset()] == ["hello", "hi"]


def test_a_rotated_token_signs() -> None:
    both = ACCOUNT.model_copy(update={"auth_tokens": (SecretStr("new"), SecretStr("old"))})
    ours = World(replace(SUITE, account=both))
    calls = ours.act(Action(kind="say", customer="kim", text="hi", details={"token": 1}))
    assert RequestValidator("old").validate(calls[0].url, fields_of(calls[0]), calls[0].headers["X-Twilio-Signature"])
    assert ours.understood(calls[0])


# ------------------------------------------------------------------------------------------------- mischief


def mischievous(*mischief: dict[str, Any]) -> World:
    ours = world()
    ours.act(Action(kind="say", customer="kim", text="now", details={"mischief": list(mischief)}))
    return ours


def heard(ours: World) -> list[str | None]:
    return [line.text for line in ours.handset() if line.sender == "them"]


def test_refusals_on_command() -> None:
    ours = mischievous({"status": 429, "retry_after": 7}, {"status": 503})
    with pytest.raises(SendFailed) as busy:
        ours.send(ours.say(text="1"))
    assert (busy.value.again_at, busy.value.throttles_account) == (NOW + timedelta(seconds=7), True)
    with pytest.raises(SendFailed) as down:
        ours.send(ours.say(text="2"))
    assert (down.value.verdict, down.value.again_at) == (Verdict.again, None)
    ours.send(ours.say(text="3"))
    assert heard(ours) == ["3"]


def test_taken_though_the_answer_says_otherwise_is_cleared_by_the_callback() -> None:
    ours = mischievous({"status": 500, "taken": True})
    flow = ADAPTER.send(ours.say(text="once"), ACCOUNT, NOW)
    outcome = ours.simulator.handle(ours.as_request(next(flow)), NOW)
    with pytest.raises(SendFailed) as lost:
        flow.send(as_reply(outcome.answer))
    assert lost.value.verdict is Verdict.unknown
    receipts = [event for call in outcome.calls for event in ours.understood(call)]
    assert {event.outbox_id for event in receipts if isinstance(event, InboundReceipt)} == {"msg_1"}
    assert heard(ours) == ["once"]


def test_taken_and_failed_later() -> None:
    ours = mischievous({"error": 30007})
    outcome = ours.simulator.handle(ours.as_request(next(ADAPTER.send(ours.say(text="x"), ACCOUNT, NOW))), NOW)
    receipt = ours.understood(outcome.calls[0])[0]
    assert isinstance(receipt, InboundReceipt)
    assert (receipt.status, receipt.code) == ("failed", "filtered")
    assert heard(ours) == []


def test_callbacks_out_of_order_and_twice() -> None:
    ours = mischievous({"shuffled": True, "times": 2})
    outcome = ours.simulator.handle(ours.as_request(next(ADAPTER.send(ours.say(text="x"), ACCOUNT, NOW))), NOW)
    assert [fields_of(call)["MessageStatus"] for call in outcome.calls] == ["delivered", "sent", "delivered", "sent"]
    assert len({call.id for call in outcome.calls}) == 4
    assert len({event.event_id for call in outcome.calls for event in ours.understood(call)}) == 2
    ours.settle(outcome.calls)


def test_mischief_that_nobody_knows_changes_nothing() -> None:
    ours = world()
    with pytest.raises(CannotAct):
        ours.act(Action(kind="say", customer="kim", text="x", details={"mischief": [{"explode": True}]}))
    assert [line.text for line in ours.handset()] == ["hello"]


def test_the_same_inputs_give_the_same_provider() -> None:
    def run() -> list[str]:
        ours = World(replace(SUITE, adapter=ADAPTER))
        ours.says_text("hi")
        ours.send(ours.say(text="there"))
        return [line.model_dump_json() for line in ours.handset()]

    assert run() == run()


def test_demo_settings_are_an_account() -> None:
    account = ADAPTER.account.model_validate(
        ADAPTER.demo("sms-standard", "http://127.0.0.1:8080/_sim/sms-standard", "http://x/y")
    )
    assert account.api_base == "http://127.0.0.1:8080/_sim/sms-standard"
    assert "standard" in ADAPTER.capabilities.editions
    assert account.account_sid != ADAPTER.account.model_validate(ADAPTER.demo("sms", "http://x", "http://y")).account_sid
