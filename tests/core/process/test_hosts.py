"""Two hosts that meet at an address, played by two launchers on loopback."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
SPEC = {
    "dataset": "builtin:digits",
    "student": "cifar/resnet8",
    "method": "scratch",
    "training": {"batch_size": 16, "max_steps": 2, "epochs": 1, "devices": "cpu"},
    "exports": ["safetensors"],
}


def engine(folder: Path, *flags: Any) -> Any:
    command = [sys.executable, "-m", "core", "--out", folder, "--events", "json", *flags]
    return subprocess.Popen(
        [str(part) for part in command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_both_hosts_end_well_and_one_speaks_for_both(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    path = tmp_path / "job.json"
    path.write_text(json.dumps(SPEC))
    flags = ("--spec", path, "--cache", tmp_path / "cache", "--hosts", 2, "--rendezvous", f"127.0.0.1:{port}")
    hosts = [engine(tmp_path / f"host{number}", *flags) for number in range(2)]
    said = [host.communicate(timeout=300) for host in hosts]
    assert [host.returncode for host in hosts] == [0, 0], [errors[-2000:] for _, errors in said]
    kinds = [[json.loads(line)["event"] for line in output.splitlines()] for output, _ in said]
    assert sorted(each.count("result") for each in kinds) == [0, 1]
    assert sorted((tmp_path / f"host{number}/artifacts/model.safetensors").exists() for number in range(2)) == [
        False,
        True,
    ]


def test_several_hosts_need_a_place_to_meet(tmp_path: Path) -> None:
    host = engine(tmp_path / "out", "--hosts", "2", "--dataset", "builtin:digits", "--student", "nano")
    _, errors = host.communicate(timeout=60)
    assert host.returncode == 2
    assert "--rendezvous" in errors
