"""Whether the kernel of core.convolutions can be compiled and run here."""

import os
import shutil

import pytest
import torch

from core.convolutions import has_instructions
from core.convolutions.library import COMPILERS

HAS_INSTRUCTIONS = has_instructions(torch.device("cpu"))


def _why_not() -> str:
    if not HAS_INSTRUCTIONS:
        return "this CPU has no AVX-512 BF16, or has AMX: the kernel is for others"
    # CI installs a compiler, and must not skip where it failed to.
    if "RETORT_TEST_REQUIRE_SERVERS" in os.environ or any(map(shutil.which, COMPILERS)):
        return ""
    return f"no C++ compiler is installed ({', '.join(COMPILERS)}), which the kernel is made by"


needs_kernel = pytest.mark.skipif(bool(_why_not()), reason=_why_not() or "it can be made here")
