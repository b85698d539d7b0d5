"""Ids of the simulated org, and the key that it makes for its gateway."""

from __future__ import annotations

import stat
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway import clock
from gateway.brokers.salesforce.simulator import ids
from gateway.demo.access import access


def test_an_id_says_its_kind_and_stays() -> None:
    assert ids.user_id("ana") == ids.user_id("ana") != ids.user_id("ben")
    assert [one[:3] for one in (ids.user_id("a"), ids.queue_id("a"), ids.flow_id("a"), ids.work_item("a", 1))] == [
        "005",
        "00G",
        "300",
        "0Mw",
    ]
    assert all(len(one) == 15 and one.isalnum() for one in map(ids.user_id, ("", "ana", "a" * 200, "é")))


def test_the_long_form_says_which_letters_are_capitals() -> None:
    assert ids.long_id("001D000000IqhSL") == "001D000000IqhSLIAZ"


def test_the_key_is_made_once_and_its_owners_alone(tmp_path: Path) -> None:
    first = access(tmp_path, "00D", "http://127.0.0.1:1", "/org", clock.now)
    key = first.key_file.read_bytes()
    assert stat.S_IMODE(first.key_file.stat().st_mode) == 0o600
    assert load_pem_private_key(key, None) is not None
    assert access(tmp_path, "00D", "http://127.0.0.1:1", "/org", clock.now).key_file.read_bytes() == key
