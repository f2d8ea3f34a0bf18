"""The table of what grows, beside those of store.tables and in the same metadata: the figures of the latest sweeps."""

from sqlalchemy import BigInteger, Column, String, Table, Text

from store.clock import Instant
from store.tables import metadata

# `place` is `database`, or host:folder of a worker's data folder. What was removed counts up from the first sweep on.
growth = Table(
    "growth",
    metadata,
    Column("place", String(255), primary_key=True),
    Column("kind", String(40), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("kept_count", BigInteger, nullable=False),
    Column("kept_bytes", BigInteger, nullable=False),
    Column("due_count", BigInteger, nullable=False),
    Column("due_bytes", BigInteger, nullable=False),
    Column("removed_count", BigInteger, nullable=False),
    Column("removed_bytes", BigInteger, nullable=False),
    Column("at", Instant, nullable=False),
)
