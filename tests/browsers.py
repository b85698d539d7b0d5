"""The browser that pages and widget are tested in, and what it needs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

CHROMIUM: Final = shutil.which("chromium") or "/usr/bin/chromium"
QUIET: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
AXE: Final = Path(__file__).resolve().parents[1] / "node_modules" / "axe-core" / "axe.min.js"
AXE_TAGS: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


def missing() -> str:
    """What must be installed before a test can use the browser; nothing: it can."""
    wanted = []
    if shutil.which("chromium") is None:
        wanted.append("Chromium (`apt-get install chromium`, or your system's package of that name)")
    if not AXE.exists():
        wanted.append("axe-core (`npm ci`)")
    return " and ".join(wanted)
