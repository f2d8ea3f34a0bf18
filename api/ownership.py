"""A job belongs to one tenant: every route with a `job_id` in its path answers 404 for the jobs of others.

The app depends on this as a whole, so that a new route cannot forget it.
"""

import anyio.to_thread
from fastapi import Request

from api.authentication import caller_of
from store import jobs
from store.database import Database

MAX_KNOWN = 100_000


async def check_owner(request: Request) -> None:
    """Raise JobNotFound where the path names a job that is not of the caller's tenant.

    A job never changes its tenant, so what was found once is not asked again.
    """
    job_id = request.path_params.get("job_id")
    if job_id is None:
        return
    known: set[tuple[str, str]] = request.app.state.owned_jobs
    owned = (str(job_id), caller_of(request).tenant)
    if owned in known:
        return
    await anyio.to_thread.run_sync(_check, request.app.state.database, *owned)
    if len(known) >= MAX_KNOWN:
        known.clear()
    known.add(owned)


def _check(database: Database, job_id: str, tenant: str) -> None:
    with database.read() as session:
        jobs.check_owner(session, job_id, tenant)
