"""What Salesforce's answers mean for a row of the outbox: again, held, or over.

A fault of the org is not a fault of the message: what an admin can repair holds the rows, and they go on afterwards. Source: Salesforce's list of error
codes (github.com/salesforce-misc/interaction-service-apis). Which HTTP status goes with a code isn't published, so the code decides, and the status only
where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeAlias

from adapters.contract import HttpReply
from adapters.errors import SendFailed, Verdict
from adapters.reading import answer_of, dict_of, optional
from adapters.replies import MOST_DETAIL, meaning_of_status, retry_after

Scope: TypeAlias = Literal["channel", "org"]
Kind: TypeAlias = Literal["again", "hold", "dead", "token"]

RATE_LIMIT: Final = "Interaction request rate limit exceeded"  # the whole text of the refusal; its status isn't published
_SLOW_DOWN: Final = timedelta(seconds=1)  # the limit is per second


class OrgFault(SendFailed):
    """The org, or what it has of one channel, is not set up for the call, so every row like it would fail the same way.

    For whoever sends rows: `holds` is True. Such a row stays queued however old it is, is never `failed`, and is tried again now and then; until a call
    works, the rows of `scope` (the one `channel`, or the whole `org`) wait with it, and an operator is told `sentence`, which names the fix. A plain
    `SendFailed` has no such attribute: `getattr(failed, "holds", False)`.
    """

    holds = True

    def __init__(
        self,
        code: str,
        sentence: str,
        *,
        scope: Scope,
        provider_code: str | None = None,
        status: int | None = None,
        detail: str | None = None,
        again_at: datetime | None = None,
        remember: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            Verdict.again,
            code,
            sentence,
            provider_code=provider_code,
            status=status,
            detail=detail,
            again_at=again_at,
            remember=remember,
        )
        self.scope: Scope = scope


@dataclass(frozen=True, slots=True)
class Ruling:
    """What one of Salesforce's codes means: `code` is ours (`adapters.replies.CODES`), `fix` a sentence or two for operators."""

    kind: Kind
    fix: str
    code: str
    scope: Scope = "org"


def _again(fix: str, code: str = "refused") -> Ruling:
    return Ruling("again", fix, code)


def _channel(fix: str) -> Ruling:
    return Ruling("hold", fix, "account_fault", "channel")


def _org(fix: str) -> Ruling:
    return Ruling("hold", fix, "account_fault", "org")


def _dead(fix: str, code: str = "refused") -> Ruling:
    return Ruling("dead", fix, code)


_ADDRESS: Final = "Salesforce doesn't know the channel's `address`. Each copy of an org has another ChannelAddressIdentifier: copy it from the messaging channel."
_NO_CUSTOMER: Final = "Salesforce doesn't accept the customer's address: it is empty or longer than 255 characters."
_OUR_BODY: Final = "Salesforce refuses the request's form. Report it with the code; the row can't be sent as it is."
_FILE: Final = "Salesforce doesn't take this file: it is empty, over 25 MB, or of a type that can't be determined."
_TOO_OLD_ORG: Final = "The org's release doesn't offer this yet. Ask Salesforce to enable it, or route without it."
_CONVERSATION: Final = "Salesforce no longer has this conversation or session. What the customer writes next begins another."
_WORK: Final = "Salesforce refuses to give this work to that rep. Route it to somebody else."
_HISTORY: Final = "Salesforce doesn't take this part of the history; the conversation itself goes on. Set the channel's `history` to false to stop sending it."
_CONSENT: Final = "The channel's definition doesn't let a partner set consent. Set its consentOwner to Partner and supportsKeywords to false, or the channel's `consent` to salesforce."
_CAPABILITIES: Final = "Salesforce refuses the formats that the gateway registers for this channel. Report it with the code; messages are not affected."
# It may be this session's alone, and what is lost is its end: the rows of all customers needn't wait for it.
_NO_ACCESS: Final = "The gateway's user may not change this messaging session. Give it the permission set of the set-up."
_DEFINITION: Final = "The channel's `definition` doesn't fit its `address`, or the app may not use it. Check the ConversationChannelDefinition and that the messaging channel was made with it."

