"""A page to read the API's description by: plain HTML, made once, with no script and nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from html import escape
from importlib import resources
from typing import Any, Final

from gateway.edge.problems import TABLE

Json = dict[str, Any]

_STYLE: Final = resources.files("gateway.edge").joinpath("openapi_page.css").read_text("utf-8")
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page_of(description: Json) -> str:
    """The whole page."""
    title = escape(description["info"]["title"])
    return "".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}: API</title><style>{_STYLE}</style></head><body>",
            f"<header><h1>{title}: API</h1>{_paragraphs(description['info']['description'])}",
            '<p><a href="/openapi.json">openapi.json</a></p></header>',
            _contents(description),
            "<main>",
            *(_tag(tag, description) for tag in description["tags"]),
            *_models(description["components"]["schemas"]),
            *_problems(),
            "</main></body></html>",
        ]
    )


def _contents(description: Json) -> str:
    tags = "".join(f'<li><a href="#tag-{tag["name"]}">{tag["name"]}</a></li>' for tag in description["tags"])
    rest = '<li><a href="#models">Models</a></li><li><a href="#problems">Problems</a></li>'
    return f'<nav aria-label="Contents"><ul>{tags}{rest}</ul></nav>'


def _tag(tag: Json, description: Json) -> str:
    calls = [
        _operation(method, path, operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
        if tag["name"] in operation["tags"]
    ]
    name = escape(tag["name"])
    return f'<section id="tag-{name}"><h2>{name}</h2>{_paragraphs(tag["description"])}{"".join(calls)}</section>'


def _operation(method: str, path: str, operation: Json) -> str:
    pieces = [
        f'<article id="{escape(operation["operationId"])}">',
        f'<h3><code class="{method}">{method.upper()}</code> <code>{escape(path)}</code></h3>',
        f"<p class=summary>{escape(operation['summary'])}</p>{_paragraphs(operation.get('description', ''))}",
        _parameters(operation.get("parameters", [])),
        _body(operation.get("requestBody")),
        _responses(operation["responses"]),
        "</article>",
    ]
    return "".join(pieces)


def _parameters(parameters: list[Json]) -> str:
    rows = [(f"<code>{escape(p['name'])}</code>", p["in"], _type(p["schema"]), _inline(_told(p))) for p in parameters]
    return _table("Parameters", ("name", "in", "type", "what"), rows) if rows else ""


def _told(parameter: Json) -> str:
    said = [parameter.get("description", ""), "required" if parameter["required"] and parameter["in"] != "path" else ""]
    return " ".join(filter(None, said))


def _body(body: Json | None) -> str:
    if body is None:
        return ""
    rows = [(f"<code>{kind}</code>", _type(content["schema"])) for kind, content in body["content"].items()]
    return _table("Body", ("format", "schema"), rows)


def _responses(responses: Json) -> str:
    """One row a status, but what any call may answer in one row: a reader looks for what is this call's own."""
    own = [
        (f"<code>{status}</code>", _shape(response) or _codes(response["description"]))
        for status, response in responses.items()
        if status not in _ANY_CALLS
    ]
    common = {status: response for status, response in responses.items() if status in _ANY_CALLS}
    codes = "; ".join(_codes(response["description"]) for response in common.values())
    rows = [*own, (f"<code>{min(common)}</code> to <code>{max(common)}</code>", codes)] if common else own
    return _table("Answers", ("status", "what"), rows)


def _shape(response: Json) -> str:
    content: Json = next(iter(response.get("content", {}).values()), {})
    return _type(content["schema"]) if "schema" in content and "allOf" not in content["schema"] else ""


def _codes(description: str) -> str:
    return re.sub(r"`(\w+)`", lambda found: f'<a href="#problem-{found[1]}"><code>{found[1]}</code></a>', escape(description))


def _models(schemas: Json) -> Iterator[str]:
    yield '<section id="models"><h2>Models</h2>'
    for name, schema in sorted(schemas.items()):
        yield f'<article id="model-{escape(name)}"><h3>{escape(name)}</h3>{_paragraphs(schema.get("description", ""))}'
        required = schema.get("required", [])
        rows = [
            (
                f"<code>{escape(field)}</code>",
                _type(about),
                "always" if field in required else "at will",
                _inline(about.get("description", "")),
            )
            for field, about in schema.get("properties", {}).items()
        ]
        yield _table("Members", ("name", "type", "there", "what"), rows) if rows else f"<p>{_type(schema)}</p>"
        yield "</article>"
    yield "</section>"


def _problems() -> Iterator[str]:
    yield '<section id="problems"><h2>Problems</h2>'
    for code, (status, title) in sorted(TABLE.items()):
        yield f'<article id="problem-{code}"><h3><code>{code}</code></h3><p>{status}: {escape(title)}.</p></article>'
    yield "</section>"


def _type(schema: Json) -> str:
    """A schema in a few words, with links."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#model-{name}">{name}</a>'
    for joint in ("anyOf", "oneOf", "allOf"):
        if joint in schema:
            return " or ".join(_type(one) for one in schema[joint])
    if "enum" in schema:
        return " | ".join(f"<code>{escape(json.dumps(value))}</code>" for value in schema["enum"])
    if "const" in schema:
        return f"<code>{escape(json.dumps(schema['const']))}</code>"
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    kind = escape(str(schema.get("type", "anything")))
    bounds = [f"{word} {schema[name]}" for name, word in _BOUNDS.items() if name in schema]
    return " ".join([kind, escape(schema.get("format", "")), *bounds]).strip()


_ANY_CALLS: Final = frozenset({"400", "401", "408", "413", "415", "429", "500", "503"})
_BOUNDS: Final = {"minimum": "from", "maximum": "to", "minLength": "min.", "maxLength": "max.", "default": "default"}


def _table(caption: str, heads: tuple[str, ...], rows: list[Any]) -> str:
    head = "".join(f"<th scope=col>{name}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return (
        f"<div class=table><table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _paragraphs(text: str) -> str:
    """Paragraphs and lists of the little Markdown that our descriptions use."""
    made = []
    for block in filter(None, text.split("\n\n")):
        lines = [line.strip() for line in block.splitlines()]
        if all(line.startswith("- ") for line in lines):
            made.append("<ul>" + "".join(f"<li>{_inline(line[2:])}</li>" for line in lines) + "</ul>")
        else:
            made.append(f"<p>{_inline(' '.join(lines))}</p>")
    return "".join(made)


def _inline(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
