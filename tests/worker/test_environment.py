"""How an engine's threads wait and where it keeps what it compiled, as torch's own libraries tell it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from store.settings import Settings
from worker.environment import engine_environment


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "count"),
    [({}, "20000"), ({"OMP_WAIT_POLICY": "PASSIVE"}, "0"), ({"GOMP_SPINCOUNT": "77"}, "77")],
    ids=["unless told", "by policy", "by number"],
)
def test_an_engine_spins_briefly_unless_its_worker_is_told_how(
    given: dict[str, str], count: str, tmp_path: Path
) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    worker = {**own, **given, "OMP_DISPLAY_ENV": "VERBOSE"}
    done = subprocess.run(
        [sys.executable, "-c", "import torch"],
        env=engine_environment(worker, Settings().engine_env, temporary=tmp_path, cache=tmp_path),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert f"GOMP_SPINCOUNT = '{count}'" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("named", [None, "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"])
def test_what_an_engine_compiles_outlives_its_attempt_unless_an_operator_says_where(
    named: str | None, tmp_path: Path
) -> None:
    expected = {
        "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache" / "inductor"),
        "TRITON_CACHE_DIR": str(tmp_path / "cache" / "triton"),
    }
    worker = {name: value for name, value in os.environ.items() if name not in expected}
    if named is not None:
        worker[named] = expected[named] = str(tmp_path / "elsewhere")
    program = (
        "from torch._inductor.runtime import cache_dir_utils as c; print(c.cache_dir()); print(c.triton_cache_dir(0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=engine_environment(worker, Settings().engine_env, temporary=tmp_path / "attempt", cache=tmp_path / "cache"),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.split() == list(expected.values())
