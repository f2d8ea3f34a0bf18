"""The life of a job over HTTP, with the engine really training on builtin:digits, in both modes.

The tests run in order and share one service; `reference` is the one uninterrupted training that the others are held
against.
"""

import io
import json
import os
import re
import signal
import time
from typing import Any

import numpy as np
import onnxruntime
import pytest
from PIL import Image
from safetensors.numpy import load as load_safetensors
from sklearn.datasets import load_digits

pytestmark = pytest.mark.timeout(900)  # a job takes about 15 s of one core, and the machine may be busy

# One thread and a fixed seed: on one machine the same weights, however often the run is cut.
DIGITS: dict[str, Any] = {
    "dataset": {"uri": "builtin:digits", "max_per_class": 60},
    "student": "nano",
    "method": "scratch",
    "training": {"epochs": 6, "batch_size": 32, "seed": 7, "devices": "cpu", "checkpoint_seconds": 1},
}
WITHOUT_ONNX = {**DIGITS, "exports": ["safetensors"]}
# Stored after each epoch: a worker that is killed stores nothing any more.
OFTEN_KEPT = {**WITHOUT_ONNX, "training": {**DIGITS["training"], "checkpoint_seconds": 0.1}}
LONG = {**DIGITS, "training": {**DIGITS["training"], "epochs": 5000}}
STEPS_PER_EPOCH = 16  # 600 images less those held out for validation, in batches of 32
MAX_CANCEL_SECONDS = 10.0


@pytest.fixture(scope="module")
def reference(service: Any) -> dict[str, Any]:
    """A job that was never interrupted."""
    return service.wait(service.submit(DIGITS), "succeeded")


def test_from_post_to_a_model_that_reads_digits(service: Any, reference: dict[str, Any]) -> None:
    assert reference["attempts"][0]["outcome"] == "succeeded" and len(reference["attempts"]) == 1
    files = service.download(reference["id"])
    assert {"model.safetensors", "model.onnx", "labels.json", "preprocessing.json", "metrics.json"} <= set(files)
    test = json.loads(files["metrics.json"])["metrics"]["test"]
    assert test == reference["result"]["metrics"]["test"]
    right = share_read_right(files)
    assert right > 0.3  # chance is a tenth
    assert right == pytest.approx(test["top1"], abs=0.15)  # of all digits, those trained on included
    assert load_safetensors(files["model.safetensors"])
    series = service.client.get(f"/v1/jobs/{reference['id']}/metrics", params={"name": "train/loss"}).json()["data"]
    steps = [point[0] for point in series[0]["points"]]
    assert steps == sorted(set(steps)) and len(steps) >= 3


def share_read_right(files: dict[str, bytes]) -> float:
    """The share of scikit-learn's digits that model.onnx names right, prepared as preprocessing.json says."""
    how = json.loads(files["preprocessing.json"])
    size = how["image_size"]
    digits = load_digits()
    pictures = [Image.fromarray((image / 16 * 255).astype(np.uint8)).convert("RGB") for image in digits.images]
    pixels = np.stack([np.asarray(one.resize((size, size), Image.Resampling.BILINEAR)) for one in pictures])
    normal = (pixels * how["rescale_factor"] - how["mean"]) / how["std"]
    session = onnxruntime.InferenceSession(io.BytesIO(files["model.onnx"]).read(), providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {how["input_name"]: normal.transpose(0, 3, 1, 2).astype(np.float32)})
    names = json.loads(files["labels.json"])
    names = names["classes"] if isinstance(names, dict) else names
    said = [int(names[index]) for index in logits.argmax(1)]
    return float(np.mean(np.array(said) == digits.target))


def test_a_job_teaches_the_next(service: Any, reference: dict[str, Any]) -> None:
    body = {
        "teacher": f"job:{reference['id']}",
        "dataset": {"uri": "builtin:digits", "classes": ["3", "5", "8"], "max_per_class": 30},
        "student": "nano",
        "method": "skd",
        "training": {"epochs": 3},
        "evaluation": {"baselines": ["scratch"]},
        "exports": ["safetensors"],
    }
    job = service.wait(service.submit(body), "succeeded")
    assert set(job["result"]["baselines"]) == {"scratch"}
    assert job["result"]["teacher"]["covers_classes"] is True
    labels = json.loads(service.download(job["id"])["labels.json"])
    assert (labels["classes"] if isinstance(labels, dict) else labels) == ["3", "5", "8"]


def test_a_bad_dataset_is_refused_by_name_and_the_service_goes_on(service: Any) -> None:
    misspelt = service.client.post("/v1/jobs", json={**DIGITS, "trainig": {}})
    assert misspelt.status_code == 422
    assert misspelt.headers["content-type"].startswith("application/problem+json")
    assert misspelt.json()["errors"][0]["pointer"].endswith("/trainig")
    missing = service.submit({**DIGITS, "dataset": "http://127.0.0.1:1/photos.zip"})
    job = service.wait(missing, "failed")
    assert (job["error"]["code"], job["error"]["category"]) == ("DATASET_UNREACHABLE", "user")
    assert "127.0.0.1:1/photos.zip" in job["error"]["message"]
    assert [warning["code"] for warning in job["warnings"]] == ["INPUT_UNREACHABLE"]
    plan = service.client.post("/v1/jobs/plan", json=DIGITS, headers={"Prefer": "wait=60"})
    assert plan.status_code == 200, plan.text
    assert plan.json()["dataset"]["num_train"] == 540


