"""The client's models are the service's: each field of each answer, by the OpenAPI document of the service."""

import tempfile
import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from api.app import create_app
from retort import models, webhook_models
from store.database import open_database
from store.settings import Settings


def openapi() -> dict[str, Any]:
    """The service's OpenAPI document."""
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(f"sqlite:///{folder}/retort.db")
        document = create_app(Settings(data_dir=folder), database, quiet=True).openapi()
        database.close()
    return document


DOCUMENT = openapi()
# Model -> where the service answers with it: path, and whether in a list under `data`.
ANSWERS = {
    models.JobView: ("/v1/jobs/{job_id}", False),
    models.PlanView: ("/v1/jobs/plan", False),
    models.EventView: ("/v1/jobs/{job_id}/events", True),
    models.LogView: ("/v1/jobs/{job_id}/logs", True),
    models.SeriesView: ("/v1/jobs/{job_id}/metrics", True),
    models.ArtifactView: ("/v1/jobs/{job_id}/artifacts", True),
    models.WorkerView: ("/v1/workers", True),
    models.MethodView: ("/v1/methods", True),
    models.KeyView: ("/v1/keys", True),
    models.AuditEntryView: ("/v1/audit", True),
    models.SecretView: ("/v1/secrets", True),
    models.DatasetView: ("/v1/datasets", True),
    models.GarbageView: ("/v1/garbage", True),
    webhook_models.WebhookView: ("/v1/webhooks", True),
    webhook_models.WebhookWithSecretView: ("/v1/webhooks/{webhook_id}/rotate", False),
    webhook_models.DeliveryView: ("/v1/webhooks/{webhook_id}/deliveries", True),
}
NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema that a reference stands for."""
    while "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def answer(path: str, listed: bool) -> dict[str, Any]:
    """The schema of the JSON that a path answers with, or of an item of its `data`."""
    operation = next(DOCUMENT["paths"][path][verb] for verb in ("get", "post") if verb in DOCUMENT["paths"][path])
    schema = resolved(operation["responses"]["200"]["content"]["application/json"]["schema"])
    return resolved(schema["properties"]["data"]["items"]) if listed else schema


def of_service(schema: dict[str, Any], *, closed: bool) -> Any:
    """A schema as a comparable value: a set of the types that it allows, without descriptions and limits.

    `closed`: a list of words stands for itself, and for text otherwise.
    """
    schema = resolved(schema)
    if "anyOf" in schema:
        return frozenset().union(*(of_service(one, closed=closed) for one in schema["anyOf"]))
    if closed and ("enum" in schema or "const" in schema):
        return frozenset(schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        items = [of_service(one, closed=closed) for one in schema.get("prefixItems", [])]
        return frozenset({("array", tuple(items) if items else of_service(schema["items"], closed=closed))})
    if "properties" in schema:
        fields = [(name, of_service(one, closed=closed)) for name, one in schema["properties"].items()]
        return frozenset({tuple(sorted(fields))})
    if schema.get("type") == "object":
        values = schema.get("additionalProperties")
        return frozenset(
            {("object", of_service(values, closed=closed) if isinstance(values, dict) and values else "any")}
        )
    return frozenset({schema["type"]})


def of_client(kind: Any) -> Any:
    """A type of the client in the form of `of_service`."""
    if get_origin(kind) in (Union, types.UnionType):
        return frozenset().union(*map(of_client, get_args(kind)))
    if get_origin(kind) is Literal:
        return frozenset(get_args(kind))
    if get_origin(kind) is list:
        return frozenset({("array", of_client(get_args(kind)[0]))})
    if get_origin(kind) is tuple:
        return frozenset({("array", tuple(map(of_client, get_args(kind))))})
    if is_typeddict(kind):
        return frozenset({tuple(sorted((name, of_client(one)) for name, one in get_type_hints(kind).items()))})
    if get_origin(kind) is dict:
        values = get_args(kind)[1]
        return frozenset({("object", "any" if values is Any else of_client(values))})
    return frozenset({NAMES[kind]})


@pytest.mark.parametrize("model", ANSWERS, ids=lambda model: model.__name__)
def test_a_model_has_the_fields_and_types_that_the_service_documents(model: Any) -> None:
    properties = answer(*ANSWERS[model])["properties"]
    hints = get_type_hints(model)
    assert set(hints) == set(properties)
    for name, kind in hints.items():
        # Words that the service may add to are text here.
        allowed = [of_service(properties[name], closed=closed) for closed in (True, False)]
        assert of_client(kind) in allowed, name


def test_every_model_is_compared() -> None:
    def inside(kind: Any) -> set[Any]:
        found = {kind} if is_typeddict(kind) else set()
        parts = get_type_hints(kind).values() if is_typeddict(kind) else get_args(kind)
        return found.union(*map(inside, parts))

    declared = {one for one in (*vars(models).values(), *vars(webhook_models).values()) if is_typeddict(one)}
    assert set().union(*map(inside, ANSWERS)) == declared
