"""What the kernel lets an engine process use (setrlimit), besides what the engine itself counts.

Data segments, not the address space: CUDA, and libraries that map files, reserve far more addresses than they use. On a
machine with NVIDIA's driver there is no such limit either, as the driver maps device memory into the process; there the
memory limit of the container holds. The number of processes is counted by the kernel for each user, not for each
engine, so it is left to the container, and the seconds of CPU to the job's own deadline.
"""

import contextlib
import resource
from pathlib import Path

MAX_FILES = 65_536
NVIDIA = Path("/dev/nvidiactl")
CGROUP = Path("/sys/fs/cgroup/memory.max")
MEMINFO = Path("/proc/meminfo")


def bound(pid: int) -> None:
    """Limit a process that has just been started, and all that it starts; nothing where the system has no prlimit."""
    if not hasattr(resource, "prlimit"):
        return
    for kind, most in _limits().items():
        _, hard = resource.prlimit(pid, kind)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.prlimit(pid, kind, (allowed, allowed))


def _limits() -> dict[int, int]:
    # No core dump: it would hold images and weights of a customer.
    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_NOFILE: MAX_FILES}
    memory = memory_bytes()
    if memory is not None and not NVIDIA.exists():
        limits[resource.RLIMIT_DATA] = memory
    return limits


def memory_bytes() -> int | None:
    """The memory of the container or, without a limit there, of the machine; None where neither tells."""
    found = []
    with contextlib.suppress(OSError, ValueError):  # no cgroup of version 2, or "max"
        found.append(int(CGROUP.read_text()))
    with contextlib.suppress(OSError, ValueError, IndexError):
        found.append(int(MEMINFO.read_text().split("MemTotal:")[1].split()[0]) * 1024)
    return min(found, default=None)
