"""Attempts of one worker with real child processes on real databases: how each kind of end becomes the job's."""

import hashlib
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from store import blobs, jobs, queries
from store.database import Database
from store.values import Job
from tests.store.test_blobs import flip_a_bit
from tests.worker.conftest import attempt
from worker.attempt import WorkerContext
from worker.warning_codes import CHECKPOINT_DAMAGED

Look = Callable[[str], Job]
# For what has to do with processes and files alone: once is enough.
on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def chain(steps: int) -> str:
    state = ""
    for step in range(1, steps + 1):
        state = hashlib.sha256(f"{state}{step}".encode()).hexdigest()
    return state


@pytest.fixture
def run(context: WorkerContext, look: Look) -> Callable[[str], Job]:
    """Make one attempt at a job; how the job stands then."""

    def run_job(job_id: str) -> Job:
        attempt(context, job_id)
        return look(job_id)

    return run_job


@pytest.fixture
def run_in_background(context: WorkerContext) -> Any:
    """Begin an attempt on a thread; it is told to stop and waited for at the end."""
    threads: list[threading.Thread] = []

    def begin(job_id: str) -> threading.Thread:
        threads.append(threading.Thread(target=attempt, args=(context, job_id)))
        threads[-1].start()
        return threads[-1]

    yield begin
    context.stopping.set()
    for thread in threads:
        thread.join(15)


def test_everything_an_engine_says_is_in_the_database(
    database: Database, submit: Any, run: Any, context: WorkerContext
) -> None:
    job = run(submit(steps=4))
    assert (job.state, job.phase, job.error) == ("succeeded", None, None)
    assert job.result["metrics"] == {"state": chain(4)}
    assert job.student["architecture"] == "cifar/resnet8"
    assert job.progress["step"] == 4 and job.progress["fraction"] == 1 and job.progress["updated_at"].endswith("Z")
    assert [(one.number, one.outcome, one.worker) for one in job.attempts] == [(1, "succeeded", context.worker_id)]
    with database.read() as session:
        series = {one.name: one.points for one in queries.metrics(session, job.id)}
        (artifact,) = queries.artifacts(session, job.id)
        phases = [event.data["phase"] for event in queries.events(session, job.id) if event.kind == "phase"]
    assert [(point.step, point.value) for point in series["train/loss"]] == [(n, 1 / n) for n in range(1, 5)]
    assert [point.value for point in series["train/top1"]] == [None] * 4
    assert phases[-1] == "training"
    content = b"".join(blobs.open_range(database, artifact.sha256))
    assert content == chain(4).encode() * 40_000
    assert (artifact.name, artifact.size_bytes) == ("model.safetensors", len(content))


@on_one_database
def test_nothing_is_left_on_the_disk_but_the_cache(submit: Any, run: Any, context: WorkerContext) -> None:
    run(submit())
    run(submit(act="segfault"))
    assert [path.name for path in context.settings.data_dir.iterdir() if any(path.iterdir())] == []


def test_a_plan_ends_with_what_was_resolved(submit: Any, run: Any) -> None:
    job = run(submit("plan", steps=4))
    assert (job.state, job.result) == ("succeeded", {})
    assert job.resolved["dataset"]["num_train"] == 2


def test_two_attempts_race_and_one_runs(submit: Any, run_in_background: Any, look: Look, log_of: Any) -> None:
    job_id = submit(steps=2, seconds=0.2)
    for thread in [run_in_background(job_id) for _ in range(4)]:
        thread.join(20)
    assert look(job_id).state == "succeeded"
    assert len(look(job_id).attempts) == 1
    assert len([line for line in log_of(job_id) if "training from" in line]) == 1


def test_an_engine_that_dies_by_signal_is_tried_again_and_then_named(submit: Any, run: Any, log_of: Any) -> None:
    job_id = submit(act="segfault")
    assert run(job_id).state == "queued"
    assert run(job_id).state == "queued"
    job = run(job_id)
    assert job.state == "failed"
    assert job.error["code"] == "ENGINE_CRASHED" and job.error["category"] == "infrastructure"
    assert "SIGSEGV" in job.error["message"] and "3 attempts" in job.error["message"]
    assert "about to fall" in log_of(job_id)


