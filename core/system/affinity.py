"""One thread of the arithmetic on each core, so that a training beside other busy processes slows down in proportion.

oneDNN's threads wait for each other in a loop. Where the kernel lets two of them share a core because another process
has the other one, the one that waits uses up the time that the other would need: some backward convolutions then take
ten times as long (docs/explanation/performance.md). A thread with a core of its own loses only the time that the other
process takes.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def pin_threads() -> None:
    """Give each of OpenMP's threads its core, where there are as many threads as cores; call it before any arithmetic.

    The calling thread, which takes part in the arithmetic, is left to `pinned`: threads that it starts would inherit
    its core.
    """
    cores = _cores()
    if not _one_a_core(cores):
        return
    before = _threads()
    torch.ones(1 << 20).add_(1)  # starts the threads
    workers = sorted(_threads() - before)
    if len(workers) != len(cores) - 1:
        return  # they ran already: nobody can tell which they are
    for worker, core in zip(workers, cores[1:], strict=True):
        os.sched_setaffinity(worker, {core})


@contextmanager
def pinned() -> Iterator[None]:
    """Run the block with this thread on the first core."""
    cores = _cores()
    if not _one_a_core(cores):
        yield
        return
    os.sched_setaffinity(0, cores[:1])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def unpin() -> None:
    """For a thread that a pinned one started: take any core. What the process may not use is left out by the kernel."""
    if sys.platform == "linux":
        os.sched_setaffinity(0, range(os.cpu_count() or 1))


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []


def _one_a_core(cores: list[int]) -> bool:
    # Beside a GPU no thread computes much, and the processes that compile for it would inherit the one core.
    return len(cores) > 1 and torch.get_num_threads() == len(cores) and not torch.cuda.is_available()


def _threads() -> set[int]:
    return {int(name) for name in os.listdir("/proc/self/task")}
