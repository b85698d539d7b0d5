"""What is checked of Salesforce orgs and their channels without asking anybody."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from gateway import config
from gateway.errors import ConfigFault, ConfigFaults
from tests.config.keys import CURVE, LOCKED, PEM, SHORT

ADDRESS = "0b6a2b1e-3d0a-4b57-9d0b-6f6f0a1c2d3e"
ANA, BEN = "005000000000001AAA", "005000000000002"
RAW: dict[str, Any] = {
    "salesforce": {
        "production": {
            "org_id": "00D000000000001",
            "instance_url": "https://example.my.salesforce.com",
            "scrt_url": "https://example.my.salesforce-scrt.com",
            "consumer_key": "3MVG9.consumer-key",
            "username": "gateway@example.com",
            "private_keys": [PEM.decode()],
            "event": "Byoc_Message__e",
            "event_type_field": "EventType__c",
            "event_payload_field": "Payload__c",
            "reps": {"ana": ANA, "ben": BEN},
            "queues": {"support": "00G000000000001"},
            "flows": {"bills": "300000000000001"},
        }
    },
    "orgs": {
        "acme": {
            "reps": {"ana": {"name": "Ana"}, "ben": {"name": "Ben"}},
            "queues": {"support": {"name": "Support", "reps": ["ana", "ben"]}},
            "flows": {"bills": {"name": "Bills"}},
        }
    },
    "channels": {
        key: {
            "kind": "sms",
            "org": "acme",
            "account": {
                "account_sid": "AC00000000000000000000000000000001",
                "auth_tokens": ["a-token-of-some-length"],
                "number": number,
            },
            "salesforce": {"org": "production", "address": address, "definition": "Byoc_Sms"},
        }
        for key, number, address in (
            ("sms-de", "+4930000001", ADDRESS),
            ("sms-uk", "+4420000001", ADDRESS.replace("0b6a", "0b6b")),
        )
    },
}
ORG = "salesforce.production"
CHANNEL = "channels.sms-uk.salesforce"
PARTNER = {"product": "ccaas", "routing": "partner"}


def put(where: str, given: Any, raw: dict[str, Any] = RAW) -> dict[str, Any]:
    """A copy with that setting."""
    made = copy.deepcopy(raw)
    *steps, last = where.split(".")
    at: Any = made
    for step in steps:
        at = at[int(step) if isinstance(at, list) else step]
    at[int(last) if isinstance(at, list) else last] = given
    return made


def faults_of(raw: dict[str, Any]) -> list[ConfigFault]:
    try:
        config.build(raw)
    except ConfigFaults as faults:
        return list(faults.faults)
    return []


def place_of(fault: ConfigFault) -> str:
    return fault.place.partition(" ")[2]


def test_it_is_sound_as_it_is() -> None:
    loaded = config.build(RAW)
    assert loaded.warnings == ()
    assert [channel.config.salesforce is not None for channel in loaded.channels.values()] == [True, True]


def test_a_key_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(PEM)
    assert faults_of(put(f"{ORG}.private_keys", [f"file:{tmp_path}/key.pem"])) == []


UNFIT: list[tuple[str, Any, str]] = [
    (f"{ORG}.org_id", "00d000000000001", "is not the id of an org"),
    (f"{ORG}.org_id", "00D00000000000", "is not a Salesforce record id"),
    (f"{ORG}.reps.ana", "00G000000000001", "is not the id of a user"),
    (f"{ORG}.reps.ben", ANA[:15], "is also the id of 'ana'"),
    (f"{ORG}.queues.support", ANA, "is not the id of a queue"),
    (f"{ORG}.flows.bills", "301000000000001", "is not the id of a flow"),
    (f"{ORG}.event", "Byoc_Message", "is not a platform event"),
    (f"{ORG}.event", "Byoc-Message__e", "is not an API name"),
    (f"{ORG}.instance_url", "http://example.my.salesforce.com", "is not an https URL"),
    (f"{ORG}.scrt_url", "http://10.0.0.1", "is not an https URL"),
    (f"{ORG}.login_url", "login.salesforce.com", "is not an https URL"),
    (f"{ORG}.pubsub_endpoint", "https://api.pubsub.salesforce.com", "is not a host with a port"),
    (f"{ORG}.proxy", "socks5://proxy:1080", "doesn't begin with http://"),
    (f"{ORG}.proxy", "http://ana:pw@proxy:99999", "is not a URL, or has an invalid port"),
    (f"{ORG}.proxy", "http://proxy:3128/path", "has more than scheme, host and port"),
    (f"{ORG}.ca_file", "/nowhere/ca.pem", "can't be read (No such file or directory)"),
    (f"{ORG}.connector_toolkit", "/nowhere/toolkit.js", "can't be read (No such file or directory)"),
    (f"{ORG}.connector_origins", ["http://salesforce.example"], "is not an https URL"),
    (f"{ORG}.connector_origins", ["https://salesforce.example/;script-src%20*"], "has more than scheme, host and port"),
    (f"{ORG}.connector_origins", ["https://salesforce.example/"], "has more than scheme, host and port"),
    (f"{ORG}.file_hosts", ["https://files.example.com"], "is not a host name"),
    (f"{ORG}.file_hosts", ["*"], "is not a host name"),
    (f"{ORG}.requests_per_second", 2_001, "input should be less than or equal to 2000"),
    (f"{ORG}.private_keys", [], "is empty"),
    (f"{ORG}.private_keys", ["file:/nowhere/key.pem"], "the key's file can't be read (No such file or directory)"),
    (f"{ORG}.private_keys", [PEM.decode(), "-----BEGIN PRIVATE KEY-----"], "is not a private key in PEM format"),
    (f"{ORG}.private_keys", [SHORT.decode()], "has 1024 bits, fewer than 2048"),
    (f"{ORG}.private_keys", [CURVE.decode()], "is not an RSA key, and Salesforce takes RS256 only"),
    (f"{ORG}.private_keys", [LOCKED.decode()], "is a key with a password"),
    (f"{CHANNEL}.org", "sandbox", "there is no Salesforce org 'sandbox'"),
    (f"{CHANNEL}.address", ADDRESS.upper(), "is also the address of channel 'sms-de'"),
    (f"{CHANNEL}.definition", "Byoc Sms", "is not an API name"),
    (CHANNEL, RAW["channels"]["sms-uk"]["salesforce"] | {"routing": "partner"}, "lets the partner own routing or consent, which only BYOC for CCaaS offers"),
]  # fmt: skip


# Keys differ each time, so that no test is named by one.
@pytest.mark.parametrize(("where", "given", "told"), UNFIT, ids=[f"{where}: {told}"[:80] for where, _, told in UNFIT])
def test_a_fault_has_its_place_and_its_fix(where: str, given: Any, told: str) -> None:
    (fault,) = faults_of(put(where, given))
    assert place_of(fault).startswith(where)
    assert fault.fault == told
    assert fault.fix.endswith((".", "?"))
    assert fault.fix != "Correct it; see config/gateway.example.yaml."


def test_two_orgs_may_have_the_same_address() -> None:
    """A channel's address is an org's own: a sandbox made of a copy by hand may repeat it."""
    raw = put("salesforce.sandbox", RAW["salesforce"]["production"])
    raw = put(f"{CHANNEL}.org", "sandbox", raw)
    assert faults_of(put(f"{CHANNEL}.address", ADDRESS, raw)) == []


def test_a_proxy_may_have_a_user_and_a_password_which_are_never_shown() -> None:
    raw = put(f"{ORG}.proxy", "http://ana:canary@proxy.example.com:3128")
    assert faults_of(raw) == []
    assert "canary" not in repr(config.build(raw).config)
    assert "canary" not in "\n".join(map(str, faults_of(put(f"{ORG}.proxy", "http://ana:canary@proxy:0"))))


def test_a_key_is_never_shown() -> None:
    for given in (PEM, SHORT, CURVE, LOCKED):
        words = given.decode().splitlines()[1:-1]
        raw = put(f"{ORG}.private_keys", [given.decode()])
        shown = "\n".join(map(str, faults_of(raw)))
        assert not any(word in shown for word in words)
    raw = put(f"{ORG}.private_keys", ["canary-5up3r-53cr3t"])
    assert "canary" not in "\n".join(map(str, faults_of(raw)))
    assert PEM.decode().splitlines()[1] not in repr(config.build(RAW).config)


def warnings_of(raw: dict[str, Any]) -> dict[str, str]:
    return {place_of(one) or one.place: one.fault for one in config.build(raw).warnings}


def partner(raw: dict[str, Any] = RAW) -> dict[str, Any]:
    raw = put(f"{ORG}.connector_toolkit", __file__, raw)  # any file: what is in it is the browser's affair
    return put(CHANNEL, raw["channels"]["sms-uk"]["salesforce"] | PARTNER, raw)


def test_without_the_toolkit_nobody_can_be_chosen() -> None:
    raw = put(f"{ORG}.connector_toolkit", None, partner())
    assert warnings_of(raw) == {}  # no console can reach this machine
    public = put("public_url", "https://byoc.example.com", put("trusted_proxies", ["10.0.0.1"], raw))
    assert list(warnings_of(public)) == [f"{ORG}.connector_toolkit"]


def test_who_has_no_id_can_get_no_work_and_is_named() -> None:
    raw = partner(put(f"{ORG}.reps", {"ana": ANA}))
    raw = put(f"{ORG}.queues", {}, raw)
    assert warnings_of(put(f"{ORG}.flows", {}, raw)) == {
        f"{ORG}.reps": "channel 'sms-uk' routes to reps that have no Salesforce id: ben",
        f"{ORG}.queues": "channel 'sms-uk' routes to queues that have no Salesforce id: support",
        f"{ORG}.flows": "channel 'sms-uk' routes to flows that have no Salesforce id: bills",
    }
    assert warnings_of(partner()) == {}


def test_a_queue_that_salesforce_does_not_ask_for() -> None:
    told = warnings_of(put("channels.sms-de.queue", "support"))
    assert told == {"channels.sms-de.queue": "has no effect: Salesforce routes this channel's sessions"}
    assert warnings_of(put("channels.sms-uk.queue", "support", partner())) == {}


def test_a_limit_that_the_org_enforces() -> None:
    told = warnings_of(put("channels.sms-de.max_conference_participants", 3))
    assert list(told) == ["channels.sms-de.max_conference_participants"]


def test_an_org_without_channels() -> None:
    assert warnings_of(put("salesforce.sandbox", RAW["salesforce"]["production"])) == {
        "salesforce.sandbox": "is used by no channel"
    }


def test_packages_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.config.salesforce_checks._PACKAGES", ("grpc", "no_such_package"))
    assert warnings_of(RAW) == {"salesforce": "needs packages that are not installed (no_such_package)"}
    assert warnings_of({"public_url": "http://127.0.0.1:8080"}) == {}
