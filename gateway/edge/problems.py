"""Every way the API says no, in one table: code -> HTTP status and title; told as `application/problem+json` (RFC 9457).

Who must act decides the status: 400, 413, 415 and 422 are for whoever wrote the request, 401 and 403 for whoever gave out the token,
404 for whoever kept the id, 409 for a rep (the session is not as they thought), 429 and 503 for nobody: wait and try again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from gateway.session.decision import Refusal

MIME_TYPE: Final = "application/problem+json"

# Refusals of rules (docs/conferencing.md says what each means). One whose code is missing here is answered 409, and a test finds it.
REFUSALS: Final[Mapping[str, tuple[int, str]]] = {
    "permission_denied": (403, "A right is missing"),
    "not_a_supervisor": (403, "Only supervisors may do this"),
    "session_not_found": (404, "No such session"),
    "invitation_not_found": (404, "No such invitation"),
    "entry_not_found": (404, "No such entry"),
    "message_not_found": (404, "No such message"),
    "recipient_not_found": (404, "No such recipient"),
    "conferencing_controlled_by_salesforce": (409, "Salesforce controls the session"),
    "conferencing_not_supported": (409, "The channel has no conferencing"),
    "direct_routing_disabled": (409, "Reps can't be invited by name"),
    "recipient_not_available": (409, "The recipient is not available"),
    "recipient_at_capacity": (409, "The recipient has no capacity left"),
    "participant_limit_reached": (409, "The session is full"),
    "invitation_already_taken": (409, "Another rep was faster"),
    "invitation_closed": (409, "The invitation is no longer open"),
    "invitation_pending": (409, "The recipient has been asked already"),
    "already_participant": (409, "The recipient is in the session already"),
    "not_a_participant": (409, "You are not in the session"),
    "session_not_active": (409, "The session is not active"),
    "flow_yielded_no_recipient": (409, "The flow found no recipient"),
    "last_rep_must_end": (409, "The last rep can't leave"),
    "other_reps_present": (409, "Other reps are in the session"),
    "work_not_offered": (409, "The session is not offered to you"),
    "flag_already_raised": (409, "You have already raised a flag"),
    "no_flag": (409, "No flag is raised"),
    "not_resendable": (409, "The message can't be resent"),
    # 422, not 409: no state of the session would ever let these pass, so the request itself is at fault.
    "invalid_input": (422, "The request is not valid"),
    "nothing_to_say": (422, "The message is empty"),
    "recipient_type_not_allowed": (422, "Recipients of this kind can't be asked"),
    # As the IETF's Idempotency-Key draft has it for a key that comes with another request.
    "idempotency_key_reused": (422, "The idempotency key was used for another request"),
}

# What the edge itself refuses.
FAULTS: Final[Mapping[str, tuple[int, str]]] = {
    "malformed_request": (400, "The request is malformed"),
    "unauthenticated": (401, "The token is missing or not valid"),
    "origin_not_allowed": (403, "Origin not allowed"),
    "not_found": (404, "No such address"),
    "method_not_allowed": (405, "Method not allowed"),
    "request_too_slow": (408, "The request took too long to arrive"),
    "too_large": (413, "The request is too large"),
    "unsupported_media_type": (415, "Unsupported format"),
    "upgrade_required": (426, "This address is a WebSocket"),
    "rate_limited": (429, "Too many requests"),
    "internal_error": (500, "The gateway failed"),
    "unavailable": (503, "The gateway can't work now"),
    "not_ready": (503, "The gateway is not ready"),
}

TABLE: Final[Mapping[str, tuple[int, str]]] = {**REFUSALS, **FAULTS}

# On every answer of the API. The answers are data about customers: nobody keeps, sniffs, frames or embeds them.
SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "byoc",  # aiohttp would name its version and Python's
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of the input: a JSON pointer (RFC 6901) into the part that `place` names."""

    pointer: str
    detail: str
    place: str = "body"  # or query, header, form

    def as_json(self) -> dict[str, str]:
        """`{"pointer", "in", "detail"}`."""
        return {"pointer": self.pointer, "in": self.place, "detail": self.detail}


@dataclass(eq=False)  # each is itself: exceptions are compared by identity
class Problem(Exception):
    """The request ends here. `detail` says what to do, and holds nothing that the caller sent."""

    code: str
    detail: str
    errors: Sequence[Fault] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """By the table; an unknown code is some rule's refusal."""
        return TABLE.get(self.code, (409, ""))[0]

    def body(self) -> dict[str, Any]:
        """The members of RFC 9457, and `code`; `errors` and `details` where there are some."""
        told: dict[str, Any] = {
            "type": f"/docs#problem-{self.code}",
            "title": TABLE.get(self.code, (409, "Refused"))[1],
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        if self.errors:
            told["errors"] = [fault.as_json() for fault in self.errors]
        if self.details:
            told["details"] = dict(self.details)
        return told

    def response(self) -> web.Response:
        """As it goes over the wire."""
        return web.Response(
            status=self.status,
            body=json.dumps(self.body(), ensure_ascii=False, default=str).encode(),
            content_type=MIME_TYPE,
            headers={**SECURITY_HEADERS, **self.headers},
        )


def invalid(*faults: Fault, detail: str = "Fix the fields named in `errors` and resend the request.") -> Problem:
    """422 with a pointer to each fault."""
    return Problem("invalid_input", detail, errors=faults)


def of_refusal(refusal: Refusal) -> Problem:
    """The problem for a rule's refusal."""
    return Problem(refusal.code, refusal.sentence, details=refusal.details)


def pointer_of(place: Sequence[str | int]) -> str:
    """`("recipient", "typ")` -> `/recipient/typ`, escaped as RFC 6901 says."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in place)
