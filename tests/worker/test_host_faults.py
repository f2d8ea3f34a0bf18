"""A host that cannot run jobs puts them back and takes no more until its own check passes; no job fails for it."""

import contextlib
import os
import resource
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from api.errors import problem_of
from core.spec import parse_job
from store import jobs, workers
from store.database import Database, open_database
from store.values import Job, Worker
from tests.worker.conftest import attempt, spec
from worker.attempt import WorkerContext
from worker.quarantine import Quarantine
from worker.self_check import SelfCheck

Look = Callable[[str], Job]
on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def changed(context: WorkerContext, engine: Any = None, **fields: Any) -> WorkerContext:
    """The context with other settings or another engine, in a quarantine of its own."""
    settings = context.settings.model_copy(update=fields)
    engine = engine or context.engine
    quarantine = Quarantine(SelfCheck(settings, engine, ["cpu"]), 0.0)
    return replace(context, settings=settings, engine=engine, quarantine=quarantine)


def fill(folder: Path) -> Path:
    """A file that leaves no space below `folder`; removing it makes room."""
    path = folder / "filler"
    with path.open("wb") as file:
        file.truncate(0)
        try:
            while True:
                os.write(file.fileno(), bytes(4096))
        except OSError:
            return path


def open_files() -> list[str]:
    """What this process has open, but the connections to the database, which are pooled."""
    found = []
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the descriptor of the listing itself
            found.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    return sorted(name for name in found if "retort.db" not in name)


@on_one_database
@pytest.mark.parametrize(("act", "code"), [("full", "DISK_FULL"), ("broken", "DEVICE_FAILED")])
def test_a_fault_of_the_host_puts_the_job_back_with_a_reason_and_counts_apart(
    context: WorkerContext, submit: Any, look: Look, act: str, code: str
) -> None:
    job_id = submit(act=act)
    context = changed(context, max_host_faults=2, retry_seconds=60.0)
    attempt(context, job_id)
    job = look(job_id)
    assert (job.state, job.error, job.attempts[0].outcome) == ("queued", None, "released")
    assert job.attempts[0].error["code"] == code

    with context.database.begin() as session:
        workers.announce(session, "w", host="h", pid=1, devices=["cpu"], version="1", slots=1)
    reason = look(job_id).queue.reason
    assert code in reason and "next attempt" in reason
    attempt(context, job_id)
    assert len(look(job_id).attempts) == 1  # it is too soon


@on_one_database
def test_a_job_that_fills_every_disk_fails_at_last(context: WorkerContext, submit: Any, look: Look) -> None:
    job_id = submit(act="full")
    context = changed(context, max_host_faults=3, retry_seconds=0.0)
    for number in range(1, 4):
        attempt(context, job_id)
        assert look(job_id).state == ("failed" if number == 3 else "queued")
    assert look(job_id).error["code"] == "DISK_FULL"


@on_one_database
def test_where_the_check_fails_the_worker_is_in_quarantine_and_the_job_waits_for_none(
    context: WorkerContext, submit: Any, look: Look
) -> None:
    context = changed(context, min_free_bytes=1 << 60, retry_seconds=60.0)
    job_id = submit(act="full")
    attempt(context, job_id)
    assert "MIN_FREE_BYTES" in context.quarantine.reason
    attempt(changed(context, min_free_bytes=0), job_id)  # another worker may take it at once
    assert len(look(job_id).attempts) == 2


@on_one_database
@pytest.mark.parametrize("act", ["mute", "defect", "segfault"])
def test_an_end_that_the_host_explains_is_not_the_jobs(
    context: WorkerContext, submit: Any, look: Look, act: str
) -> None:
    job_id = submit(act=act)
    attempt(changed(context, min_free_bytes=1 << 60, max_attempts=1), job_id)
    job = look(job_id)
    assert (job.state, job.attempts[0].error["code"]) == ("queued", "HOST_FAULT")


@on_one_database
def test_an_engine_that_cannot_start_puts_the_job_back(context: WorkerContext, submit: Any, look: Look) -> None:
    context = changed(context, engine=("/no/such/program",))
    job_id = submit()
    attempt(context, job_id)
    job = look(job_id)
    assert (job.state, job.attempts[0].error["code"]) == ("queued", "HOST_FAULT")
    assert "/no/such/program" in job.attempts[0].error["message"]
    assert context.quarantine.reason


