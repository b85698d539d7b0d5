"""What holds for all tests: nobody calls out, secrets of the machine stay out, and what needs a browser says so."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# Tests never judge by time: a machine that is busy with something else would fail them.
hypothesis.settings.register_profile("whatever the machine does", hypothesis.settings.default, deadline=None)
hypothesis.settings.load_profile("whatever the machine does")

ROOT = Path(__file__).resolve().parent.parent
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the long forms, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--slow"):
        long = [item for item in items if "slow" in item.keywords]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if "slow" not in item.keywords]
    missing = _missing_for_browsers()
    if missing and not os.environ.get("CI"):
        for item in items:
            if "browser" in item.keywords:
                item.add_marker(pytest.mark.skip(reason=f"{missing}; in CI this fails"))


def _missing_for_browsers() -> str:
    if shutil.which("chromium") is None:
        return "Chromium is missing: install your system's chromium package"
    return "" if AXE.exists() else "axe-core is missing: npm install --no-save axe-core@4"


@pytest.fixture(autouse=True)
def _needs_met(request: pytest.FixtureRequest) -> None:
    if "browser" in request.keywords and (missing := _missing_for_browsers()):
        pytest.fail(missing)


@pytest.fixture(autouse=True, scope="session")
def _clean_environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith("BYOC_") or n.lower().endswith("_proxy")]:
            patch.delenv(name)
        yield


@pytest.fixture(autouse=True)
def _nobody_calls_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to anywhere but this machine is a fault of the test."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_here(str(address[0])):
            raise AssertionError(f"a test calls out to {address[0]}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


def _is_here(host: str) -> bool:
    return host in ("::1", "localhost") or host.startswith("127.")
