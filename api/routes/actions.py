"""/v1/jobs/{id}/cancel, /pause, /resume, /retry and DELETE: what a client may do to a job."""

from fastapi import APIRouter, Response

from api.dependencies import DatabaseDep
from api.examples import CANCELLING_JOB, PAUSING_JOB, QUEUED_JOB
from api.openapi import CHANGING, problems, success
from api.responses import job_response
from api.schemas.job import JobView
from store import jobs

router = APIRouter(tags=["jobs"])
_REFUSALS = problems(*CHANGING, "JOB_NOT_FOUND", "ILLEGAL_MOVE")


@router.post(
    "/v1/jobs/{job_id}/cancel",
    status_code=202,
    response_model=JobView,
    responses={
        202: success("The job: cancelled if it was queued or paused, cancelling if it ran", CANCELLING_JOB),
        **_REFUSALS,
    },
)
def cancel_job(job_id: str, database: DatabaseDep) -> Response:
    """Cancel a job. A running one ends within seconds; asking twice changes nothing."""
    with database.begin() as session:
        job = jobs.request_cancel(session, job_id)
    return job_response(job, 202)


@router.post(
    "/v1/jobs/{job_id}/pause",
    status_code=202,
    response_model=JobView,
    responses={202: success("The job: paused if it was queued, pausing if it ran", PAUSING_JOB), **_REFUSALS},
)
def pause_job(job_id: str, database: DatabaseDep) -> Response:
    """Pause a job until it is resumed. A running one writes a checkpoint and gives its worker free within seconds."""
    with database.begin() as session:
        job = jobs.request_pause(session, job_id)
    return job_response(job, 202)


@router.post(
    "/v1/jobs/{job_id}/resume",
    status_code=202,
    response_model=JobView,
    responses={202: success("The job, queued again", QUEUED_JOB), **_REFUSALS},
)
def resume_job(job_id: str, database: DatabaseDep) -> Response:
    """Queue a paused job again. It goes on from its checkpoint as if it had not been paused."""
    with database.begin() as session:
        job = jobs.request_resume(session, job_id)
    return job_response(job, 202)


@router.post(
    "/v1/jobs/{job_id}/retry",
    status_code=202,
    response_model=JobView,
    responses={202: success("The job, queued again", QUEUED_JOB), **_REFUSALS},
)
def retry_job(job_id: str, database: DatabaseDep) -> Response:
    """Queue a failed or cancelled job again. It goes on from its last checkpoint."""
    with database.begin() as session:
        job = jobs.retry(session, job_id)
    return job_response(job, 202)


@router.delete(
    "/v1/jobs/{job_id}",
    status_code=204,
    responses={204: {"description": "The job and all that belongs to it are gone"}, **_REFUSALS},
)
def delete_job(job_id: str, database: DatabaseDep) -> Response:
    """Delete a job that is done, with all that came of it."""
    with database.begin() as session:
        jobs.delete(session, job_id)
    return Response(status_code=204)
