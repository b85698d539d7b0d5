"""The API's description (OpenAPI 3.1), made from the declared calls: what is described is what runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from gateway.edge.api.call import PREFIX, Call
from gateway.edge.api.event_shapes import EventShape
from gateway.edge.api.events import EventsQuery, HelloFrame
from gateway.edge.api.stream import CLOSES
from gateway.edge.input import Input, Nothing
from gateway.edge.problems import FAULTS, MIME_TYPE, TABLE

Json = dict[str, Any]

_REFS: Final = "#/components/schemas/{model}"
_TAGS: Final[Mapping[str, str]] = {
    "me": "The caller and their presence.",
    "work": "Sessions that routing offers to the caller.",
    "sessions": "Sessions and their transcripts.",
    "messages": "Messages to the customer.",
    "conference": "Invitations and transfers.",
    "supervision": "Help from a supervisor, invisible to the customer.",
    "salesforce": "For the connector page inside Salesforce, where this gateway routes.",
    "events": "Events in real time.",
    "operation": "Health and metrics; no token needed.",
}
# What any call may answer; those that only make sense with a body are added with one.
_ALWAYS: Final = ("malformed_request", "unauthenticated", "invalid_input", "rate_limited", "internal_error", "unavailable")
_WITH_BODY: Final = ("request_too_slow", "too_large", "unsupported_media_type")

PROBLEM: Final[Json] = {
    "type": "object",
    "description": "Why a request failed (RFC 9457). `code` is for programs, `detail` says what to do.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "enum": list(TABLE)},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "in", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "A JSON pointer (RFC 6901) to the fault."},
                    "in": {"type": "string", "enum": ["body", "form", "query", "header"]},
                    "detail": {"type": "string"},
                },
            },
        },
        "details": {"type": "object", "description": "The values that the refusal's sentence names."},
    },
}


def openapi(calls: Sequence[Call], public_url: str | None = None) -> Json:
    """The whole description."""
    paths: dict[str, Json] = {}
    for call in calls:
        paths.setdefault(PREFIX + call.path, {})[call.method.lower()] = _operation(call)
    paths[PREFIX + "/events"] = {"get": _events()}
    paths.update(_for_machines())
    described: Json = {
        "openapi": "3.1.0",
        "info": {"title": "BYOC gateway", "version": "1", "description": _ABOUT},
        "servers": [{"url": (public_url or "").rstrip("/") or "/"}],
        "security": [{"token": []}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Problem": PROBLEM, **_schemas(calls)},
        },
    }
    return _renamed(described)


def _operation(call: Call) -> Json:
    told: Json = {
        "operationId": call.name,
        "tags": [call.tag],
        "summary": call.summary,
        "description": _unwrapped(call.description),
        "parameters": [*_path_parameters(call.path), *_query_parameters(call.query), *_key_parameter(call.method)],
        "responses": {str(call.status): _answer(call), **_problems(_codes(call))},
    }
    if call.takes_body:
        told["requestBody"] = {"required": True, "content": _contents(call)}
    return told


def _answer(call: Call) -> Json:
    if call.answer is None:
        return {"description": "Done."}
    return {"description": "Done.", "content": {"application/json": {"schema": _ref(call.answer)}}}


def _contents(call: Call) -> Json:
    contents: Json = {"application/json": {"schema": _ref(call.body)}}
    if call.form:
        fields = call.form.model_json_schema()
        fields["properties"]["file"] = {"type": "string", "format": "binary"}
        contents["multipart/form-data"] = {"schema": fields}
    return contents


def _codes(call: Call) -> tuple[str, ...]:
    codes = [*_ALWAYS, *call.codes]
    if call.method != "GET":
        codes += _WITH_BODY
    if "{session_id}" in call.path:
        codes.append("session_not_found")
    if call.method == "POST":
        codes.append("idempotency_key_reused")
    return tuple(dict.fromkeys(codes))


def _problems(codes: Iterable[str]) -> Json:
    """The answers by status; each names the codes that it may carry."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(TABLE[code][0], []).append(code)
    return {str(status): _problem(sorted(by_status[status])) for status in sorted(by_status)}


