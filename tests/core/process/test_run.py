"""Bad input, before any training: each with its code and the thing named, and with nothing half-written left."""

import io
import json
import os
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny import files_below, make_network

from core.events import EXIT_OK, EXIT_USAGE, EXIT_USER_ERROR, parse_event
from core.policy import Policy
from core.system.interruption import JobControl
from tests.core.conftest import Ran

pytestmark = pytest.mark.slow

TRAINING = {"image_size": 8, "max_steps": 2, "devices": "cpu", "batch_size": 4}


def png(seed: Any) -> Any:
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def put_folder(root: Any, counts: Any) -> Any:
    for number, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True)
        for index in range(count):
            (root / name / f"{index}.png").write_bytes(png(1000 * number + index))
    return root


def put_zip(path: Path, members: Any) -> Any:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def pictures(counts: Any) -> Any:
    return {f"{name}/{i}.png": png(i + 100 * n) for n, (name, count) in enumerate(counts.items()) for i in range(count)}


@pytest.fixture
def job(tmp_path: Path) -> Any:
    """job(dataset, **fields): a small scratch job over cats and dogs, or over what is given."""

    def make(dataset: Any = None, **fields: Any) -> dict[Any, Any]:
        if dataset is None:
            dataset = put_folder(tmp_path / "pets", {"cat": 8, "dog": 8}).as_uri()
        return {"dataset": dataset, "student": "cifar/resnet8", "training": TRAINING, **fields}

    return make


def refused(ran: Any, code: Any, *words: Any) -> None:
    """The job failed with this code and these words, having trained nothing and written nothing but its cache."""
    failure = ran.failure
    assert failure.code == code, failure.message
    for word in words:
        assert word in failure.message, failure.message
    assert failure.category == "user"
    assert ran.phases == ["preparing"]
    assert not [name for name in files_below(ran.out) if not name.startswith("cache/")]
    assert not [name for name in files_below(ran.out) if "partial" in name or "tmp" in name]


def test_the_small_job_itself_runs(run_job: Callable[..., Ran], job: Any) -> None:
    ran = run_job(job(), plan_only=True)
    assert ran.error is None and len(ran.of("resolved")) == 1 and ran.phases == ["preparing"]


@pytest.mark.parametrize(
    ("architecture", "guess"),
    [
        ("cifar/resnett8", "'cifar/resnet8'"),
        ("torchvision/resnet51", "'torchvision/resnet50'"),
        ("timm/resnt18", "resnet18"),
    ],
)
@pytest.mark.parametrize("role", ["student", "teacher"])
def test_an_unknown_architecture_is_named_with_its_near_misses(
    run_job: Callable[..., Ran], job: Any, role: str, architecture: str, guess: str
) -> None:
    refused(run_job(job(**{role: architecture, "method": "scratch"})), "ARCHITECTURE_UNKNOWN", architecture, guess)


def test_a_file_that_is_not_there(run_job: Callable[..., Ran], job: Any, tmp_path: Path) -> None:
    uri = (tmp_path / "gone.zip").as_uri()
    refused(run_job(job(uri)), "DATASET_UNREACHABLE", uri, "no such file or folder")


def test_a_host_that_does_not_answer(run_job: Callable[..., Ran], job: Any) -> None:
    refused(run_job(job("http://127.0.0.1:9/photos.zip")), "DATASET_UNREACHABLE", "127.0.0.1:9")