def test_an_error_that_the_engine_explains_is_the_jobs(submit: Any, run: Any) -> None:
    job = run(submit(act="refuse"))
    assert job.state == "failed"
    assert job.error == {
        "code": "DATASET_INVALID", "category": "user", "message": "class cup has no images", "hint": "add some",
    }  # fmt: skip


def test_warnings_of_the_engine_are_the_jobs(submit: Any, run: Any) -> None:
    job = run(submit(warnings="DATASET_FILES_SKIPPED,TEST_SPLIT_SMALL"))
    assert job.state == "succeeded"
    assert [(one.code, one.hint, one.count) for one in job.warnings] == [
        ("DATASET_FILES_SKIPPED", "look", 3), ("TEST_SPLIT_SMALL", "look", 3),
    ]  # fmt: skip
    assert job.warnings[0].message == "DATASET_FILES_SKIPPED \N{REPLACEMENT CHARACTER} was found"
    assert [one.code for one in run(submit("plan", warnings="A")).warnings] == ["A"]


@on_one_database
def test_a_flood_of_warnings_is_cut(submit: Any, run: Any) -> None:
    job = run(submit(act="worry"))
    assert (job.state, len(job.warnings)) == ("succeeded", 100)


@on_one_database
def test_the_traceback_of_a_defect_is_in_the_log(submit: Any, run: Any, log_of: Any) -> None:
    job = run(job_id := submit(act="defect"))
    assert (job.state, job.error["message"]) == ("failed", "KeyError: 7")
    assert any("Traceback" in line for line in log_of(job_id))
    run(refused := submit(act="refuse"))
    assert log_of(refused) == []


@on_one_database
def test_an_error_without_explanation_shows_the_end_of_stderr(submit: Any, run: Any, log_of: Any) -> None:
    job = run(job_id := submit(act="mute"))
    assert (job.state, job.error["code"]) == ("failed", "INTERNAL")
    assert "status 1" in job.error["message"] and "the reason stands here" in job.error["message"]
    assert "the reason stands here" in log_of(job_id)


@on_one_database
def test_a_flood_of_lines_is_cut_and_the_job_ends_well(submit: Any, run: Any, log_of: Any) -> None:
    job = run(job_id := submit(act="flood"))
    assert job.state == "succeeded"
    lines = log_of(job_id)
    assert len(lines) == 10_001
    assert max(map(len, lines)) == 4000
    assert "the rest is left out" in lines[-1]


@on_one_database
def test_garbage_between_the_events_is_left_out(submit: Any, run: Any, caplog: pytest.LogCaptureFixture) -> None:
    job = run(submit(act="garbage"))
    assert (job.state, job.result["metrics"]) == ("succeeded", {"state": chain(3)})
    assert "no such" in caplog.text
    assert caplog.text.count("what is no event") == 10


@on_one_database
def test_a_file_outside_the_engines_folder_is_no_artifact(database: Database, submit: Any, run: Any) -> None:
    job = run(submit(act="forge"))
    assert (job.state, job.error["code"]) == ("failed", "INTERNAL")
    with database.read() as session:
        assert queries.artifacts(session, job.id) == []


@on_one_database
def test_an_engine_sees_no_settings_of_ours(
    submit: Any, run: Any, log_of: Any, monkeypatch: pytest.MonkeyPatch, context: WorkerContext
) -> None:
    monkeypatch.setenv("RETORT_DATABASE_URL", "postgresql://a:secret@b/c")
    monkeypatch.setenv("SOME_PASSWORD", "secret")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    run(job_id := submit(act="tell"))
    lines = log_of(job_id)
    names, files, policy = json.loads(lines[0]), json.loads(lines[1]), json.loads(lines[2])
    assert {"PATH", "HOME", "OMP_NUM_THREADS", "TMPDIR"} <= set(names)
    assert not [name for name in names if name.startswith("RETORT_") or name == "SOME_PASSWORD"]
    assert {"spec.json", "policy.json", "inputs", "out", "tmp"} <= set(files)
    assert policy["max_archive_entries"] == context.settings.max_archive_entries


