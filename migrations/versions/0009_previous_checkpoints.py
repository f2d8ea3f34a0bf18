"""A table for the checkpoint before a job's last one."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table and its index."""
    op.create_table(
        "previous_checkpoints",
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("step", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name="fk_previous_checkpoints_job_id_jobs", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["sha256"], ["blobs.sha256"], name="fk_previous_checkpoints_sha256_blobs"),
        sa.PrimaryKeyConstraint("job_id", name="pk_previous_checkpoints"),
    )
    op.create_index("ix_previous_checkpoints_sha256", "previous_checkpoints", ["sha256"])


def downgrade() -> None:
    """Drop the table: a job whose last checkpoint is damaged begins anew."""
    op.drop_table("previous_checkpoints")
