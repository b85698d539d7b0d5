"""Every channel of ours does what every channel must. A channel takes part by `tests/adapters/<kind>/suite.py` with a `SUITE`."""

from __future__ import annotations

import importlib
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from adapters.conformance import Check, Suite
from adapters.registry import load as load_all

HERE = Path(__file__).parent


def suite_of(kind: str) -> Suite:
    found = importlib.import_module(f"tests.adapters.{kind}.suite").SUITE
    assert isinstance(found, Suite)
    return found


def load(kind: str) -> None:
    list(suite_of(kind).checks())


def checks() -> list[Any]:
    """All checks of all channels; a suite that can't be loaded is one check that says why, and hides no other channel."""
    found = []
    for path in sorted(HERE.glob("*/suite.py")):
        kind = path.parent.name
        try:
            found += [pytest.param(check, id=f"{kind}-{check}") for check in suite_of(kind).checks()]
        except Exception:  # whatever is wrong with it, the check below raises it again
            found.append(pytest.param(Check("suite", partial(load, kind)), id=f"{kind}-suite"))
    return found


def test_every_channel_of_ours_takes_part() -> None:
    ours = {adapter.kind for adapter in load_all().values() if adapter.account.__module__.startswith("adapters.")}
    assert {suite_of(path.parent.name).adapter.kind for path in HERE.glob("*/suite.py")} == ours


@pytest.mark.parametrize("check", checks())
def test_conformance(check: Check) -> None:
    check.run()
