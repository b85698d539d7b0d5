"""What every adapter must do, and every recorded payload."""

from __future__ import annotations

import pytest

from adapters.conformance import Check
from tests.adapters.messenger.suite import SUITE


@pytest.mark.parametrize("check", tuple(SUITE.checks()), ids=str)
def test_conformance(check: Check) -> None:
    check.run()
