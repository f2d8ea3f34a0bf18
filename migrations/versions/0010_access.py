"""Tenants and API keys: whose a job is, who may ask, sessions of browsers, and the audit log.

Jobs and idempotency keys that exist belong to the tenant `default`.
"""

import sqlalchemy as sa
from alembic import op

from store.clock import Instant

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

RowNumber = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OLD_INDEXES = (["kind", "state", "id"], ["kind", "state", "priority", "id"])
NEW_INDEXES = (["tenant", "kind", "id"], ["kind", "state", "tenant", "priority", "id"])


def upgrade() -> None:
    """Give every job a tenant, and make the tables."""
    op.add_column("jobs", sa.Column("tenant", sa.String(63), nullable=False, server_default="default"))
    op.add_column("jobs", sa.Column("key_id", sa.String(40)))
    _change_indexes(OLD_INDEXES, NEW_INDEXES)
    _rebuild_idempotency_keys(tenants=True)
    _make_api_keys()
    _make_sessions()
    _make_audit()


def downgrade() -> None:
    """Drop the tables; jobs of other tenants than `default` stay, idempotency keys of theirs are forgotten."""
    for table in ("audit", "sessions", "api_keys"):
        op.drop_table(table)
    _rebuild_idempotency_keys(tenants=False)
    _change_indexes(NEW_INDEXES, OLD_INDEXES)
    op.drop_column("jobs", "key_id")
    op.drop_column("jobs", "tenant")


def _change_indexes(before: tuple[list[str], ...], after: tuple[list[str], ...]) -> None:
    for columns in before:
        op.drop_index(f"ix_jobs_{'_'.join(columns)}", "jobs")
    for columns in after:
        op.create_index(f"ix_jobs_{'_'.join(columns)}", "jobs", columns)


def _rebuild_idempotency_keys(tenants: bool) -> None:
    """SQLite cannot change a primary key, so the rows are put aside while the table is made anew."""
    wanted = "" if tenants else " WHERE tenant = 'default'"
    op.execute(f"CREATE TABLE kept_keys AS SELECT key, body_sha256, job_id, created_at FROM idempotency_keys{wanted}")
    op.drop_table("idempotency_keys")
    tenant = [sa.Column("tenant", sa.String(63), nullable=False)] if tenants else []
    op.create_table(
        "idempotency_keys",
        *tenant,
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("body_sha256", sa.String(64), nullable=False),
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["jobs.id"],
            name="fk_idempotency_keys_job_id_jobs",
            ondelete="CASCADE",
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.PrimaryKeyConstraint(*(column.name for column in tenant), "key", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_job_id", "idempotency_keys", ["job_id"])
    columns, values = ("tenant, ", "'default', ") if tenants else ("", "")
    op.execute(
        f"INSERT INTO idempotency_keys ({columns}key, body_sha256, job_id, created_at) "
        f"SELECT {values}key, body_sha256, job_id, created_at FROM kept_keys"
    )
    op.drop_table("kept_keys")


def _make_api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("tenant", sa.String(63), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("secret_sha256", sa.String(64), nullable=False),
        sa.Column("previous_sha256", sa.String(64)),
        sa.Column("previous_until", Instant),
        sa.Column("max_queued_jobs", sa.Integer),
        sa.Column("max_running_jobs", sa.Integer),
        sa.Column("max_stored_bytes", sa.BigInteger),
        sa.Column("requests_per_minute", sa.Integer),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("expires_at", Instant),
        sa.Column("last_used_at", Instant),
        sa.Column("revoked_at", Instant),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
    )


def _make_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("tenant", sa.String(63), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("key_id", sa.String(40)),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name="fk_sessions_key_id_api_keys", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("sha256", name="pk_sessions"),
    )
    op.create_index("ix_sessions_key_id", "sessions", ["key_id"])
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])


def _make_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", RowNumber, autoincrement=True, nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("tenant", sa.String(63), nullable=False),
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("target", sa.String(255), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("client", sa.String(64), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_at", "audit", ["at"])
