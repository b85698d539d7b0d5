"""A report as a picture: the gateway beside its peers, and its own ratios with their targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from bench.results import Report

_WIDTH: Final = 860
_LABELS: Final = 300  # px for the names
_ROW: Final = 30
_STYLE: Final = """
  svg { font-family: system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif; --ink: #1c2330; --dim: #5b6575; --ours: #1a7f5a; --theirs: #9aa6b8; --bare: #6d8fd6; --goal: #b3541e; --paper: #ffffff; }
  @media (prefers-color-scheme: dark) { svg { --ink: #e8ecf3; --dim: #a3adbd; --ours: #55c79b; --theirs: #5d6b80; --bare: #7c9fe6; --goal: #f0985f; --paper: #12161e; } }
  .paper { fill: var(--paper); } .h { fill: var(--ink); font-size: 15px; font-weight: 600; } .t { fill: var(--ink); font-size: 13px; } .s { fill: var(--dim); font-size: 12px; }
  .ours { fill: var(--ours); } .theirs { fill: var(--theirs); } .bare { fill: var(--bare); } .goal { stroke: var(--goal); stroke-width: 2; }
"""


@dataclass(frozen=True, slots=True)
class _Bar:
    label: str
    value: float
    look: str
    goal: float | None = None


@dataclass(frozen=True, slots=True)
class _Group:
    title: str
    remark: str
    bars: Sequence[_Bar]


_PEERS: Final = (
    ("peers.line", "line-bot-sdk + aiohttp"),
    ("peers.pywa", "pywa + FastAPI"),
    ("peers.botbuilder", "botbuilder + aiohttp, unsigned"),
)
_OWN: Final = (
    ("accept.32", "accepted, 32 connections"),
    ("accept.64", "accepted, 64 connections"),
    ("accept.128", "accepted, 128 connections"),
    ("processes.accept", "accepted by a process of its own"),
    ("whole", "whole road, by processor time"),
    ("road_out", "a rep's message, until the provider has it"),
)


def _groups(report: Report) -> Iterator[_Group]:
    beside = list(_bars(report, (("accept.64", "this gateway, stored durably"),), "ours"))
    beside += _bars(report, _PEERS, "theirs")
    if beside:
        bare = _Bar("bare aiohttp, reads nothing", 1.0, "bare")
        yield _Group(
            "Webhooks answered per second on one core, to bare aiohttp",
            "64 connections; none of the others stores anything",
            [bare, *beside],
        )
    if own := list(_bars(report, _OWN, "ours", goals=True)):
        yield _Group("The gateway's own ratios to bare aiohttp", "the line is the target", own)


def _bars(report: Report, names: Sequence[tuple[str, str]], look: str, *, goals: bool = False) -> Iterator[_Bar]:
    for key, label in names:
        found = report.find(key)
        if found and found.median is not None:
            yield _Bar(label, found.median, look, found.line.target if goals else None)


def svg(report: Report) -> str:
    """The picture, for light and dark pages."""
    groups = list(_groups(report))
    most = max((max(bar.value, bar.goal or 0.0) for group in groups for bar in group.bars), default=1.0)
    scale = (_WIDTH - _LABELS - 70) / max(1.0, most)
    parts, y = [], 12
    for group in groups:
        parts += [f'<text x="16" y="{y + 18}" class="h">{escape(group.title)}</text>']
        parts += [f'<text x="16" y="{y + 36}" class="s">{escape(group.remark)}</text>']
        y += 46
        for bar in group.bars:
            parts += _drawn(bar, y, scale)
            y += _ROW
        y += 14
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" role="img" aria-labelledby="title desc">'
    told = "; ".join(f"{bar.label}: {bar.value:.2f}" for group in groups for bar in group.bars)
    about = ["<title id=\"title\">The gateway's rates beside its peers'</title>", f'<desc id="desc">{escape(told)}</desc>']
    paper = f'<rect width="{_WIDTH}" height="{y}" class="paper"/>'
    return "\n".join([head, *about, f"<style>{_STYLE}</style>", paper, *parts, "</svg>\n"])


def _drawn(bar: _Bar, y: int, scale: float) -> Iterator[str]:
    width = bar.value * scale
    yield f'<text x="{_LABELS - 10}" y="{y + 16}" class="t" text-anchor="end">{escape(bar.label)}</text>'
    yield f'<rect x="{_LABELS}" y="{y + 2}" width="{max(1.0, width):.1f}" height="20" rx="3" class="{bar.look}"/>'
    end = width
    if bar.goal is not None:
        at = _LABELS + bar.goal * scale
        end = max(width, bar.goal * scale)
        yield f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{y - 1}" y2="{y + 25}" class="goal"/>'
    yield f'<text x="{_LABELS + end + 8:.1f}" y="{y + 16}" class="t">{bar.value:.2f}</text>'