def test_a_page_that_is_not_there(run_job: Callable[..., Ran], job: Any) -> None:
    class Nothing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *args: Any) -> None:
            """Silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Nothing) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        uri = f"http://127.0.0.1:{server.server_address[1]}/photos.zip"
        refused(run_job(job(uri)), "DATASET_UNREACHABLE", uri, "404")
        server.shutdown()


def test_a_truncated_zip(run_job: Callable[..., Ran], job: Any, tmp_path: Path) -> None:
    path = put_zip(tmp_path / "cut.zip", pictures({"cat": 8, "dog": 8}))
    path.write_bytes(path.read_bytes()[:-30])
    refused(run_job(job(path.as_uri())), "DATASET_INVALID", "cut.zip", "truncated")


def test_a_truncated_tar_gz(run_job: Callable[..., Ran], job: Any, tmp_path: Path) -> None:
    path = tmp_path / "cut.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(put_folder(tmp_path / "pets", {"cat": 8, "dog": 8}), "pets")
    path.write_bytes(path.read_bytes()[:-200])
    refused(run_job(job(path.as_uri())), "DATASET_INVALID", "cut.tar.gz", "truncated")


def test_a_zip_that_climbs_out_of_its_folder(run_job: Callable[..., Ran], job: Any, tmp_path: Path) -> None:
    path = put_zip(tmp_path / "climb.zip", {**pictures({"cat": 8, "dog": 8}), "../../escaped.png": png(7)})
    refused(run_job(job(path.as_uri())), "DATASET_INVALID", "../../escaped.png")
    assert not list(tmp_path.rglob("escaped.png"))


def test_a_decompression_bomb(run_job: Callable[..., Ran], job: Any, tmp_path: Path) -> None:
    path = put_zip(tmp_path / "bomb.zip", {**pictures({"cat": 8, "dog": 8}), "cat/huge.png": bytes(80 * 2**20)})
    refused(run_job(job(path.as_uri())), "DATASET_INVALID", "bomb")


def test_an_image_of_too_many_pixels_is_named(run_job: Callable[..., Ran], job: Any, tmp_path: Path) -> None:
    folder = put_folder(tmp_path / "pets", {"cat": 8, "dog": 8})
    Image.new("1", (4000, 4000)).save(folder / "dog" / "vast.png")
    ran = run_job(job(folder.as_uri()), policy=Policy(max_image_pixels=1_000_000))
    refused(ran, "DATASET_INVALID", "vast.png")


def test_a_folder_without_images(run_job: Callable[..., Ran], job: Any, tmp_path: Path) -> None:
    (tmp_path / "empty" / "cat").mkdir(parents=True)
    refused(run_job(job((tmp_path / "empty").as_uri())), "DATASET_INVALID", "empty")


def test_a_class_with_one_image(run_job: Callable[..., Ran], job: Any, tmp_path: Path) -> None:
    uri = put_folder(tmp_path / "pets", {"cat": 8, "dog": 1}).as_uri()
    refused(run_job(job(uri)), "CLASS_TOO_SMALL", "'dog' has 1 image", "at least 3")


def test_an_unreadable_image_is_named_and_a_share_may_be_allowed(
    run_job: Callable[..., Ran], job: Any, tmp_path: Path
) -> None:
    folder = put_folder(tmp_path / "pets", {"cat": 8, "dog": 8})
    (folder / "cat" / "3.png").write_bytes(png(3)[:40])
    refused(run_job(job(folder.as_uri())), "DATASET_INVALID", "1 of 16 images", "cat/3.png")
    allowed = {"uri": folder.as_uri(), "max_unreadable_fraction": 0.1}
    ran = run_job(job(allowed), plan_only=True)
    assert ran.error is None
    facts = ran.of("resolved")[0].dataset
    assert facts.num_unreadable == 1 and "cat/3.png" in facts.unreadable[0]


def test_classes_that_the_dataset_lacks(run_job: Callable[..., Ran], job: Any) -> None:
    dataset = {"uri": "builtin:digits", "classes": ["1", "77"]}
    refused(run_job(job(dataset)), "LABEL_SPACE_MISMATCH", "'77'", "Allowed: 0, 1, 2")
    dataset = {"uri": "builtin:digits", "class_map": {"ten": "1"}}
    refused(run_job(job(dataset)), "LABEL_SPACE_MISMATCH", "'ten'")


def test_a_batch_larger_than_the_dataset(run_job: Callable[..., Ran], job: Any) -> None:
    ran = run_job(job(training={**TRAINING, "batch_size": 500}))
    refused(ran, "SPEC_INVALID", "/training/batch_size", "500", "12")


def test_a_budget_is_answered_or_refused_by_name(run_job: Callable[..., Ran], job: Any) -> None:
    ran = run_job(job("builtin:digits", student={"budget": {"max_params": 10}}))
    refused(ran, "BUDGET_INFEASIBLE", "10")


def weights_of(tmp_path: Path, state: Any) -> Any:
    save_file(state, tmp_path / "teacher.safetensors")
    return (tmp_path / "teacher.safetensors").as_uri()


def with_teacher(
    job: Any,
    uri: Any,
    *,
    architecture: str = "cifar/resnet14",
    classes: Any = None,
    method: str = "skd",
    adapt: str = "auto",
) -> Any:
    teacher = {"architecture": architecture, "weights": uri, "classes": classes, "adapt": adapt}
    return job("builtin:digits", teacher=teacher, method=method)


def test_weights_that_do_not_fit_are_told_by_key(run_job: Callable[..., Ran], job: Any, digits_teacher: Path) -> None:
    uri = (digits_teacher / "job_digits" / "model.safetensors").as_uri()
    ran = run_job(with_teacher(job, uri, architecture="cifar/resnet20"))
    refused(ran, "TEACHER_LOAD_FAILED", "model.safetensors does not fit cifar/resnet20", "layer1.2.conv1.weight")


def test_weights_that_are_no_weights(run_job: Callable[..., Ran], job: Any, tmp_path: Path) -> None:
    (tmp_path / "teacher.pth").write_bytes(b"\x80\x04K\x01.")
    ran = run_job(with_teacher(job, (tmp_path / "teacher.pth").as_uri()))
    refused(ran, "TEACHER_LOAD_FAILED", "teacher.pth")


def test_weights_that_are_nowhere(run_job: Callable[..., Ran], job: Any) -> None:
    refused(run_job(with_teacher(job, "job:job_other")), "TEACHER_LOAD_FAILED", "job:job_other")


def test_a_teacher_at_chance_level_is_told_its_score(run_job: Callable[..., Ran], job: Any, tmp_path: Path) -> None:
    state = make_network("cifar/resnet14", 10, image_size=8).module.state_dict()
    ran = run_job(with_teacher(job, weights_of(tmp_path, state), classes=[str(i) for i in range(10)]))
    refused(ran, "TEACHER_LOAD_FAILED", "the teacher scores", "10.0%", "does not know these classes")


def test_teacher_classes_in_another_order_are_found_out(
    run_job: Callable[..., Ran], job: Any, digits_teacher: Path
) -> None:
    state = load_file(digits_teacher / "job_digits" / "model.safetensors")
    turned = {"classes": [str((i + 3) % 10) for i in range(10)]}
    folder = digits_teacher / "turned"
    folder.mkdir()
    ran = run_job(with_teacher(job, weights_of(folder, state), **turned))
    refused(ran, "TEACHER_LOAD_FAILED", "the teacher scores")


def test_a_teacher_without_the_classes_cannot_teach_logits(
    run_job: Callable[..., Ran], job: Any, tmp_path: Path
) -> None:
    state = make_network("cifar/resnet14", 3, image_size=8).module.state_dict()
    ran = run_job(with_teacher(job, weights_of(tmp_path, state), classes=["0", "one", "two"], method="kd"))
    refused(ran, "LABEL_SPACE_MISMATCH", "lacks 9 of the 10 classes", "'1'")
    ran = run_job(with_teacher(job, weights_of(tmp_path, state), method="kd", adapt="none"))
    refused(ran, "LABEL_SPACE_MISMATCH", "no class names")


def test_a_tap_that_does_not_exist(run_job: Callable[..., Ran], job: Any, digits_teacher: Path) -> None:
    document = job("builtin:digits", teacher="job:job_digits", method={"name": "skd", "taps": ["layer9"]})
    ran = run_job(document, inputs=digits_teacher)
    assert "layer9" in ran.failure.message and ran.failure.category == "user" and ran.phases == ["preparing"]


def test_a_deadline_ends_the_job(run_job: Callable[..., Ran], job: Any, clock: Any) -> None:
    control = JobControl(60, 100, now=clock)

    def hear(event: Any) -> None:
        clock.time += 101 if event.event == "phase" and event.phase == "training" else 0

    ran = run_job(job("builtin:digits"), control=control, hear=hear)
    assert ran.failure.code == "DEADLINE_EXCEEDED"
    assert ran.error.pointer == "/training/max_runtime_seconds"
    assert "ran 101 s" in ran.failure.message


def engine(*arguments: Any, **how: Any) -> Any:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "core", *map(str, arguments)]
    root = Path(__file__).parents[3]
    return subprocess.run(command, capture_output=True, text=True, cwd=root, env=environment, timeout=280, **how)


def test_the_process_tells_a_bad_spec_without_loading_torch(tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text(json.dumps({"dataset": "builtin:digits", "studnet": "nano"}))
    done = engine("--spec", tmp_path / "spec.json", "--out", tmp_path / "out", "--events", "json")
    assert done.returncode == EXIT_USAGE
    failure = parse_event(done.stdout.splitlines()[-1])
    assert failure.code == "SPEC_INVALID" and "'studnet'" in failure.message and "'student'" in failure.message
    assert not (tmp_path / "out" / "artifacts").exists()


@pytest.mark.parametrize("text", ["{", "[]", '"builtin:digits"'])
def test_a_spec_file_that_is_no_object(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from core.__main__ import main

    (tmp_path / "spec.json").write_text(text)
    assert main(["--spec", str(tmp_path / "spec.json"), "--events", "json"]) == EXIT_USAGE
    assert parse_event(capsys.readouterr().out).code == "SPEC_INVALID"


@pytest.mark.parametrize("setting", ["training", "training.epochs.more=1", "exports.1=onnx", "name.first=x"])
def test_a_setting_that_fits_nowhere_is_named(setting: str, capsys: pytest.CaptureFixture[str]) -> None:
    from core.__main__ import main

    flags = ["--dataset", "builtin:digits", "--student", "nano", "--set", "training.epochs=3", "--set", 'name="n"']
    assert main([*flags, "--set", 'exports=["onnx"]', "--set", setting, "--events", "json"]) == EXIT_USAGE
    failure = parse_event(capsys.readouterr().out)
    assert failure.code == "SPEC_INVALID" and setting.partition("=")[0].split(".")[0] in failure.message


def test_a_plan_as_a_process_reads_its_flags_and_ends_resolved(tmp_path: Path) -> None:
    flags = ["--dataset", "builtin:digits", "--student", "cifar/resnet8", "--plan", "--events", "json"]
    settings = ["training.image_size=8", "training.max_steps=3", 'dataset.classes=["1","7"]']
    done = engine(*flags, "--out", tmp_path / "out", *[word for one in settings for word in ("--set", one)])
    assert done.returncode == EXIT_OK, done.stderr
    events = [parse_event(line) for line in done.stdout.splitlines()]
    (resolved,) = (event for event in events if event.event == "resolved")
    assert not [e for e in events if e.event == "phase" and e.phase != "preparing"]
    assert resolved.spec["training"]["max_steps"] == resolved.estimate.steps == 3
    assert resolved.dataset.classes == ["1", "7"] and resolved.estimate.training_seconds > 0
    assert "auto" not in json.dumps(resolved.spec["training"])
    assert not (tmp_path / "out" / "artifacts").exists()


def test_a_user_error_as_a_process(tmp_path: Path) -> None:
    done = engine("--dataset", tmp_path / "gone", "--student", "nano", "--out", tmp_path / "out", "--events", "json")
    assert done.returncode == EXIT_USER_ERROR
    assert parse_event(done.stdout.splitlines()[-1]).code == "DATASET_UNREACHABLE"
