"""The content of an event's frame: the same shapes as the API's answers, limited to what the caller may see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeVar

from pydantic import BaseModel, Field

from adapters.envelope import Value
from gateway.brokers.contract import Caller, Directory, Event, Line
from gateway.edge.api.entry_shapes import delivery_of, entry_of
from gateway.edge.api.shapes import Shape, Time, invitation_of, rfc3339, session_of
from gateway.session.model import DeliveryState, Invitation, Session

V = TypeVar("V", bound=Value)
Reader = Callable[[Any, Caller, Directory], Shape]


class EventShape(Shape):
    """A frame. More types may come: pass over those that you don't know. `data` by type:

    - `entry`: `{entry}`, a new line of a transcript
    - `session`: `{session}`, which has changed, as the caller may see it now (`access`)
    - `session_gone`: `{}`; the caller sees nothing of it any more: a list forgets it
    - `delivery`: `{number, delivery}`, how the entry of that number fares now
    - `media`: `{number, media_id, state, url, mime_type, size_bytes, name, reason}`, a file of that entry
    - `typing`: `{who: {role, id, name}, on}`
    - `presence`: `{login, status}`
    - `work_offered`: `{queue, queue_name, expires_at}`; `work_withdrawn`: `{reason}`: `accepted`, `declined`, `lapsed`, `ended`, `unavailable`, `handed_over` (another app answers now)
    - `invitation_received`: `{invitation, from: {id, name}}`; `invitation_closed`, to those asked: `{invitation_id, reason, from: {id, name}, customer: {name}}`,
      with the reason `taken`, `withdrawn`, `expired`, `ended`, `declined`, `accepted` or `unavailable` (they went away)
    - to the inviter alone: `invitation_declined`: `{invitation_id, by: {id, name}, all}`; `invitation_expired`: `{invitation_id}`;
      `invitation_unavailable`: `{invitation_id, by: {id, name}}`, who went away, so that nobody is asked any more

    Rights are judged when the event is read out, also of what happened before: what the caller may no longer see isn't told.
    """

    type: str
    id: int | None = Field(description="The event's number, for resuming after it; null for events that aren't stored (typing).")
    session_id: str | None
    at: Time
    data: dict[str, Any]


# Members that are values of ours, whether the broker gives them as such or as it stored them.
_READERS: Final[Mapping[str, Reader]] = {
    "entry": lambda given, caller, directory: entry_of(_value(Line, given)),
    "session": lambda given, caller, directory: session_of(_value(Session, given), caller, directory),
    "invitation": lambda given, caller, directory: invitation_of(_value(Invitation, given), caller, directory),
}


def event_of(event: Event, caller: Caller, directory: Directory) -> EventShape:
    """The event as a frame."""
    data = {name: _member(name, value, caller, directory) for name, value in event.data.items()}
    return EventShape(type=event.type, id=event.number, session_id=event.session_id, at=event.at, data=data)


def _member(name: str, value: Any, caller: Caller, directory: Directory) -> Any:
    if name in _READERS and value is not None:
        return _READERS[name](value, caller, directory).model_dump(mode="json", by_alias=True)
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
