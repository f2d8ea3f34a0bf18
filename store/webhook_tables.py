"""The tables of webhooks, beside those of store.tables and in the same metadata."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from store.clock import Instant
from store.tables import Json, RowNumber, metadata

# Where a tenant wants to be told of its jobs. The secret signs, so it is stored sealed and not as a hash.
webhooks = Table(
    "webhooks",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(63), nullable=False),
    Column("url", Text, nullable=False),
    Column("events", Json, nullable=False),
    Column("description", String(500), nullable=False),
    Column("sealed_secret", LargeBinary, nullable=False),
    Column("sealed_former_secret", LargeBinary),
    Column("former_until", Instant),
    Column("enabled", Boolean, nullable=False),
    Column("disabled_reason", Text),
    Column("failing_since", Instant),
    Column("created_at", Instant, nullable=False),
    Index(None, "tenant", "id"),
)

# One message for one endpoint. A pending one is not sent before `next_at`; while it is sent, its sender counts as dead
# from `next_at` on.
# The job may be gone by the time its message is sent.
webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", RowNumber, primary_key=True, autoincrement=True),
    Column("message_id", String(40), nullable=False),
    Column("webhook_id", String(40), ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("job_id", String(40), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("type", String(40), nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("next_at", Instant, nullable=False),
    Column("status", Integer),
    Column("error", Text),
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Index(None, "state", "next_at"),
    Index(None, "webhook_id", "job_id", "seq"),
    Index(None, "webhook_id", "id"),
)
