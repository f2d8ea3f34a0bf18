"""Folders of attempts: removed at their end, swept when their worker died, left alone while it lives."""

import json
import subprocess
import sys
from pathlib import Path

from core.policy import Policy
from store.values import Lease
from worker.folder import AttemptFolder, attempt_of, sweep

LEASE = Lease("job_01K00000000000000000000000", "job", 7, 2, {}, (), 0.0, None, 60.0)
DIES_HOLDING = """
import os, sys
from pathlib import Path
from store.values import Lease
from worker.folder import AttemptFolder
folder = AttemptFolder(Path(sys.argv[1]), Lease("job_01K00000000000000000000000", "job", 3, 1, {}, (), 0.0, None, 60.0))
folder.__enter__()
(folder.out / "checkpoint").write_text("x")
os.kill(os.getpid(), 9)
"""


def test_a_folder_lives_as_long_as_its_attempt(tmp_path: Path) -> None:
    with AttemptFolder(tmp_path, LEASE) as folder:
        folder.write_spec_and_policy({"name": "a"}, Policy(max_image_pixels=5))
        assert json.loads((folder.path / "spec.json").read_text()) == {"name": "a"}
        assert Policy.model_validate_json((folder.path / "policy.json").read_text()).max_image_pixels == 5
        assert all(part.is_dir() for part in (folder.inputs, folder.out, folder.temporary))
        assert sweep(tmp_path) == []
        assert folder.out.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_worker_left_is_swept_and_no_more(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", DIES_HOLDING, str(tmp_path)], cwd=Path(__file__).parents[2])
    assert killed.returncode == -9
    assert len(list(tmp_path.iterdir())) == 2  # the folder and its lock
    with AttemptFolder(tmp_path, LEASE) as living:
        assert [attempt_of(folder) for folder in sweep(tmp_path)] == [("job_01K00000000000000000000000", 3)]
        assert living.out.is_dir()
        assert len(list(tmp_path.iterdir())) == 2
