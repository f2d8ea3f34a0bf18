"""Everything found out before training: the dataset, the teacher, the student, and whether they fit together."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from core.baselines import Run, plan_runs
from core.data.augment import Augmenter
from core.data.dataset import Dataset, Source, open_dataset
from core.device import Arithmetic, choose_arithmetic
from core.events import Event, Log
from core.methods import find
from core.networks import sizing, zoo
from core.networks.teacher import Teacher, load_teacher
from core.policy import Policy
from core.resolve import resolve
from core.spec import JobSpec
from core.teacher_check import check_teacher, class_indices, restricted_logits


@dataclass(frozen=True)
class Place:
    """Where an engine process reads and writes. `inputs` holds what job: and dataset: name, a folder each."""

    out: Path
    cache: Path
    inputs: Path | None
    policy: Policy


@dataclass(frozen=True)
class PreparedRun:
    """One training, resolved, with the data at the size that its network sees."""

    run: Run
    spec: JobSpec
    dataset: Dataset
    reason: str
    """Why this architecture."""

    @property
    def augmenter(self) -> Augmenter:
        """The views of this run."""
        return Augmenter(self.spec.training.augmentation, int(self.spec.training.image_size))


@dataclass(frozen=True)
class Prepared:
    """A job that is ready to train."""

    runs: tuple[PreparedRun, ...]
    teacher: Teacher | None
    class_indices: Tensor | None
    """int64 (K,): the customer's classes among the teacher's outputs; None where it does not cover them."""
    teacher_validation_top1: float | None
    arithmetic: Arithmetic

    @property
    def student(self) -> PreparedRun:
        """The run that the job is about."""
        return self.runs[0]

    def teacher_logits(self, prepared: PreparedRun, images: Tensor) -> Tensor | None:
        """(N, K) float32 on the CPU: the teacher's view of uint8 images, over the customer's classes; None without
        cover.
        """
        if self.teacher is None or self.class_indices is None:
            return None
        views = prepared.augmenter.test_views
        return restricted_logits(self.teacher.network, self.class_indices, images, views, self.arithmetic.device)


def prepare(spec: JobSpec, place: Place, report: Callable[[Event], None]) -> Prepared:
    """Read and check all that the job names; raises the UserError that says what does not fit."""
    arithmetic = choose_arithmetic(spec.training)
    source = open_dataset(
        spec.dataset, policy=place.policy, cache=place.cache, inputs=place.inputs, seed=spec.training.seed
    )
    teacher = None
    if spec.teacher is not None:
        teacher = load_teacher(spec.teacher, policy=place.policy, cache=place.cache, inputs=place.inputs)
        teacher.network.to(arithmetic.device).eval().requires_grad_(False)
    decoded: dict[int, Dataset] = {}
    runs = tuple(_prepare_run(run, source, decoded, teacher, arithmetic) for run in plan_runs(spec))
    indices = class_indices(teacher, source.classes, find(spec.method.name).needs) if teacher is not None else None
    for warning in runs[0].dataset.warnings:
        report(Log(level="warning", message=warning))
    prepared = Prepared(runs, teacher, indices, None, arithmetic)
    if indices is None:
        return prepared
    top1 = check_teacher(prepared.teacher_logits, prepared.student, spec.teacher)
    return Prepared(runs, teacher, indices, top1, arithmetic)


def _prepare_run(
    run: Run, source: Source, decoded: dict[int, Dataset], teacher: Teacher | None, arithmetic: Arithmetic
) -> PreparedRun:
    teacher_architecture = teacher.network.architecture if teacher is not None else None
    architecture, reason = sizing.choose(
        run.spec.student,
        teacher_architecture=teacher_architecture,
        image_size=min(source.native_size),
        num_classes=len(source.classes),
    )
    spec = resolve(
        run.spec,
        native_size=source.native_size,
        num_train=source.num_train,
        architecture=architecture,
        default_size=zoo.outline(architecture).input.size,
        flippable=source.flippable,
        arithmetic=arithmetic,
    )
    size = int(spec.training.image_size)
    if size not in decoded:
        decoded[size] = source.decode(size)
    return PreparedRun(run, spec, decoded[size], reason)


def to_device_if_it_fits(images: Tensor, device: torch.device) -> Tensor:
    """The resident images on a GPU where they take less than a quarter of its free memory; else where they are."""
    if device.type != "cuda" or images.nbytes * 4 > torch.cuda.mem_get_info(device)[0]:
        return images
    return images.to(device)
