"""What a wheel must carry: every file that the code reads at run time is matched by the packaging's patterns."""

from __future__ import annotations

import fnmatch
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SETUP = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
# For those who write adapters, and for the check of the scripts.
NOT_READ = {"adapters/README.md", "gateway/pages/api.d.ts", "gateway/pages/types.d.ts", "gateway/webchat/widget/types.d.ts"}


def files() -> list[Path]:
    """All files of the packages but code and what Python leaves behind."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no clone")
    listed = subprocess.run(["git", "ls-files", "adapters", "gateway"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [Path(line) for line in listed.stdout.splitlines() if not line.endswith(".py") and (ROOT / line).exists()]


def test_every_file_of_a_package_is_in_the_wheel() -> None:
    patterns = SETUP["package-data"]["*"]
    found = files()
    assert len(found) > 20
    left_out = [str(f) for f in found if not any(_carried(f, pattern) for pattern in patterns)]
    assert set(left_out) - NOT_READ == set()


def _carried(file: Path, pattern: str) -> bool:
    """A pattern without a folder is for each package's own files; every folder below counts as a package."""
    return fnmatch.fnmatch(file.name, pattern) or fnmatch.fnmatch(str(file), f"*/{pattern}")


def test_the_configs_are_in_the_wheel() -> None:
    carried = [name for names in SETUP["data-files"].values() for name in names]
    assert sorted(carried) == sorted(f"config/{path.name}" for path in (ROOT / "config").glob("*.yaml"))
