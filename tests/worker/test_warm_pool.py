"""Engines that wait: what a job gets from one, and what happens when one fails."""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.errors import HostFault
from store import jobs, queries
from store.database import Database
from store.values import Job
from tests.worker.conftest import attempt
from worker.attempt import WorkerContext
from worker.service import ENGINE as REAL_ENGINE
from worker.warm_pool import WarmPool

STAND_IN = (sys.executable, str(Path(__file__).with_name("stand_in.py")))
# What `python PROGRAM wait` does instead of waiting.
SILENT = (sys.executable, "-c", "import time; time.sleep(600)")
FAILS = (sys.executable, "-c", "raise SystemExit('no torch here')")

Look = Callable[[str], Job]
MakePool = Callable[..., WarmPool]
on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def make_pool(context: WorkerContext) -> Iterator[MakePool]:
    """Make pools, which only the test maintains; all are closed with it."""
    made: list[WarmPool] = []

    def make(command: Sequence[str] = STAND_IN, most: int = 1, seconds: float = 600.0) -> WarmPool:
        made.append(
            WarmPool(
                command,
                context.settings.engine_env,
                context.attempts,
                context.cache,
                guards=context.guards,
                most=most,
                seconds=seconds,
            )
        )
        return made[-1]

    yield make
    for pool in made:
        pool.close()


@pytest.fixture
def pool(make_pool: MakePool) -> WarmPool:
    return make_pool()


@pytest.fixture
def run(context: WorkerContext, pool: WarmPool, wait_for: Any, look: Look, log_of: Any) -> Callable[[str], Job]:
    """Make one attempt at a job with a warm engine that is ready; how the job stands then."""

    def run_job(job_id: str) -> Job:
        pid = warm(pool, wait_for)
        attempt(replace(context, warm_pool=pool), job_id)
        assert pool.ready() == []
        assert not Path(f"/proc/{pid}").exists()
        return look(job_id)

    return run_job


def warm(pool: WarmPool, wait_for: Any) -> int:
    """The process id of the one warm engine, once it is ready."""
    pool.maintain()
    return wait_for(pool.ready)[0]


def folders(context: WorkerContext) -> list[str]:
    """What the engines of a worker have on the disk."""
    return sorted(path.name.partition("_")[0] for path in context.attempts.iterdir() if path.is_dir())


def process_of(log: Sequence[str]) -> int:
    return int([line for line in log if "in process" in line][-1].split()[-1])


def test_a_job_is_run_by_the_engine_that_waited(
    context: WorkerContext, pool: WarmPool, submit: Any, look: Look, log_of: Any, wait_for: Any
) -> None:
    pids = []
    for kind in ("job", "job"):
        pids.append(warm(pool, wait_for))
        attempt(replace(context, warm_pool=pool), job_id := submit(kind))
        assert look(job_id).state == "succeeded"
        assert process_of(log_of(job_id)) == pids[-1]
    assert pids[0] != pids[1]
    assert folders(context) == []


@on_one_database
def test_a_plan_takes_a_waiting_engine_too(submit: Any, run: Any) -> None:
    job = run(submit("plan"))
    assert (job.state, job.result) == ("succeeded", {})


