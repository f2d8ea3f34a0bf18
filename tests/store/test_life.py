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
from sqlalchemy import event, update
from sqlalchemy.exc import IntegrityError

from core.spec import parse_job
from store import blobs, jobs, leases, outbox, queries, reaper
from store.clock import from_now
from store.database import open_database
from store.errors import IllegalTransition, JobNotFound
from store.states import HELD, TERMINAL
from store.tables import jobs as jobs_table
from store.values import NewEvent

SPEC = parse_job({"teacher": "cifar/resnet56", "dataset": "builtin:digits", "student": "nano"})
MAX_ATTEMPTS = 2
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
    template: Path

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        shutil.copy(self.template, f"{self.folder.name}/x.db")
        self.database = open_database(f"sqlite:///{self.folder.name}/x.db")
        event.listen(self.database.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF"))  # for speed
        self.newest, self.tokens, self.notes, self.gone = {}, {}, {}, set()

    def do(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        with self.database.begin() as session:
            return function(session, *args, **kwargs)

    def state(self, job_id: str) -> str:
        with self.database.read() as session:
            return jobs.get(session, job_id).state

    @rule(target=ids, key=st.sampled_from([None, "a", "b"]))
    def submit(self, key: Any) -> Any:
        job = self.do(jobs.submit, SPEC, idempotency_key=key).job
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
        lease = self.do(leases.claim, job_id, owner="w", lease_seconds=60)
        assert (lease is not None) == waiting
        if lease is not None:
            assert lease.token > self.tokens[job_id]
            self.tokens[job_id] = lease.token
            self.newest[job_id] = lease
        return lease or multiple()

    def holds(self, lease: Any) -> bool:
        return self.newest.get(lease.job_id) == lease

    @rule(lease=held)
    def beat(self, lease: Any) -> None:
        assert self.do(leases.beat, lease, 60).held == self.holds(lease)

    @rule(lease=held)
    def write(self, lease: Any) -> None:
        taken = self.do(leases.record, lease, events=[NewEvent("note", {"token": lease.token})])
        assert taken == self.holds(lease)
        self.notes[lease.job_id] += taken

    @rule(lease=held, step=st.integers(0, 9))
    def checkpoint(self, lease: Any, step: Any) -> None:
        sha256 = blobs.put(self.database, io.BytesIO(bytes([step]))).sha256
        assert self.do(leases.save_checkpoint, lease, sha256, "c", step) == self.holds(lease)

    @rule(lease=held, ending=st.sampled_from(["succeed", "fail", "release", "finish_cancelled", "finish_paused"]))
    def end(self, lease: Any, ending: Any) -> None:
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

    @rule(target=held, lease=held, again=st.booleans())
    def worker_dies(self, lease: Any, again: Any) -> Any:
        """The lease runs out by the database's clock; the dead worker still has its lease and may come back."""
        if not self.holds(lease):
            return multiple()
        with self.database.begin() as session:
            session.execute(update(jobs_table).where(jobs_table.c.id == lease.job_id).values(lease_until=from_now(-1)))
        assert self.do(reaper.reap, MAX_ATTEMPTS) == [lease.job_id]
        del self.newest[lease.job_id]
        return self.claim(lease.job_id) if again else multiple()

    @invariant()
    def all_is_well(self) -> None:
        alive = set(self.tokens) - self.gone
        with self.database.read() as session:
            found = {job_id: jobs.get(session, job_id) for job_id in alive}
            told = {job_id: queries.events(session, job_id) for job_id in alive}
            sent = {one.job_id for one in outbox.dispatchable(session, limit=999, resend_seconds=-1)}
        assert sent == {job_id for job_id, job in found.items() if job.state == "queued"}
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


def live(template: Path, examples: int) -> None:
    Life.template = template
    chosen = settings(
        max_examples=examples,
        stateful_step_count=25,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Life, settings=chosen)


def test_any_life_keeps_the_promises(sqlite_template: Path) -> None:
    live(sqlite_template, examples=15)


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
        live(sqlite_template, examples=60)
