"""Secrets go in and never come out; a job names only what its tenant has stored."""

from typing import Any

import pytest
from starlette.testclient import TestClient

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
VALUE = "canary-4711-" + "x" * 20


def test_a_secret_is_stored_listed_and_removed(api: TestClient) -> None:
    assert api.put("/v1/secrets/photos", json={"value": VALUE}).status_code == 204
    listed = api.get("/v1/secrets")
    assert [one["name"] for one in listed.json()["data"]] == ["photos"]
    assert VALUE not in listed.text
    assert api.delete("/v1/secrets/photos").status_code == 204
    assert api.delete("/v1/secrets/photos").json()["code"] == "SECRET_NOT_FOUND"


@pytest.mark.parametrize(
    "body",
    [{}, {"value": ""}, {"value": [VALUE]}, {"value": VALUE, "x": VALUE}, [VALUE], VALUE, {"value": VALUE * 999}],
)
def test_a_refused_value_is_not_quoted(api: TestClient, body: Any) -> None:
    answer = api.put("/v1/secrets/photos", json=body)
    assert answer.status_code == 422
    assert VALUE not in answer.text


@pytest.mark.parametrize("name", ["A", "a b", "-a", "a" * 64, "é", "a.b"])
def test_a_name_that_no_job_could_give_is_refused(api: TestClient, name: str) -> None:
    assert api.put(f"/v1/secrets/{name}", json={"value": VALUE}).status_code == 422


def test_a_job_names_only_what_is_stored(api: TestClient, smallest: dict[str, Any]) -> None:
    body = {**smallest, "dataset": {"uri": "secret://photos", "credentials": "secret://other"}}
    answer = api.post("/v1/jobs", json=body)
    assert [one["pointer"] for one in answer.json()["errors"]] == ["/dataset/uri", "/dataset/credentials"]
    for name in ("photos", "other"):
        api.put(f"/v1/secrets/{name}", json={"value": VALUE})
    job = api.post("/v1/jobs", json=body)
    assert job.status_code == 201
    for answer in (job, api.get(f"/v1/jobs/{job.json()['id']}/events"), api.get("/v1/jobs?include=spec")):
        assert VALUE not in answer.text


def test_lists_carry_no_specs_unless_asked(api: TestClient, smallest: dict[str, Any]) -> None:
    api.post("/v1/jobs", json=smallest)
    (short,), (whole,) = (api.get(path).json()["data"] for path in ("/v1/jobs", "/v1/jobs?include=spec"))
    assert short["spec"] is None
    assert whole["spec"]["dataset"]["uri"]
    assert short["summary"] == whole["summary"]
