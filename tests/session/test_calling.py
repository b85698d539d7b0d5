"""What a customer without a name is called where people read it."""

from __future__ import annotations

import pytest

from adapters.envelope import Address, EndUser
from gateway.session.calling import called


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("+34600111222", "+34600111222"),
        ("34600111222", "34600111222"),
        ("whatsapp:+34600111222", "+34600111222"),
        ("kim@shop.example.com", "kim@shop.example.com"),
        ("kim-17", "kim-17"),
        ("urn:mbid:AQAAYkim0001", "Customer 0001"),
        ("U206d25c2ea6bd87c17655609a1c37cb8", "Customer 7CB8"),
        ("6100000000000001", "Customer 0001"),
        ("ES.30900000000000000001", "Customer 0001"),
        ("user_ref:0123456789abcdef", "Customer CDEF"),
        ("user_ref:zz-1", "Customer ZZ1"),
        ("urn:mbid:ABCDEFGHIJ", "Customer GHIJ"),
        ("-" * 40, "Customer"),
    ],
)
def test_an_address_is_shown_where_a_person_can_read_it(address: str, words: str) -> None:
    assert called(EndUser(address=Address(address))) == words
    assert called(EndUser(address=Address(address), username="kim.roe")) == "kim.roe"
    assert called(EndUser(address=Address(address), username="kim.roe", name="Kim Roe")) == "Kim Roe"
