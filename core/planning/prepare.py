"""Prepares a job: reads the dataset, loads the teachers, resolves the runs, and checks that they fit together."""

from collections.abc import Callable
from dataclasses import dataclass, field

from core.data.dataset import Dataset, Source, open_dataset, open_unlabelled
from core.errors import RetortError
from core.events import Event, Log, WarningIssued
from core.job import PreparedRun, Run
from core.networks import sizing, zoo
from core.networks.selection import is_kin
from core.networks.teacher import Teacher, load_teacher
from core.planning.beginning import PublishedWeights, describe_beginning, fallback_warning, find_published
from core.planning.defaults import resolve
from core.planning.runs import plan_runs, with_students_weights
from core.planning.strategy import choose_strategies
from core.spec import DatasetSpec, JobSpec, TeacherSpec, needs_of
from core.system.device import Arithmetic, choose_arithmetic
from core.system.workspace import Workspace
from core.teachers.check import check_teacher, class_indices, coverage_warning
from core.teachers.logits import TeacherLogits
from core.teachers.teacher_set import TeacherSet
from core.teachers.trajectory import load_trajectory
from core.training.inputs import PreparedJob
from core.training.muon import is_convolutional

Report = Callable[[Event], None]


def prepare(spec: JobSpec, workspace: Workspace, report: Report) -> PreparedJob:
    """Read and check everything that the job names, and choose everything that it leaves open.

    Raises a UserError that names what does not fit.
    """
    arithmetic = choose_arithmetic(spec.training)
    with workspace.ranks.first_goes_first():  # the others find the images decoded
        source = _open(spec, workspace, spec.dataset)
        first, others = _load_teachers(spec, workspace, arithmetic)
        runs = _resolve_runs(spec, source, first, arithmetic, workspace)
        for warning in runs[0].dataset.warnings:
            report(WarningIssued(warning=warning))
        for teacher in (*((first,) if first is not None else ()), *others):
            for issued in teacher.warnings:
                report(WarningIssued(warning=issued))
        target = _open_target(spec, workspace, source, report)
        teachers = _teacher_set(spec, first, others, runs[0], arithmetic, workspace, report)
    return PreparedJob(
        choose_strategies(runs, teachers, arithmetic, workspace, report), teachers, arithmetic, workspace, target
    )


def _open(spec: JobSpec, workspace: Workspace, dataset: DatasetSpec) -> Source:
    return open_dataset(dataset, workspace, seed=spec.training.seed)


def _load_teachers(
    spec: JobSpec, workspace: Workspace, arithmetic: Arithmetic
) -> tuple[Teacher | None, tuple[Teacher, ...]]:
    """The first teacher, if the job has one, and the others."""
    first = _load_teacher(spec.teacher, "/teacher", workspace, arithmetic) if spec.teacher is not None else None
    others = tuple(
        _load_teacher(each, f"/more_teachers/{number}", workspace, arithmetic)
        for number, each in enumerate(spec.more_teachers)
    )
    return first, others


def _load_teacher(spec: TeacherSpec, pointer: str, workspace: Workspace, arithmetic: Arithmetic) -> Teacher:
    try:
        teacher = load_teacher(spec, workspace)
    except RetortError as error:
        error.pointer = (error.pointer or "").replace("/teacher", pointer, 1)
        raise
    teacher.network.to(arithmetic.device).eval().requires_grad_(False)
    return teacher


def _open_target(spec: JobSpec, workspace: Workspace, source: Source, report: Report) -> Source | None:
    """The second domain; None if the job names none.

    Its labels, if it has any, only measure the student there; they are never used for training.
    """
    if spec.dataset.target_uri is None:
        return None
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
        opened = open_unlabelled(target, workspace) or _open(spec, workspace, target)
    except RetortError as error:
        error.pointer = "/dataset/target_uri"
        raise
    if not opened.num_test:
        message = (
            f"the {opened.num_train} images of the second domain have no class folders: nothing is measured on them"
        )
        report(Log(message=message))
    return opened


@dataclass
class _RunResolver:
    """Resolves the runs of one job; images of one size are decoded once."""

    source: Source
    teacher: Teacher | None
    arithmetic: Arithmetic
    workspace: Workspace
    decoded: dict[int, Dataset] = field(default_factory=dict)
    published: dict[tuple[str, str | None], PublishedWeights] = field(default_factory=dict)

    def resolve(self, run: Run) -> PreparedRun:
        """The run with its architecture, its settings and its images; its steps are counted by the strategy."""
        source, teacher = self.source, self.teacher
        architecture, reason = sizing.choose(
            run.spec.student,
            teacher_architecture=teacher.network.architecture if teacher is not None else None,
            image_size=min(source.native_size),
            num_classes=len(source.classes),
            has_weights=lambda each: run.spec.student.weights != "auto" or self._published(run, each).usable,
        )
        outline = zoo.outline(architecture)
        published = self._published(run, architecture)
        spec = resolve(
            run.spec,
            native_size=source.native_size,
            num_train=source.num_train,
            architecture=architecture,
            default_size=outline.input.size,
            flippable=source.flippable,
            is_kin=teacher is not None and is_kin(outline, teacher.network),
            has_published=published.usable,
            has_relative=published.relative is not None,
            is_convolutional=is_convolutional(outline.module),
            arithmetic=self.arithmetic,
        )
        return PreparedRun(
            run,
            spec,
            self._decode(spec.training.image_size),
            reason,
            describe_beginning(spec.student, published),
            fallback_warning(spec.student, published),
            steps=0,
        )

    def _published(self, run: Run, architecture: str) -> PublishedWeights:
        asked = run.spec.student.weights
        if (architecture, asked) not in self.published:
            self.published[architecture, asked] = find_published(run.spec, architecture, self.workspace)
        return self.published[architecture, asked]

    def _decode(self, image_size: int) -> Dataset:
        if image_size not in self.decoded:
            self.decoded[image_size] = self.source.decode(image_size)
        return self.decoded[image_size]


def _resolve_runs(
    spec: JobSpec, source: Source, teacher: Teacher | None, arithmetic: Arithmetic, workspace: Workspace
) -> tuple[PreparedRun, ...]:
    resolver = _RunResolver(source, teacher, arithmetic, workspace)
    first, *others = plan_runs(spec)
    student = resolver.resolve(first)
    return (student, *(resolver.resolve(with_students_weights(run, student.spec.student)) for run in others))


def _teacher_set(
    spec: JobSpec,
    first: Teacher | None,
    others: tuple[Teacher, ...],
    student: PreparedRun,
    arithmetic: Arithmetic,
    workspace: Workspace,
    report: Report,
) -> TeacherSet:
    """The teachers with their classes matched to the dataset's, and the first one checked on its images."""
    if spec.teacher is None or first is None:
        return TeacherSet()
    needs, dataset = needs_of(spec.method), student.dataset
    covers = "common classes" in needs
    indices = class_indices(first, dataset.classes, covers=covers)
    other_indices = tuple(class_indices(each, dataset.classes, covers=covers) for each in others)
    checkpoints = load_trajectory(spec.teacher, first, workspace) if "trajectory" in needs else ()
    logits, top1 = None, None
    if indices is not None:
        logits = TeacherLogits(first.network, indices, arithmetic.device, workspace.result_cache)
        checked = check_teacher(spec.teacher, first.network, logits, dataset, student.augmenter, arithmetic)
        top1, warning = checked.validation_top1, checked.warning
    else:
        warning = coverage_warning(first, dataset.classes)
    if warning is not None:
        report(WarningIssued(warning=warning))
    return TeacherSet(first, indices, logits, top1, others, other_indices, checkpoints)
