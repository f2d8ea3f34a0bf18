"""Builds the trainer of a prepared run at step 0: the student, its method, the teachers, the batches."""

import copy
from collections.abc import Callable
from dataclasses import replace

import torch

from core.data.image_file import ImageFile, Images
from core.events import JobWarning
from core.job import PreparedRun
from core.kernels import load
from core.methods import find
from core.methods.contract import MethodContext
from core.methods.method import Method
from core.networks import zoo
from core.networks.facts import measure_network
from core.networks.inference import in_layout
from core.networks.initial import build_student
from core.networks.network import Network
from core.networks.quantized import NUM_IMAGES
from core.networks.selection import select_weights
from core.spec import needs_of
from core.system.device import Arithmetic, images_at_once
from core.system.distributed import share_statistics
from core.system.workspace import Workspace
from core.teachers.frozen import FrozenTeacher, FrozenTeachers, Quantization
from core.teachers.stored.opening import open_pass
from core.teachers.teacher_set import TeacherSet
from core.training.batches import Batches
from core.training.inputs import PreparedJob, on_device_if_it_fits
from core.training.pace import Pace
from core.training.plan import PlannedStage, TrainingPlan, plan_stages
from core.training.trainer import Trainer
from core.training.validation import Validator

HELD_OUT = 1000  # images: enough to compare checkpoints of a teacher


def build_method(
    run: PreparedRun,
    teachers: TeacherSet,
    arithmetic: Arithmetic,
    workspace: Workspace,
    warn: Callable[[JobWarning], None] = lambda warning: None,
) -> Method:
    """The method of a run with its student, on the device; the run's seed decides the student's initial weights.

    `warn` receives what a person should know about given weights of the student.
    """
    classes = run.dataset.classes
    student = build_beginning(run, teachers, workspace, warn)
    device, method = arithmetic.device, find(run.spec.method.name)
    teacher, trained_along = teachers.network, []
    if "teacher" in run.spec.method.trained_along:
        # A copy: the other runs, and a resumed run, start with the unchanged teacher.
        teacher = in_layout(copy.deepcopy(teachers.required))
        trained_along = [teacher]
    validation = run.dataset.validation.images[:HELD_OUT] if method.needs.held_out else None
    context = MethodContext(
        student=in_layout(student.to(device)),
        teacher=teacher,
        class_indices=teachers.class_indices.to(device) if teachers.class_indices is not None else None,
        num_classes=len(classes),
        classes=tuple(classes),
        label_smoothing=run.training.label_smoothing,
        num_train=len(run.dataset.train.labels),
        more_teachers=tuple(each.network for each in teachers.others),
        more_class_indices=tuple(
            indices.to(device) if indices is not None else None for indices in teachers.other_class_indices
        ),
        anchors=teachers.checkpoints,
        held_out=run.augmenter.test_views(validation.to(device)) if validation is not None else None,
    )
    built = in_layout(method(run.spec.method, context).to(device))
    for module in (built, context.student, *trained_along):
        share_statistics(module, workspace.ranks)
    return built


def build_beginning(
    run: PreparedRun,
    teachers: TeacherSet,
    workspace: Workspace,
    warn: Callable[[JobWarning], None] = lambda warning: None,
) -> Network:
    """The student with its initial weights. A method with a fresh head takes a teacher's weights without its
    classifier.
    """
    spec = run.spec
    student = build_student(spec, len(run.dataset.classes), workspace, seed=run.run.seed, warn=warn)
    if spec.student.weights == "teacher" and teachers.network is not None:
        classes = teachers.class_indices if not spec.method.fresh_head else None
        select_weights(student, teachers.network, classes)
    return student


def build_frozen_teachers(
    job: PreparedJob, run: PreparedRun, method: Method, notify: Callable[[str], None]
) -> FrozenTeachers:
    """The frozen teachers that the method learns from, ready to be run."""
    needs, context = method.needs, method.context
    if not (needs.teacher_output or needs.survey):
        return FrozenTeachers(needs)
    quantization = _quantization(run, job.workspace) if run.training.teacher_precision == "int8" else None
    frozen = job.teachers.logits.network if job.teachers.logits is not None else None
    first, *others = (
        FrozenTeacher(
            network,
            needs,
            job.arithmetic,
            compiled=run.training.compile,
            quantization=quantization,
            frozen=copied,
            notify=notify,
        )
        for network, copied in ((job.teachers.required, frozen), *((each, None) for each in context.more_teachers))
    )
    return FrozenTeachers(needs, first, tuple(others), context.anchors)


