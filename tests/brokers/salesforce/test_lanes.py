"""An org's lanes, as the sender sees them."""

from __future__ import annotations

from gateway import config
from gateway.brokers.salesforce.orgs import SalesforceOrgs
from tests.config.test_salesforce import ORG, RAW, put


def test_all_lanes_of_an_org_together_call_it_no_oftener_than_it_takes() -> None:
    loaded = config.build(put(f"{ORG}.requests_per_second", 100, RAW))
    orgs = SalesforceOrgs(loaded)
    assert len(orgs.peers) > 1
    assert sum(peer.messages_per_second for peer in orgs.peers.values()) == 100
