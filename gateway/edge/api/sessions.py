"""Sessions: the list, one of them, taking offered work, leaving, ending, the audit."""

from __future__ import annotations

from typing import Final

from gateway.brokers.contract import Effect
from gateway.edge.api.call import Ask, Call, call
from gateway.edge.api.shapes import (
    AuditShape,
    Listing,
    SessionShape,
    audit_of,
    listing_of,
    session_of,
)
from gateway.edge.input import Cursor, Input, Limit, Nothing, Search
from gateway.session.commands import AcceptWork, Asked, DeclineWork, End, Leave
from gateway.session.decision import Refusal
from gateway.session.model import Status


class SessionsQuery(Input):
    """`mine`: only sessions the caller is in, or was in when they ended; `q`: words or parts of words of the customer's name and address, whatever case and
    accents, or the session's id."""

    status: Status | None = None
    mine: bool = False
    q: Search | None = None
    cursor: Cursor | None = None
    limit: Limit = 50


class AuditQuery(Input):
    """Newest first."""

    cursor: Cursor | None = None
    limit: Limit = 50


@call(
    "GET",
    "/sessions",
    "List the sessions that the caller may see",
    tag="sessions",
    query=SessionsQuery,
    answer=Listing[SessionShape],
)
async def list_sessions(ask: Ask[Nothing, SessionsQuery]) -> Listing[SessionShape]:
    """The caller's own, those offered to them or that they are asked into, those waiting in their queues; supervisors: all of their
    org. Latest activity first."""
    asked = ask.query
    page = await ask.broker.sessions(
        ask.caller, status=asked.status, mine=asked.mine, q=asked.q, cursor=asked.cursor, limit=asked.limit
    )
    return listing_of(page, [session_of(s, ask.caller, ask.directory) for s in page.items])


@call("GET", "/sessions/{session_id}", "One session", tag="sessions", answer=SessionShape)
async def read_session(ask: Ask[Nothing, Nothing]) -> SessionShape | Refusal:
    """With its participants, open invitations and, for those who may know of it, its flag."""
    session = await ask.broker.session(ask.caller, ask.session_id)
    return session if isinstance(session, Refusal) else session_of(session, ask.caller, ask.directory)


@call(
    "POST", "/sessions/{session_id}/accept", "Accept the offered session", tag="work", answer=SessionShape,
    codes=("permission_denied", "work_not_offered", "recipient_at_capacity", "session_not_active", "conferencing_controlled_by_salesforce"),
)  # fmt: skip
async def accept_work(ask: Ask[Nothing, Nothing]) -> SessionShape | Refusal:
    """The caller becomes a participant, and the customer is told."""
    return await _session_after(ask, AcceptWork(by=ask.caller.login))


@call(
    "POST", "/sessions/{session_id}/decline", "Decline the offered session", tag="work", answer=SessionShape,
    codes=("work_not_offered", "session_not_active", "conferencing_controlled_by_salesforce"),
)  # fmt: skip
async def decline_work(ask: Ask[Nothing, Nothing]) -> SessionShape | Refusal:
    """The next rep of the queue is asked. The answer is the last that the caller sees of the session, unless it waits in their queue."""
    return await _session_after(ask, DeclineWork(by=ask.caller.login))


@call(
    "POST", "/sessions/{session_id}/leave", "Leave the conversation", tag="sessions", answer=SessionShape,
    codes=("not_a_participant", "last_rep_must_end", "session_not_active", "conferencing_controlled_by_salesforce"),
)  # fmt: skip
async def leave(ask: Ask[Nothing, Nothing]) -> SessionShape | Refusal:
    """While others are in (L1); the last rep ends instead (L2)."""
    return await _session_after(ask, Leave(by=ask.caller.login))


@call(
    "POST", "/sessions/{session_id}/end", "End the conversation", tag="sessions", answer=SessionShape,
    codes=("permission_denied", "not_a_participant", "other_reps_present", "session_not_active", "conferencing_controlled_by_salesforce"),
)  # fmt: skip
async def end(ask: Ask[Nothing, Nothing]) -> SessionShape | Refusal:
    """For the last rep, and for supervisors (L3). Open invitations are withdrawn, the flag is lowered."""
    return await _session_after(ask, End(by=ask.caller.login))


@call(
    "GET", "/sessions/{session_id}/audit", "Every command and refusal of the session", tag="sessions",
    query=AuditQuery, answer=Listing[AuditShape], codes=("permission_denied",),
)  # fmt: skip
async def read_audit(ask: Ask[Nothing, AuditQuery]) -> Listing[AuditShape] | Refusal:
    """Every command and every refusal, without the customer's words; for supervisors."""
    page = await ask.broker.audit(ask.caller, ask.session_id, cursor=ask.query.cursor, limit=ask.query.limit)
    return (
        page
        if isinstance(page, Refusal)
        else listing_of(page, [audit_of(record, ask.caller, ask.directory) for record in page.items])
    )


async def _session_after(ask: Ask[Nothing, Nothing], command: Asked) -> SessionShape | Refusal:
    answer: Effect | Refusal = await ask.broker.command(ask.caller, ask.session_id, command, key=ask.key)
    return answer if isinstance(answer, Refusal) else session_of(answer.session, ask.caller, ask.directory)


CALLS: Final[tuple[Call, ...]] = (list_sessions, read_session, accept_work, decline_work, leave, end, read_audit)
