"""A signature that doesn't say where one field ends and the next begins proves one event, and no other, however it is read."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from adapters.contract import RawRequest
from adapters.errors import NotAuthentic, NotUnderstood
from tests.brokers.desk import BEGIN, Desk, desk
from tests.chosen import examples

SID = "SM" + "1" * 32
OTHER_SID = "SM" + "2" * 32
Pairs = Sequence[tuple[str, str]]


def fields(one: Desk, body: str = "hello", **more: str) -> dict[str, str]:
    """An ordinary message, as Twilio sends it."""
    account = one.account("sms")
    return {
        "AccountSid": account.account_sid,
        "ApiVersion": "2010-04-01",
        "Body": body,
        "From": "+15550001111",
        "FromCountry": "US",
        "MessageSid": SID,
        "NumMedia": "0",
        "SmsMessageSid": SID,
        "SmsSid": SID,
        "SmsStatus": "received",
        "To": account.number,
        **more,
    }


def signed(one: Desk, given: Mapping[str, str], path: str = "") -> RawRequest:
    """Signed by Twilio's own library."""
    account = one.account("sms")
    url = account.webhook_url + path
    signature = RequestValidator(account.auth_tokens[0].get_secret_value()).compute_signature(url, dict(given))
    headers = {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": signature}
    return RawRequest("POST", url, path.partition("?")[0], (), headers, urlencode(given).encode(), BEGIN)


def shifted(request: RawRequest, pairs: Pairs) -> RawRequest:
    """The same signature over other names and values."""
    return replace(request, body=urlencode(pairs).encode())


async def arrives(one: Desk, request: RawRequest) -> str:
    """As the edge and the receiver do it: verified, parsed, taken in. What became of it."""
    channel = one.channel("sms")
    try:
        channel.adapter.verify(request, channel.account, BEGIN)
        events = channel.adapter.parse(request, channel.account)
    except (NotAuthentic, NotUnderstood) as refused:
        return type(refused).__name__
    assert await one.take_in(*events) == [None] * len(events)
    return events[0].kind


def string_of(given: Mapping[str, str]) -> str:
    """What Twilio signs beside the address."""
    return "".join(name + given[name] for name in sorted(given))


def readings(text: str, cuts: Sequence[int]) -> Pairs | None:
    """The names and values between these cuts, if Twilio would have signed them in this order."""
    edges = [0, *sorted({cut % (len(text) + 1) for cut in cuts} - {0, len(text)}), len(text)]
    pieces = [text[a:b] for a, b in pairwise(edges)]
    pairs = [(pieces[n], pieces[n + 1] if n + 1 < len(pieces) else "") for n in range(0, len(pieces), 2)]
    names = [name for name, _ in pairs]
    return pairs if names == sorted(set(names)) else None


async def test_a_captured_request_with_its_fields_shifted_is_no_new_message(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        genuine = fields(one)
        request = signed(one, genuine)
        assert await arrives(one, request) == "message"
        sids = [f"{SID}NumMedia0SmsMessageSid{SID}", f"{SID}NumMedia0", SID[:20], ""]
        for sid in sids:
            text = string_of(genuine)
            start = text.index("MessageSid") + len("MessageSid")
            rest = text[start + len(sid) :]
            tail = re.search(r"(SmsSid|SmsStatus|NumMedia)", rest)
            pairs = [
                *((n, v) for n, v in sorted(genuine.items()) if n < "MessageSid"),
                ("MessageSid", text[start : start + len(sid)]),
            ]
            assert tail is not None
            forged = shifted(request, [*pairs, (rest, "")]) if rest else shifted(request, pairs)
            await arrives(one, forged)
        (session,) = await one.sessions()
        assert await one.texts(session.id) == ["hello"]


async def test_words_that_look_like_fields_give_no_second_message_under_another_sid(tmp_path: Path) -> None:
    """The customer wrote a sid into the text, of the right form: the signature allows it, the event has had its effect."""
    async with desk(tmp_path) as one:
        genuine = fields(one, f"hiFrom+15550001111MessageSid{OTHER_SID}NumMedia0")
        request = signed(one, genuine)
        assert await arrives(one, request) == "message"
        pairs = [(n, v) for n, v in sorted(genuine.items()) if n < "Body"]
        pairs += [("Body", "hi"), ("From", "+15550001111"), ("MessageSid", OTHER_SID)]
        after = string_of(genuine).partition(f"MessageSid{OTHER_SID}")[2]
        pairs += [("NumMedia", after.removeprefix("NumMedia"))]
        forged = shifted(request, pairs)
        one.channel("sms").adapter.verify(forged, one.account("sms"), BEGIN)  # Twilio's signature does cover it
        assert await arrives(one, forged) == "message"
        (session,) = await one.sessions()
        assert await one.texts(session.id) == [genuine["Body"]]


async def test_a_shifted_request_ends_no_conversation(tmp_path: Path) -> None:
    """`Body=Stop` with a field `CancelledIt` signs as `Body=StopCancelledIt` does: no opt-out comes of it, also after a restart."""
    async with desk(tmp_path) as one:
        genuine = fields(one, "StopCancelledIt")
        request = signed(one, genuine)
        await arrives(one, request)
        forged = shifted(request, sorted((genuine | {"Body": "Stop", "CancelledIt": ""}).items()))
        one.channel("sms").adapter.verify(forged, one.account("sms"), BEGIN)  # Twilio's signature does cover it
        await arrives(one, forged)
        await one.restart()
        await arrives(one, forged)
        (session,) = await one.sessions()
        assert session.status.value == "waiting"


async def test_twilios_own_retry_is_the_same_event_and_the_next_request_another(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        request = signed(one, fields(one))
        for _ in range(3):
            assert await arrives(one, request) == "message"
        again_in_another_order = replace(request, body=urlencode(sorted(fields(one).items(), reverse=True)).encode())
        assert await arrives(one, again_in_another_order) == "message"
        same_words = dict.fromkeys(("MessageSid", "SmsMessageSid", "SmsSid"), OTHER_SID)
        assert await arrives(one, signed(one, fields(one, **same_words))) == "message"
        (session,) = await one.sessions()
        assert await one.texts(session.id) == ["hello", "hello"]


async def test_an_event_that_could_not_be_applied_is_taken_in_when_it_comes_again(tmp_path: Path) -> None:
    """The signature is written down in the transaction of the effect: without the effect it isn't used up."""
    async with desk(tmp_path) as one:
        channel, request = one.channel("sms"), signed(one, fields(one))
        (event,) = channel.adapter.parse(request, channel.account)
        with one.failing_at("entries_written"):
            (fault,) = await one.take_in(event)
            assert fault is not None
        assert await one.take_in(event) == [None]
        (session,) = await one.sessions()
        assert await one.texts(session.id) == ["hello"]


async def test_a_status_counts_for_the_message_that_it_was_signed_for(tmp_path: Path) -> None:
    """The address ends where the first name begins, without a mark: our own id in it can't be lengthened to name another row."""
    async with desk(tmp_path) as one:
        status = {"AccountSid": one.account("sms").account_sid, "MessageSid": SID, "MessageStatus": "sent", "To": "+15550001111"}
        request = replace(signed(one, status, "/status?m=msg_1"), query=(("m", "msg_1"),))
        assert await arrives(one, request) == "receipt"
        waiting = await one.rows("SELECT names FROM parked ORDER BY names")
        assert waiting == [(SID,), ("msg_1",)]
        longer = f"msg_1AccountSid{status.pop('AccountSid')}"
        url = f"{one.account('sms').webhook_url}/status?m={longer}"
        forged = replace(request, url=url, query=(("m", longer),), body=urlencode(status).encode())
        assert await arrives(one, forged) == "receipt"
        assert await one.rows("SELECT names FROM parked ORDER BY names") == waiting


PIECES = [
    "a",
    "S",
    "+1555",
    "Body",
    "From",
    "MessageSid",
    "SmsSid",
    "SmsMessageSid",
    SID,
    OTHER_SID,
    "To",
    "OptOutType",
    "STOP",
    "NumMedia",
]
HOSTILE = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=HOSTILE, cuts=st.lists(st.lists(st.integers(0, 600), max_size=24), max_size=12))
def test_no_reading_of_a_signed_request_gives_a_second_message(
    tmp_path_factory: pytest.TempPathFactory, words: str, cuts: list[list[int]]
) -> None:
    asyncio.run(_every_reading(tmp_path_factory.mktemp("desk"), words, cuts))


async def _every_reading(data_dir: Path, words: str, cuts: list[list[int]]) -> None:
    async with desk(data_dir) as one:
        genuine = fields(one, words)
        request = signed(one, genuine)
        await arrives(one, request)
        text = string_of(genuine)
        spots = [m.start() for m in re.finditer(r"[A-Z]|SM[12]{32}|(?<=Body)|(?<=From)|(?<=Sid)|(?<=To)", text)]
        for some in cuts:
            for pairs in (readings(text, some), readings(text, [spots[cut % len(spots)] for cut in some])):
                if pairs is not None:
                    await arrives(one, shifted(request, pairs))
        said = [await one.texts(session.id) for session in await one.sessions()]
        assert len(said) <= 1
        assert all(len(texts) == 1 for texts in said)
