"""LINE's own SDK (line-bot-sdk) as the judge: of the simulated LINE's webhooks and answers, and of our requests."""

from __future__ import annotations

import io
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from linebot.v3.exceptions import InvalidSignatureError
from linebot.v3.messaging import (
    ApiClient,
    ApiException,
    Configuration,
    ImageMessage,
    MarkMessagesAsReadByTokenRequest,
    MessagingApi,
    MessagingApiBlob,
    PushMessageRequest,
    ReplyMessageRequest,
    Sender,
    ShowLoadingAnimationRequest,
    TextMessage,
)
from linebot.v3.messaging.exceptions import UnauthorizedException
from linebot.v3.oauth import ApiClient as TokenClient
from linebot.v3.oauth import ChannelAccessToken
from linebot.v3.oauth import Configuration as TokenConfiguration
from linebot.v3.webhook import UnknownEvent, WebhookParser
from urllib3 import HTTPResponse

from adapters.contract import HttpCall, RawRequest
from adapters.envelope import Notice, OutboundFile, Say
from adapters.line import ADAPTER
from adapters.line.simulator import LineSimulator
from adapters.line.tokens import token_call
from adapters.simulation import Action, SimFile
from tests.adapters.line.account import (
    ACCOUNT,
    FIXTURES,
    NOW,
    SECRET,
    SIM_KIM,
    TOKEN,
    act,
    an_account,
    fixture,
    notice,
    say,
    taken,
    young_token,
)
from tests.adapters.outgoing import play


class Wire:
    """What urllib3's pool is to the SDK: its requests go to the simulated LINE."""

    def __init__(self, line: LineSimulator) -> None:
        self.line = line

    def request(self, method: str, url: str, **options: Any) -> HTTPResponse:
        headers = {name.lower(): value for name, value in options["headers"].items()}
        body = options.get("body") or (urlencode(options["fields"]) if options.get("fields") else "")
        path = url.removeprefix("https://api.line.me").removeprefix("https://api-data.line.me").partition("?")[0]
        answer = self.line.handle(RawRequest(method, url, path, (), headers, body.encode(), NOW), NOW).answer
        return HTTPResponse(io.BytesIO(answer.body), answer.headers, answer.status, preload_content=options["preload_content"])


@pytest.fixture
def line() -> LineSimulator:
    simulator = LineSimulator(ACCOUNT)
    simulator.act(act("say", text="hi"), NOW)
    return simulator


def client(line: LineSimulator, token: str = TOKEN) -> Any:
    found = ApiClient(Configuration(access_token=token))
    found.rest_client.pool_manager = Wire(line)
    return found


def parsed(body: bytes, signature: str) -> list[Any]:
    events = WebhookParser(SECRET).parse(body.decode(), signature)
    assert isinstance(events, list)
    return events


# ------------------------------------------------------------------------------------------- simulated webhooks


ACTIONS = [
    (act("say", text="héllo 👋"), "message", "text"),
    (Action(kind="say", customer="kim", file=SimFile(name="a.png", mime_type="image/png", content=b"x")), "message", "image"),
    (Action(kind="say", customer="kim", file=SimFile(name="a.mp4", mime_type="video/mp4", content=b"x")), "message", "video"),
    (Action(kind="say", customer="kim", file=SimFile(name="a.m4a", mime_type="audio/mp4", content=b"x")), "message", "audio"),
    (
        Action(kind="say", customer="kim", file=SimFile(name="a.pdf", mime_type="application/pdf", content=b"x")),
        "message",
        "file",
    ),
    (act("location", details={"latitude": 53.54, "longitude": 9.98}), "message", "location"),
    (act("sticker"), "message", "sticker"),
    (act("choose", details={"id": "day", "params": {"date": "2026-09-30"}}), "postback", None),
    (act("say", text="x", details={"group": "g"}), "message", "text"),
    (act("say", text="x", details={"standby": True}), "message", "text"),
    (act("block"), "unfollow", None),
]


