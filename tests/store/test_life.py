"""Any order of what clients, workers, crashes and the clock may do to jobs keeps the promises of the store."""

import io
import shutil
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import event, select, text
from sqlalchemy.exc import IntegrityError

from core.errors import EngineCrashed
from core.spec import parse_job
from store import blobs, jobs, leases, queries, reaper
from store.database import open_database
from store.errors import IllegalTransition, JobNotFound
from store.queue_table import queue as queue_table
from store.states import HELD, TERMINAL
from store.tables import jobs as jobs_table
from store.tables import metadata
from store.values import NewEvent
from tests.chaos import database_clock

SPEC = parse_job({"teacher": "cifar/resnet56", "dataset": "builtin:digits", "student": "nano"})
MAX_ATTEMPTS = 2
LEASE_SECONDS = 60.0
ENDINGS = ["succeed", "fail", "release", "finish_cancelled", "finish_paused", "crashed"]
# Written down again, and not taken from the store: what may follow what.
LEGAL = {
    (None, "queued"), ("queued", "running"), ("queued", "cancelled"), ("running", "queued"), ("running", "cancelling"),
    ("running", "succeeded"), ("running", "failed"), ("cancelling", "cancelled"), ("failed", "queued"),
    ("cancelled", "queued"), ("queued", "paused"), ("running", "pausing"), ("pausing", "paused"),
    ("pausing", "succeeded"), ("pausing", "failed"), ("pausing", "cancelling"), ("paused", "cancelled"),
    ("paused", "queued"),
}  # fmt: skip


