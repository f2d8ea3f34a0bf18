"""The check of histories finds each defect on purpose, and nothing without one. Each life here is the shortest in which
the defect can show; `python -m tests.chaos.campaign --mutant NAME` looks for it in a whole service."""

import contextlib
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from api.app import create_app
from core.spec import parse_job
from store import blobs, jobs, keys, leases, reaper
from store.callers import Limits
from store.clock import from_now
from store.database import Database
from store.settings import Settings
from store.tables import jobs as jobs_table
from store.values import Lease, LogLine
from tests.chaos import mutants
from tests.chaos.history import History, chain
from tests.chaos.load import Promised
from worker.dispatcher import Ability, SharedDispatcher, Sweep
from worker.doorbell import Doorbell
from worker.fenced_writes import FencedWrites, LeaseLost
from worker.hearing import Hearing
from worker.heartbeat import Heartbeat
from worker.slots import Slots

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
STEPS = 2
SPEC = {"dataset": "builtin:digits", "student": "nano", "labels": {"steps": str(STEPS)}}


class Killed(Exception):
    """The process ends here."""


class Script:
    """Hands on a database, and what was promised."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.promised = Promised()

    def do(self, function: Callable[..., Any], *args: Any, **more: Any) -> Any:
        with self.database.begin() as session:
            return function(session, *args, **more)

    def submit(self, key: str = "k") -> str:
        job_id: str = self.do(jobs.submit, parse_job(SPEC), idempotency_key=key).job.id
        self.promised.jobs.setdefault(key, job_id)
        return job_id

    def claim(self) -> Lease:
        lease: Lease = self.do(leases.claim_next, "job", owner="w", lease_seconds=60)
        assert lease is not None
        return lease

    def says(self, lease: Lease, message: str) -> bool:
        return bool(self.do(leases.record, lease, logs=[LogLine("info", message, datetime.now(UTC))]))

    def begins(self, lease: Lease, process: int) -> None:
        path = lease.checkpoints[0].path if lease.checkpoints else "checkpoint-0"
        step = re.findall(r"\d+", path)[0]
        self.says(lease, f"training from step {step} in process {process}")

    def succeeds(self, lease: Lease) -> None:
        self.do(leases.succeed, lease, {"metrics": {"state": chain(STEPS)}})

    def goes_silent(self, lease: Lease) -> None:
        with self.database.begin() as session:
            session.execute(
                update(jobs_table).where(jobs_table.c.id == lease.job_id).values(lease_until=from_now(-1.0))
            )
        self.do(reaper.reap, 9)

    def run_what_waits(self) -> None:
        while lease := self.do(leases.claim_next, "job", owner="w", lease_seconds=60):
            self.begins(lease, 2)
            self.succeeds(lease)


def a_worker_comes_back(script: Script) -> None:
    script.submit()
    stale = script.claim()
    script.begins(stale, 1)
    script.goes_silent(stale)
    fresh = script.claim()
    script.begins(fresh, 2)
    script.says(stale, "step 1 in process 1")
    script.succeeds(stale)
    script.succeeds(fresh)


def a_worker_goes_silent(script: Script) -> None:
    script.submit()
    lease = script.claim()
    script.goes_silent(lease)
    script.run_what_waits()


class Bell:
    """A broker that loses nothing, and has nothing."""

    def ring(self, _: str) -> None:
        pass

    def count(self, _: str) -> int:
        return 1


def a_message_is_lost(script: Script) -> None:
    script.submit()
    database, slots = script.database, Slots({"job": 1, "plan": 1})
    SharedDispatcher(database, cast(Doorbell, Bell()), "retort", 0.1).dispatch()
    Sweep(database, slots, Hearing(), Ability(0, None), lambda _: script.run_what_waits()).look()


def a_submission_is_sent_again(script: Script) -> None:
    script.submit("same")
    script.submit("same")
    script.run_what_waits()


def another_tenant_looks(script: Script) -> None:
    job_id = script.submit()
    _, key = script.do(keys.create, tenant="other", name="n", scope="admin", limits=Limits())
    app = create_app(Settings(data_dir=Path("/nonexistent")), script.database, quiet=True)
    with TestClient(app, base_url="http://127.0.0.1", headers={"Authorization": f"Bearer {key}"}) as other:
        if (status := other.get(f"/v1/jobs/{job_id}").status_code) != 404:
            script.promised.broken.append(f"another tenant was answered {status}")
    script.run_what_waits()


def a_cancelled_job_loses_its_worker(script: Script) -> None:
    job_id = script.submit()
    lease = script.claim()
    script.do(jobs.request_cancel, job_id)
    script.promised.cancelled.add(job_id)
    script.goes_silent(lease)
    script.run_what_waits()


def a_worker_is_killed_in_a_checkpoint(script: Script) -> None:
    script.submit()
    lease = script.claim()
    script.begins(lease, 1)
    writes = FencedWrites(script.database, lease, cast(Heartbeat, None))
    sha256 = blobs.put(script.database, io.BytesIO(b"state")).sha256
    with contextlib.suppress(Killed, LeaseLost):
        writes.write(leases.save_checkpoint, sha256, "checkpoint-1", 1)
    script.goes_silent(lease)
    script.run_what_waits()


LIVES: dict[str, Callable[[Script], None]] = {
    "no_fence": a_worker_comes_back,
    "no_reaper": a_worker_goes_silent,
    "publish_before_commit": a_message_is_lost,
    "no_idempotency": a_submission_is_sent_again,
    "no_tenant_filter": another_tenant_looks,
    "cancel_lost_in_takeover": a_cancelled_job_loses_its_worker,
    "torn_checkpoint": a_worker_is_killed_in_a_checkpoint,
}


def test_every_mutant_has_a_life(database_url: str) -> None:
    assert set(LIVES) == set(mutants.MUTANTS)


@pytest.mark.parametrize("name", LIVES)
def test_a_mutant_is_found_and_nothing_without_it(
    name: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = Script(database)
    LIVES[name](sound)
    assert History(database).violations(sound.promised) == []
    for owner, attribute in mutants.REPLACED:
        monkeypatch.setattr(owner, attribute, getattr(owner, attribute))

    def kill(_: float) -> None:
        raise Killed

    monkeypatch.setattr(mutants.time, "sleep", kill)
    mutants.apply(name)
    with database.begin() as session:
        session.execute(jobs_table.delete())
    mutated = Script(database)
    LIVES[name](mutated)
    assert History(database).violations(mutated.promised) != []
