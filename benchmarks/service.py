"""What a long queue costs: to claim the next job, to submit one, to list jobs, to tell a job's place, to poll it.

`python benchmarks/service.py` measures SQLite; `--url postgresql://user:password@host/empty` a PostgreSQL server, whose
database is emptied. For each length of the queue and number of workers it prints the median milliseconds of each
operation, and at the end how much each grew from the shortest queue to the longest.

Workers are processes that claim, finish and submit jobs without training, so that the queue keeps its length. The jobs
belong to several tenants, in turn, so that the order among tenants is measured too. `--seconds` is spent on each row.
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session
from ulid import ULID

from core.spec import parse_job
from migrations.upgrade import upgrade
from store import jobs, leases, queue
from store.callers import Caller
from store.database import Database, open_database
from store.queue_table import queue as queue_table
from store.tables import jobs as jobs_table
from store.tables import metadata

SPEC = parse_job({"teacher": "cifar/resnet56", "dataset": "builtin:digits", "student": "nano"})
BATCH = 5000
Times = dict[str, list[float]]


def fill(database: Database, num_jobs: int, num_tenants: int) -> None:
    """Empty the database and queue so many jobs: copies of one that was submitted."""
    with database.begin() as session:
        for table in reversed(metadata.sorted_tables):
            session.execute(table.delete())
        pattern = jobs.submit(session, SPEC).job.id
        row = dict(session.execute(select(jobs_table).where(jobs_table.c.id == pattern)).mappings().one())
        session.execute(jobs_table.delete())
        in_queue = {"kind": "job", "devices": "auto", "key_id": ""}
        for start in range(0, num_jobs, BATCH):
            mine = [
                {"id": f"job_{ULID()}", "tenant": f"tenant-{number % num_tenants}", "priority": number % 3}
                for number in range(start, min(start + BATCH, num_jobs))
            ]
            session.execute(insert(jobs_table), [row | one for one in mine])
            rows = [{"job_id": one["id"], "tenant": one["tenant"], "precedence": -one["priority"]} for one in mine]
            session.execute(insert(queue_table), [in_queue | one for one in rows])
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))  # as autovacuum does


@contextmanager
def timed(times: list[float]) -> Iterator[None]:
    """Add the milliseconds of the block."""
    begun = time.perf_counter()
    yield
    times.append(1000 * (time.perf_counter() - begun))


def work(url: str, seconds: float, num_tenants: int, number: int, answers: Any) -> None:
    """One worker: claims, finishes and submits jobs, one after the other."""
    database, times = open_database(url), defaultdict(list)
    until, turn = time.monotonic() + seconds, number
    while time.monotonic() < until:
        turn += 1
        with timed(times["claim"]), database.begin() as session:
            lease = leases.claim_next(session, "job", owner=f"worker-{number}", lease_seconds=60, num_gpus=0)
        if lease is not None:
            with timed(times["finish"]), database.begin() as session:
                leases.succeed(session, lease, {"metrics": {}})
        caller = Caller(lease.tenant if lease else f"tenant-{turn % num_tenants}", "benchmark", "submit")
        with timed(times["submit"]), database.begin() as session:
            jobs.submit(session, SPEC, caller=caller)
    answers.put(dict(times))


def with_workers(url: str, count: int, seconds: float, num_tenants: int) -> Times:
    """The milliseconds of what so many workers did at once."""
    spawn = multiprocessing.get_context("spawn")
    answers: Any = spawn.Queue()
    processes = [
        spawn.Process(target=work, args=(url, seconds, num_tenants, number, answers)) for number in range(count)
    ]
    for process in processes:
        process.start()
    found = [answers.get() for _ in processes]
    for process in processes:
        process.join()
    return {name: [value for times in found for value in times.get(name, ())] for name in found[0]}


def looks(database: Database) -> dict[str, Callable[[Session], object]]:
    """What clients ask, of a job in the middle of the queue of its tenant."""
    with database.read() as session:
        ids = session.execute(select(queue_table.c.job_id).where(queue_table.c.tenant == "tenant-0")).scalars().all()
    job_id = sorted(ids)[len(ids) // 2]
    return {
        "list": lambda session: jobs.list_jobs(session, tenant="tenant-0"),
        "list failed": lambda session: jobs.list_jobs(session, tenant="tenant-0", states=("failed", "succeeded")),
        "get (200)": lambda session: jobs.get(session, job_id),
        "poll (304)": lambda session: jobs.standing(session, job_id),
        "unrung": lambda session: queue.unrung(session, 1),
    }


def look(database: Database, seconds: float) -> Times:
    """The milliseconds of each look, asked in turn."""
    times: Times = defaultdict(list)
    asked, until = looks(database), time.monotonic() + seconds
    while time.monotonic() < until:
        for name, ask in asked.items():
            with timed(times[name]), database.read() as session:
                ask(session)
    return times


def main() -> None:
    """Measure, and print the rows as they come."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="an empty PostgreSQL database; none: SQLite in a new folder")
    parser.add_argument("--jobs", type=int, nargs="+", default=[100, 10_000, 100_000])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--tenants", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=5.0)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = flags.url or f"sqlite:///{folder}/retort.db"
        database = open_database(url)
        upgrade(database)
        print(f"{database.engine.dialect.name}, {flags.tenants} tenants, median milliseconds\n")
        print("| jobs | workers | operation | median | p99 | a second |\n|---|---|---|---|---|---|")
        medians: dict[tuple[str, int], dict[int, float]] = defaultdict(dict)
        for num_jobs in flags.jobs:
            fill(database, num_jobs, flags.tenants)
            rows = [(0, look(database, flags.seconds))]
            rows += [(count, with_workers(url, count, flags.seconds, flags.tenants)) for count in flags.workers]
            for count, times in rows:
                for name, values in times.items():
                    medians[name, count][num_jobs] = statistics.median(values)
                    report(num_jobs, count, name, values, flags.seconds)
        print(f"\n| operation | workers | growth from {flags.jobs[0]} to {flags.jobs[-1]} jobs |\n|---|---|---|")
        for (name, count), found in medians.items():
            print(f"| {name} | {count or '-'} | {found[flags.jobs[-1]] / found[flags.jobs[0]]:.2f} |")
        database.close()


def report(num_jobs: int, workers: int, name: str, values: list[float], seconds: float) -> None:
    """Print one row."""
    p99 = sorted(values)[int(0.99 * (len(values) - 1))]
    cells = (num_jobs, workers or "-", name, f"{statistics.median(values):.2f}", f"{p99:.2f}")
    print("|", " | ".join(map(str, cells)), f"| {len(values) / seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
