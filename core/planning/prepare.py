"""Everything found out before training: the dataset, the teacher, the student, and whether they fit together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from core.data.augment import Augmenter
from core.data.dataset import Dataset, Source, Split, open_dataset, open_unlabelled
from core.data.image_file import Images
from core.errors import RetortError
from core.events import Event, Log, WarningIssued
from core.files.result_cache import Findings
from core.networks import sizing, zoo
from core.networks.selection import is_kin
from core.networks.teacher import Teacher, load_teacher
from core.planning.defaults import resolve
from core.planning.runs import Run, plan_runs, with_students_weights
from core.policy import Policy
from core.spec import DatasetSpec, JobSpec, TeacherSpec, needs_of
from core.system.device import MOST_AT_ONCE, Arithmetic, choose_arithmetic
from core.system.distributed import ALONE, Ranks
from core.teachers.check import check_teacher, class_indices
from core.teachers.logits import TeacherView
from core.teachers.trajectory import load_trajectory
from core.training.muon import is_convolutional


@dataclass(frozen=True)
class Place:
    """Where an engine process reads and writes. `inputs` holds what job: and dataset: name, a folder each."""

    out: Path
    cache: Path
    inputs: Path | None
    policy: Policy
    ranks: Ranks = ALONE

    @property
    def findings(self) -> Findings:
        """What jobs of this cache have found out."""
        return Findings(self.cache)


@dataclass(frozen=True)
class PreparedRun:
    """One training, resolved, with the data at the size that its network sees."""

    run: Run
    spec: JobSpec
    dataset: Dataset
    reason: str
    """Why this architecture."""
    steps: int = 0
    """Optimizer steps, where it is not stopped early; core.planning.strategy finds it."""

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
    more_teachers: tuple[Teacher, ...] = ()
    more_class_indices: tuple[Tensor | None, ...] = ()
    anchors: tuple[Callable[[], Mapping[str, Tensor]], ...] = ()
    """The teacher's checkpoints in order of its training, the finished teacher last."""
    target: Source | None = None
    """Images of the second domain."""
    view: TeacherView | None = None
    """Where the teacher covers the customer's classes."""

    @property
    def student(self) -> PreparedRun:
        """The run that the job is about."""
        return self.runs[0]

    def target_dataset(self, run: PreparedRun) -> Dataset | None:
        """The second domain at the size of the run, where the job names one."""
        return self.target.decode(int(run.spec.training.image_size)) if self.target is not None else None

    def teacher_logits(self, run: PreparedRun, split: Split) -> Tensor | None:
        """(N, K) float32 on the CPU: the teacher's view of a split, over the customer's classes; None without cover."""
        if self.view is None:
            return None
        return self.view.remembered(split.images, run.augmenter)


def prepare(spec: JobSpec, place: Place, report: Callable[[Event], None]) -> Prepared:
    """Read and check all that the job names; raises the UserError that says what does not fit."""
    arithmetic = choose_arithmetic(spec.training)
    with place.ranks.first_goes_first():  # the others find the images decoded
        return _prepare(spec, place, report, arithmetic)


def _prepare(spec: JobSpec, place: Place, report: Callable[[Event], None], arithmetic: Arithmetic) -> Prepared:
    source = _open(spec, place, spec.dataset)
    teacher = _teacher(spec.teacher, place, arithmetic) if spec.teacher is not None else None
    more = tuple(
        _teacher(each, place, arithmetic, f"/more_teachers/{number}") for number, each in enumerate(spec.more_teachers)
    )
    needs = needs_of(spec.method)
    covers = "common classes" in needs
    decoded: dict[int, Dataset] = {}
    first, *others = plan_runs(spec)
    student = _prepare_run(first, source, decoded, teacher, arithmetic)
    others = [with_students_weights(run, student.spec.student) for run in others]
    runs = (student, *(_prepare_run(run, source, decoded, teacher, arithmetic) for run in others))
    indices = class_indices(teacher, source.classes, covers=covers) if teacher is not None else None
    for warning in runs[0].dataset.warnings:
        report(WarningIssued(warning=warning))
    for each in (teacher, *more):
        for told in each.warnings if each is not None else ():
            report(WarningIssued(warning=told))
    target = _open_target(spec, place, source) if spec.dataset.target_uri is not None else None
    if target is not None and not target.num_test:
        told = f"the {target.num_train} images of the second domain have no class folders: nothing is measured on them"
        report(Log(message=told))
    prepared = Prepared(
        runs,
        teacher,
        indices,
        None,
        arithmetic,
        more_teachers=more,
        more_class_indices=tuple(class_indices(each, source.classes, covers=covers) for each in more),
        anchors=load_trajectory(spec.teacher, teacher, place) if "trajectory" in needs and teacher is not None else (),
        target=target,
    )
    if indices is None:
        return prepared
    prepared = replace(prepared, view=TeacherView(teacher.network, indices, arithmetic.device, place.findings))
    return replace(prepared, teacher_validation_top1=check_teacher(prepared, prepared.student, spec.teacher))


def _open(spec: JobSpec, place: Place, dataset: DatasetSpec) -> Source:
    return open_dataset(dataset, policy=place.policy, cache=place.cache, inputs=place.inputs, seed=spec.training.seed)


def _open_target(spec: JobSpec, place: Place, source: Source) -> Source:
    """The second domain. Its labels, if it has any, are used to measure the student there, never to train it."""
    target = spec.dataset.model_copy(
        update={
            "uri": spec.dataset.target_uri,
            "format": "auto",
            "splits": None,
            "classes": source.classes,
            "max_per_class": None,
        }
    )
    try:
        unlabelled = open_unlabelled(target, policy=place.policy, cache=place.cache, inputs=place.inputs)
        return unlabelled or _open(spec, place, target)
    except RetortError as error:
        error.pointer = "/dataset/target_uri"
        raise


def _teacher(spec: TeacherSpec, place: Place, arithmetic: Arithmetic, pointer: str = "/teacher") -> Teacher:
    try:
        teacher = load_teacher(spec, policy=place.policy, cache=place.cache, inputs=place.inputs)
    except RetortError as error:
        error.pointer = (error.pointer or "").replace("/teacher", pointer, 1)
        raise
    teacher.network.to(arithmetic.device).eval().requires_grad_(False)
    return teacher


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
    outline = zoo.outline(architecture)
    spec = resolve(
        run.spec,
        native_size=source.native_size,
        num_train=source.num_train,
        architecture=architecture,
        default_size=outline.input.size,
        flippable=source.flippable,
        is_kin=teacher is not None and is_kin(outline, teacher.network),
        is_convolutional=is_convolutional(outline.module),
        arithmetic=arithmetic,
    )
    size = int(spec.training.image_size)
    if size not in decoded:
        decoded[size] = source.decode(size)
    return PreparedRun(run, spec, decoded[size], reason)


def to_device_if_it_fits(images: Images, device: torch.device) -> Images:
    """The images on a GPU where they take less than a quarter of its free memory; else where they are."""
    if device.type != "cuda" or images.nbytes * 4 > torch.cuda.mem_get_info(device)[0]:
        return images
    moved = torch.empty(images.shape, dtype=torch.uint8, device=device)
    for start in range(0, len(images), MOST_AT_ONCE):
        moved[start : start + MOST_AT_ONCE] = images[start : start + MOST_AT_ONCE].to(device)
    return moved
