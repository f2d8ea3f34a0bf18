"""/v1/jobs/{id}/metrics, /events and /logs: what a job has said."""

from typing import Annotated

import anyio
from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from api import sse
from api.examples import EVENT_PAGE, EVENT_STREAM, LOG_PAGE, SERIES_LIST
from api.openapi import EVERYWHERE, answer, problems
from api.schemas.story import EventPage, EventView, LogPage, LogView, SeriesList, SeriesView
from api.series import thin
from api.wiring import TheDatabase, TheWatch
from store import jobs, queries
from store.database import Database
from store.values import Job

router = APIRouter(tags=["story"])
_REFUSALS = problems(*EVERYWHERE, "JOB_NOT_FOUND", "PARAMETER_INVALID")
# Series up to this length are thinned with an eye to their extremes; longer ones the database first thins evenly to it,
# so that no chart of a long job reads a million rows.
EXACT_POINTS = 10_000
# The largest row number of a database.
_MOST = 2**63 - 1


class _Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid")


class MetricsQuery(_Parameters):
    """Which values to read."""

    name: list[str] = Field([], description="repeatable: these metrics only", examples=[["val/top1"]])
    since_step: int | None = Field(None, ge=-1, le=_MOST, description="only the steps after this one")
    max_points: int = Field(1000, ge=2, le=100_000, description="per series; beyond it the extremes are kept")


class EventsQuery(_Parameters):
    """Which events to read."""

    after: int = Field(0, ge=0, le=_MOST, description="only events with a `seq` above this one")
    limit: int = Field(100, ge=1, le=1000)


class LogsQuery(EventsQuery):
    """Which log lines to read."""

    attempt: int | None = Field(None, ge=0, le=2**31 - 1, description="of this attempt only")


@router.get(
    "/v1/jobs/{job_id}/metrics",
    response_model=SeriesList,
    responses={200: answer("The metrics, by name", SERIES_LIST), **_REFUSALS},
)
def list_metrics(job_id: str, query: Annotated[MetricsQuery, Query()], database: TheDatabase) -> Response:
    """Read a job's metrics. A long series is thinned: its first, last, and the extremes of each stretch remain."""
    with database.read() as session:
        _exists(session, job_id)
        most = max(query.max_points, EXACT_POINTS)
        found = queries.metrics(session, job_id, names=query.name, since_step=query.since_step, max_points=most)
    data = [
        SeriesView(
            name=series.name,
            points=[(point.step, point.value, point.at) for point in thin(series.points, query.max_points)],
        )
        for series in found
    ]
    return _json(SeriesList(data=data))


@router.get(
    "/v1/jobs/{job_id}/events",
    response_model=EventPage,
    responses={
        200: {
            "description": "A page of events, or with `Accept: text/event-stream` all events and then those to come",
            "content": {"application/json": {"example": EVENT_PAGE}, "text/event-stream": {"example": EVENT_STREAM}},
        },
        204: {"description": "The stream has ended: nothing comes after Last-Event-ID"},
        **_REFUSALS,
    },
)
async def list_events(
    job_id: str,
    query: Annotated[EventsQuery, Query()],
    database: TheDatabase,
    watch: TheWatch,
    accept: Annotated[str, Header()] = "application/json",
    last_event_id: Annotated[str | None, Header(description="of a stream that broke: goes on after this event")] = None,
) -> Response:
    """Read what happened to a job, as a page or as a stream that ends when the job is done."""
    if "text/event-stream" not in accept:
        return await anyio.to_thread.run_sync(_event_page, database, job_id, query)
    job = await anyio.to_thread.run_sync(_find, database, job_id)
    resumed = last_event_id is not None and last_event_id.isdecimal() and len(last_event_id) < 19
    after = int(last_event_id) if resumed and last_event_id else query.after
    if resumed and job.done and not await anyio.to_thread.run_sync(_any_after, database, job_id, after):
        return Response(status_code=204)  # anything else would make a browser connect again for ever
    return sse.stream(watch.follow(job_id, after, sse.HEARTBEAT_SECONDS))


@router.get(
    "/v1/jobs/{job_id}/logs",
    response_model=LogPage,
    responses={200: answer("Log lines, in order", LOG_PAGE), **_REFUSALS},
)
def list_logs(job_id: str, query: Annotated[LogsQuery, Query()], database: TheDatabase) -> Response:
    """Read a job's log lines. The event stream carries the same lines as they come, as events of kind `log`."""
    with database.read() as session:
        _exists(session, job_id)
        rows = queries.logs(session, job_id, attempt=query.attempt, after_seq=query.after, limit=query.limit + 1)
    shown = [LogView.model_validate(row) for row in rows[: query.limit]]
    cursor = shown[-1].seq if shown else None
    return _json(LogPage(data=shown, has_more=len(rows) > query.limit, next_cursor=cursor))


def _event_page(database: Database, job_id: str, query: EventsQuery) -> Response:
    with database.read() as session:
        _exists(session, job_id)
        rows = queries.events(session, job_id, after_seq=query.after, limit=query.limit + 1)
    shown = [EventView.model_validate(row) for row in rows[: query.limit]]
    cursor = shown[-1].seq if shown else None
    return _json(EventPage(data=shown, has_more=len(rows) > query.limit, next_cursor=cursor))


def _find(database: Database, job_id: str) -> Job:
    with database.read() as session:
        return jobs.get(session, job_id)


def _any_after(database: Database, job_id: str, after: int) -> bool:
    with database.read() as session:
        return bool(queries.events(session, job_id, after_seq=after, limit=1))


def _exists(session: Session, job_id: str) -> None:
    """Raises JobNotFound where it does not."""
    jobs.version(session, job_id)


def _json(view: BaseModel) -> Response:
    return Response(view.model_dump_json(), media_type="application/json", headers={"Cache-Control": "no-cache"})
