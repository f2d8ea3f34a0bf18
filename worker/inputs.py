"""What an engine cannot fetch itself, laid into its folder: earlier jobs' results, and the checkpoint to go on from."""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from core.errors import TeacherLoadFailed
from store import blobs, jobs, reading
from store.database import Database
from store.errors import JobNotFound
from store.views import Artifact, CheckpointRef

# What of an earlier job its successor needs: weights, class names, and how pixels are prepared.
LAID = ("model.safetensors", "labels.json", "preprocessing.json")
# The checkpoints of its training, where it was told to keep them.
TRAJECTORY = "trajectory-*.safetensors"
_SCHEME = "job:"


def named_jobs(spec: dict[str, Any]) -> list[tuple[str, str]]:
    """(JSON pointer, job id) of every `job:<id>` in a spec."""
    places = [("/teacher", spec.get("teacher")), ("/student", spec.get("student"))]
    places += [(f"/more_teachers/{place}", each) for place, each in enumerate(spec.get("more_teachers") or ())]
    parts = [(f"{place}/weights", (part or {}).get("weights") or "") for place, part in places]
    return [(pointer, uri.removeprefix(_SCHEME)) for pointer, uri in parts if uri.startswith(_SCHEME)]


def lay_jobs(database: Database, spec: dict[str, Any], inputs: Path) -> None:
    """The named jobs' results as inputs/<job_id>/...; raises TeacherLoadFailed where a job has none."""
    for pointer, job_id in named_jobs(spec):
        for artifact in _results(database, pointer, job_id):
            _lay(database, artifact.sha256, artifact.size_bytes, inputs / job_id / artifact.name)


def lay_checkpoint(database: Database, checkpoint: CheckpointRef, out: Path) -> None:
    """The checkpoint at the path under which the engine announced it."""
    _lay(database, checkpoint.sha256, None, out / checkpoint.path)


def _results(database: Database, pointer: str, job_id: str) -> list[Artifact]:
    with database.read() as session:
        try:
            job = jobs.get(session, job_id)
        except JobNotFound:
            raise TeacherLoadFailed(f"{pointer}: there is no job {job_id!r}", pointer=pointer) from None
        artifacts = [artifact for artifact in reading.artifacts(session, job_id) if _is_laid(artifact.name)]
    if LAID[0] not in {artifact.name for artifact in artifacts}:
        state = f"is {job.state}" if job.state != "succeeded" else f"published no {LAID[0]}"
        hint = "name a job that succeeded with the export safetensors"
        raise TeacherLoadFailed(f"{pointer}: job {job_id} {state}", hint=hint, pointer=pointer)
    return artifacts


def _is_laid(name: str) -> bool:
    return name in LAID or fnmatchcase(name, TRAJECTORY)


def _lay(database: Database, sha256: str, size_bytes: int | None, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for piece in blobs.open_range(database, sha256, 0, size_bytes):
            file.write(piece)
