"""What a provider's HTTP answer means for the outbox, where the channel's own table doesn't say better.

A channel keeps exceptions as a table `{provider_code: Meaning}` and asks `failure` for the rest. The codes below are the only
ones that reps, operators and metrics ever see; docs/codes.md explains each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from adapters.contract import Fetched, HttpReply
from adapters.envelope import MediaPart
from adapters.errors import SendFailed, Verdict
from adapters.file_types import type_of

SENTENCES: Final[Mapping[str, str]] = {
    "provider_unavailable": "The channel's provider is in trouble; we try again by ourselves.",
    "no_answer": "The provider gave no answer, so we can't know whether the customer has it. Check with the customer before sending again.",
    "rate_limited": "The provider asks us to slow down; the message waits and goes out by itself.",
    "quota_exhausted": "The account's quota at the provider is used up. Ask an operator to raise it, or answer when the customer writes again.",
    "not_authorised": "The provider refuses our credentials. An operator must renew them; then send again.",
    "account_fault": "The account at the provider is not set up for this. An operator must mend it; then send again.",
    "recipient_unreachable": "The customer can't be reached at this address.",
    "opted_out": "The customer has opted out. Nothing can be sent until they opt in again.",
    "blocked": "The customer has blocked us or left. Nothing can be sent until they write again.",
    "outside_window": "The channel's time for free answers is over. Send a template, or wait until the customer writes again.",
    "conversation_closed": "The customer has closed the conversation. Nothing can be sent until they write again.",
    "content_refused": "The provider refuses this content. Change it and send again.",
    "too_long": "The text is too long for this channel. Shorten it and send again.",
    "media_refused": "The provider refuses this file: its type or size doesn't fit. Send a link or another file.",
    "media_gone": "The file is no longer at the provider. Ask the customer to send it again.",
    "media_not_ready": "The provider is still preparing the file; we try again by ourselves.",
    "filtered": "The provider or carrier filtered the message out. Word it differently, or use another channel.",
    "refused": "The provider refused the message.",
}


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one provider code means. `wait`: how long at least before the next try."""

    verdict: Verdict
    code: str
    wait: timedelta | None = None
    throttles_account: bool = False


def dead(code: str) -> Meaning:
    """Refused for good, with that code."""
    return Meaning(Verdict.dead, code)


AGAIN: Final = Meaning(Verdict.again, "provider_unavailable")
REFUSED: Final = Meaning(Verdict.dead, "refused")
THROTTLED: Final = Meaning(Verdict.again, "rate_limited", throttles_account=True)


def meaning_of_status(status: int) -> Meaning:
    """The default by HTTP status alone."""
    if status in (408, 425) or status >= 500:
        return AGAIN
    if status == 429:
        return THROTTLED
    if status in (401, 403):
        return Meaning(Verdict.dead, "not_authorised")
    if status in (404, 410):
        return Meaning(Verdict.dead, "recipient_unreachable")
    if status == 413:
        return Meaning(Verdict.dead, "content_refused")
    return REFUSED


def retry_after(reply: HttpReply, now: datetime) -> datetime | None:
    """The moment that a `Retry-After` header names (seconds or an HTTP date), at most a day ahead; None without a sound one."""
    value = reply.headers.get("retry-after", "").strip()
    try:
        moment = now + timedelta(seconds=int(value)) if value.isdigit() else parsedate_to_datetime(value)
    except (ValueError, OverflowError, TypeError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(now, min(moment, now + timedelta(days=1)))


def fetched(reply: HttpReply, part: MediaPart, now: datetime) -> Fetched:
    """The file that an answer brings, under the part's own name and type where it has them. Raises SendFailed for any other answer than 200."""
    if reply.status == 200:
        told = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
        by_answer = told if told not in ("", "application/octet-stream", "binary/octet-stream") else None
        return Fetched(reply.body, mime_type=part.mime_type or by_answer or type_of(part.name) or told or None, name=part.name)
    code = f"http_{reply.status}"
    raise failure(reply, now, table=_FILES, provider_code=code)


_FILES: Final = {
    **dict.fromkeys(("http_401", "http_403", "http_404", "http_410"), dead("media_gone")),
    **dict.fromkeys(("http_202", "http_409", "http_425"), Meaning(Verdict.again, "media_not_ready")),
}


def failure(
    reply: HttpReply,
    now: datetime,
    *,
    table: Mapping[str, Meaning] | None = None,
    provider_code: str | None = None,
    sentence: str | None = None,
) -> SendFailed:
    """The error to raise for an answer that is no success: by the channel's `table` first, else by status."""
    meaning = (table or {}).get(provider_code or "") or meaning_of_status(reply.status)
    again_at = retry_after(reply, now)
    if again_at is None and meaning.wait is not None:
        again_at = now + meaning.wait
    return SendFailed(
        meaning.verdict,
        meaning.code,
        sentence or SENTENCES[meaning.code],
        provider_code=provider_code or f"http_{reply.status}",
        again_at=again_at,
        throttles_account=meaning.throttles_account,
    )
