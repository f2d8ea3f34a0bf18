"""The teachers of a job: loaded, adapted to its classes where they know others, matched with them, and checked."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from core.errors import RetortError, SpecInvalid
from core.events import Event, Log, WarningIssued
from core.job import TEACHER, PreparedRun, Run
from core.networks.network import Network
from core.networks.teacher import Teacher, load_teacher
from core.planning.runs import TUNED_TEACHER
from core.spec import JobSpec, TeacherSpec, needs_of
from core.spec.knobs.finetune import FinetuneKnobs
from core.system.device import Arithmetic
from core.system.workspace import Workspace
from core.teachers.adaptation import choose_adaptation, fit_to_classes, with_classifier_for
from core.teachers.check import check_teacher, class_indices, coverage_warning
from core.teachers.logits import TeacherLogits
from core.teachers.teacher_set import TeacherSet
from core.teachers.trajectory import load_trajectory
from core.training.inputs import PreparedJob

Report = Callable[[Event], None]
Teachers = tuple[Teacher, ...]
"""The first teacher, if the job has one, then the others."""


def load_teachers(
    spec: JobSpec,
    classes: Sequence[str],
    workspace: Workspace,
    arithmetic: Arithmetic,
    has_time: Callable[[Network], bool] = lambda network: True,
) -> tuple[JobSpec, Teachers]:
    """The job's spec with every `teacher.adapt` chosen, and its teachers; those to adapt have a new, random classifier.

    `has_time`: whether a deadline leaves time to fit a classifier to a network's features; where it does not, a teacher
    is adapted only if the job says so, or if its method needs the classes.
    Raises SpecInvalid for an adaptation that is not possible, TeacherLoadFailed, ArchitectureUnknown.
    """
    named = [(spec.teacher, "/teacher")] if spec.teacher is not None else []
    named += [(each, f"/more_teachers/{number}") for number, each in enumerate(spec.more_teachers)]
    specs, teachers = [], []
    for each, pointer in named:
        teacher = _load(each, pointer, workspace, arithmetic)
        adapt = choose_adaptation(each, teacher, classes, needs_of(spec.method))
        is_needed = each.adapt != "auto" or "common classes" in needs_of(spec.method)
        if adapt == "head" and not is_needed and not has_time(teacher.network):
            adapt = "none"
        _check(adapt, spec, pointer)
        if adapt != "none":
            teacher = with_classifier_for(teacher, classes, seed=spec.training.seed)
        specs.append(each.model_copy(update={"adapt": adapt}))
        teachers.append(teacher)
    if spec.teacher is None:
        return spec, ()
    return spec.model_copy(update={"teacher": specs[0], "more_teachers": tuple(specs[1:])}), tuple(teachers)


def _load(spec: TeacherSpec, pointer: str, workspace: Workspace, arithmetic: Arithmetic) -> Teacher:
    try:
        teacher = load_teacher(spec, workspace)
    except RetortError as error:
        error.pointer = (error.pointer or "").replace("/teacher", pointer, 1)
        raise
    teacher.network.to(arithmetic.device).eval().requires_grad_(False)
    return teacher


def _check(adapt: str, spec: JobSpec, pointer: str) -> None:
    if adapt != "none" and "trajectory" in needs_of(spec.method):
        detail = f"{adapt!r} would change the teacher's outputs, but not those of its checkpoints; allowed: auto, none"
        raise SpecInvalid([(f"{pointer}/adapt", detail)])
    if adapt == "full" and pointer != "/teacher":
        raise SpecInvalid([(f"{pointer}/adapt", "only the first teacher is fine-tuned; allowed: auto, none, head")])


def teacher_run(spec: JobSpec) -> Run | None:
    """The training of the first teacher for the job's classes; None unless `teacher.adapt` is full.

    It is that of the baseline `finetune`.
    """
    if spec.teacher is None or spec.teacher.adapt != "full":
        return None
    return Run(TEACHER, spec.model_copy(update={"method": FinetuneKnobs(), "student": TUNED_TEACHER}))


def teacher_set(
    spec: JobSpec,
    teachers: Teachers,
    student: PreparedRun,
    arithmetic: Arithmetic,
    workspace: Workspace,
    report: Report,
    *,
    plan_only: bool,
) -> TeacherSet:
    """The teachers with their classes matched to the dataset's, and the first one checked on its images.

    Classifiers are fitted here (`teacher.adapt` head), but not for a plan. A teacher that is not adapted yet is not
    checked.
    """
    if spec.teacher is None:
        return TeacherSet()
    first, *others = teachers
    for each, teacher in zip((spec.teacher, *spec.more_teachers), teachers, strict=True):
        _adapt(each, teacher, student, arithmetic, workspace, report, plan_only=plan_only)
    covers, classes = "common classes" in needs_of(spec.method), student.dataset.classes
    chosen = TeacherSet(
        first,
        class_indices(first, classes, covers=covers),
        others=tuple(others),
        other_class_indices=tuple(class_indices(each, classes, covers=covers) for each in others),
        checkpoints=load_trajectory(spec.teacher, first, workspace) if "trajectory" in needs_of(spec.method) else (),
    )
    if spec.teacher.adapt == "full" or (plan_only and spec.teacher.adapt == "head"):
        return chosen
    return _checked(chosen, spec.teacher, student, arithmetic, workspace, report)


def _adapt(
    spec: TeacherSpec,
    teacher: Teacher,
    student: PreparedRun,
    arithmetic: Arithmetic,
    workspace: Workspace,
    report: Report,
    *,
    plan_only: bool,
) -> None:
    if spec.adapt == "none":
        return
    done = "is fine-tuned" if spec.adapt == "full" else "gets a classifier that is fitted to its features"
    name, count = teacher.network.architecture, len(student.dataset.classes)
    report(Log(message=f"teacher {name} {done} for the job's {count} classes (teacher.adapt: {spec.adapt})"))
    if spec.adapt == "head" and not plan_only:
        fit_to_classes(teacher, student.dataset, student.augmenter, arithmetic, workspace)


def _checked(
    chosen: TeacherSet,
    spec: TeacherSpec,
    student: PreparedRun,
    arithmetic: Arithmetic,
    workspace: Workspace,
    report: Report,
) -> TeacherSet:
    """The same with the first teacher's logits and accuracy, where it covers the classes."""
    first, indices, dataset = chosen.first, chosen.class_indices, student.dataset
    if first is None:
        return chosen
    if indices is None:
        logits, top1, warning = None, None, coverage_warning(first, dataset.classes, spec.weights_map)
    else:
        logits = TeacherLogits(first.network, indices, arithmetic.device, workspace.result_cache)
        checked = check_teacher(spec, first.network, logits, dataset, student.augmenter, arithmetic)
        top1, warning = checked.validation_top1, checked.warning
    if warning is not None:
        report(WarningIssued(warning=warning))
    return replace(chosen, logits=logits, validation_top1=top1)


def with_fine_tuned(job: PreparedJob, network: Network, report: Report) -> PreparedJob:
    """The job with its first teacher's network replaced by the fine-tuned one, which is checked as any teacher is.

    The student's method is built again, because it may hold weights of its teacher.
    """
    (student, *others), first = job.runs, job.teachers.first
    if student.spec.teacher is None or first is None:
        return job
    network = network.to(job.arithmetic.device).eval().requires_grad_(False)
    tuned = replace(job.teachers, first=replace(first, network=network))
    checked = _checked(tuned, student.spec.teacher, student, job.arithmetic, job.workspace, report)
    if checked.validation_top1 is not None:
        report(Log(message=f"the fine-tuned teacher: {checked.validation_top1:.1%} on the validation split"))
    return replace(job, teachers=checked, runs=(replace(student, method=None), *others))
