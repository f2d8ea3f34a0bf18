"""/v1/jobs/{id}/metrics: the series of a job."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from api.dependencies import DatabaseDep
from api.examples import SERIES_LIST
from api.openapi import EVERYWHERE, problems, success
from api.parameters import MAX_ROW_NUMBER, Parameters
from api.responses import json_response
from api.schemas.metrics import SeriesList, SeriesView
from api.series import thin
from store import jobs, queries

router = APIRouter(tags=["metrics"])
# Series up to this length are thinned with an eye to their extremes; longer ones the database first thins evenly to it,
# so that no chart of a long job reads a million rows.
EXACT_POINTS = 10_000


class MetricsQuery(Parameters):
    """Which values to read."""

    name: list[str] = Field([], max_length=100, description="repeatable: these metrics only", examples=[["val/top1"]])
    since_step: int | None = Field(None, ge=-1, le=MAX_ROW_NUMBER, description="only the steps after this one")
    max_points: int = Field(1000, ge=2, le=100_000, description="per series; beyond it the extremes are kept")


@router.get(
    "/v1/jobs/{job_id}/metrics",
    response_model=SeriesList,
    responses={
        200: success("The metrics, by name", SERIES_LIST),
        **problems(*EVERYWHERE, "JOB_NOT_FOUND", "PARAMETER_INVALID"),
    },
)
def list_metrics(job_id: str, query: Annotated[MetricsQuery, Query()], database: DatabaseDep) -> Response:
    """Read a job's metrics. A long series is thinned: its first, last, and the extremes of each stretch remain."""
    with database.read() as session:
        jobs.version(session, job_id)  # raises JobNotFound
        most = max(query.max_points, EXACT_POINTS)
        found = queries.metrics(session, job_id, names=query.name, since_step=query.since_step, max_points=most)
    data = [
        SeriesView(
            name=series.name,
            points=[(point.step, point.value, point.at) for point in thin(series.points, query.max_points)],
        )
        for series in found
    ]
    return json_response(SeriesList(data=data))
