"""How many processes of each role, and how much database, a load of messages needs: `python -m bench.sizing`.

Reads what a message costs each part, and what the load is like, from docs/sizing.json, and simulates: the whole day as a fluid, second by second, and its
busiest minute event by event. The same seed gives the same answer. It prints what docs/sizing.md shows; `--write` writes it there.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any, Final

from bench.queueing import arrivals, backlog, busiest_share, pool_waits, service
from bench.results import quantile
from bench.servers import ROOT

FIGURES: Final = ROOT / "docs" / "sizing.json"
PAGE: Final = ROOT / "docs" / "sizing.md"
BEGIN, END = "<!-- figures: written by `python -m bench.sizing --write` -->", "<!-- end of figures -->"
DAY: Final = 86_400
LANES: Final = 64
MOST_EVENTS: Final = 100_000  # that a simulation of the busiest minute takes, of one part: more add seconds, and no insight


@dataclass(frozen=True)
class Figures:
    """docs/sizing.json: `load` and `limits` are assumptions, `costs` are measured or guessed, each with its source."""

    load: dict[str, Any]
    limits: dict[str, Any]
    costs: dict[str, dict[str, Any]]

    @staticmethod
    def read(path: Path = FIGURES) -> Figures:
        """From a file."""
        found = json.loads(path.read_text())
        return Figures(found["load"], found["limits"], found["costs"])

    def cost(self, key: str) -> float:
        """Of one thing. Raises KeyError."""
        return float(self.costs[key]["value"])


def note(values: dict[str, float], source: str, path: Path = FIGURES) -> None:
    """Put measured costs in place of what stood there; `source` says where they come from. Raises KeyError for one that nobody reads."""
    found = json.loads(path.read_text())
    for key, value in values.items():
        found["costs"][key] |= {"value": value, "source": source, "measured": True}
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


# What `python -m bench.scale` measures, one process at a time, 2 ms from the database: rates by their keys there, and whose time a piece of work is there.
_RATES: Final = {"accept.2.rate": "edge.accept", "apply.2.1.rate": "broker.apply", "send.2.1.rate": "sender.send"}


def note_rates(measured: Path, path: Path = FIGURES) -> None:
    """Take over what `bench.scale --json` has measured. A process that waits for the database does nothing else meanwhile, so a piece of work takes
    1 / rate, which is more than its processor time."""
    told = json.loads(measured.read_text())
    values = {key: 1 / told["figures"][rate] for rate, key in _RATES.items() if rate in told["figures"]}
    note(
        values,
        f"1 / rate of one process, 2 ms from the database: `python -m bench.scale`, {told['machine']}; {told['at'][:10]}",
        path,
    )


@dataclass(frozen=True)
class Day:
    """What comes when: a curve over the hours, with bursts on top (a mailing goes out, a site is down)."""

    load: dict[str, Any]
    messages: float
    seed: int

    @cached_property
    def hours(self) -> list[float]:
        """How much of the mean rate each hour has."""
        weights = [float(one) for one in self.load["hours"]["value"]]
        return [one * len(weights) / sum(weights) for one in weights]

    @cached_property
    def bursts(self) -> list[tuple[float, float]]:
        """From when until when; one of them in the busiest hour."""
        random = Random(self.seed)
        length = float(self.load["burst_seconds"]["value"])
        peak = (self.hours.index(max(self.hours)) + 0.5) * 3600
        begins = [peak, *(random.uniform(0, DAY - length) for _ in range(int(self.load["bursts_a_day"]["value"]) - 1))]
        return [(begin, begin + length) for begin in begins]

    def curve(self, second: float) -> float:
        """The share of the mean rate, without bursts: hours' middles, joined by straight lines."""
        place = (second / 3600 - 0.5) % 24
        before, part = int(place), place % 1
        return self.hours[before] * (1 - part) + self.hours[(before + 1) % 24] * part

    def rate(self, second: float) -> float:
        """Messages a second."""
        factor = self.load["burst_factor"]["value"] if any(begin <= second < end for begin, end in self.bursts) else 1
        return float(self.messages / DAY * self.curve(second) * factor)

    @cached_property
    def rates(self) -> list[float]:
        """Of each second."""
        return [self.rate(second) for second in range(DAY)]

    @property
    def mean(self) -> float:
        """Messages a second over the day, bursts left out."""
        return self.messages / DAY

    @cached_property
    def busiest(self) -> float:
        """When the burst of the busiest hour begins."""
        return self.bursts[0][0]

    @cached_property
    def peak(self) -> float:
        """The highest rate: in that burst."""
        return max(self.rate(self.busiest + second) for second in range(math.ceil(self.load["burst_seconds"]["value"])))

    @cached_property
    def busy_hour(self) -> float:
        """The mean rate of the busiest hour, without bursts."""
        return self.mean * max(self.hours)


