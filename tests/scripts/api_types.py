"""Writes `gateway/pages/api.d.ts`: the shapes of API v1 as the scripts' checker reads them, from the API's own description.

`python -m tests.scripts.api_types` renews the file; a test keeps it current, so the scripts are checked against what the API answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from gateway.edge.api import CALLS
from gateway.edge.openapi import openapi

FILE: Final = Path(__file__).resolve().parents[2] / "gateway/pages/api.d.ts"
_HEAD: Final = """\
// Written by `python -m tests.scripts.api_types` from the API's description; not by hand, and not served.

declare namespace V1 {
"""
_SIMPLE: Final = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def page() -> str:
    """The whole file."""
    schemas = openapi(CALLS)["components"]["schemas"]
    return (
        _HEAD
        + "".join(f"  type {name} = {_type(schema, '  ')};\n" for name, schema in sorted(schemas.items()) if name != "JsonValue")
        + "}\n"
    )


def _type(schema: Mapping[str, Any], indent: str) -> str:
    """A JSON schema as a type. What a schema leaves open (`details` of an entry) is `any`."""
    if reference := schema.get("$ref"):
        name = str(reference).rpartition("/")[2]
        return "any" if name == "JsonValue" else name
    if "const" in schema:
        return f'"{schema["const"]}"'
    if "enum" in schema:
        return " | ".join(f'"{value}"' for value in schema["enum"])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " | ".join(dict.fromkeys(_type(one, indent) for one in schema[several]))
    match schema.get("type"):
        case "array":
            return f"Array<{_type(schema.get('items', {}), indent)}>"
        case "object":
            return _object(schema, indent)
        case str(simple):
            return _SIMPLE[simple]
        case list(several_types):
            return " | ".join(_SIMPLE[one] for one in several_types)
        case _:
            return "any"


def _object(schema: Mapping[str, Any], indent: str) -> str:
    if "properties" not in schema:
        members = schema.get("additionalProperties")
        return f"{{ [key: string]: {_type(members, indent) if isinstance(members, dict) else 'any'} }}"
    required = schema.get("required", ())
    members = "".join(
        f"{indent}  {name}{'' if name in required or 'const' in member else '?'}: {_type(member, indent + '  ')};\n"
        for name, member in schema["properties"].items()
    )
    return f"{{\n{members}{indent}}}"


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8")
