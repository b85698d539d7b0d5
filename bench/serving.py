"""A gateway with a worker left out, or one whose retention shows within minutes: what `byoc serve` has no option for.

python -m bench.serving --config FILE [--without receiver] [--keep-seconds 60]
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from gateway import app, config, logs, loops, shard


class Part(app.Gateway):
    """All workers except those named. Nothing is read from the inbox without `receiver`."""

    without: frozenset[str] = frozenset()

    def _work(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        return {name: work for name, work in super()._work().items() if name not in self.without}


def hurried(loaded: config.Loaded, seconds: float) -> config.Loaded:
    """Raw webhooks are kept for so long only: shorter than the config allows, so that a run of minutes has what a week has."""
    kept = loaded.config.retention.model_copy(update={"inbox_days": seconds / 86_400})
    return config.Loaded(loaded.config.model_copy(update={"retention": kept}), loaded.channels, loaded.warnings)


async def serve(path: Path, without: frozenset[str], keep_seconds: float | None) -> None:
    """Until SIGTERM, which drains as `byoc serve` does."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    loaded = config.load(path)
    logs.set_up(loaded.config.log_level, ())
    if keep_seconds is not None:
        loaded = hurried(loaded, keep_seconds)
        shard._PURGE_SECONDS = keep_seconds / 2  # type: ignore[misc]
    gateway = Part(loaded)
    gateway.without = without
    async with gateway.running():
        await stop.wait()


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--without", action="append", default=[], metavar="WORKER")
    parser.add_argument("--keep-seconds", type=float)
    asked = parser.parse_args()
    loops.run(serve(asked.config, frozenset(asked.without), asked.keep_seconds))


if __name__ == "__main__":
    main()