def _quantization(run: PreparedRun, workspace: Workspace) -> Quantization:
    """The inputs for 8-bit conversion, with calibration images spread over the split, which may be sorted by class."""
    images = run.dataset.train.images
    count = min(NUM_IMAGES, 2 * images_at_once(images.shape[-1], torch.device("cpu")), len(images))
    some = torch.linspace(0, len(images) - 1, count).long()
    return Quantization(
        lambda: run.augmenter.test_views(images[some]), run.training.micro_batch_size, workspace.result_cache
    )


def build_trainer(
    job: PreparedJob,
    run: PreparedRun,
    method: Method,
    report_metrics: Callable[[int, dict[str, float | None]], None],
    after_step: Callable[[Trainer], None],
    *,
    poll: Callable[[Trainer], None] = lambda trainer: None,
    notify: Callable[[str], None] = lambda message: None,
    pace: Pace | None = None,
) -> Trainer:
    """A trainer at step 0, with its callbacks; `pace` None: step by step."""
    dataset = run.dataset
    teachers = build_frozen_teachers(job, run, method, notify)
    validator = Validator(
        split=dataset.validation,
        classes=dataset.classes,
        views=run.augmenter.test_views,
        arithmetic=job.arithmetic,
        teacher_logits=lambda: job.teacher_logits(run, dataset.validation),
        early_stopping=run.training.early_stopping,
    )
    if run.training.compile:
        method.context.student.compile_features(notify)
    plan = _training_plan(job, run, method, teachers)
    return Trainer(
        method,
        plan,
        teachers,
        validator,
        report_metrics,
        after_step,
        poll=poll,
        notify=notify,
        ranks=job.workspace.ranks,
        timed=pace,
    )


def _planned_stages(
    job: PreparedJob, run: PreparedRun, method: Method, teachers: FrozenTeachers
) -> tuple[PlannedStage, ...]:
    """The stages with their batches."""
    device, training = job.arithmetic.device, run.training
    split = on_device_if_it_fits(run.dataset.train, device)
    stored = None
    if training.teacher_pass == "stored" and teachers.first is not None:
        network = job.teachers.required
        stored = open_pass(run, method.needs, network, teachers.first, split, job.arithmetic, job.workspace)
    target = job.target_dataset(run) if method.requires("target images") else None
    batches = tuple(
        Batches(
            split=split,
            training=training,
            augmenter=run.augmenter,
            num_classes=len(run.dataset.classes),
            stage=stage,
            seed=run.run.seed,
            arithmetic=job.arithmetic,
            needs=method.needs,
            stored=stored,
            prefetches=stored is not None or _comes_from_afar(split.images, device),
            target=target.train.images if target is not None else None,
        )
        for stage in method.stages()
    )
    return plan_stages(method.stages(), batches, epochs=training.epochs, max_steps=training.max_steps)


def _comes_from_afar(images: Images, device: torch.device) -> bool:
    """Whether images are read from a file, or are copied from the host to a GPU at every step."""
    return isinstance(images, ImageFile) or images.device.type != device.type


def _training_plan(job: PreparedJob, run: PreparedRun, method: Method, teachers: FrozenTeachers) -> TrainingPlan:
    kernels = load(job.workspace.cache) if run.training.kernels == "own" else None
    return TrainingPlan(
        run=run.run.name,
        training=run.training,
        seed=run.run.seed,
        arithmetic=replace(job.arithmetic, kernels=kernels),
        stages=_planned_stages(job, run, method, teachers),
    )


def run_cost(job: PreparedJob, run: PreparedRun) -> tuple[float, int]:
    """(multiply-accumulates of a step, steps).

    A backward pass costs two forward passes; a frozen teacher has none.
    """
    student = zoo.outline(run.spec.student.architecture, len(run.dataset.classes), image_size=run.training.image_size)
    macs = 3 * measure_network(student).macs
    is_live = run.training.teacher_pass == "live" and "teacher" in needs_of(run.spec.method)
    if job.teachers.network is not None and is_live:
        macs += measure_network(job.teachers.network).macs
    return float(macs), run.steps
