"""What is trained on a CPU in bfloat16: convolutions and batch norms by kernels of the engine's own, where those are
faster."""

from core.kernels.calls import Kernels
from core.kernels.library import KernelsUnavailable, has_instructions, load
from core.kernels.mode import ByKernels, serves

__all__ = ["ByKernels", "Kernels", "KernelsUnavailable", "has_instructions", "load", "serves"]
