"""What a spec names that the database knows: architectures of the catalogue, and the jobs whose students it uses."""

import re

from sqlalchemy.orm import Session

from core.errors import ArchitectureUnknown, SpecInvalid, unknown
from core.spec import JobSpec, needs_of
from core.spec.projected import base_of
from store import datasets, jobs, queries, secrets
from store.catalogues import catalogue
from store.errors import DatasetNotFound, JobNotFound

ARCHITECTURES = "architectures"  # the catalogue of all names
WEIGHTS_FILE = "model.safetensors"


def check(session: Session, spec: JobSpec, tenant: str) -> None:
    """Raise ArchitectureUnknown or SpecInvalid for what does not exist, before a worker has to find out."""
    _check_datasets(session, spec, tenant)
    _check_secrets(session, spec, tenant)
    teacher = spec.teacher.architecture if spec.teacher else None
    _check_architecture(session, "/teacher/architecture", teacher)
    _check_architecture(session, "/student/architecture", spec.student.architecture)
    teacher_weights = spec.teacher.weights if spec.teacher else None
    _check_weights(session, "/teacher/weights", teacher_weights, tenant)
    for index, teacher_spec in enumerate(spec.more_teachers):
        _check_architecture(session, f"/more_teachers/{index}/architecture", teacher_spec.architecture)
        _check_weights(session, f"/more_teachers/{index}/weights", teacher_spec.weights, tenant)
    if "trajectory" in needs_of(spec.method) and spec.teacher is not None and spec.teacher.trajectory is None:
        _check_trajectory(session, spec.teacher.weights or "")
    _check_weights(session, "/student/weights", spec.student.weights, tenant)


def _check_datasets(session: Session, spec: JobSpec, tenant: str) -> None:
    """`dataset:<id>` must be a dataset of the tenant that is whole."""
    for field, uri in (("uri", spec.dataset.uri), ("target_uri", spec.dataset.target_uri or "")):
        if not uri.startswith(datasets.SCHEME):
            continue
        try:
            found = datasets.get(session, tenant, uri.removeprefix(datasets.SCHEME))
        except DatasetNotFound as error:
            raise SpecInvalid([(f"/dataset/{field}", error.message)]) from None
        if found.state != "ready":
            told = f"{found.received_bytes} of its {found.size_bytes} bytes are uploaded; submit again when all are"
            raise SpecInvalid([(f"/dataset/{field}", f"dataset {found.id} is not whole: {told}")])


def _check_secrets(session: Session, spec: JobSpec, tenant: str) -> None:
    named = list(secrets.named_in(spec.model_dump(mode="json")))
    absent = set(secrets.missing(session, tenant=tenant, names=[name for _, name in named]))
    wrong = [(pointer, f"no secret has the name {name!r}; store it first") for pointer, name in named if name in absent]
    if wrong:
        raise SpecInvalid(wrong)


def _check_architecture(session: Session, pointer: str, name: str | None) -> None:
    """Names are checked against what a worker published: one that only a newer worker knows is refused until then."""
    published = catalogue(session, ARCHITECTURES) if name is not None else None
    if name is None or published is None:
        return
    known, base = set(published.data), base_of(name)
    # timm takes a tag of published weights behind a dot; cifar/ takes every valid depth and width besides those listed,
    # and the engine knows which are.
    if base.partition(".")[0] not in known and _family(base) not in {_family(one) for one in known if _is_ours(one)}:
        raise ArchitectureUnknown(unknown("architecture", name, published.data), pointer=pointer)


def _is_ours(name: str) -> bool:
    return name.startswith("cifar/")


def _family(name: str) -> str:
    return re.sub(r"\d+", "#", name)


def _check_weights(session: Session, pointer: str, weights: str | None, tenant: str) -> None:
    """`job:<id>` must be a job of the tenant that has its model already: nothing holds this job back until then."""
    if weights is None or not weights.startswith("job:"):
        return
    job_id = weights.removeprefix("job:")
    try:
        jobs.check_owner(session, job_id, tenant)
        job = jobs.get(session, job_id)
    except JobNotFound as error:
        raise SpecInvalid([(pointer, error.message)]) from None
    if job.state != "succeeded":
        until = "it ended without a model" if job.done else "submit again when it has succeeded"
        raise SpecInvalid([(pointer, f"job {job_id} is {job.state}; {until}")])
    if queries.artifact(session, job_id, WEIGHTS_FILE) is None:
        raise SpecInvalid([(pointer, f"job {job_id} did not export {WEIGHTS_FILE}")])


def _check_trajectory(session: Session, weights: str) -> None:
    """A job: teacher must have kept checkpoints of its training."""
    job_id = weights.removeprefix("job:")
    kept = jobs.get(session, job_id).spec.get("training", {}).get("keep_trajectory", 0)
    if not kept:
        detail = f"job {job_id} kept no checkpoints of its training; train the teacher with training.keep_trajectory"
        raise SpecInvalid([("/teacher/weights", detail)])
