"""`byoc new-channel NAME`: writes a distribution with a working adapter, to be changed into the new channel."""

from __future__ import annotations

from gateway.new_channel.writing import BadName, write

__all__ = ["BadName", "write"]
