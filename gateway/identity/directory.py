"""Who is who, from the config: static tokens to callers. For small set-ups; companies bring their own sign-in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime

from gateway.brokers.contract import Caller
from gateway.config import Channel, GatewayConfig, Org
from gateway.session.model import ChannelFacts, OrgSettings, Queue, Rep


def caller_for(org: Org, login: str) -> Caller:
    """The caller that this rep is, with the names under which events reach them."""
    rep = org.reps[login]
    audiences = {f"rep:{login}", *(f"queue:{queue}" for queue in org.queues_of(login))}
    if rep.supervisor:
        audiences.add("supervisors")
    return Caller(login=rep.login, org=org.id, name=rep.name, supervisor=rep.supervisor, audiences=frozenset(audiences))


class ConfigDirectory:
    """See `gateway.brokers.contract.Directory`. Tokens are kept as digests only, so the time of a lookup reveals nothing."""

    def __init__(self, config: GatewayConfig, orgs: Mapping[str, Org], channels: Mapping[str, Channel]) -> None:
        self._orgs, self._channels = orgs, channels
        self._callers: dict[bytes, Caller] = {}
        for org_id, org in config.orgs.items():
            for login, rep in org.reps.items():
                for token in rep.tokens:
                    self._callers[_digest_of_setting(token.get_secret_value())] = caller_for(orgs[org_id], login)

    def caller_of(self, token: str, now: datetime) -> Caller | None:
        """See the contract."""
        return self._callers.get(hashlib.sha256(token.encode()).digest())

    def rep(self, org: str, login: str) -> Rep | None:
        """See the contract."""
        found = self._orgs.get(org)
        return found.reps.get(login) if found else None

    def queue(self, org: str, id: str) -> Queue | None:
        """See the contract."""
        found = self._orgs.get(org)
        return found.queues.get(id) if found else None

    def channel(self, org: str, id: str) -> ChannelFacts | None:
        """See the contract."""
        found = self._channels.get(id)
        return found.facts if found and found.config.org == org else None

    def settings(self, org: str) -> OrgSettings:
        """See the contract."""
        return self._orgs[org].settings


def _digest_of_setting(token: str) -> bytes:
    if token.startswith("sha256:"):
        return bytes.fromhex(token.removeprefix("sha256:"))
    return hashlib.sha256(token.encode()).digest()
