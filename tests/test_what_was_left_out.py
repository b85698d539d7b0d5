"""Whoever runs the tests is told what did not run, and what to install for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
IN_A_BROWSER = ["tests/pages/test_unseen_words.py"]


def run(tests: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """pytest on a machine without Chromium: only Python is on the path."""
    (folder / "bin").mkdir(exist_ok=True)
    outside = {name: value for name, value in os.environ.items() if name not in ("CI", "PATH")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *tests],
        cwd=ROOT,
        env={**outside, "PATH": str(folder / "bin"), **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize("spread", [[], ["-n", "2"]], ids=["one process", "two workers"])
def test_without_a_browser_its_tests_are_skipped_in_one_line_that_says_what_to_install(spread: list[str], tmp_path: Path) -> None:
    ran = run([*spread, *IN_A_BROWSER], tmp_path)
    (line,) = [line for line in ran.stdout.splitlines() if "chromium" in line.lower()]
    assert line.startswith("skipped 1: the tests in a browser need Chromium (`apt-get install chromium`")
    assert ran.returncode == 0


def test_in_ci_a_missing_browser_is_a_failure_in_one_line(tmp_path: Path) -> None:
    ran = run(IN_A_BROWSER, tmp_path, CI="true")
    assert ran.returncode == 1
    (line,) = [line for line in ran.stdout.splitlines() if line.startswith("the tests in a browser need")]
    assert "apt-get install chromium" in line
    assert "Traceback" not in ran.stdout


@pytest.mark.parametrize("spread", [[], ["-n", "2"]], ids=["one process", "two workers"])
def test_long_forms_that_were_left_out_are_counted(spread: list[str], tmp_path: Path) -> None:
    long = "tests/kit/test_misbehaving_providers.py::test_5_000_messages_over_all_channels_at_once"
    ran = run([*spread, long], tmp_path)
    assert "left out 1: long forms, which --slow runs too" in ran.stdout.splitlines()
