"""A flame graph of a server while it is measured, by py-spy in a venv of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bench.servers import Server
from bench.subject import Bench


@contextmanager
def of(bench: Bench, server: Server) -> Iterator[None]:
    """Sample this server, if this run is to draw it."""
    yield
