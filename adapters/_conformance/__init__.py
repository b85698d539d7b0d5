"""The parts of `adapters.conformance`, which is the way in."""

from __future__ import annotations
