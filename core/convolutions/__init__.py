"""What is trained on a CPU in bfloat16: its convolutions by a kernel of the engine's own, where that is faster."""

from core.convolutions.layers import ByKernel, serves
from core.convolutions.library import Kernel, KernelUnavailable, has_instructions, load

__all__ = ["ByKernel", "Kernel", "KernelUnavailable", "has_instructions", "load", "serves"]