class Life(RuleBasedStateMachine):
    """`newest` is this test's own account of who holds what: job id -> the lease that alone may write."""

    ids = Bundle("ids")
    held = Bundle("leases")
    template: Path | str  # an empty SQLite database to copy, or the URL of a PostgreSQL database to empty

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        if isinstance(self.template, str):
            self.database = open_database(self.template)
            with self.database.begin() as session:
                session.execute(text(f"TRUNCATE {', '.join(metadata.tables)} CASCADE"))
                session.execute(text("DROP TABLE IF EXISTS chaos_clock"))
        else:
            shutil.copy(self.template, f"{self.folder.name}/x.db")
            self.database = open_database(f"sqlite:///{self.folder.name}/x.db")
            # For speed.
            event.listen(self.database.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF"))
        database_clock.make(self.database)
        self.newest, self.tokens, self.notes, self.gone = {}, {}, {}, set()
        self.seconds = 0.0  # by which the clock was moved
        self.until: dict[str, float] = {}  # when leases end, by that clock

    def do(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        with self.database.begin() as session:
            return function(session, *args, **kwargs)

    def state(self, job_id: str) -> str:
        with self.database.read() as session:
            return jobs.get(session, job_id).state

    @rule(target=ids, key=st.sampled_from([None, "a", "b"]), priority=st.sampled_from([0, 5]))
    def submit(self, key: Any, priority: Any) -> Any:
        spec = SPEC.model_copy(update={"priority": priority})
        job = self.do(jobs.submit, spec, idempotency_key=key, body_sha256="same").job
        self.tokens.setdefault(job.id, 0)
        self.notes.setdefault(job.id, 0)
        return job.id

    def asked(self, move: Any, job_id: Any) -> bool:
        """A client's move; whether it was taken."""
        if job_id in self.gone:
            with pytest.raises(JobNotFound):
                self.do(move, job_id)
            return False
        try:
            self.do(move, job_id)
        except IllegalTransition as refused:
            assert refused.state == self.state(job_id)
            return False
        return True

    @rule(job_id=ids)
    def cancel(self, job_id: Any) -> None:
        before = None if job_id in self.gone else self.state(job_id)
        assert self.asked(jobs.request_cancel, job_id) == (
            before in ("queued", "running", "cancelling", "pausing", "paused")
        )

    @rule(job_id=ids)
    def pause(self, job_id: Any) -> None:
        before = None if job_id in self.gone else self.state(job_id)
        taken = self.asked(jobs.request_pause, job_id)
        assert taken == (before in ("queued", "running", "pausing", "paused"))

    @rule(job_id=ids)
    def resume(self, job_id: Any) -> None:
        before = None if job_id in self.gone else self.state(job_id)
        assert self.asked(jobs.request_resume, job_id) == (before == "paused")

    @rule(job_id=ids)
    def retry(self, job_id: Any) -> None:
        before = None if job_id in self.gone else self.state(job_id)
        assert self.asked(jobs.retry, job_id) == (before in ("failed", "cancelled"))

    @rule(job_id=ids)
    def delete(self, job_id: Any) -> None:
        before = None if job_id in self.gone else self.state(job_id)
        if self.asked(jobs.delete, job_id):
            assert before in TERMINAL
            self.gone.add(job_id)

    @rule(target=held, job_id=ids)
    def claims(self, job_id: Any) -> Any:
        return self.claim(job_id)

    def claim(self, job_id: Any) -> Any:
        waiting = job_id not in self.gone and self.state(job_id) == "queued"
        lease = self.do(leases.claim, job_id, owner="w", lease_seconds=LEASE_SECONDS)
        assert (lease is not None) == waiting
        if lease is not None:
            assert lease.token > self.tokens[job_id]
            self.take(lease)
        return lease or multiple()

    def take(self, lease: Any) -> None:
        self.tokens[lease.job_id] = lease.token
        self.newest[lease.job_id] = lease
        self.until[lease.job_id] = self.seconds + LEASE_SECONDS

    @rule(target=held)
    def claims_next(self) -> Any:
        """The most urgent of those that may be tried, of equals the oldest."""
        with self.database.read() as session:
            found = [jobs.get(session, job_id) for job_id in set(self.tokens) - self.gone]
        waiting = sorted((-job.priority, job.id) for job in found if job.state == "queued")
        lease = self.do(leases.claim_next, "job", owner="w", lease_seconds=LEASE_SECONDS, num_gpus=0)
        assert (lease and lease.job_id) == (waiting[0][1] if waiting else None)
        if lease is not None:
            self.take(lease)
        return lease or multiple()

    @rule(seconds=st.sampled_from([25.0, 75.0]), swept=st.booleans())
    def time_passes(self, seconds: Any, swept: Any) -> None:
        """Where a worker looks then, it moves exactly those jobs whose lease has run out, and removes what is old."""
        self.wait(seconds)
        if swept:
            self.reap()
            blobs.collect_garbage(self.database, 0.0)

    def wait(self, seconds: float) -> None:
        database_clock.jump(self.database, seconds)
        self.seconds += seconds

    def reap(self) -> None:
        silent = {job_id for job_id in self.newest if self.until[job_id] < self.seconds}
        assert set(self.do(reaper.reap, MAX_ATTEMPTS)) == silent
        for job_id in silent:
            del self.newest[job_id]

    def holds(self, lease: Any) -> bool:
        return self.newest.get(lease.job_id) == lease

    @rule(lease=held)
    def beat(self, lease: Any) -> None:
        assert self.do(leases.beat, lease, LEASE_SECONDS).held == self.holds(lease)
        if self.holds(lease):
            self.until[lease.job_id] = self.seconds + LEASE_SECONDS

    @rule(lease=held)
    def write(self, lease: Any) -> None:
        taken = self.do(leases.record, lease, events=[NewEvent("note", {"token": lease.token})])
        assert taken == self.holds(lease)
        self.notes[lease.job_id] += taken

    @rule(lease=held, step=st.integers(0, 9))
    def checkpoint(self, lease: Any, step: Any) -> None:
        sha256 = blobs.put(self.database, io.BytesIO(bytes([step]))).sha256
        assert self.do(leases.save_checkpoint, lease, sha256, "c", step) == self.holds(lease)

    @rule(lease=held, ending=st.sampled_from(ENDINGS))
    def end(self, lease: Any, ending: Any) -> None:
        if ending == "crashed":
            self.engine_dies(lease)
            return
        told = {"succeed": [{"top1": 1.0}], "fail": [{"code": "INTERNAL"}]}.get(ending, [])
        before = None if lease.job_id in self.gone else self.state(lease.job_id)
        taken = self.do(getattr(leases, ending), lease, *told)
        needs = {"finish_cancelled": ("cancelling",), "finish_paused": ("cancelling", "pausing")}.get(ending)
        assert taken == (self.holds(lease) and (needs is None or before in needs))
        if taken:
            del self.newest[lease.job_id]
            back = "paused" if before == "pausing" else "queued"
            known = {"succeed": "succeeded", "fail": "failed", "release": back, "finish_paused": "paused"}
            expected = known.get(ending)
            assert self.state(lease.job_id) == ("cancelled" if before == "cancelling" else expected)

    def engine_dies(self, lease: Any) -> None:
        assert self.do(reaper.crashed, lease, MAX_ATTEMPTS, EngineCrashed("fell")) == self.holds(lease)
        if self.holds(lease):
            del self.newest[lease.job_id]

    @rule(target=held, lease=held)
    def worker_dies(self, lease: Any) -> Any:
        """The lease runs out by the database's clock, another worker goes on, and the dead one may come back."""
        if not self.holds(lease):
            return multiple()
        self.wait(75.0)
        self.reap()
        return self.claim(lease.job_id)

    @invariant()
    def all_is_well(self) -> None:
        alive = set(self.tokens) - self.gone
        with self.database.read() as session:
            found = {job_id: jobs.get(session, job_id) for job_id in alive}
            told = {job_id: queries.events(session, job_id) for job_id in alive}
            waiting = set(session.execute(select(queue_table.c.job_id)).scalars())
        assert waiting == {job_id for job_id, job in found.items() if job.state == "queued"}
        for job_id, job in found.items():
            self.check_history(job, told[job_id])
            self.check_ending(job)

    def check_history(self, job: Any, told: Any) -> None:
        assert [one.seq for one in told] == list(range(1, len(told) + 1))
        states = [one.data["state"] for one in told if one.kind == "state"]
        assert set(pairwise([None, *states])) <= LEGAL
        assert states[-1] == job.state
        written = [one.data["token"] for one in told if one.kind == "note"]
        assert written == sorted(written)
        assert len(written) == self.notes[job.id]

    def check_ending(self, job: Any) -> None:
        assert job.done == (job.finished_at is not None) == (job.state in TERMINAL)
        assert (job.error is not None) == (job.state == "failed")
        assert (job.result is not None) == (job.state == "succeeded")
        open_attempts = [attempt for attempt in job.attempts if attempt.outcome is None]
        assert len(open_attempts) == (job.state in ("running", "pausing", "cancelling")) == (job.id in self.newest)

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.database.close()
            self.folder.cleanup()


def live(template: Path | str, examples: int, steps: int = 25) -> None:
    Life.template = template
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    with database_clock.installed():
        run_state_machine_as_test(Life, settings=chosen)


def test_any_life_keeps_the_promises(sqlite_template: Path) -> None:
    live(sqlite_template, examples=15)


@pytest.mark.slow
def test_any_life_keeps_the_promises_on_postgresql(postgres_url: str) -> None:
    live(postgres_url, examples=10)
    database = open_database(postgres_url)
    with database.begin() as session:
        session.execute(text("DROP TABLE chaos_clock"))
    database.close()


def without_fence(lease: Any) -> list[Any]:
    return [jobs_table.c.id == lease.job_id, jobs_table.c.state.in_(HELD)]


def without_state(lease: Any) -> list[bool]:
    return [jobs_table.c.id == lease.job_id, jobs_table.c.token == lease.token]


@pytest.mark.slow
@pytest.mark.parametrize("mutant", [without_fence, without_state])
def test_the_machine_catches_a_store_that_lets_stale_workers_write(
    sqlite_template: Path, monkeypatch: pytest.MonkeyPatch, mutant: Any
) -> None:
    monkeypatch.setattr(leases, "_held", mutant)
    with pytest.raises((AssertionError, IntegrityError)):
        live(sqlite_template, examples=100, steps=40)
