"""/v1/jobs/{id}/logs: the log lines of a job."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from api.dependencies import DatabaseDep
from api.examples import LOG_PAGE
from api.openapi import EVERYWHERE, problems, success
from api.parameters import PageQuery
from api.responses import json_response
from api.schemas.logs import LogPage, LogView
from store import jobs, queries

router = APIRouter(tags=["logs"])


class LogsQuery(PageQuery):
    """Which log lines to read."""

    attempt: int | None = Field(None, ge=0, le=2**31 - 1, description="of this attempt only")


@router.get(
    "/v1/jobs/{job_id}/logs",
    response_model=LogPage,
    responses={
        200: success("Log lines, in order", LOG_PAGE),
        **problems(*EVERYWHERE, "JOB_NOT_FOUND", "PARAMETER_INVALID"),
    },
)
def list_logs(job_id: str, query: Annotated[LogsQuery, Query()], database: DatabaseDep) -> Response:
    """Read a job's log lines. The event stream carries the same lines as they come, as events of kind `log`."""
    with database.read() as session:
        jobs.version(session, job_id)  # raises JobNotFound
        rows = queries.logs(session, job_id, attempt=query.attempt, after_seq=query.after, limit=query.limit + 1)
    shown = [LogView.model_validate(row) for row in rows[: query.limit]]
    cursor = shown[-1].seq if shown else None
    return json_response(LogPage(data=shown, has_more=len(rows) > query.limit, next_cursor=cursor))
