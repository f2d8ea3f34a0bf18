"""The tables. migrations/ makes them; a test holds the two equal."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
)

from store.clock import Instant

SCHEMA = "0017"  # the newest revision in migrations/versions; a test holds the two equal
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
Json = JSON(none_as_null=True)  # not JSONB, which forgets the order of keys
# SQLite numbers rows by itself only in a column of type INTEGER.
RowNumber = BigInteger().with_variant(Integer(), "sqlite")


def _of_job() -> Column[str]:
    """The first part of the primary key of what hangs on a job, and goes with it."""
    return Column("job_id", String(40), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)


jobs = Table(
    "jobs",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("kind", String(8), nullable=False),
    Column("tenant", String(63), nullable=False),
    Column("key_id", String(40)),  # of the API key that submitted it
    Column("name", String(200), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("phase", String(16)),
    Column("spec", Json, nullable=False),
    Column("resolved", Json),
    Column("progress", Json),
    Column("result", Json),
    Column("error", Json),
    # The lease: who holds it under which fencing number until when, and the last sign of life.
    Column("attempt", Integer, nullable=False, default=0),
    Column("token", BigInteger, nullable=False, default=0),
    Column("owner", String(120)),
    Column("lease_until", Instant),
    Column("beat_at", Instant),
    # Since the last new checkpoint: engines that died, workers that went silent, and hosts that were unfit.
    Column("crashes", Integer, nullable=False, default=0),
    Column("silences", Integer, nullable=False, default=0, server_default="0"),
    Column("host_faults", Integer, nullable=False, default=0, server_default="0"),
    Column("run_after", Instant),  # a queued job is not tried before
    Column("runtime_seconds", Float(53), nullable=False, default=0.0),
    Column("checkpoint_sha256", String(64), ForeignKey("blobs.sha256")),
    Column("checkpoint_path", Text),
    Column("checkpoint_step", BigInteger),
    Column("created_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("cancel_requested_at", Instant),
    Column("finished_at", Instant),
    Column("version", BigInteger, nullable=False, default=1),
    Column("last_seq", BigInteger, nullable=False, default=0),  # of its events
    Index(None, "tenant", "kind", "id"),
    Index(None, "kind", "state", "tenant", "id"),
    Index(None, "lease_until"),
    Index(None, "checkpoint_sha256"),
)

job_labels = Table(
    "job_labels",
    metadata,
    _of_job(),
    Column("key", String(63), primary_key=True),
    Column("value", String(255), nullable=False),
    Index(None, "key", "value", "job_id"),
)

# Written before its job within one transaction, so that the key decides who may create the job.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("tenant", String(63), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("body_sha256", String(64), nullable=False),
    Column(
        "job_id",
        String(40),
        ForeignKey("jobs.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED"),
        nullable=False,
        index=True,
    ),
    Column("created_at", Instant, nullable=False),
)

attempts = Table(
    "attempts",
    metadata,
    _of_job(),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("token", BigInteger, nullable=False),
    Column("worker", String(120), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("outcome", String(16)),
    Column("error", Json),
)

# The checkpoint before a job's last one, to go on from where the last one is damaged.
previous_checkpoints = Table(
    "previous_checkpoints",
    metadata,
    _of_job(),
    Column("sha256", String(64), ForeignKey("blobs.sha256"), nullable=False, index=True),
    Column("path", Text, nullable=False),
    Column("step", BigInteger, nullable=False),
)

# What a job shows under `warnings`; `seq` is that of the event which reported it. Attempt 0 is the submission.
job_warnings = Table(
    "job_warnings",
    metadata,
    _of_job(),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("attempt", Integer, nullable=False),
    Column("code", String(64), nullable=False),
    Column("message", Text, nullable=False),
    Column("hint", Text),
    Column("count", BigInteger),
)

events = Table(
    "events",
    metadata,
    _of_job(),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("attempt", Integer, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("data", Json, nullable=False),
    Column("at", Instant, nullable=False),
    Index(None, "job_id", "kind", "seq"),
)

metrics = Table(
    "metrics",
    metadata,
    _of_job(),
    Column("name", String(200), primary_key=True),
    Column("step", BigInteger, primary_key=True, autoincrement=False),
    Column("value", Float(53)),
    Column("finite", Boolean, nullable=False),
    Column("at", Instant, nullable=False),
)

# `sha256` is null until the content is whole: what is half written cannot be found.
blobs = Table(
    "blobs",
    metadata,
    Column("id", RowNumber, primary_key=True, autoincrement=True),
    Column("sha256", String(64), unique=True),
    Column("size_bytes", BigInteger),
    Column("touched_at", Instant, nullable=False),
    Column("object_key", String(64)),  # in the object store; NULL: the bytes are in blob_chunks
)

blob_chunks = Table(
    "blob_chunks",
    metadata,
    Column("blob_id", RowNumber, ForeignKey("blobs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)

artifacts = Table(
    "artifacts",
    metadata,
    _of_job(),
    Column("name", String(255), primary_key=True),
    Column("media_type", String(120), nullable=False),
    Column("sha256", String(64), ForeignKey("blobs.sha256"), nullable=False, index=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
)

workers = Table(
    "workers",
    metadata,
    Column("id", String(120), primary_key=True),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("devices", Json, nullable=False),
    Column("version", String(40), nullable=False),
    Column("slots", Integer, nullable=False),
    Column("guards", Json, nullable=False, server_default="{}"),  # name -> whether it holds
    Column("draining", Boolean, nullable=False, default=False, server_default=false()),
    Column("unfit", Text),  # why its host cannot run jobs now; null where it can
    Column("started_at", Instant, nullable=False),
    Column("last_seen_at", Instant, nullable=False),
)

catalogues = Table(
    "catalogues",
    metadata,
    Column("kind", String(40), primary_key=True),
    Column("data", Json, nullable=False),
    Column("published_at", Instant, nullable=False),
)

# What jobs name as secret://name: `sealed` is nonce and ciphertext (store.sealing).
secrets = Table(
    "secrets",
    metadata,
    Column("tenant", String(63), primary_key=True),
    Column("name", String(63), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
)


# A key's secret is never stored, only its sha256. After a rotation the previous secret is accepted for a while.
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(63), nullable=False),
    Column("name", String(200), nullable=False),
    Column("scope", String(16), nullable=False),
    Column("secret_sha256", String(64), nullable=False),
    Column("previous_sha256", String(64)),
    Column("previous_until", Instant),
    Column("max_queued_jobs", Integer),
    Column("max_running_jobs", Integer),
    Column("max_stored_bytes", BigInteger),
    Column("requests_per_minute", Integer),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("last_used_at", Instant),
    Column("revoked_at", Instant),
)

# Sessions of browsers, and links that sign in once.
sessions = Table(
    "sessions",
    metadata,
    Column("sha256", String(64), primary_key=True),  # of the secret that the browser holds
    Column("kind", String(8), nullable=False),
    Column("tenant", String(63), nullable=False),
    Column("name", String(255), nullable=False),
    Column("scope", String(16), nullable=False),
    Column("key_id", String(40), ForeignKey("api_keys.id", ondelete="CASCADE"), index=True),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
)

audit = Table(
    "audit",
    metadata,
    Column("id", RowNumber, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False, index=True),
    Column("tenant", String(63), nullable=False),
    Column("actor", String(255), nullable=False),
    Column("action", String(64), nullable=False),
    Column("target", String(255), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("client", String(64), nullable=False),
    Column("request_id", String(64), nullable=False),
)
