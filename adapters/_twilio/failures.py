"""What Twilio's error codes mean for a message, in answers to sends and in status callbacks alike.

Source: Twilio, "Error and Warning Dictionary", https://www.twilio.com/docs/api/errors (the code is the last part of a page's address).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from adapters._twilio import wire
from adapters.contract import HttpReply
from adapters.errors import SendFailed, Verdict
from adapters.replies import THROTTLED, Meaning, failure

OPTED_OUT: Final = "opted_out"  # memory: they said STOP, and not START since

_dead = Verdict.dead
_again = Verdict.again


def _slower(late_wait: timedelta | None = None) -> Meaning:
    return Meaning(_again, "rate_limited", timedelta(minutes=1), throttles_account=True, late_wait=late_wait)


def _all(meaning: Meaning, *codes: int) -> dict[str, Meaning]:
    return {str(code): meaning for code in codes}


# Nothing tells whether Twilio took the message before it stumbled, and it has no idempotency key: a second try could be a second
# message. The status callback carries our id and clears the doubt.
PERHAPS_TAKEN: Final = Meaning(Verdict.unknown, "no_answer", late_code="provider_unavailable")
_BY_STATUS: Final = {500: PERHAPS_TAKEN, 502: PERHAPS_TAKEN, 504: PERHAPS_TAKEN}

MEANINGS: Final[Mapping[str, Meaning]] = {
    # the account
    **_all(Meaning(_dead, "not_authorised"), 20003),
    **_all(Meaning(_dead, "account_fault"), 20404, 21408, 21601, 21603, 21606, 21608, 21703, 21705, 21212),
    **_all(Meaning(_dead, "account_fault"), 30002, 30018, 30024, 30032, 30034, 63007, 63015, 63040, 63041),
    **_all(Meaning(_dead, "account_fault"), 11200, 11205, 11210, 11220, 12100, 12300),  # our own webhook failed Twilio
    # throttling and trouble
    **_all(THROTTLED, 63017, 63018),
    # Too many requests; the account's queue is full. Late, too, they say that nothing was delivered, and pass by themselves.
    **_all(Meaning(_again, "rate_limited", throttles_account=True, late_wait=timedelta(minutes=1)), 20429),
    **_all(_slower(late_wait=timedelta(minutes=1)), 30001),
    **_all(_slower(), 21611, 30022),
    **_all(Meaning(_again, "quota_exhausted", timedelta(hours=12), throttles_account=True), 30023, 30027, 63038),
    **_all(PERHAPS_TAKEN, 20500),
    **_all(Meaning(_again, "provider_unavailable", timedelta(minutes=1)), 30008, 30017, 30410, 63009, 63010, 63012),
    # the person
    **_all(
        Meaning(_dead, "recipient_unreachable"),
        21211,
        21214,
        21604,
        21612,
        21614,
        30005,
        30006,
        30014,
        63003,
        63024,
        63031,
        63032,
    ),
    **_all(Meaning(_again, "recipient_unreachable", timedelta(minutes=15)), 30003),  # switched off or out of reach
    **_all(Meaning(_dead, "opted_out"), 21610),
    **_all(Meaning(_dead, "blocked"), 63014, 63033),
    **_all(Meaning(_dead, "outside_window"), 63016),
    # the content
    **_all(Meaning(_dead, "too_long"), 21617),
    **_all(Meaning(_dead, "content_refused"), 21602, 21654, 21655, 21656, 63005, 63021, 63027, 63028, 63029, 63030),
    **_all(Meaning(_dead, "media_refused"), 21620, 21622, 21623, 30011, 30019, 63019, 63034, 63037),
    **_all(Meaning(_dead, "filtered"), 30004, 30007, 63013, 63026),
    **_all(Meaning(_dead, "refused"), 30009),  # a segment of a message to us is missing; said of no message of ours
}


def failed(reply: HttpReply, now: datetime) -> SendFailed:
    """The error for Twilio's refusal, by its code; without a known one, by status."""
    code = wire.members(reply).get("code")
    provider_code = str(code) if isinstance(code, int) and not isinstance(code, bool) else None
    table = MEANINGS
    if provider_code not in MEANINGS and reply.status in _BY_STATUS:
        table = {provider_code or "": _BY_STATUS[reply.status]}
    detail = wire.members(reply).get("message")
    error = failure(reply, now, table=table, provider_code=provider_code, detail=detail if isinstance(detail, str) else None)
    error.remember = {OPTED_OUT: True} if error.code == "opted_out" else {}
    return error
