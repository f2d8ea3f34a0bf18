"""/v1/jobs/{id}/events: what happened to a job, as a page or as a stream."""

from typing import Annotated

import anyio
from fastapi import APIRouter, Header, Query, Response

from api import sse
from api.dependencies import ChangeFeedDep, DatabaseDep
from api.examples import EVENT_PAGE, EVENT_STREAM
from api.openapi import EVERYWHERE, problems
from api.parameters import PageQuery
from api.responses import json_response
from api.schemas.events import EventPage, EventView
from store import jobs, queries
from store.database import Database
from store.values import Job

router = APIRouter(tags=["events"])


@router.get(
    "/v1/jobs/{job_id}/events",
    response_model=EventPage,
    responses={
        200: {
            "description": "A page of events, or with `Accept: text/event-stream` all events and then those to come",
            "content": {"application/json": {"example": EVENT_PAGE}, "text/event-stream": {"example": EVENT_STREAM}},
        },
        204: {"description": "The stream has ended: nothing comes after Last-Event-ID"},
        **problems(*EVERYWHERE, "JOB_NOT_FOUND", "PARAMETER_INVALID"),
    },
)
async def list_events(
    job_id: str,
    query: Annotated[PageQuery, Query()],
    database: DatabaseDep,
    feed: ChangeFeedDep,
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
    return sse.stream(feed.follow(job_id, after, sse.HEARTBEAT_SECONDS))


def _event_page(database: Database, job_id: str, query: PageQuery) -> Response:
    with database.read() as session:
        jobs.version(session, job_id)  # raises JobNotFound
        rows = queries.events(session, job_id, after_seq=query.after, limit=query.limit + 1)
    shown = [EventView.model_validate(row) for row in rows[: query.limit]]
    cursor = shown[-1].seq if shown else None
    return json_response(EventPage(data=shown, has_more=len(rows) > query.limit, next_cursor=cursor))


def _find(database: Database, job_id: str) -> Job:
    with database.read() as session:
        return jobs.get(session, job_id)


def _any_after(database: Database, job_id: str, after: int) -> bool:
    with database.read() as session:
        return bool(queries.events(session, job_id, after_seq=after, limit=1))