@pytest.mark.parametrize(("action", "kind", "content"), ACTIONS, ids=lambda value: getattr(value, "kind", str(value)))
def test_the_sdk_s_parser_takes_our_simulated_webhooks(
    line: LineSimulator, action: Action, kind: str, content: str | None
) -> None:
    (call,) = line.act(action, NOW).calls
    (event,) = parsed(call.body, call.headers["x-line-signature"])
    assert not isinstance(event, UnknownEvent)
    assert event.type == kind
    assert content is None or event.message.type == content


def test_other_simulated_webhooks(line: LineSimulator) -> None:
    said = line.act(act("say", text="x"), NOW)
    line.act(act("block"), NOW)
    (follow,) = line.act(act("unblock"), NOW).calls
    (unsend,) = line.act(act("unsend", target=said.line_id), NOW).calls
    (again,) = line.settled(said.calls[0], None, NOW)
    events = [parsed(call.body, call.headers["x-line-signature"])[0] for call in (follow, unsend, again)]
    assert (events[0].type, events[0].follow.is_unblocked) == ("follow", True)
    assert (events[1].type, events[1].unsend.message_id) == ("unsend", said.line_id)
    assert events[2].delivery_context.is_redelivery is True


def test_the_sdk_refuses_a_changed_body(line: LineSimulator) -> None:
    (call,) = line.act(act("say", text="x"), NOW).calls
    with pytest.raises(InvalidSignatureError):
        parsed(call.body + b" ", call.headers["x-line-signature"])


MADE_UP = {"unknown_event_type", "unknown_message_type", "odd_timestamp", "half_a_surrogate_pair", "message_without_sender"}
CASES = sorted(path.name.removesuffix(".body") for path in FIXTURES.glob("*.body"))


@pytest.mark.parametrize(
    "case", [case for case in CASES if case not in MADE_UP and "bad_events" not in case and "dummy" not in case]
)
def test_the_sdk_reads_our_fixtures_as_we_do(case: str) -> None:
    """Each has every field that LINE's schema asks for, and the type that it is meant to have."""
    request = fixture(case)
    for event, raw in zip(
        parsed(request.body, request.headers["x-line-signature"]), json.loads(request.body)["events"], strict=True
    ):
        read = json.loads(event.to_json())
        assert read["type"] == raw["type"]
        assert {key for key in raw if key not in read} == set()


# -------------------------------------------------------------------------------------------------- our requests


def same(call: HttpCall, model: Any) -> None:
    """The request that we make is the one that the SDK makes of it: no field lost, none misnamed."""
    body = json.loads(call.body)
    assert json.loads(model.from_dict(body).to_json()) == body


def test_our_requests_are_what_the_sdk_would_send() -> None:
    files = [
        OutboundFile(name="f", mime_type=mime_type, size_bytes=9, url="https://x.test/f")
        for mime_type in ("image/png", "video/mp4", "audio/mpeg")
    ]
    account = an_account(preview_image_url="https://x.test/p.png")
    messages: list[Say | Notice] = [say(), notice(), *(say(text=None, file=file) for file in files)]
    for message in messages:
        calls, _ = play(ADAPTER.send(message, account, NOW), taken())
        same(calls[0], PushMessageRequest)
    known = {"quote_1": {"id": "5551112220001", "token": "qt"}, **young_token()}
    calls, _ = play(ADAPTER.send(say(memory=known, reply_to="5551112220001"), an_account(prefer_reply=True), NOW), taken())
    same(calls[0], ReplyMessageRequest)


def test_a_push_by_the_sdk_and_one_by_us_are_alike() -> None:
    message = TextMessage(text="Hello, Ben here.", sender=Sender(name="Ben", icon_url="https://cdn.example.test/ben.png"))
    request = PushMessageRequest(to=say().to, messages=[message])
    calls, _ = play(ADAPTER.send(say(), ACCOUNT, NOW), taken())
    assert json.loads(calls[0].body) == json.loads(request.to_json())


# ------------------------------------------------------------------------------------------- the simulated API