@pytest.mark.slow
@on_one_database
def test_cancel_ends_an_engine_that_heeds_no_signal_and_its_children(
    database: Database, submit: Any, run_in_background: Any, log_of: Any, look: Look, wait_for: Any, is_alive: Any
) -> None:
    thread = run_in_background(job_id := submit(act="deaf"))
    pids = [int(word) for word in wait_for(lambda: log_of(job_id))[0].split()[1:]]
    assert all(is_alive(pid) for pid in pids)
    asked = time.monotonic()
    with database.begin() as session:
        jobs.request_cancel(session, job_id)
    thread.join(10)
    assert look(job_id).state == "cancelled"
    assert time.monotonic() - asked < 5  # 1 s to notice, 1 s of grace, and room for a busy machine
    wait_for(lambda: not any(is_alive(pid) for pid in pids), seconds=2)


def test_cancel_of_an_engine_that_heeds_signals_is_quick(
    database: Database, submit: Any, run_in_background: Any, log_of: Any, look: Look, wait_for: Any
) -> None:
    thread = run_in_background(job_id := submit(steps=1000, seconds=0.05))
    wait_for(lambda: log_of(job_id))
    with database.begin() as session:
        assert jobs.request_cancel(session, job_id).state == "cancelling"
    thread.join(10)
    assert look(job_id).state == "cancelled"
    assert look(job_id).attempts[0].outcome == "cancelled"


def test_a_stopping_worker_gives_the_job_back_and_the_next_goes_on(
    context: WorkerContext,
    submit: Any,
    run_in_background: Any,
    run: Any,
    look: Look,
    wait_for: Any,
    log_of: Any,
    gate: Path,
) -> None:
    thread = run_in_background(job_id := submit(steps=20, seconds=0.01, gate=gate))
    wait_for(lambda: (look(job_id).progress or {}).get("step", 0) >= 3)
    context.stopping.set()
    thread.join(10)
    assert (look(job_id).state, look(job_id).attempts[0].outcome) == ("queued", "released")
    context.stopping.clear()
    gate.touch()
    job = run(job_id)
    assert (job.state, job.result["metrics"]) == ("succeeded", {"state": chain(20)})
    second = [line for line in log_of(job_id) if "training from" in line][1]
    assert int(second.split()[3]) >= 3


@pytest.mark.parametrize("num_damaged", [1, 2])
def test_a_damaged_checkpoint_is_never_trained_on(
    database: Database,
    context: WorkerContext,
    submit: Any,
    run_in_background: Any,
    run: Any,
    look: Look,
    wait_for: Any,
    log_of: Any,
    gate: Path,
    num_damaged: int,
) -> None:
    """One bit of the last, or of the last two: the job goes on from the one before, or anew, and ends the same."""
    thread = run_in_background(
        job_id := submit(steps=20, seconds=0.2, gate=gate, more={"training": {"checkpoint_seconds": 0.001}})
    )
    wait_for(lambda: len(_checkpoints(database, job_id)) >= 3)
    context.stopping.set()
    thread.join(10)
    context.stopping.clear()
    kept = _checkpoints(database, job_id)[-2:]
    for sha256, _ in kept[::-1][:num_damaged]:
        flip_a_bit(database, sha256, 0, 0)
    gate.touch()
    job = run(job_id)
    assert (job.state, job.result["metrics"]) == ("succeeded", {"state": chain(20)})
    steps = [int(line.split()[3]) for line in log_of(job_id) if "training from" in line]
    assert steps == [0, kept[0][1] if num_damaged == 1 else 0]
    assert {warning.code for warning in job.warnings} == {CHECKPOINT_DAMAGED}


def _checkpoints(database: Database, job_id: str) -> list[tuple[str, int]]:
    """(sha256, step) of those that were stored; one that is stored again as it was counts once."""
    with database.read() as session:
        found = [each.data for each in queries.events(session, job_id) if each.kind == "checkpoint"]
    return list(dict.fromkeys((each["sha256"], each["step"]) for each in found))


