"""Whether the kernels of core.kernels can be compiled and run here."""

import os
import shutil

import pytest
import torch

from core.kernels import has_instructions
from core.kernels.library import COMPILERS

HAS_INSTRUCTIONS = has_instructions(torch.device("cpu"))


def _why_not() -> str:
    if not HAS_INSTRUCTIONS:
        return "this CPU has no AVX-512 BF16, or has AMX: the kernels are for others"
    # CI installs a compiler, and must not skip where it failed to.
    if "RETORT_TEST_REQUIRE_SERVERS" in os.environ or any(map(shutil.which, COMPILERS)):
        return ""
    return f"no C++ compiler is installed ({', '.join(COMPILERS)}), which makes the kernels"


needs_kernels = pytest.mark.skipif(bool(_why_not()), reason=_why_not() or "they can be made here")
