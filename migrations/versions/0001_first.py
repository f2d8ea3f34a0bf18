"""The first schema: jobs and what hangs on them, blobs, workers, catalogues."""

import sqlalchemy as sa
from alembic import op

from store.clock import Instant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

Json = sa.JSON(none_as_null=True)
RowNumber = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make all tables, those that others refer to first."""
    _blobs()
    _jobs()
    _labels_keys_and_outbox()
    _attempts_and_events()
    _metrics_and_artifacts()
    _workers_and_catalogues()


def _blobs() -> None:
    op.create_table(
        "blobs",
        sa.Column("id", RowNumber, autoincrement=True, nullable=False),
        sa.Column("sha256", sa.String(64)),
        sa.Column("size_bytes", sa.BigInteger),
        sa.Column("touched_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_blobs"),
        sa.UniqueConstraint("sha256", name="uq_blobs_sha256"),
    )
    op.create_table(
        "blob_chunks",
        sa.Column("blob_id", RowNumber, autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(["blob_id"], ["blobs.id"], name="fk_blob_chunks_blob_id_blobs", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("blob_id", "number", name="pk_blob_chunks"),
    )


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("phase", sa.String(16)),
        sa.Column("spec", Json, nullable=False),
        sa.Column("resolved", Json),
        sa.Column("progress", Json),
        sa.Column("result", Json),
        sa.Column("error", Json),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.String(120)),
        sa.Column("lease_until", Instant),
        sa.Column("beat_at", Instant),
        sa.Column("crashes", sa.Integer, nullable=False),
        sa.Column("runtime_seconds", sa.Float(53), nullable=False),
        sa.Column("checkpoint_sha256", sa.String(64)),
        sa.Column("checkpoint_path", sa.Text),
        sa.Column("checkpoint_step", sa.BigInteger),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("started_at", Instant),
        sa.Column("cancel_requested_at", Instant),
        sa.Column("finished_at", Instant),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["checkpoint_sha256"], ["blobs.sha256"], name="fk_jobs_checkpoint_sha256_blobs"),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_checkpoint_sha256", "jobs", ["checkpoint_sha256"])
    op.create_index("ix_jobs_kind_state_id", "jobs", ["kind", "state", "id"])
    op.create_index("ix_jobs_kind_state_priority_id", "jobs", ["kind", "state", "priority", "id"])
    op.create_index("ix_jobs_lease_until", "jobs", ["lease_until"])


def _labels_keys_and_outbox() -> None:
    op.create_table(
        "job_labels",
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("key", sa.String(63), nullable=False),
        sa.Column("value", sa.String(255), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_labels_job_id_jobs", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "key", name="pk_job_labels"),
    )
    op.create_index("ix_job_labels_key_value_job_id", "job_labels", ["key", "value", "job_id"])
    op.create_table(
        "idempotency_keys",
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("body_sha256", sa.String(64), nullable=False),
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["jobs.id"],
            name="fk_idempotency_keys_job_id_jobs",
            ondelete="CASCADE",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("key", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_job_id", "idempotency_keys", ["job_id"])
    op.create_table(
        "outbox",
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("sent_at", Instant),
        sa.Column("sends", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_outbox_job_id_jobs", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", name="pk_outbox"),
    )


def _attempts_and_events() -> None:
    op.create_table(
        "attempts",
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("number", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("worker", sa.String(120), nullable=False),
        sa.Column("started_at", Instant, nullable=False),
        sa.Column("ended_at", Instant),
        sa.Column("outcome", sa.String(16)),
        sa.Column("error", Json),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_attempts_job_id_jobs", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "number", name="pk_attempts"),
    )
    op.create_table(
        "events",
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("data", Json, nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_events_job_id_jobs", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "seq", name="pk_events"),
    )
    op.create_index("ix_events_job_id_kind_seq", "events", ["job_id", "kind", "seq"])


def _metrics_and_artifacts() -> None:
    op.create_table(
        "metrics",
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("step", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("value", sa.Float(53)),
        sa.Column("finite", sa.Boolean, nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_metrics_job_id_jobs", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "name", "step", name="pk_metrics"),
    )
    op.create_table(
        "artifacts",
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("media_type", sa.String(120), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_artifacts_job_id_jobs", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["sha256"], ["blobs.sha256"], name="fk_artifacts_sha256_blobs"),
        sa.PrimaryKeyConstraint("job_id", "name", name="pk_artifacts"),
    )
    op.create_index("ix_artifacts_sha256", "artifacts", ["sha256"])


def _workers_and_catalogues() -> None:
    op.create_table(
        "workers",
        sa.Column("id", sa.String(120), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("devices", Json, nullable=False),
        sa.Column("version", sa.String(40), nullable=False),
        sa.Column("slots", sa.Integer, nullable=False),
        sa.Column("started_at", Instant, nullable=False),
        sa.Column("last_seen_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workers"),
    )
    op.create_table(
        "catalogues",
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("data", Json, nullable=False),
        sa.Column("published_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("kind", name="pk_catalogues"),
    )
