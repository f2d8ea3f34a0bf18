"""Pins one compute thread to each core, so that a training slows down only in proportion beside other busy processes.

oneDNN's threads wait for each other in a loop. If the operating system puts two of them on one core because another
process uses the other core, the waiting thread takes the time that its partner needs: some backward convolutions then
take ten times as long (docs/explanation/performance.md). A thread on a core of its own loses only the time that the
other process takes.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def pin_threads() -> None:
    """Pin each OpenMP thread to a core, if there are as many threads as cores. Call it before any computation.

    The calling thread takes part in the computation too, but `pinned` pins it: threads that it starts would inherit its
    core.
    """
    cores = _cores()
    if not _one_a_core(cores):
        return
    before = _threads()
    torch.ones(1 << 20).add_(1)  # starts the threads
    workers = sorted(_threads() - before)
    if len(workers) != len(cores) - 1:
        return  # they ran already and cannot be told apart
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
    """Let the calling thread run on any core, if a pinned thread started it. The operating system leaves out cores that
    the process may not use.
    """
    if sys.platform == "linux":
        os.sched_setaffinity(0, range(os.cpu_count() or 1))


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []


def _one_a_core(cores: list[int]) -> bool:
    # With a GPU no thread computes much, and the compiler processes that are started for it would inherit the one core.
    return len(cores) > 1 and torch.get_num_threads() == len(cores) and not torch.cuda.is_available()


def _threads() -> set[int]:
    return {int(name) for name in os.listdir("/proc/self/task")}