@dataclass(frozen=True)
class Part:
    """Work of one role. `visits`: how many pieces of work a message makes. `cost`: a piece's processor time."""

    role: str
    what: str
    key: str
    visits: float
    cost: float


def parts_of(figures: Figures) -> list[Part]:
    """All work that a message makes for processes of the gateway, on the average of both directions."""
    load = {key: one["value"] for key, one in figures.load.items()}
    come, gone = load["share_in"], 1 - load["share_in"]
    receipts = gone * load["receipts_a_message_out"]
    pieces = [
        ("edge", "webhooks accepted", "edge.accept", come + receipts),
        ("broker", "customers' messages applied", "broker.apply", come),
        ("broker", "receipts applied", "broker.receipt", receipts),
        ("sender", "messages sent", "sender.send", gone),
        ("api", "reps' messages taken", "api.write", gone),
        ("api", "reads", "api.read", load["reads_a_message"]),
        ("api", "events told to desks", "api.event", load["desks_told_a_message"]),
    ]
    return [Part(role, what, key, visits, figures.cost(key)) for role, what, key, visits in pieces]


@dataclass(frozen=True)
class Sized:
    """So many processes of a role. `processes` leaves one to spare; the waits are with that one gone."""

    role: str
    processes: int
    busy_hour: float
    pieces: float
    p50: float
    p99: float
    longest: float


def size(role: str, parts: Sequence[Part], day: Day, figures: Figures) -> Sized:
    """The fewest that keep to the limits in the busiest minute, and one more, so that any of them may be gone."""
    here = [part for part in parts if part.role == role]
    visits = sum(part.visits for part in here)
    mean = sum(part.visits * part.cost for part in here) / visits
    limits = {key: one["value"] for key, one in figures.limits.items()}
    lanes = LANES if role in ("broker", "sender") else None
    count = max(1, math.ceil(day.busy_hour * visits * mean / limits["busy"]))
    while True:
        if lanes and count >= lanes:
            raise ValueError(f"more {role}s than the {lanes} lanes: spread the orgs over several stores")
        capacity = 1 / busiest_share(count, lanes) if lanes else count  # in processes that are all busy
        if day.busy_hour * visits * mean <= limits["busy"] * capacity:
            waits = _minute(day, visits, mean, count, lanes, float(limits["variation"]))
            p99 = quantile(waits, 0.99)
            if p99 <= limits[f"wait_{role}"]:
                _, longest = backlog((rate * visits * mean for rate in day.rates), capacity)
                busy = day.busy_hour * visits * mean / (count + 1)
                return Sized(role, count + 1, busy, day.peak * visits, quantile(waits, 0.5), p99, longest)
        count += 1


def _minute(day: Day, visits: float, mean: float, count: int, lanes: int | None, variation: float) -> list[float]:
    """The waits from ten seconds before the burst of the busiest hour until ten after it. Of lanes, those of the process with most of them. Of many
    servers, a part with its part of the arrivals: fewer servers make the waits longer, not shorter."""
    length = day.load["burst_seconds"]["value"] + 20.0
    begin = day.busiest - 10.0
    if lanes is None:
        servers = max(1, min(count, math.floor(count * MOST_EVENTS / (day.peak * visits * length))))
        share = visits * servers / count
    else:
        servers, share = 1, visits * busiest_share(count, lanes)
    random = Random(day.seed)
    moments = arrivals(lambda second: day.rate(begin + second) * share, day.peak * share * 1.01, length, random)
    return pool_waits(moments, service(mean, variation, random), servers) or [0.0]


@dataclass(frozen=True)
class Kept:
    """What the database, the stream and the bucket have to hold and to do."""

    commits: float
    rows: float
    cores: float
    wal: float
    day: float
    nats_rate: float
    nats_hour: float
    files_day: float
    calls: float


def kept(day: Day, figures: Figures) -> Kept:
    """At the highest rate what is a rate, for a day what is kept."""
    load = {key: one["value"] for key, one in figures.load.items()}
    come, gone = load["share_in"], 1 - load["share_in"]
    receipts = gone * load["receipts_a_message_out"]
    work = {"accept": come + receipts, "apply": come, "receipt": receipts, "write": gone, "send": gone}

    def of_all(what: str) -> float:
        return float(sum(visits * figures.cost(f"database.{what}.{name}") for name, visits in work.items()))

    return Kept(
        commits=day.peak * of_all("commits"),
        rows=day.peak * of_all("rows"),
        cores=day.busy_hour * of_all("processor") / figures.limits["busy"]["value"],
        wal=day.peak * of_all("wal"),
        day=day.messages * figures.cost("database.bytes"),
        nats_rate=day.peak * work["accept"] * figures.cost("nats.bytes"),
        nats_hour=day.busy_hour * 3600 * work["accept"] * figures.cost("nats.bytes"),
        files_day=day.messages * load["files_a_message"] * load["file_bytes"],
        calls=day.peak * gone * load["provider_seconds"],
    )


