"""docs/performance.md: its figures are written from a file of results, the rest by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.results import Report
from bench.table import markdown, noise

_BEGIN: Final = "<!-- figures: written by `python -m bench --report docs/performance.json` -->"
_IMAGES: Final = Path(__file__).resolve().parent.parent / "docs" / "images"
_BARS: Final = "The gateway's rate of accepting webhooks beside its peers, and its ratios to bare aiohttp"
_NONE: Final = "No run is recorded.\n"
_END: Final = "<!-- end of figures -->"


def written(page: str, report: Report | None) -> str:
    """The page with this report's figures and pictures; None: with none. Raises ValueError if it has no place for them."""
    place = re.compile(f"{re.escape(_BEGIN)}.*?{re.escape(_END)}", re.DOTALL)
    if not place.search(page):
        raise ValueError(f"the page has no {_BEGIN}")
    return place.sub(lambda _: f"{_BEGIN}\n\n{_figures(report) if report else _NONE}\n{_END}", page)


def _figures(report: Report) -> str:
    length = (
        "" if report.scale == 1 else f" This was a short run, at {report.scale:g} of the usual length: its figures are rough."
    )
    rounds = f"{report.rounds} round{'s' * (report.rounds > 1)}"
    head = f"{report.machine}; {report.at[:10]}; medians of {rounds}.{length} {noise(report)}"
    parts = [f"![{_BARS}](images/performance.svg)", head, markdown(report.results).rstrip(), *_flames()]
    return "\n\n".join(parts) + "\n"


def _flames() -> Iterator[str]:
    for path in sorted(_IMAGES.glob("flame-*.svg")):
        yield f"![Where the time goes: {path.stem.removeprefix('flame-')}](images/{path.name})"
