"""`make demo`, whole: the real service, real training, real files, and nothing left running."""

import json
import os
import re
import subprocess
from pathlib import Path

import onnxruntime
import pytest
from fresh_clone import environment

from retort import units

TABLE = ("teacher", "student (pkd)", "scratch", "fine-tuned large", "fine-tuned small")


@pytest.mark.timeout(900)  # under two minutes on two idle cores
def test_the_demo_specializes_a_teacher_and_proves_it(fresh_clone: Path, tmp_path: Path) -> None:
    own = environment(tmp_path) | {"TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    run = ["make", "demo"]
    done = subprocess.run(run, env=own, cwd=fresh_clone, capture_output=True, text=True, timeout=850, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {name: line for line in done.stdout.splitlines() for name in TABLE if line.startswith(name + " ")}
    assert list(rows) == list(TABLE)
    assert all(re.search(r"\d+\.\d% +\d+\.\d-\d+\.\d% .* ms$", line.rstrip()) for line in rows.values())
    assert "right, as the service said, image by image" in done.stdout
    folder = fresh_clone / "runs" / "demo"
    assert onnxruntime.InferenceSession(folder / "model.onnx").get_inputs()[0].name == "images"
    student = json.loads((folder / "metrics.json").read_text())["metrics"]
    assert units.count(student["num_params"]) in rows["student (pkd)"]
    assert "Without a teacher" in done.stdout and "the teacher is worth" in done.stdout
    assert "nothing is left running" in done.stdout
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("retort-demo")] == []
    assert processes_of(tmp_path) == []


def processes_of(folder: Path) -> list[str]:
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
