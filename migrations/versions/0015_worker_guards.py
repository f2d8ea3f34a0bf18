"""Which bounds of its engines hold at a worker."""

import sqlalchemy as sa
from alembic import op

from store.tables import Json

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    with op.batch_alter_table("workers") as table:
        table.add_column(sa.Column("guards", Json, nullable=False, server_default="{}"))


def downgrade() -> None:
    """Drop the column."""
    with op.batch_alter_table("workers") as table:
        table.drop_column("guards")
