"""Why the Pub/Sub API ends a call: each code that it gives in the trailer `error-code`, with the status of gRPC that comes with it.

Source: Salesforce, "Handle Errors" (Pub/Sub API; read 2026-11). The page names a status for few of them; the others are what clients have reported.
"""

from __future__ import annotations

from typing import Final

from grpc import StatusCode

PREFIX: Final = "sfdc.platform.eventbus.grpc."
_AUTH: Final = "An authentication exception occurred. Provide valid authentication via metadata headers."
_LATER: Final = "The service is unavailable. Try again later."

REFUSALS: Final[dict[str, tuple[StatusCode, str]]] = {
    "service.auth.error": (StatusCode.UNAUTHENTICATED, _AUTH),
    "service.auth.headers.invalid": (StatusCode.UNAUTHENTICATED, _AUTH),
    "service.unavailable": (StatusCode.UNAVAILABLE, _LATER),
    "service.protection.triggered": (StatusCode.RESOURCE_EXHAUSTED, "The service protects itself. Send less."),
    "service.protection.stream.limit.triggered": (StatusCode.RESOURCE_EXHAUSTED, "There are too many streams."),
    "service.tenant.license": (StatusCode.PERMISSION_DENIED, "The org has no license for the Pub/Sub API."),
    "concurrent.client.limit.exceeded": (StatusCode.RESOURCE_EXHAUSTED, "There are too many concurrent clients."),
    "topic.api.unavailable": (StatusCode.UNAVAILABLE, _LATER),
    "topic.meta.permission": (StatusCode.PERMISSION_DENIED, "The user may not read the topic."),
    "topic.not.found": (StatusCode.NOT_FOUND, "There is no such topic."),
    "topic.validation.empty": (StatusCode.INVALID_ARGUMENT, "The topic's name is empty."),
    "schema.api.unavailable": (StatusCode.UNAVAILABLE, _LATER),
    "schema.meta.permission": (StatusCode.PERMISSION_DENIED, "The user may not read the schema."),
    "schema.validation.failed": (StatusCode.INVALID_ARGUMENT, "There is no such schema."),
    "subscription.internal.error": (StatusCode.INTERNAL, "The subscription failed."),
    "subscription.limit.exceeded": (StatusCode.RESOURCE_EXHAUSTED, "The org's daily delivery of events is used up."),
    "subscription.topic.cannot.subscribe": (StatusCode.PERMISSION_DENIED, "The user may not subscribe to the topic."),
    "subscription.fetch.overflow": (StatusCode.INVALID_ARGUMENT, "More events are requested than were received."),
    "subscription.fetch.replay.repeated": (StatusCode.INVALID_ARGUMENT, "The subscription has begun already."),
    "subscription.fetch.replayid.corrupted": (StatusCode.INVALID_ARGUMENT, "The replay id is invalid, or its event is older than 72 hours."),
    "subscription.fetch.replayid.validation.failed": (StatusCode.INVALID_ARGUMENT, "CUSTOM needs a replay id."),
    "subscription.fetch.requested.events.invalid": (StatusCode.INVALID_ARGUMENT, "num_requested must be above 0."),
    "subscription.fetch.topic.mismatch": (StatusCode.INVALID_ARGUMENT, "A subscription has one topic."),
}  # fmt: skip


class Refused(Exception):
    """The call ends with this code, written without its prefix."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