@on_one_database
def test_a_waiting_engine_sees_what_a_new_one_would(
    context: WorkerContext, run: Any, submit: Any, log_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETORT_DATABASE_URL", "postgresql://a:secret@b/c")
    monkeypatch.setenv("SOME_PASSWORD", "secret")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    run(warm_job := submit(act="tell"))
    attempt(context, cold_job := submit(act="tell"))
    names, files, policy = (json.loads(line) for line in log_of(warm_job)[:3])
    assert [names, files, policy] == [json.loads(line) for line in log_of(cold_job)[:3]]
    assert {"OMP_NUM_THREADS", "TMPDIR"} <= set(names)
    assert not [name for name in names if name.startswith("RETORT_") or name == "SOME_PASSWORD"]


def test_a_waiting_engine_goes_on_from_a_checkpoint(
    context: WorkerContext, run: Any, submit: Any, look: Look, log_of: Any, wait_for: Any, gate: Path
) -> None:
    thread = threading.Thread(target=attempt, args=(context, job_id := submit(steps=20, gate=gate)))
    thread.start()
    wait_for(lambda: (look(job_id).progress or {}).get("step", 0) >= 3)
    context.stopping.set()
    thread.join(20)
    context.stopping.clear()
    gate.touch()
    assert run(job_id).state == "succeeded"
    assert int([line for line in log_of(job_id) if "training from" in line][1].split()[3]) >= 3


@on_one_database
def test_a_waiting_engine_that_falls_over_its_job_is_tried_again(run: Any, submit: Any, log_of: Any) -> None:
    job = run(job_id := submit(act="segfault"))
    assert (job.state, job.attempts[0].outcome) == ("queued", "lost")
    assert "about to fall" in log_of(job_id)


@pytest.mark.slow
@on_one_database
def test_cancel_ends_a_job_on_a_waiting_engine_and_its_children(
    context: WorkerContext, pool: WarmPool, database: Database, submit: Any, log_of: Any, look: Look, wait_for: Any,
    is_alive: Any,
) -> None:  # fmt: skip
    warm(pool, wait_for)
    thread = threading.Thread(target=attempt, args=(replace(context, warm_pool=pool), job_id := submit(act="deaf")))
    thread.start()
    pids = [int(word) for word in wait_for(lambda: log_of(job_id))[0].split()[1:]]
    with database.begin() as session:
        jobs.request_cancel(session, job_id)
    thread.join(20)
    assert look(job_id).state == "cancelled"
    wait_for(lambda: not any(is_alive(pid) for pid in pids))
    assert folders(context) == []


@on_one_database
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_dead_one_is_passed_over(
    context: WorkerContext,
    pool: WarmPool,
    submit: Any,
    look: Look,
    log_of: Any,
    wait_for: Any,
    is_alive: Any,
    number: int,
) -> None:
    os.kill(pid := warm(pool, wait_for), number)
    wait_for(lambda: not is_alive(pid))
    attempt(replace(context, warm_pool=pool), job_id := submit())
    assert (look(job_id).state, len(look(job_id).attempts)) == ("succeeded", 1)
    assert process_of(log_of(job_id)) != pid


@on_one_database
def test_one_that_stopped_listening_is_passed_over(
    context: WorkerContext, make_pool: MakePool, submit: Any, look: Look, wait_for: Any
) -> None:
    pool = make_pool((sys.executable, "-c", "import os, time; os.close(0); print(flush=True); time.sleep(600)"))
    pid = warm(pool, wait_for)
    attempt(replace(context, warm_pool=pool), job_id := submit())
    assert (look(job_id).state, len(look(job_id).attempts)) == ("succeeded", 1)
    assert warm(pool, wait_for) != pid


@on_one_database
@pytest.mark.parametrize("command", [SILENT, FAILS, ("/no/such/program",)])
def test_a_job_starts_without_one_that_is_not_ready(
    context: WorkerContext, make_pool: MakePool, submit: Any, look: Look, command: Sequence[str]
) -> None:
    pool = make_pool(command)
    try:
        pool.maintain()
    except HostFault:
        assert command == ("/no/such/program",)
    attempt(replace(context, warm_pool=pool), job_id := submit())
    assert look(job_id).state == "succeeded"


@on_one_database
def test_one_that_cannot_load_is_not_tried_again_before_the_next_job(
    context: WorkerContext, make_pool: MakePool, wait_for: Any, caplog: pytest.LogCaptureFixture
) -> None:
    pool = make_pool(FAILS)
    pool.maintain()
    wait_for(lambda: pool.maintain() or "no torch here" in caplog.text)
    assert folders(context) == []
    pool.maintain()
    assert folders(context) == []
    assert pool.take(context.attempts, lambda _: []) is None
    pool.maintain()
    assert folders(context) == ["warm"]


@on_one_database
def test_one_that_waited_long_is_ended_until_the_next_job(
    context: WorkerContext, make_pool: MakePool, wait_for: Any, is_alive: Any
) -> None:
    pool = make_pool(seconds=0.0)
    pid = warm(pool, wait_for)
    pool.maintain()
    assert not is_alive(pid)
    pool.maintain()
    assert (pool.ready(), folders(context)) == ([], [])
    assert pool.take(context.attempts, lambda _: []) is None
    assert warm(pool, wait_for) != pid


@on_one_database
@pytest.mark.parametrize("most", [0, 1, 3])
def test_there_are_no_more_than_asked_for_and_none_after_the_end(
    make_pool: MakePool, context: WorkerContext, wait_for: Any, is_alive: Any, most: int
) -> None:
    context.attempts.mkdir(parents=True)
    pool = make_pool(most=most)
    pool.maintain()
    pool.maintain()
    wait_for(lambda: len(pool.ready()) == most)
    assert folders(context) == ["warm"] * most
    pids = pool.ready()
    pool.close()
    assert not any(is_alive(pid) for pid in pids)
    assert pool.take(context.attempts, lambda _: []) is None
    pool.maintain()
    assert (pool.ready(), folders(context)) == ([], [])


def test_a_worker_that_is_killed_leaves_none(start_worker: Any, wait_for: Any, is_alive: Any) -> None:
    worker = start_worker()
    pids = wait_for(lambda: warm_engines_below(worker.pid))
    worker.kill()
    wait_for(lambda: not any(is_alive(pid) for pid in pids))


def test_a_worker_has_the_next_one_waiting_while_a_job_runs_and_none_after_its_end(
    start_worker: Any, submit: Any, look: Look, log_of: Any, wait_for: Any, is_alive: Any, gate: Path, tmp_path: Path
) -> None:
    worker = start_worker()

    def is_run_by_one_that_waited() -> bool:
        (waiting,) = wait_for(lambda: warm_engines_below(worker.pid))
        job_id = submit()
        wait_for(lambda: look(job_id).done)
        return process_of(log_of(job_id)) == waiting

    wait_for(is_run_by_one_that_waited)
    job_id = submit(gate=gate)
    engine = process_of(wait_for(lambda: log_of(job_id)))
    (waiting,) = wait_for(lambda: warm_engines_below(worker.pid))
    assert waiting != engine and not look(job_id).done
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0
    assert not is_alive(waiting)
    assert not any((tmp_path / "data" / "attempts").iterdir())


def warm_engines_below(worker: int) -> list[int]:
    """A worker's children that wait."""
    listed = [path.read_text() for path in Path(f"/proc/{worker}/task").glob("*/children")]
    children = [int(word) for text in listed for word in text.split()]
    return [child for child in children if "/warm_" in cwd(child)]


def cwd(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return ""


@pytest.mark.slow
@on_one_database
@pytest.mark.timeout(600)
def test_the_real_engine_runs_the_job_that_it_waited_for(
    make_pool: MakePool, context: WorkerContext, database: Database, submit: Any, look: Look, wait_for: Any
) -> None:
    pool = make_pool(REAL_ENGINE)
    pool.maintain()
    assert pool.ready() == []
    (pid,) = wait_for(pool.ready, seconds=500)
    assert Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[16] == str(os.nice(0))
    training = {"epochs": 1, "batch_size": 512}
    job_id = submit(more={"method": "scratch", "training": training, "exports": ["safetensors"]})
    attempt(replace(context, warm_pool=pool, engine=("/no/such/program",)), job_id)  # it could not start cold
    job = look(job_id)
    assert (job.state, job.error) == ("succeeded", None)
    with database.read() as session:
        assert "model.safetensors" in {artifact.name for artifact in queries.artifacts(session, job_id)}
    assert not Path(f"/proc/{pid}").exists()
