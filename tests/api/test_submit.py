"""POST /v1/jobs: what is taken, what is refused, and what is answered."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from store import jobs, leases, queries
from store.catalogues import publish_catalogue
from store.database import Database
from store.values import Job, Lease


def test_the_smallest_job_is_three_strings(api: TestClient, database: Database, smallest: dict[str, Any]) -> None:
    response = api.post("/v1/jobs", json=smallest)
    assert response.status_code == 201
    job = response.json()
    assert response.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["state"], job["done"], job["version"]) == ("queued", False, 1)
    assert job["queue"] == {"position": 1, "eligible_workers": 0, "reason": "no worker is alive"}
    assert job["created_at"].endswith("Z")
    assert job["spec"]["student"]["size"] == "small"
    with database.read() as session:
        assert jobs.get(session, job["id"]).state == "queued"


def test_every_wrong_place_is_named(api: TestClient, problem: Callable[..., dict[str, Any]]) -> None:
    body = {"teacher": "torchvision/resnet50", "datase": "x", "student": "smal", "training": {"epochs": -1}}
    document = problem(api.post("/v1/jobs", json=body), 422, "SPEC_INVALID")
    places = {place["pointer"]: place["detail"] for place in document["errors"]}
    assert places.keys() == {"/datase", "/dataset", "/student", "/training/epochs"}
    assert "Did you mean 'dataset'?" in places["/datase"]
    assert "Did you mean 'small'" in places["/student"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"teacher": ', 400, "BODY_MALFORMED"),
        (b"", 400, "BODY_MALFORMED"),
        (b'{"priority": NaN}', 400, "BODY_MALFORMED"),
        (b'{"name": "a", "name": "b"}', 400, "BODY_MALFORMED"),
        (b"[" * 100_000, 400, "BODY_MALFORMED"),
        (b'{"priority": ' + b"9" * 5000 + b"}", 400, "BODY_MALFORMED"),
        (b"\xff\xfe\x00", 400, "BODY_MALFORMED"),
        (b"[]", 422, "SPEC_INVALID"),
        (b"null", 422, "SPEC_INVALID"),
        (b'"small"', 422, "SPEC_INVALID"),
    ],
)
def test_what_is_no_job_is_refused(
    api: TestClient, problem: Callable[..., dict[str, Any]], body: Any, status: int, code: str
) -> None:
    problem(api.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"}), status, code)


@pytest.mark.parametrize("escape", ["\\u0000", "\\ud800"])
@pytest.mark.parametrize("field", ["name", "labels"])
def test_text_that_no_database_stores_is_refused(
    api: TestClient, problem: Callable[..., dict[str, Any]], smallest: dict[str, Any], field: str, escape: str
) -> None:
    value = f'"a{escape}"' if field == "name" else f'{{"k": "a{escape}"}}'
    body = json.dumps(smallest)[:-1] + f', "{field}": {value}}}'
    response = api.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    assert problem(response, 422, "SPEC_INVALID")["errors"][0]["pointer"].startswith(f"/{field}")


@pytest.mark.parametrize("content_type", ["text/plain", "", "application/x-www-form-urlencoded", "application/jsonx"])
def test_another_content_type_is_refused(
    api: TestClient, problem: Callable[..., dict[str, Any]], smallest: dict[str, Any], content_type: str
) -> None:
    response = api.post("/v1/jobs", content=json.dumps(smallest), headers={"Content-Type": content_type})
    problem(response, 415, "CONTENT_TYPE_UNSUPPORTED")


def test_a_content_type_with_parameters_is_taken(api: TestClient, smallest: dict[str, Any]) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    assert api.post("/v1/jobs", content=json.dumps(smallest), headers=headers).status_code == 201


def test_a_body_that_is_too_large_is_refused(
    api: TestClient, problem: Callable[..., dict[str, Any]], smallest: dict[str, Any]
) -> None:
    problem(api.post("/v1/jobs", json={**smallest, "name": "x" * 2**20}), 413, "BODY_TOO_LARGE")


def test_a_body_that_is_too_large_in_pieces_is_refused(api: TestClient, problem: Callable[..., dict[str, Any]]) -> None:
    def pieces() -> Iterator[Any]:
        for _ in range(17):
            yield b" " * 65536

    response = api.post("/v1/jobs", content=pieces(), headers={"Content-Type": "application/json"})
    problem(response, 413, "BODY_TOO_LARGE")


def test_the_same_key_and_body_make_one_job(api: TestClient, smallest: dict[str, Any]) -> None:
    headers = {"Idempotency-Key": "k-1"}
    first = api.post("/v1/jobs", json=smallest, headers=headers)
    # spacing and the order of keys make no other body
    content = json.dumps(dict(reversed(smallest.items())), indent=3)
    again = api.post("/v1/jobs", content=content, headers={**headers, "Content-Type": "application/json"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert again.headers["location"] == first.headers["location"]
    assert len(api.get("/v1/jobs").json()["data"]) == 1


def test_the_same_key_with_another_body_is_refused(
    api: TestClient, problem: Callable[..., dict[str, Any]], smallest: dict[str, Any]
) -> None:
    headers = {"Idempotency-Key": "k-1"}
    api.post("/v1/jobs", json=smallest, headers=headers)
    response = api.post("/v1/jobs", json={**smallest, "student": "nano"}, headers=headers)
    assert "k-1" in problem(response, 422, "IDEMPOTENCY_CONFLICT")["detail"]


@pytest.mark.parametrize("key", ["", "a" * 256, "h\xe9"])
def test_a_bad_key_is_refused(
    api: TestClient, problem: Callable[..., dict[str, Any]], smallest: dict[str, Any], key: Any
) -> None:
    headers = {"Idempotency-Key": key.encode("latin-1")}
    problem(api.post("/v1/jobs", json=smallest, headers=headers), 400, "IDEMPOTENCY_KEY_INVALID")


def test_twelve_at_once_with_one_key_make_one_job(api: TestClient, smallest: dict[str, Any]) -> None:
    answers = []

    def submit() -> None:
        answers.append(api.post("/v1/jobs", json=smallest, headers={"Idempotency-Key": "k"}))

    threads = [threading.Thread(target=submit) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200] * 11 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1


def test_an_unknown_architecture_is_refused_with_near_misses(
    api: TestClient, problem: Callable[..., dict[str, Any]], write: Callable[..., Any], smallest: dict[str, Any]
) -> None:
    write(publish_catalogue, "architectures", ["cifar/resnet56", "cifar/wrn_16_2", "timm/vit_tiny_patch16_224"])
    for part, name, meant in (
        ("teacher", "cifar/resent56", "cifar/resnet56"),
        ("student", "timm/vit_tiny_patch16_225", "timm/vit_tiny_patch16_224"),
        ("student", "torchvision/wrn_16_2", "cifar/wrn_16_2"),
    ):
        document = problem(
            api.post("/v1/jobs", json={**smallest, "teacher": "cifar/wrn_16_2", part: name}),
            422,
            "ARCHITECTURE_UNKNOWN",
        )
        assert document["errors"][0]["pointer"] == f"/{part}/architecture"
        assert f"Did you mean '{meant}'" in document["detail"]
    # a tag of published weights, a depth and width that are valid though not listed, a projector behind a known network
    known = ("timm/vit_tiny_patch16_224.augreg_in21k", "cifar/wrn_22_3", "timm/vit_tiny_patch16_224+simkd-64x2.signed")
    for name in known:
        assert api.post("/v1/jobs", json={**smallest, "teacher": "cifar/resnet56", "student": name}).status_code == 201


def test_an_unknown_architecture_is_refused_before_any_worker_came(
    api: TestClient, problem: Callable[..., dict[str, Any]], smallest: dict[str, Any]
) -> None:
    problem(api.post("/v1/jobs", json={**smallest, "teacher": "timm/anything"}), 422, "ARCHITECTURE_UNKNOWN")


def test_a_dataset_id_is_refused_while_there_is_no_upload(
    api: TestClient, problem: Callable[..., dict[str, Any]], smallest: dict[str, Any]
) -> None:
    document = problem(api.post("/v1/jobs", json={**smallest, "dataset": "dataset:abc"}), 422, "SPEC_INVALID")
    assert document["errors"][0]["pointer"] == "/dataset/uri"


def test_an_earlier_job_teaches_once_it_has_succeeded(
    api: TestClient,
    problem: Callable[..., dict[str, Any]],
    put: Callable[..., Job],
    work: Callable[[Job], Lease],
    write: Callable[..., Any],
    database: Database,
    smallest: dict[str, Any],
) -> None:
    teacher = put(name="teacher")
    body = {**smallest, "teacher": f"job:{teacher.id}"}

    def detail(body: Any) -> tuple[Any, ...]:
        place = problem(api.post("/v1/jobs", json=body), 422, "SPEC_INVALID")["errors"][0]
        return place["pointer"], place["detail"]

    assert detail({**smallest, "teacher": "job:nope"}) == ("/teacher/weights", "no job has the id 'nope'")
    assert "is queued; submit again when it has succeeded" in detail(body)[1]
    lease = work(teacher)
    write(leases.succeed, lease, {})
    assert "did not export model.safetensors" in detail(body)[1]
    student = {"architecture": "cifar/resnet8", "weights": f"job:{teacher.id}"}
    assert detail({**smallest, "student": student})[0] == "/student/weights"


def test_an_earlier_jobs_model_is_taken(
    api: TestClient,
    put: Callable[..., Job],
    work: Callable[[Job], Lease],
    write: Callable[..., Any],
    database: Database,
    smallest: dict[str, Any],
) -> None:
    import io

    from store import blobs

    teacher = put()
    lease = work(teacher)
    blob = blobs.put(database, io.BytesIO(b"weights"))
    write(leases.add_artifact, lease, "model.safetensors", "application/octet-stream", blob.sha256, blob.size_bytes)
    write(leases.succeed, lease, {})
    assert api.post("/v1/jobs", json={**smallest, "teacher": f"job:{teacher.id}"}).status_code == 201


@pytest.mark.parametrize(
    ("lacking", "pointer", "words"),
    [
        ({"teacher": None, "method": "kd"}, "/teacher", "method 'kd' needs a teacher"),
        ({"teacher": None, "method": ["oskd", "sp"]}, "/teacher", "method 'sp' needs a teacher"),
        ({"teacher": None, "method": "finetune"}, "/student/weights", "needs given weights"),
        ({"method": "rco"}, "/teacher", "training.keep_trajectory"),
        ({"method": "kd_uda"}, "/dataset/target_uri", "needs unlabelled images"),
        ({"method": "kd", "more_teachers": ["cifar/resnet20"]}, "/more_teachers", "learns from one teacher"),
        ({"method": ["kd", "rco"]}, "/method", "unknown method 'rco'"),
        ({"method": ["kd", {"name": "skd", "weihgt": 1}]}, "/method/1/weihgt", "'weight'"),
        (
            {"dataset": {"uri": "s3://a/b", "target_uri": "dataset:d"}, "method": "kd_uda"},
            "/dataset/target_uri",
            "no dataset has the id",
        ),
    ],
)
def test_a_method_that_lacks_what_it_needs_is_refused_at_its_place(
    api: TestClient,
    problem: Callable[..., dict[str, Any]],
    smallest: dict[str, Any],
    lacking: dict[str, Any],
    pointer: str,
    words: str,
) -> None:
    for path in ("/v1/jobs", "/v1/jobs/plan"):
        places = problem(api.post(path, json=smallest | lacking), 422, "SPEC_INVALID")["errors"]
        assert [place["pointer"] for place in places] == [pointer]
        assert words in places[0]["detail"]


def test_every_method_that_needs_more_than_labels_is_refused_without_it(
    api: TestClient, smallest: dict[str, Any]
) -> None:
    """Found from what the catalogue says of each method, so that a new one cannot be forgotten."""
    gives = {
        "teacher": {"teacher": "torchvision/resnet50"},
        "initial weights": {"student": {"size": "small", "weights": "published"}},
        "target images": {"dataset": {"uri": "s3://a/b", "target_uri": "s3://a/c"}},
        "trajectory": {"teacher": {"architecture": "torchvision/resnet50", "trajectory": ["s3://a/1.safetensors"]}},
    }
    for method in api.get("/v1/methods").json()["data"]:
        if method["name"] == "combined":
            continue
        needs = [need for need in gives if need in method["needs"]]
        whole = {**smallest, "teacher": None, "method": method["name"]}
        for need in needs:
            whole |= gives[need]
        assert api.post("/v1/jobs", json=whole).status_code == 201, method["name"]
        for left_out in needs:
            body = {**smallest, "teacher": None, "method": method["name"]}
            for need in needs:
                body |= gives[need] if need != left_out else {}
            if left_out == "teacher" and "trajectory" in needs:
                body["teacher"] = None
            assert api.post("/v1/jobs", json=body).status_code == 422, (method["name"], left_out)


def test_an_earlier_jobs_checkpoints_are_followed_if_it_kept_any(
    api: TestClient,
    problem: Callable[..., dict[str, Any]],
    put: Callable[..., Job],
    work: Callable[[Job], Lease],
    write: Callable[..., Any],
    database: Database,
    smallest: dict[str, Any],
) -> None:
    import io

    from store import blobs

    answers = []
    for kept in (0, 4):
        teacher = put(training={"keep_trajectory": kept})
        lease = work(teacher)
        blob = blobs.put(database, io.BytesIO(b"weights"))
        write(leases.add_artifact, lease, "model.safetensors", "application/octet-stream", blob.sha256, blob.size_bytes)
        write(leases.succeed, lease, {})
        answers.append(api.post("/v1/jobs", json={**smallest, "teacher": f"job:{teacher.id}", "method": "rco"}))
    place = problem(answers[0], 422, "SPEC_INVALID")["errors"][0]
    assert place["pointer"] == "/teacher/weights"
    assert "kept no checkpoints" in place["detail"]
    assert answers[1].status_code == 201


def test_a_list_of_methods_is_one_method_of_several_terms(api: TestClient, smallest: dict[str, Any]) -> None:
    job = api.post("/v1/jobs", json={**smallest, "method": ["kd", {"name": "skd", "weight": 3}]}).json()
    assert job["spec"]["method"]["name"] == "combined"
    assert [term["name"] for term in job["spec"]["method"]["terms"]] == ["kd", "skd"]
    assert job["spec"]["method"]["terms"][1]["weight"] == 3


def test_nothing_is_stored_for_a_refused_job(api: TestClient, database: Database, smallest: dict[str, Any]) -> None:
    api.post("/v1/jobs", json={**smallest, "student": "smal"})
    with database.read() as session:
        assert sum(queries.count_jobs(session).values()) == 0


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, identity", "x"])
@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs/plan"])
def test_an_encoded_body_is_refused_with_what_is_allowed(
    api: TestClient, problem: Callable[..., dict[str, Any]], path: str, encoding: str
) -> None:
    body = gzip.compress(b"{}")
    response = api.post(path, content=body, headers={"Content-Type": "application/json", "Content-Encoding": encoding})
    detail = problem(response, 415, "CONTENT_ENCODING_UNSUPPORTED")["detail"]
    assert repr(encoding) in detail and "identity" in detail
    assert response.headers["accept-encoding"] == "identity"


def test_a_body_that_says_it_is_not_encoded_is_taken(api: TestClient, smallest: dict[str, Any]) -> None:
    assert api.post("/v1/jobs", json=smallest, headers={"Content-Encoding": "identity"}).status_code == 201


def test_an_unknown_name_is_told_once(
    api: TestClient,
    database: Database,
    write: Callable[..., Any],
    problem: Callable[..., dict[str, Any]],
    smallest: dict[str, Any],
) -> None:
    write(publish_catalogue, "architectures", ["cifar/resnet56", "torchvision/resnet50"])
    document = problem(api.post("/v1/jobs", json={**smallest, "teacher": "cifr/resnet56"}), 422, "SPEC_INVALID")
    assert document["detail"] == "; ".join(f"{item['pointer']}: {item['detail']}" for item in document["errors"])
    document = problem(api.post("/v1/jobs", json={**smallest, "teacher": "timm/nonesuch"}), 422, "ARCHITECTURE_UNKNOWN")
    assert document["detail"] == "; ".join(f"{item['pointer']}: {item['detail']}" for item in document["errors"])
