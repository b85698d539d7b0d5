"""What acceptance tests tell while they run: figures that no test asserts."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture
def tell(capfd: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Print a line although pytest captures output."""

    def told(line: str) -> None:
        with capfd.disabled():
            print(f"\n  {request.node.name}: {line}", end="", flush=True)  # noqa: T201

    return told
