"""Jobs that kill, hang or overfill their engines stop no other job. RETORT_TEST_GOOD_JOBS=50 makes the long form."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from store.values import Job

Look = Callable[[str], Job]
GOOD = int(os.environ.get("RETORT_TEST_GOOD_JOBS", "8"))
BAD_OF_EACH = max(1, GOOD // 25)
# What a job does to its engine: the code that it fails with, after how many attempts.
POISON = {
    "segfault": ("ENGINE_CRASHED", 3),
    "killed": ("ENGINE_CRASHED", 3),
    "bomb": ("ENGINE_CRASHED", 3),
    "deaf": ("ENGINE_HUNG", 3),
    "spin": ("ENGINE_HUNG", 3),
    "hoard": ("OUT_OF_MEMORY", 1),
    "mute": ("INTERNAL", 1),
}


def engines(folder: Path) -> list[str]:
    """The processes whose spec is below a folder: engines, with all that they forked."""
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if f"--spec {folder}" in line]


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_poison_jobs_fail_with_their_codes_and_all_others_end_well(
    start_worker: Any, submit: Any, look: Look, wait_for: Any, tmp_path: Path
) -> None:
    bad = {submit(act=act): act for act in POISON for _ in range(BAD_OF_EACH)}
    good = [submit() for _ in range(GOOD)]
    begun = time.monotonic()
    for _ in range(2):
        start_worker(warm_engines=0, hung_seconds=1.0, mute_seconds=3.0, grace_seconds=0.2)
    wait_for(lambda: all(look(job_id).done for job_id in (*bad, *good)), seconds=240 + 10 * GOOD, pause=0.5)
    ends = [look(job_id).state for job_id in good]
    codes = {act: look(job_id) for job_id, act in bad.items()}
    print(f"{ends.count('succeeded')} of {GOOD} good jobs succeeded beside {len(bad)} bad ones, ", end="")
    print(f"all in {time.monotonic() - begun:.0f} s")
    assert ends == ["succeeded"] * GOOD
    assert {act: (job.error["code"], len(job.attempts)) for act, job in codes.items()} == POISON
    wait_for(lambda: not engines(tmp_path), seconds=10)
