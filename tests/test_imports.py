"""Directions of imports: arrows go one way, without exceptions, and a newcomer can rely on it. Imports under TYPE_CHECKING count.

A room is a folder of `gateway/`; a file that stands there by itself is a room of its own.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
IO = {"aiohttp", "httpx", "httpx_aiohttp", "asyncio", "sqlite3", "socket", "requests", "threading"}
CHANNELS = sorted(
    p.name for p in (ROOT / "adapters").iterdir() if p.is_dir() and (p / "account.py").exists() and not p.name.startswith("_")
)

GROUND = {"backoff", "clock", "errors"}
# Which rooms each room may import, from the ground up. `contract`: of the room before it, nothing but that file.
MAY_IMPORT: dict[str, set[str]] = {
    "backoff": set(),
    "errors": set(),
    "clock": set(),
    "garbage": set(),
    "outage": GROUND,
    "logs": GROUND,
    "loops": set(),
    "metrics": GROUND,
    "links": {"adapters"},
    "file_places": {"config", "store"} | GROUND,
    "doorbell": {"outage"} | GROUND,
    "sharing": {"doorbell.contract", "outage", "store"} | GROUND,
    "session": {"adapters"},
    "config": {"adapters", "session"} | GROUND,
    "store": {"adapters", "session", "outage"} | GROUND,
    "journal": {
        "adapters",
        "config",
        "doorbell.contract",
        "sharing.alone",
        "sharing.contract",
        "store.contract",
        "store.inbox_contract",
        "store.lanes",
        "brokers.contract",
        "session",
        "metrics",
        "outage",
    }
    | GROUND,
    "brokers": {
        "adapters",
        "config",
        "doorbell.contract",
        "sharing.alone",
        "sharing.contract",
        "store",
        "session",
        "links",
        "journal.contract",
        "metrics",
        "outage",
    }
    | GROUND,
    "identity": {"adapters", "config", "session", "brokers.contract"} | GROUND,
    "edge": {"adapters", "config", "doorbell.contract", "session", "brokers.contract", "links", "metrics"} | GROUND,
    "processes": {"adapters", "config", "doorbell.contract", "edge", "garbage", "logs", "loops", "metrics", "store"} | GROUND,
    "pages": GROUND,
    "webchat": {"adapters", "doorbell.contract", "edge", "pages", "store", "outage"} | GROUND,
    "describing": {"adapters", "config", "session"} | GROUND,
    "new_channel": {"adapters"} | GROUND,
    "nats_inbox": {"adapters", "config", "doorbell.contract", "metrics", "store.inbox_contract", "store.packing", "outage"}
    | GROUND,
    "watching": {"store", "metrics"} | GROUND,
    "several": {"adapters", "brokers.contract", "doorbell.contract", "session", "store.inbox_contract"} | GROUND,
    "roles": {"config"} | GROUND,
    "workers": {"sharing.contract"} | GROUND,
    "operators": {"store"} | GROUND,
    "moving": {"config", "file_places", "store", "webchat"} | GROUND,
    "stored": {"config", "nats_inbox", "store"} | GROUND,
    "orphans": {"brokers", "config", "store"} | GROUND,
    "demo": {"adapters", "app", "brokers", "config", "edge", "journal", "logs", "pages", "store", "stored"} | GROUND,
}
EVERYTHING = {"app", "shard", "engines", "cli"}  # they put the parts together


def module_of(path: Path) -> str:
    """`gateway/store/outbox.py`: `gateway.store.outbox`."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def modules() -> dict[str, Path]:
    """Every module of ours."""
    return {module_of(path): path for room in ("adapters", "gateway") for path in sorted((ROOT / room).rglob("*.py"))}


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports: of `from package import name`, the module `package.name` where there is one, else `package`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where they lead"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in modules() else str(node.module)


@cache
def arrows() -> dict[str, set[str]]:
    """From each module of ours to the modules of ours that it imports."""
    return {name: {one for one in imports(path) if one in modules()} for name, path in modules().items()}


