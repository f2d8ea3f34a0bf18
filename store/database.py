"""The connection: one engine and one session style for SQLite and PostgreSQL.

database = open_from(settings)
with database.begin() as session:      # commits at the end of the block, rolls back on an exception
    job = jobs.submit(session, spec).job
"""

import json
import math
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from store.clock import from_now
from store.errors import DatabaseUnusable
from store.object_store import ObjectStore
from store.settings import Settings

# Our transactions last milliseconds. A writer waits so long for the other threads of its process, and then for other
# processes; longer means that the disk or a process hangs, and who asked is told to come back.
TURN_SECONDS = 10.0
BUSY_SECONDS = 15.0
# libpq: seconds to connect, and milliseconds that sent data may stay unanswered before the connection is given up.
PATIENCE = {"connect_timeout": 10, "tcp_user_timeout": 30_000}
# PostgreSQL ends a transaction that does nothing for so long: a process that was put to sleep in one, with its machine
# or by a signal, would keep its locks until it wakes. Less than a lease, so that others can take its jobs over in time.
IDLE_SECONDS = 15.0
# PostgreSQL ends a statement that takes so long: ours take milliseconds, those of the sweep seconds.
STATEMENT_SECONDS = 30.0
NETWORK_FILESYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs"}  # no POSIX locks, no shared memory for WAL
ALLOWED_URLS = "allowed are sqlite:///path and postgresql://user:password@host/name"
READ_ONLY = "25006"  # PostgreSQL's code for "cannot write in a read-only transaction"
_READ = "retort_read"


class Turn:
    """A lock that a thread may take again, and that nobody waits for longer than TURN_SECONDS."""

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=TURN_SECONDS):
            waited = TimeoutError(f"other threads of this process have written for {TURN_SECONDS:g} s")
            raise OperationalError("BEGIN IMMEDIATE", None, waited)

    def __exit__(self, *_: object) -> None:
        self._lock.release()


@dataclass(frozen=True)
class Database:
    """An open database; safe to share between threads."""

    engine: Engine
    # SQLite has one writer at a time and lets the others poll; this process's own threads wait here instead, in turn.
    turn: AbstractContextManager[Any] = field(default_factory=nullcontext)
    # Where the bytes of new blobs go; None: into this database.
    objects: ObjectStore | None = None

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """A writing transaction: committed at the end of the block, rolled back when it raises.

        On SQLite it takes the write lock at once (BEGIN IMMEDIATE), so keep it short.
        """
        with self.turn, Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A reading transaction: never waits for a writer on SQLite, and must not write."""
        engine = self.engine.execution_options(**{_READ: True})
        with Session(engine, expire_on_commit=False) as session, session.begin():
            yield session

    def now(self) -> datetime:
        """The database's clock."""
        with self.read() as session:
            return session.execute(select(from_now())).scalar_one()

    def close(self) -> None:
        """Close all pooled connections."""
        self.engine.dispose()


def open_from(settings: Settings) -> Database:
    """The database and the object store that the settings name; raises as `open_database`."""
    return replace(open_database(settings.url), objects=settings.object_store())


def open_database(url: str, *, pool_size: int = 10) -> Database:
    """Open `sqlite:///path` or `postgresql://...`; raises DatabaseUnusable for others, and for SQLite on NFS."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:  # not shown whole: a password may be in it
        raise DatabaseUnusable(f"the database URL is no URL; {ALLOWED_URLS}") from error
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return Database(_open_sqlite(parsed, pool_size), turn=Turn())
    if backend == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
        engine = create_engine(parsed, pool_pre_ping=True, connect_args=PATIENCE, **_pool(pool_size))
        event.listen(engine, "connect", _configure_postgresql)
        event.listen(engine, "handle_error", _give_up_read_only)
        return Database(engine)
    raise DatabaseUnusable(f"database {parsed.render_as_string()!r}: {ALLOWED_URLS}")


def _pool(size: int) -> dict[str, Any]:
    # hide_parameters: an error of the database shows its statement, and no value that somebody sent.
    return {"pool_size": size, "max_overflow": size, "json_serializer": to_json, "hide_parameters": True}


def to_json(value: Any) -> str:
    """JSON as RFC 8259 has it: a NaN or infinity becomes null, for PostgreSQL would refuse it and no client read it."""
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _configure_postgresql(connection: Any, _record: Any) -> None:
    # No option of the connection's start, for poolers such as PgBouncer refuse those they do not know.
    connection.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS * 1000:.0f}ms'")
    connection.execute(f"SET statement_timeout = '{STATEMENT_SECONDS * 1000:.0f}ms'")
    connection.commit()


def _give_up_read_only(context: ExceptionContext) -> None:
    """A server that only reads has become a standby, or is one: as good as away, and another connection may lead to the
    one that writes."""
    if getattr(context.original_exception, "sqlstate", None) == READ_ONLY:
        context.is_disconnect = True


def is_away(error: BaseException) -> bool:
    """Whether the database is locked, restarting, read-only or cut off, rather than refusing what was asked."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, OperationalError | InterfaceError | PoolTimeout)


def _open_sqlite(url: URL, pool_size: int) -> Engine:
    if not url.database or url.database == ":memory:":
        raise DatabaseUnusable("an in-memory SQLite database loses its jobs with the process; write sqlite:///path")
    folder = Path(url.database).resolve().parent
    folder.mkdir(parents=True, exist_ok=True)
    kind = filesystem_of(folder)
    if kind in NETWORK_FILESYSTEMS:
        raise DatabaseUnusable(
            f"{folder} is on {kind}, where SQLite's locks do not hold", hint="use a local disk, or PostgreSQL"
        )
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, **_pool(pool_size))
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _configure_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver's own BEGIN is deferred and late; ours is in _begin_sqlite
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # NORMAL may lose the last commits at power loss, and a 201 must be durable
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    reading = connection.get_execution_options().get(_READ, False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def filesystem_of(path: Path, mounts: Path = Path("/proc/mounts")) -> str | None:
    """The type of the file system that holds `path`, or None where the machine does not tell."""
    if not mounts.exists():
        return None
    best, kind = "", None
    for line in mounts.read_text().splitlines():
        _, mount, fs_type, *_ = line.split()
        mount = mount.replace("\\040", " ")
        if path.is_relative_to(mount) and len(mount) >= len(best):
            best, kind = mount, fs_type
    return kind
