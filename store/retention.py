"""How long the database keeps what nobody needs any more, and its removal in small transactions.

Nothing here touches what a job needs that may still run: a job that is queued, paused or held keeps all of its rows,
and so does an ended one that such a job names as a teacher.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, Table, and_, delete, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from store import blobs
from store.clock import from_now
from store.database import Database
from store.dataset_tables import datasets
from store.growth import Swept
from store.retained_jobs import is_needed
from store.settings import Settings
from store.states import TERMINAL
from store.tables import audit, events, idempotency_keys, jobs, previous_checkpoints, sessions, workers
from store.tables import blobs as blob_rows
from store.webhook_tables import webhook_deliveries

BATCH_ROWS = 2000  # removed in one transaction, which takes hundredths of a second
PLAN_SECONDS = 3600.0  # a plan is read within seconds of its end
SILENT_WORKER_SECONDS = 24 * 3600.0
# A replaced checkpoint may be 100 MB, and a job replaces one a minute. Longer than any pause between the last byte of a
# blob and the row that refers to it: a lease would have run out.
ORPHAN_SECONDS = 600.0
DAY_SECONDS = 86_400.0


@dataclass(frozen=True)
class Rule:
    """One kind of thing that is due, and why; `rows` counts it as (count, bytes), `remove` removes it."""

    kind: str
    reason: str
    rows: Callable[[Session], tuple[int, int]]
    remove: Callable[[Database], int]


def rules(settings: Settings) -> list[Rule]:
    """The rules of an installation."""
    old_plans = (jobs.c.kind == "plan", jobs.c.state.in_(TERMINAL), _before(jobs.c.finished_at, PLAN_SECONDS))
    found = [
        _rows("plans", "ended an hour ago", jobs, *old_plans),
        _events(settings.event_seconds),
        _checkpoints(settings.checkpoint_seconds),
        _rows("audit entries", _older(settings.audit_seconds), audit, _before(audit.c.at, settings.audit_seconds)),
        *_deliveries(settings),
        _idempotency_keys(settings.idempotency_seconds),
        _uploads(settings.upload_seconds),
        _rows("sessions", "expired", sessions, _before(sessions.c.expires_at, 0.0)),
        _rows("workers", "silent for a day", workers, _before(workers.c.last_seen_at, SILENT_WORKER_SECONDS)),
    ]
    if settings.job_seconds is not None:
        found.insert(0, _ended_jobs(settings.job_seconds))
    return [*found, Rule("files", "nothing refers to them", _orphans, _remove_orphans)]


def due(session: Session, given: Sequence[Rule]) -> list[Swept]:
    """What the rules would remove now."""
    found = []
    for rule in given:
        count, num_bytes = rule.rows(session)
        found.append(Swept(rule.kind, rule.reason, due_count=count, due_bytes=num_bytes))
    return found


def sweep(database: Database, given: Sequence[Rule]) -> list[Swept]:
    """Remove what is due; what was removed."""
    removed = [Swept(rule.kind, rule.reason, removed_count=rule.remove(database)) for rule in given]
    with database.read() as session:
        count, num_bytes = _sizes(session)
    return [*removed[:-1], replace(removed[-1], kept_count=count, kept_bytes=num_bytes)]


def _rows(kind: str, reason: str, table: Table, *where: ColumnElement[bool]) -> Rule:
    """Rows of one table that fit all conditions."""
    return Rule(
        kind, reason, lambda session: _count(session, table, where), lambda database: _remove(database, table, where)
    )


def _before(moment: ColumnElement[object], seconds: float) -> ColumnElement[bool]:
    return moment < from_now(-seconds)


def _older(seconds: float) -> str:
    return f"older than {seconds / DAY_SECONDS:g} days"


def _ended_jobs(seconds: float) -> Rule:
    where = (jobs.c.kind == "job", jobs.c.state.in_(TERMINAL), _before(jobs.c.finished_at, seconds), ~is_needed())
    return _rows("jobs", f"ended more than {seconds / DAY_SECONDS:g} days ago", jobs, *where)


def _events(seconds: float) -> Rule:
    """Log lines and the like of ended jobs; what states a job went through stays."""
    old = select(jobs.c.id).where(jobs.c.state.in_(TERMINAL), _before(jobs.c.finished_at, seconds))
    reason = f"of jobs that ended more than {seconds / DAY_SECONDS:g} days ago"
    return _rows("events", reason, events, events.c.job_id.in_(old), events.c.kind != "state")


def _idempotency_keys(seconds: float) -> Rule:
    where = _before(idempotency_keys.c.created_at, seconds)
    return _rows("idempotency keys", _older(seconds), idempotency_keys, where)


def _uploads(seconds: float) -> Rule:
    where = (datasets.c.completed_at.is_(None), _before(datasets.c.updated_at, seconds))
    return _rows("unfinished uploads", f"nothing came for {seconds / DAY_SECONDS:g} days", datasets, *where)


def _deliveries(settings: Settings) -> list[Rule]:
    kept = {"delivered": settings.delivered_seconds, "dead": settings.undelivered_seconds}
    return [
        _rows(
            f"{state} webhook messages",
            _older(seconds),
            webhook_deliveries,
            webhook_deliveries.c.state == state,
            _before(webhook_deliveries.c.ended_at, seconds),
        )
        for state, seconds in kept.items()
    ]


def _checkpoints(seconds: float) -> Rule:
    """Those of failed and cancelled jobs, which a retry would go on from."""
    old = and_(
        jobs.c.checkpoint_sha256.is_not(None),
        jobs.c.state.in_(TERMINAL),
        or_(jobs.c.state == "succeeded", _before(jobs.c.finished_at, seconds)),
    )

    def count(session: Session) -> tuple[int, int]:
        last = select(jobs.c.checkpoint_sha256.label("sha256")).where(old)
        before = select(previous_checkpoints.c.sha256).where(
            previous_checkpoints.c.job_id.in_(select(jobs.c.id).where(old))
        )
        return _sizes(session, blob_rows.c.sha256.in_(last.union(before)))

    def remove(database: Database) -> int:
        with database.begin() as session:
            removed, _ = count(session)
            gone = select(jobs.c.id).where(old)
            session.execute(delete(previous_checkpoints).where(previous_checkpoints.c.job_id.in_(gone)))
            nothing = {"checkpoint_sha256": None, "checkpoint_path": None, "checkpoint_step": None}
            session.execute(update(jobs).where(old).values(nothing))
            return removed

    return Rule("checkpoints", f"of jobs that ended more than {seconds / DAY_SECONDS:g} days ago", count, remove)


def _orphans(session: Session) -> tuple[int, int]:
    return _sizes(session, blobs.is_garbage(ORPHAN_SECONDS))


def _remove_orphans(database: Database) -> int:
    return blobs.collect_garbage(database, ORPHAN_SECONDS)


def _sizes(session: Session, *where: ColumnElement[bool]) -> tuple[int, int]:
    """The number of blobs that fit, and their bytes."""
    size = func.coalesce(func.sum(blob_rows.c.size_bytes), 0)
    count, num_bytes = session.execute(select(func.count(), size).select_from(blob_rows).where(*where)).one()
    return int(count), int(num_bytes)


def _count(session: Session, table: Table, where: Sequence[ColumnElement[bool]]) -> tuple[int, int]:
    count: int = session.execute(select(func.count()).select_from(table).where(*where)).scalar_one()
    return count, 0


def _remove(database: Database, table: Table, where: Sequence[ColumnElement[bool]]) -> int:
    """Remove the rows in batches, so that no transaction holds others up; how many."""
    key = tuple_(*table.primary_key.columns)
    some = select(*table.primary_key.columns).where(*where).limit(BATCH_ROWS)
    removed = 0
    while True:
        with database.begin() as session:
            count: int = session.execute(delete(table).where(key.in_(some))).rowcount
        removed += count
        if count < BATCH_ROWS:
            return removed
