"""HTTP responses that carry a job or a page, with their ETag."""

import hashlib
import json
from collections.abc import Mapping
from functools import cache

from pydantic import BaseModel
from starlette.responses import Response

from api.conditions import matches
from api.schemas.job import JobPage, JobView, ListedJobView
from store.values import Job, Page, Standing


def job_tag(standing: Standing) -> str:
    """The ETag of a job: its version, and a digest of what changes without one. It needs no JSON."""
    changing = f"{_shape()} {standing.runtime_seconds!r} {standing.queue!r}"
    return f'"{standing.version}-{hashlib.sha256(changing.encode()).hexdigest()[:16]}"'


@cache
def _shape() -> str:
    """The fields of a job: the same job has another ETag after an upgrade that shows more of it."""
    return hashlib.sha256(json.dumps(JobView.model_json_schema()).encode()).hexdigest()


def job_response(job: Job, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The job, with its ETag."""
    tag = job_tag(Standing(job.version, job.done, job.runtime_seconds, job.queue))
    return _with_tag(JobView.of(job).model_dump_json().encode(), tag, status, headers)


def page_response(page: Page, if_none_match: str | None, *, with_spec: bool) -> Response:
    """A page of jobs, or 304."""
    view = JobPage(
        data=[ListedJobView.of(job, with_spec=with_spec) for job in page.jobs],
        has_more=page.has_more,
        next_cursor=page.next_cursor,
    )
    body = view.model_dump_json().encode()
    tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    return unchanged(tag) if matches(if_none_match, tag) else _with_tag(body, tag, 200, None)


def unchanged(tag: str, headers: Mapping[str, str] | None = None) -> Response:
    """304: what the client has with this ETag is still right."""
    return Response(status_code=304, headers={"ETag": tag, "Cache-Control": "no-cache", **(headers or {})})


def _with_tag(body: bytes, tag: str, status: int, headers: Mapping[str, str] | None) -> Response:
    more = {"ETag": tag, "Cache-Control": "no-cache", "Vary": "Prefer", **(headers or {})}
    return Response(body, status, more, "application/json")


def json_response(view: BaseModel) -> Response:
    """An answer that carries `view` and that a cache asks about before it uses it again."""
    return Response(view.model_dump_json(), media_type="application/json", headers={"Cache-Control": "no-cache"})
