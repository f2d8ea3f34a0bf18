"""The cache of a worker's folder is bounded, and nothing goes that a running attempt uses."""

import os
import time
from pathlib import Path

import pytest

from core.policy import Policy
from store import growth
from store.database import Database
from store.growth import DATABASE
from store.settings import Settings
from store.values import Lease
from worker.cache_sweep import CacheSweep
from worker.folder import AttemptFolder, attempts_below, cache_below
from worker.sweeper import Sweeper

DAY = 86_400.0
LEASE = Lease("job_01K00000000000000000000000", "job", 7, 2, {}, (), 0.0, None, 60.0)


def put(cache: Path, name: str, days: float, num_bytes: int = 100_000) -> Path:
    """An entry that was last used so many days ago."""
    path = cache / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(num_bytes))
    for one in (path, *([path.parent] if path.parent.parent != cache else [])):
        os.utime(one, (time.time() - days * DAY,) * 2)
    return path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, max_cache_bytes=250_000, min_free_bytes=0)


@pytest.fixture
def cache(settings: Settings) -> Path:
    return cache_below(settings.data_dir)


def sweep_of(settings: Settings) -> CacheSweep:
    return CacheSweep(cache_below(settings.data_dir), attempts_below(settings.data_dir), settings)


def test_the_longest_unused_go_first_and_only_beyond_the_limit(settings: Settings, cache: Path) -> None:
    paths = [put(cache, f"downloads/{days}/file", days) for days in (4, 3, 2, 1)]
    dry = sweep_of(settings).sweep(dry_run=True)
    assert [(one.kind, one.due_count, one.kept_count) for one in dry] == [("cache: downloads", 2, 4)]
    (told,) = sweep_of(settings).sweep()
    assert [path.exists() for path in paths] == [False, False, True, True]
    assert (told.removed_count, told.kept_count) == (2, 2) and told.removed_bytes >= 200_000
    assert sweep_of(settings).sweep()[0].removed_count == 0


def test_what_was_not_used_for_long_goes(settings: Settings, cache: Path) -> None:
    old, new = put(cache, "decoded/a/pixels", 31, 10), put(cache, "decoded/b/pixels", 29, 10)
    bounded = put(cache, "teacher-pass/a/view-0000", 31, 10)
    torn = put(cache, "kernels/.abc.part", 2, 10)
    sweep_of(settings).sweep()
    assert [path.exists() for path in (old, new, bounded, torn)] == [False, True, True, False]


def test_a_running_attempt_keeps_what_was_used_since_it_began(settings: Settings, cache: Path) -> None:
    used, unused = put(cache, "downloads/used/file", 0.5), put(cache, "downloads/unused/file", 3)
    others = [put(cache, f"inflated/{number}.tar", 0.2) for number in range(4)]
    with AttemptFolder(attempts_below(settings.data_dir), LEASE) as folder:
        folder.write_spec_and_policy({}, Policy())
        sweep_of(settings).sweep(lacking_bytes=1 << 40)
        assert [path.exists() for path in (used, *others)] == [True] * 5
        assert not unused.exists()
    sweep_of(settings).sweep(lacking_bytes=1 << 40)
    assert not any(path.exists() for path in (used, *others))


def test_one_worker_of_a_folder_sweeps_at_a_time(settings: Settings, cache: Path) -> None:
    import fcntl

    old = put(cache, "downloads/a/file", 31)
    lock = os.open(cache / ".sweep.lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    assert sweep_of(settings).sweep() == [] and old.exists()
    os.close(lock)
    sweep_of(settings).sweep()
    assert not old.exists()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_worker_sweeps_in_time_and_at_once_where_the_disk_is_full(
    database: Database, settings: Settings, cache: Path
) -> None:
    settings = settings.model_copy(update={"reaper_seconds": 0.0})
    old = put(cache, "downloads/a/file", 31)
    Sweeper(database, settings).look()
    assert not old.exists()
    with database.read() as session:
        told = {(one.place, one.kind): one for one in growth.figures(session)}
    (place,) = {place for place, _ in told} - {DATABASE}
    assert str(settings.data_dir) in place and told[place, "cache: downloads"].removed_count == 1
    new = put(cache, "downloads/b/file", 1)
    full = settings.model_copy(update={"min_free_bytes": 1 << 60, "reaper_seconds": 1e6, "sweep_seconds": 1e6})
    Sweeper(database, full).look()
    assert not new.exists()
