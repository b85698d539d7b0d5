"""What holds for all tests: nobody calls out, secrets of the machine stay out, and what needs a browser says so."""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest

from tests import chosen
from tests.browsers import missing

# Tests never judge by time: a machine that is busy with something else would fail them.
hypothesis.settings.register_profile("whatever the machine does", hypothesis.settings.default, deadline=None)
hypothesis.settings.load_profile("whatever the machine does")

_LONG_FORMS = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the long forms, too")
    parser.addoption(
        "--store",
        default="sqlite",
        choices=("sqlite", "postgresql"),
        help="where the demos and gateways of tests keep what they store",
    )


def pytest_configure(config: pytest.Config) -> None:
    chosen.STORE = config.getoption("--store")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--slow"):
        long = [item for item in items if "slow" in item.keywords]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if "slow" not in item.keywords]
        config.stash[_LONG_FORMS] = len(long)
        if hasattr(config, "workeroutput"):  # one of several processes, see below
            config.workeroutput["long forms"] = len(long)
    if hasattr(config, "workerinput"):
        for item in items:
            if _shares(item):
                item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
        items.sort(
            key=lambda item: not item.keywords.keys() & {"acceptance", "browser"}
        )  # the long ones first: at the end nobody waits
    if missing() and not os.environ.get("CI"):
        for item in items:
            if "browser" in item.keywords:
                item.add_marker(pytest.mark.skip(reason=f"the tests in a browser need {missing()}"))


def _shares(item: pytest.Item) -> bool:
    """Whether it uses what its module makes once, as a browser: then one worker runs the whole module."""
    fixtures = item._fixtureinfo.name2fixturedefs if isinstance(item, pytest.Function) else {}
    return any(made[-1].scope == "module" for made in fixtures.values() if made)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Every worker of pytest-xdist collects all tests; the process that reports collects none."""
    node.config.stash[_LONG_FORMS] = getattr(node, "workeroutput", {}).get("long forms", 0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was not run, why, and what to do about it: a line each."""
    reasons = Counter(
        str(report.longrepr[2]).removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple | list)
    )
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"skipped {count}: {reason}", yellow=True)
    if count := config.stash.get(_LONG_FORMS, 0):
        terminalreporter.write_line(f"left out {count}: long forms, which --slow runs too")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before any fixture: one that starts the browser would fail first, in a page of traces."""
    if "browser" in item.keywords and missing():
        pytest.fail(f"the tests in a browser need {missing()}", pytrace=False)


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
