"""Lanes: the same number for the same conversation, in every process and version."""

from __future__ import annotations

from collections import Counter

from gateway.store.lanes import LANES, STRIPES, lane_of, stripe_of


def test_a_conversation_keeps_its_numbers() -> None:
    """Rows are stored by them: another formula would lead a newer version past an older one's rows."""
    assert [stripe_of("wa", "4915112345"), stripe_of("line", "Uä"), stripe_of("", "")] == [1265, 1548, 3446]
    assert lane_of("wa", "4915112345") == 1265 % LANES


def test_conversations_are_spread_evenly() -> None:
    sizes = Counter(lane_of("wa", str(number)) for number in range(64_000))
    assert len(sizes) == LANES
    assert max(sizes.values()) < 1.2 * min(sizes.values())
    assert STRIPES % LANES == 0, "a stripe is in one lane"


def test_an_address_may_be_anything() -> None:
    assert 0 <= lane_of("wa", "\ud800\x00") < LANES
