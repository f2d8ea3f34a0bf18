"""Memory of the host and of the device: what to do with freed memory, and errors that mean there is no more."""

import ctypes

import torch

# malloc.h's parameter numbers.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
TOP_PAD_BYTES = 64 << 20
# Texts in errors of torch's allocator of host memory, oneDNN, cuBLAS and cuDNN.
OUT_OF_MEMORY_TEXTS = ("can't allocate memory", "not enough memory", "out of memory", "STATUS_ALLOC_FAILED")


def keep_freed_memory() -> bool:
    """Tell glibc to keep what a step frees for the next step; whether there was a glibc to tell.

    By default it maps each activation of more than 128 KiB anew and gives it back at once; with large batches the page
    faults cost more than a third of a step (docs/explanation/performance.md).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    limits = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, -1), (M_TOP_PAD, TOP_PAD_BYTES))
    return all(mallopt(parameter, value) == 1 for parameter, value in limits)


def is_out_of_memory(error: Exception) -> bool:
    """Whether a device or the host has no more memory."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in OUT_OF_MEMORY_TEXTS)
