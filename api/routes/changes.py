"""PATCH /v1/jobs/{id}: the name, the labels and the priority of a job."""

from typing import Annotated

from fastapi import APIRouter, Header, Response

from api.body import Body, parse_json
from api.conditions import versions
from api.dependencies import DatabaseDep
from api.examples import QUEUED_JOB
from api.openapi import BODY, CHANGING, change_body, problems, success
from api.responses import job_response
from api.schemas.job import JobView
from core.spec import parse_change
from store import changes

router = APIRouter(tags=["jobs"])


@router.patch(
    "/v1/jobs/{job_id}",
    response_model=JobView,
    responses={
        200: success("The job as it is now", QUEUED_JOB, headers=("ETag",)),
        **problems(*CHANGING, *BODY, "JOB_NOT_FOUND", "ILLEGAL_MOVE", "PRECONDITION_FAILED"),
    },
    openapi_extra=change_body(),
)
def change_job(
    job_id: str,
    body: Body,
    database: DatabaseDep,
    if_match: Annotated[
        str | None, Header(description="an ETag of the job: change it only if nothing changed it since")
    ] = None,
) -> Response:
    """Change a job: its name and labels at any time, its priority while it is queued or paused (JSON merge patch)."""
    wanted = parse_change(parse_json(body))
    with database.begin() as session:
        job = changes.change(session, job_id, wanted, versions=versions(if_match))
    return job_response(job)
