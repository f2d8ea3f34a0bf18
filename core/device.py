"""Where and in which arithmetic the engine computes."""

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch

from core.errors import SpecInvalid
from core.spec import TrainingSpec

Precision = Literal["fp32", "bf16", "fp16"]
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Arithmetic:
    """A device and a precision."""

    device: torch.device
    precision: Precision

    def autocast(self) -> AbstractContextManager[object]:
        """Mixed precision around a forward pass; nothing at fp32."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=DTYPES[self.precision])

    def scaler(self) -> torch.amp.GradScaler:
        """Loss scaling, which only fp16 needs."""
        return torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")


def choose_arithmetic(training: TrainingSpec) -> Arithmetic:
    """The device and precision that the spec asks for and this machine has; raises SpecInvalid where it lacks them."""
    if training.devices == "cuda" and not torch.cuda.is_available():
        raise SpecInvalid(
            [("/training/devices", "'cuda' was asked for, and this worker has no CUDA device; allowed here: auto, cpu")]
        )
    device = torch.device("cpu" if training.devices == "cpu" or not torch.cuda.is_available() else "cuda")
    has_bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    if training.precision == "auto":
        return Arithmetic(device, "bf16" if has_bf16 else "fp32")
    if training.precision == "fp16" and device.type == "cpu":
        raise SpecInvalid([("/training/precision", "'fp16' needs a GPU; allowed on a CPU: auto, fp32, bf16")])
    return Arithmetic(device, training.precision)


def set_up_process(num_threads: int | None) -> None:
    """Threads and determinism for the whole process; the same machine kind then gives the same numbers."""
    torch.set_num_threads(num_threads or len(os.sched_getaffinity(0)))
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
