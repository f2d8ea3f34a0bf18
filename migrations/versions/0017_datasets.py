"""Uploaded datasets."""

import sqlalchemy as sa
from alembic import op

from store.clock import Instant

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "datasets",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("tenant", sa.String(63), nullable=False),
        sa.Column("key_id", sa.String(40)),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("filename", sa.String(255), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("received_bytes", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64)),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("updated_at", Instant, nullable=False),
        sa.Column("completed_at", Instant),
        sa.PrimaryKeyConstraint("id", name="pk_datasets"),
    )
    op.create_index("ix_datasets_tenant_id", "datasets", ["tenant", "id"])
    op.create_index("ix_datasets_tenant_sha256", "datasets", ["tenant", "sha256"])
    op.create_table(
        "dataset_parts",
        sa.Column("dataset_id", sa.String(40), nullable=False),
        sa.Column("number", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("dataset_id", "number", name="pk_dataset_parts"),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], ondelete="CASCADE", name="fk_dataset_parts_dataset_id_datasets"
        ),
        sa.ForeignKeyConstraint(["sha256"], ["blobs.sha256"], name="fk_dataset_parts_sha256_blobs"),
    )
    op.create_index("ix_dataset_parts_sha256", "dataset_parts", ["sha256"])


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("dataset_parts")
    op.drop_table("datasets")