def within(module: str, place: str) -> bool:
    return module == place or module.startswith(f"{place}.")


def wrong(place: str, forbidden: tuple[str, ...]) -> list[str]:
    """`gateway.edge.api imports gateway.store`, for each import below `place` that leads into something forbidden."""
    found = [(name, path) for name, path in modules().items() if within(name, place)]
    assert found, place
    return [
        f"{name} imports {one}" for name, path in found for one in imports(path) if any(within(one, place) for place in forbidden)
    ]


def room_of(module: str) -> str:
    first, _, rest = module.partition(".")
    return "adapters" if first == "adapters" else rest.partition(".")[0]


def circles() -> list[list[str]]:
    """Groups of modules of which each leads to each other, by Tarjan's algorithm."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        number[name] = low[name] = len(number)
        stack.append(name)
        for one in sorted(arrows()[name]):
            if one not in number:
                visit(one)
                low[name] = min(low[name], low[one])
            elif one in stack:
                low[name] = min(low[name], number[one])
        if low[name] == number[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1 or name in arrows()[name]:
                found.append(sorted(group))

    for name in modules():
        if name not in number:
            visit(name)
    return found


def test_there_are_no_circles() -> None:
    assert circles() == []


def test_every_room_has_its_directions() -> None:
    rooms = {room_of(name) for name in modules() if name not in ("adapters", "gateway")} - {"adapters"}
    assert rooms == MAY_IMPORT.keys() | EVERYTHING


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_lies_below_it(room: str) -> None:
    allowed = tuple("adapters" if one == "adapters" else f"gateway.{one}" for one in (room, *MAY_IMPORT[room]))
    found = [
        f"{name} imports {one}"
        for name in modules()
        if name.startswith("gateway.") and room_of(name) == room
        for one in sorted(arrows()[name])
        if not any(within(one, place) for place in allowed)
    ]
    assert found == []


def test_adapters_know_nothing_of_the_gateway_and_do_no_io() -> None:
    assert wrong("adapters", ("gateway", *IO)) == []


@pytest.mark.parametrize("channel", CHANNELS)
def test_one_channel_never_imports_another(channel: str) -> None:
    others = tuple(f"adapters.{other}" for other in CHANNELS if other != channel)
    assert wrong(f"adapters.{channel}", others) == []


def test_the_rules_know_only_the_envelope_and_do_no_io() -> None:
    assert wrong("gateway.session", tuple(IO)) == []
    beyond = [one for name in modules() if within(name, "gateway.session") for one in arrows()[name] if within(one, "adapters")]
    assert set(beyond) <= {"adapters.envelope", "adapters.made"}  # the envelope, and its values without checks


def test_sql_is_spoken_in_the_store_alone() -> None:
    elsewhere = {name: path for name, path in modules().items() if room_of(name) not in ("store", "webchat")}
    assert [name for name, path in elsewhere.items() if "sqlite3" in imports(path)] == []
    statement = re.compile(r"\b(SELECT \S.* FROM|INSERT (OR \w+ )?INTO|UPDATE \w+ SET|DELETE FROM) ")
    assert [name for name, path in elsewhere.items() if statement.search(path.read_text())] == []


def test_the_stream_is_spoken_to_in_one_room_alone() -> None:
    """Its client is an extra."""
    users = {name for name, path in modules().items() if any(within(one, "nats") for one in imports(path))}
    assert {room_of(name) for name in users} == {"nats_inbox"}


def test_only_the_app_names_concrete_things() -> None:
    concrete = ("gateway.brokers.embedded", "gateway.doorbell.local", "gateway.journal.receiver", "gateway.journal.sender")
    builders = {"gateway.engines", "gateway.shard", "gateway.doorbell.postgresql"}  # the last is a local one, and more
    assert {line.split()[0] for line in wrong("gateway", concrete)} <= builders


def test_nothing_is_called_utils() -> None:
    vague = {"utils.py", "helpers.py", "common.py", "misc.py", "base.py"}
    assert [str(path) for path in modules().values() if path.name in vague] == []
