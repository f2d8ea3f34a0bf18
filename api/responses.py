"""HTTP responses that carry a job or a page, with the ETag of exactly their bytes."""

import hashlib
from collections.abc import Mapping

from pydantic import BaseModel
from starlette.responses import Response

from api.conditions import matches
from api.schemas.job import JobPage, JobView, ListedJobView
from store.values import Job, Page


def job_response(job: Job, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The job; its ETag begins with the version and also covers the queue position, which no version counts."""
    return _tagged(JobView.of(job), f"{job.version}-", status, headers)


def page_response(page: Page, if_none_match: str | None, *, with_spec: bool) -> Response:
    """A page of jobs, or 304."""
    view = JobPage(
        data=[ListedJobView.of(job, with_spec=with_spec) for job in page.jobs],
        has_more=page.has_more,
        next_cursor=page.next_cursor,
    )
    response = _tagged(view, "", 200, None)
    return unchanged(response) if matches(if_none_match, response.headers["ETag"]) else response


def unchanged(response: Response) -> Response:
    """304 instead of a 200."""
    kept = {name: response.headers[name] for name in ("ETag", "Preference-Applied") if name in response.headers}
    return Response(status_code=304, headers={**kept, "Cache-Control": "no-cache"})


def _tagged(view: BaseModel, prefix: str, status: int, headers: Mapping[str, str] | None) -> Response:
    body = view.model_dump_json().encode()
    etag = f'"{prefix}{hashlib.sha256(body).hexdigest()[:16]}"'
    more = {"ETag": etag, "Cache-Control": "no-cache", "Vary": "Prefer", **(headers or {})}
    return Response(body, status, more, "application/json")


def json_response(view: BaseModel) -> Response:
    """An answer that carries `view` and that a cache asks about before it uses it again."""
    return Response(view.model_dump_json(), media_type="application/json", headers={"Cache-Control": "no-cache"})