def test_a_paused_job_writes_a_checkpoint_frees_its_worker_and_goes_on_from_there(
    database: Database,
    submit: Any,
    run_in_background: Any,
    run: Any,
    look: Look,
    wait_for: Any,
    log_of: Any,
    gate: Path,
) -> None:
    thread = run_in_background(
        job_id := submit(steps=20, seconds=0.01, gate=gate, more={"training": {"checkpoint_seconds": 60}})
    )
    wait_for(lambda: (look(job_id).progress or {}).get("step", 0) >= 3)
    with database.begin() as session:
        assert jobs.request_pause(session, job_id).state == "pausing"
    thread.join(10)
    job = look(job_id)
    assert (job.state, job.attempts[0].outcome, job.phase) == ("paused", "paused", None)
    gate.touch()
    with database.begin() as session:
        jobs.request_resume(session, job_id)
    job = run(job_id)
    assert (job.state, job.result["metrics"]) == ("succeeded", {"state": chain(20)})
    second = [line for line in log_of(job_id) if "training from" in line][1]
    assert int(second.split()[3]) >= 3


@pytest.mark.slow
@on_one_database
def test_cancel_hurries_an_engine_that_is_slow_to_pause(
    database: Database, submit: Any, run_in_background: Any, log_of: Any, look: Look, wait_for: Any
) -> None:
    thread = run_in_background(job_id := submit(act="deaf"))
    wait_for(lambda: log_of(job_id))
    with database.begin() as session:
        jobs.request_pause(session, job_id)
    time.sleep(1.5)
    asked = time.monotonic()
    with database.begin() as session:
        jobs.request_cancel(session, job_id)
    thread.join(10)
    assert look(job_id).state == "cancelled"
    assert time.monotonic() - asked < 3.4  # the grace of a cancel is 1 s, that of a pause 5 s


def test_checkpoints_are_stored_as_often_as_the_spec_says(
    database: Database, submit: Any, run: Any, run_in_background: Any, context: WorkerContext, look: Look, wait_for: Any
) -> None:
    """The first at once; of the many after it, the last, when the engine is interrupted."""
    thread = run_in_background(
        job_id := submit(steps=1000, seconds=0.15, more={"training": {"checkpoint_seconds": 60}})
    )
    wait_for(lambda: (look(job_id).progress or {}).get("step", 0) >= 5)
    context.stopping.set()
    thread.join(10)
    with database.read() as session:
        steps = [one.data["step"] for one in queries.events(session, job_id) if one.kind == "checkpoint"]
    assert len(steps) == 2 and steps[1] >= 5
    context.stopping.clear()


@on_one_database
def test_a_job_has_no_more_time_than_its_spec_allows(submit: Any, run: Any) -> None:
    job = run(submit(steps=1000, seconds=0.05, more={"training": {"max_runtime_seconds": 1.5}}))
    assert (job.state, job.error["code"], job.error["category"]) == ("failed", "DEADLINE_EXCEEDED", "user")
    assert "1.5" in job.error["message"]


@on_one_database
def test_a_child_that_holds_stdout_does_not_hold_the_job(submit: Any, run: Any, log_of: Any, is_alive: Any) -> None:
    begun = time.monotonic()
    job = run(job_id := submit(act="runaway"))
    assert job.state == "succeeded"
    assert time.monotonic() - begun < 10
    child = int(log_of(job_id)[-1].split()[2])
    assert is_alive(child)  # in a session of its own; the test is void if it died


def test_the_results_of_an_earlier_job_are_laid_for_the_next(submit: Any, run: Any, log_of: Any) -> None:
    teacher = run(submit()).id
    student = submit(act="tell", more={"teacher": f"job:{teacher}"})
    assert run(student).state == "succeeded"
    assert f"inputs/{teacher}/model.safetensors" in json.loads(log_of(student)[1])


@pytest.mark.parametrize(
    ("uri", "says"), [("job:job_01K00000000000000000000000", "there is no job"), ("job:{queued}", "is queued")]
)
def test_a_teacher_job_without_results_is_refused(submit: Any, run: Any, uri: str, says: str) -> None:
    uri = uri.format(queued=submit())
    job = run(submit(more={"teacher": uri}))
    assert (job.state, job.error["code"]) == ("failed", "TEACHER_LOAD_FAILED")
    assert says in job.error["message"] and uri.removeprefix("job:") in job.error["message"]
