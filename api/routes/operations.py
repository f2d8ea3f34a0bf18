"""/v1/workers, /livez, /readyz and /metrics: how the service is."""

import logging
from typing import Literal

from fastapi import APIRouter, Response

from api.dependencies import CallerDep, DatabaseDep, TelemetryDep
from api.errors import unavailable
from api.examples import READINESS, WORKER_LIST
from api.openapi import EVERYWHERE, PUBLIC, problems, success
from api.schemas.service import HealthView, ReadinessView, WorkerList, WorkerView
from api.service_figures import service_figures
from api.telemetry import CONTENT_TYPE
from store import deliveries, growth, queries, workers
from store.database import Database
from store.errors import BlobStoreAway, BlobStoreRefused
from store.figures import attempts_by_outcome, blob_totals
from store.schema import schema_of
from store.tables import SCHEMA

router = APIRouter(tags=["operations"])
log = logging.getLogger("retort.api")


@router.get("/v1/workers", responses={200: success("The workers", WORKER_LIST), **problems(*EVERYWHERE)})
def list_workers(database: DatabaseDep) -> WorkerList:
    """List the workers that have announced themselves and not left."""
    with database.read() as session:
        found = workers.list_workers(session)
    return WorkerList(data=[WorkerView.model_validate(worker) for worker in found])


@router.get(
    "/livez",
    responses={
        200: success("It lives", {"status": "ok"}),
        **problems("REQUEST_MALFORMED", "HOST_UNTRUSTED", "INTERNAL"),
    },
)
async def check_life() -> HealthView:
    """Whether this process answers; says nothing about what it depends on."""
    return HealthView(status="ok")


@router.get("/readyz", responses={200: success("It takes jobs", READINESS), **problems(*PUBLIC, "SCHEMA_BEHIND")})
def check_readiness(database: DatabaseDep) -> ReadinessView:
    """Whether jobs are taken: the database is reachable and its schema current. Tells how many workers are alive, and
    whether the store of artifacts is reachable, without which jobs wait for it.
    """
    found = schema_of(database)
    if found != SCHEMA:
        has = f"has the schema {found}" if found else "has no schema"
        raise unavailable("SCHEMA_BEHIND", f"the database {has}, not {SCHEMA}; run python -m migrations")
    with database.read() as session:
        alive, unfit = workers.count_alive(session), workers.count_unfit(session)
    return ReadinessView(
        status="ready",
        database="reachable",
        blob_store=_blob_store(database),
        schema_current=True,
        workers_alive=alive,
        workers_quarantined=unfit,
    )


def _blob_store(database: Database) -> Literal["database", "reachable", "unreachable"]:
    if database.objects is None:
        return "database"
    try:
        database.objects.check()
    except (BlobStoreAway, BlobStoreRefused) as error:
        log.warning("%s", error)
        return "unreachable"
    return "reachable"


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: success("Prometheus' text format", 'retort_jobs{state="queued"} 2.0\n', media_type="text/plain"),
        **problems(*EVERYWHERE),
    },
)
def get_figures(database: DatabaseDep, telemetry: TelemetryDep, caller: CallerDep) -> Response:
    """Figures for Prometheus: jobs, queue, workers and the messages of webhooks as the database has them.

    With the scope `admin` they cover all tenants and the requests of this process, else the caller's tenant alone.
    """
    of_all = caller.may("admin")
    tenant = None if of_all else caller.tenant
    with database.read() as session:
        text = telemetry.text(
            jobs_by_state=queries.count_jobs(session, tenant),
            oldest_queued_seconds=queries.oldest_queued_seconds(session, tenant),
            workers_alive=workers.count_alive(session),
            workers_quarantined=workers.count_unfit(session),
            webhooks=deliveries.figures(session, tenant),
            with_requests=of_all,
            grown=growth.figures(session) if of_all else (),
        )
        if of_all:
            text += service_figures(attempts_by_outcome(session), blob_totals(session))
    return Response(text, media_type=CONTENT_TYPE)
