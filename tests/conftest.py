"""Databases and brokers for every test: fresh, migrated by Alembic, real.

`database_url` and `database` run a test on SQLite and on PostgreSQL; `sqlite_url` and `postgres_url` on one of them.
The servers are those that RETORT_TEST_POSTGRES_URL, RETORT_TEST_REDIS_URL and RETORT_TEST_S3_URL name, else the tests
start their own.
"""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fresh_clone import make_fresh_clone
from guarded import missing, server_url, start_guardian, stop_guardian
from sqlalchemy import create_engine, make_url, text

from migrations.upgrade import upgrade
from store.database import Database, open_database
from store.object_store import ObjectStore, S3Address
from store.tables import metadata
from worker.environment import SPIN_COUNT

# Where `retort up` notes its data folder: not among those of the person who runs the tests.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="retort-test-state-")
# Before torch is loaded, which reads it: tests share cores with engines and servers that they start.
os.environ.update(SPIN_COUNT)
# Several processes of tests share the cores, each with as many threads as leave the others theirs.
if num_processes := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // int(num_processes)))

BOTH = [pytest.param("sqlite"), pytest.param("postgres", marks=pytest.mark.servers)]


# What takes seconds to set up or to use: whole jobs, processes of the service, a browser, a clone.
SLOW_FIXTURES = {"run_job", "digits_teacher", "start_worker", "service", "browser", "fresh_clone"}

_guardian = pytest.StashKey[subprocess.Popen[bytes]]()


def pytest_configure(config: pytest.Config) -> None:
    """One guardian of servers for a session, which the processes of pytest-xdist share."""
    if not hasattr(config, "workerinput"):
        config.stash[_guardian] = start_guardian()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark as slow what uses a slow fixture; other slow tests carry the marker themselves."""
    if not SLOW_FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
        item.add_marker(pytest.mark.slow)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the servers."""
    if guardian := config.stash.get(_guardian, None):
        stop_guardian(guardian)


def migrate(url: str) -> None:
    """Give the database the newest schema."""
    database = open_database(url)
    upgrade(database)
    database.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty database file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """An empty database of this test's own."""
    path = tmp_path / "retort.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def postgres_database() -> Iterator[str]:
    """A migrated database of this session's own on the test server, dropped at its end."""
    server = make_url(server_url("RETORT_TEST_POSTGRES_URL")).set(drivername="postgresql+psycopg")
    name = f"retort_test_{secrets.token_hex(6)}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    url = server.set(database=name).render_as_string(hide_password=False)
    migrate(url)
    yield url
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture
def postgres_url(postgres_database: str) -> str:
    """The session's PostgreSQL database, emptied."""
    engine = create_engine(postgres_database)
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {', '.join(metadata.tables)} RESTART IDENTITY CASCADE"))
    engine.dispose()
    return postgres_database


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database, on SQLite and on PostgreSQL in turn."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """`database_url`, opened."""
    opened = open_database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """The folder of a file system of 8 MiB of the test's own, which takes root to mount."""
    folder = tmp_path / "small-disk"
    folder.mkdir()
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    options = f"size=8m,mode=0777,uid={os.getuid()}"
    try:
        subprocess.run(
            [*as_root, "mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        missing(f"no small file system can be mounted: {error}")
    yield folder
    subprocess.run([*as_root, "umount", "--lazy", folder], check=True)


@pytest.fixture(scope="session")
def redis_url() -> str:
    """The test Redis; shared, so use no keys but those that begin with `redis_prefix`."""
    return server_url("RETORT_TEST_REDIS_URL")


@pytest.fixture
def redis_prefix(redis_url: str) -> Iterator[str]:
    """A prefix of this test's own; what is stored below it is removed at the end."""
    import redis

    prefix = f"retort_test_{secrets.token_hex(6)}"
    yield prefix
    client = redis.Redis.from_url(redis_url)
    for key in client.scan_iter(f"{prefix}*"):
        client.delete(key)
    client.close()


@pytest.fixture(scope="session")
def s3_address() -> S3Address:
    """A bucket of this session's own on the test server, an S3-compatible object store."""
    import boto3

    url = urlsplit(server_url("RETORT_TEST_S3_URL"))
    endpoint, bucket = f"http://{url.hostname}:{url.port}", f"retort-test-{secrets.token_hex(6)}"
    keys = {"aws_access_key_id": url.username, "aws_secret_access_key": url.password}
    boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys).create_bucket(Bucket=bucket)
    return S3Address(bucket, endpoint=endpoint, access_key_id=url.username, secret_access_key=url.password)


@pytest.fixture
def object_store(s3_address: S3Address) -> ObjectStore:
    """An empty prefix of the bucket; addresses for clients are good for a minute."""
    return ObjectStore(replace(s3_address, prefix=secrets.token_hex(6)), redirect_seconds=60)


@pytest.fixture(scope="session")
def fresh_clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh clone of the checkout with a `.venv`, for commands that a reader types."""
    return make_fresh_clone(tmp_path_factory.mktemp("clone"))
