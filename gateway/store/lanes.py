"""How conversations are spread: by a hash of channel and address that never changes, since rows say their lane, and versions work side by side."""

from __future__ import annotations

import hashlib
from typing import Final

STRIPES: Final = 4096  # what a transaction holds of the conversations, where several processes write
LANES: Final = 64  # what is shared out among processes
ALL_LANES: Final = frozenset(range(LANES))


def stripe_of(channel_id: str, address: str) -> int:
    """The stripe of a conversation."""
    name = f"{channel_id}/{address}".encode("utf-8", "surrogatepass")
    digest = hashlib.md5(name, usedforsecurity=False).hexdigest()
    return int(digest[:8], 16) % STRIPES


def lane_of(channel_id: str, address: str) -> int:
    """The lane of a conversation. PostgreSQL has the same as `byoc.lane_of`."""
    return stripe_of(channel_id, address) % LANES
