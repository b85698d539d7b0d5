"""Where a request really comes from: forwarded headers count only when a listed proxy added them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from aiohttp import web


class Proxies:
    """The networks of the operator's proxies."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = [ipaddress.ip_network(network) for network in networks]

    def address_of(self, request: web.Request) -> str:
        """The client's address: the peer's, or, behind listed proxies, the nearest one in X-Forwarded-For that is none of them."""
        peer = request.remote or ""
        if not self._networks or not self._ours(peer):
            return peer
        hops = [hop.strip() for value in request.headers.getall("X-Forwarded-For", []) for hop in value.split(",")]
        for hop in reversed(hops):
            if not _is_address(hop):
                break
            peer = hop
            if not self._ours(hop):
                break
        return peer

    def _ours(self, address: str) -> bool:
        if not _is_address(address):
            return False
        ip = ipaddress.ip_address(address)
        return any(ip.version == network.version and ip in network for network in self._networks)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
