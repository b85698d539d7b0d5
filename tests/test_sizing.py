"""The simulated queues wait as theory says that they do, and the sizes follow from the figures alone."""

from __future__ import annotations

import json
import math
from pathlib import Path
from random import Random
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import sizing
from bench.queueing import arrivals, backlog, busiest_share, erlang_c, mean_wait, pool_waits, service
from bench.sizing import BEGIN, END, FIGURES, PAGE, Day, Figures, kept, note, parts_of, report, size

ROLES = ("edge", "broker", "sender", "api")

# ---------------------------------------------------------------------------------------------------------- the queues


@pytest.mark.parametrize(("servers", "load", "waiting"), [(1, 0.5, 0.5), (1, 0.9, 0.9), (2, 1.0, 1 / 3), (3, 2.0, 4 / 9)])
def test_erlang_c_by_hand(servers: int, load: float, waiting: float) -> None:
    assert erlang_c(servers, load) == pytest.approx(waiting)


def test_erlang_c_for_many_servers() -> None:
    """From published tables: 100 servers with 90 Erlang, and what can't be."""
    assert erlang_c(100, 90) == pytest.approx(0.2169, abs=0.0005)
    with pytest.raises(ValueError, match="worth of work"):
        erlang_c(10, 10)


@pytest.mark.parametrize("servers", [1, 2, 5, 20])
@pytest.mark.parametrize("busy", [0.3, 0.6, 0.8])
def test_a_pool_waits_as_m_m_c_does(servers: int, busy: float) -> None:
    random = Random(7)
    rate = servers * busy
    moments = list(arrivals(lambda _: rate, rate, 200_000 / rate, random))
    waits = pool_waits(moments, service(1.0, 1, random), servers)
    assert mean(waits) == pytest.approx(mean_wait(servers, rate, 1.0), rel=0.08, abs=0.002)
    assert sum(wait > 0 for wait in waits) / len(waits) == pytest.approx(erlang_c(servers, rate), rel=0.06, abs=0.003)


@pytest.mark.parametrize("variation", [0, 0.5, 1, 2])
def test_one_server_waits_as_pollaczek_and_khinchine_say(variation: float) -> None:
    random = Random(3)
    moments = list(arrivals(lambda _: 0.6, 0.6, 500_000, random))
    waits = pool_waits(moments, service(1.0, variation, random), 1)
    assert mean(waits) == pytest.approx(0.6 * (1 + variation**2) / (2 * (1 - 0.6)), rel=0.06)


def test_arrivals_follow_a_rate_that_changes() -> None:
    moments = list(arrivals(lambda second: 100.0 if second < 500 else 20.0, 100.0, 1_000, Random(5)))
    early = sum(moment < 500 for moment in moments)
    assert early == pytest.approx(50_000, rel=0.02)
    assert len(moments) - early == pytest.approx(10_000, rel=0.04)
    assert moments == sorted(moments)


lengths = st.lists(st.floats(0.001, 10), min_size=1, max_size=60)


@given(gaps=lengths, times=lengths, servers=st.integers(1, 8))
def test_one_more_server_lengthens_no_wait(gaps: list[float], times: list[float], servers: int) -> None:
    moments = [sum(gaps[: number + 1]) for number in range(len(gaps))]

    def waits(count: int) -> list[float]:
        left = iter(times * len(moments))
        return pool_waits(moments, lambda: next(left), count)

    fewer, more = waits(servers), waits(servers + 1)
    assert all(one >= other - 1e-9 for one, other in zip(fewer, more, strict=True))
    assert min(more) >= 0
    assert waits(len(moments)) == [0.0] * len(moments)


@given(work=st.lists(st.floats(0, 10), max_size=50), capacity=st.floats(0.1, 10))
def test_a_backlog_is_what_came_and_was_not_done(work: list[float], capacity: float) -> None:
    most, longest = backlog(work, capacity)
    over = [
        sum(work[begin:end]) - capacity * (end - begin) for begin in range(len(work)) for end in range(begin + 1, len(work) + 1)
    ]
    assert most == pytest.approx(max([0.0, *over]), abs=1e-6)
    assert longest == pytest.approx(most / capacity)


@given(servers=st.integers(1, 64))
def test_the_busiest_process_has_at_least_its_part_of_the_lanes(servers: int) -> None:
    share = busiest_share(servers, 64)
    assert 1 / servers <= share < 1 / servers + 1 / 64
    assert share * 64 == math.ceil(64 / servers)


# ----------------------------------------------------------------------------------------------------------- the sizes


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures.read()


def counts(figures: Figures, messages: float, seed: int = 1) -> dict[str, int]:
    day = Day(figures.load, messages, seed)
    return {role: size(role, parts_of(figures), day, figures).processes for role in ROLES}


