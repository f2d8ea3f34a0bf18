"""What is broken, each by a function that also repairs it."""

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable

from sqlalchemy import make_url

from tests.chaos import database_clock
from tests.chaos.world import LEASE_SECONDS, World, children_of, has_job, stopped, wait_until_writable

ASLEEP_SECONDS = 2.5 * LEASE_SECONDS
Fault = Callable[[World, random.Random], None]


def _victim(world: World, chance: random.Random) -> subprocess.Popen[bytes]:
    """A worker, one that has a job if there is any."""
    busy = [worker for worker in world.workers if any(map(has_job, children_of(worker.pid)))]
    return chance.choice(busy or world.workers)


def kill_worker(world: World, chance: random.Random) -> None:
    index = world.workers.index(_victim(world, chance))
    world.workers[index].kill()
    world.workers[index].wait()
    time.sleep(chance.uniform(0.0, 0.5))
    world.workers[index] = world.start_worker()


def stop_worker(world: World, chance: random.Random) -> None:
    """Longer than its lease: it wakes up as one that others have taken for dead. Its engine goes on meanwhile."""
    victim = _victim(world, chance)
    until = time.monotonic() + 5
    while time.monotonic() < until:
        with stopped([victim.pid]):
            if world.mode == "distributed" or _is_free(world):
                time.sleep(ASLEEP_SECONDS)
                return
        time.sleep(0.02)


def _is_free(world: World) -> bool:
    """Whether nobody holds SQLite's write lock: a writer asleep is a database asleep."""
    path = str(make_url(world.url).database)
    connection = sqlite3.connect(path, timeout=0.3, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return False
    finally:
        connection.close()
    return True


def kill_engine(world: World, chance: random.Random) -> None:
    if engines := world.engines():
        with contextlib.suppress(ProcessLookupError):
            os.kill(chance.choice(engines), signal.SIGKILL)


def stop_engine(world: World, chance: random.Random) -> None:
    if engines := world.engines():
        with stopped([chance.choice(engines)]):
            time.sleep(ASLEEP_SECONDS)


def kill_api(world: World, chance: random.Random) -> None:
    world.api.kill()
    world.api.wait()
    time.sleep(chance.uniform(0.0, 0.5))
    world.api = world.start_api()


def stop_api(world: World, chance: random.Random) -> None:
    with stopped([world.api.pid]):
        time.sleep(chance.uniform(0.5, 2.0))


def kill_broker(world: World, chance: random.Random) -> None:
    assert world.redis is not None
    world.redis.kill()
    world.redis.wait()
    time.sleep(chance.uniform(0.0, 2.0))
    world.start_redis()


def flush_broker(world: World, _: random.Random) -> None:
    world.flush_redis()


def stop_broker(world: World, chance: random.Random) -> None:
    assert world.redis is not None
    with stopped([world.redis.pid]):
        time.sleep(chance.uniform(0.5, 3.0))


def restart_database(world: World, chance: random.Random) -> None:
    """At once, as by a crash: what was not committed is gone."""
    assert world.postgres is not None
    world.postgres.stop()
    time.sleep(chance.uniform(0.0, 1.0))
    world.postgres = world.postgres.start_again()
    wait_until_writable(world.database)


def stop_database(world: World, chance: random.Random) -> None:
    assert world.postgres is not None
    pid = world.postgres.process.pid
    with stopped([pid, *children_of(pid)]):
        time.sleep(chance.uniform(0.5, LEASE_SECONDS))


def lock_database(world: World, chance: random.Random) -> None:
    """Another program holds SQLite's write lock."""
    connection = sqlite3.connect(str(make_url(world.url).database), timeout=10, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    time.sleep(chance.uniform(0.5, LEASE_SECONDS))
    connection.close()


def jump_clock(world: World, chance: random.Random) -> None:
    """The database's clock goes an hour ahead or back."""
    database_clock.jump(world.database, chance.choice((3600.0, -3600.0)))


EVERYWHERE: tuple[Fault, ...] = (
    stop_worker, kill_worker, kill_engine, stop_engine, kill_api, stop_worker, stop_api, jump_clock,
)  # fmt: skip
EMBEDDED: tuple[Fault, ...] = (*EVERYWHERE, lock_database)
DISTRIBUTED: tuple[Fault, ...] = (
    *EVERYWHERE, kill_broker, flush_broker, stop_broker, restart_database, stop_database,
)  # fmt: skip
