"""Checks that what the provider sent is read, whatever it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from adapters.conformance.cases import Case, NotConforming, alike, require, told, told_briefly
from adapters.conformance.proofs import refusal
from adapters.conformance.samples import BROKEN
from adapters.conformance.subject import Subject
from adapters.contract import RawRequest
from adapters.envelope import (
    Inbound,
    InboundMessage,
    InboundReceipt,
    InboundUnknown,
    MediaPart,
)
from adapters.errors import NotUnderstood
from adapters.reading import moment


def check_parses(subject: Subject, case: Case) -> None:
    """The recorded request is authentic, and says what stands beside it, which somebody worked out from the provider's page."""
    require(
        not case.unchecked,
        f"{case.name}: its expected.json was written from what the adapter gave, so it proves nothing. Compare it with the source "
        f"({case.source}), then remove `unchecked` from headers.json",
    )
    if not isinstance(case.expected, list):
        answer = subject.adapter.handshake(case.request, subject.account)
        require(answer is not None, f"{case.name}: no handshake's answer")
        given = {"status": answer.status, "body": answer.body.decode()} if answer else {}
        require(given == case.expected, f"{case.name}: answered {given}, expected {case.expected}")
        return
    require(subject.adapter.handshake(case.request, subject.account) is None, f"{case.name}: an event, but taken for a handshake")
    subject.adapter.verify(case.request, subject.account, case.request.received_at)
    actual = [told(one) for one in subject.adapter.parse(case.request, subject.account)]
    expected = [told_briefly(one) for one in case.expected]
    if not alike(expected, actual):
        raise NotConforming(f"{case.name}: parse gave\n{_pretty(actual)}\nexpected\n{_pretty(expected)}")


def check_unknown_events_are_kept(subject: Subject) -> None:
    """There is a fixture of an event that we don't know; whatever is unknown keeps its raw event and says what it was."""
    found = [one for case in subject.events for one in parsed(subject, case) if isinstance(one, InboundUnknown)]
    require(found, "no fixture holds an event of an unknown kind")
    for one in found:
        require(one.raw and one.reason, f"an unknown event ({one.event_id}) without its raw event or a reason")


def check_broken_body_is_not_understood_or_unknown(subject: Subject) -> None:
    """Signed nonsense is NotUnderstood or unknown, never another error, and never a message."""
    case = subject.events[0]
    for body in (*BROKEN, case.request.body[: len(case.request.body) // 2], case.request.body + b"\xff"):
        request = subject.sign(replace(case.request, body=body), subject.account)
        if body in (*BROKEN,):
            require(_only_unknown(subject, request), f"{body[:60]!r} gave something else than unknown events")
        else:
            _only_unknown(subject, request)


def _only_unknown(subject: Subject, request: RawRequest) -> bool:
    if refusal(subject, request):
        return True
    try:
        return all(isinstance(one, InboundUnknown) for one in subject.adapter.parse(request, subject.account))
    except NotUnderstood:
        return True


def check_times_are_the_providers(subject: Subject) -> None:
    """A fixture's provider time lies within a day of the moment that it was received: milliseconds read as seconds don't. Where messages'
    raw events hold such times, some message has one: seconds read as RFC 3339 are None."""
    timed, untimed = False, ""
    for case in subject.events:
        at = case.request.received_at
        for one in parsed(subject, case):
            then = one.provider_time
            require(
                then is None or abs(then - at) <= _DAY,
                f"{case.name}: a {one.kind} has the time {then}, and was received at {at}: is the unit right? If it is, give the fixture's "
                "headers.json a `received_at`",
            )
            if isinstance(one, InboundMessage):
                timed = timed or then is not None
                found = next((value for value in _values(one.raw) if _is_near(value, at)), None)
                untimed = untimed or (f"{case.name}: its event holds {found!r}" if then is None and found is not None else "")
    require(timed or not untimed, f"no message has a provider_time. {untimed}")


_DAY: Final = timedelta(days=1)


def _values(raw: Any) -> Iterator[Any]:
    """Texts and numbers anywhere in a raw event."""
    if isinstance(raw, dict | list):
        for one in raw.values() if isinstance(raw, dict) else raw:
            yield from _values(one)
    else:
        yield raw


def _is_near(value: Any, at: datetime) -> bool:
    """Whether a value is a time around then, in whatever form."""
    digits = str(value)
    number = float(digits) if digits.replace(".", "", 1).isdigit() and len(digits) < 20 else None
    read = [moment(seconds=number), moment(milliseconds=number)] if number is not None else [moment(value)]
    return any(one is not None and abs(one - at) <= _DAY for one in read)


def check_broken_letters_are_no_message(subject: Subject) -> None:
    """JSON that isn't UTF-8 is NotUnderstood: with replacement characters in it, a customer's words would be lost unnoticed."""
    for case in subject.events:
        body = case.request.body
        spot = body.find(b'"', len(body) // 2) + 1
        if body[:1] != b"{" or spot == 0:
            continue
        request = subject.sign(replace(case.request, body=body[:spot] + b"\xc3\x28\xff" + body[spot:]), subject.account)
        require(_only_unknown(subject, request), f"{case.name}: taken though it is no UTF-8")


def check_mutilated_bytes_are_taken_or_refused(subject: Subject) -> None:
    """Fixtures with bytes lost, doubled or put in: only NotAuthentic and NotUnderstood come out, signed or not."""
    chance = Random(1)  # noqa: S311  # the same mutilations on each run
    for case in subject.events:
        for _ in range(12):
            request = replace(case.request, body=_mutilated(case.request.body, chance))
            refusal(subject, request)
            signed = subject.sign(request, subject.account)
            if refusal(subject, signed) is None:
                with suppress(NotUnderstood):
                    subject.adapter.parse(signed, subject.account)


def _mutilated(body: bytes, chance: Random) -> bytes:
    changed = bytearray(body)
    for _ in range(chance.randint(1, 4)):
        spot = chance.randrange(len(changed) + 1)
        width = chance.choice((0, 0, 1, 7))
        changed[spot : spot + width] = chance.choice(
            (b"", b"\x00", b"\xff", b'"', b"{", b"[]", b"null", b"-1", b"%00", b"1e999", b"\\ud800")
        )
    return bytes(changed)


def check_capabilities_have_fixtures(subject: Subject) -> None:
    """What the capabilities say comes in, stands in a fixture; and the other way round."""
    found: set[str] = set()
    statuses: set[str] = set()
    for one in [one for case in subject.events for one in parsed(subject, case)]:
        found |= _names(one)
        statuses |= {str(one.status)} if isinstance(one, InboundReceipt) else set()
    declared = subject.adapter.capabilities
    require(declared.inbound <= found, f"declared, but in no fixture: {sorted(declared.inbound - found)}")
    extra = found - declared.inbound - {"unknown", "message.unknown"}
    require(not extra, f"in fixtures, but not declared: {sorted(extra)}")
    require(statuses == declared.receipts, f"receipts declared {sorted(declared.receipts)}, in fixtures {sorted(statuses)}")


def _names(event: Inbound) -> set[str]:
    if not isinstance(event, InboundMessage):
        return {event.kind}
    return {f"message.{part.media if isinstance(part, MediaPart) else part.type}" for part in event.parts}


def parsed(subject: Subject, case: Case) -> list[Inbound]:
    """What a fixture says."""
    return subject.adapter.parse(case.request, subject.account)


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)
