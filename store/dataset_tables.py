"""The tables of uploaded datasets, beside those of store.tables and in the same metadata."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table

from store.clock import Instant
from store.tables import metadata

# One file that a tenant uploads: an archive, or a folder as a tar. It is whole once `completed_at` is set.
datasets = Table(
    "datasets",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(63), nullable=False),
    Column("key_id", String(40)),
    Column("name", String(200), nullable=False),
    Column("filename", String(255), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("received_bytes", BigInteger, nullable=False),
    Column("sha256", String(64)),  # as the client says; of the stored bytes once they are all there
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("completed_at", Instant),
    Index(None, "tenant", "id"),
    Index(None, "tenant", "sha256"),
)

# The pieces of a dataset in their order, each a blob.
dataset_parts = Table(
    "dataset_parts",
    metadata,
    Column("dataset_id", String(40), ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("sha256", String(64), ForeignKey("blobs.sha256"), nullable=False, index=True),
)
