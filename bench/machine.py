"""The machine: which core serves, which loads, and what a process and its children cost it. Linux only: figures come from /proc."""

from __future__ import annotations

import os
import platform
import resource
from pathlib import Path
from typing import Final

_ALL: Final = frozenset(os.sched_getaffinity(0))  # before anything is pinned
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def cores() -> tuple[set[int], set[int]]:
    """(for the server, for the load): one core each, the same one if there is only one."""
    mine = sorted(_ALL)
    return {mine[0]}, {mine[1 if len(mine) > 1 else 0]}


def server_cores(count: int) -> set[int]:
    """So many cores for a server of several processes, the load's own last."""
    return set(sorted(_ALL)[:count])


def settle() -> None:
    """Put this process on the load's core, and let it open as many sockets as it may."""
    os.sched_setaffinity(0, cores()[1])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def family(pid: int) -> list[int]:
    """The process and all that descend from it and are alive."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and (fields := _stat(int(folder.name))):
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def processor_seconds(pid: int) -> float:
    """User and system time of a process, all its threads, and all its children, those that have ended too. A tick is 10 ms."""
    ticks = sum(sum(map(int, fields[11:15])) for one in family(pid) if (fields := _stat(one)))
    return ticks / _TICKS


def thread_seconds(pid: int) -> float:
    """User and system time of all threads that a process has now, to the microsecond: for a difference that is less than a tick."""
    threads = (folder / "schedstat" for folder in Path(f"/proc/{pid}/task").iterdir())
    return sum(int(one.read_text().split()[0]) for one in threads) / 1e9


def resident_bytes(pid: int) -> int:
    """Memory in use by a process and its children. What they share is counted for each."""
    return sum(_status(one, "VmRSS:") for one in family(pid))


def peak_bytes(pid: int) -> int:
    """The most that each of them ever had, added up."""
    return sum(_status(one, "VmHWM:") for one in family(pid))


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on: 1 is the parent, 11 to 14 the times; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _status(pid: int, field: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(field)), 0)


def described() -> str:
    """In a line: what it is and with which Python."""
    model = next((line.partition(": ")[2] for line in _cpuinfo() if line.startswith("model name")), platform.machine())
    return (
        f"{len(_ALL)} cores ({model.strip()}), Linux {platform.release().partition('-')[0]}, Python {platform.python_version()}"
    )


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
