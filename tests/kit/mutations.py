"""Recorded requests, made strange: their JSON or form with values swapped, lost, doubled, nested and moved; their bytes cut; their headers forged."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from hypothesis import strategies as st

from adapters.conformance import HOSTILE, UNICODE, Case
from adapters.contract import RawRequest

Tree = Any


def _deep(depth: int) -> Tree:
    tree: Tree = "deep"
    for level in range(depth):
        tree = {"a": tree} if level % 2 else [tree]
    return tree


STRANGE: list[Tree] = [
    *(None, True, False, 0, -1, 2**63, 10**40, 1e308, -1.5, float("nan"), float("inf")),
    *(
        "",
        " ",
        "0",
        "null",
        "-1",
        "9" * 400,
        "x" * 70_000,
        "text",
        "message",
        "\x00",
        "\ud800",
        "a\udfffb",
        "\u202e\u2066",
        "%00",
        "../..",
        "{name}",
    ),
    *("https://[", "http://127.0.0.1/", "javascript:1", "1970-01-01T00:00:00", "+34", "msg_1", "2026-13-45T99:99:99Z", *UNICODE),
    *(
        [],
        {},
        [[]],
        [None],
        {"": None},
        {"type": None},
        [1, "x", {}, [], None],
        {"id": {"id": {"id": []}}},
        _deep(40),
        _deep(400),
    ),
    *([{}] * 300, ["x"] * 300, {str(n): n for n in range(300)}),
]
KEYS = [
    "",
    "id",
    "type",
    "text",
    "from",
    "to",
    "message",
    "messages",
    "value",
    "url",
    "\x00",
    "\ud800",
    "👩‍👩‍👧‍👦",
    "__class__",
    "$ref",
]

Step = tuple[str, int, int, Tree]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["swap", "swap", "swap", "lose", "double", "wrap", "move", "rename", "add"]),
        st.integers(0, 400),
        st.integers(0, 400),
        st.sampled_from(STRANGE)
        | st.text(max_size=20)
        | st.integers()
        | st.floats()
        | st.recursive(
            st.none() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        ),
    ),
    min_size=1,
    max_size=4,
)
CUTS = st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 20), st.binary(max_size=12)), max_size=2)


def requests(case: Case) -> st.SearchStrategy[RawRequest]:
    """Strange forms of one recorded request, unsigned as yet."""
    return st.builds(
        _made_strange,
        st.just(case.request),
        STEPS | st.just([]),
        CUTS | st.just([]),
        st.booleans(),
        st.sampled_from([None, None, None, *HOSTILE]),
    )


def _made_strange(
    request: RawRequest, steps: list[Step], cuts: list[tuple[int, int, bytes]], ascii_only: bool, header: str | None
) -> RawRequest:
    body = _changed_body(request.body, steps, ascii_only)
    for at, width, put in cuts:
        spot = at % (len(body) + 1)
        body = body[:spot] + put + body[spot + width :]
    headers = dict(request.headers)
    if header is not None:
        headers["content-type" if len(header) % 2 else "x-strange"] = header
    return replace(request, body=body, headers=headers)


def _changed_body(body: bytes, steps: list[Step], ascii_only: bool) -> bytes:
    packed = body.startswith(b"\x1f\x8b")
    plain = gzip.decompress(body) if packed else body
    try:
        tree = json.loads(plain)
    except ValueError:
        return _changed_form(plain, steps)
    changed = json.dumps(_changed(tree, steps), ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    return gzip.compress(changed) if packed else changed


def _changed_form(body: bytes, steps: list[Step]) -> bytes:
    pairs = dict(enumerate(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)))
    flat = _changed(dict(pairs.values()), steps)
    if not isinstance(flat, dict):
        return str(flat).encode("utf-8", "surrogatepass")
    return urlencode(
        {key: value if isinstance(value, str) else json.dumps(value) for key, value in flat.items()}, errors="surrogatepass"
    ).encode()


def _changed(tree: Tree, steps: list[Step]) -> Tree:
    root = [_copy(tree)]
    for op, first, second, given in steps:
        value = _copy(given)
        places = list(_places(root))
        holder, key = places[first % len(places)]
        if op == "swap":
            holder[key] = value
        elif op == "lose":
            del holder[key]
            if not root:
                return None
        elif op == "double":
            holder[key] = [holder[key], holder[key]]
        elif op == "wrap":
            holder[key] = {"a": holder[key]}
        elif op == "move":
            other, place = places[second % len(places)]
            holder[key] = _copy(other[place])
        elif isinstance(holder, dict):
            holder[KEYS[second % len(KEYS)]] = holder.pop(key) if op == "rename" else value
    return root[0]


def _copy(tree: Tree) -> Tree:
    """So that what is put in twice is not the same thing in two places."""
    return json.loads(json.dumps(tree))


def _places(holder: Any) -> Iterator[tuple[Any, Any]]:
    """Every place that holds something, as (holder, key); not below what is nested without end."""
    waiting = [(holder, 0)]
    while waiting:
        one, depth = waiting.pop()
        keys = list(one) if isinstance(one, dict) else range(len(one)) if isinstance(one, list) else ()
        for key in keys:
            yield one, key
            if depth < 12 and len(keys) < 200:
                waiting.append((one[key], depth + 1))
