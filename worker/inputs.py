"""Puts earlier jobs' results and the checkpoint into the engine's folder, which it cannot fetch itself."""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from core.errors import TeacherLoadFailed
from store import blobs, jobs, queries, secrets
from store.database import Database
from store.errors import JobNotFound
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
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("wb") as file:
            for piece in blobs.read_whole(database, sha256):
                file.write(piece)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
