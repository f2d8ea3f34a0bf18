"""The database's clock, made to jump: what the store takes for the present is the database's clock plus the seconds in
a table of the campaign's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from store import clock
from store.database import Database

AHEAD = "(SELECT seconds FROM chaos_clock)"


def install() -> None:
    """Let every statement of this process ask the moved clock."""
    present = f"({clock.SQLITE_NOW} + {AHEAD})"

    @compiles(clock.from_now, "sqlite")
    def _from_now_sqlite(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
        return f"({present} + {compiler.process(element.clauses, **kw)})"

    @compiles(clock.from_now, "postgresql")
    def _from_now_postgresql(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
        seconds = compiler.process(element.clauses, **kw)
        return f"(clock_timestamp() + make_interval(secs => {AHEAD} + {seconds}))"

    @compiles(clock.seconds_since, "sqlite")
    def _seconds_since_sqlite(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
        return f"({present} - {compiler.process(element.clauses, **kw)})"

    @compiles(clock.seconds_since, "postgresql")
    def _seconds_since_postgresql(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
        moment = compiler.process(element.clauses, **kw)
        return f"extract(epoch from clock_timestamp() + make_interval(secs => {AHEAD}) - {moment})::float8"


@contextmanager
def installed() -> Iterator[None]:
    """The moved clock within the block alone."""
    kinds: tuple[Any, ...] = (clock.from_now, clock.seconds_since)
    before = [dict(kind._compiler_dispatcher.specs) for kind in kinds]
    install()
    try:
        yield
    finally:
        for kind, specs in zip(kinds, before, strict=True):
            kind._compiler_dispatcher.specs.update(specs)


def make(database: Database) -> None:
    """Add the table to a migrated database; the clock is right at first."""
    with database.begin() as session:
        session.execute(text("CREATE TABLE chaos_clock (seconds DOUBLE PRECISION NOT NULL)"))
        session.execute(text("INSERT INTO chaos_clock VALUES (0)"))


def jump(database: Database, seconds: float) -> None:
    """Move the clock by so many seconds from now on."""
    with database.begin() as session:
        session.execute(text("UPDATE chaos_clock SET seconds = seconds + :seconds"), {"seconds": seconds})
