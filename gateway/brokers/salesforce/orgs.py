"""All Salesforce orgs of a gateway: what the rest of it needs of them. It is built when the config names an org, and only then are gRPC and Avro imported."""

from __future__ import annotations

from pathlib import Path

from gateway.brokers.ground import Holder
from gateway.brokers.salesforce.holder import SalesforceHolder
from gateway.brokers.salesforce.lanes import LanePeer
from gateway.brokers.salesforce.tokens import Tokens, load_keys, path_of
from gateway.config import Loaded
from gateway.config.salesforce import SalesforceOrg


class SalesforceOrgs:
    """Holders by channel and lane, peers by lane."""

    def __init__(self, loaded: Loaded) -> None:
        self.holders: dict[str, Holder] = {}
        self.peers: dict[str, LanePeer] = {}
        self.orgs = dict(loaded.config.salesforce)
        self.tokens = {name: Tokens(org, load_keys(_pems(org))) for name, org in self.orgs.items()}
        for name, org in self.orgs.items():
            holder = SalesforceHolder(name, org, loaded.channels)
            places = holder.places
            self.holders |= dict.fromkeys((*places.channels, *holder.lanes), holder)
            for lane in holder.lanes:
                self.peers[lane] = LanePeer(lane, org, places.channels, self.tokens[name])


def _pems(org: SalesforceOrg) -> list[bytes]:
    """The keys as the config gives them, or as they are in the files it names."""
    given = [one.get_secret_value() for one in org.private_keys]
    return [Path(path).read_bytes() if (path := path_of(one)) else one.encode() for one in given]
