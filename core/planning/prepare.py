"""Prepares a job: reads the dataset, loads the teachers, resolves the runs, and checks that they fit together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from core.data.dataset import Dataset, Source, open_dataset, open_unlabelled
from core.errors import RetortError
from core.events import Event, Log, WarningIssued
from core.job import TEACHER, Length, PreparedRun, Run
from core.networks import sizing, zoo
from core.networks.at_hand import PublishedWeights
from core.networks.network import Network
from core.networks.selection import is_kin
from core.networks.teacher import Teacher
from core.planning.beginning import describe_beginning, fallback_warning, find_published
from core.planning.deadline import has_time_to_fit, plan_length, with_fitted_classifier, with_length
from core.planning.defaults import resolve
from core.planning.runs import plan_runs, with_students_weights
from core.planning.strategy import choose_strategies
from core.planning.teachers import load_teachers, teacher_run, teacher_set
from core.spec import DatasetSpec, JobSpec
from core.system.device import Arithmetic, choose_arithmetic
from core.system.interruption import JobControl
from core.system.workspace import Workspace
from core.training.inputs import PreparedJob
from core.training.muon import is_convolutional

Report = Callable[[Event], None]


def prepare(
    spec: JobSpec,
    workspace: Workspace,
    report: Report,
    *,
    plan_only: bool = False,
    found: Mapping[str, PublishedWeights] | None = None,
    control: JobControl | None = None,
    length: Length | None = None,
) -> PreparedJob:
    """Read and check everything that the job names, and choose everything that it leaves open.

    With `plan_only`, nothing is fitted to the images. `found`: the published weights that an earlier attempt at the job
    found, by architecture; they are not looked for again, because another answer would give another student. If
    `control` has a deadline, the length of the training is planned, unless an earlier attempt has done so (`length`).
    Raises a UserError that names what does not fit.
    """
    arithmetic = choose_arithmetic(spec.training)
    published, deadline = dict(found or {}), control.deadline if control is not None else None
    with workspace.ranks.first_goes_first(published):  # the others find the images decoded, and the same weights
        source = _open(spec, workspace, spec.dataset)

        def has_time(network: Network) -> bool:
            return has_time_to_fit(network, source.num_train, workspace.ranks, deadline, length)

        spec, loaded = load_teachers(spec, source.classes, workspace, arithmetic, has_time)
        resolver = _RunResolver(source, loaded[0] if loaded else None, arithmetic, workspace, published)
        runs = _resolve_runs(spec, resolver)
        for warning in (*runs[0].dataset.warnings, *(issued for teacher in loaded for issued in teacher.warnings)):
            report(WarningIssued(warning=warning))
        target = _open_target(spec, workspace, source, report)
        teachers = teacher_set(spec, loaded, runs[0], arithmetic, workspace, report, plan_only=plan_only)
    if control is not None and deadline is not None:
        job = PreparedJob(runs, teachers, arithmetic, workspace, target)
        is_first = not control.spent_seconds
        length = length or plan_length(job, deadline, report, is_first=is_first, plan_only=plan_only)
        deadline.keep(length.reserve_seconds, length.publish_seconds)
        runs = _resolve_runs(with_length(spec, length), resolver)
        runs = (with_fitted_classifier(runs[0], length), *(replace(run, length=length) for run in runs[1:]))
    runs = choose_strategies(runs, teachers, arithmetic, workspace, report)
    tuned = runs[-1] if runs[-1].run.name == TEACHER else None
    runs = runs[:-1] if tuned is not None else runs
    return PreparedJob(runs, teachers, arithmetic, workspace, target, tuned, published)


def _open(spec: JobSpec, workspace: Workspace, dataset: DatasetSpec) -> Source:
    return open_dataset(dataset, workspace, seed=spec.training.seed)


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
    published: dict[str, PublishedWeights]
    """What is known of published weights, by architecture; filled as architectures are asked for."""
    decoded: dict[int, Dataset] = field(default_factory=dict)

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
        if run.spec.student.weights != "auto":
            return PublishedWeights(usable=False)
        if architecture not in self.published:
            self.published[architecture] = find_published(architecture, self.workspace)
        return self.published[architecture]

    def _decode(self, image_size: int) -> Dataset:
        if image_size not in self.decoded:
            self.decoded[image_size] = self.source.decode(image_size)
        return self.decoded[image_size]


def _resolve_runs(spec: JobSpec, resolver: _RunResolver) -> tuple[PreparedRun, ...]:
    """The student and the baselines; then the teacher's own training, where it is fine-tuned."""
    first, *others = plan_runs(spec)
    tuned = teacher_run(spec)
    student = resolver.resolve(first)
    runs = (student, *(resolver.resolve(with_students_weights(run, student.spec.student)) for run in others))
    return (*runs, resolver.resolve(tuned)) if tuned is not None else runs