def test_a_missing_file_is_refused_where_the_api_sees_the_workers_files(service: Any) -> None:
    answer = service.client.post("/v1/jobs", json={**DIGITS, "dataset": "file:///no/such/folder"})
    if service.embedded:
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/dataset/uri")
        return
    assert answer.status_code == 201
    job = service.wait(answer.json()["id"], "failed")
    assert job["error"]["code"] == "DATASET_UNREACHABLE"
    assert "/no/such/folder" in job["error"]["message"]


def test_cancel_of_a_queued_and_of_a_running_job(service: Any, wait_for: Any, is_alive: Any) -> None:
    running = service.submit(LONG)
    service.wait(running, "running")
    queued = service.submit(DIGITS)
    assert service.job(queued)["queue"]["position"] == 1
    assert service.client.post(f"/v1/jobs/{queued}/cancel").json()["state"] == "cancelled"
    service.wait_for_step(running, 1)
    (engine,) = service.engines()
    asked = time.monotonic()
    answer = service.client.post(f"/v1/jobs/{running}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelling")
    wait_for(lambda: not is_alive(engine), seconds=MAX_CANCEL_SECONDS)
    job = service.wait(running, "cancelled", seconds=MAX_CANCEL_SECONDS)
    print(f"cancel took {time.monotonic() - asked:.1f} s")
    assert time.monotonic() - asked < MAX_CANCEL_SECONDS
    assert job["error"] is None
    assert service.client.post(f"/v1/jobs/{running}/cancel").status_code == 409
    assert service.job(queued)["attempts"] == []


def test_a_paused_job_outlives_restarts_and_ends_with_the_same_weights(
    service: Any, reference: dict[str, Any], wait_for: Any, is_alive: Any
) -> None:
    job_id = service.submit(WITHOUT_ONNX)
    service.wait_for_step(job_id, STEPS_PER_EPOCH)
    (engine,) = service.engines()
    assert service.client.post(f"/v1/jobs/{job_id}/pause").status_code == 202
    job = service.wait(job_id, "paused", seconds=30)
    assert job["attempts"][0]["outcome"] == "paused"
    wait_for(lambda: not is_alive(engine), seconds=5)
    service.worker.send_signal(signal.SIGTERM)
    assert service.worker.wait(30) == 0
    service.api.kill()
    service.api.wait()
    service.start_api()
    service.start_worker()
    other = service.submit(WITHOUT_ONNX)  # the worker is free for others meanwhile
    service.wait(other, "succeeded")
    assert service.job(job_id)["state"] == "paused"
    assert service.client.post(f"/v1/jobs/{job_id}/resume").json()["state"] == "queued"
    job = service.wait(job_id, "succeeded")
    assert [attempt["outcome"] for attempt in job["attempts"]] == ["paused", "succeeded"]
    assert service.weights(job_id) == service.weights(reference["id"])
    assert resumed(service, job_id)


def test_a_killed_worker_costs_nothing_but_time(
    service: Any, reference: dict[str, Any], wait_for: Any, is_alive: Any
) -> None:
    job_id = service.submit(OFTEN_KEPT)
    service.wait_for_checkpoint(job_id, STEPS_PER_EPOCH)
    (engine,) = service.engines()
    service.worker.kill()
    service.worker.wait()
    wait_for(lambda: not is_alive(engine), seconds=5)
    service.start_worker()
    job = service.wait(job_id, "succeeded")
    assert [attempt["outcome"] for attempt in job["attempts"]] == ["lost", "succeeded"]
    assert service.weights(job_id) == service.weights(reference["id"])
    assert resumed(service, job_id)


def test_a_killed_api_and_a_stopped_worker_cost_nothing_but_time(service: Any, reference: dict[str, Any]) -> None:
    job_id = service.submit(WITHOUT_ONNX)
    service.wait_for_step(job_id, STEPS_PER_EPOCH)
    (engine,) = service.engines()
    os.kill(engine, signal.SIGSTOP)  # or it might be done before the API is back
    service.api.kill()
    service.api.wait()
    service.start_api()
    assert service.job(job_id)["state"] == "running"
    os.kill(engine, signal.SIGCONT)
    service.worker.send_signal(signal.SIGTERM)
    assert service.worker.wait(30) == 0
    job = service.job(job_id)
    assert (job["state"], job["attempts"][0]["outcome"]) == ("queued", "released")
    service.start_worker()
    job = service.wait(job_id, "succeeded")
    assert [attempt["outcome"] for attempt in job["attempts"]] == ["released", "succeeded"]
    assert service.weights(job_id) == service.weights(reference["id"])
    assert resumed(service, job_id)


def resumed(service: Any, job_id: str) -> bool:
    """Whether the second attempt began where a checkpoint of the first was, and not at the start."""
    lines = service.client.get(f"/v1/jobs/{job_id}/logs", params={"limit": 1000}).json()["data"]
    begun = [int(found[1]) for line in lines if (found := re.search(r"from step (\d+)$", line["message"]))]
    return len(begun) == 2 and begun[0] == 0 and begun[1] >= STEPS_PER_EPOCH
