"""`byoc new-channel NAME`: a distribution of its own, with an adapter that works, to change into the channel that is wanted."""

from __future__ import annotations

from gateway.new_channel.writing import BadName, write

__all__ = ["BadName", "write"]
