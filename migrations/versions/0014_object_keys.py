"""Blobs may be in an object store, and jobs keep the trace of their request."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and the table; the blobs that are there stay in the database."""
    op.add_column("blobs", sa.Column("object_key", sa.String(64)))
    op.create_table(
        "job_traces",
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("traceparent", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_traces_job_id_jobs", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", name="pk_job_traces"),
    )


def downgrade() -> None:
    """Drop both. Blobs in an object store cannot be read by the older version."""
    op.drop_table("job_traces")
    op.drop_column("blobs", "object_key")