# ----------------------------------------------------------------------------------------------------------- the page

_SIZES: Final = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def in_bytes(value: float) -> str:
    """`1.2 TB`."""
    unit, name = next(((unit, name) for unit, name in _SIZES if value >= unit), (1.0, "B"))
    return f"{value / unit:.3g} {name}"


def in_time(seconds: float) -> str:
    """`97 µs`, `12 ms`, `3 s`."""
    for unit, name in ((1, "s"), (1e-3, "ms")):
        if seconds >= unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds * 1e6:.3g} µs"


def report(figures: Figures, messages: float, seed: int) -> Iterator[str]:
    """As Markdown, line by line."""
    day = Day(figures.load, messages, seed)
    parts = parts_of(figures)
    yield f"{messages:,.0f} messages a day, both ways together: {day.mean:,.0f} a second on the average, {day.busy_hour:,.0f} in the busiest hour, {day.peak:,.0f} in the busiest minute."
    yield ""
    yield "| role | processes, one to spare | work in the busiest minute | busy in the busiest hour | wait there, p50 | p99 | longest all day |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for role in ("edge", "broker", "sender", "api"):
        one = size(role, parts, day, figures)
        yield f"| {role} | {one.processes} | {one.pieces:,.0f}/s | {one.busy_hour:.0%} | {in_time(one.p50)} | {in_time(one.p99)} | {in_time(one.longest)} |"
    held = kept(day, figures)
    most, months = figures.limits["database_cores"]["value"], figures.limits["months"]["value"]
    yield ""
    yield "| | needed |"
    yield "| --- | --- |"
    yield f"| PostgreSQL: commits in the busiest minute | {held.commits:,.0f}/s |"
    yield f"| PostgreSQL: rows written, changed and deleted | {held.rows:,.0f}/s |"
    yield f"| PostgreSQL: write-ahead log | {in_bytes(held.wal)}/s |"
    yield f"| PostgreSQL: cores for the busiest hour | {held.cores:,.0f} |"
    yield f"| PostgreSQL: databases of {most} cores (`stores:`) | {math.ceil(held.cores / most)} |"
    yield f"| PostgreSQL: kept, a day | {in_bytes(held.day)} |"
    yield f"| PostgreSQL: kept, a month (a partition) | {in_bytes(held.day * 30.4)} |"
    yield f"| PostgreSQL: kept, {months} months | {in_bytes(held.day * 30.4 * months)} |"
    yield f"| NATS: written on each of three servers | {in_bytes(held.nats_rate)}/s |"
    yield f"| NATS: an hour without brokers or database, in the busiest hour | {in_bytes(held.nats_hour)} |"
    yield f"| Calls to providers that are under way at once | {held.calls:,.0f} |"
    yield f"| Files, a day | {in_bytes(held.files_day)} |"
    yield ""
    yield "| a message costs | | where the figure comes from |"
    yield "| --- | --- | --- |"
    for key, cost in figures.costs.items():
        source = cost["source"] if cost["measured"] else f"**guessed**: {cost['source']}"
        yield f"| `{key}`: {cost['what']} | {_written(float(cost['value']), cost['unit'])} | {source} |"
    yield ""
    yield "| assumed | | why |"
    yield "| --- | --- | --- |"
    for key, about in {**figures.load, **figures.limits}.items():
        value = about["value"]
        written = ", ".join(map(str, value)) if isinstance(value, list) else f"{value:,}"
        yield f"| `{key}`: {about['what']} | {written} | {about['why']} |"


def _written(value: float, unit: str) -> str:
    return in_time(value) if unit == "s" else in_bytes(value) if unit == "bytes" else f"{value:.3g}"


def main(arguments: Sequence[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser("python -m bench.sizing", description=__doc__)
    parser.add_argument("--messages", type=float, default=100e6, help="messages a day, both ways (default: 100 million)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figures", type=Path, default=FIGURES, help="the costs and assumptions (default: docs/sizing.json)")
    parser.add_argument(
        "--scale", type=Path, metavar="FILE", help="first take over what `python -m bench.scale --json FILE` has measured"
    )
    parser.add_argument("--write", action="store_true", help="write the tables into docs/sizing.md")
    options = parser.parse_args(arguments)
    if options.scale:
        note_rates(options.scale, options.figures)
    text = "\n".join(report(Figures.read(options.figures), options.messages, options.seed))
    if options.write:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}")
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
