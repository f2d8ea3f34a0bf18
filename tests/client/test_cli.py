"""The `retort` command against a real service: what it prints, and the exit codes that scripts rely on."""

import hashlib
import importlib.metadata
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from running import ROOT, environment, retort

TINY: dict[str, Any] = {
    "name": "tiny",
    "labels": {"ring": "client"},
    "dataset": {"uri": "builtin:digits", "classes": ["3", "8"], "max_per_class": 8},
    "student": "nano",
    "training": {"epochs": 2, "batch_size": 8, "image_size": 8},
    "exports": ["safetensors"],
}
ENDLESS = TINY | {"name": "endless", "training": {"epochs": 100_000, "batch_size": 2, "image_size": 8}}


def submit(service: str, spec: dict[str, Any], *options: Any) -> str:
    done = retort("submit", "--spec", "-", *options, url=service, stdin=json.dumps(spec))
    assert done.code == 0, done.err
    return done.out.strip()


@pytest.fixture(scope="module")
def job(service: str) -> dict[str, Any]:
    """A job that has succeeded, watched by lines of JSON."""
    done = retort("submit", "--spec", "-", "--watch", "--json", url=service, stdin=json.dumps(TINY))
    assert done.code == 0, done.err
    views = [json.loads(line) for line in done.out.splitlines()]
    assert views[0]["state"] == "queued"
    assert views[-1]["state"] == "succeeded"
    assert "train/loss" in views[-1]["latest_metrics"]
    last: dict[str, Any] = views[-1]
    return last


def test_a_job_is_listed_by_label_and_state(service: str, job: dict[str, Any]) -> None:
    listed = retort("jobs", "--label", "ring=client", "--state", "succeeded", "--json", url=service).json
    assert job["id"] in [one["id"] for one in listed]
    assert retort("jobs", "--label", "ring=nobody", "--json", url=service).json == []
    table = retort("jobs", url=service)
    assert any(job["id"] in line and "succeeded" in line for line in table.out.splitlines())


def test_a_job_is_shown_to_people_and_to_machines(service: str, job: dict[str, Any]) -> None:
    assert retort("show", job["id"], "--json", url=service).json["result"]["metrics"]["test"]["num_images"] > 0
    shown = dict(line.split(None, 1) for line in retort("show", job["id"], url=service).out.splitlines())
    assert shown["state"] == "succeeded"
    assert shown["dataset"] == "builtin:digits"
    assert "%" in shown["test/top1"]


def test_watching_a_job_that_is_done_tells_its_end(service: str, job: dict[str, Any]) -> None:
    done = retort("watch", job["id"], url=service)
    assert done.code == 0
    assert "succeeded" in done.out


def test_curves_are_lines_or_json(service: str, job: dict[str, Any]) -> None:
    curves = retort("metrics", job["id"], "--name", "train/loss", "--json", url=service).json
    assert list(curves) == ["train/loss"]
    lines = [line.split("\t") for line in retort("metrics", job["id"], url=service).out.splitlines()]
    assert {name for name, _, _ in lines} >= {"train/loss", "val/top1"}


def test_files_are_fetched_and_right(service: str, job: dict[str, Any], tmp_path: Path) -> None:
    two = ("model.safetensors", "labels.json")
    done = retort("download", job["id"], *two, "--to", str(tmp_path), "--json", url=service)
    assert done.code == 0, done.err
    assert [one["path"] for one in done.json] == [str(tmp_path / name) for name in two]
    assert json.loads((tmp_path / "labels.json").read_text()) == ["3", "8"]
    every = retort("download", job["id"], "--to", str(tmp_path / "all"), url=service)
    names = [line.rpartition("/")[2] for line in every.out.splitlines()]
    assert {"model.safetensors", "metrics.json", "report.html", "model_card.md", "predictions.csv"} <= set(names)
    one, other = (hashlib.sha256((place / two[0]).read_bytes()).hexdigest() for place in (tmp_path, tmp_path / "all"))
    assert one == other


def test_an_artifact_that_is_not_there_is_usage(service: str, job: dict[str, Any], tmp_path: Path) -> None:
    done = retort("download", job["id"], "model.onnx", "--to", str(tmp_path), url=service)
    assert done.code == 2
    assert "has no artifact 'model.onnx'; it has:" in done.err


def test_what_has_ended_cannot_be_cancelled(service: str, job: dict[str, Any]) -> None:
    done = retort("cancel", job["id"], url=service)
    assert done.code == 4
    assert "[ILLEGAL_MOVE]" in done.err


def test_a_key_makes_one_job(service: str, job: dict[str, Any]) -> None:
    first = submit(service, ENDLESS, "--idempotency-key", "k1")
    assert submit(service, ENDLESS, "--idempotency-key", "k1") == first
    other = retort("submit", "--spec", "-", "--idempotency-key", "k1", url=service, stdin=json.dumps(TINY))
    assert other.code == 4
    assert retort("cancel", first, "--json", url=service).json["state"] in ("cancelled", "cancelling")
    assert retort("watch", first, url=service).code == 5


