"""The OpenAPI document: whole, readable, and every example fits its schema."""

from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
import pytest
from starlette.testclient import TestClient

from api.openapi import job_schema
from core.spec import KNOBS, parse_job
from store.values import Job

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def document(api: TestClient) -> Any:
    return api.get("/openapi.json").json()


def operations(document: Any) -> Iterator[Any]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def contents(operation: Any) -> Iterator[Any]:
    """(status, media type, content) of the request and all answers; status None for the request."""
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield None, media_type, content
    for status, answer in operation["responses"].items():
        for media_type, content in answer.get("content", {}).items():
            yield status, media_type, content


def test_every_call_of_the_design_is_there(document: Any) -> None:
    calls = {call for call, _ in operations(document)}
    jobs, job = "/v1/jobs", "/v1/jobs/{job_id}"
    assert calls >= {
        *(f"POST {path}" for path in (jobs, f"{jobs}/plan", f"{job}/cancel", f"{job}/retry")),
        *(
            f"GET {jobs}/{{job_id}}{rest}"
            for rest in ("", "/metrics", "/events", "/logs", "/artifacts", "/artifacts/{name}")
        ),
        *(f"GET /{name}" for name in ("livez", "readyz", "metrics", "v1/jobs", "v1/workers")),
        *(f"GET /v1/{name}" for name in ("methods", "teachers", "students", "schema")),
        f"DELETE {job}",
    }


def test_every_operation_is_described(document: Any) -> None:
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(names)) == len(names)
    for call, operation in operations(document):
        assert operation["operationId"].replace("_", "").isalpha(), call
        assert operation["tags"], call
        assert operation["description"], call
        assert all(answer["description"] for answer in operation["responses"].values()), call


def test_every_json_content_has_an_example_that_fits(document: Any) -> None:
    checked = 0
    for call, operation in operations(document):
        for status, media_type, content in contents(operation):
            if "json" not in media_type or media_type == "application/schema+json":
                continue
            shown = [one["value"] for one in content.get("examples", {}).values()] or [content["example"]]
            assert "schema" in content, (call, status)
            schema = {**content["schema"], "components": document["components"]}
            for example in shown:
                jsonschema.Draft202012Validator(schema).validate(example)
                checked += 1
                if status is None and content["schema"].get("$ref", "").endswith("/JobSpec"):
                    parse_job(example)
            if status and status[0] in "45":
                assert media_type == "application/problem+json", call
    assert checked > 60


def test_every_error_is_a_problem_and_every_call_may_fail(document: Any) -> None:
    for call, operation in operations(document):
        errors = {status for status in operation["responses"] if status[0] in "45"}
        assert {"421", "500"} <= errors, call
        for status in errors:
            assert list(operation["responses"][status]["content"]) == ["application/problem+json"], call
    assert "HTTPValidationError" not in str(document)


def test_answers_fit_their_schemas(api: TestClient, document: Any, put: Callable[..., Job]) -> None:
    job = put(name="x")
    for path in ("/v1/jobs", "/v1/jobs/{job_id}", "/v1/jobs/{job_id}/events", "/v1/methods", "/v1/workers", "/readyz"):
        schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        validator = jsonschema.Draft202012Validator({**schema, "components": document["components"]})
        validator.validate(api.get(path.format(job_id=job.id)).json())


def test_the_schema_of_a_job(api: TestClient) -> None:
    schema = api.get("/v1/schema").json()
    assert schema == job_schema()
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate({"teacher": "torchvision/resnet50", "dataset": "s3://shelf/photos.zip", "student": "small"})
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({"dataset": "s3://a", "student": "small", "datase": 1})


def test_the_methods(api: TestClient) -> None:
    methods = {method["name"]: method for method in api.get("/v1/methods").json()["data"]}
    assert methods.keys() == KNOBS.keys()
    for method in methods.values():
        jsonschema.Draft202012Validator.check_schema(method["knobs"])
        assert method["source"]
        assert method["summary"]
    assert methods["kd"]["needs"] == ["teacher", "labels", "common classes"]
    assert methods["kd"]["fidelity"] == "as published"
    assert methods["skd"]["fidelity"] == "our variant"
    assert [methods[name]["can_be_combined"] for name in ("kd", "prokt")] == [True, False]
    assert [name for name, method in methods.items() if method["takes_more_teachers"]] == ["simkd"]


def test_the_schema_takes_methods_in_every_form(api: TestClient) -> None:
    validator = jsonschema.Draft202012Validator(api.get("/v1/schema").json())
    job = {"teacher": "torchvision/resnet50", "dataset": "s3://shelf/photos.zip", "student": "small"}
    for method in ("kd", {"name": "kd"}, ["kd", "skd"], [{"name": "kd", "temperature": 2}, "skd"]):
        parse_job({**job, "method": method})
        validator.validate({**job, "method": method})
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**job, "method": [{"name": "kd", "temprature": 2}]})
