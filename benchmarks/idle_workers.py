"""What workers without jobs cost the database: `python benchmarks/idle_workers.py --url postgresql://...`.

So many workers' periodic looks run in this process: the registry, the reaper, the sweep, and the dispatcher, first each
in its own time, as one worker alone looks, then in a rhythm that they share. Prints the statements a second and the CPU
seconds of the server's processes a second, which must be on this machine. The database is emptied.
"""

import argparse
import contextlib
import os
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

from sqlalchemy import event, text

from migrations.upgrade import upgrade
from store import workers
from store.database import Database, open_database
from store.settings import Settings
from store.tables import metadata
from worker.dispatcher import Ability, SharedDispatcher, Sweep
from worker.doorbell import Doorbell
from worker.hearing import Hearing
from worker.periodic import Periodic
from worker.reaper import Reaper
from worker.registry import Registration
from worker.service import SWEEP_SECONDS
from worker.slots import Slots

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def idle_workers(database: Database, count: int, settings: Settings) -> Iterator[None]:
    """The threads of so many workers that have nothing to do."""
    threads: list[Periodic] = []
    for number in range(count):
        registration = Registration(f"worker-{number}", ("cpu",), 1, "benchmark")
        slots, doorbell = Slots({"job": 1, "plan": 1}), cast(Doorbell, None)  # nothing is rung for
        sweep = Sweep(database, slots, Hearing(), Ability(0, None), lambda _: None)
        dispatcher = SharedDispatcher(database, doorbell, "retort", settings.dispatch_seconds)
        registration.announce(database, False)
        threads += [
            Periodic("registry", partial(registration.announce, database, False), settings.beat_seconds),
            Periodic("reaper", Reaper(database, settings).look, settings.reaper_seconds),
            Periodic("dispatcher", dispatcher.dispatch, settings.dispatch_seconds),
            Periodic("sweep", sweep.look, SWEEP_SECONDS),
        ]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.stop(0.0)


def cpu_seconds(database: Database) -> float:
    """Of the server's processes that serve this database."""
    with database.read() as session:
        pids = session.execute(text("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")).scalars()
        stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(fields[11]) + int(fields[12]) for fields in stats) / TICKS_PER_SECOND


def measure(database: Database, count: int, settings: Settings, seconds: float) -> tuple[float, float]:
    """Statements and CPU seconds of the server, a second."""
    asked = 0
    lock = threading.Lock()

    def add(*_: Any) -> None:
        nonlocal asked
        with lock:
            asked += 1

    with idle_workers(database, count, settings):
        time.sleep(5)  # until connections are open and statements compiled
        event.listen(database.engine, "before_cursor_execute", add)
        before = cpu_seconds(database)
        time.sleep(seconds)
        used = cpu_seconds(database) - before
        event.remove(database.engine, "before_cursor_execute", add)
    return asked / seconds, used / seconds


def main() -> None:
    """Measure both ways and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--workers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20.0)
    flags = parser.parse_args()
    settings = Settings()
    count_alive = workers.count_alive
    for name, alone in (("each in its own time", True), ("in a rhythm that they share", False)):
        database = open_database(flags.url, pool_size=flags.workers)
        upgrade(database)
        with database.begin() as session:
            for table in reversed(metadata.sorted_tables):
                session.execute(table.delete())
        workers.count_alive = (lambda *_: 1) if alone else count_alive
        statements, used = measure(database, flags.workers, settings, flags.seconds)
        print(f"{flags.workers} workers, {name}: {statements:.0f} statements/s, {100 * used:.1f} % of a core")
        database.close()


if __name__ == "__main__":
    main()
