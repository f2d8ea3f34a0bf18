"""The compiled kernel: made from its sources by this machine's C++ compiler when it is first wanted, kept in the cache.

It runs on the threads that torch has already, by way of the OpenMP library that torch has loaded: a second one would
bring threads of its own, and both would wait for each other's cores.
"""

import ctypes
import functools
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from core.whole_file import whole_file

SOURCES = (Path(__file__).with_name("transforms.h"), Path(__file__).with_name("kernel.cpp"))
FLAGS = ("-O3", "-std=c++17", "-fPIC", "-fopenmp", "-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512bf16", "-mfma")
COMPILERS = ("c++", "g++", "clang++")
TIMEOUT_SECONDS = 120
# MAX_CHANNELS, WIDTH and POINTS of transforms.h.
MOST_CHANNELS, CHANNELS_AT_ONCE, POINTS = 4096, 32, 16
# Relative L2 norm. One rounding of the transformed values to bfloat16 gives 0.004.
TOLERANCE = 0.01

_Pointer, _Size, _Threads = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int
SIGNATURES = {
    "winograd_weights": ([_Pointer, _Size, _Size, _Pointer, _Threads], None),
    "winograd_weights_turned": ([_Pointer, _Size, _Size, _Pointer, _Threads], None),
    "winograd_convolve_bytes": ([_Size], _Size),
    "winograd_convolve": ([_Pointer, *[_Size] * 4, _Pointer, _Pointer, _Size, _Pointer, _Pointer, _Threads], None),
    "winograd_gradient_bytes": ([_Size, _Size], _Size),
    "winograd_gradient": ([_Pointer, _Pointer, *[_Size] * 5, _Pointer, _Pointer, _Threads], None),
    "filter_gradient_bytes": ([_Size, _Size, _Size], _Size),
    "filter_gradient": ([_Pointer, _Pointer, *[_Size] * 10, _Pointer, _Pointer, _Threads], None),
}


class KernelUnavailable(Exception):
    """Why this machine computes without the kernel, in half a sentence."""


def has_instructions(device: torch.device) -> bool:
    """Whether the kernel can run on the device and pays there: a CPU with AVX-512 BF16 and without AMX, with which
    torch's convolutions are faster still."""
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported() and not torch.cpu._is_amx_tile_supported()


@functools.cache
def load(cache: Path) -> "Kernel":
    """The kernel, compiled into `cache` where it is not there yet. Raises KernelUnavailable."""
    runtime = _openmp()
    path = cache / "kernels" / f"convolutions-{_key(runtime)}.so"
    try:
        if not path.exists():
            _compile(path, runtime)
    except OSError as error:
        raise KernelUnavailable(f"the kernel cannot be compiled: {error}") from error
    try:
        kernel = Kernel(ctypes.CDLL(os.fspath(path)))
    except OSError as error:
        path.unlink()  # damaged, or for another machine: the next job compiles it anew
        raise KernelUnavailable(f"the compiled kernel cannot be loaded: {error}") from error
    if not kernel.agrees():
        raise KernelUnavailable("what the compiled kernel computes differs from what torch does")
    return kernel


