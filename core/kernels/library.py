"""The compiled kernels: this machine's C++ compiler builds them when a job first needs them, and the cache keeps them.

They run on torch's threads, through the OpenMP library that torch has loaded. A second OpenMP library would start
threads of its own, and the two sets of threads would wait for each other's cores.
"""

import ctypes
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from core.files.atomic import atomic_path
from core.kernels.agreement import disagreement
from core.kernels.calls import Kernels

HEADERS = ("lanes.h", "products.h", "winograd.h")
SOURCES = ("convolutions.cpp", "filters.cpp", "normalization.cpp")
FOLDER = Path(__file__).parent
FLAGS = ("-O3", "-std=c++17", "-fPIC", "-fopenmp", "-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512bf16", "-mfma")
COMPILERS = ("c++", "g++", "clang++")
TIMEOUT_SECONDS = 120


class KernelsUnavailable(Exception):
    """This machine computes without the kernels; the text is the reason, without a capital or a full stop."""


def has_instructions(device: torch.device) -> bool:
    """Whether the kernels run on the device and are faster there: on a CPU with AVX-512 BF16 and without AMX. With AMX,
    torch's own convolutions are faster.
    """
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported() and not torch.cpu._is_amx_tile_supported()


@functools.cache
def load(cache: Path) -> Kernels:
    """The kernels, compiled into the folder `cache` unless they are there already. Raises KernelsUnavailable."""
    runtime = _openmp()
    path = cache / "kernels" / f"{_key(runtime)}.so"
    try:
        if not path.exists():
            _compile(path, runtime)
    except OSError as error:
        raise KernelsUnavailable(f"they cannot be compiled: {error}") from error
    try:
        kernels = Kernels(ctypes.CDLL(os.fspath(path)))
    except OSError as error:
        path.unlink()  # damaged, or for another machine: the next job compiles it anew
        raise KernelsUnavailable(f"the compiled library cannot be loaded: {error}") from error
    if (differs := disagreement(kernels)) is not None:
        raise KernelsUnavailable(f"the result of {differs} differs from torch's")
    return kernels


def _key(runtime: Path) -> str:
    parts = [(FOLDER / name).read_bytes() for name in (*HEADERS, *SOURCES)]
    parts += [" ".join(FLAGS).encode(), os.fsencode(runtime)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _openmp() -> Path:
    """The OpenMP library of this process."""
    try:
        maps = Path("/proc/self/maps").read_text()
    except OSError as error:
        raise KernelsUnavailable(f"torch's OpenMP library cannot be found here: {error}") from error
    found = re.search(r"\s(/\S*/lib(?:g|i|)omp5?[-.][^/\s]*)$", maps, re.MULTILINE)
    if found is None:
        raise KernelsUnavailable("torch has loaded no OpenMP library")
    return Path(found[1])


def _compile(path: Path, runtime: Path) -> None:
    """Compile and link in two steps: a compiler that links with -fopenmp would use its own OpenMP library."""
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise KernelsUnavailable(f"no C++ compiler is installed ({', '.join(COMPILERS)})")
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as library, tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor() as at_once:
        parts = [Path(folder, f"{source}.o") for source in SOURCES]
        list(
            at_once.map(lambda source, part: _run(compiler, *FLAGS, "-c", FOLDER / source, "-o", part), SOURCES, parts)
        )
        _run(compiler, "-shared", *parts, runtime, "-o", library)


def _run(*command: str | Path) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    except subprocess.CalledProcessError as error:
        said = next((line for line in error.stderr.splitlines() if "error" in line), f"exit status {error.returncode}")
        raise KernelsUnavailable(f"{command[0]} failed: {said.strip()[:300]}") from error
    except subprocess.TimeoutExpired as error:
        raise KernelsUnavailable(f"{command[0]} took more than {TIMEOUT_SECONDS} seconds") from error
