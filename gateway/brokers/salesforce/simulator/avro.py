"""Events in Avro, as the Pub/Sub API delivers them: without a container, by a schema that is fetched by its id.

Source: Salesforce, "Event Data Serialization with Apache Avro" (Pub/Sub API; read 2026-11).
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any, Final

import fastavro

_USER: Final = "005000000000001AAA"  # who publishes: the messaging runtime's own user
_NULLABLE: Final = ["null", "string"]


class Schemas:
    """The platform event's schemas. `current` is the id of the one that is written with; older ones stay readable by their ids."""

    def __init__(self, event: str, type_field: str, payload_field: str) -> None:
        self.type_field, self.payload_field = type_field, payload_field
        self._event, self._more = event, 0
        self._by_id: dict[str, tuple[str, Any]] = {}
        self.current = self._add()

    def text(self, schema_id: str) -> str | None:
        """The schema as JSON; None: no such id."""
        found = self._by_id.get(schema_id)
        return found[0] if found else None

    def encode(self, event_type: str, payload: str, created_ms: int) -> bytes:
        """One event by the current schema."""
        record = {"CreatedDate": created_ms, "CreatedById": _USER, self.type_field: event_type, self.payload_field: payload}
        out = io.BytesIO()
        fastavro.schemaless_writer(out, self._by_id[self.current][1], record)
        return out.getvalue()

    def decode(self, schema_id: str, encoded: bytes) -> Mapping[str, Any]:
        """One event by one of the schemas. Raises ValueError when there is no such schema, or the bytes don't fit it."""
        if schema_id not in self._by_id:
            raise ValueError("no such schema")
        stream = io.BytesIO(encoded)
        try:
            record = fastavro.schemaless_reader(stream, self._by_id[schema_id][1], None)
        except (EOFError, IndexError, OverflowError, UnicodeDecodeError) as error:
            raise ValueError("not of this schema") from error
        if stream.read(1) or not isinstance(record, dict):
            raise ValueError("not of this schema")
        return record

    def change(self) -> str:
        """Add a field to the event, as an administrator may at any time: the new schema's id."""
        self._more += 1
        self.current = self._add()
        return self.current

    def _add(self) -> str:
        fields = [
            {"name": "CreatedDate", "type": "long", "doc": "CreatedDate:DateTime"},
            {"name": "CreatedById", "type": "string", "doc": "CreatedBy:EntityId"},
            {"name": self.type_field, "type": _NULLABLE, "doc": "Data:Text", "default": None},
            {"name": self.payload_field, "type": _NULLABLE, "doc": "Data:TextArea", "default": None},
            *({"name": f"Added{n}__c", "type": _NULLABLE, "doc": "Data:Text", "default": None} for n in range(self._more)),
        ]
        schema = {"name": self._event, "namespace": "com.sforce.eventbus", "type": "record", "fields": fields}
        text = json.dumps(schema, separators=(",", ":"))
        schema_id = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()[:16]).rstrip(b"=").decode()
        self._by_id[schema_id] = (text, fastavro.parse_schema(schema))
        return schema_id
