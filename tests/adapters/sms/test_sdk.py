"""Twilio's own client against our simulated Twilio: if it is content, the simulator speaks as Twilio does."""

from __future__ import annotations

from base64 import b64encode
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client

from adapters.conformance import NOW, PICTURE
from adapters.contract import Answer, RawRequest
from adapters.envelope import Address, ChannelId, Say
from adapters.simulation import Action
from adapters.sms import ADAPTER
from adapters.sms.simulator import TextingTwilio
from tests.adapters.sms.account import ACCOUNT

API = "https://api.twilio.com"
KIM = TextingTwilio(ACCOUNT).address_of("kim")


class Played(HttpClient):  # type: ignore[misc]  # the library has no types
    """Hands the client's requests to the simulator, and keeps them."""

    def __init__(self, simulator: TextingTwilio) -> None:
        self.simulator = simulator
        self.seen: list[RawRequest] = []

    def request(
        self,
        method: str,
        uri: str,
        params: Any = None,
        data: Any = None,
        headers: Any = None,
        auth: Any = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        assert uri.startswith(API)
        path, _, query = uri.removeprefix(API).partition("?")
        pairs = parse_qsl(query) + [(key, str(value)) for key, value in (params or {}).items()]
        lower = {key.lower(): value for key, value in (headers or {}).items()}
        lower["authorization"] = "Basic " + b64encode(":".join(auth).encode()).decode()
        body = urlencode(data or {}, doseq=True).encode()
        self.seen.append(RawRequest(method, uri, path, tuple(pairs), lower, body, NOW))
        answer: Answer = self.simulator.handle(self.seen[-1], NOW).answer
        return Response(answer.status, answer.body.decode(), dict(answer.headers))


@pytest.fixture
def played() -> Played:
    return Played(TextingTwilio(ACCOUNT))


@pytest.fixture
def client(played: Played) -> Client:
    return Client(ACCOUNT.account_sid, "test_auth_token", http_client=played)


def test_create_fetch_list_delete(client: Client) -> None:
    message = client.messages.create(to=KIM, from_=ACCOUNT.number, body="hi ☂", status_callback="https://gw.example.net/s?m=1")
    assert (message.status, message.to, message.num_segments, message.error_code) == ("queued", KIM, "1", None)
    assert message.date_created == NOW
    fetched = client.messages(message.sid).fetch()
    assert (fetched.body, fetched.status, fetched.direction) == ("hi ☂", "delivered", "outbound-api")
    assert [one.sid for one in client.messages.list(to=KIM)] == [message.sid]
    assert client.messages(message.sid).delete()
    assert client.messages.list() == []


def test_errors_are_twilios(client: Client) -> None:
    with pytest.raises(TwilioRestException) as error:
        client.messages.create(to="kim", from_=ACCOUNT.number, body="hi")
    assert (error.value.status, error.value.code) == (400, 21211)


def test_wrong_token(played: Played) -> None:
    with pytest.raises(TwilioRestException) as error:
        Client(ACCOUNT.account_sid, "wrong", http_client=played).messages("SM1").fetch()
    assert (error.value.status, error.value.code) == (401, 20003)


def test_media_of_a_customer(client: Client, played: Played) -> None:
    played.simulator.act(Action(kind="say", customer="kim", file=PICTURE), NOW)
    line = played.simulator.handset("kim")[0]
    found = client.messages(line.id).media.list()
    assert [one.content_type for one in found] == ["image/png"]
    assert client.messages(line.id).media(found[0].sid).fetch().parent_sid == line.id


def test_our_request_is_what_the_client_sends(client: Client, played: Played) -> None:
    """The same message, once by Twilio's client and once by us: same address, same credentials, same form."""
    say = Say(
        id="msg_1",
        channel_id=ChannelId("sms"),
        to=Address(KIM),
        retry_key="0f3b6d62-6c3e-4a39-9a3f-000000000001",
        created_at=NOW,
        text="hi ☂ +1",
    )
    ours = next(ADAPTER.send(say, ACCOUNT, NOW))
    client.messages.create(
        to=KIM,
        from_=ACCOUNT.number,
        body="hi ☂ +1",
        status_callback="https://gw.example.net/webhooks/sms/status?m=msg_1#rc=5&rp=all",
    )
    theirs = played.seen[-1]
    assert (ours.method, ours.url) == (theirs.method, theirs.url)
    assert ours.headers["authorization"] == theirs.headers["authorization"]
    assert ours.headers["content-type"] == theirs.headers["content-type"]
    assert sorted(parse_qsl(ours.body.decode())) == sorted(parse_qsl(theirs.body.decode()))