def _problem(codes: list[str]) -> Json:
    schema = {"allOf": [{"$ref": _REFS.format(model="Problem")}, {"properties": {"code": {"enum": codes}}}]}
    told: Json = {"description": "; ".join(f"`{code}`" for code in codes), "content": {MIME_TYPE: {"schema": schema}}}
    if "unauthenticated" in codes:
        told["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    if "rate_limited" in codes or "unavailable" in codes:
        told["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
    return told


def _path_parameters(path: str) -> list[Json]:
    names = re.findall(r"{(\w+)}", path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameters(model: type[Input]) -> list[Json]:
    schema = model.model_json_schema(ref_template=_REFS)
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _inlined(field, schema.get("$defs", {}))}
        for name, field in schema.get("properties", {}).items()
    ]


def _key_parameter(method: str) -> list[Json]:
    if method != "POST":
        return []
    text = "Repeating a request with the same key returns the first answer and has no further effect."
    schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
    return [{"name": "Idempotency-Key", "in": "header", "required": False, "description": text, "schema": schema}]


def _schemas(calls: Sequence[Call]) -> Json:
    models: dict[type[BaseModel], JsonSchemaMode] = {EventShape: "serialization", HelloFrame: "validation"}
    for call in calls:
        if call.answer:
            models[call.answer] = "serialization"
        if call.body is not Nothing:
            models[call.body] = "validation"
    _, schema = models_json_schema(list(models.items()), ref_template=_REFS)
    schemas: Json = schema["$defs"]
    return schemas


def _events() -> Json:
    closes = "\n".join(f"- {code}: {text}" for code, text in CLOSES.items())
    frames = "Frames are `Event`s; the first is `hello`, and the stream starts after its `id`."
    sign_in = (
        "Send the token in the Authorization header, as the subprotocol `bearer.TOKEN` beside `byoc`, or in a first frame `HelloFrame`; "
        'never in the URL. A frame `{"type": "ping"}` is answered with `pong`.'
    )
    codes = (
        "unauthenticated",
        "invalid_input",
        "origin_not_allowed",
        "upgrade_required",
        "rate_limited",
        "internal_error",
        "unavailable",
    )
    return {
        "operationId": "events",
        "tags": ["events"],
        "summary": "Events that the caller may see, in real time (WebSocket)",
        "description": f"{frames} {sign_in}\n\nClose codes:\n\n{closes}",
        "parameters": _query_parameters(EventsQuery),
        "security": [{"token": []}, {}],
        "responses": {"101": {"description": "The stream is open."}, **_problems(codes)},
        "x-frames": {"server": {"$ref": _REFS.format(model="EventShape")}, "client": {"$ref": _REFS.format(model="HelloFrame")}},
    }


def _for_machines() -> Json:
    def operation(name: str, summary: str, mime_type: str, *codes: str) -> Json:
        done = {"description": "Done.", "content": {mime_type: {}}}
        responses = {"200": done, **_problems(codes)}
        return {"get": {"operationId": name, "tags": ["operation"], "summary": summary, "security": [], "responses": responses}}

    return {
        "/healthz": operation("healthz", "Alive", "application/json"),
        "/readyz": operation("readyz", "Ready: store, journal and broker are available", "application/json", "not_ready"),
        "/metrics": operation("metrics", "Metrics for Prometheus", "text/plain"),
    }


def _ref(model: type[BaseModel]) -> Json:
    # A generic model's name has brackets, which its key in the components hasn't.
    return {"$ref": _REFS.format(model=re.sub(r"[^\w.-]", "_", model.__name__))}


def _inlined(field: Any, definitions: Json) -> Any:
    """The schema with its references replaced: parameters are short, and read better whole."""
    if isinstance(field, dict):
        if "$ref" in field:
            return _inlined(definitions[field["$ref"].rpartition("/")[2]], definitions)
        return {name: _inlined(value, definitions) for name, value in field.items()}
    if isinstance(field, list):
        return [_inlined(value, definitions) for value in field]
    return field


def _renamed(described: Json) -> Json:
    """Names for readers: `Session`, not `SessionShape`; `ListOfSession`, not `Listing_SessionShape_`."""
    schemas = described["components"]["schemas"]
    names = {name: _readable(name) for name in schemas}
    if len(set(names.values())) < len(names):
        raise ValueError("two schemas would have one name; say another in _NAMES")
    described["components"]["schemas"] = {names[name]: {**schema, "title": names[name]} for name, schema in schemas.items()}
    return {key: _with_names(value, names) for key, value in described.items()}


def _with_names(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_with_names(one, names) for one in value]
    if not isinstance(value, dict):
        return value
    renamed = {key: _with_names(one, names) for key, one in value.items()}
    if isinstance(reference := renamed.get("$ref"), str):
        renamed["$ref"] = _REFS.format(model=names[reference.rpartition("/")[2]])
    if "mapping" in renamed:  # of a discriminator
        renamed["mapping"] = {kind: _REFS.format(model=names[ref.rpartition("/")[2]]) for kind, ref in renamed["mapping"].items()}
    return renamed


# Inner names that would say too little, or what a shape is called.
_NAMES: Final = {"Presence": "PresenceStatus", "Status": "SessionStatus"}


def _readable(name: str) -> str:
    listing = re.fullmatch(r"Listing_(\w+?)Shape_", name)
    return f"ListOf{listing[1]}" if listing else _NAMES.get(name, name.removesuffix("Shape"))


def _unwrapped(text: str) -> str:
    return re.sub(r"\s*\n\s*", " ", text)


_ABOUT: Final = (
    "Sessions with customers on all channels, conferencing, and their events.\n\n"
    'Send `Authorization: Bearer TOKEN`. Lists answer `{"items": [...], "next": cursor or null}`. Times are RFC 3339 in UTC. Ids are opaque. '
    "Unknown fields and parameters are refused with a pointer to each; answers may gain members, so ignore those that you don't know. "
    f"Errors are `{MIME_TYPE}`; the edge's own codes are {', '.join(f'`{code}`' for code in FAULTS)}."
)
