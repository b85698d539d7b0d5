"""A flame graph as SVG: each bar is a function, as wide as its share of the samples, below the one that called it. Its title says how much."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from xml.sax.saxutils import escape

from bench.profiling import Stacks

_WIDTH: Final = 1_200
_ROW: Final = 18
_TOP: Final = 40
_LEAST: Final = 1.0  # px: what is narrower isn't drawn
_LETTER: Final = 6.4  # px
# By where the code is: the first that fits.
_COLOURS: Final = (
    (re.compile(r"\b(sqlite3|gateway/store)\b"), "store"),
    (re.compile(r"\b(gateway|adapters)/"), "ours"),
    (re.compile(r"\b(pydantic|json)\b"), "data"),
    (re.compile(r"\b(aiohttp|uvloop|asyncio|httpx)\b"), "net"),
)
_STYLE: Final = """
  svg { font-family: system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif; --ink: #1c2330; --ours: #9bd0b8; --store: #a9c1ef; --data: #f0c9a4; --net: #d9c6ec; --other: #d8dde6; }
  @media (prefers-color-scheme: dark) { svg { --ink: #e8ecf3; --ours: #1f6b4e; --store: #2f4c85; --data: #7d4a1d; --net: #563b78; --other: #3a4456; } }
  text { fill: var(--ink); font-size: 11px; } .h { font-size: 15px; font-weight: 600; }
  .ours { fill: var(--ours); } .store { fill: var(--store); } .data { fill: var(--data); } .net { fill: var(--net); } .other { fill: var(--other); }
"""


@dataclass(slots=True)
class _Frame:
    name: str
    samples: int = 0
    called: dict[str, _Frame] = field(default_factory=dict)


def svg(stacks: Stacks, title: str) -> str:
    """The picture. Widths are shares of all samples."""
    root = _Frame("all")
    for frames, count in stacks.items():
        here = root
        here.samples += count
        for name in map(short, frames):
            here = here.called.setdefault(name, _Frame(name))
            here.samples += count
    scale = _WIDTH / max(1, root.samples)
    drawn = list(_bars(root, 0.0, 0, scale))
    height = _TOP + _ROW * (max((row for row, _ in drawn), default=0) + 1) + 8
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="title">'
    parts = [head, f'<title id="title">{escape(title)}</title>', f"<style>{_STYLE}</style>"]
    parts.append(f'<text x="4" y="24" class="h">{escape(title)}</text>')
    return "\n".join([*parts, *(bar for _, bar in drawn), "</svg>\n"])


def _bars(frame: _Frame, left: float, row: int, scale: float) -> Iterator[tuple[int, str]]:
    width = frame.samples * scale
    if width < _LEAST:
        return
    y, share = _TOP + row * _ROW, frame.samples * scale / _WIDTH
    about = f"<title>{escape(frame.name)}: {share:.1%} ({frame.samples} samples)</title>"
    bar = f'<rect x="{left:.1f}" y="{y}" width="{max(0.5, width - 0.5):.1f}" height="{_ROW - 1}" class="{_colour(frame.name)}"/>'
    room = int((width - 6) / _LETTER)
    label = f'<text x="{left + 3:.1f}" y="{y + 13}">{escape(frame.name[:room])}</text>' if room > 3 else ""
    yield row, f"<g>{about}{bar}{label}</g>"
    for one in sorted(frame.called.values(), key=lambda one: -one.samples):
        yield from _bars(one, left, row + 1, scale)
        left += one.samples * scale


def short(frame: str) -> str:
    """`name (gateway/store/inbox.py)` of py-spy's `name (/some/where/gateway/store/inbox.py)`."""
    return re.sub(r"\((?:.*/)?((?:gateway|adapters|bench)/[^)]*)\)|\(.*/(?:site-packages|python3\.\d+)/([^)]*)\)", _place, frame)


def _place(found: re.Match[str]) -> str:
    return f"({found[1] or found[2]})"


def _colour(name: str) -> str:
    return next((colour for pattern, colour in _COLOURS if pattern.search(name)), "other")


def heaviest(stacks: Stacks, count: int = 10) -> list[tuple[str, float]]:
    """The functions in which most samples were, themselves, with their shares."""
    own: Counter[str] = Counter()
    for frames, samples in stacks.items():
        own[short(frames[-1])] += samples
    return [(name, samples / own.total()) for name, samples in own.most_common(count)]
