"""The device that the engine computes on, and its precision."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from core.errors import SpecInvalid
from core.kernels import ByKernels, Kernels
from core.kernels.depthwise import DepthwiseInFloat
from core.spec import TrainingSpec
from core.spec.devices import fits

Precision = Literal["fp32", "bf16", "fp16"]
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
MOST_AT_ONCE, LEAST_AT_ONCE, PIXELS_AT_ONCE = 64, 8, 1 << 20
MOST_ON_GPU, PIXELS_ON_GPU = 1024, 64 * 224**2  # fewer small images do not use the device fully


@dataclass(frozen=True)
class Arithmetic:
    """A device and a precision."""

    device: torch.device
    precision: Precision
    kernels: Kernels | None = None
    """For a training."""

    @property
    def dtype(self) -> torch.dtype:
        """The type in which convolutions and matrix products are computed."""
        return DTYPES.get(self.precision, torch.float32)

    def autocast(self) -> AbstractContextManager[object]:
        """Mixed precision around a forward pass; nothing at fp32."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)

    @contextmanager
    def autocast_to_train(self) -> Iterator[None]:
        """Mixed precision around a forward pass that a backward pass follows, with the depthwise convolutions in
        float32.
        """
        with (
            self.autocast(),
            DepthwiseInFloat() if self._is_slow_at_depthwise else nullcontext(),
            ByKernels(self.kernels) if self.kernels is not None else nullcontext(),
        ):
            yield

    @property
    def _is_slow_at_depthwise(self) -> bool:
        return self.device.type == "cpu" and self.precision == "bf16"

    def scaler(self) -> torch.amp.GradScaler:
        """Loss scaling, which only fp16 needs."""
        return torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")

    def wait(self) -> None:
        """Wait until the device has finished all its work."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def laid_out(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) on the device with channels last, the layout in which convolutions are fastest."""
        return images.to(self.device, memory_format=torch.channels_last, non_blocking=True)


def choose_arithmetic(training: TrainingSpec) -> Arithmetic:
    """The device and precision that the spec asks for and this machine has; raises SpecInvalid where it lacks them."""
    device = torch.device("cuda" if count_gpus(training) else "cpu")
    if training.precision == "auto":
        return Arithmetic(device, "bf16" if computes_in_bf16(device) else "fp32")
    if training.precision == "fp16" and device.type == "cpu":
        raise SpecInvalid([("/training/precision", "'fp16' needs a GPU; allowed on a CPU: auto, fp32, bf16")])
    return Arithmetic(device, training.precision)


def count_gpus(training: TrainingSpec) -> int:
    """The GPUs of this host for the training, 0 where it runs on the CPU; raises SpecInvalid where the spec asks for
    more.
    """
    available = torch.cuda.device_count() if not training.devices.startswith("cpu") else 0
    if not fits(training.devices, available):
        has = f"this worker has {available or 'no'} CUDA device{'' if available == 1 else 's'}"
        gpus = {0: "", 1: ", cuda"}.get(available, f", cuda:1 to cuda:{available}")
        detail = f"{training.devices!r} was asked for, and {has}; allowed here: auto, cpu, cpu:N{gpus}"
        raise SpecInvalid([("/training/devices", detail)])
    return available


def computes_in_bf16(device: torch.device) -> bool:
    """Whether the device has bfloat16 instructions; emulated ones are slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def computes_in_int8(device: torch.device) -> bool:
    """Whether the device has the instructions for 8-bit products that the engine uses: a CPU with AVX-512 VNNI has."""
    return device.type == "cpu" and torch.cpu._is_vnni_supported() and torch.backends.mkldnn.is_available()


def images_at_once(size: int, device: torch.device) -> int:
    """The number of images, `size` pixels high and wide, in a forward pass without training. It is smaller for large
    images, whose feature maps would otherwise need more memory than the training.
    """
    if device.type != "cpu":
        return max(MOST_AT_ONCE, min(MOST_ON_GPU, PIXELS_ON_GPU // size**2))
    return max(LEAST_AT_ONCE, min(MOST_AT_ONCE, PIXELS_AT_ONCE // size**2))


def uploaded(values: Tensor, device: torch.device) -> Tensor:
    """The values on the device, without waiting for earlier work of a GPU."""
    if device.type == "cuda" and values.device.type == "cpu":
        values = values.pin_memory()
    return values.to(device, non_blocking=True)
