"""Settings of a process, from the environment: RETORT_<NAME>. `python -m store.settings [--json]` prints them.

Settings are an operator's; what a client may choose is in core.spec, and what is fixed has its reason in its file.
"""

import logging
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from core.errors import near_misses
from store.callers import Limits
from store.logs import LogFormat
from store.settings.blob_settings import BlobSettings

PREFIX = "RETORT_"
SECRETS_DIR = "RETORT_SECRETS_DIR"
ELSEWHERE = ("RETORT_URL", "RETORT_API_KEY", "RETORT_TEST_", SECRETS_DIR)  # of the client, of the tests, of load()
log = logging.getLogger("retort.settings")

GiB = 1024**3
Words = Annotated[tuple[str, ...], NoDecode]  # written a,b,c rather than as JSON
Numbers = Annotated[tuple[int, ...], NoDecode]


class Settings(BlobSettings):
    """What an operator may set. Lists are written with commas."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    data_dir: Path = Field(Path("var"), description="folder of the embedded database, runs and cache")
    database_url: str | None = Field(
        None, description="sqlite:///path or postgresql://...; none: retort.db in the data folder"
    )
    broker_url: str = Field(
        "memory://", description="Celery broker: memory:// inside the worker, or redis://host:port/0"
    )
    broker_prefix: str = Field("retort", description="begins the names of our keys and queues in a shared broker")

    log_format: LogFormat = Field("text", description="of log lines: text, or json with the ids of request and job")
    metrics_port: int | None = Field(
        None, ge=1, le=65535, description="a worker serves its Prometheus figures on this port; none: nowhere"
    )

    slots: int = Field(1, ge=0, description="jobs that one worker runs at once")
    plan_slots: int = Field(1, ge=0, description="plans that one worker makes at once, beside its jobs")
    lease_seconds: float = Field(60.0, gt=0, description="a worker that is silent for so long has lost its job")
    beat_seconds: float = Field(15.0, gt=0, description="between a worker's signs of life; at most a third of a lease")
    reaper_seconds: float = Field(15.0, gt=0, description="between two looks for lost jobs")
    dispatch_seconds: float = Field(0.25, gt=0, description="between two looks for queued jobs")
    record_seconds: float = Field(0.5, gt=0, description="events of an engine are written together after so long")
    warm_engines: int = Field(
        1, ge=0, description="engines that wait with PyTorch loaded (0.5 GB each), so that a job starts seconds sooner"
    )
    warm_seconds: float = Field(
        900.0, gt=0, description="an engine that waited so long ends; the next job starts cold and brings a new one"
    )
    max_attempts: int = Field(
        3, ge=1, description="engines that may die on a job without a new checkpoint between; then it fails"
    )
    max_silences: int = Field(
        10, ge=1, description="workers that may go silent with a job without a new checkpoint between; then it fails"
    )
    max_host_faults: int = Field(
        20, ge=1, description="hosts that may be unfit for a job without a new checkpoint between; then it fails"
    )
    min_free_bytes: int = Field(
        256 << 20, ge=0, description="a worker with less space in its data folder takes no jobs until there is more"
    )
    retry_seconds: float = Field(
        10.0, ge=0, description="pause of a job after two such losses in a row; doubles with each, up to 300 s"
    )
    hung_seconds: float = Field(
        600.0, gt=0, description="an engine that neither reports nor computes nor reads for so long is ended"
    )
    mute_seconds: float = Field(
        14_400.0, gt=0, description="an engine that reports nothing for so long is ended, however much it computes"
    )
    grace_seconds: float = Field(5.0, ge=0, description="between asking an engine to stop and killing it")
    drain_seconds: float = Field(
        20.0, ge=0, description="that an engine has for a last checkpoint when its worker stops or its job is paused"
    )

    max_body_bytes: int = Field(1 << 20, gt=0, description="largest request body")
    max_dataset_bytes: int = Field(20 << 30, gt=0, description="largest dataset that can be uploaded")
    max_wait_seconds: float = Field(60.0, ge=0, description="longest wait of a long poll")
    plan_wait_seconds: float = Field(30.0, ge=0, description="the API waits so long for a plan, then answers 202")
    allowed_hosts: Words = Field(
        ("127.0.0.1", "localhost", "[::1]"), description="names that a request's Host and Origin may give"
    )

    secrets_key: SecretStr | None = Field(
        None,
        description="key that encrypts stored secrets: 32 bytes in base64, the same for API and workers; several by "
        "commas: the first encrypts; none: secrets.key in the data folder",
    )

    authentication: Literal["keys", "open"] = Field(
        "keys", description="keys: every request needs an API key or a session; open: none does, on loopback only"
    )
    public_url: str | None = Field(
        None, description="address that browsers reach the service by, such as https://retort.example.org; for OIDC"
    )
    session_seconds: float = Field(7 * 86400.0, gt=0, description="a sign-in to the dashboard lasts so long")
    audit_seconds: float = Field(400 * 86400.0, gt=0, description="entries of the audit log are removed after so long")
    job_seconds: float | None = Field(
        None, gt=0, description="ended jobs and their files are removed after so long; none: kept until deleted"
    )
    checkpoint_seconds: float = Field(
        7 * 86400.0,
        ge=0,
        description="failed and cancelled jobs keep their checkpoint so long; then a retry begins anew",
    )
    event_seconds: float = Field(
        90 * 86400.0, ge=0, description="an ended job keeps its log and events so long; states, metrics and files stay"
    )
    idempotency_seconds: float = Field(30 * 86400.0, gt=0, description="an Idempotency-Key is remembered so long")
    delivered_seconds: float = Field(7 * 86400.0, ge=0, description="delivered webhook messages are kept so long")
    undelivered_seconds: float = Field(30 * 86400.0, ge=0, description="dead webhook messages can be replayed so long")
    upload_seconds: float = Field(7 * 86400.0, gt=0, description="an upload that nobody goes on with is kept so long")
    max_cache_bytes: int = Field(
        100 * GiB,
        ge=0,
        description="cache of a worker's data folder: downloads, decoded images, compiled code; the "
        "longest unused go first, never what a running job uses",
    )
    cache_seconds: float = Field(30 * 86400.0, gt=0, description="an entry of the cache unused for so long is removed")
    sweep_seconds: float = Field(600.0, gt=0, description="between two sweeps of what is no longer needed")
    max_queued_jobs: int | None = Field(None, ge=0, description="jobs of one tenant that wait; none: no limit")
    max_running_jobs: int | None = Field(None, ge=1, description="jobs of one tenant that run at once; none: no limit")
    max_stored_bytes: int | None = Field(
        None, ge=0, description="artifacts and checkpoints of one tenant; none: no limit"
    )
    requests_per_minute: int | None = Field(
        None, ge=1, description="of one key, counted by each API process; none: no limit"
    )
    oidc_issuer: str | None = Field(None, description="OpenID provider for signing in; none: keys alone")
    oidc_client_id: str | None = Field(None, description="of this service at the provider")
    oidc_client_secret: SecretStr | None = Field(None, description="of this service at the provider")
    oidc_users: Words = Field(
        (),
        description="who may sign in: e-mail addresses, @domain for all of a domain, * for all of the provider",
    )
    oidc_admins: Words = Field((), description="e-mail addresses of those who sign in with the scope admin")
    oidc_tenant_claim: str | None = Field(
        None, description="claim of the provider that names a person's tenant; none: the tenant default"
    )

    file_roots: Words = Field(
        ("/",),
        description="folders that file: URIs may read below; empty: no file: at all. Default without SQLite: empty",
    )
    private_addresses: bool = Field(
        True,
        description="whether datasets and teachers may come from private addresses. Default without SQLite: false",
    )
    download_ports: Numbers = Field(
        (80, 443), description="ports that http(s) may reach where private addresses are refused"
    )
    max_download_seconds: float = Field(6 * 3600.0, gt=0, description="longest download of one URI")
    network_after_inputs: bool = Field(
        False,
        description="whether an engine keeps the network once its inputs are there; a job of several processes does",
    )
    engine_user: str | None = Field(
        None,
        description="user that engines run as, where the worker is root and the database is no SQLite; none: the "
        "worker's own",
    )
    pickled_weights: bool = Field(True, description="whether teachers may be pickled state dicts (under weights_only)")
    max_download_bytes: int = Field(200 * GiB, gt=0, description="largest download, per URI")
    max_extracted_bytes: int = Field(200 * GiB, gt=0, description="most bytes unpacked from one archive")
    max_archive_entries: int = Field(
        2_000_000, gt=0, description="most files and folders of one dataset, and images of files that hold many"
    )
    max_table_rows: int = Field(8_000_000, gt=0, description="most rows of one dataset's tables and lists")
    max_reading_bytes: int = Field(
        GiB, gt=0, description="most memory for one dataset's tables, lists, label columns and arrays"
    )
    max_reading_seconds: float = Field(3600.0, gt=0, description="longest reading of one dataset, before decoding")
    max_compression_ratio: float = Field(200.0, gt=0, description="most bytes unpacked for one byte of an archive")
    max_image_pixels: int = Field(50_000_000, gt=0, description="largest image")
    max_resident_bytes: int = Field(64 << 20, gt=0, description="decoded images beyond this stay in a file")
    max_teacher_pass_bytes: int = Field(
        20 * GiB, gt=0, description="stored teacher passes of a worker, all together; the longest unused go first"
    )
    weights_shelf: str | None = Field(
        None,
        description="folder or bucket (s3:, gs:, hf:) with published weights for installations without internet "
        "(`retort weights add`); none: weights in the data folder",
    )
    num_threads: int | None = Field(None, ge=1, description="CPU threads of an engine; none: all that it may use")
    engine_env: Words = Field(
        ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_*", "NVIDIA_*", "OMP_*", "GOMP_*", "TORCH_HOME",
         "AWS_*", "GOOGLE_APPLICATION_CREDENTIALS", "HF_*", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE"),
        description="environment variables that an engine gets to see, * for any ending",
    )  # fmt: skip

    @field_validator(
        "allowed_hosts", "file_roots", "download_ports", "engine_env", "oidc_users", "oidc_admins", mode="before"
    )
    @classmethod
    def _by_commas(cls, value: Any) -> Any:
        return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value

    @field_validator(
        "database_url", "num_threads", "engine_user", "secrets_key", "weights_shelf", "public_url", "oidc_issuer",
        "oidc_client_id", "oidc_client_secret", "oidc_tenant_claim", "max_queued_jobs", "max_running_jobs",
        "max_stored_bytes", "requests_per_minute", "metrics_port", "job_seconds",
        mode="before",
    )  # fmt: skip
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return None if value == "" else value

    @model_validator(mode="before")
    @classmethod
    def _strict_for_many(cls, given: Any) -> Any:
        """Where others send jobs, workers read neither their hosts' files nor their private network by default."""
        url = given.get("database_url") if isinstance(given, dict) else None
        if not url or url.startswith("sqlite"):
            return given
        return {"file_roots": (), "private_addresses": False, **given}

    @classmethod
    def load(cls) -> Self:
        """The settings of this process, from its environment and from files: `retort_<setting>` in the folder that
        RETORT_SECRETS_DIR names, /run/secrets unless set. Logs a warning for each RETORT_ variable that means nothing.
        """
        for warning in unknown_variables(os.environ):
            log.warning(warning)
        folder = Path(os.environ.get(SECRETS_DIR, "/run/secrets"))
        return cls(_secrets_dir=folder if folder.is_dir() else None)

    @property
    def url(self) -> str:
        """The database URL in force."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'retort.db'}"

    @property
    def is_embedded(self) -> bool:
        """Whether API and workers share one machine: all of them open one SQLite file on its local disk."""
        return self.url.startswith("sqlite")

    @property
    def shelf(self) -> str:
        """The shelf of weights in force."""
        return self.weights_shelf or str(self.data_dir.absolute() / "weights")

    @property
    def sealing_keys(self) -> str:
        """The keys of stored secrets, separated by commas; empty: that of the data folder."""
        return self.secrets_key.get_secret_value() if self.secrets_key else ""

    @property
    def token_file(self) -> Path | None:
        """Where the API key of this machine's user is; None where keys are off or the service is not embedded."""
        return self.data_dir / "token" if self.is_embedded and self.authentication == "keys" else None

    @property
    def tenant_limits(self) -> Limits:
        """The share of each tenant."""
        return Limits(self.max_queued_jobs, self.max_running_jobs, self.max_stored_bytes)

    def policy(self) -> dict[str, Any]:
        """What an engine process may do: the fields of core.policy.Policy, as JSON."""
        names = {
            "file_roots", "private_addresses", "download_ports", "max_download_seconds", "network_after_inputs",
            "pickled_weights", "max_download_bytes", "max_extracted_bytes", "max_archive_entries", "max_table_rows",
            "max_reading_bytes", "max_reading_seconds", "max_compression_ratio", "max_image_pixels",
            "max_resident_bytes",
            "max_teacher_pass_bytes", "num_threads",
        }  # fmt: skip
        return self.model_dump(mode="json", include=names) | {"weights_shelf": self.shelf}


def unknown_variables(names: Iterable[str]) -> list[str]:
    """A sentence for each name that begins with RETORT_ and is no setting, with the names it resembles."""
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    sentences = []
    for name in sorted(names):
        if not name.startswith(PREFIX) or name in known or name.startswith(ELSEWHERE):
            continue
        close = near_misses(name.removeprefix(PREFIX), [one.removeprefix(PREFIX) for one in known])
        guess = f"; did you mean {' or '.join(PREFIX + one for one in close)}?" if close else ""
        sentences.append(f"{name} is not a setting and is ignored{guess}")
    return sentences


def masked(value: str) -> str:
    """The text with the passwords of URLs hidden."""
    return re.sub(r"(?<=://)([^:/@\s]*):([^/\s]*)(?=@)", r"\1:***", value)
