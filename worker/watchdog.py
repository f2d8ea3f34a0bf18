"""Finds an engine that hangs: it reports nothing, and either does nothing else or has been mute for very long."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# Less than this counts as nothing: threads that wait wake now and then, and the worker's own signs of life are read.
LEAST_CPU_SHARE = 0.01
LEAST_BYTES_PER_SECOND = 1024
LOOKS = 10  # in `hung_seconds`


@dataclass(frozen=True)
class Activity:
    """What a group of processes has done since each of them started."""

    cpu_seconds: float
    num_bytes: int  # read and written, files and pipes


def activity_of(group: int) -> Activity | None:
    """The activity of all processes of a group; None where the system does not tell (it has no /proc)."""
    found = [_activity(entry) for entry in PROC.glob("[0-9]*") if _group(entry) == group]
    if not found:
        return None
    return Activity(sum(one.cpu_seconds for one in found), sum(one.num_bytes for one in found))


def _group(process: Path) -> int | None:
    fields = _stat(process)
    return int(fields[2]) if fields else None


def _activity(process: Path) -> Activity:
    fields = _stat(process)
    seconds = (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND if fields else 0.0
    try:
        counts = dict(line.split(": ") for line in (process / "io").read_text().splitlines())
    except (OSError, ValueError):
        return Activity(seconds, 0)
    return Activity(seconds, int(counts["rchar"]) + int(counts["wchar"]))


def _stat(process: Path) -> list[str]:
    """The fields of /proc/<pid>/stat after the name, which may hold spaces; [] of a process that is gone."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


class Watchdog:
    """Watches the engine whose process group is `group`."""

    def __init__(
        self,
        group: int,
        *,
        hung_seconds: float,
        mute_seconds: float,
        activity: Callable[[int], Activity | None] = activity_of,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._group = group
        self._hung_seconds = hung_seconds
        self._mute_seconds = mute_seconds
        self._activity = activity
        self._now = now
        self._looked_at = -float("inf")
        self._mark: tuple[float, Activity | None] | None = None  # since when nothing was done, and what was before

    def is_hung(self, mute_seconds: float) -> bool:
        """Whether an engine that has reported nothing for `mute_seconds` hangs. Cheap: call it often."""
        if mute_seconds >= self._mute_seconds:
            return True
        now = self._now()
        if mute_seconds < self._hung_seconds / LOOKS:
            self._mark = None
        elif now >= self._looked_at + self._hung_seconds / LOOKS:
            self._looked_at = now
            self._look(now)
        return self._mark is not None and self._mark[1] is not None and now >= self._mark[0] + self._hung_seconds

    def _look(self, now: float) -> None:
        seen = self._activity(self._group)
        if self._mark is None or seen is None or self._mark[1] is None or self._is_busy(now, *self._mark, seen):
            self._mark = now, seen

    def _is_busy(self, now: float, since: float, before: Activity | None, seen: Activity) -> bool:
        seconds = now - since
        return before is None or (
            seen.cpu_seconds - before.cpu_seconds > LEAST_CPU_SHARE * seconds
            or seen.num_bytes - before.num_bytes > LEAST_BYTES_PER_SECOND * seconds
        )
