"""Directions of imports: arrows go one way, and a newcomer can rely on it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
IO = {"aiohttp", "httpx", "httpx_aiohttp", "asyncio", "sqlite3", "socket", "requests", "threading"}
CHANNELS = sorted(
    p.name for p in (ROOT / "adapters").iterdir() if p.is_dir() and (p / "__init__.py").exists() and not p.name.startswith("_")
)


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, those under TYPE_CHECKING too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where they lead"
            yield str(node.module)


def files(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py")) if (ROOT / folder).is_dir() else [ROOT / folder]
    assert found, folder
    return found


def wrong(folder: str, forbidden: tuple[str, ...]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files(folder)
        for name in imports(path)
        if any(name == one or name.startswith(f"{one}.") for one in forbidden)
    ]


def test_adapters_know_nothing_of_the_gateway_and_do_no_io() -> None:
    assert wrong("adapters", ("gateway", *IO)) == []


@pytest.mark.parametrize("channel", CHANNELS)
def test_one_channel_never_imports_another(channel: str) -> None:
    others = tuple(f"adapters.{other}" for other in CHANNELS if other != channel)
    assert wrong(f"adapters/{channel}", others) == []


def test_the_rules_know_only_the_envelope() -> None:
    allowed = ("adapters.envelope", "gateway.session", "pydantic")
    found = [
        f"{path.name} imports {name}"
        for path in files("gateway/session")
        for name in imports(path)
        if (name.split(".")[0] in ("adapters", "gateway") and not name.startswith(allowed)) or name.split(".")[0] in IO
    ]
    assert found == []


def test_the_store_knows_no_workers_doors_or_brokers_but_their_contract() -> None:
    doors = ("gateway.edge", "gateway.journal", "gateway.app", "gateway.brokers.embedded", "gateway.brokers.applying")
    assert wrong("gateway/store", doors) == []


def test_journal_brokers_and_edge_meet_through_contracts() -> None:
    assert wrong("gateway/journal", ("gateway.edge", "gateway.brokers.embedded", "gateway.app")) == []
    assert wrong("gateway/brokers", ("gateway.edge", "gateway.app", "gateway.journal.sender")) == []
    assert wrong("gateway/edge", ("gateway.brokers.embedded", "gateway.journal", "gateway.app", "gateway.demo")) == []


def test_only_the_app_names_concrete_things() -> None:
    concrete = ("gateway.brokers.embedded", "gateway.doorbell.local", "gateway.journal.receiver", "gateway.journal.sender")
    users = {line.split()[0] for line in wrong("gateway", concrete)}
    assert users <= {"gateway/app.py", "gateway/watching.py"}


def test_nothing_is_called_utils() -> None:
    vague = {"utils.py", "helpers.py", "common.py", "misc.py", "base.py"}
    assert [str(p) for p in files("gateway") + files("adapters") if p.name in vague] == []
