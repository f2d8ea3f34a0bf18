"""What the kernel lets an engine use, as an engine finds it."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from worker import engine_limits
from worker.engine import start
from worker.guards import EngineUser, Guards

MiB = 1 << 20
pytestmark = pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="the system has no prlimit")


def run(program: str | list[str], folder: Path, guards: Guards) -> str:
    """What a Python program, or a command that waits for a line, prints as an engine once its limits are set."""
    (folder / "tmp").mkdir(exist_ok=True)
    waiting = [sys.executable, "-c", f"import sys; sys.stdin.readline()\n{program}"]
    engine = start(
        lambda _: waiting if isinstance(program, str) else program,
        cwd=folder,
        environment={"PATH": os.environ["PATH"]},
        guards=guards,
        stdin=subprocess.PIPE,
    )
    said, complained = engine.process.communicate(b"\n", timeout=60)
    engine.release()
    return (said + complained).decode()


def test_an_engine_finds_its_limits(tmp_path: Path) -> None:
    program = "import resource as r; print(r.getrlimit(r.RLIMIT_FSIZE), r.getrlimit(r.RLIMIT_CORE))"
    assert run(program, tmp_path, Guards(max_file_bytes=7 * MiB)) == f"({7 * MiB}, {7 * MiB}) (0, 0)\n"


def test_a_file_beyond_the_limit_is_an_error_of_the_write(tmp_path: Path) -> None:
    program = "open('large', 'wb').write(bytes(2 << 20))"
    assert "File too large" in run(program, tmp_path, Guards(max_file_bytes=MiB))
    assert (tmp_path / "large").stat().st_size <= MiB


def test_open_files_are_limited_and_the_limit_cannot_be_raised(tmp_path: Path) -> None:
    program = "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (99999999, 99999999))"
    assert "Error" in run(program, tmp_path, Guards(max_file_bytes=MiB)) or os.geteuid() == 0
    assert engine_limits.limits(MiB)[resource.RLIMIT_NOFILE] == engine_limits.MAX_FILES


def test_data_is_limited_to_the_memory_of_the_container(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "max").write_text("1073741824\n")
    monkeypatch.setattr(engine_limits, "CGROUP", tmp_path / "max")
    monkeypatch.setattr(engine_limits, "NVIDIA", tmp_path / "none")
    assert engine_limits.memory_bytes() == 1 << 30
    assert "MemoryError" in run("bytearray(2 << 30)", tmp_path, Guards(max_file_bytes=MiB))
    monkeypatch.setattr(engine_limits, "NVIDIA", tmp_path)  # CUDA maps the device's memory into the process
    assert resource.RLIMIT_DATA not in engine_limits.limits(MiB)


@pytest.mark.parametrize("told", ["max\n", "", "no number"])
def test_a_container_without_a_limit_has_the_machine_s(
    told: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "max").write_text(told)
    monkeypatch.setattr(engine_limits, "CGROUP", tmp_path / "max")
    assert engine_limits.memory_bytes() == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may start processes of another user")
def test_an_engine_of_its_own_user_has_its_folder_and_nothing_of_the_worker(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if folder != Path("/") and folder.stat().st_uid == os.geteuid():
            folder.chmod(folder.stat().st_mode | 0o711)
    own, secret = tmp_path / "own", tmp_path / "secret"
    (own / "out").mkdir(parents=True)
    (own / "out" / "spec.json").write_text("{}")
    (own / "link").symlink_to(secret)
    secret.write_text("of the worker")
    secret.chmod(0o600)
    script = (
        f"read _; id -u; id -G; cat out/spec.json; echo $HOME; : > out/model;"
        f"cat {secret} || echo refused; cat /proc/{os.getpid()}/environ || echo refused"
    )
    user = EngineUser("nobody", 65534, 65534)
    said = run(["/bin/sh", "-c", script], own, Guards(max_file_bytes=MiB, user=user)).splitlines()
    assert [line for line in said if "denied" not in line] == [
        "65534", "65534", "{}" + str(own / "tmp"), "refused", "refused",
    ]  # fmt: skip
    assert (own / "out" / "model").stat().st_uid == 65534
    assert secret.stat().st_uid == os.geteuid()  # a link in the folder gave nothing away
