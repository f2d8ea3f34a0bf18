"""What a long queue costs: to claim the next job, to submit one, to list jobs, to tell a job's place, to poll it.

`python benchmarks/service.py` measures SQLite; `--url postgresql+psycopg://user:password@host/database` a PostgreSQL
server, on which it makes databases of its own. It prints the median milliseconds of each operation and how much they
grew from the shortest queue to the longest. All lengths are measured in turn, several times, so that other work of the
machine meets them alike.

Workers are processes that claim, finish and submit jobs without training, so that the queue keeps its length. The jobs
belong to several tenants, in turn, so that the order among tenants is measured too.
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import create_engine, insert, make_url, select, text
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
            mine: list[dict[str, Any]] = [
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
    database = open_database(url)
    times: Times = defaultdict(list)
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
    fork = multiprocessing.get_context("fork")  # starts at once; each opens connections of its own
    answers: Any = fork.Queue()
    processes = [
        fork.Process(target=work, args=(url, seconds, num_tenants, number, answers)) for number in range(count)
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


@contextmanager
def databases(url: str | None, lengths: Sequence[int]) -> Iterator[dict[int, str]]:
    """A database of its own for each length of the queue: files, or databases of the server, dropped at the end."""
    with tempfile.TemporaryDirectory() as folder:
        if url is None:
            yield {length: f"sqlite:///{folder}/{length}.db" for length in lengths}
            return
        names = {length: f"retort_benchmark_{length}" for length in lengths}
        server = create_engine(url, isolation_level="AUTOCOMMIT")
        with server.connect() as connection:
            for name in names.values():
                connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
                connection.execute(text(f"CREATE DATABASE {name}"))
            parsed = make_url(url)
            yield {
                length: parsed.set(database=name).render_as_string(hide_password=False)
                for length, name in names.items()
            }
            for name in names.values():
                connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def main() -> None:
    """Measure all lengths in turn, several times, and print what each operation cost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--url", help="a PostgreSQL server on which databases may be made; none: SQLite in a new folder"
    )
    parser.add_argument("--jobs", type=int, nargs="+", default=[100, 10_000, 100_000])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--tenants", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    flags = parser.parse_args()
    times: dict[tuple[str, int, int], list[float]] = defaultdict(list)
    with databases(flags.url, flags.jobs) as urls:
        for length, url in urls.items():
            database = open_database(url)
            upgrade(database)
            fill(database, length, flags.tenants)
            database.close()
        for _ in range(flags.rounds):
            for length, url in urls.items():
                for name, count, values in one_round(url, flags):
                    times[name, count, length] += values
    report(times, flags.jobs)


def one_round(url: str, flags: argparse.Namespace) -> Iterator[tuple[str, int, list[float]]]:
    """Operation, number of workers (0: none), milliseconds, of one length of the queue."""
    database = open_database(url)
    found = [(0, look(database, flags.seconds))]
    database.close()
    found += [(count, with_workers(url, count, flags.seconds, flags.tenants)) for count in flags.workers]
    for count, times in found:
        for name, values in times.items():
            yield name, count, values


def report(times: dict[tuple[str, int, int], list[float]], lengths: Sequence[int]) -> None:
    """Print the median milliseconds of each operation, and how they grew from the shortest queue to the longest."""
    print(f"| operation | workers | {' | '.join(f'{length} jobs' for length in lengths)} | growth |")
    print("|---|---|" + "---|" * (len(lengths) + 1))
    for name, count in dict.fromkeys((name, count) for name, count, _ in times):
        medians = [statistics.median(times[name, count, length]) for length in lengths]
        cells = [f"{median:.2f} ms" for median in medians]
        print(f"| {name} | {count or '-'} | {' | '.join(cells)} | {medians[-1] / medians[0]:.2f} |")


if __name__ == "__main__":
    main()
