"""What a provider's HTTP answer means for the outbox, where the channel's own table doesn't say better.

A channel keeps exceptions as a table `{provider_code: Meaning}` and asks `failure` for the rest. The codes below are the only
ones that reps, operators and metrics ever see; docs/codes.md explains each. An adapter gives the code; which of its sentences is true
depends on what the gateway does with the message, so the gateway picks it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

from adapters.contract import Fetched, HttpReply
from adapters.envelope import MediaPart
from adapters.errors import SendFailed, Verdict
from adapters.file_types import type_of


@dataclass(frozen=True, slots=True)
class Sentences:
    """The sentences that a rep reads for a code, by the state of the message.

    `over`: nothing more is tried; it says what the rep can do. `waits`: the message is queued and tried again by itself; None where no
    provider's answer leads there.
    """

    over: str
    waits: str | None = None


CODES: Final[Mapping[str, Sentences]] = {
    "provider_unavailable": Sentences(
        "The channel's provider had an internal error and did not deliver the message. Send it again.",
        waits="The channel's provider has a problem. The message is retried automatically.",
    ),
    "no_answer": Sentences(
        "The provider didn't answer, so it is unknown whether the customer has the message. Check with the customer before sending it again."
    ),
    "rate_limited": Sentences(
        "The provider limits how much may be sent, and did not deliver this message. Wait a little, then send it again.",
        waits="The provider limits the sending rate. The message is waiting and will be sent automatically.",
    ),
    "quota_exhausted": Sentences(
        "The account's quota at the provider is used up. Ask an operator to raise it, then send the message again; or answer when the customer writes again.",
        waits="The account's quota at the provider is used up. The message is waiting and will be sent automatically. An operator can raise the quota.",
    ),
    "not_authorised": Sentences(
        "The provider refuses the channel's credentials. An operator must renew them; then send the message again."
    ),
    "account_fault": Sentences(
        "The account at the provider is not set up for this. An operator must fix it; then send the message again."
    ),
    "recipient_unreachable": Sentences(
        "The message could not reach the customer: this address takes no messages, or the phone is off. "
        "Use another channel, or send it again later.",
        waits="The customer's phone is off or out of reach. The message is retried automatically.",
    ),
    "opted_out": Sentences("The customer has opted out. Nothing can be sent until they opt in again."),
    "blocked": Sentences("The customer has blocked the business or left. Nothing can be sent until they write again."),
    "outside_window": Sentences(
        "The channel's time window for answers has ended. Send a template, or wait until the customer writes again."
    ),
    "conversation_closed": Sentences("The customer has closed the conversation. Nothing can be sent until they write again."),
    "content_refused": Sentences("The provider refuses this content. Change it and send it again."),
    "too_long": Sentences("The text is too long for this channel. Shorten it and send it again."),
    "media_refused": Sentences("The provider refuses this file: its type or size doesn't fit. Send a link or another file."),
    "media_gone": Sentences("The file is no longer at the provider. Ask the customer to send it again."),
    "media_address_refused": Sentences(
        "The file is at an address that the gateway doesn't fetch from: inside its own network, or not a web address. "
        "Ask the customer to send it again; if the address is right, an operator can allow its host."
    ),
    "media_not_ready": Sentences(
        "The provider could not prepare the file, so the message was not delivered. Send it again, or send a link.",
        waits="The provider is still preparing the file. It is retried automatically.",
    ),
    "filtered": Sentences("The provider or carrier filtered the message. Rephrase it, or use another channel."),
    "refused": Sentences(
        "The provider refused the message. Ask an operator to check the provider's code, or use another channel.",
        waits="The provider has not accepted the message yet. It is retried automatically.",
    ),
}

# A customer's file that we fetch: what is over there is nothing that the rep could send again.
_FILE_SENTENCES: Final[Mapping[str, Sentences]] = {
    "media_gone": CODES["media_gone"],
    "media_address_refused": CODES["media_address_refused"],
    "media_not_ready": Sentences(
        "The provider did not get the file ready. Ask the customer to send it again.",
        waits="The provider is still preparing the file. It is retried automatically.",
    ),
    "not_authorised": Sentences(
        "The provider refuses the channel's credentials, so the file can't be fetched. An operator must renew them; "
        "then ask the customer to send it again."
    ),
    "account_fault": Sentences(
        "The account at the provider is not set up to fetch files. An operator must fix it; then ask the customer to send it again."
    ),
}
_ANY_FILE: Final = Sentences(
    "The file could not be fetched. Ask the customer to send it again.",
    waits="The file can't be fetched yet. It is retried automatically.",
)


def sentence_of(code: str, *, waits: bool = False) -> str:
    """The sentence that a rep reads for a message to the customer: with `waits`, of one that is tried again, else of one that is final. A code
    that isn't in `CODES` reads as `refused`. Never raises.
    """
    said = CODES.get(code, CODES["refused"])
    return (said.waits or CODES["refused"].waits or said.over) if waits else said.over


def notice_sentence_of(code: str) -> str:
    """What a rep reads of a notice that ended undelivered: what happened. It can't be resent."""
    return sentence_of(code).partition(". ")[0].rstrip(".") + "."


