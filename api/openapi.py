"""The OpenAPI document: FastAPI's, with our problems instead of its own, and the body of a job as a schema."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from api.authentication import COOKIE
from api.authorization import needed
from api.errors import MEDIA_TYPE, Problem
from api.examples import CHANGE, JOB_BODIES, JOB_ID
from api.schemas.service import ProblemView
from core.spec import JobChange, JobSpec

DESCRIPTION = """
Retort turns a big teacher network into a small network specialized to your classes.

POST a job (teacher, dataset URI, student size) to `/v1/jobs`; a worker runs it; follow it by `GET /v1/jobs/{id}` with
`Prefer: wait=20` and `If-None-Match`, or by its event stream; download the artifacts. Every error is an RFC 9457
`application/problem+json` with a stable `code`. Every request but the probes needs an API key, as
`Authorization: Bearer rtk_...`, or the session of a browser. Times are RFC 3339 in UTC. HEAD is answered wherever GET
is.
"""
TAGS = [
    {"name": "jobs", "description": "Submit jobs, follow them, cancel, retry and delete them."},
    {"name": "datasets", "description": "Upload images once, by the tus protocol; jobs name them as dataset:<id>."},
    {"name": "metrics", "description": "The curves of a job."},
    {"name": "events", "description": "What happened to a job, as a page or as a stream."},
    {"name": "logs", "description": "The log lines of a job."},
    {"name": "artifacts", "description": "What came of a job."},
    {"name": "webhooks", "description": "Who is told of jobs."},
    {"name": "catalogues", "description": "What a job may ask for."},
    {"name": "secrets", "description": "Credentials that jobs name and never hold."},
    {"name": "operations", "description": "How the service is."},
    {"name": "access", "description": "Who may ask: API keys, sessions of the dashboard, and what was done."},
]
_REF = "#/components/schemas/{model}"
# code -> status and the detail of the example
_PROBLEMS = {
    "SPEC_INVALID": (422, "/student: unknown size 'smal'. Did you mean 'small'?"),
    "ARCHITECTURE_UNKNOWN": (422, "unknown architecture 'cifar/resnet57'. Did you mean 'cifar/resnet56'?"),
    "PARAMETER_INVALID": (422, "/query/limit: Input should be less than or equal to 200, not '1000'"),
    "IDEMPOTENCY_CONFLICT": (422, "idempotency key 'k-1' was used for another body"),
    "DATASET_INVALID": (422, "the folder holds no images"),
    "IDEMPOTENCY_KEY_INVALID": (400, "an Idempotency-Key has 1 to 255 printable ASCII characters"),
    "BODY_MALFORMED": (400, "the body is no JSON: Expecting ',' delimiter: line 1 column 30 (char 29)"),
    "BODY_TOO_LARGE": (413, "a body may have at most 1048576 bytes"),
    "BODY_TIMEOUT": (408, "the body did not arrive within 20 seconds"),
    "CONTENT_TYPE_UNSUPPORTED": (415, "the Content-Type must be application/json, not 'text/plain'"),
    "CONTENT_ENCODING_UNSUPPORTED": (
        415,
        "Content-Encoding 'gzip' is not taken; allowed: identity",
    ),
    "JOB_NOT_FOUND": (404, f"no job has the id '{JOB_ID}'"),
    "ARTIFACT_NOT_FOUND": (404, "the job has no artifact 'model.pt'"),
    "ILLEGAL_MOVE": (409, f"cannot delete job {JOB_ID}: it is running; cancel it first"),
    "WEBHOOK_NOT_FOUND": (404, "no webhook has the id 'wh_01KAK3P0V6T6Y1F5S9W1QKX0ZD'"),
    "DELIVERY_NOT_FOUND": (404, "the webhook has no delivery 17"),
    "WEBHOOK_URL_REFUSED": (422, "/url: the scheme is 'ftp'; allowed: https"),
    "TOO_MANY_WEBHOOKS": (422, "there are 50 webhooks, which is what is allowed delete one first"),
    "PRECONDITION_FAILED": (412, f"job {JOB_ID} has version 3, which If-Match does not name; read the job again"),
    "RANGE_NOT_SATISFIABLE": (416, "the artifact has 4851234 bytes"),
    "DATASET_NOT_FOUND": (404, "no dataset has the id 'ds_01KAK3P0V6T6Y1F5S9W1QKX0ZD'"),
    "DATASET_IN_USE": (409, "dataset ds_01K is used by job job_01K, which has not ended; cancel it first"),
    "OFFSET_CONFLICT": (409, "dataset ds_01K has 8388608 bytes; a part that begins at byte 0 does not fit"),
    "DATASET_TOO_LARGE": (413, "a dataset may have at most 21474836480 bytes"),
    "DATASET_DAMAGED": (422, "dataset ds_01K arrived with another sha256 than was announced; it is removed"),
    "UPLOAD_INVALID": (400, "Upload-Length: the size of the dataset in bytes is needed, 1 or more"),
    "UPLOAD_STALLED": (408, "no byte arrived for 60 seconds; 8388608 bytes are stored: go on from there"),
    "SECRET_NOT_FOUND": (404, "no secret has the name 'photos'"),
    "TOO_MANY_SECRETS": (409, "1000 secrets are stored, which is what is allowed; remove some"),
    "KEY_NOT_FOUND": (404, "no API key has the id 'key_01K', or it was revoked"),
    "BODY_INVALID": (422, "/scope: Input should be 'read', 'submit' or 'admin', not 'write'"),
    "REQUEST_MALFORMED": (400, "a URL may not hold a NUL"),
    "UNAUTHENTICATED": (401, "send an API key as: Authorization: Bearer rtk_..."),
    "SCOPE_INSUFFICIENT": (403, "this needs the scope submit, and key_01K (dashboards) has the scope read"),
    "RATE_LIMITED": (429, "key_01K (ci) may send 600 requests in a minute; try again in 1 s"),
    "QUOTA_EXCEEDED": (
        429,
        "tenant 'retail' has 100 queued jobs; allowed are 100; submit again when one of them has started",
    ),
    "SIGN_IN_FAILED": (401, "the sign-in link is unknown, used or expired"),
    "OIDC_UNAVAILABLE": (404, "no OpenID provider is set up here (RETORT_OIDC_ISSUER)"),
    "OIDC_UNREACHABLE": (503, "the OpenID provider does not answer: ConnectError"),
    "ORIGIN_FORBIDDEN": (403, "pages of 'https://elsewhere.example' may not change anything here"),
    "HOST_UNTRUSTED": (421, "this server is not 'elsewhere.example'"),
    "DATABASE_UNAVAILABLE": (503, "The database does not answer."),
    "SCHEMA_BEHIND": (503, "the database has no schema; run python -m migrations"),
    "INTERNAL": (500, "Retort failed. Its log has the cause under the id that `instance` ends with."),
}
PUBLIC = ("REQUEST_MALFORMED", "HOST_UNTRUSTED", "DATABASE_UNAVAILABLE", "INTERNAL")
EVERYWHERE = (*PUBLIC, "UNAUTHENTICATED", "SCOPE_INSUFFICIENT", "RATE_LIMITED")
CHANGING = (*EVERYWHERE, "ORIGIN_FORBIDDEN")
JSON_BODY = (
    "BODY_MALFORMED",
    "BODY_TOO_LARGE",
    "BODY_TIMEOUT",
    "CONTENT_TYPE_UNSUPPORTED",
    "CONTENT_ENCODING_UNSUPPORTED",
    "BODY_INVALID",
)
BODY = (*JSON_BODY[:-1], "SPEC_INVALID", "ARCHITECTURE_UNKNOWN")

DEMANDED = {"upload-length": "^[1-9][0-9]{0,17}$", "upload-offset": "^[0-9]{1,18}$"}

Responses = dict[int | str, dict[str, Any]]
# What the bodies of body_of refer to.
_DEFINITIONS: dict[str, Any] = {}


def problems(*codes: str) -> Responses:
    """What FastAPI's `responses` wants to know about errors, with an example for each code."""
    responses: Responses = {}
    for code in codes:
        status, detail = _PROBLEMS[code]
        example = Problem(status, code, detail).document("urn:retort:request:5f0c2a9e8d7b4c61")
        content = {"schema": {"$ref": _REF.format(model=ProblemView.__name__)}, "examples": {}}
        response = responses.setdefault(status, {"description": "", "content": {MEDIA_TYPE: content}})
        response["content"][MEDIA_TYPE]["examples"][code] = {"value": example}
        response["description"] = ", ".join(response["content"][MEDIA_TYPE]["examples"])
    return responses


