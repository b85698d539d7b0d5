"""What of a platform event gets into the inbox: its payload, or else whatever of it there is."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.brokers.salesforce.pubsub_pb2 import ConsumerEvent, ProducerEvent
from gateway.brokers.salesforce.records import Records
from tests.brokers.salesforce.bus import START
from tests.brokers.salesforce.listening import ORG

TYPE, PAYLOAD = ORG.event_type_field, ORG.event_payload_field
NULLABLE = ["null", "string"]


class Source:
    """Schemas by id, and how often each was fetched."""

    def __init__(self, **schemas: str) -> None:
        self.schemas, self.asked = schemas, list[str]()

    async def schema(self, schema_id: str) -> str:
        self.asked.append(schema_id)
        return self.schemas[schema_id]


def schema(**fields: Any) -> str:
    made = [{"name": name, "type": kind} for name, kind in {"CreatedDate": "long", "CreatedById": "string", **fields}.items()]
    return json.dumps({"type": "record", "name": "byoc__Message__e", "namespace": "com.sforce.eventbus", "fields": made})


def encoded(text: str, **values: Any) -> bytes:
    out = io.BytesIO()
    record = {"CreatedDate": 1_793_610_000_000, "CreatedById": "005000000000001", **values}
    fastavro.schemaless_writer(out, fastavro.parse_schema(json.loads(text)), record)
    return out.getvalue()


def event(payload: bytes, *, event_id: str = "e1", schema_id: str = "one") -> ConsumerEvent:
    return ConsumerEvent(event=ProducerEvent(id=event_id, schema_id=schema_id, payload=payload), replay_id=b"\x00\xff")


USUAL = schema(**{TYPE: NULLABLE, PAYLOAD: NULLABLE})
PLAIN = schema(**{TYPE: "string", PAYLOAD: "string"})
# What avro-js writes as JSON: the union's branch by its name.
NAMED = schema(
    **{
        TYPE: {"type": "map", "values": "string"},
        PAYLOAD: {"type": "map", "values": "string"},
    }
)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (USUAL, {TYPE: "Interaction", PAYLOAD: '{"a":"é"}'}),
        (PLAIN, {TYPE: "Interaction", PAYLOAD: '{"a":"é"}'}),
        (NAMED, {TYPE: {"string": "Interaction"}, PAYLOAD: {"string": '{"a":"é"}'}}),
    ],
    ids=["a nullable text", "a text", "a union's branch by name"],
)
async def test_the_payload_field_is_the_body(text: str, values: dict[str, Any]) -> None:
    kept = await Records(ORG).read(event(encoded(text, **values)), Source(one=text), START)
    assert kept.request.body == '{"a":"é"}'.encode()
    assert kept.request.headers == {"event-id": "e1", "replay-id": "00ff", "event-type": "Interaction"}
    assert kept.request.received_at == START
    assert kept.published == datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (USUAL, {TYPE: "Interaction", PAYLOAD: None}),
        (USUAL, {TYPE: None, PAYLOAD: "{}"}),
        (USUAL, {TYPE: "", PAYLOAD: "{}"}),
        (schema(byoc__Other__c=NULLABLE), {"byoc__Other__c": "x"}),
    ],
    ids=["no payload", "no type", "an empty type", "other fields"],
)
async def test_a_record_that_lacks_something_is_kept_whole_without_a_type(text: str, values: dict[str, Any]) -> None:
    kept = await Records(ORG).read(event(encoded(text, **values)), Source(one=text), START)
    assert kept.request.headers["event-type"] == ""
    assert json.loads(kept.request.body) == {"CreatedDate": 1_793_610_000_000, "CreatedById": "005000000000001", **values}


@pytest.mark.parametrize("text", [USUAL, "no JSON", '{"type": "no such type"}', "[]", "null", '"string"'])
async def test_bytes_that_do_not_fit_are_kept_as_they_are(text: str) -> None:
    kept = await Records(ORG).read(event(b"\xff\xfe"), Source(one=text), START)
    assert (kept.request.body, kept.request.headers["event-type"], kept.published) == (b"\xff\xfe", "", None)


def _within_itself(kind: Any) -> str:
    return json.dumps({"type": "record", "name": "E", "fields": [{"name": "of", "type": kind}]})


@pytest.mark.parametrize(
    ("text", "payload"),
    [
        (_within_itself(["null", "E"]), b"\x02" * 900_000 + b"\x00"),
        (_within_itself({"type": "array", "items": "null"}), b"\x80\x80\x80\x80\x80\x80\x80\x80\x01\x00"),
        (_within_itself({"type": "array", "items": {"type": "record", "name": "F", "fields": []}}), b"\xfe\xff\xff\xff\x0f\x00"),
        ("[" * 100_000, b"x"),
        ('{"type":' * 20_000 + '"int"' + "}" * 20_000, b"\x02"),
        ('{"type": "record", "name": "E", "fields": 3}', b"\x02"),
        ('{"type": "record", "name": "E", "fields": [1]}', b"\x02"),
        ('{"type": "record", "name": "E"}', b"\x02"),
        ('{"type": {"type": ["int"]}, "name": 1}', b"\x02"),
    ],
    ids=["itself", "no end", "no bytes", "brackets", "depth", "a number of fields", "no field", "no fields", "no name"],
)
async def test_a_schema_that_would_take_the_process_along_reads_nothing(text: str, payload: bytes) -> None:
    kept = await Records(ORG).read(event(payload), Source(one=text), START)
    assert (kept.request.body, kept.request.headers["event-type"]) == (payload, "")


@given(st.recursive(st.none() | st.integers() | st.text(max_size=9) | st.sampled_from(["record", "E", "null", "array"]),
       lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "name", "fields", "items", "values", "symbols", "size"]), inner, max_size=4), max_leaves=12), st.binary(max_size=40))  # fmt: skip
async def test_whatever_the_schema_is_something_is_kept(found: Any, payload: bytes) -> None:
    kept = await Records(ORG).read(event(payload), Source(one=json.dumps(found)), START)
    assert kept.request.headers["replay-id"] == "00ff"


@given(st.binary(max_size=200))
async def test_whatever_the_bytes_are_something_is_kept(payload: bytes) -> None:
    kept = await Records(ORG).read(event(payload), Source(one=USUAL), START)
    assert kept.request.headers["replay-id"] == "00ff"
    assert all("\n" not in value for value in kept.request.headers.values())


@pytest.mark.parametrize("name", ["", "two\nlines", "a\rb"])
async def test_an_id_that_no_header_holds_is_replaced_by_the_place(name: str) -> None:
    payload = encoded(USUAL, **{TYPE: "a\nb", PAYLOAD: "{}"})
    kept = await Records(ORG).read(event(payload, event_id=name), Source(one=USUAL), START)
    assert kept.request.headers == {"event-id": "00ff", "replay-id": "00ff", "event-type": ""}


async def test_a_schema_is_fetched_once_and_few_are_held() -> None:
    schemas = {f"s{number}": USUAL for number in range(40)}
    source, records = Source(**schemas), Records(ORG)
    payload = encoded(USUAL, **{TYPE: "Interaction", PAYLOAD: "{}"})
    for _ in range(3):
        await records.read(event(payload, schema_id="s0"), source, START)
    assert source.asked == ["s0"]
    for schema_id in schemas:
        await records.read(event(payload, schema_id=schema_id), source, START)
    assert len(records._schemas) <= 32
