"""What customers came by is other people's writing: whatever it holds, the value is bounded, and leads nowhere but to the web."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.referral import MOST_ADDRESS, MOST_EXTRA, MOST_ID, MOST_WORDS, Referral, ReferredProduct, referral, web_address

ADDRESSES: list[tuple[Any, bool]] = [
    ("https://fb.me/1", True),
    ("http://shop.example/a?b=c#d", True),
    ("HTTPS://shop.example", True),
    ("javascript:alert(1)", False),
    ("JaVaScRiPt:alert(1)//https://shop.example", False),
    ("data:text/html,<script>alert(1)</script>", False),
    ("//shop.example", False),
    ("https:///nowhere", False),
    ("https://[", False),
    ("https://shop.example/\njavascript:alert(1)", False),
    ("https://shop.example/ <b>", False),
    ("https://shop.example/" + "x" * MOST_ADDRESS, False),
    (17, False),
    (None, False),
    ({"url": "https://shop.example"}, False),
]


@pytest.mark.parametrize(("given_address", "kept"), ADDRESSES)
def test_only_web_addresses_are_kept(given_address: Any, kept: bool) -> None:
    found = Referral(source="ad", url=given_address, media_url=given_address)
    assert (found.url, found.media_url) == ((given_address, given_address) if kept else (None, None))


def test_texts_are_cut_and_lose_control_characters() -> None:
    found = Referral(source="ad", headline="\x1b[31m" + "x" * 9_000, body=" two\nlines\x00 ", ref=4711, id=["no text"])  # type: ignore[arg-type]
    assert found.headline is not None
    assert len(found.headline) == MOST_WORDS
    assert found.headline.startswith("[31mxxx")
    assert (found.body, found.ref, found.id) == ("two\nlines", "4711", None)


def test_markup_stays_the_text_that_it_is() -> None:
    """Whoever shows it escapes it; a cleaner that guesses would only hide what was written."""
    assert Referral(source="ad", headline="<img src=x onerror=alert(1)>").headline == "<img src=x onerror=alert(1)>"


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=30,
)


@given(st.dictionaries(st.text(), JSON, max_size=12), st.lists(JSON, min_size=9, max_size=9))
def test_whatever_a_provider_sends_it_is_bounded_and_can_be_stored(extra: dict[str, Any], values: list[Any]) -> None:
    names = ("id", "ref", "group", "headline", "body", "url", "media_url", "click_id")
    found = Referral(source="ad", product=ReferredProduct(id=values[8]), extra=extra, **dict(zip(names, values, strict=False)))
    assert Referral.model_validate_json(found.model_dump_json()) == found
    assert len(json.dumps(found.extra, ensure_ascii=False)) <= MOST_EXTRA
    for name, value in found.model_dump().items():
        if isinstance(value, str):
            assert len(value) <= (MOST_WORDS if name in ("headline", "body") else MOST_ADDRESS if "url" in name else MOST_ID)


def test_a_member_too_large_costs_only_itself() -> None:
    found = Referral(source="ad", extra={"big": "x" * MOST_EXTRA, "deep": [[[1]]], "small": "y"})
    assert found.extra == {"deep": [[[1]]], "small": "y"}


def test_nothing_is_no_referral_but_an_ad_is_one_by_itself() -> None:
    assert referral("link") is None
    assert referral("other", given={"empty": "", "nothing": None}) is None
    assert referral("ad") == Referral(source="ad")
    assert referral("other", given={"page": "/hinges"}) == Referral(source="other", extra={"page": "/hinges"})


SAYS: list[tuple[Referral, str]] = [
    (Referral(source="ad", headline="20 % off"), "[from an ad: 20 % off]"),
    (Referral(source="link", ref="order_status", group="sales"), "[from a link: order_status]"),
    (Referral(source="product", product=ReferredProduct(id="SKU1")), "[from a product: SKU1]"),
    (Referral(source="ad"), "[from an ad]"),
]


@pytest.mark.parametrize(("found", "words"), SAYS)
def test_it_can_say_itself(found: Referral, words: str) -> None:
    assert found.plain == words


def test_an_address_with_a_lone_surrogate_is_none() -> None:
    assert web_address("https://shop.example/\ud800") is None
