"""The ways in which an engine can die are told apart: killed for memory, crashed, hung; and no engine outlives its
worker's silence."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import worker.attempt
from store.values import Job
from tests.worker.conftest import attempt
from worker import oom
from worker.attempt import WorkerContext
from worker.watchdog import Activity, Watchdog, activity_of

Look = Callable[[str], Job]
on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def lose(context: WorkerContext, submit: Any, look: Look) -> Callable[..., Job]:
    """Make an attempt at a job that is lost with its first engine; how it stands then."""

    def run(act: str, **settings: Any) -> Job:
        changed = context.settings.model_copy(update={"max_attempts": 1, **settings})
        job_id = submit(act=act)
        attempt(replace(context, settings=changed), job_id)
        return look(job_id)

    return run


@on_one_database
@pytest.mark.parametrize(("kills", "code"), [(1, "OUT_OF_MEMORY"), (0, "ENGINE_CRASHED")])
def test_a_killed_engine_was_out_of_memory_where_the_kernel_says_so(
    lose: Any, monkeypatch: pytest.MonkeyPatch, kills: int, code: str
) -> None:
    counts = iter([7, 7 + kills])
    monkeypatch.setattr(worker.attempt, "count_oom_kills", lambda: next(counts))
    job = lose("killed")
    assert (job.state, job.error["code"], job.attempts[0].outcome) == ("failed", code, "lost")
    assert job.error["hint"]


@on_one_database
def test_a_crash_is_no_lack_of_memory_though_another_process_was_killed_for_it(
    lose: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = iter([0, 3])
    monkeypatch.setattr(worker.attempt, "count_oom_kills", lambda: next(counts))
    job = lose("segfault")
    assert job.error["code"] == "ENGINE_CRASHED" and "SIGSEGV" in job.error["message"]


def test_the_kernels_counts_are_those_of_the_host_and_of_the_cgroup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vmstat").write_text("nr_free_pages 17\noom_kill 4\n")
    (tmp_path / "cgroup").write_text("12:cpu:/x\n0::/system.slice/worker\n")
    (tmp_path / "system.slice/worker").mkdir(parents=True)
    (tmp_path / "system.slice/worker/memory.events").write_text("low 0\noom 2\noom_kill 2\n")
    for name, value in {"VMSTAT": "vmstat", "OWN_CGROUPS": "cgroup", "CGROUPS": ""}.items():
        monkeypatch.setattr(oom, name, tmp_path / value)
    assert oom.count_oom_kills() == 6
    monkeypatch.setattr(oom, "OWN_CGROUPS", tmp_path / "none")
    monkeypatch.setattr(oom, "VMSTAT", tmp_path / "none")
    assert oom.count_oom_kills() == 0


@pytest.mark.slow
@on_one_database
def test_an_engine_that_does_nothing_is_ended_as_hung(lose: Any) -> None:
    begun = time.monotonic()
    job = lose("deaf", hung_seconds=2.0)
    assert (job.state, job.error["code"]) == ("failed", "ENGINE_HUNG")
    assert time.monotonic() - begun < 20


@pytest.mark.slow
@on_one_database
def test_an_engine_that_computes_in_silence_is_not_hung_until_it_was_mute_for_long(lose: Any) -> None:
    begun = time.monotonic()
    job = lose("spin", hung_seconds=1.0, mute_seconds=6.0)
    assert (job.state, job.error["code"]) == ("failed", "ENGINE_HUNG")
    assert time.monotonic() - begun >= 6.0


def test_the_watchdog_counts_time_without_cpu_or_data_alone() -> None:
    now = [0.0]
    done = [Activity(0.0, 0)]
    dog = Watchdog(1, hung_seconds=100, mute_seconds=1e9, activity=lambda _: done[0], now=lambda: now[0])

    def after(seconds: float, cpu_seconds: float = 0.0, num_bytes: int = 0, mute: float = 1e6) -> bool:
        now[0] += seconds
        done[0] = Activity(done[0].cpu_seconds + cpu_seconds, done[0].num_bytes + num_bytes)
        return dog.is_hung(mute)

    assert not after(0)
    assert not any(after(20, cpu_seconds=19) for _ in range(20))
    assert not any(after(20, num_bytes=10**6) for _ in range(20))
    assert [after(20, num_bytes=20) for _ in range(6)] == [False, False, False, False, True, True]
    assert not after(20, mute=0.0)  # it spoke
    assert [after(20) for _ in range(7)] == [False, False, False, False, False, True, True]


def test_the_watchdog_bites_nobody_where_the_system_tells_nothing() -> None:
    now = [0.0]
    dog = Watchdog(1, hung_seconds=10, mute_seconds=1e9, activity=lambda _: None, now=lambda: now[0])
    for _ in range(30):
        now[0] += 10
        assert not dog.is_hung(1e6)


def test_the_activity_of_a_group_rises_as_it_computes_and_reads() -> None:
    before = activity_of(os.getpgrp())
    assert before is not None
    until = time.process_time() + 0.2
    while time.process_time() < until:
        Path("/proc/self/maps").read_bytes()
    after = activity_of(os.getpgrp())
    assert after is not None
    assert after.cpu_seconds >= before.cpu_seconds + 0.1 and after.num_bytes > before.num_bytes
    assert activity_of(2**22 + 1) is None


@pytest.mark.slow
@on_one_database
def test_the_engine_of_a_stopped_worker_ends_within_a_lease(
    start_worker: Any, submit: Any, look: Look, wait_for: Any, log_of: Any, is_alive: Any
) -> None:
    worker_process = start_worker()
    job_id = submit(steps=100_000, seconds=0.05)
    line = wait_for(lambda: next((line for line in log_of(job_id) if "in process" in line), None))
    engine = int(line.split()[-1])
    os.kill(worker_process.pid, signal.SIGSTOP)
    stopped = time.monotonic()
    try:
        wait_for(lambda: not is_alive(engine), seconds=10)
        print(f"the engine computed {time.monotonic() - stopped:.1f} s beyond its worker")
    finally:
        os.kill(worker_process.pid, signal.SIGCONT)
