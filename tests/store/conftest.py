"""What the tests of the store share: a spec, and short ways into the states of a job."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from core.spec import JobSpec, parse_job
from store import blobs, jobs, leases
from store.clock import from_now
from store.database import Database
from store.states import KINDS, Kind
from store.tables import jobs as jobs_table
from store.values import Job, Lease

SPEC = {"teacher": "cifar/resnet56", "dataset": "builtin:digits", "student": "nano"}


class Bench:
    """A database with hands: each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def spec(self, **fields: Any) -> JobSpec:
        """A small job with these fields changed."""
        return parse_job({**SPEC, **fields})

    def submit(self, *, kind: str = "job", key: str | None = None, sha: str | None = None, **fields: Any) -> Job:
        """A queued job."""
        return self.do(jobs.submit, self.spec(**fields), kind=kind, idempotency_key=key, body_sha256=sha).job

    def claim(self, job_id: str, *, owner: str = "worker-1", seconds: float = 60.0) -> Lease:
        """The lease of a queued job."""
        lease = self.do(leases.claim, job_id, owner=owner, lease_seconds=seconds)
        assert lease is not None
        return lease

    def running(self, **fields: Any) -> Lease:
        """The lease of a new job."""
        return self.claim(self.submit(**fields).id)

    def get(self, job_id: str) -> Job:
        """The job as it stands."""
        with self.database.read() as session:
            return jobs.get(session, job_id)

    def do(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """One function of the store in a writing transaction."""
        with self.database.begin() as session:
            return function(session, *args, **kwargs)

    def read(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """One function of the store in a reading transaction."""
        with self.database.read() as session:
            return function(session, *args, **kwargs)

    def order(self, *kinds: Kind, **limits: Any) -> list[str]:
        """The ids of queued jobs in the order in which workers would claim them; nothing is changed."""
        found: list[str] = []
        with self.database.engine.connect() as connection, Session(connection) as session:
            for kind in kinds or KINDS:
                while lease := leases.claim_next(session, kind, owner="nobody", lease_seconds=60, **limits):
                    found.append(lease.job_id)
            session.rollback()
        return found

    def expire(self, job_id: str) -> None:
        """Let the job's lease have run out a second ago."""
        with self.database.begin() as session:
            session.execute(update(jobs_table).where(jobs_table.c.id == job_id).values(lease_until=from_now(-1.0)))

    def blob(self, content: bytes = b"content") -> str:
        """The sha256 of stored content."""
        return blobs.put(self.database, io.BytesIO(content)).sha256


@pytest.fixture
def bench(database: Database) -> Bench:
    """A bench on each kind of database."""
    return Bench(database)
