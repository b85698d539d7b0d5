"""Packages that only the bench needs, each set in a venv of its own in the user's cache folder: made once, and used again."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

from bench.subject import Skip


def python_with(name: str, requirements: Sequence[str]) -> Path:
    """The interpreter of a venv that has these packages and what they need. Raises Skip if they can't be installed."""
    kind = hashlib.sha256(" ".join([sys.version, *requirements]).encode()).hexdigest()
    folder = _cache() / f"{name}-{kind[:12]}"
    python, complete = folder / "bin" / "python", folder / "complete"
    if not complete.exists():
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
        installed = subprocess.run(command, capture_output=True, text=True, check=False)
        if installed.returncode:
            raise Skip(f"{', '.join(requirements)} can't be installed: {installed.stderr.strip()[-200:]}")
        complete.touch()
    return python


def versions(python: Path, packages: Sequence[str]) -> str:
    """`name 1.2.3, …` of what is installed there."""
    code = "import sys; from importlib.metadata import version; print(', '.join(f'{p} {version(p)}' for p in sys.argv[1:]))"
    return subprocess.run([python, "-c", code, *packages], capture_output=True, text=True, check=True).stdout.strip()


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "byoc-bench"