def file_sentence_of(code: str, *, waits: bool = False) -> str:
    """The sentence that a rep reads for a customer's file: with `waits`, of one that is fetched again, else of one that is given up. A code
    without words of its own for files reads as "could not be fetched". Never raises.
    """
    said = _FILE_SENTENCES.get(code, _ANY_FILE)
    return (said.waits or _ANY_FILE.waits or said.over) if waits else said.over


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one provider code means.

    The same codes may come late, in a status for a message that the provider had taken. Then nothing is tried again, whatever the verdict,
    unless `late_wait` says so.
    """

    verdict: Verdict
    """What becomes of the message."""
    code: str
    """One of `CODES`: what reps, operators and metrics see."""
    wait: timedelta | None = None
    """How long at least before the next try, where the answer itself names no time."""
    throttles_account: bool = False
    """Every message of the account waits, not this one alone."""
    late_code: str | None = None
    """What the code means when it comes late, where that differs."""
    late_wait: timedelta | None = None
    """When it comes late: nothing was delivered and trying later helps, so the message is sent once more after this time."""


def dead(code: str) -> Meaning:
    """The meaning of a provider's code that refuses for good: verdict `dead`, and `code`, which is one of `CODES`."""
    return Meaning(Verdict.dead, code)


def late_failure(meaning: Meaning | None, provider_code: str | None, detail: str | None = None) -> dict[str, Any]:
    """The members of an `InboundReceipt` whose status is `failed`: `code`, `provider_code`, `detail`, `again_after_seconds`.

    `meaning` is None for a code that the channel's table doesn't have: the code is `refused` then. `detail` is cut at 1,000 characters.
    """
    meaning = meaning or REFUSED
    wait = meaning.late_wait
    return {
        "code": meaning.late_code or meaning.code,
        "provider_code": provider_code,
        "detail": detail[:MOST_DETAIL] if detail else None,
        "again_after_seconds": wait.total_seconds() if wait is not None else None,
    }


AGAIN: Final = Meaning(Verdict.again, "provider_unavailable")
REFUSED: Final = Meaning(Verdict.dead, "refused")
THROTTLED: Final = Meaning(Verdict.again, "rate_limited", throttles_account=True)
MOST_DETAIL: Final = 1_000  # characters of a provider's own words that are kept


def meaning_of_status(status: int) -> Meaning:
    """What an HTTP status means that the channel's table says nothing of. Statuses under 300 have no meaning here.

    408, 425 and 5xx: `again`, `provider_unavailable`. 429: `again`, `rate_limited`, for the whole account. 401 and 403: `dead`,
    `not_authorised`. 413: `dead`, `content_refused`. Any other: `dead`, `refused`.
    """
    if status in (408, 425) or status >= 500:
        return AGAIN
    if status == 429:
        return THROTTLED
    if status in (401, 403):
        return dead("not_authorised")
    if status == 413:
        return dead("content_refused")
    return REFUSED  # a bare 404, too: it says that the address we called is wrong as often as that the customer's is


def retry_after(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """The moment that a `Retry-After` header names (seconds or an HTTP date), at most a day ahead; None without a sound one."""
    value = headers.get("retry-after", "").strip()
    try:
        moment = now + timedelta(seconds=int(value)) if value.isdigit() else parsedate_to_datetime(value)
    except (ValueError, OverflowError, TypeError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(now, min(moment, now + timedelta(days=1)))


def fetched(reply: HttpReply, part: MediaPart, now: datetime) -> Fetched:
    """The file of an answer with status 200, under the part's own name and type; without a type, that of the answer, else that of the name's ending.

    Raises SendFailed for any other status: `dead` with `media_gone` for 401, 403, 404 and 410, `again` with `media_not_ready` for 202, 409
    and 425, else as `failure`.
    """
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
    detail: str | None = None,
    wait_seconds: object = None,
) -> SendFailed:
    """The error to raise for an answer that isn't a success: by `table[provider_code]` if there is one, else by the answer's status.

    Returned, not raised. `again_at` is what `wait_seconds` says, a number or its digits, where the provider's body has it; else what `Retry-After` says, else `now` and the meaning's `wait`, else None. `provider_code` is
    `http_<status>` where none is given. `detail` is the answer's own text where none is given, cut at 1,000 characters; `sentence` as in `SendFailed`.
    """
    meaning = (table or {}).get(provider_code or "") or meaning_of_status(reply.status)
    told = {"retry-after": str(wait_seconds)} if wait_seconds is not None else reply.headers
    again_at = retry_after(told, now)
    if again_at is None and meaning.wait is not None:
        again_at = now + meaning.wait
    return SendFailed(
        meaning.verdict,
        meaning.code,
        sentence,
        provider_code=provider_code or f"http_{reply.status}",
        status=reply.status,
        detail=(detail or reply.body[: 4 * MOST_DETAIL].decode("utf-8", "replace").strip())[:MOST_DETAIL] or None,
        again_at=again_at,
        throttles_account=meaning.throttles_account,
    )