def test_a_job_that_waits_for_devices_says_so(service: str) -> None:
    waiting = submit(service, TINY | {"training": TINY["training"] | {"devices": "cuda:99"}})
    assert "no worker alive can train on cuda:99" in retort("show", waiting, url=service).out
    assert retort("cancel", waiting, url=service).out == f"{waiting} cancelled\n"


def test_a_cancelled_job_is_retried_and_deleted(service: str, job: dict[str, Any]) -> None:
    running = submit(service, ENDLESS)
    queued = submit(service, ENDLESS)
    assert retort("delete", queued, url=service).code == 4
    assert retort("cancel", queued, url=service).out == f"{queued} cancelled\n"
    assert retort("retry", queued, "--json", url=service).json["state"] == "queued"
    for one in (queued, running):
        assert retort("cancel", one, url=service).code == 0
        assert retort("watch", one, "--json", url=service).code == 5
        assert retort("delete", one, url=service).out == f"{one} deleted\n"
    assert retort("show", running, url=service).code == 4


def test_a_job_that_fails_is_exit_1_with_the_reason(service: str, job: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "notes.txt").write_text("no image")
    done = retort("submit", "--dataset", str(tmp_path / "texts"), "--student", "nano", "--watch", url=service)
    assert done.code == 1
    assert "[DATASET_INVALID]" in done.err
    assert "Traceback" not in done.err
    assert done.out.startswith("job_")
    fetched = retort("download", done.out.split()[0], "--to", str(tmp_path / "files"), url=service)
    assert (fetched.code, fetched.out) == (1, "")
    assert "[DATASET_INVALID]" in fetched.err and not (tmp_path / "files").exists()


def test_a_plan_says_what_would_be(service: str, job: dict[str, Any]) -> None:
    said = retort("plan", "--dataset", "builtin:digits", "--student", "nano", url=service)
    assert said.code == 0, said.err
    assert "1458 train, 160 validation, 179 test" in said.out
    assert "random weights" in said.out


def test_a_misspelt_knob_is_exit_2_and_named(service: str) -> None:
    done = retort(
        "submit", "--dataset", "builtin:digits", "--student", "nano", "--set", "training.epoch=3", url=service
    )
    assert done.code == 2
    assert "/training/epoch" in done.err
    assert "'epochs'" in done.err


def test_a_job_that_is_not_there_is_exit_4(service: str) -> None:
    done = retort("show", "job_01KAK3P0V6T6Y1F5S9W1QKX0ZD", url=service)
    assert (done.code, done.out) == (4, "")
    assert "[JOB_NOT_FOUND]" in done.err


def test_the_catalogues_are_tables_or_json(service: str) -> None:
    methods = retort("methods", "--json", url=service).json
    assert {method["name"] for method in methods} >= {"skd", "kd", "scratch", "finetune"}
    assert "Hinton's distillation" in retort("methods", url=service).out
    # Waits until the worker has published its networks.
    sizes = retort("students", "--json", url=service)
    assert sizes.json
    assert retort("students", url=service).code == 0
    every = retort("teachers", "--json", url=service).json
    some = retort("teachers", "ResNet50", "--json", url=service).json
    assert 1 < len(some) < len(every)
    assert all("resnet50" in one["architecture"] for one in some)
    (one,) = retort("teachers", "cifar/resnet?", "--json", url=service).json
    assert one["architecture"] == "cifar/resnet8"
    few = retort("teachers", "--limit", "5", url=service)
    assert len(few.out.splitlines()) == 1 + 5
    assert f"5 of {len(every):,}" in few.err
    assert retort("teachers", "nonsuch", url=service).code == 2


def test_the_log_the_files_and_the_workers_are_listed(service: str, job: dict[str, Any]) -> None:
    lines = [json.loads(line) for line in retort("logs", job["id"], "--json", url=service).out.splitlines()]
    assert any("training" in line["message"] for line in lines)
    followed = retort("logs", job["id"], "--follow", "--json", url=service).out.splitlines()
    assert [json.loads(line)["seq"] for line in followed] == [line["seq"] for line in lines]
    assert retort("logs", job["id"], "--attempt", "7", url=service).out == ""
    listed = {one["name"]: one for one in retort("artifacts", job["id"], "--json", url=service).json}
    assert listed["model.safetensors"]["size_bytes"] > 0
    assert "model.safetensors" in retort("artifacts", job["id"], url=service).out
    (worker,) = retort("workers", "--json", url=service).json
    assert worker["alive"] and worker["id"] in retort("workers", url=service).out


def test_students_of_jobs_are_compared(service: str, job: dict[str, Any]) -> None:
    (student,) = retort("compare", job["id"], "--json", url=service).json
    assert student["top1"] == job["result"]["metrics"]["test"]["top1"]
    two = retort("compare", job["id"], job["id"], url=service).out.splitlines()
    assert two[0].split() == [job["id"], job["id"]]
    assert any(line.startswith("test/top1") and line.count("%") == 2 for line in two)