@on_one_database
def test_a_full_disk_leaks_no_descriptor_and_leaves_nothing(
    context: WorkerContext, submit: Any, look: Look, small_disk: Path
) -> None:
    context = changed(context, data_dir=small_disk, min_free_bytes=0, retry_seconds=0.0)
    context.attempts.mkdir()
    filler = fill(small_disk)
    job_id = submit()
    attempt(context, job_id)
    before = open_files()
    for _ in range(10):
        attempt(context, job_id)
    assert open_files() == before
    assert look(job_id).state == "queued" and len(look(job_id).attempts) == 11
    assert look(job_id).attempts[0].error["code"] == "DISK_FULL"
    assert list(context.attempts.iterdir()) == []
    filler.unlink()
    attempt(context, job_id)
    assert look(job_id).state == "succeeded"


def listed(database: Database) -> list[Worker]:
    with database.read() as session:
        return workers.list_workers(session)


@on_one_database
def test_a_worker_with_a_full_disk_empties_no_queue(
    database: Database, start_worker: Any, submit: Any, look: Look, wait_for: Any, small_disk: Path, tmp_path: Path
) -> None:
    full = start_worker(data_dir=small_disk, warm_engines=0)
    wait_for(lambda: len(listed(database)) == 1)
    gate = tmp_path / "open"
    running = submit(gate=gate)
    wait_for(lambda: look(running).state == "running")
    filler = fill(small_disk)
    gate.touch()
    start_worker(data_dir=tmp_path / "healthy", warm_engines=0)
    ids = [running, *(submit() for _ in range(13))]
    wait_for(lambda: all(look(job_id).done for job_id in ids))
    assert {look(job_id).state for job_id in ids} == {"succeeded"}
    (one,) = [worker for worker in listed(database) if worker.pid == full.pid]
    assert one.state == "quarantined" and "small-disk" in one.unfit
    filler.unlink()
    wait_for(lambda: [worker.state for worker in listed(database) if worker.pid == full.pid] == ["idle"])


@on_one_database
def test_a_worker_without_descriptors_waits_until_it_has_some(
    database: Database, start_worker: Any, submit: Any, look: Look, wait_for: Any
) -> None:
    process = start_worker(warm_engines=0)
    wait_for(lambda: listed(database))
    _, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    in_use = len(os.listdir(f"/proc/{process.pid}/fd"))
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (in_use + 12, hard))
    wait_for(lambda: listed(database)[0].state == "quarantined")
    job_id = submit()
    wait_for(lambda: "1 in quarantine" in (look(job_id).queue.reason or ""))
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (hard, hard))
    wait_for(lambda: look(job_id).state == "succeeded")


class Answers:
    """A check that gives the answers of a list, the last one again and again."""

    def __init__(self, *answers: str | None) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def quick(self) -> str | None:
        return self._next("quick")

    def whole(self) -> str | None:
        return self._next("whole")

    def _next(self, kind: str) -> str | None:
        self.asked.append(kind)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def test_quarantine_begins_by_a_quick_check_and_ends_by_a_whole_one(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("worker.quarantine.time.monotonic", lambda: now[0])
    check = Answers(None, "full", "full", None)
    quarantine = Quarantine(check, 10.0)
    changes: list[str | None] = []
    quarantine.on_change = lambda: changes.append(quarantine.reason)
    for seconds in (0, 0, 9, 1, 19, 1):
        now[0] += seconds
        quarantine.look()
    assert check.asked == ["quick", "quick", "whole", "whole"]
    assert changes == ["full", None]


@on_one_database
def test_a_full_disk_of_the_database_ends_no_job(
    sqlite_template: Path, small_disk: Path, start_worker: Any, wait_for: Any, tmp_path: Path
) -> None:
    shutil.copy(sqlite_template, small_disk / "retort.db")
    url = f"sqlite:///{small_disk / 'retort.db'}"
    database = open_database(url)
    gate = tmp_path / "gate"

    def submitted(**labels: Any) -> str:
        with database.begin() as session:
            return jobs.submit(session, parse_job(spec(**labels))).job.id

    def look(job_id: str) -> Job:
        with database.read() as session:
            return jobs.get(session, job_id)

    start_worker(database_url=url, min_free_bytes=0, warm_engines=0)
    job_id = submitted(steps=2000, seconds=0.01, gate=gate)
    wait_for(lambda: (look(job_id).progress or {}).get("step", 0) > 10)
    filler = fill(small_disk)
    with pytest.raises(OperationalError) as refused:
        for _ in range(100):  # the database has some free pages of its own
            submitted(filling="x" * 200)
    assert problem_of(refused.value).status == 503
    time.sleep(4)  # longer than a lease
    assert not look(job_id).done
    filler.unlink()
    gate.touch()
    wait_for(lambda: look(job_id).state == "succeeded", 180)  # twenty seconds of steps, and pauses that grow
    with database.read() as session:
        assert session.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"
    database.close()