RULINGS: Final[Mapping[str, Ruling]] = {
    "10001": _channel(_DEFINITION),
    "10002": _channel(
        "The messaging channel at this `address` is not a custom one. Copy the ChannelAddressIdentifier of the channel that was made for BYOC."
    ),
    "10003": _org(
        "The access token lacks the scope interaction_api. Add “Access Interaction API resources” to the external client app."
    ),
    "10004": Ruling("token", "Salesforce doesn't accept the access token.", "not_authorised"),
    "10005": _org(
        "The channel's `definition` doesn't belong to the app that the token was issued for. Check the definition's connected app and `consumer_key`."
    ),
    "10006": _channel("The messaging channel at this `address` belongs to another provider. Check `address` and `definition`."),
    "10007": _dead(_OUR_BODY),
    "10008": _dead(_FILE, "media_refused"),
    "10009": _dead(_FILE, "media_refused"),
    "10010": _dead(_OUR_BODY),
    "10011": _dead(_OUR_BODY),
    **dict.fromkeys(("10012", "10013", "10014", "10015"), _dead(_WORK)),
    "10016": _org("Salesforce refuses a header of the request. Check `org_id` and the channel's `definition`."),
    "10017": _channel(_ADDRESS),
    "10018": _dead(_CONVERSATION),
    "10019": _again("The org is read-only while Salesforce moves it. Rows wait and go on by themselves.", "provider_unavailable"),
    "10020": _dead(_NO_CUSTOMER, "recipient_unreachable"),
    **dict.fromkeys(("10021", "10022", "10023"), _dead(_CONSENT)),
    "10024": _dead("A flow needs a fallback queue beside it. Check the org's `flows` and `queues`."),
    "10025": _dead(_CONVERSATION),
    "10026": _channel(_DEFINITION),
    "10027": _channel(_ADDRESS),
    "10028": _dead(_NO_CUSTOMER, "recipient_unreachable"),
    "10029": _dead(_OUR_BODY, "content_refused"),
    "10030": _dead(_OUR_BODY),
    "10031": _channel("The messaging channel is not active. Activate it in Setup, Messaging Settings."),
    "10032": _dead("Salesforce doesn't know the queue. Check the ids under the org's `queues`."),
    "10033": _dead(_OUR_BODY),
    "10034": _dead(_OUR_BODY),
    "10035": _channel("The messaging channel at this `address` is not a custom one. Check `address`."),
    "10036": _dead("That rep is not in the conversation any more."),
    **dict.fromkeys(("10037", "10038", "10039", "10040", "10041"), _dead(_OUR_BODY)),
    **dict.fromkeys(("10042", "10043", "10044"), _dead(_HISTORY)),
    "10045": _dead(_OUR_BODY, "content_refused"),
    "10046": _dead(_HISTORY),
    **dict.fromkeys(("10047", "10048", "10049", "10050"), _dead(_CAPABILITIES)),
    "10051": _dead(_OUR_BODY, "media_refused"),
    "10052": _channel(_ADDRESS),
    "10053": _dead(_OUR_BODY),
    "10054": _dead(_NO_CUSTOMER, "recipient_unreachable"),
    "10055": _again("Salesforce's conversation wasn't ready. The row is sent again with the same entry id."),
    "10056": _again("Salesforce broke off the work. The row is sent again with the same entry id."),
    "10057": _dead("Only BYOC for CCaaS takes history. Set the channel's `history` to false, or check `product`."),
    "10058": _dead("A flow, trigger or rule of the org refused it. Ask the org's admin to look at the error in Salesforce."),
    "10059": _dead(_OUR_BODY),
    "10060": _dead(_OUR_BODY),
    "10061": _dead(_HISTORY),
    "10062": _dead(_OUR_BODY, "content_refused"),
    "10063": _dead(_HISTORY),
    "10064": _dead(_HISTORY),
    **dict.fromkeys(("10065", "10066", "10067", "10068"), _dead(_HISTORY)),
    **dict.fromkeys(("10069", "10070"), _channel(_DEFINITION)),
    **dict.fromkeys(("10071", "10072"), _dead(_CONVERSATION)),
    **dict.fromkeys(("10073", "10074"), _dead(_HISTORY)),
    **dict.fromkeys(("10075", "10076", "10077"), _dead(_TOO_OLD_ORG)),
    "10078": _dead(_OUR_BODY),
    **dict.fromkeys(("10082", "10083", "10084", "10085"), _dead(_WORK)),
    **dict.fromkeys(("10086", "10087", "10088"), _dead("This concerns external bots, which the gateway is not.")),
    **dict.fromkeys(("10089", "10090", "10091", "10092"), _dead(_OUR_BODY)),
    "10093": _org("Salesforce refuses the AuthorizationContextType. Check the channel's `definition`."),
    "10094": _again("A service behind Salesforce's answered too late. The row is sent again.", "provider_unavailable"),
    "10095": _dead(_FILE, "media_refused"),
    "10096": _dead(
        "A routing attribute is longer than the org's channel variable allows. Lengthen the variable, or shorten the value."
    ),
    "10097": _dead(_OUR_BODY),
    "10098": _dead(_CAPABILITIES),
    "10099": _org(
        "The org lacks a permission or licence for messaging by a partner. Check Digital Engagement and the Partner Messaging licence."
    ),
    "10100": _dead(_OUR_BODY),
    "10101": _dead(_OUR_BODY),
    "10102": _dead(_OUR_BODY),
    "10103": _dead(_OUR_BODY),
    "10104": _dead(_NO_ACCESS),
    "10105": _dead("Salesforce doesn't know this customer."),
    "10106": _dead(_CONVERSATION),
    "15102": _org("BYOC for CCaaS is not enabled in the org. Enable it in Setup, or set the channel's `product` to messaging."),
    "15103": _dead("The customer hasn't opted in as the channel requires.", "opted_out"),
    "15104": _channel("The messaging channel is not linked to a contact center. Add a ContactCenterChannel for it."),
    "15105": _dead("That rep lacks the Partner Messaging licence. Assign it, or route to somebody else."),
    "15106": _dead("Salesforce doesn't know that user. Check the ids under the org's `reps`."),
    "15107": _dead(_CONVERSATION),
    "15108": _dead("The session has no service channel. Check that MessagingSession has one in Omni-Channel."),
    "15109": _dead("That rep has this work already."),
    "15110": _dead(_CONVERSATION),
    "15111": _dead(_CONVERSATION),
    "15112": _dead(
        "The rep's presence status doesn't include the channel. Add the service channel to the status, or route to somebody else."
    ),
    **dict.fromkeys(
        ("20002", "20003", "20004"), _again("Salesforce had an internal error. The row is sent again.", "provider_unavailable")
    ),
    **dict.fromkeys(("25005", "25006", "25007"), _dead(_CONVERSATION)),
    "500": _again("Salesforce had an internal error. If it stays, contact Salesforce's support.", "provider_unavailable"),
    # The reasons of /messagingSession, which has words for codes.
    "CONVERSATION_PRECONDITION_FAILED": _again("Salesforce's conversation wasn't ready. The row is sent again."),
    "CONVERSATION_PROCESSING_ABORTED": _again("Salesforce broke off the work. The row is sent again."),
    **dict.fromkeys(
        ("INTERNAL_ERROR", "END_SESSION_FAILED"),
        _again("Salesforce had an internal error. The row is sent again.", "provider_unavailable"),
    ),
    "PERMISSION_DENIED": _dead(_NO_ACCESS),
    "NO_ACCESS": _dead(_NO_ACCESS),
    "ORG_NOT_FOUND": _org("Salesforce doesn't know the org. Check `org_id` and `scrt_url`."),
    "CHANNEL_ADDRESS_NOT_FOUND": _channel(_ADDRESS),
    "CHANNEL_ADDRESS_IS_INACTIVE": _channel("The messaging channel is not active. Activate it in Setup, Messaging Settings."),
    "CUSTOMER_ERROR": _dead(
        "A flow, trigger or rule of the org refused it. Ask the org's admin to look at the error in Salesforce."
    ),
    **dict.fromkeys(("ACTIVE_CONVERSATION_NOT_FOUND", "SESSION_NOT_FOUND", "END_USER_NOT_FOUND"), _dead(_CONVERSATION)),
}
"""Every code that Salesforce lists, and the reasons of /messagingSession."""

