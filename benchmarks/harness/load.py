"""How busy the machine is with other things than the loop that is being timed."""

import os
from dataclasses import dataclass
from pathlib import Path

_IDLE, _IOWAIT, _GUEST = 3, 4, 8  # columns of /proc/stat; guest time is counted in user time already
_TICKS = os.sysconf("SC_CLK_TCK")
_PARENT, _FIRST_TIME, _LAST_TIME = 1, 11, 15  # of /proc/<pid>/stat after the name: utime, stime, and of reaped children


@dataclass(frozen=True)
class Reading:
    """CPU seconds spent since the machine started: by all, stolen ones included, and by one process and its children"""

    all_seconds: float
    own_seconds: float


def read_load(pid: int) -> Reading | None:
    """A reading for the process `pid` with its children; None where there is no /proc, or the process has gone."""
    try:
        fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
        busy = sum(fields[:_GUEST]) - fields[_IDLE] - fields[_IOWAIT]
        return Reading(busy / _TICKS, sum(_times(member) for member in _family(pid)) / _TICKS)
    except (OSError, ValueError):
        return None


def others_share(before: Reading | None, after: Reading | None, seconds: float) -> float | None:
    """The share of all cores that others took between two readings, in [0, 1]."""
    if before is None or after is None:
        return None
    others = (after.all_seconds - before.all_seconds) - (after.own_seconds - before.own_seconds)
    return min(1.0, max(0.0, others / (seconds * (os.cpu_count() or 1))))


def _stat(pid: int) -> list[str]:
    # The name in parentheses may hold spaces and parentheses itself.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _family(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                children.setdefault(int(_stat(int(entry.name))[_PARENT]), []).append(int(entry.name))
            except (OSError, IndexError):
                continue  # it has ended meanwhile
    family, waiting = [], [pid]
    while waiting:
        family.append(waiting.pop())
        waiting += children.get(family[-1], [])
    return family


def _times(pid: int) -> int:
    try:
        return sum(int(field) for field in _stat(pid)[_FIRST_TIME:_LAST_TIME])
    except OSError:
        return 0
