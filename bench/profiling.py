"""Where a server's time goes while it is measured: stacks sampled by py-spy, which gets a venv of its own.

It needs the right to look into another process: root, or a child of one's own where the system allows that.
"""

from __future__ import annotations

import signal
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.subject import Skip
from bench.venvs import python_with

_SAMPLES_A_SECOND: Final = 200
# A thread that waits for work. py-spy leaves idle ones out, but takes some for busy when the machine is.
_WAITS: Final = frozenset({"", "Condition.wait", "Event.wait", "_worker"})
Stacks = Counter[tuple[str, ...]]


@contextmanager
def sampling(pid: int, folder: Path, stacks: Stacks) -> Iterator[None]:
    """Add this process's stacks, outermost frame first, until the end of the block."""
    spy, raw = python_with("py-spy", ("py-spy",)).parent / "py-spy", folder / "stacks.txt"
    options = ("--format", "raw", "--function", "--subprocesses", "--nonblocking", "--rate", str(_SAMPLES_A_SECOND))
    command = (str(spy), "record", "--pid", str(pid), "--output", str(raw), *options)
    with (folder / "py-spy.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
    if not raw.exists():
        raise Skip(f"py-spy wrote nothing: {(folder / 'py-spy.log').read_text()[-300:]}")
    stacks.update(read(raw.read_text().splitlines()))


def read(lines: Iterable[str]) -> Stacks:
    """Of lines `outermost;…;innermost COUNT`. Threads that only wait are left out, as far as their stacks show it."""
    found: Stacks = Counter()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        frames = tuple(frame for frame in stack.split(";") if not frame.startswith("process "))  # its command line
        if frames and frames[-1].partition(" ")[0] not in _WAITS:
            found[frames] += int(count)
    return found