STALE: Final = frozenset({"10018", "10025", "10071", "10072", "15107", "15110", "15111", "25006", "25007"})
"""The ids that we remember are no longer right: a sandbox was refreshed, or the session has ended."""

ALREADY_ENDED: Final = frozenset({"ACTIVE_CONVERSATION_NOT_FOUND", "SESSION_NOT_FOUND", "10025", "10071"})
"""What was to end has ended."""


def worked(reply: HttpReply) -> bool:
    """Whether Salesforce did what was asked: a status of 2xx, and no `"success": false` in the body."""
    return 200 <= reply.status < 300 and answer_of(reply).get("success") is not False


def code_of(reply: HttpReply) -> str | None:
    """Salesforce's code: `code`, that of `errorDetail`, or `errorReason`; None where the answer has none."""
    body = answer_of(reply)
    return optional(body, "code") or optional(dict_of(body.get("errorDetail")), "code") or optional(body, "errorReason")


def token_refused(reply: HttpReply) -> bool:
    """Whether another token may help."""
    return not worked(reply) and (reply.status == 401 or code_of(reply) == "10004")


def failure(reply: HttpReply, now: datetime, *, remember: Mapping[str, Any] | None = None) -> SendFailed:
    """The error to raise for an answer that isn't a success; returned, not raised. `again_at` is what Retry-After says."""
    code, words = code_of(reply), _words(reply)
    about: dict[str, Any] = {
        "provider_code": code or f"http_{reply.status}",
        "status": reply.status,
        "detail": words[:MOST_DETAIL] or None,
        "remember": remember,
    }
    asked = retry_after(reply.headers, now)
    if reply.status == 429 or RATE_LIMIT.casefold() in words.casefold():
        return SendFailed(Verdict.again, "rate_limited", again_at=asked or now + _SLOW_DOWN, throttles_account=True, **about)
    ruling = RULINGS.get(code or "") or _by_status(reply.status, code)
    if ruling.kind in ("hold", "token"):
        return OrgFault(ruling.code, ruling.fix, scope=ruling.scope, again_at=asked, **about)
    verdict = Verdict.again if ruling.kind == "again" else Verdict.dead
    return SendFailed(verdict, ruling.code, ruling.fix, again_at=asked, **about)


def _by_status(status: int, code: str | None) -> Ruling:
    """For a code that isn't listed, and for answers that aren't Salesforce's own: a proxy's page, a wrong host's."""
    named = f"code {code}" if code else f"status {status}"
    if status == 401:
        return RULINGS["10004"]
    if status == 403 or (code is None and (status < 200 or 300 <= status < 400 or status in (404, 405))):
        return _org(f"Salesforce refused with {named}. Check `scrt_url` and the permissions of the gateway's user.")
    if meaning_of_status(status).verdict is Verdict.again:
        return _again(f"Salesforce refused with {named}. The row is sent again.", "provider_unavailable")
    return _dead(f"Salesforce refused with {named}, which the gateway doesn't know. Look the code up in Salesforce's list.")


def _words(reply: HttpReply) -> str:
    body = answer_of(reply)
    told = optional(body, "message") or optional(dict_of(body.get("errorDetail")), "message")
    return told or reply.body[: 4 * MOST_DETAIL].decode("utf-8", "replace").strip()
