"""/v1/jobs/plan: what a job would be. The engine finds out; the API waits for it."""

from typing import Annotated

import anyio
from fastapi import APIRouter, Header, Response

from api import inputs, references
from api.body import Body, parse_json
from api.conditions import applied, wait_seconds
from api.dependencies import CallerDep, ChangeFeedDep, DatabaseDep, RequestDatabase, SettingsDep
from api.errors import Problem, unavailable
from api.examples import PLAN, QUEUED_JOB
from api.openapi import BODY, CHANGING, job_body, problems, success
from api.responses import job_response
from api.schemas.job import JobView, PlanView
from core.spec import parse_job
from store import jobs
from store.callers import Caller
from store.database import Database
from store.settings import Settings
from store.values import Job

router = APIRouter(tags=["jobs"])
# A shorter wait than the setting's, where the client says none: browsers and proxies get impatient.
DEFAULT_WAIT_SECONDS = 10.0


@router.post(
    "/v1/jobs/plan",
    response_model=PlanView,
    responses={
        200: success("The plan", PLAN, headers=("Preference-Applied",)),
        202: {
            **success(
                "Not known yet: poll Location until it is `done`; its `plan` is the answer",
                {**QUEUED_JOB, "kind": "plan"},
                headers=("Location",),
            ),
            "model": JobView,
        },
        **problems(*CHANGING, *BODY, "DATASET_INVALID", "QUOTA_EXCEEDED"),
    },
    openapi_extra=job_body(),
)
async def plan_job(
    body: Body,
    database: DatabaseDep,
    settings: SettingsDep,
    feed: ChangeFeedDep,
    caller: CallerDep,
    prefer: Annotated[
        str | None, Header(description="`wait=N`: seconds to wait for the plan (default 10, cap 60)")
    ] = None,
) -> Response:
    """Plan a job: read its dataset, choose and measure its networks, estimate its time. Nothing is trained or kept."""
    asked = wait_seconds(prefer, settings.max_wait_seconds)
    job = await anyio.to_thread.run_sync(_submit, database, settings, caller, body)
    await feed.done(job.id, min(DEFAULT_WAIT_SECONDS, settings.plan_wait_seconds) if asked is None else asked)
    response = await anyio.to_thread.run_sync(_finish, database, job.id)
    response.headers.update(applied(asked))
    return response


def _submit(database: RequestDatabase, settings: Settings, caller: Caller, body: bytes) -> Job:
    spec = parse_job(parse_json(body))
    with database.read() as session:
        references.check(session, spec, caller.tenant)
    found = inputs.check(spec, settings)
    with database.begin() as session:
        submitted = jobs.submit(
            session, spec, kind="plan", found=found, caller=caller, of_tenant=settings.tenant_limits
        )
        database.concerns(submitted.job.id)
        return submitted.job


def _finish(database: Database, job_id: str) -> Response:
    """The plan, or the reason why there is none; a plan that was told is deleted."""
    with database.read() as session:
        job = jobs.get(session, job_id)
    if not job.done:
        return job_response(job, 202, {"Location": f"/v1/jobs/{job_id}"})
    with database.begin() as session:
        jobs.delete(session, job_id)
    view = JobView.of(job)
    if job.state != "succeeded" or view.plan is None:
        raise _refusal(job)
    plan = PlanView.model_validate({**view.plan, "warnings": view.warnings})
    return Response(plan.model_dump_json(), 200, media_type="application/json")


def _refusal(job: Job) -> Problem:
    error = job.error or {"code": "INTERNAL", "category": "internal", "message": f"the plan was {job.state}"}
    detail = f"{error['message']} {error.get('hint', '')}".strip()
    if error["category"] == "infrastructure":
        return unavailable(error["code"], detail)
    return Problem(422 if error["category"] == "user" else 500, error["code"], detail)
