"""Faults of hosts are counted apart, a worker tells why its host cannot run jobs, and sweeps tell what they found."""

import sqlalchemy as sa
from alembic import op

from store.clock import Instant

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    op.add_column("jobs", sa.Column("host_faults", sa.Integer, nullable=False, server_default="0"))
    op.add_column("workers", sa.Column("unfit", sa.Text))
    numbers = ("kept_count", "kept_bytes", "due_count", "due_bytes", "removed_count", "removed_bytes")
    op.create_table(
        "growth",
        sa.Column("place", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in numbers),
        sa.Column("at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("place", "kind", name="pk_growth"),
    )


def downgrade() -> None:
    """Drop the columns."""
    op.drop_table("growth")
    op.drop_column("workers", "unfit")
    op.drop_column("jobs", "host_faults")
