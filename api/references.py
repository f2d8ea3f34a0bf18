"""What a spec names that the database knows: architectures of the catalogue, and the jobs whose students it uses."""

from sqlalchemy.orm import Session

from core.errors import ArchitectureUnknown, SpecInvalid, unknown
from core.spec import JobSpec
from store import jobs, reading
from store.catalogues import catalogue
from store.errors import JobNotFound

WEIGHTS_FILE = "model.safetensors"


def check(session: Session, spec: JobSpec) -> None:
    """Raise ArchitectureUnknown or SpecInvalid for what does not exist, before a worker has to find out."""
    if spec.dataset.uri.startswith("dataset:"):
        raise SpecInvalid([("/dataset/uri", f"{spec.dataset.uri!r}: datasets cannot be uploaded yet; give a URI")])
    teacher = spec.teacher.architecture if spec.teacher else None
    for kind, pointer, name in (
        ("teachers", "/teacher/architecture", teacher),
        ("students", "/student/architecture", spec.student.architecture),
    ):
        if name is not None:
            _check_architecture(session, kind, pointer, name)
    teacher_weights = spec.teacher.weights if spec.teacher else None
    _check_weights(session, "/teacher/weights", teacher_weights)
    _check_weights(session, "/student/weights", spec.student.weights)


def _check_architecture(session: Session, kind: str, pointer: str, name: str) -> None:
    """Names are checked against what a worker published: one that only a newer worker knows is refused until then."""
    published = catalogue(session, kind)
    known = [entry["architecture"] for entry in published.data if "architecture" in entry] if published else []
    of_library = [other for other in known if other.split("/")[0] == name.split("/")[0]]
    # A library that the catalogue does not list by name is left to the engine.
    if of_library and name not in of_library:
        raise ArchitectureUnknown(unknown("architecture", name, known), pointer=pointer)


def _check_weights(session: Session, pointer: str, weights: str | None) -> None:
    """`job:<id>` must have its model already: nothing would hold this job back until the other one ends."""
    if weights is None or not weights.startswith("job:"):
        return
    job_id = weights.removeprefix("job:")
    try:
        job = jobs.get(session, job_id)
    except JobNotFound as error:
        raise SpecInvalid([(pointer, error.message)]) from None
    if job.state != "succeeded":
        until = "it ended without a model" if job.done else "submit again when it has succeeded"
        raise SpecInvalid([(pointer, f"job {job_id} is {job.state}; {until}")])
    if reading.artifact(session, job_id, WEIGHTS_FILE) is None:
        raise SpecInvalid([(pointer, f"job {job_id} did not export {WEIGHTS_FILE}")])
