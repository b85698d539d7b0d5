"""The reps' and programs' API, v1: one file a noun, each call declared once."""

from gateway.edge.api.install import CALLS, Surface, install

__all__ = ["CALLS", "Surface", "install"]
