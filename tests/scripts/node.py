"""Node.js, where it is installed: in CI it must be."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
NODE: Final = shutil.which("node") or shutil.which("nodejs")


def run_node(*arguments: str, needs: str | None = None, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a script. Without Node.js, or without what the script `needs` of `node_modules`, the test is skipped; in CI it fails."""
    missing = "Node.js" if NODE is None else f"{needs} (`npm ci`)" if needs and not (ROOT / needs).exists() else ""
    if missing and not os.environ.get("CI"):
        pytest.skip(f"the tests of the pages' scripts need {missing}")
    assert not missing, f"the tests of the pages' scripts need {missing}"
    return subprocess.run([str(NODE), *arguments], cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
