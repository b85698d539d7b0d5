"""What tests of the mapping share: an org, its channel, rows of the outbox, and a Salesforce that is played by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from adapters.contract import Flow, HttpCall, HttpReply, RawRequest
from adapters.envelope import Address, ChannelId
from adapters.multipart import read_form
from gateway.brokers.salesforce.tokens import Tokens, load_keys
from gateway.config.salesforce import SalesforceChannel, SalesforceOrg
from gateway.store.contract import Call
from tests.brokers.salesforce.keys import key_pair

T = TypeVar("T")
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
LANE = "salesforce:main"
ADDRESS = "b1c7b5c2-1f7e-4d5a-9f5e-0d1f6a2b3c4d"
CUSTOMER = "+4915112345"
RETRY_KEY = "6f0c52a4-8a0b-4f0e-9d2e-0b1f6a1c7e55"
CONVERSATION = "c0ffee00-0000-4000-8000-000000000001"
WORK_ITEM = "0Mw000000000001AAA"
KNOWN = {"conversation": CONVERSATION, "work_item": WORK_ITEM}


def an_org(**settings: Any) -> SalesforceOrg:
    """A production org, unless told otherwise."""
    usual = {
        "org_id": "00D000000000001AAA",
        "instance_url": "https://acme.my.salesforce.com",
        "scrt_url": "https://acme.my.salesforce-scrt.com",
        "consumer_key": "consumer",
        "username": "gateway@acme.example",
        "private_keys": [key_pair()[0].decode()],
        "event": "byoc__Message__e",
        "event_type_field": "byoc__EventType__c",
        "event_payload_field": "byoc__Payload__c",
    }
    return SalesforceOrg.model_validate({**usual, **settings})


CHANNEL = SalesforceChannel(org="main", address=ADDRESS, definition="Acme_Sms")


def tokens_of(org: SalesforceOrg, *names: str) -> Tokens:
    """With the key pairs of these names."""
    return Tokens(org, [_key(name) for name in names or ("first",)])


@cache
def _key(name: str) -> RSAPrivateKey:
    return load_keys([key_pair(name)[0]])[0]


def a_call(operation: str, body: Mapping[str, Any], memory: Mapping[str, Any] | None = None, **fields: Any) -> Call:
    """A row of the outbox about a customer of the channel `sms`."""
    usual: dict[str, Any] = {
        "to": Address(f"sms/{CUSTOMER}"),
        "retry_key": RETRY_KEY,
        "created_at": NOW,
        "about": ChannelId("sms"),
    }
    return Call(
        **{**usual, **fields}, id="1", channel_id=ChannelId(LANE), operation=operation, body=dict(body), memory=dict(memory or {})
    )


def an_event(payload: object, kind: str = "Interaction", **headers: str) -> RawRequest:
    """A platform event as the inbox has it."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    usual = {"event-id": "e-1", "replay-id": "00000000000000ff", "event-type": kind}
    return RawRequest("EVENT", "/event/byoc__Message__e", "", (), {**usual, **headers}, body, NOW)


Answering = Callable[[HttpCall], HttpReply]


def played(flow: Flow[T], answer: Answering) -> T:
    """The flow's result, with Salesforce's answers given by a function."""
    try:
        call = next(flow)
        while True:
            call = flow.send(answer(call))
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]


def answered(body: object, status: int = 202, **headers: str) -> HttpReply:
    """An answer in JSON."""
    return HttpReply(status, headers, json.dumps(body).encode())


def body_of(call: HttpCall) -> dict[str, Any]:
    """The JSON of a request, in a form or alone."""
    if not call.headers["content-type"].startswith("multipart/"):
        return json.loads(call.body)  # type: ignore[no-any-return]
    request = RawRequest(call.method, call.url, "", (), {"content-type": call.headers["content-type"]}, call.body, NOW)
    return json.loads(read_form(request)[0]["json"])  # type: ignore[no-any-return]


class Played:
    """Salesforce by hand: a token endpoint, and answers by path, in order; the last one of a path stays. `seen` are the calls but those for tokens."""

    def __init__(self, **answers: HttpReply | list[HttpReply]) -> None:
        self.seen: list[HttpCall] = []
        self.tokens = 0
        self._answers = {path: answer if isinstance(answer, list) else [answer] for path, answer in answers.items()}

    def __call__(self, call: HttpCall) -> HttpReply:
        if call.url.endswith("/services/oauth2/token"):
            self.tokens += 1
            return answered({"access_token": f"token-{self.tokens}"}, 200)
        self.seen.append(call)
        path = call.url.partition("/api/v1/")[2]
        answers = self._answers[path]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What was asked, in order."""
        return [body_of(call) for call in self.seen]
