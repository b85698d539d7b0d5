"""The bench measures what it says. No test asserts how long anything takes."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest

from bench import flame, page, picture, table
from bench.__main__ import SUBJECTS, chosen
from bench.load import drive, moments, offer
from bench.profiling import read
from bench.results import Line, Report, Result, load, merged, quantile, save, spread
from bench.subject import Bench, Skip, Subject
from bench.traffic import SECRET, Traffic

ROOT = Path(__file__).resolve().parent.parent

# --------------------------------------------------------------------------------------------------- the whole harness


@pytest.mark.acceptance
def test_a_tiny_run_prints_a_table_and_writes_its_figures(tmp_path: Path) -> None:
    """Real servers and a real load, for a moment each."""
    file = tmp_path / "found.json"
    options = ["--scale", "0.001", "--rounds", "1", "--data", str(tmp_path), "--json", str(file)]
    ran = subprocess.run(
        [sys.executable, "-m", "bench", "whole", *options], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    report = load(file)
    assert [result.line.key for result in report.results] == ["whole", "whole.cost", "whole.bare", "whole.rate"]
    assert all(len(result.values) == 1 and result.values[0] >= 0 for result in report.results)
    assert table.plain(report) in ran.stdout


def test_a_run_measures_what_is_named_or_all_that_needs_no_option() -> None:
    everything = [one.name for one in SUBJECTS]
    keys = [line.key for one in SUBJECTS for line in one.lines]
    assert (len(set(everything)), len(set(keys))) == (len(everything), len(keys))
    assert [one.name for one in chosen([], ["long", "peers"])] == everything
    assert [one.name for one in chosen([], [])] == [name for name in everything if name not in ("hour", "peers")]
    assert [one.name for one in chosen(["whole", "accept"], ["long"])] == ["accept", "whole"]
    with pytest.raises(SystemExit, match="2"):
        chosen(["accept", "axept"], [])


# ---------------------------------------------------------------------------------------------------------- the load


class Answering(asyncio.Protocol):
    """Answers each request by its path."""

    def __init__(self, answer: Callable[[bytes], bytes], ended: Callable[[asyncio.Future[None]], None]) -> None:
        self.answer, self.waiting = answer, b""
        self.end = asyncio.get_running_loop().create_future()
        ended(self.end)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        *requests, self.waiting = (self.waiting + data).split(b"\r\n\r\n")
        for request in requests:
            self.transport.write(self.answer(request.split(b" ")[1]))

    def connection_lost(self, error: Exception | None) -> None:
        self.end.set_result(None)


@asynccontextmanager
async def answering(answer: Callable[[bytes], bytes]) -> AsyncIterator[int]:
    """A server; the port. It ends when all who called have hung up."""
    ends: list[asyncio.Future[None]] = []
    server = await asyncio.get_running_loop().create_server(lambda: Answering(answer, ends.append), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.gather(*ends)


def get(number: int) -> bytes:
    return b"GET /%d HTTP/1.1\r\n\r\n" % number


GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BUSY = b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"


async def test_an_open_loop_has_an_answer_for_every_planned_request() -> None:
    """Every third is refused."""
    async with answering(lambda path: GOOD if int(path[1:]) % 3 else BUSY) as port:
        offered = await offer(port, get, rate=2_000, seconds=0.1, connections=4)
    planned = len(list(moments(2_000, 0.1)))
    assert offered.sent == planned > 100
    refused = len(range(0, planned, 3))
    assert (offered.of(503), offered.told_when, offered.of(0)) == (refused, refused, 0)
    assert sorted(offered.numbers) == [n for n in range(planned) if n % 3]


async def test_an_open_loop_counts_from_the_planned_moment() -> None:
    """All are planned within 20 ms, and one connection has them in turn: whoever is answered later was not quicker for that."""
    async with answering(lambda path: GOOD) as port:
        offered = await offer(port, get, rate=5_000, seconds=0.02, connections=1)
    assert list(offered.numbers) == list(range(offered.sent))
    planned = list(moments(5_000, 0.02))
    ended = [moment + seconds for moment, seconds in zip(planned, offered.times, strict=True)]
    assert ended == pytest.approx(sorted(ended), abs=1e-6)


async def test_a_closed_loop_sends_again_what_was_refused_if_it_insists() -> None:
    seen: dict[bytes, int] = {}

    def answer(path: bytes) -> bytes:
        seen[path] = seen.get(path, 0) + 1
        return BUSY if path == b"/3" and seen[path] < 3 else GOOD

    async with answering(answer) as port:
        driven = await drive(port, (get(number) for number in range(20)), connections=3, insist=True)
    assert (driven.answered, driven.statuses[503]) == (20, 2)
    assert len(seen) == 20


def test_moments_are_the_same_in_every_run_and_in_order() -> None:
    first = list(moments(1_000, 0.5))
    assert first == list(moments(1_000, 0.5))
    assert first == sorted(first)
    assert 400 < len(first) < 600


def test_webhooks_are_signed_and_each_is_of_another_message() -> None:
    traffic = Traffic(people=3)
    made = traffic.requests(10)
    assert len(set(made)) == 10
    for number, request in enumerate(made):
        head, _, body = request.partition(b"\r\n\r\n")
        assert f"Content-Length: {len(body)}".encode() in head
        assert hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest().encode() in head
        (message,) = json.loads(body)["entry"][0]["changes"][0]["value"]["messages"]
        assert (message["id"], message["from"]) == (traffic.id_of(number), f"346{number % 3:08d}")


# --------------------------------------------------------------------------------------------------- what it makes of it


def test_a_target_is_reached_by_the_median() -> None:
    high, low = Line("h", "high", "ratio", 0.7), Line("l", "low", "ms", 5.0, "low")
    assert Result(high, (0.1, 0.7, 0.9)).reached is True
    assert Result(high, (0.1, 0.69, 0.9)).reached is False
    assert Result(low, (5.0,)).reached is True
    assert Result(low, (5.1,)).reached is False
    assert Result(low).reached is None
    assert Result(Line("n", "no target", "ms"), (1.0,)).reached is None


def test_quantiles_and_spread() -> None:
    assert [quantile(range(100), q) for q in (0.0, 0.5, 0.99, 1.0)] == [0, 50, 99, 99]
    assert spread([90, 100, 110]) == pytest.approx(0.2)
    assert spread([90]) == 0


def test_results_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    line = Line("accept.64", "accept", "ratio", 0.75)
    report = Report(
        "2026-01-01T00:00:00+00:00", "a machine", 1.0, 3, {"64": 0.03}, [Result(line, (0.7, 0.8, 0.9), "with a note")]
    )
    save(report, tmp_path / "found.json")
    assert load(tmp_path / "found.json") == report


def test_results_of_several_runs_are_one_report_and_the_smaller_run_s_lines_say_so() -> None:
    one, two, three = (Line(key, key, "ms") for key in ("one", "two", "three"))
    large = Report("2026-01-01", "a machine", 1.0, 3, {"64": 0.03}, [Result(one, (1.0,)), Result(two, (2.0,), "a note")])
    small = Report("2026-01-02", "a machine", 1.0, 1, {}, [Result(three, (3.0,))])
    order = ["one", "three", "two"]
    elsewhere = "measured in another run"
    both = merged(large, small, order)
    assert (both.at, both.rounds, both.noise) == ("2026-01-01", 3, {"64": 0.03})
    assert both.results == [large.results[0], Result(three, (3.0,), elsewhere), large.results[1]]
    assert merged(both, small, order) == both
    again = Report("2026-01-03", "a machine", 1.0, 1, {}, [Result(two, (9.0,), "a note")])
    assert merged(both, again, order).results[2] == Result(two, (9.0,), f"a note, {elsewhere}")
    assert merged(small, large, order) == both


# --------------------------------------------------------------------------------------------------------- what is shown


def elements(svg: str, name: str) -> list[Element]:
    root = ElementTree.fromstring(svg)  # noqa: S314 - our own file
    return list(root.iter(f"{{http://www.w3.org/2000/svg}}{name}"))


def test_the_picture_shows_the_peers_and_the_targets() -> None:
    results = [
        Result(Line("accept.64", "accept", "ratio", 0.75), (0.8, 0.81, 0.9)),
        Result(Line("peers.line", "line & co", "ratio"), (0.3,)),
        Result(Line("peers.pywa", "pywa", "ratio"), note="skipped: no network"),
    ]
    drawn = picture.svg(Report("2026-01-01", "a machine", 1.0, 3, {}, results))
    texts = [text.text for text in elements(drawn, "text")]
    assert {"this gateway, stored durably", "line-bot-sdk + aiohttp", "0.81", "0.30", "1.00"} <= set(texts)
    assert "pywa + FastAPI" not in texts
    assert len(elements(drawn, "line")) == 1
    assert elements(drawn, "title")
    assert "prefers-color-scheme: dark" in drawn


def test_a_run_without_ratios_is_drawn_empty() -> None:
    assert elements(picture.svg(Report("2026-01-01", "a machine", 1.0, 3, {})), "rect")


def test_the_page_and_its_picture_are_those_of_the_recorded_results() -> None:
    recorded = ROOT / "docs" / "performance.json"
    report = load(recorded) if recorded.exists() else None
    text = (ROOT / "docs" / "performance.md").read_text()
    assert page.written(text, report) == text, "run `python -m bench --report docs/performance.json`"
    assert report is None or picture.svg(report) == (ROOT / "docs" / "images" / "performance.svg").read_text()


def test_a_page_gets_the_figures_of_a_report() -> None:
    text = (ROOT / "docs" / "performance.md").read_text()
    result = Result(Line("accept.64", "accept at 64", "ratio", 0.75), (0.8, 0.81, 0.9))
    with_figures = page.written(text, Report("2026-01-01T12:00:00", "a machine", 0.1, 1, {"64": 0.034}, [result]))
    for words in (
        "| accept at 64 | 0.81 | 0.80 - 0.90 | ≥ 0.75 | yes |",
        "3% at 64",
        "a machine; 2026-01-01",
        "rough",
        "performance.svg",
    ):
        assert words in with_figures
    assert page.written(with_figures, None) == page.written(text, None)
    with pytest.raises(ValueError, match="no <!-- figures"):
        page.written("# Another page", None)


def test_a_flame_graph_is_as_wide_as_the_samples() -> None:
    home = "/home/kim/byoc"
    stacks = read(
        [
            f"main (/usr/lib/python3.11/asyncio/runners.py:190);handle ({home}/gateway/edge/webhooks.py:64) 30",
            "main (/usr/lib/python3.11/asyncio/runners.py:190);dumps (/v/site-packages/pydantic/main.py:9) 10",
            "",
            'process 7:"python -m gateway.cli";run (/usr/lib/python3.11/threading.py:9);Condition.wait (/usr/lib/python3.11/threading.py:295) 99',
        ]
    )
    drawn = flame.svg(stacks, "whole & more")
    told = [title.text for title in elements(drawn, "title")]
    assert told == [
        "whole & more",
        "all: 100.0% (40 samples)",
        "main (asyncio/runners.py:190): 100.0% (40 samples)",
        "handle (gateway/edge/webhooks.py:64): 75.0% (30 samples)",
        "dumps (pydantic/main.py:9): 25.0% (10 samples)",
    ]
    assert home not in drawn
    assert flame.heaviest(stacks, 1) == [("handle (gateway/edge/webhooks.py:64)", 0.75)]


def test_a_row_says_what_was_measured_wanted_and_reached() -> None:
    assert table.row(Result(Line("a", "accept", "ratio", 0.75), (0.7, 0.81, 0.9))) == (
        "accept",
        "0.81",
        "0.70 - 0.90",
        "≥ 0.75",
        "yes",
    )
    assert table.row(Result(Line("b", "p99", "ms", 20, "low"), (21.26,))) == ("p99", "21.3 ms", "", "≤ 20.0 ms", "no")
    assert table.row(Result(Line("c", "rate", "/s"), note="skipped: why")) == ("rate", "skipped: why", "", "", "")


def test_what_fails_or_is_skipped_says_why_and_the_others_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fails(bench: Bench) -> None:
        raise ValueError("no such thing")

    def skips(bench: Bench) -> None:
        raise Skip("not here")

    subjects = [
        Subject("one", "", (Line("one", "one", "ms"),), fails),
        Subject("two", "", (Line("two", "two", "ms"),), skips),
        Subject("three", "", (Line("three", "three", "ms"),), lambda bench: bench.note("three", 3.0), rounds=2),
    ]
    bench = Bench(tmp_path, rounds=3)
    bench.run(subjects)
    one, two, three = bench.results(subjects)
    assert (one.note, two.note, three.values) == ("failed: ValueError: no such thing", "skipped: not here", (3.0, 3.0))
    assert "round 2 of 2: three" in capsys.readouterr().out
