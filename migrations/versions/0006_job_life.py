"""Jobs count silences of workers apart from deaths of engines and may wait before the next attempt; workers say that
they drain.
"""

import sqlalchemy as sa
from alembic import op

from store.clock import Instant

revision = "0006"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    op.add_column("jobs", sa.Column("silences", sa.Integer, nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("run_after", Instant))
    op.add_column("workers", sa.Column("draining", sa.Boolean, nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Drop the columns."""
    op.drop_column("workers", "draining")
    op.drop_column("jobs", "run_after")
    op.drop_column("jobs", "silences")
