"""C libraries that stand between a process and its system, built where a test needs them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def built(name: str, folder: Path) -> Path:
    """The library of the source beside this file. Without a C compiler the test is skipped, but in CI it fails."""
    if (compiler := shutil.which("cc")) is None:
        missing = f"{name} needs a C compiler: install your system's gcc package"
        if os.environ.get("CI"):
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    library = folder / f"{name}.so"
    source = Path(__file__).with_name(f"{name}.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True, timeout=60)
    return library
