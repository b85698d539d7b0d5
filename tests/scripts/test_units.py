"""What the pages' scripts work out without a document, by Node.js's own runner: one test here for each file of tests there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scripts.node import ROOT, run_node

FILES = sorted(Path(__file__).parent.glob("*.test.js"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name.removesuffix(".test.js"))
def test_units(file: Path) -> None:
    ran = run_node("--test", "--test-reporter=spec", str(file.relative_to(ROOT)))
    assert ran.returncode == 0, ran.stdout + ran.stderr
