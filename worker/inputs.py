"""Lays down what the engine cannot fetch itself: earlier jobs' results, uploaded datasets, the checkpoint."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from core.errors import DatasetUnreachable, TeacherLoadFailed
from store import blobs, datasets, jobs, queries, secrets
from store.database import Database
from store.errors import DatasetNotFound, JobNotFound
from store.sealing import Sealer
from store.settings import Settings
from store.values import Artifact, CheckpointRef

# What of an earlier job its successor needs: weights, class names, and how pixels are prepared.
STAGED = ("model.safetensors", "labels.json", "preprocessing.json")
# The checkpoints of its training, where its spec asked to keep them.
TRAJECTORY = "trajectory-*.safetensors"
_SCHEME = "job:"


def named_jobs(spec: dict[str, Any]) -> list[tuple[str, str]]:
    """(JSON pointer, job id) of every `job:<id>` in a spec."""
    networks = [("/teacher", spec.get("teacher")), ("/student", spec.get("student"))]
    networks += [(f"/more_teachers/{number}", each) for number, each in enumerate(spec.get("more_teachers") or ())]
    weights = [(f"{pointer}/weights", (network or {}).get("weights") or "") for pointer, network in networks]
    return [(pointer, uri.removeprefix(_SCHEME)) for pointer, uri in weights if uri.startswith(_SCHEME)]


def stage_jobs(database: Database, spec: dict[str, Any], tenant: str, inputs: Path) -> None:
    """The results of the tenant's jobs that are named, as inputs/<job_id>/...; raises TeacherLoadFailed where a job has
    none, and BlobDamaged where one is not what was stored.
    """
    for pointer, job_id in named_jobs(spec):
        for artifact in _results(database, pointer, job_id, tenant):
            _stage(database, artifact.sha256, inputs / job_id / artifact.name)


def stage_datasets(database: Database, spec: dict[str, Any], tenant: str, inputs: Path) -> None:
    """The uploaded datasets of the tenant that are named, as inputs/<id>/<file name>.

    Raises DatasetUnreachable where one is gone or not whole, and BlobDamaged where it is not what was stored.
    """
    for field in ("uri", "target_uri"):
        uri = spec["dataset"].get(field) or ""
        if uri.startswith(datasets.SCHEME):
            _stage_dataset(database, f"/dataset/{field}", uri.removeprefix(datasets.SCHEME), tenant, inputs)


def _stage_dataset(database: Database, pointer: str, dataset_id: str, tenant: str, inputs: Path) -> None:
    with database.read() as session:
        try:
            found = datasets.get(session, tenant, dataset_id)
        except DatasetNotFound as error:
            raise DatasetUnreachable(f"{pointer}: {error.message}", pointer=pointer) from None
    if found.state != "ready":
        raise DatasetUnreachable(f"{pointer}: dataset {dataset_id} is not uploaded whole", pointer=pointer)
    _write(datasets.read(database, dataset_id), inputs / dataset_id / found.filename)


def reveal_secrets(database: Database, spec: dict[str, Any], tenant: str, settings: Settings) -> dict[str, str]:
    """The values of the secrets that a spec names, of the job's tenant; raises SecretNotFound, SecretsUnusable."""
    names = list(dict.fromkeys(name for _, name in secrets.named_in(spec)))
    if not names:
        return {}
    sealer = Sealer.of(settings.sealing_keys, settings.data_dir)
    with database.read() as session:
        return secrets.reveal(session, sealer, tenant=tenant, names=names)


def stage_checkpoint(database: Database, checkpoint: CheckpointRef, out: Path) -> None:
    """The checkpoint at the path under which the engine announced it. Raises BlobDamaged or BlobNotFound where it
    cannot be had; then nothing is at the path.
    """
    _stage(database, checkpoint.sha256, out / checkpoint.path)


def _results(database: Database, pointer: str, job_id: str, tenant: str) -> list[Artifact]:
    with database.read() as session:
        try:
            jobs.check_owner(session, job_id, tenant)
            job = jobs.get(session, job_id)
        except JobNotFound:
            raise TeacherLoadFailed(f"{pointer}: there is no job {job_id!r}", pointer=pointer) from None
        artifacts = [artifact for artifact in queries.artifacts(session, job_id) if _is_staged(artifact.name)]
    if STAGED[0] not in {artifact.name for artifact in artifacts}:
        state = f"is {job.state}" if job.state != "succeeded" else f"published no {STAGED[0]}"
        hint = "name a job that succeeded with the export safetensors"
        raise TeacherLoadFailed(f"{pointer}: job {job_id} {state}", hint=hint, pointer=pointer)
    return artifacts


def _is_staged(name: str) -> bool:
    return name in STAGED or fnmatchcase(name, TRAJECTORY)


def _stage(database: Database, sha256: str, path: Path) -> None:
    _write(blobs.read_whole(database, sha256), path)


def _write(pieces: Iterator[bytes], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("wb") as file:
            for piece in pieces:
                file.write(piece)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
