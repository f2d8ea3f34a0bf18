"""Each thread of the arithmetic has a core of its own, and nothing else is bound."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
CORES = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []
SCRIPT = """
import json, os, sys
from concurrent.futures import ThreadPoolExecutor
import torch
from core.system.process import set_up_process
from core.system.affinity import pinned, unpin

def tasks():
    return {int(name) for name in os.listdir("/proc/self/task")}

def mask(task=0):
    return sorted(os.sched_getaffinity(task))

before = tasks()
set_up_process(int(sys.argv[1]) or None, 1)
workers = [mask(task) for task in sorted(tasks() - before)]
outside = mask()
with pinned():
    inside = mask()
    with ThreadPoolExecutor(1, initializer=unpin) as pool:
        helper = pool.submit(mask).result()
print(json.dumps([torch.get_num_threads(), workers, outside, inside, helper, mask()]))
"""


def told(num_threads: Any) -> Any:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    command = [sys.executable, "-c", SCRIPT, str(num_threads)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.skipif(len(CORES) < 2, reason="needs Linux and two cores")
def test_with_a_thread_for_each_core_each_has_its_own() -> None:
    count, workers, outside, inside, helper, after = told(0)
    assert count == len(CORES)
    bound = [mask for mask in workers if mask != CORES]  # torch has a thread more that computes nothing
    assert [inside, *bound] == [[core] for core in CORES]
    assert outside == helper == after == CORES


@pytest.mark.skipif(not CORES, reason="needs Linux")
def test_fewer_threads_than_cores_go_where_there_is_room() -> None:
    _, workers, outside, inside, helper, after = told(1)
    assert all(mask == CORES for mask in workers)
    assert outside == inside == helper == after == CORES
