"""The guard against addresses inside our network, for calls whose address a customer or a provider names.

A name is resolved to public addresses only, and every connection is checked once more by the address that it really goes to: so neither a name, nor a redirect,
nor a change of DNS between check and use, nor an unusual way to write an address can reach inside our network.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Final

from aiohttp import AddrInfoType
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

# IPv6 addresses that carry an IPv4 address in their last 32 bits: mapped (RFC 4291), compatible (the same), NAT64 (RFC 6052).
_EMBEDDING: Final = tuple(ipaddress.IPv6Network(net) for net in ("::ffff:0:0/96", "::/96", "64:ff9b::/96"))


class NotPublic(OSError):
    """The address leads inside our network."""


def is_ip(host: str) -> bool:
    """Whether the host of a URL is an IP address, and no name."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def is_public(address: str) -> bool:
    """Whether this IP address may be called when somebody else named it."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        ip = _carried(ip) or ip
    return ip.is_global and not ip.is_multicast


def _carried(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if any(ip in network for network in _EMBEDDING):
        return ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.sixtofour


def public_socket(info: AddrInfoType) -> socket.socket:
    """The last check before connecting: aiohttp doesn't ask the resolver about hosts that look like IP addresses."""
    family, kind, protocol, _, target = info
    if not is_public(str(target[0])):
        raise NotPublic(f"{target[0]} is not a public address")
    return socket.socket(family, kind, protocol)


class PublicResolver(AbstractResolver):
    """Gives public addresses only."""

    def __init__(self) -> None:
        self._inner = ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        """Raises NotPublic when it has addresses and none is public."""
        found = await self._inner.resolve(host, port, family)
        public = [one for one in found if is_public(one["host"])]
        if not public:
            raise NotPublic(f"{host} has no public address")
        return public

    async def close(self) -> None:
        """Nothing to close."""
