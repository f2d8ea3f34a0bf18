"""Defects on purpose, each of which breaks one promise: a harness that lets one of them pass proves nothing.

`apply(name)` changes the modules of the process that calls it.
"""

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import update

from api import ownership
from store import jobs, leases, queue, reaper
from store.clock import from_now
from store.queue_table import queue as queue_table
from store.tables import jobs as jobs_table
from store.values import Lease
from worker import dispatcher
from worker.fenced_writes import FencedWrites


def no_fence() -> None:
    """A write is taken from whoever once had a lease."""
    leases._held = lambda lease: [jobs_table.c.id == lease.job_id]


def no_reaper() -> None:
    """Nobody looks for jobs whose worker went silent."""
    reaper.reap = lambda *_args, **_more: []


def publish_before_commit() -> None:
    """The message counts as sent before its job can be seen, and nothing rings again or looks without a message."""
    put = queue.put

    def put_as_rung(session: Any, job_id: str) -> None:
        put(session, job_id)
        session.execute(update(queue_table).where(queue_table.c.job_id == job_id).values(rung_at=from_now()))

    queue.put = put_as_rung
    queue.rung = lambda *_: []
    dispatcher.Sweep.look = lambda _: None  # type: ignore[assignment]
    wanted = dispatcher.PrivateDispatcher._wanted

    def only_unrung(self: Any) -> Any:
        with self._database.read() as session:
            return wanted(self) if queue.unrung(session, 1) else {}

    dispatcher.PrivateDispatcher._wanted = only_unrung  # type: ignore[method-assign]


def no_idempotency() -> None:
    """The same key makes a job each time."""
    jobs._reserve = lambda *_: None


def no_tenant_filter() -> None:
    """A job is shown to whoever knows its id."""
    ownership.jobs.check_owner = lambda *_: None  # type: ignore[assignment]


def cancel_lost_in_takeover() -> None:
    """A job whose cancel was asked for is queued again when its worker goes silent."""
    lose = reaper._lose

    def lose_as_running(session: Any, row: Any, *more: Any) -> bool:
        if row.state == "cancelling":
            session.execute(update(jobs_table).where(jobs_table.c.id == row.id).values(state="running"))
            row = session.execute(jobs_table.select().where(jobs_table.c.id == row.id)).one()
        return lose(session, row, *more)

    reaper._lose = lose_as_running  # type: ignore[assignment]


def torn_checkpoint() -> None:
    """A checkpoint is announced first, and its content follows in a transaction of its own."""
    write, save = FencedWrites.write, leases.save_checkpoint

    def announce(session: Any, lease: Lease, sha256: str, path: str, step: int) -> bool:
        mine = jobs_table.c.id == lease.job_id
        old = session.execute(jobs_table.select().where(mine)).one()
        held = save(session, lease, sha256, path, step)
        content = {"checkpoint_sha256": old.checkpoint_sha256, "checkpoint_path": old.checkpoint_path}
        session.execute(update(jobs_table).where(mine).values(content))
        return held

    def put_content(session: Any, lease: Lease, sha256: str, path: str) -> bool:
        content = {"checkpoint_sha256": sha256, "checkpoint_path": path}
        found = session.execute(update(jobs_table).where(*leases._held(lease)).values(content))
        return bool(found.rowcount)

    def write_in_parts(self: FencedWrites, transition: Any, *args: Any, **more: Any) -> None:
        if transition is not save:
            return write(self, transition, *args, **more)
        write(self, announce, *args)
        time.sleep(0.2)
        return write(self, put_content, *args[:2])

    FencedWrites.write = write_in_parts  # type: ignore[method-assign]


MUTANTS: dict[str, Callable[[], None]] = {
    mutant.__name__: mutant
    for mutant in (
        no_fence, no_reaper, publish_before_commit, no_idempotency, no_tenant_filter, cancel_lost_in_takeover,
        torn_checkpoint,
    )
}  # fmt: skip


# Whatever the mutants replace, so that a test can put it back.
REPLACED: tuple[tuple[Any, str], ...] = (
    (leases, "_held"), (reaper, "reap"), (reaper, "_lose"), (queue, "put"), (queue, "rung"), (jobs, "_reserve"),
    (jobs, "check_owner"), (dispatcher.Sweep, "look"), (dispatcher.PrivateDispatcher, "_wanted"),
    (FencedWrites, "write"),
)  # fmt: skip


def apply(name: str) -> None:
    """Apply the mutant of this name to the modules of this process; the empty name is none."""
    if name:
        MUTANTS[name]()
