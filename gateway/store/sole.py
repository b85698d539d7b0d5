"""One process at a time on a data folder: leases are freed at each start, because who held them must be dead."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.errors import GatewayError

try:
    import fcntl
except ImportError:  # not on this system: whoever starts two must know
    fcntl = None  # type: ignore[assignment]


@contextmanager
def sole_user(data_dir: Path) -> Iterator[None]:
    """Be the only gateway on this folder. The system frees it when the process dies, however it dies. Raises GatewayError."""
    descriptor = os.open(data_dir / "gateway.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if fcntl is not None:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise GatewayError(f"another gateway is using {data_dir}: stop it, or give this one its own folder") from error
        yield
    finally:
        os.close(descriptor)