def _key(runtime: Path) -> str:
    parts = [source.read_bytes() for source in SOURCES] + [" ".join(FLAGS).encode(), os.fsencode(runtime)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _openmp() -> Path:
    """The OpenMP library of this process."""
    try:
        maps = Path("/proc/self/maps").read_text()
    except OSError as error:
        raise KernelUnavailable(f"torch's OpenMP library cannot be found here: {error}") from error
    found = re.search(r"\s(/\S*/lib(?:g|i|)omp5?[-.][^/\s]*)$", maps, re.MULTILINE)
    if found is None:
        raise KernelUnavailable("torch has loaded no OpenMP library")
    return Path(found[1])


def _compile(path: Path, runtime: Path) -> None:
    """In two steps: a compiler that links with -fopenmp would take its own OpenMP library."""
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise KernelUnavailable(f"no C++ compiler is installed ({', '.join(COMPILERS)})")
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as library:
        compiled = library.with_suffix(".o")
        try:
            _run(compiler, *FLAGS, "-c", SOURCES[-1], "-o", compiled)
            _run(compiler, "-shared", compiled, runtime, "-o", library)
        finally:
            compiled.unlink(missing_ok=True)


def _run(*command: str | Path) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    except subprocess.CalledProcessError as error:
        said = next((line for line in error.stderr.splitlines() if "error" in line), f"exit status {error.returncode}")
        raise KernelUnavailable(f"{command[0]} failed: {said.strip()[:300]}") from error
    except subprocess.TimeoutExpired as error:
        raise KernelUnavailable(f"{command[0]} took more than {TIMEOUT_SECONDS} seconds") from error


class Kernel:
    """What the library computes, with tensors. Images and gradients are bfloat16 (N, C, H, W), channels last; weights
    float32 (K, C, size, size), channels last; C and K multiples of CHANNELS_AT_ONCE up to MOST_CHANNELS.

    By Winograd's algorithm: convolutions of size 3, stride 1 and padding 1, and their gradients. As they are defined:
    the gradients of weights of any size and stride.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        for name, (arguments, result) in SIGNATURES.items():
            function = getattr(library, name)
            function.argtypes, function.restype = arguments, result

    def convolve(self, images: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """(N, K, H, W) by Winograd's algorithm. `bias` is float32 (K,)."""
        return self._convolve(self._library.winograd_weights, images, weight, bias, weight.shape[0])

    def gradient_of_images(self, gradient: Tensor, weight: Tensor) -> Tensor:
        """(N, C, H, W) from (N, K, H, W), by Winograd's algorithm."""
        return self._convolve(self._library.winograd_weights_turned, gradient, weight, None, weight.shape[1])

    def gradient_of_weight(self, images: Tensor, gradient: Tensor) -> Tensor:
        """(K, C, 3, 3) by Winograd's algorithm."""
        count, inputs, height, width = images.shape
        outputs = gradient.shape[1]
        weight = torch.empty(outputs, inputs, 3, 3, memory_format=torch.channels_last)
        scratch = _memory(self._library.winograd_gradient_bytes(inputs, outputs))
        self._library.winograd_gradient(
            images.data_ptr(), gradient.data_ptr(), count, height, width, inputs, outputs, weight.data_ptr(),
            scratch.data_ptr(), torch.get_num_threads(),
        )  # fmt: skip
        return weight

    def gradient_of_filter(self, images: Tensor, gradient: Tensor, *, size: int, stride: int, padding: int) -> Tensor:
        """(K, C, size, size) from images (N, C, H, W) and the gradients of what they became."""
        count, inputs, height, width = images.shape
        outputs, high, wide = gradient.shape[1:]
        weight = torch.empty(outputs, inputs, size, size, memory_format=torch.channels_last)
        scratch = _memory(self._library.filter_gradient_bytes(inputs, outputs, size))
        self._library.filter_gradient(
            images.data_ptr(), gradient.data_ptr(), count, height, width, inputs, high, wide, outputs, size, stride,
            padding, weight.data_ptr(), scratch.data_ptr(), torch.get_num_threads(),
        )  # fmt: skip
        return weight

    def agrees(self) -> bool:
        """Whether the kernel computes what torch does, on a few images of odd size."""
        generator = torch.Generator().manual_seed(0)
        images, weight, gradient = (
            torch.randn(shape, generator=generator).bfloat16().float().contiguous(memory_format=torch.channels_last)
            for shape in ((2, 32, 7, 5), (64, 32, 3, 3), (2, 64, 7, 5))
        )
        low, low_gradient = images.bfloat16(), gradient.bfloat16()
        ours = (
            self.convolve(low, weight, None),
            self.gradient_of_images(low_gradient, weight),
            self.gradient_of_weight(low, low_gradient),
            self.gradient_of_filter(low, low_gradient, size=3, stride=1, padding=1),
        )
        images.requires_grad_(), weight.requires_grad_()
        with torch.enable_grad(), torch.autocast("cpu", enabled=False):
            output = torch.nn.functional.conv2d(images, weight, padding=1)
            for_images, for_weight = torch.autograd.grad(output, (images, weight), gradient)
        theirs = (output.detach(), for_images, for_weight, for_weight)
        return all(bool((a.float() - b).norm() <= TOLERANCE * b.norm()) for a, b in zip(ours, theirs, strict=True))

    def _convolve(
        self, transform: Callable[..., None], images: Tensor, weight: Tensor, bias: Tensor | None, made: int
    ) -> Tensor:
        count, channels, height, width = images.shape
        outputs, inputs = weight.shape[:2]
        threads = torch.get_num_threads()
        transformed = torch.empty(POINTS * outputs * inputs, dtype=torch.bfloat16)
        transform(weight.data_ptr(), outputs, inputs, transformed.data_ptr(), threads)
        result = torch.empty(count, made, height, width, dtype=torch.bfloat16, memory_format=torch.channels_last)
        scratch = _memory(threads * self._library.winograd_convolve_bytes(channels))
        self._library.winograd_convolve(
            images.data_ptr(), count, height, width, channels, transformed.data_ptr(),
            bias.data_ptr() if bias is not None else None, made, result.data_ptr(), scratch.data_ptr(), threads,
        )  # fmt: skip
        return result


def _memory(size: int) -> Tensor:
    """Bytes for the kernel to write to: torch's, which raises where there are no more, and keeps what is freed."""
    return torch.empty(size, dtype=torch.uint8)
