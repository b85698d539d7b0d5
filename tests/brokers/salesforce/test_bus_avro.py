"""The platform event in Avro, read back by another implementation: the reference one of Apache."""

from __future__ import annotations

import io
import json

import avro.io
import avro.schema
import pytest

from gateway.brokers.salesforce.simulator.avro import Schemas
from tests.brokers.salesforce.bus import FIELDS


def read(text: str, encoded: bytes) -> dict[str, object]:
    decoder = avro.io.BinaryDecoder(io.BytesIO(encoded))
    record = avro.io.DatumReader(avro.schema.parse(text)).read(decoder)
    assert isinstance(record, dict)
    return record


@pytest.mark.parametrize("payload", ["", "{}", '{"text":"höy 👋🏽"}', "x" * 70_000])
def test_the_reference_implementation_reads_it(payload: str) -> None:
    schemas = Schemas(*FIELDS)
    text = schemas.text(schemas.current)
    assert text is not None
    record = read(text, schemas.encode("Interaction", payload, 1_788_000_000_123))
    assert record.pop("CreatedById")
    assert record == {"CreatedDate": 1_788_000_000_123, "byoc__EventType__c": "Interaction", "byoc__Payload__c": payload}


def test_the_fields_are_as_salesforce_describes_them() -> None:
    schemas = Schemas(*FIELDS)
    schema = json.loads(schemas.text(schemas.current) or "")
    assert (schema["name"], schema["type"]) == ("byoc__Message__e", "record")
    assert [(field["name"], field["type"]) for field in schema["fields"]] == [
        ("CreatedDate", "long"),
        ("CreatedById", "string"),
        ("byoc__EventType__c", ["null", "string"]),
        ("byoc__Payload__c", ["null", "string"]),
    ]


def test_a_schema_s_id_is_its_content_s_and_older_ones_stay_readable() -> None:
    schemas, others = Schemas(*FIELDS), Schemas("Other__e", *FIELDS[1:])
    assert schemas.current == Schemas(*FIELDS).current != others.current
    first, old = schemas.current, schemas.encode("Interaction", "{}", 1)
    second = schemas.change()
    assert second == schemas.current != first
    assert schemas.decode(first, old)["byoc__Payload__c"] == "{}"
    assert schemas.decode(second, schemas.encode("Interaction", "{}", 1))["byoc__Payload__c"] == "{}"
    assert schemas.text("unknown") is None
    for schema_id, encoded in ((second, old), (first, old[:-1]), (first, old + b"\0"), (first, b""), ("unknown", old)):
        with pytest.raises(ValueError, match="schema"):
            schemas.decode(schema_id, encoded)
