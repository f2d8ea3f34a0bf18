"""A student's 3x3 convolutions in bfloat16 on a CPU by Winograd's algorithm, from a kernel of the engine's own."""

from core.winograd.convolution import Winograd, serves
from core.winograd.library import Kernel, KernelUnavailable, computes_winograd, load

__all__ = ["Kernel", "KernelUnavailable", "Winograd", "computes_winograd", "load", "serves"]
