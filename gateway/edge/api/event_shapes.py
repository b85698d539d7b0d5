"""What stands in an event's frame: the same shapes as the API's answers, as this caller may see them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeVar

from pydantic import BaseModel, Field

from adapters.envelope import Value
from gateway.brokers.contract import Caller, DeliveryState, Event, Line
from gateway.edge.api.entry_shapes import delivery_of, entry_of
from gateway.edge.api.shapes import Shape, Time, invitation_of, rfc3339, session_of
from gateway.session.model import Invitation, OrgSettings, Session

V = TypeVar("V", bound=Value)
Reader = Callable[[Any, Caller, OrgSettings], Shape]


class EventShape(Shape):
    """A frame. More types may come: pass over those that you don't know. `data` by type:

    - `entry`: `{entry}`, a new line of a transcript
    - `session`: `{session}`, which has changed; when it no longer concerns the caller, a list may forget it
    - `delivery`: `{number, delivery}`, how the entry of that number fares now
    - `media`: `{number, media_id, state, url, mime_type, size_bytes, name, reason}`, a file of that entry
    - `typing`: `{who: {role, id, name}, on}`
    - `presence`: `{login, status}`
    - `work_offered`: `{queue, expires_at}`; `work_withdrawn`: `{reason}`: `accepted`, `declined`, `lapsed`, `ended`, `unavailable`, `handed_over` (another app answers now)
    - `invitation_received`: `{invitation, from: {id, name}}`; `invitation_closed`: `{invitation_id, reason}`: `taken`, `withdrawn`, `expired`, `ended`, `declined`, `accepted`
    - `invitation_declined`: `{invitation_id, by: {id, name}, all}` and `invitation_expired`: `{invitation_id}`, to the inviter alone
    """

    type: str
    id: int | None = Field(description="The event's number, to resume after; null for what isn't stored (typing).")
    session_id: str | None
    at: Time
    data: dict[str, Any]


# Members that are values of ours, whether the broker gives them as such or as it stored them.
_READERS: Final[Mapping[str, Reader]] = {
    "entry": lambda given, caller, settings: entry_of(_value(Line, given)),
    "session": lambda given, caller, settings: session_of(_value(Session, given), caller, settings),
    "invitation": lambda given, caller, settings: invitation_of(_value(Invitation, given), caller),
}


def event_of(event: Event, caller: Caller, settings: OrgSettings) -> EventShape:
    """The event as a frame."""
    data = {name: _member(name, value, caller, settings) for name, value in event.data.items()}
    return EventShape(type=event.type, id=event.number, session_id=event.session_id, at=event.at, data=data)


def _member(name: str, value: Any, caller: Caller, settings: OrgSettings) -> Any:
    if name in _READERS and value is not None:
        return _READERS[name](value, caller, settings).model_dump(mode="json", by_alias=True)
    if name == "delivery" and isinstance(value, list | tuple):
        return [delivery_of(_value(DeliveryState, one)).model_dump(mode="json") for one in value]
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, str) and name.endswith("_at"):
        return rfc3339(datetime.fromisoformat(value))
    if isinstance(value, BaseModel):
        raise TypeError(f"no shape says how to show {type(value).__name__} in an event")
    return value


def _value(kind: type[V], given: Any) -> V:
    return given if isinstance(given, kind) else kind.model_validate(given)
