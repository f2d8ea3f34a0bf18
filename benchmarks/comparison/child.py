"""One run in a process of its own: `python -m benchmarks.comparison.child ERRAND`. It is a whole job of the engine."""

import json
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from benchmarks.comparison.runs import Errand, located
from benchmarks.engine import prepare_job, set_up
from benchmarks.harness.pacing import peak_memory
from core.data.dataset import Split, open_dataset
from core.evaluation.predict import Views, predict
from core.events import Event, Metric, Phase, Resolved
from core.files.result_cache import FOLDER as RESULT_CACHE
from core.methods.method import Method
from core.networks.initial import build_student
from core.networks.network import Network
from core.networks.teacher import load_teacher
from core.policy import Policy
from core.results.assess import versions
from core.results.publish import FOLDER
from core.spec import JobSpec, TeacherSpec, parse_job
from core.specialize import specialize
from core.system.workspace import Workspace
from core.training.build import build_method
from core.training.inputs import PreparedJob

THREADS = 1


@dataclass
class Heard:
    """What the events of a job told."""

    began: dict[str, datetime] = field(default_factory=dict)
    """Phase -> when it began."""
    reports: list[tuple[int, datetime]] = field(default_factory=list)
    """(step, when it was done)"""
    resolved: Resolved | None = None
    peak_memory: int | None = None
    """Bytes, up to the end of training."""

    def __call__(self, event: Event) -> None:
        """Keep what the comparison reads from one event."""
        if isinstance(event, Phase):
            self.began[event.phase] = event.at
            self.peak_memory = peak_memory() if event.phase == "evaluating" else self.peak_memory
        elif isinstance(event, Metric):
            self.reports.append((event.step, event.at))
        elif isinstance(event, Resolved):
            self.resolved = event

    def seconds_to(self, step: int) -> float:
        """From the start of the training phase to the end of a step."""
        at = next(at for done, at in self.reports if done >= step)
        return (at - self.began["training"]).total_seconds()

    @property
    def training_seconds(self) -> float:
        """The whole training phase: with surveys, the filling of a stored teacher pass, and validations."""
        return (self.began["evaluating"] - self.began["training"]).total_seconds()


def main() -> None:
    """Run the job, look at what it left, and write the outcome."""
    errand = Errand.from_json(sys.argv[1])
    scratch = Path(errand.scratch)
    workspace = Workspace(scratch / "out", scratch / "cache", Path(errand.kept), Policy(num_threads=THREADS))
    workspace.out.mkdir(parents=True, exist_ok=True)
    _share_results(errand, workspace)
    set_up(workspace)
    spec = parse_job(errand.spec)
    heard = Heard()
    result = specialize(spec, workspace, heard)
    before = heard.began["training"].timestamp() - errand.started_at
    all_seconds = time.time() - errand.started_at
    prepared = prepare_job(spec, workspace)
    outcome = {
        "test_top1": result.metrics["test"]["top1"],
        "teacher_test_top1": ((result.teacher or {}).get("test") or {}).get("top1"),
        "num_params": result.metrics["num_params"],
        "steps": result.metrics["steps"],
        "step_seconds": result.metrics["seconds"],
        "training_seconds": heard.training_seconds,
        "before_seconds": before,
        "all_seconds": all_seconds,
        "peak_memory": heard.peak_memory,
        "precision": heard.resolved.spec["training"]["precision"],
        "teacher_pass": heard.resolved.spec["training"]["teacher_pass"],
        "versions": versions(),
        "curve": curve(prepared, workspace, heard, result.metrics["steps"]),
        "tests": outside_tests(errand, spec, prepared, workspace),
        **method_facts(prepared, workspace),
    }
    Path(errand.result).write_text(json.dumps(outcome))


def _share_results(errand: Errand, workspace: Workspace) -> None:
    """One run computes the results that the engine keeps of a teacher, for all runs: their time is in no table."""
    shared = Path(errand.kept) / RESULT_CACHE
    shared.mkdir(parents=True, exist_ok=True)
    workspace.cache.mkdir(parents=True, exist_ok=True)
    (workspace.cache / RESULT_CACHE).symlink_to(shared)


def curve(prepared: PreparedJob, workspace: Workspace, heard: Heard, steps: int) -> list[tuple[float, int, float]]:
    """(seconds, steps, test top-1) of the checkpoints that the job kept, evenly spaced to the end."""
    run, paths = prepared.student, sorted((workspace.out / FOLDER).glob("trajectory-*.safetensors"))
    points = []
    for number, path in enumerate(paths, start=1):
        step = round(number * steps / len(paths))
        network = _load({"weights": path.as_uri()}, workspace)
        points.append((heard.seconds_to(step), step, top1(network, run.dataset.test, run.augmenter.test_views)))
    return points


def outside_tests(errand: Errand, spec: JobSpec, prepared: PreparedJob, workspace: Workspace) -> dict[str, float]:
    """Top-1 of the tested network on the test splits of the errand's other datasets."""
    run, scores = prepared.student, {}
    for name, uri in errand.tests.items():
        wanted = spec.dataset.model_copy(update={"uri": uri, "classes": run.dataset.classes, "target_uri": None})
        source = open_dataset(wanted, workspace, seed=spec.training.seed)
        test = source.decode(run.training.image_size).test
        network = _load(located(errand.tested, {"out": workspace.out / FOLDER}), workspace)
        scores[name] = top1(network, test, run.augmenter.test_views)
    return scores


def top1(network: Network, split: Split, views: Views) -> float:
    """The share of a split's images that the network gets right."""
    return (predict(network, split.images, views=views).argmax(dim=1) == split.labels).double().mean().item()


def method_facts(prepared: PreparedJob, workspace: Workspace) -> dict[str, Any]:
    """What the method holds in memory beside a plain student, and what it asks of a teacher."""
    run = prepared.student
    plain = build_student(run.spec, len(run.dataset.classes), workspace, seed=0)
    method = build_method(run, prepared.teachers, prepared.arithmetic, workspace)
    return {**extra_memory(method, plain), "asks": asks(method)}


def extra_memory(method: Method, plain: nn.Module) -> dict[str, int]:
    """Parameters (numbers) and buffers (bytes) of the method and of what it trains, less those of a plain student.

    A teacher that trains along counts, one that is only asked does not.
    """
    trained = [parameter for group in method.parameter_groups().values() for parameter in group]
    modules = (method, method.context.student)
    parameters = _distinct([*trained, *(each for module in modules for each in module.parameters())])
    buffers = _distinct(each for module in modules for each in module.buffers())
    return {
        "extra_params": _numel(parameters) - _numel(plain.parameters()),
        "extra_buffer_bytes": _bytes(buffers) - _bytes(plain.buffers()),
    }


def asks(method: Method) -> str:
    """What of a teacher that stays as it is teaches."""
    needs = method.needs
    features = bool(needs.teacher_pooled or needs.teacher_taps or needs.survey)
    if method.trains_teacher or not method.requires("teacher"):
        return "nothing of a frozen teacher"
    return {(True, False): "soft labels", (False, True): "features"}.get(
        (needs.teacher_logits, features), "soft labels and features"
    )


def _load(teacher: dict[str, Any], workspace: Workspace) -> Network:
    return load_teacher(TeacherSpec(**teacher), workspace).network


def _distinct(tensors: Iterable[Tensor]) -> list[Tensor]:
    return list({id(tensor): tensor for tensor in tensors}.values())


def _numel(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors)


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


if __name__ == "__main__":
    main()