def test_following_a_log_ends_with_the_job(service: str, job: dict[str, Any]) -> None:
    running = submit(service, TINY | {"name": "followed"})
    followed = retort("logs", running, "--follow", "--json", url=service)
    assert followed.code == 0, followed.err
    lines = [json.loads(line) for line in followed.out.splitlines()]
    whole = [json.loads(line) for line in retort("logs", running, "--json", url=service).out.splitlines()]
    assert [(line["seq"], line["message"]) for line in lines] == [(line["seq"], line["message"]) for line in whole]
    assert retort("show", running, "--json", url=service).json["state"] == "succeeded"


def test_one_method_is_shown_with_its_knobs(service: str) -> None:
    shown = retort("methods", "kd", url=service).out
    facts = dict(line.split(None, 1) for line in shown.splitlines() if line.startswith(("method", "source", "needs")))
    assert facts["needs"] == "teacher, labels, common classes"
    assert "arXiv:1503.02531" in facts["source"]
    assert any(line.startswith("temperature") and '"auto"' in line for line in shown.splitlines())
    assert retort("methods", "kd", "--json", url=service).json["name"] == "kd"
    wrong = retort("methods", "kdd", url=service)
    assert wrong.code == 2
    assert "no method 'kdd'; there are: at," in wrong.err


def test_methods_that_are_added_up_are_named_by_their_terms(service: str, job: dict[str, Any]) -> None:
    options = ("--dataset", "builtin:digits", "--student", "nano", "--set", "training.epochs=100000")
    added = retort(
        "submit", *options, "--method", "scratch", "--method", "oskd", "--set", "method.1.weight=2", url=service
    )
    assert added.code == 0, added.err
    job_id = added.out.strip()
    shown = dict(line.split(None, 1) for line in retort("show", job_id, url=service).out.splitlines())
    assert shown["method"] == "scratch + oskd"
    assert "scratch + oskd" in retort("jobs", url=service).out
    terms = retort("show", job_id, "--json", url=service).json["spec"]["method"]["terms"]
    assert [term["name"] for term in terms] == ["scratch", "oskd"] and terms[1]["weight"] == 2
    assert retort("cancel", job_id, url=service).code == 0
    assert retort("watch", job_id, url=service).code == 5


def test_what_a_method_lacks_is_exit_2_and_pointed_at(service: str) -> None:
    done = retort("submit", "--dataset", "builtin:digits", "--student", "nano", "--method", "kd", url=service)
    assert done.code == 2
    assert "/teacher" in done.err and "needs a teacher" in done.err


def test_ctrl_c_while_watching_is_130_and_the_job_goes_on(service: str, job: dict[str, Any]) -> None:
    running = submit(service, ENDLESS)
    command = [sys.executable, "-m", "retort", "watch", running, "--url", service]
    watching = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell that runs the tests in the background has them ignore what Ctrl-C sends; a terminal does not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert watching.stdout is not None
    assert any(running in line for line in iter(watching.stdout.readline, ""))  # warnings may come first
    watching.send_signal(signal.SIGINT)
    _, said = watching.communicate(timeout=30)
    assert watching.returncode == 130
    assert "a job that was submitted goes on" in said
    assert retort("show", running, "--json", url=service).json["state"] in ("queued", "running")
    assert retort("cancel", running, url=service).code == 0


def test_a_job_without_files_is_a_refusal(service: str, job: dict[str, Any], tmp_path: Path) -> None:
    waiting = submit(service, TINY | {"training": TINY["training"] | {"devices": "cuda:99"}})
    done = retort("download", waiting, "--to", str(tmp_path / "files"), url=service)
    assert done.code == 4
    assert "is queued and has no files yet" in done.err and "\nhint: " in done.err
    assert retort("cancel", waiting, url=service).code == 0
    assert retort("download", waiting, "--to", str(tmp_path / "files"), url=service).code == 5


def test_several_wrong_fields_are_told_once_each(service: str) -> None:
    wrong = ("--set", "training.epoch=3", "--set", "training.batch_siz=3")
    done = retort("submit", "--dataset", "builtin:digits", "--student", "nano", *wrong, url=service)
    assert done.code == 2
    assert done.err.count("'epoch'") == done.err.count("'batch_siz'") == 1
    assert len(done.err.splitlines()) == 3


def test_the_version_and_the_completion_script_are_printed() -> None:
    assert retort("--version").out == f"retort {importlib.metadata.version('retort')}\n"
    done = retort("--help")
    assert "--show-completion" in done.out and "--install-completion" in done.out


def test_nobody_at_the_address_is_exit_3(closed_port: int) -> None:
    done = retort("jobs", "--url", f"http://127.0.0.1:{closed_port}")
    assert done.code == 3
    assert done.err.splitlines()[1:] == ["hint: `retort up` starts one"]


@pytest.mark.parametrize(
    "arguments",
    [["submit"], ["bogus"], ["jobs", "--bogus"], ["show"], ["submit", "--set", "x"], ["jobs", "--url", "nowhere"]],
)
def test_wrong_usage_is_exit_2_without_a_traceback(arguments: list[str]) -> None:
    done = retort(*arguments)
    assert done.code == 2
    assert "Traceback" not in done.err
    assert done.err


def test_settings_are_printed_with_their_meaning() -> None:
    done = retort("settings")
    assert done.code == 0
    assert "RETORT_LEASE_SECONDS" in done.out