def success(
    description: str, example: Any, *, media_type: str = "application/json", headers: tuple[str, ...] = ()
) -> Any:
    """One entry of FastAPI's `responses` with an example."""
    shown = {name: {"schema": {"type": "string"}} for name in headers}
    return {"description": description, "content": {media_type: {"example": example}}, "headers": shown}


def job_body() -> dict[str, Any]:
    """What the operations that read their body by themselves say about it."""
    content = {"schema": {"$ref": _REF.format(model=JobSpec.__name__)}, "examples": JOB_BODIES}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def body_of(model: type[BaseModel], example: Any) -> dict[str, Any]:
    """As job_body, for a body that is an object of the model."""
    content = {"schema": model.model_json_schema(ref_template=_REF), "example": example}
    definitions = content["schema"].pop("$defs", {})
    _DEFINITIONS.update(definitions)
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def change_body() -> dict[str, Any]:
    """What a change of a job says about its body."""
    schema = {"schema": {"$ref": _REF.format(model=JobChange.__name__)}, "example": CHANGE}
    content = {media_type: schema for media_type in ("application/json", "application/merge-patch+json")}
    return {"requestBody": {"required": True, "content": content}}


def job_schema() -> dict[str, Any]:
    """The JSON Schema of a job's body."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **JobSpec.model_json_schema()}


def document(app: FastAPI) -> dict[str, Any]:
    """The whole document, made once."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, tags=TAGS, routes=app.routes)
        schemas = made["components"]["schemas"]
        for model in (ProblemView, JobSpec, JobChange):
            schema = model.model_json_schema(ref_template=_REF)
            schemas.update(schema.pop("$defs", {}))
            schemas[model.__name__] = schema
        schemas.update(_DEFINITIONS)
        _drop_frameworks_own(made)
        _require_headers(made)
        _require_a_key(made)
        app.openapi_schema = made
    return app.openapi_schema


def _drop_frameworks_own(made: dict[str, Any]) -> None:
    """FastAPI adds its own shape of a 422 wherever a path has a parameter."""
    for operations in made["paths"].values():
        for operation in operations.values():
            if "HTTPValidationError" in str(operation["responses"].get("422", "")):
                del operation["responses"]["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        made["components"]["schemas"].pop(name, None)


def _require_headers(made: dict[str, Any]) -> None:
    """Headers of tus that a route demands by itself, because tus has another answer than 422 for their absence."""
    for operations in made["paths"].values():
        for parameter in (one for operation in operations.values() for one in operation.get("parameters", [])):
            if pattern := DEMANDED.get(parameter["name"]):
                parameter |= {"required": True, "schema": {"type": "string", "pattern": pattern}}


def _require_a_key(made: dict[str, Any]) -> None:
    """Name the two ways to be known, and the operations that need neither."""
    made["components"]["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "an API key, rtk_..."},
        "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "a sign-in to the dashboard"},
    }
    made["security"] = [{"key": []}, {"session": []}]
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            if needed(method.upper(), path) is None:
                operation["security"] = []
