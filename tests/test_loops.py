"""How a process of the gateway runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from gateway import loops


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    interval = sys.getswitchinterval()
    yield
    sys.setswitchinterval(interval)


def test_a_loop_that_wakes_does_not_wait_for_a_writer_as_long_as_python_lets_it() -> None:
    found: list[float] = []

    async def work() -> None:
        found.append(sys.getswitchinterval())

    sys.setswitchinterval(0.005)
    loops.run(work())
    assert found == [pytest.approx(0.001)]
