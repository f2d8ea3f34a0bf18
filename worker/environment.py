"""What an engine process may see of the worker's environment: what it takes to run, and the credentials that fsspec's
libraries read themselves. No address or secret of Retort's own."""

import importlib.util
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

# Where programs are, and how they write text and time: without these an engine cannot run as its worker does.
ALWAYS = ("PATH", "HOME", "LANG", "LC_*", "TZ")
OWN = "RETORT_*"
# How long OpenMP's threads look for work in a loop before they sleep, in rounds of that loop: half a millisecond on the
# machine measured. One that spins takes its core from whoever could compute there: two trainings on two cores then slow
# each other down to a quarter. One that sleeps at once is woken hundreds of times a step, and a small network's step
# takes three quarters longer. In between, two trainings about halve each other's speed, and one that is alone pays for
# it: its steps take a tenth (resnet8) to a sixth (resnet8x4) longer than with libgomp's own spinning
# (docs/explanation/performance.md, beside another busy process).
SPIN_COUNT = {"GOMP_SPINCOUNT": "20000"}
DECIDE_SPINS = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
# Where torch.compile keeps what it compiled, by folder of the cache: torch's own choice is the temporary folder, which
# ends with the attempt. What an operator names is taken as it is.
COMPILED = {"TORCHINDUCTOR_CACHE_DIR": "inductor", "TRITON_CACHE_DIR": "triton"}


def engine_environment(
    worker: Mapping[str, str], allowed: Iterable[str], *, temporary: Path, cache: Path
) -> dict[str, str]:
    """The engine's environment from the worker's: `allowed` are names or patterns (settings.engine_env), `temporary` is
    the attempt's own folder for temporary files, `cache` what engines keep between jobs. Our own settings never pass,
    not even when an operator names them."""
    patterns = (*ALWAYS, *allowed)
    passed = {
        name: value
        for name, value in worker.items()
        if any(fnmatchcase(name, pattern) for pattern in patterns) and not fnmatchcase(name, OWN)
    }
    if not any(name in passed for name in DECIDE_SPINS):
        passed |= SPIN_COUNT
    passed |= {name: worker.get(name) or str(cache / folder) for name, folder in COMPILED.items()}
    return {**passed, "TMPDIR": str(temporary), "PYTHONPATH": str(_home_of_core()), "PYTHONSAFEPATH": "1"}


def _home_of_core() -> Path:
    """The folder that holds the package `core`, so that the engine finds it from any working directory."""
    found = importlib.util.find_spec("core")
    if found is None or found.origin is None:
        raise RuntimeError("the package core cannot be found; install Retort, or start the worker from its folder")
    return Path(found.origin).resolve().parent.parent