def test_the_sdk_s_client_sends_through_the_simulated_line(line: LineSimulator) -> None:
    api = MessagingApi(client(line))
    key = "123e4567-e89b-42d3-a456-426614174000"
    request = PushMessageRequest(
        to=SIM_KIM, messages=[TextMessage(text="one"), TextMessage(text="two", sender=Sender(name="Ben"))]
    )
    sent = api.push_message(request, x_line_retry_key=key)
    shown = line.handset("kim")[1:]
    assert [message.id for message in sent.sent_messages] == [one.id for one in shown]
    assert [(one.text, one.speaker) for one in shown] == [("one", None), ("two", "Ben")]
    with pytest.raises(ApiException) as caught:
        api.push_message(request, x_line_retry_key=key)
    assert caught.value.status == 409
    assert json.loads(caught.value.body)["sentMessages"][0]["id"] == shown[0].id


def test_the_sdk_s_client_replies(line: LineSimulator) -> None:
    token = json.loads(line.act(act("say", text="x"), NOW).calls[0].body)["events"][0]["replyToken"]
    picture = ImageMessage(original_content_url="https://x.test/1.png", preview_image_url="https://x.test/1.png")
    api = MessagingApi(client(line))
    assert api.reply_message(ReplyMessageRequest(reply_token=token, messages=[picture])).sent_messages[0].quote_token
    with pytest.raises(ApiException) as caught:
        api.reply_message(ReplyMessageRequest(reply_token=token, messages=[picture]))
    assert (caught.value.status, json.loads(caught.value.body)["message"]) == (400, "Invalid reply token")


def test_the_sdk_s_client_reads_the_rest(line: LineSimulator) -> None:
    api = MessagingApi(client(line))
    profile = api.get_profile(SIM_KIM)
    assert (profile.user_id, profile.display_name) == (SIM_KIM, "Kim")
    assert api.get_bot_info().user_id == ACCOUNT.bot_user_id
    assert api.get_message_quota().type == "none"
    assert api.get_message_quota_consumption().total_usage == 0
    api.show_loading_animation(ShowLoadingAnimationRequest(chat_id=SIM_KIM, loading_seconds=5))
    assert line.loading("kim", NOW)
    said = line.act(act("say", text="x"), NOW)
    token = json.loads(said.calls[0].body)["events"][0]["message"]["markAsReadToken"]
    api.mark_messages_as_read_by_token(MarkMessagesAsReadByTokenRequest(mark_as_read_token=token))
    assert (line.handset("kim")[-1].model_extra or {})["read"] is True


def test_the_sdk_s_client_fetches_files(line: LineSimulator) -> None:
    file = SimFile(name="a.mp4", mime_type="video/mp4", content=b"mp4")
    said = line.act(Action(kind="say", customer="kim", file=file), NOW)
    blobs = MessagingApiBlob(client(line))
    assert bytes(blobs.get_message_content(said.line_id)) == b"mp4"
    assert blobs.get_message_content_transcoding_by_message_id(said.line_id).status == "succeeded"


def test_the_sdk_s_client_is_refused_without_the_token(line: LineSimulator) -> None:
    with pytest.raises(UnauthorizedException):
        MessagingApi(client(line, "wrong")).get_bot_info()


def test_the_sdk_s_client_gets_tokens() -> None:
    account = an_account(access="short_lived", access_tokens=[], line_channel_id="1650000001")
    line = LineSimulator(account)
    found = TokenClient(TokenConfiguration())
    found.rest_client.pool_manager = Wire(line)
    oauth = ChannelAccessToken(found)
    issued = oauth.issue_channel_token("client_credentials", "1650000001", SECRET)
    assert (issued.token_type, issued.expires_in) == ("Bearer", 30 * 86_400)
    assert MessagingApi(client(line, issued.access_token)).get_bot_info().user_id == ACCOUNT.bot_user_id
    stateless = oauth.issue_stateless_channel_token_by_client_secret("1650000001", SECRET)
    assert stateless.expires_in == 900
    assert token_call(account, NOW).body.decode() == f"grant_type=client_credentials&client_id=1650000001&client_secret={SECRET}"
