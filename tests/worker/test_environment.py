"""How an engine's threads wait, as torch's OpenMP library itself tells it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from store.settings import Settings
from worker.environment import engine_environment


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
        env=engine_environment(worker, Settings().engine_env, tmp_path),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert f"GOMP_SPINCOUNT = '{count}'" in done.stderr
