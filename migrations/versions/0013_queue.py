"""The table of the queue, with what the order of queued jobs depends on, takes the place of the outbox."""

import sqlalchemy as sa
from alembic import op

from store.clock import Instant

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

LANES = ["kind", "devices", "tenant", "key_id", "precedence", "job_id"]
PLACES = ["kind", "tenant", "precedence", "job_id"]


def upgrade() -> None:
    """Make the table from the jobs that are queued."""
    op.create_table(
        "queue",
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("devices", sa.String(16), nullable=False),
        sa.Column("tenant", sa.String(63), nullable=False),
        sa.Column("key_id", sa.String(40), nullable=False),
        sa.Column("precedence", sa.Integer, nullable=False),
        sa.Column("run_after", Instant),
        sa.Column("rung_at", Instant),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_queue_job_id_jobs", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", name="pk_queue"),
    )
    op.execute(_queued())
    for columns in (LANES, PLACES, ["rung_at"]):
        op.create_index(f"ix_queue_{'_'.join(columns)}", "queue", columns)
    op.drop_table("outbox")
    op.drop_index("ix_jobs_kind_state_tenant_priority_id", "jobs")
    op.create_index("ix_jobs_kind_state_tenant_id", "jobs", ["kind", "state", "tenant", "id"])


def _queued() -> sa.Insert:
    spec, integer, text = sa.column("spec", sa.JSON), sa.Integer, sa.String
    jobs = sa.table(
        "jobs", sa.column("id", text), sa.column("kind", text), sa.column("tenant", text), sa.column("key_id", text),
        sa.column("priority", integer), sa.column("run_after"), sa.column("state", text), spec,
    )  # fmt: skip
    names = [*LANES[:-1], "run_after", "job_id"]
    queue = sa.table("queue", *(sa.column(name) for name in names))
    values = (
        jobs.c.kind, spec["training"]["devices"].as_string(), jobs.c.tenant, sa.func.coalesce(jobs.c.key_id, ""),
        -jobs.c.priority, jobs.c.run_after, jobs.c.id,
    )  # fmt: skip
    return sa.insert(queue).from_select(names, sa.select(*values).where(jobs.c.state == "queued"))


def downgrade() -> None:
    """Make the outbox again, with a message for each queued job."""
    op.create_table(
        "outbox",
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("sent_at", Instant),
        sa.Column("sends", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_outbox_job_id_jobs", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", name="pk_outbox"),
    )
    op.execute("INSERT INTO outbox (job_id, sends) SELECT job_id, 0 FROM queue")
    op.drop_table("queue")
    op.drop_index("ix_jobs_kind_state_tenant_id", "jobs")
    op.create_index("ix_jobs_kind_state_tenant_priority_id", "jobs", ["kind", "state", "tenant", "priority", "id"])
