"""Every error as RFC 9457 `application/problem+json`. The one place where an exception becomes an HTTP status."""

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from core.errors import RetortError, SpecInvalid, UserError
from store.database import is_away
from store.errors import (
    BlobStoreAway,
    DatasetInUse,
    DatasetNotFound,
    DeliveryNotFound,
    IllegalTransition,
    JobNotFound,
    KeyNotFound,
    OffsetConflict,
    QuotaExceeded,
    SecretNotFound,
    TooManySecrets,
    VersionConflict,
    WebhookNotFound,
)

log = logging.getLogger("retort.api")
MEDIA_TYPE = "application/problem+json"
# An answer quotes what was sent; a megabyte of it helps nobody.
MOST_ERRORS = 100
MOST_DETAIL = 4000  # characters
MOST_ERROR = 500
RETRY_AFTER_SECONDS = 5
# A share frees up when a job ends or is deleted, which takes minutes.
QUOTA_RETRY_SECONDS = 60

_METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
# Codes for the answers that Starlette and FastAPI give by themselves.
_CODES = {
    400: "REQUEST_MALFORMED",
    404: "ROUTE_NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    413: "BODY_TOO_LARGE",
    415: "CONTENT_TYPE_UNSUPPORTED",
    416: "RANGE_NOT_SATISFIABLE",
}


class Problem(Exception):
    """An answer that is an error: `errors` lists the fields to blame as (pointer, detail)."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})

    def document(self, instance: str) -> dict[str, Any]:
        """The problem details object; `instance` names this occurrence."""
        return {
            "type": f"urn:retort:problem:{self.code.lower().replace('_', '-')}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": _short(self.detail, MOST_DETAIL),
            "code": self.code,
            "errors": [
                {"pointer": _short(pointer, MOST_ERROR), "detail": _short(detail, MOST_ERROR)}
                for pointer, detail in self.errors[:MOST_ERRORS]
            ],
            "instance": instance,
        }

    def response(self, scope: Scope) -> Response:
        """The HTTP answer, naming the request by its id."""
        request_id = scope.get("state", {}).get("request_id", "unknown")
        body = json.dumps(self.document(f"urn:retort:request:{request_id}"), ensure_ascii=False)
        # A detail quotes what the client sent; whatever cannot be encoded is shown, not fatal.
        return Response(body.encode("utf-8", "backslashreplace"), self.status, self.headers, MEDIA_TYPE)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}... ({len(text)} characters)"


def internal() -> Problem:
    """For defects of ours: shows only the id under which the log has the cause."""
    return Problem(500, "INTERNAL", "Retort failed. Its log has the cause under the id that `instance` ends with.")


def problem_of(error: Exception) -> Problem:
    """The problem that tells of `error`; unknown errors are internal."""
    match error:
        case Problem():
            return error
        case SpecInvalid():
            return Problem(422, error.code, error.message, errors=error.errors)
        case (
            JobNotFound()
            | KeyNotFound()
            | SecretNotFound()
            | WebhookNotFound()
            | DeliveryNotFound()
            | DatasetNotFound()
        ):
            return Problem(404, error.code, error.message)
        case OffsetConflict():
            return Problem(409, error.code, error.message, headers={"Upload-Offset": str(error.expected)})
        case QuotaExceeded():
            headers = {"Retry-After": str(QUOTA_RETRY_SECONDS)}
            return Problem(429, error.code, f"{error.message}; {error.hint}", headers=headers)
        case IllegalTransition() | TooManySecrets() | DatasetInUse():
            return Problem(409, error.code, error.message)
        case VersionConflict():
            return Problem(412, error.code, f"{error.message}; {error.hint}")
        case UserError():
            return _of_user(error)
        case BlobStoreAway():
            return unavailable(error.code, "The store of artifacts does not answer.")
        case RetortError():
            return Problem(500, error.code, error.message)
        case RequestValidationError():
            return _of_parameters(error)
        case HTTPException():
            return _of_http(error)
    if is_away(error):
        return unavailable("DATABASE_UNAVAILABLE", "The database does not answer, or takes no writes.")
    return internal()


def unavailable(code: str, detail: str) -> Problem:
    """503, and when to come back."""
    return Problem(503, code, detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def _of_user(error: UserError) -> Problem:
    detail = f"{error.message} {error.hint}".strip()
    if not error.pointer:
        return Problem(422, error.code, detail)
    return Problem(422, error.code, f"{error.pointer}: {detail}", errors=[(error.pointer, detail)])


def _of_http(error: HTTPException) -> Problem:
    code = _CODES.get(error.status_code, HTTPStatus(error.status_code).name)
    return Problem(error.status_code, code, str(error.detail), headers=error.headers)


def _of_parameters(error: RequestValidationError) -> Problem:
    """Query, path and header parameters have no JSON pointer; `/query/limit` stands for one."""
    errors = [("/" + "/".join(str(part) for part in item["loc"]), _explained(item)) for item in error.errors()]
    return Problem(422, "PARAMETER_INVALID", f"{errors[0][0]}: {errors[0][1]}", errors=errors)


def _explained(item: Mapping[str, Any]) -> str:
    if item["type"] == "extra_forbidden":
        return "unknown parameter"
    given = "" if item["type"] == "missing" else f", not {item['input']!r}"
    return f"{item['msg'].removeprefix('Value error, ')}{given}"


async def problem_response(request: Request, error: Exception) -> Response:
    """Starlette's exception handler for every kind of error that is expected."""
    problem = problem_of(error)
    if problem.status == 503:
        log.warning("%s: %s", problem.code, type(error).__name__)
    if problem.status == 404 and problem.code == "ROUTE_NOT_FOUND":
        problem.detail = f"no such resource: {request.url.path}"
    if problem.status == 405:
        problem.headers["Allow"] = ", ".join(_methods_at(request)) or problem.headers.get("Allow", "")
        problem.detail = f"{request.method} is not offered here; allowed: {problem.headers['Allow']}"
    return problem.response(request.scope)


def _methods_at(request: Request) -> list[str]:
    """Starlette names the methods of one route alone, though several may share the path."""
    named = request.app.openapi()["paths"].get(request.scope["path"])
    if named is None:
        return [method for method in _METHODS if _is_offered(request, method)]
    # /v1/jobs/plan is no job, though /v1/jobs/{job_id} fits it.
    return [method for method in _METHODS if ("get" if method == "HEAD" else method.lower()) in named]


def _is_offered(request: Request, method: str) -> bool:
    scope = {**request.scope, "method": "GET" if method == "HEAD" else method}
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)


def install(app: FastAPI) -> None:
    """Answer every expected error by a problem; unexpected ones are answered in api.access."""
    for kind in (Problem, RetortError, RequestValidationError, HTTPException, DBAPIError, PoolTimeout):
        app.add_exception_handler(kind, problem_response)
