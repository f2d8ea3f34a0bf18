"""Settings of the whole engine process: threads, memory, determinism."""

import os

import torch

from core.system.affinity import pin_threads
from core.system.memory import keep_freed_memory


def set_up_process(num_threads: int | None, num_processes: int) -> None:
    """Set threads, memory and determinism for the whole process; then the same kind of machine gives the same numbers.

    `num_processes` processes of this host share its threads.
    """
    torch.set_num_threads(max(1, (num_threads or len(os.sched_getaffinity(0))) // num_processes))
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False  # off: TF32 rounds the factors of float32 convolutions to 10 bits
    keep_freed_memory()
    if num_processes == 1:
        pin_threads()
