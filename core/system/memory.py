"""Memory of the host and the device: reuse of freed memory, and recognition of errors that mean out of memory."""

import ctypes

import torch

# malloc.h's parameter numbers.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
TOP_PAD_BYTES = 64 << 20
# Texts in errors of torch's allocator of host memory, oneDNN, cuBLAS and cuDNN.
OUT_OF_MEMORY_TEXTS = ("can't allocate memory", "not enough memory", "out of memory", "STATUS_ALLOC_FAILED")


def keep_freed_memory() -> bool:
    """Tell glibc to keep memory that a step frees for the next step; returns whether the process uses glibc.

    By default glibc maps each activation of more than 128 KiB anew and returns it at once. With large batches the page
    faults cost more than a third of a step (docs/explanation/performance.md).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    limits = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, -1), (M_TOP_PAD, TOP_PAD_BYTES))
    return all(mallopt(parameter, value) == 1 for parameter, value in limits)


def is_out_of_memory(error: Exception) -> bool:
    """Whether the error means that the device or the host is out of memory."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in OUT_OF_MEMORY_TEXTS)
