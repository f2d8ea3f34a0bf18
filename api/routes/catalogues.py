"""/v1/methods, /v1/teachers, /v1/students and /v1/schema: what a job may ask for."""

import json
from typing import Any

from fastapi import APIRouter, Response

from api.dependencies import DatabaseDep
from api.examples import CATALOGUE, METHOD_LIST
from api.openapi import EVERYWHERE, job_schema, problems, success
from api.schemas.service import CatalogueView, MethodList, MethodView
from core.spec import KNOBS
from store.catalogues import catalogue
from store.database import Database

SHELF = "shelf"  # the kind under which workers publish what is on the operator's shelf
router = APIRouter(tags=["catalogues"])
_PUBLISHED = {200: success("The networks", CATALOGUE), **problems(*EVERYWHERE)}


@router.get(
    "/v1/methods",
    responses={200: success("The methods", METHOD_LIST), **problems(*EVERYWHERE)},
)
async def list_methods() -> MethodList:
    """List the methods, each with the JSON Schema of its knobs, its source, and what it needs."""
    return MethodList(data=[_method(name) for name in KNOBS])


@router.get("/v1/teachers", response_model=CatalogueView, responses=_PUBLISHED)
def list_teachers(database: DatabaseDep) -> CatalogueView:
    """List the networks that may teach, with their sizes."""
    return _catalogue(database, "teachers")


@router.get("/v1/students", response_model=CatalogueView, responses=_PUBLISHED)
def list_students(database: DatabaseDep) -> CatalogueView:
    """List the networks that may learn, and what each size stands for."""
    return _catalogue(database, "students")


@router.get(
    "/v1/schema",
    responses={
        200: success(
            "JSON Schema (draft 2020-12)", {"title": "JobSpec", "type": "object"}, media_type="application/schema+json"
        ),
        **problems(*EVERYWHERE),
    },
    response_class=Response,
)
async def get_schema() -> Response:
    """The JSON Schema of a job, with a description, unit and default for every field."""
    return Response(json.dumps(job_schema()), media_type="application/schema+json")


def _catalogue(database: Database, kind: str) -> CatalogueView:
    with database.read() as session:
        published = catalogue(session, kind)
        shelf = catalogue(session, SHELF)
    if published is None:
        raise LookupError(f"no catalogue of {kind} is shipped")
    shelved = frozenset(shelf.data) if shelf is not None else frozenset()
    rows = [{**row, "weights": _weights(row, shelved)} for row in published.data]
    return CatalogueView(data=rows, published_at=published.published_at)


def _weights(row: dict[str, Any], shelved: frozenset[str]) -> str:
    """Where the pretrained weights of a network are: shelf (of the operator), download, or none."""
    if row["architecture"] in shelved:
        return "shelf"
    return "download" if row.get("published_weights") else "none"


def _method(name: str) -> MethodView:
    knobs = KNOBS[name]
    return MethodView(
        name=name,
        summary=(knobs.__doc__ or "").strip(),
        source=knobs.source,
        fidelity=knobs.fidelity,
        needs=list(knobs.needs),
        can_be_combined=knobs.can_be_combined,
        takes_more_teachers=knobs.takes_more_teachers,
        knobs=knobs.model_json_schema(),
    )
