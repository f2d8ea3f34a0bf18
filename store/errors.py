"""What the store refuses or cannot give: each error says which job, key, blob or database."""

from core.errors import InfrastructureError, UserError


class JobNotFound(UserError):
    """No job has this id."""

    code = "JOB_NOT_FOUND"

    def __init__(self, job_id: str) -> None:
        super().__init__(f"no job has the id {job_id!r}")
        self.job_id = job_id


class IllegalTransition(UserError):
    """The job's state forbids the action; `state`, `action` and `reason` say which and why."""

    code = "ILLEGAL_MOVE"  # clients rely on it

    def __init__(self, job_id: str, state: str, action: str, reason: str) -> None:
        super().__init__(f"cannot {action} job {job_id}: it is {state}; {reason}")
        self.job_id = job_id
        self.state = state
        self.action = action
        self.reason = reason


class IdempotencyConflict(UserError):
    """The idempotency key was used before with another body."""

    code = "IDEMPOTENCY_CONFLICT"

    def __init__(self, key: str, job_id: str) -> None:
        super().__init__(
            f"idempotency key {key!r} was used for job {job_id} with another body",
            hint="send the same body again, or a new key",
        )
        self.job_id = job_id


class VersionConflict(UserError):
    """The job was changed since the version that the client knows."""

    code = "PRECONDITION_FAILED"

    def __init__(self, job_id: str, version: int) -> None:
        super().__init__(
            f"job {job_id} has version {version}, which If-Match does not name", hint="read the job again, then decide"
        )


class BlobNotFound(UserError):
    """No whole blob has this sha256."""

    code = "BLOB_NOT_FOUND"

    def __init__(self, sha256: str) -> None:
        super().__init__(f"no blob has the sha256 {sha256!r}")


class WebhookNotFound(UserError):
    """The tenant has no webhook with this id."""

    code = "WEBHOOK_NOT_FOUND"

    def __init__(self, webhook_id: str) -> None:
        super().__init__(f"no webhook has the id {webhook_id!r}")


class DeliveryNotFound(UserError):
    """The webhook has no delivery with this number."""

    code = "DELIVERY_NOT_FOUND"

    def __init__(self, delivery_id: int) -> None:
        super().__init__(f"the webhook has no delivery {delivery_id}")


class TooManyWebhooks(UserError):
    """The tenant has as many webhooks as are allowed."""

    code = "TOO_MANY_WEBHOOKS"

    def __init__(self, most: int) -> None:
        super().__init__(f"there are {most} webhooks, which is what is allowed", hint="delete one first")


class KeyNotFound(UserError):
    """No API key has this id, or the key was revoked."""

    code = "KEY_NOT_FOUND"

    def __init__(self, key_id: str) -> None:
        super().__init__(f"no API key has the id {key_id!r}, or it was revoked")


class QuotaExceeded(UserError):
    """A tenant or a key has used up its share."""

    code = "QUOTA_EXCEEDED"


class BlobDamaged(InfrastructureError):
    """The stored bytes of a blob are not those that were stored; `sha256` is its name."""

    code = "BLOB_DAMAGED"

    def __init__(self, sha256: str) -> None:
        super().__init__(
            f"the stored bytes of the blob with the sha256 {sha256} are damaged: they have another sha256 now",
            hint="check the disk of the database or of the object store, and restore it from a backup",
        )
        self.sha256 = sha256


class ObjectMissing(InfrastructureError):
    """The object store has no object of this key, though a blob of the database names it."""

    code = "OBJECT_MISSING"

    def __init__(self, key: str) -> None:
        super().__init__(f"the object store has no object {key!r}")


class BlobStoreAway(InfrastructureError):
    """The object store does not answer, or answers that it cannot now; the same request may succeed later."""

    code = "BLOB_STORE_UNAVAILABLE"

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"the object store {place} does not answer ({reason})")


class BlobStoreRefused(InfrastructureError):
    """The object store refuses what was asked: a wrong key, a missing permission, a bucket that is not there."""

    code = "BLOB_STORE_REFUSED"

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(
            f"the object store {place} refuses the request ({reason})",
            hint="check RETORT_BLOB_STORE, its endpoint and its keys, and that the bucket is there",
        )


class DatabaseUnusable(InfrastructureError):
    """The database URL names something that Retort cannot keep its promises on."""

    code = "DATABASE_UNUSABLE"


class DatasetNotFound(UserError):
    """The tenant has no uploaded dataset with this id."""

    code = "DATASET_NOT_FOUND"

    def __init__(self, dataset_id: str) -> None:
        super().__init__(f"no dataset has the id {dataset_id!r}")


class DatasetInUse(UserError):
    """A job that has not ended names the dataset."""

    code = "DATASET_IN_USE"

    def __init__(self, dataset_id: str, job_id: str) -> None:
        super().__init__(f"dataset {dataset_id} is used by job {job_id}, which has not ended; cancel it first")


class OffsetConflict(UserError):
    """A part of an upload begins where the service does not expect it; `expected` is the byte that it expects."""

    code = "OFFSET_CONFLICT"

    def __init__(self, dataset_id: str, expected: int, offset: int) -> None:
        super().__init__(f"dataset {dataset_id} has {expected} bytes; a part that begins at byte {offset} does not fit")
        self.expected = expected


class DatasetDamaged(UserError):
    """The bytes that arrived are not those that the client announced."""

    code = "DATASET_DAMAGED"

    def __init__(self, dataset_id: str, announced: str, sha256: str) -> None:
        super().__init__(
            f"dataset {dataset_id} arrived with sha256 {sha256}, and {announced} was announced; it is removed",
            hint="upload it again",
        )


class TracesUnusable(InfrastructureError):
    """A collector of traces is named, and the library that sends them is missing."""

    code = "TRACES_UNUSABLE"

    def __init__(self, module: str) -> None:
        super().__init__(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is set, and the Python package {module!r} is not installed; "
            "the extra 'traces' brings it: pip install 'retort-service[traces]'"
        )


class SecretNotFound(UserError):
    """No secret has this name."""

    code = "SECRET_NOT_FOUND"

    def __init__(self, name: str) -> None:
        super().__init__(f"no secret has the name {name!r}", hint="store it with `retort secrets set`")


class TooManySecrets(UserError):
    """The tenant stores as many secrets as are allowed."""

    code = "TOO_MANY_SECRETS"

    def __init__(self, most: int) -> None:
        super().__init__(f"{most} secrets are stored, which is what is allowed; remove some")


class SecretsUnusable(InfrastructureError):
    """Stored secrets cannot be encrypted or decrypted with the key of this process."""

    code = "SECRETS_UNUSABLE"
