"""What the kernel lets an engine process use (setrlimit), besides what the engine itself counts.

Data segments, not the address space: CUDA, and libraries that map files, reserve far more addresses than they use. On a
machine with NVIDIA's driver there is no such limit either, as the driver maps device memory into the process; there the
memory limit of the container holds. The number of processes is counted by the kernel for each user, not for each
engine, so it is left to the container, and the seconds of CPU to the job's own deadline.
"""

import contextlib
import resource
from collections.abc import Mapping
from pathlib import Path

MAX_FILES = 65_536
NVIDIA = Path("/dev/nvidiactl")
CGROUP = Path("/sys/fs/cgroup/memory.max")
MEMINFO = Path("/proc/meminfo")


def bound(pid: int, max_file_bytes: int) -> None:
    """Limit a process that has just been started, and all that it starts; nothing where the system has no prlimit."""
    if not hasattr(resource, "prlimit"):
        return
    for kind, most in limits(max_file_bytes).items():
        _, hard = resource.prlimit(pid, kind)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.prlimit(pid, kind, (allowed, allowed))


def bind_self(found: Mapping[int, int]) -> None:
    """Limit this process, which needs no privilege."""
    for kind, most in found.items():
        _, hard = resource.getrlimit(kind)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (allowed, allowed))


def limits(max_file_bytes: int) -> dict[int, int]:
    """What is limited (resource.RLIMIT_...) -> the most; `max_file_bytes` is the largest file that may be written."""
    # No core dump: it would hold images and weights of a customer.
    found = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: MAX_FILES,
        resource.RLIMIT_FSIZE: max_file_bytes,
    }
    memory = memory_bytes()
    if memory is not None and not NVIDIA.exists():
        found[resource.RLIMIT_DATA] = memory
    return found


def memory_bytes() -> int | None:
    """The memory of the container or, without a limit there, of the machine; None where neither tells."""
    found = []
    with contextlib.suppress(OSError, ValueError):  # no cgroup of version 2, or "max"
        found.append(int(CGROUP.read_text()))
    with contextlib.suppress(OSError, ValueError, IndexError):
        found.append(int(MEMINFO.read_text().split("MemTotal:")[1].split()[0]) * 1024)
    return min(found, default=None)
