"""Platform events as they are delivered → what the inbox keeps of them. Whatever an event holds, something of it is kept: what can't be read waits there for an
operator, with its place in the stream."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Protocol

import fastavro
from fastavro.schema import SchemaParseException

from adapters.contract import RawRequest
from gateway.brokers.salesforce.pubsub_pb2 import ConsumerEvent
from gateway.config.salesforce import SalesforceOrg

_MOST_SCHEMAS: Final = 32  # an org has one, and another after each change of the event
# fastavro, on bytes that don't fit; RecursionError: JSON of nothing but brackets
_UNREADABLE: Final = (
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)
_PRIMITIVE: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
_DEEPEST: Final = 10  # a platform event is flat


class SchemaSource(Protocol):
    """Where schemas are fetched: the connection."""

    async def schema(self, schema_id: str) -> str:
        """A schema as Avro's JSON. Raises Ended."""
        ...


class Kept(NamedTuple):
    """An event for the inbox. `published`: its CreatedDate; None: it has none."""

    request: RawRequest
    published: datetime | None


class Records:
    """Reads events by their schemas, which are fetched once each."""

    def __init__(self, org: SalesforceOrg) -> None:
        self._org, self.topic = org, f"/event/{org.event}"
        self._schemas: dict[str, Any] = {}

    async def read(self, event: ConsumerEvent, source: SchemaSource, received_at: datetime) -> Kept:
        """`RawRequest`: method `EVENT`, url the topic, headers `event-id`, `replay-id` (hex) and `event-type`, body the payload field's text.

        Where a field is missing, the body is the whole record as JSON; where the bytes don't fit the schema, it is those bytes; and the type is empty. Raises Ended.
        """
        schema = await self._schema(event.event.schema_id, source)
        record = _decoded(event.event.payload, schema)
        kind, payload = (_text(record.get(name)) for name in (self._org.event_type_field, self._org.event_payload_field))
        if kind and payload is not None:
            body = payload.encode(errors="surrogatepass")
        else:
            kind, body = "", json.dumps(record, default=str).encode() if record else event.event.payload
        headers = {
            "event-id": _line(event.event.id) or event.replay_id.hex(),
            "replay-id": event.replay_id.hex(),
            "event-type": _line(kind or ""),
        }
        request = RawRequest("EVENT", self.topic, "", (), headers, body, received_at)
        return Kept(request, _published(record.get("CreatedDate")))

    async def _schema(self, schema_id: str, source: SchemaSource) -> Any:
        if schema_id not in self._schemas:
            text = await source.schema(schema_id)
            if len(self._schemas) >= _MOST_SCHEMAS:
                self._schemas.clear()
            self._schemas[schema_id] = _parsed(text)
        return self._schemas[schema_id]


def _parsed(text: str) -> Any:
    """None: it is no schema, or none of an event's."""
    try:
        schema = json.loads(text)
        return fastavro.parse_schema(schema) if _is_bounded(schema, _DEEPEST) else None
    except (SchemaParseException, *_UNREADABLE):
        return None


def _is_bounded(schema: Any, deepest: int) -> bool:
    """Whether what is decoded by it is no deeper than the schema, and no larger than the bytes. fastavro follows a type that contains itself until the process dies,
    and makes as many items of no bytes as three bytes ask for."""
    if deepest == 0:
        return False
    if isinstance(schema, list):
        return all(_is_bounded(branch, deepest - 1) for branch in schema)
    if not isinstance(schema, dict):
        return schema in _PRIMITIVE  # any other word is a type that was named before
    kind = schema.get("type")
    if kind == "record":
        return all(_is_bounded(field.get("type"), deepest - 1) for field in schema["fields"])
    if kind == "array":
        return schema.get("items") in _PRIMITIVE - {"null"}
    if kind == "map":
        return _is_bounded(schema.get("values"), deepest - 1)
    return kind in ("enum", "fixed") or _is_bounded(kind, deepest - 1)


def _decoded(payload: bytes, schema: Any) -> Mapping[str, Any]:
    """Empty: the bytes don't fit."""
    if schema is None:
        return {}
    try:
        record = fastavro.schemaless_reader(io.BytesIO(payload), schema, None)
    except _UNREADABLE:
        return {}
    return record if isinstance(record, dict) else {}


def _text(value: Any) -> str | None:
    """A nullable text, also in the form `{"string": "…"}` that some of Avro's libraries give."""
    if isinstance(value, dict) and len(value) == 1:
        value = value.get("string")
    return value if isinstance(value, str) else None


def _line(value: str) -> str:
    """Empty unless it fits into one line: that is how the inbox keeps headers."""
    return value if value.isprintable() else ""


def _published(created: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(created / 1_000, UTC) if isinstance(created, int) else None
    except (OverflowError, OSError, ValueError):
        return None
