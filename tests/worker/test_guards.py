"""Which guards hold is decided by the settings and the machine; what cannot be obeyed is refused in words."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from store.settings import Settings
from worker.guards import GuardsUnusable, guards_of

ROOT = Path(__file__).parents[2]
POSTGRES = "postgresql://db.example/retort"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may start processes of another user")


def test_by_default_engines_are_the_worker_s_user(tmp_path: Path) -> None:
    guards = guards_of(
        Settings(data_dir=tmp_path, max_download_bytes=5, max_extracted_bytes=7, max_teacher_pass_bytes=6)
    )
    assert guards.user is None and guards.max_file_bytes == 7
    assert guards.active()["own_user"] is False


def test_an_operator_who_leaves_the_network_is_told_so(tmp_path: Path) -> None:
    assert guards_of(Settings(data_dir=tmp_path, network_after_inputs=True)).active()["network_filter"] is False


@as_root
def test_a_user_is_found_by_name(tmp_path: Path) -> None:
    folder = Path("/var/tmp")  # every user may pass
    guards = guards_of(Settings(data_dir=folder, engine_user="nobody", database_url=POSTGRES))
    assert guards.user is not None and guards.user.uid != 0
    assert guards.active()["own_user"] and guards.active()["worker_hidden"]


@as_root
@pytest.mark.parametrize(
    ("name", "url", "mode"),
    [
        ("nobody", None, 0o755),
        ("no-such-user", POSTGRES, 0o755),
        ("root", POSTGRES, 0o755),
        ("nobody", POSTGRES, 0o700),
    ],
    ids=["embedded", "unknown", "root", "a folder that is closed"],
)
def test_a_user_that_cannot_be_is_refused(name: str, url: str | None, mode: int, tmp_path: Path) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(GuardsUnusable, match=f"RETORT_ENGINE_USER={name}"):
        guards_of(Settings(data_dir=tmp_path, engine_user=name, database_url=url))


def test_a_hidden_worker_shows_its_environment_to_no_process_of_its_user() -> None:
    program = (
        "import os, subprocess\n"
        "from worker.guards import hide_worker\n"
        "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "hide_worker()\n"
        "print(subprocess.run(['cat', f'/proc/{os.getpid()}/environ'], capture_output=True).returncode, flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout == "1\n", done.stderr
