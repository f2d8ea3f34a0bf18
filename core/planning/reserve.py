"""The time that a job with a deadline keeps for what follows its training: evaluation, export, report.

The first job of a kind on a machine estimates it; later ones know what it took.
"""

import json
from dataclasses import dataclass

import onnxruntime
import torch

from core.evaluation.latency import SECONDS_EACH
from core.files.result_cache import content_address
from core.networks.network import Network
from core.planning.timing import StepTime
from core.system.deadline import Deadline
from core.training.inputs import PreparedJob
from core.training.timed import FORWARD

KIND = "after-training"
LATENCY_SECONDS = 1.0
"""Kept for the latency of each network; what is left then is used for it, so that it may take less or more."""
LEAST_LATENCY_SECONDS = 0.3
REPORT_SECONDS = 2.0  # report, charts, comparison of the exported files
SECONDS_PER_LAYER = 0.02  # to write an ONNX file


def reserve_for(job: PreparedJob, student: Network, timed: StepTime) -> tuple[float, float]:
    """Seconds from the end of the training to the published files, and of these those after the evaluation."""
    content = job.workspace.result_cache.recall(KIND, _address(job))
    evaluate, publish = json.loads(content) if content is not None else _estimated(job, student, timed)
    return evaluate + LATENCY_SECONDS * _num_networks(job) + publish, publish


@dataclass
class AfterTraining:
    """Follows a job from the end of its training on: how long latencies may be measured, and what the rest took."""

    job: PreparedJob
    deadline: Deadline

    def __post_init__(self) -> None:
        self._began = self._evaluated = self._measured = self.deadline.used()

    def latency_seconds(self) -> float:
        """Seconds for the latency of each network: what the deadline leaves, within limits."""
        self._evaluated = self.deadline.used()
        left = (self.deadline.left() - self.deadline.publish_seconds) / _num_networks(self.job)
        return min(max(left, LEAST_LATENCY_SECONDS), SECONDS_EACH)

    def latencies_measured(self) -> None:
        """Called when the latencies are known."""
        self._measured = self.deadline.used()

    def keep(self) -> None:
        """Called when the files are published: later jobs of this kind know what it took."""
        took = [self._evaluated - self._began, self.deadline.used() - self._measured]
        self.job.workspace.result_cache.keep(KIND, _address(self.job), json.dumps(took).encode())


def _num_networks(job: PreparedJob) -> int:
    return 1 + (job.teachers.network is not None)


def _estimated(job: PreparedJob, student: Network, timed: StepTime) -> tuple[float, float]:
    run, teacher = job.student, job.teachers.network
    images = len(run.dataset.validation.labels) + len(run.dataset.test.labels)
    batches = images / run.training.batch_size
    teacher_seconds = timed.teacher_seconds if job.teachers.class_indices is not None else 0.0
    forward = batches * (timed.student_seconds * FORWARD + teacher_seconds)
    layers = _num_layers(student)
    layers += _num_layers(teacher) if teacher is not None else 0
    return forward + layers * SECONDS_PER_LAYER, REPORT_SECONDS


def _num_layers(network: Network) -> int:
    return sum(1 for module in network.modules() if not list(module.children()))


def _address(job: PreparedJob) -> str:
    run, teacher = job.student, job.teachers.network
    return content_address(
        {
            "student": run.spec.student.architecture,
            "teacher": teacher.architecture if teacher is not None else None,
            "method": run.spec.method.name,
            "image_size": run.training.image_size,
            "images": [len(run.dataset.validation.labels), len(run.dataset.test.labels)],
            "classes": len(run.dataset.classes),
            "exports": list(run.spec.exports),
            "threads": torch.get_num_threads(),
            "versions": [torch.__version__, onnxruntime.__version__],
        }
    )
