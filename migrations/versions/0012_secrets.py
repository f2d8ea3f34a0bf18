"""Named secrets of tenants, encrypted."""

import sqlalchemy as sa
from alembic import op

from store.clock import Instant

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "secrets",
        sa.Column("tenant", sa.String(63), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("updated_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name", name="pk_secrets"),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("secrets")