def slower(figures: Figures, key: str, factor: float) -> Figures:
    """With a part that takes so many times as long."""
    costs = {**figures.costs, key: {**figures.costs[key], "value": figures.cost(key) * factor}}
    return Figures(figures.load, figures.limits, costs)


def test_a_day_has_as_many_messages_as_it_is_said_to_have(figures: Figures) -> None:
    day = Day({**figures.load, "bursts_a_day": {"value": 1}, "burst_factor": {"value": 1}}, 1e6, 1)
    assert sum(day.rate(second) for second in range(86_400)) == pytest.approx(1e6, rel=0.001)


def test_the_busiest_minute_is_a_burst_in_the_busiest_hour(figures: Figures) -> None:
    day = Day(figures.load, 1e6, 1)
    highest = max(day.rate(second) for second in range(86_400))
    assert day.peak == pytest.approx(highest, rel=0.001)
    assert day.peak >= day.busy_hour >= day.mean


def test_the_same_seed_gives_the_same_answer(figures: Figures) -> None:
    once, again = (list(report(figures, 3e6, seed=4)) for _ in range(2))
    assert once == again


def test_more_messages_and_slower_parts_need_no_fewer_processes(figures: Figures) -> None:
    few, many = counts(figures, 5e6), counts(figures, 60e6)
    assert all(few[role] <= many[role] for role in ROLES)
    slow = counts(slower(figures, "sender.send", 8), 60e6)
    assert slow["sender"] > many["sender"]
    assert {**slow, "sender": 0} == {**many, "sender": 0}


def test_one_process_of_each_role_is_to_spare(figures: Figures) -> None:
    assert set(counts(figures, 1_000).values()) == {2}


def test_more_than_the_lanes_take_is_said(figures: Figures) -> None:
    with pytest.raises(ValueError, match="several stores"):
        counts(slower(figures, "broker.apply", 200), 100e6)


def test_the_database_grows_with_the_messages(figures: Figures) -> None:
    one, ten = (kept(Day(figures.load, messages, 1), figures) for messages in (1e6, 1e7))
    assert ten.day == pytest.approx(10 * one.day)
    assert ten.rows == pytest.approx(10 * one.rows)


def test_measured_figures_take_the_place_of_guessed_ones(tmp_path: Path) -> None:
    path = tmp_path / "sizing.json"
    path.write_text(FIGURES.read_text())
    note({"sender.send": 0.002}, "measured here", path)
    found = Figures.read(path)
    assert found.cost("sender.send") == 0.002
    assert found.costs["sender.send"]["measured"] is True
    assert found.costs["sender.send"]["source"] == "measured here"
    assert {key: one for key, one in found.costs.items() if key != "sender.send"} == {
        key: one for key, one in Figures.read().costs.items() if key != "sender.send"
    }
    with pytest.raises(KeyError):
        note({"sender.sent": 1.0}, "nowhere", path)


def test_rates_that_another_bench_measured_are_taken_over(tmp_path: Path) -> None:
    figures, rates = tmp_path / "sizing.json", tmp_path / "scale.json"
    figures.write_text(FIGURES.read_text())
    measured = {"apply.2.1.rate": 2_000.0, "apply.0.1": 0.7}
    rates.write_text(json.dumps({"at": "2026-11-30T00:00:00+00:00", "machine": "a machine", "figures": measured}))
    assert sizing.main(["--messages", "1000", "--figures", str(figures), "--scale", str(rates)]) == 0
    found = Figures.read(figures)
    assert found.cost("broker.apply") == 0.0005
    assert "a machine; 2026-11-30" in found.costs["broker.apply"]["source"]
    assert found.cost("sender.send") == Figures.read().cost("sender.send")


def test_every_figure_is_used(figures: Figures) -> None:
    day = Day(figures.load, 1e6, 1)

    def found(using: Figures, key: str) -> object:
        role = key.partition(".")[0]
        return size(role, parts_of(using), day, using) if role in ROLES else kept(day, using)

    assert [key for key in figures.costs if found(slower(figures, key, 5), key) == found(figures, key)] == []


def test_every_figure_says_where_it_comes_from() -> None:
    found = json.loads(FIGURES.read_text())
    assert all(one["source"] and isinstance(one["measured"], bool) and one["value"] > 0 for one in found["costs"].values())
    assert all(one["why"] for part in ("load", "limits") for one in found[part].values())


def test_the_page_shows_what_the_figures_give(figures: Figures) -> None:
    """When it fails: `python -m bench.sizing --write`."""
    shown = PAGE.read_text().partition(BEGIN)[2].partition(END)[0].strip()
    assert shown == "\n".join(report(figures, 100e6, 1))


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert sizing.main(["--messages", "1000"]) == 0
    assert capsys.readouterr().out.startswith("1,000 messages a day")
