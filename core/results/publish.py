"""The files of a finished job: model, labels, figures, report. Each is reported as soon as it is complete."""

import copy
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.data.dataset import Dataset
from core.events import Artifact, Event, JobWarning, Result
from core.networks.facts import measure_network
from core.results.assess import Assessment, summarize, versions
from core.results.export import export_model, write_safetensors
from core.results.latencies import Latencies
from core.results.onnx import read_facts
from core.results.predictions import write_predictions
from core.results.report import Outcome, write_report
from core.results.report.preprocessing import describe_preprocessing
from core.results.report.products import write_products
from core.system.deadline import Deadline
from core.teachers.trajectory import trajectory_name
from core.training.inputs import PreparedJob
from core.training.runs import Trained

FOLDER = "artifacts"
ADAPTED_TEACHER = "teacher.safetensors"
MEDIA_TYPES = {
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".png": "image/png",
    ".onnx": "application/octet-stream",
    ".safetensors": "application/octet-stream",
}


def publish(
    job: PreparedJob,
    trained: dict[str, Trained],
    assessments: dict[str, Assessment],
    teacher: dict[str, Any] | None,
    report: Callable[[Event], None],
    latencies: Latencies,
    warnings: tuple[JobWarning, ...],
    clock: Deadline,
) -> Result:
    """Write all artifacts below the workspace's `out`, tell of each, and give the result, which is metrics.json."""
    folder = job.workspace.out / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    run, network = job.student, trained["student"].network.cpu()
    dataset = run.dataset
    preprocessing = describe_preprocessing(
        network.input, canvas_size=dataset.canvas_size, image_size=run.training.image_size
    )
    paths = export_model(
        network,
        folder,
        classes=dataset.classes,
        preprocessing=preprocessing,
        sample_images=dataset.test.images,
        views=run.augmenter.test_views,
        exports=run.spec.exports,
        written=latencies.onnx_of(network),
    )
    networks = summarize(assessments, job.runs)
    more = {"parity": _parity(paths), "deadline": _deadline(job, trained["student"], clock)}
    outcome = Outcome(
        spec=run.spec.model_dump(mode="json"),
        dataset=dataset.facts,
        student=measure_network(network),
        teacher=teacher,
        metrics=networks.pop("student") | more,
        baselines={name.removeprefix("baseline/"): measures for name, measures in networks.items()},
        curves=_curves(job, trained),
        classes=dataset.classes,
        preprocessing=preprocessing,
        versions=versions(),
        warnings=warnings,
        beginning=run.beginning,
    )
    paths += [*write_report(outcome, folder), *_written(folder, trained["student"], job)]
    paths.append(_predictions(folder, assessments["student"], dataset))
    for path in paths:
        report(_artifact(path, job.workspace.out))
    result = outcome.result()
    report(result)
    return result


def _written(folder: Path, student: Trained, job: PreparedJob) -> list[Path]:
    """The files of the method's products, of the adapted teacher, and of the checkpoints that the job keeps."""
    paths, teacher = write_products(student.products, folder), job.student.spec.teacher
    if teacher is not None and teacher.adapt != "none":
        path = folder / ADAPTED_TEACHER
        paths.append(write_safetensors(job.teachers.required, path, job.student.dataset.classes))
    checkpoint = copy.deepcopy(student.network)
    for number, weights in enumerate(student.trajectory, start=1):
        checkpoint.module.load_state_dict(weights)
        path = folder / trajectory_name(number)
        paths.append(write_safetensors(checkpoint, path, job.student.dataset.classes))
    return paths


def _predictions(folder: Path, assessed: Assessment, dataset: Dataset) -> Path:
    return write_predictions(folder / "predictions.csv", assessed.test_logits, dataset.test, dataset.classes)


def _deadline(job: PreparedJob, student: Trained, clock: Deadline) -> dict[str, Any] | None:
    """How the job kept its deadline; None without one."""
    length = job.student.length
    if length is None:
        return None
    return {
        "seconds": clock.seconds,
        "used_seconds": clock.used(),
        "planned_steps": length.steps,
        "steps": student.steps,
    }


def _parity(paths: list[Path]) -> dict[str, Any] | None:
    """The result of the comparison of the ONNX file; None if there is no such file."""
    onnx_path = next((path for path in paths if path.suffix == ".onnx"), None)
    return read_facts(onnx_path)["parity"] if onnx_path else None


def _curves(job: PreparedJob, trained: dict[str, Trained]) -> dict[str, list[list[float | None]]]:
    """The curves of the first seed, named as the metrics are."""
    return {
        f"{run.run.metric_prefix}{name}": points
        for run in job.runs
        if run.run.seed_offset == 0
        for name, points in trained[run.run.name].curves.items()
    }


def _artifact(path: Path, out: Path) -> Artifact:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Artifact(
        name=path.name,
        path=str(path.relative_to(out)),
        media_type=MEDIA_TYPES.get(path.suffix, "application/octet-stream"),
        size_bytes=path.stat().st_size,
        sha256=digest,
    )
