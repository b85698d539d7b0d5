"""Reading a request's JSON strictly: each reader gives the value, or refuses with the code that belongs to its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from gateway.brokers.salesforce.simulator.contract import OrgRefusal

Json: TypeAlias = Mapping[str, Any]

BAD_PARAMETER: Final = 10078
_APP_TYPES: Final = ("custom", "agent", "chatbot", "conversation", "live_message", "iamessage")
_ROLES: Final = ("EndUser", "Chatbot", "Agent", "Supervisor", "System")
_LATEST_MILLIS: Final = 32_503_680_000_000  # the year 3000: what is more isn't in milliseconds


@dataclass(frozen=True, slots=True)
class Participant:
    """`{"appType", "subject", "role"}`."""

    app_type: str
    subject: str
    role: str


def refused(code: int, what: str) -> OrgRefusal:
    """To be raised: the code, with what is wrong named."""
    return OrgRefusal(code, what)


def object_of(body: Json, name: str, code: int = BAD_PARAMETER) -> Json:
    """A required member that is an object."""
    value = body.get(name)
    if not isinstance(value, Mapping):
        raise refused(code, f"{name} is required and must be an object")
    return value


def list_of(body: Json, name: str, code: int = BAD_PARAMETER, *, least: int = 1, most: int | None = None) -> Sequence[Json]:
    """A required member that is a list of objects."""
    value = body.get(name)
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise refused(code, f"{name} is required and must be a list of objects")
    if len(value) < least or (most is not None and len(value) > most):
        raise refused(code, f"{name} must have {least} to {most} items" if most else f"{name} must have at least {least} items")
    return value


def text_of(body: Json, name: str, code: int = BAD_PARAMETER, *, most: int | None = None) -> str:
    """A required member that is a text and not blank."""
    value = body.get(name)
    if not isinstance(value, str) or not value.strip():
        raise refused(code, f"{name} is required and must not be empty")
    if most is not None and len(value) > most:
        raise refused(code, f"{name} must have at most {most} characters")
    return value


def optional_text(body: Json, name: str, code: int = BAD_PARAMETER) -> str | None:
    """A member that may be missing or null."""
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise refused(code, f"{name} must be a text")
    return value


def flag_of(body: Json, name: str, code: int = BAD_PARAMETER) -> bool:
    """A required member that is true or false."""
    value = body.get(name)
    if not isinstance(value, bool):
        raise refused(code, f"{name} is required and must be true or false")
    return value


def optional_number(body: Json, name: str, code: int = BAD_PARAMETER) -> float | None:
    """A member that may be missing or null."""
    value = body.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise refused(code, f"{name} must be a number")
    return value


def time_of(body: Json, name: str, code: int = BAD_PARAMETER, *, as_text: bool = False) -> datetime:
    """A required member in milliseconds since 1970. `as_text`: a text of digits is taken, too."""
    value = body.get(name)
    if as_text and isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < _LATEST_MILLIS:
        raise refused(code, f"{name} is required and must be a time in milliseconds")
    return datetime.fromtimestamp(value / 1000, UTC)


def optional_time(body: Json, name: str, code: int = BAD_PARAMETER) -> datetime | None:
    """A member that may be missing or null."""
    return None if body.get(name) is None else time_of(body, name, code)


def one_of(body: Json, name: str, options: Sequence[str], code: int = BAD_PARAMETER) -> str:
    """A required member that is one of a few words."""
    value = body.get(name)
    if value not in options:
        raise refused(code, f"{name} must be one of {', '.join(options)}")
    return str(value)


def texts_of(body: Json, name: str) -> dict[str, str]:
    """A member from names to texts; {} where it is missing."""
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(one, str) for one in value.values()):
        raise refused(BAD_PARAMETER, f"{name} must be an object of texts")
    return dict(value)


def participant_of(body: Json, *, subject_code: int = BAD_PARAMETER) -> Participant:
    """A participant, of a kind that Salesforce knows."""
    app_type, role = body.get("appType"), body.get("role")
    if app_type not in _APP_TYPES:
        raise refused(10037, f"appType {app_type!r} is not supported")
    if role not in _ROLES:
        raise refused(10038, f"role {role!r} is not supported")
    return Participant(str(app_type), text_of(body, "subject", subject_code), str(role))


def end_user_of(body: Json, *, subject_code: int = BAD_PARAMETER) -> str:
    """The subject of a participant who must be the customer."""
    found = participant_of(body, subject_code=subject_code)
    if found.app_type != "custom":
        raise refused(10037, "appType must be custom")
    if found.role != "EndUser":
        raise refused(10038, "role must be EndUser")
    return found.subject
