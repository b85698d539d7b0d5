"""Measures the gateway on this machine and prints a table with targets.

Everything is measured against bare aiohttp on uvloop in the same run, in several rounds in turn; the table shows the median of the rounds, and how much the bare
server itself differed between them. Servers have one core, the load the other. Nothing else should run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench import (
    accept,
    backlog,
    beside,
    commands,
    flame,
    graphemes,
    hour,
    idle,
    lists,
    machine,
    offered,
    overload,
    page,
    parse,
    picture,
    processes,
    road_in,
    road_out,
    salesforce,
    salesforce_road,
    sockets,
    transcript,
    whole,
)
from bench import table as tables
from bench.results import Report, load, merged, save
from bench.servers import ROOT
from bench.subject import Bench, Subject

_ROADS: Final = (
    accept,
    beside,
    whole,
    processes,
    backlog,
    offered,
    road_in,
    road_out,
    salesforce,
    salesforce_road,
    commands,
    overload,
)
_PARTS: Final = (lists, transcript, sockets, graphemes, parse, idle, hour)
SUBJECTS: Final[tuple[Subject, ...]] = tuple(module.SUBJECT for module in (*_ROADS, *_PARTS))
_ORDER: Final = tuple(line.key for subject in SUBJECTS for line in subject.lines)
_QUICK: Final = 0.1
_PAGE: Final = ROOT / "docs" / "performance.md"
_PICTURE: Final = ROOT / "docs" / "images" / "performance.svg"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    names = "\n".join(
        f"  {one.name:12} {one.about}{f' (by its name or --{one.option})' if one.option else ''}" for one in SUBJECTS
    )
    made = argparse.ArgumentParser(
        "python -m bench",
        description=__doc__,
        epilog=f"what is measured:\n{names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("names", nargs="*", metavar="NAME", help="measure only these; by default all (about 15 minutes)")
    made.add_argument(
        "--quick", action="store_true", help="one round of a tenth of the length (under 3 minutes): for a look, not for figures"
    )
    made.add_argument("--scale", type=float, help="multiply all durations and counts by this")
    made.add_argument("--rounds", type=int, help="rounds of each measurement (3)")
    made.add_argument("--peers", action="store_true", help="measure other libraries, too")
    made.add_argument("--long", action="store_true", help="the long forms, too: an hour more")
    made.add_argument("--minutes", type=float, default=60.0, help="length of the long form (60)")
    made.add_argument("--data", type=Path, help="a folder on the disk to measure on (the system's folder for temporary files)")
    made.add_argument(
        "--json", type=Path, metavar="FILE", help="write the results to a file; what it has and this run didn't measure stays"
    )
    made.add_argument("--svg", type=Path, metavar="FILE", help="draw the results")
    made.add_argument(
        "--report", type=Path, metavar="FILE", help="measure nothing: write docs/performance.md and its picture from such a file"
    )
    made.add_argument("--profile", action="store_true", help="draw what each NAME's gateways do: docs/images/flame-NAME.svg")
    return made


def chosen(names: Sequence[str], options: Collection[str]) -> list[Subject]:
    """By name, in the order of the table; without names all that need no option, or one of these. Exits with 2 for a name that isn't one."""
    if unknown := set(names) - {one.name for one in SUBJECTS}:
        parser().error(f"no such measurement: {', '.join(sorted(unknown))}")
    return [one for one in SUBJECTS if (one.name in names if names else one.option in {"", *options})]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; 1 if something failed."""
    asked = parser().parse_args(arguments)
    if asked.report:
        _publish(load(asked.report), asked.svg or _PICTURE)
        return 0
    subjects = chosen(asked.names, {name for name in ("long", "peers") if getattr(asked, name)})
    machine.settle()
    bench = Bench(
        folder=asked.data or Path(tempfile.gettempdir()),
        scale=asked.scale or (_QUICK if asked.quick else 1.0),
        long=asked.long,
        minutes=asked.minutes,
        rounds=asked.rounds or (1 if asked.quick or asked.profile else 3),
    )
    print(machine.described(), flush=True)
    if asked.profile:
        return _profile(bench, subjects)
    bench.run(subjects)
    report = bench.report(subjects, at=datetime.now(UTC).isoformat(timespec="seconds"), machine=machine.described())
    print(f"\n{tables.plain(report)}")
    if asked.json:
        save(merged(load(asked.json), report, _ORDER) if asked.json.exists() else report, asked.json)
    if asked.svg:
        asked.svg.write_text(picture.svg(report))
    return 1 if bench.broken else 0


def _publish(report: Report, svg: Path) -> None:
    _PAGE.write_text(page.written(_PAGE.read_text(), report))
    svg.write_text(picture.svg(report))
    print(f"{_PAGE}\n{svg}")


def _profile(bench: Bench, subjects: Sequence[Subject]) -> int:
    for subject in subjects:
        bench.stacks = Counter()
        bench.run([subject])
        file = _PICTURE.with_name(f"flame-{subject.name}.svg")
        file.write_text(flame.svg(bench.stacks, f"{subject.name}: {subject.about}"))
        print(file)
        for name, share in flame.heaviest(bench.stacks):
            print(f"  {share:6.1%}  {name}")
    return 1 if bench.broken else 0


if __name__ == "__main__":
    sys.exit(main())
