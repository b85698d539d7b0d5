"""Distributions that are installed by pip into a folder of their own, and programs that find them there."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MYPY_CACHE = ROOT / ".mypy_cache" / "plug-ins"  # what all plug-ins import is analysed once


def run(*command: str, target: Path | None = None, cwd: Path = ROOT, good: bool = True) -> str:
    """What a program says; `target` is on its path, as an installed plug-in would be."""
    paths = [str(path) for path in (target, ROOT) if path]
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert (done.returncode == 0) is good, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def byoc(*arguments: str, target: Path | None = None, cwd: Path = ROOT, good: bool = True) -> str:
    """`byoc …`."""
    return run(sys.executable, "-m", "gateway.cli", *arguments, target=target, cwd=cwd, good=good)


def install(source: Path, target: Path, scratch: Path) -> Path:
    """Install the distribution at `source` into the folder `target`, from a copy, since building writes beside its files."""
    copy = scratch / source.name
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    offline = ["--no-build-isolation", "--no-index"] if _builds_here() else []
    run(*_pip(), "install", "--quiet", "--no-deps", *offline, "--target", str(target), str(copy))
    return target


def _builds_here() -> bool:
    """Whether the venv's own setuptools makes wheels by itself; else pip fetches one that does."""
    try:
        major, minor = map(int, importlib.metadata.version("setuptools").split(".")[:2])
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return False
    return (major, minor) >= (70, 1)


def _pip() -> Sequence[str]:
    """The venv's own, or, where it was made without, the system's."""
    options = ("--disable-pip-version-check", "--no-input")
    if importlib.util.find_spec("pip"):
        return (sys.executable, "-m", "pip", *options)
    base = Path(sys.base_prefix) / "bin" / "python3"
    return (str(base), "-m", "pip", *options, "--python", sys.executable)
