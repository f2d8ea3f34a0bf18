"""/v1/jobs: submit, list, look at one."""

from typing import Annotated, Literal

import anyio
from fastapi import APIRouter, Header, Query, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api import inputs, references
from api.body import Body, digest, parse_json
from api.conditions import applied, matches, wait_seconds
from api.dependencies import CallerDep, ChangeFeedDep, DatabaseDep, SettingsDep
from api.errors import Problem
from api.examples import JOB_PAGE, QUEUED_JOB, RUNNING_JOB
from api.openapi import BODY, CHANGING, EVERYWHERE, job_body, problems, success
from api.responses import job_response, job_tag, page_response, unchanged
from api.schemas.job import JobPage, JobView
from core.spec import parse_job
from store import jobs
from store.database import Database
from store.job_traces import keep_trace
from store.states import State
from store.tracing import current_traceparent
from store.values import Standing

router = APIRouter(tags=["jobs"])


def _check_label(text: str) -> str:
    key, equals, _ = text.partition("=")
    if not equals or not key:
        raise ValueError("a label is written key=value")
    return text


# The validator says it in words; the pattern is for the OpenAPI document.
Label = Annotated[str, Field(max_length=500, json_schema_extra={"pattern": "^[^=]+="}), AfterValidator(_check_label)]


class ListQuery(BaseModel):
    """Which jobs to list."""

    model_config = ConfigDict(extra="forbid")

    state: list[State] = Field([], max_length=16, description="repeatable: in any of these states")
    label: list[Label] = Field(
        [],
        max_length=16,  # each is a subquery of the database
        description="repeatable, `key=value`: with all of these labels",
        examples=[["team=retail"]],
    )
    include: list[Literal["spec"]] = Field(
        [], max_length=1, description="`spec`: with whole specs, each of which may have a megabyte"
    )
    limit: int = Field(20, ge=1, le=200)
    after: str | None = Field(None, max_length=64, description="`next_cursor` of the page before")


@router.post(
    "/v1/jobs",
    status_code=201,
    response_model=JobView,
    responses={
        201: success("The job, queued", QUEUED_JOB, headers=("Location", "ETag")),
        200: {
            **success("The job that this Idempotency-Key made before", QUEUED_JOB, headers=("Location", "ETag")),
            "model": JobView,
        },
        **problems(*CHANGING, *BODY, "IDEMPOTENCY_CONFLICT", "IDEMPOTENCY_KEY_INVALID", "QUOTA_EXCEEDED"),
    },
    openapi_extra=job_body(),
)
def submit_job(
    body: Body,
    database: DatabaseDep,
    settings: SettingsDep,
    caller: CallerDep,
    idempotency_key: Annotated[
        str | None,
        Header(
            description="any text of yours; the same key and body make one job, however often sent",
            json_schema_extra={"minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
        ),
    ] = None,
) -> Response:
    """Submit a job. The answer comes after it is durable."""
    if idempotency_key is not None and not (
        0 < len(idempotency_key) <= 255 and idempotency_key.isprintable() and idempotency_key.isascii()
    ):
        raise Problem(400, "IDEMPOTENCY_KEY_INVALID", "an Idempotency-Key has 1 to 255 printable ASCII characters")
    data = parse_json(body)
    spec = parse_job(data)
    with database.read() as session:
        repeated = idempotency_key is not None and jobs.is_known(session, idempotency_key, caller.tenant)
        if not repeated:
            references.check(session, spec, caller.tenant)
    # What was taken once is answered again, whatever became of its inputs meanwhile.
    found = [] if repeated else inputs.check(spec, settings)
    with database.begin() as session:
        submitted = jobs.submit(
            session,
            spec,
            idempotency_key=idempotency_key,
            body_sha256=digest(data),
            found=found,
            caller=caller,
            of_tenant=settings.tenant_limits,
        )
        database.concerns(submitted.job.id)
        if submitted.created and (traceparent := current_traceparent()):
            keep_trace(session, submitted.job.id, traceparent)
    status = 201 if submitted.created else 200
    return job_response(submitted.job, status, {"Location": f"/v1/jobs/{submitted.job.id}"})


@router.get(
    "/v1/jobs",
    response_model=JobPage,
    responses={
        200: success("Jobs, newest first; plans are not among them", JOB_PAGE, headers=("ETag",)),
        304: {"description": "Nothing changed since the ETag in If-None-Match"},
        **problems(*EVERYWHERE, "PARAMETER_INVALID"),
    },
)
def list_jobs(
    query: Annotated[ListQuery, Query()],
    database: DatabaseDep,
    caller: CallerDep,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """List jobs. Jobs that arrive while you page never shift the next page."""
    pairs = (text.partition("=") for text in query.label)
    labels = {key: value for key, _, value in pairs}
    with database.read() as session:
        page = jobs.list_jobs(
            session,
            states=query.state,
            labels=labels,
            limit=query.limit,
            after=query.after,
            tenant=caller.tenant,
        )
    return page_response(page, if_none_match, with_spec="spec" in query.include)


@router.get(
    "/v1/jobs/{job_id}",
    response_model=JobView,
    responses={
        200: success("The job", RUNNING_JOB, headers=("ETag", "Preference-Applied")),
        304: {"description": "It has not changed since the ETag in If-None-Match, nor while you waited"},
        **problems(*EVERYWHERE, "JOB_NOT_FOUND"),
    },
)
async def get_job(
    job_id: str,
    database: DatabaseDep,
    settings: SettingsDep,
    feed: ChangeFeedDep,
    prefer: Annotated[
        str | None, Header(description="`wait=N`: answer when the job changes, after N seconds at the latest (cap 60)")
    ] = None,
    if_none_match: Annotated[
        str | None, Header(description="the ETag you have; answers 304 if it is still right")
    ] = None,
) -> Response:
    """Look at a job. With `Prefer: wait=N` the answer comes when it changes; one that is done is answered at once."""

    seconds = wait_seconds(prefer, settings.max_wait_seconds)
    if if_none_match is not None or seconds is not None:
        standing = await anyio.to_thread.run_sync(_look, database, job_id)
        known = if_none_match is None or matches(if_none_match, job_tag(standing))
        if seconds is not None and known and not standing.done:
            await feed.changed(job_id, standing.version, seconds)
            standing = await anyio.to_thread.run_sync(_look, database, job_id)
        if matches(if_none_match, tag := job_tag(standing)):
            return unchanged(tag, applied(seconds))
    return await anyio.to_thread.run_sync(_read, database, job_id, applied(seconds))


def _look(database: Database, job_id: str) -> Standing:
    with database.read() as session:
        return jobs.standing(session, job_id)


def _read(database: Database, job_id: str, headers: dict[str, str]) -> Response:
    with database.read() as session:
        job = jobs.get(session, job_id)
    return job_response(job, headers=headers)
