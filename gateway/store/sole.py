"""One gateway at a time on a data folder: work in progress is taken up at each start, because who had it must be dead."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway.errors import GatewayError

try:
    import fcntl
except ImportError:  # not on this system: whoever starts two must know
    fcntl = None  # type: ignore[assignment]


# The edge process of a gateway that was killed ends within a second or two. A supervisor may start the next gateway at once.
_MOST_SECONDS: Final = 5.0


@contextmanager
def sole_user(data_dir: Path) -> Iterator[int]:
    """Be the only gateway on this folder; gives the lock's descriptor, which a process of this gateway may be handed. The system frees the lock when all that
    have it are gone, however they end. Raises GatewayError."""
    descriptor = os.open(data_dir / "gateway.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if fcntl is not None:
            _lock(descriptor, data_dir)
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, data_dir: Path) -> None:
    until = time.monotonic() + _MOST_SECONDS
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if time.monotonic() > until:
                raise GatewayError(f"another gateway is using {data_dir}: stop it, or give this one its own folder") from error
        time.sleep(0.1)
