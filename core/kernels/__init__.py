"""The engine's own kernels for training on a CPU in bfloat16: convolutions and batch norms, where they are faster."""

from core.kernels.calls import Kernels
from core.kernels.library import KernelsUnavailable, has_instructions, load
from core.kernels.mode import ByKernels, serves

__all__ = ["ByKernels", "Kernels", "KernelsUnavailable", "has_instructions", "load", "serves"]
