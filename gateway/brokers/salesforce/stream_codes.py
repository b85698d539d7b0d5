"""What the Pub/Sub API's error codes mean for the stream, and what an operator can do about each.

The code is in a call's trailers under `error-code`, as `sfdc.platform.eventbus.grpc.` and one of `ADVICE`'s keys.
Source: Salesforce Developers, Pub/Sub API, "Handle Errors" (read 2026-11).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

PREFIX: Final = "sfdc.platform.eventbus.grpc."


class Course(StrEnum):
    """What the stream does about a failure."""

    again = "again"  # connects again soon, later each time
    refresh = "refresh"  # gets a new token and connects at once
    lost = "lost"  # the place in the stream is lost: reads again what the org still has
    slow = "slow"  # connects again, a good while later
    allowance = "allowance"  # waits long: each try would only be refused
    hold = "hold"  # a person has to change something; looks again now and then


class Advice(NamedTuple):
    """`sentence`: what happened and what to do, for an operator."""

    course: Course
    sentence: str


_PERMISSION: Final = "Give the user that the gateway signs in as Read access to the platform event (a permission set); it may take 10 minutes to count."
_SLOWER: Final = "The gateway waits and tries again. If it lasts, look for other subscribers of the org that can be stopped."
_BUG: Final = "That is a bug of the gateway: report it. It connects again."

ADVICE: Final[dict[str, Advice]] = {
    "service.auth.error": Advice(
        Course.refresh,
        "Salesforce refused the access token. The gateway gets a new one; if this repeats, check the external client app, its user and the org's session settings.",
    ),
    "service.auth.headers.invalid": Advice(
        Course.hold, "Salesforce refused the org's id or address. Correct `org_id` and `instance_url` of the org, then restart."
    ),
    "service.unavailable": Advice(Course.again, "The Pub/Sub API is unavailable. The gateway tries again by itself."),
    "topic.api.unavailable": Advice(Course.again, "Salesforce can't look up the topic now. The gateway tries again by itself."),
    "schema.api.unavailable": Advice(Course.again, "Salesforce can't look up the schema now. The gateway tries again by itself."),
    "subscription.internal.error": Advice(
        Course.again, "The subscription failed inside Salesforce. The gateway tries again by itself."
    ),
    "subscription.fetch.replayid.corrupted": Advice(
        Course.lost,
        "Salesforce doesn't know the last place in the stream any more: it is older than 72 hours, or the org was moved. The gateway reads again what is still there.",
    ),
    "subscription.fetch.replayid.validation.failed": Advice(
        Course.lost, "Salesforce can't read the last place in the stream. The gateway reads again what is still there."
    ),
    "subscription.fetch.requested.events.invalid": Advice(Course.again, f"The gateway asked for no events. {_BUG}"),
    "subscription.fetch.topic.mismatch": Advice(Course.again, f"The gateway changed the topic of a stream. {_BUG}"),
    "subscription.fetch.overflow": Advice(Course.again, f"The gateway asked for more events than it had taken. {_BUG}"),
    "subscription.fetch.replay.repeated": Advice(
        Course.again, "Salesforce would repeat events. The gateway connects again at its last place."
    ),
    "subscription.limit.exceeded": Advice(
        Course.allowance,
        "The org has delivered all events that it may deliver in 24 hours, to all of its subscribers together. Stop other subscribers, turn off `typing`, or buy more. The gateway looks again every half an hour.",
    ),
    "subscription.topic.cannot.subscribe": Advice(
        Course.hold, f"The gateway's user may not subscribe to the event. {_PERMISSION}"
    ),
    "topic.meta.permission": Advice(Course.hold, f"The gateway's user may not see the event. {_PERMISSION}"),
    "schema.meta.permission": Advice(Course.hold, f"The gateway's user may not read the event's schema. {_PERMISSION}"),
    "topic.not.found": Advice(
        Course.hold, "The org has no such platform event. Correct `event` of the org, or create the event, then restart."
    ),
    "topic.validation.empty": Advice(Course.hold, "The platform event has no name. Set `event` of the org, then restart."),
    "schema.validation.failed": Advice(
        Course.hold, "Salesforce has no such schema. Check that the platform event is deployed and `event` of the org names it."
    ),
    "service.protection.triggered": Advice(Course.slow, f"Salesforce protects itself from too many calls. {_SLOWER}"),
    "service.protection.stream.limit.triggered": Advice(
        Course.slow, f"Salesforce protects itself from too many streams. {_SLOWER}"
    ),
    "concurrent.client.limit.exceeded": Advice(Course.slow, f"Too many clients are connected to the org. {_SLOWER}"),
    "service.tenant.license": Advice(
        Course.hold, "The org isn't licensed for the Pub/Sub API. Ask Salesforce for the licence, or use another org."
    ),
}
_MANAGED: Final = Advice(
    Course.hold, "Salesforce speaks of a managed subscription, which the gateway doesn't use. Check `pubsub_endpoint` of the org."
)
_UNKNOWN: Final = Advice(Course.again, "The stream of events ended. The gateway connects again by itself.")
# Ours, for what Salesforce says nothing of.
_OURS: Final = frozenset({"ca_file", "catch_up_events", "closed", "silence", "token", "unreachable"})
# Of an answer without a code, from a proxy say.
_BY_STATUS: Final = {
    "UNAUTHENTICATED": "service.auth.error",
    "PERMISSION_DENIED": "topic.meta.permission",
    "NOT_FOUND": "topic.not.found",
    "RESOURCE_EXHAUSTED": "service.protection.triggered",
    "UNAVAILABLE": "service.unavailable",
}


def code_of(trailer: str | None, status: str) -> str:
    """The code without its prefix: of the trailer, or what the gRPC status (`UNAVAILABLE` …) comes to; else the status itself, in small letters."""
    return trailer.removeprefix(PREFIX) if trailer else _BY_STATUS.get(status, status.lower())


def advice(code: str) -> Advice:
    """For a code without its prefix, known or not."""
    return _MANAGED if code.startswith("managed.subscription.") else ADVICE.get(code, _UNKNOWN)


def label(code: str) -> str:
    """The code as metrics have it: one of a few."""
    return code if code in ADVICE or code in _OURS else "other"


class Ended(Exception):
    """The stream, or an attempt to open it, ended. `code`: one of `ADVICE`, or our own word for it. `rpc_id`: what Salesforce's support asks for."""

    def __init__(self, code: str, course: Course | None = None, sentence: str = "", *, rpc_id: str = "") -> None:
        usual = advice(code)
        self.code, self.course, self.sentence = code, course or usual.course, sentence or usual.sentence
        self.rpc_id = rpc_id
        super().__init__(f"{code}: {self.sentence}")
