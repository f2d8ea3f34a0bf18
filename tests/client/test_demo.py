"""`make demo`, whole: the real service, real training, real files, and nothing left running."""

import json
import os
import re
import subprocess
import sys

import onnxruntime
import pytest
from running import ROOT, environment

from retort import units

TABLE = ("teacher", "student (pkd)", "scratch", "finetune")


@pytest.mark.timeout(900)  # under two minutes on two idle cores
def test_the_demo_specializes_a_teacher_and_proves_it(tmp_path):
    run = [sys.executable, "-m", "retort.demo"]
    own = environment(PYTHONPATH=str(ROOT), TMPDIR=str(tmp_path))
    done = subprocess.run(run, env=own, cwd=tmp_path, capture_output=True, text=True, timeout=850, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {name: line for line in done.stdout.splitlines() for name in TABLE if line.startswith(name + " ")}
    assert list(rows) == list(TABLE)
    assert all(re.search(r"\d+\.\d% +\d+\.\d-\d+\.\d% .* ms$", line.rstrip()) for line in rows.values())
    assert "right, as the service said, image by image" in done.stdout
    folder = tmp_path / "runs" / "demo"
    assert onnxruntime.InferenceSession(folder / "model.onnx").get_inputs()[0].name == "images"
    student = json.loads((folder / "metrics.json").read_text())["metrics"]
    assert units.count(student["num_params"]) in rows["student (pkd)"]
    assert "nothing is left running" in done.stdout
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("retort-demo")] == []
    assert processes_of(tmp_path) == []


def processes_of(folder):
    """Command lines of processes that were started with this TMPDIR."""
    marker = f"TMPDIR={folder}".encode()
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as environ, open(f"/proc/{pid}/cmdline") as command:
                if marker in environ.read():
                    found.append(command.read())
        except OSError:
            continue
    return found
