"""The table of the queue: one row for each queued job, with what decides who runs it and when.

Only queued jobs are in it, so that to find the next job, or a place in the queue, reads indexes of this table alone.
"""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table

from store.clock import Instant
from store.tables import metadata

queue = Table(
    "queue",
    metadata,
    Column("job_id", String(40), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", String(8), nullable=False),
    Column("devices", String(16), nullable=False),  # training.devices of the job's spec
    Column("tenant", String(63), nullable=False),
    Column("key_id", String(40), nullable=False),  # empty where no API key submitted the job
    Column("precedence", Integer, nullable=False),  # the priority with the other sign: the lowest starts first
    Column("run_after", Instant),  # not tried before
    Column("rung_at", Instant),  # when the broker last took a message for it
    # Leads from the first job of each lane (kind, devices, tenant, key) to that of the next.
    Index(None, "kind", "devices", "tenant", "key_id", "precedence", "job_id"),
    # Counts the jobs of a tenant that are ahead.
    Index(None, "kind", "tenant", "precedence", "job_id"),
    Index(None, "rung_at"),
)
