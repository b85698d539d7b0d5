"""The place in the stream never passes an event that isn't durable, whatever order they become durable in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.brokers.salesforce.progress import Progress, Ticket


def test_without_events_the_position_is_where_it_began() -> None:
    assert Progress().position == b""
    assert Progress(b"\x07").position == b"\x07"


def test_a_later_event_waits_for_an_earlier_one() -> None:
    progress = Progress(b"0")
    first, second = progress.arrived(b"1"), progress.arrived(b"2")
    progress.durable(second)
    assert (progress.position, progress.unfinished) == (b"0", 1)
    progress.durable(first)
    assert (progress.position, progress.unfinished) == (b"2", 0)


def test_an_empty_response_counts_when_all_before_it_is_durable() -> None:
    progress = Progress(b"0")
    first = progress.arrived(b"1")
    progress.passed(b"5")
    progress.passed(b"6")
    assert (progress.position, progress.unfinished) == (b"0", 1)
    progress.durable(first)
    assert progress.position == b"6"
    progress.passed(b"9")
    assert progress.position == b"9"


def test_an_event_after_an_empty_response_is_waited_for_again() -> None:
    progress = Progress(b"0")
    progress.passed(b"1")
    ticket = progress.arrived(b"2")
    assert progress.position == b"1"
    progress.durable(ticket)
    progress.durable(ticket)
    assert progress.position == b"2"


# An arrival, an empty response, or an event that becomes durable: which of those that aren't, by a number.
steps = st.lists(st.one_of(st.just("arrived"), st.just("passed"), st.integers(0, 50)), max_size=60)


@given(steps, st.randoms(use_true_random=False))
def test_the_position_never_passes_what_is_not_durable_and_ends_at_the_last(steps: list[str | int], random: object) -> None:
    progress = Progress(b"0")
    told: list[tuple[Ticket | None, bytes]] = []  # in order; an empty response has no ticket
    open_: list[Ticket] = []

    def expected() -> bytes:
        safe = b"0"
        for ticket, replay_id in told:
            if ticket in open_:
                break
            safe = replay_id
        return safe

    for number, step in enumerate(steps):
        replay_id = f"r{(number * 7919) % 1009}".encode()  # opaque: neither in order nor contiguous
        if step == "arrived":
            ticket = progress.arrived(replay_id)
            told.append((ticket, replay_id))
            open_.append(ticket)
        elif step == "passed":
            progress.passed(replay_id)
            told.append((None, replay_id))
        elif open_:
            progress.durable(open_.pop(int(step) % len(open_)))
        assert progress.position == expected()
        assert progress.unfinished == len(open_)
    random.shuffle(open_)  # type: ignore[attr-defined]
    while open_:
        progress.durable(open_.pop())
        assert progress.position == expected()
    assert progress.position == (told[-1][1] if told else b"0")
