"""From a prepared run to a trainer at step 0: the student, the method around it, the teachers, the batches."""

import copy
from collections.abc import Callable
from dataclasses import replace

import torch

from core.data.dataset import Split
from core.data.image_file import ImageFile, Images
from core.kernels import load
from core.methods import find
from core.methods.method import Method, MethodContext
from core.networks import zoo
from core.networks.facts import measure_network
from core.networks.inference import in_layout
from core.networks.initial import build_student
from core.networks.network import Network
from core.networks.quantized import NUM_IMAGES
from core.networks.selection import select_weights
from core.planning.prepare import Place, Prepared, PreparedRun, to_device_if_it_fits
from core.spec import needs_of
from core.system.device import images_at_once
from core.system.distributed import share_statistics
from core.teachers.frozen import FrozenTeacher, Quantization, Teaching
from core.teachers.stored.opening import open_pass
from core.training.batches import Batches
from core.training.plan import Course, PlannedStage, plan_stages
from core.training.trainer import Trainer
from core.training.validation import Validator

HELD_OUT = 1000  # images: enough to compare checkpoints of a teacher


def build_method(prepared: Prepared, run: PreparedRun, place: Place) -> Method:
    """The method of a run with its student, on the device; the run's seed decides the student's initial weights."""
    classes = run.dataset.classes
    student = _student(prepared, run, place)
    device, method = prepared.arithmetic.device, find(run.spec.method.name)
    teacher = prepared.teacher.network if prepared.teacher is not None else None
    if "teacher" in run.spec.method.trained_along:
        # A copy: the other runs, and the run after a resume, begin with the teacher as it was given.
        teacher = in_layout(copy.deepcopy(teacher))
    validation = run.dataset.validation.images[:HELD_OUT] if method.needs.held_out else None
    context = MethodContext(
        student=in_layout(student.to(device)),
        teacher=teacher,
        class_indices=prepared.class_indices.to(device) if prepared.class_indices is not None else None,
        num_classes=len(classes),
        classes=tuple(classes),
        label_smoothing=run.spec.training.label_smoothing,
        num_train=len(run.dataset.train.labels),
        more_teachers=tuple(each.network for each in prepared.more_teachers),
        more_class_indices=tuple(
            indices.to(device) if indices is not None else None for indices in prepared.more_class_indices
        ),
        anchors=prepared.anchors,
        held_out=run.augmenter.test_views(validation.to(device)) if validation is not None else None,
    )
    built = in_layout(method(run.spec.method, context).to(device))
    for module in (built, context.student, *([teacher] if built.trains_teacher else [])):
        share_statistics(module, place.ranks)
    return built


def _student(prepared: Prepared, run: PreparedRun, place: Place) -> Network:
    """With its initial weights. A method with a fresh head takes all of a teacher's weights but its classifier."""
    spec = run.spec
    student = build_student(
        spec, len(run.dataset.classes), seed=run.run.seed, policy=place.policy, cache=place.cache, inputs=place.inputs
    )
    if spec.student.weights == "teacher" and prepared.teacher is not None:
        classes = prepared.class_indices if not spec.method.fresh_head else None
        select_weights(student, prepared.teacher.network, classes)
    return student


def build_teaching(
    prepared: Prepared, run: PreparedRun, method: Method, place: Place, notice: Callable[[str], None]
) -> Teaching:
    """The frozen teachers that the method learns from, ready to be run."""
    needs, context = method.needs, method.context
    if not (needs.teacher_output or needs.survey):
        return Teaching(needs)
    compiled = run.spec.training.compile is True
    quantization = _quantization(run, place) if run.spec.training.teacher_precision == "int8" else None
    frozen = prepared.view.network if prepared.view is not None else None
    first, *others = (
        FrozenTeacher(
            network,
            needs,
            prepared.arithmetic,
            compiled=compiled,
            quantization=quantization,
            frozen=copied,
            notice=notice,
        )
        for network, copied in ((context.teacher, frozen), *((each, None) for each in context.more_teachers))
    )
    return Teaching(needs, first, tuple(others), context.anchors)


def _quantization(run: PreparedRun, place: Place) -> Quantization:
    """Calibrated with training images from all over the split: a dataset may be ordered by class."""
    images = run.dataset.train.images
    count = min(NUM_IMAGES, 2 * images_at_once(images.shape[-1], torch.device("cpu")), len(images))
    some = torch.linspace(0, len(images) - 1, count).long()
    batch_size = int(run.spec.training.micro_batch_size)
    return Quantization(lambda: run.augmenter.test_views(images[some]), batch_size, place.findings)


def build_trainer(
    prepared: Prepared,
    run: PreparedRun,
    method: Method,
    place: Place,
    tell: Callable[[int, dict[str, float | None]], None],
    after_step: Callable[[Trainer], None],
    **calls: Callable,
) -> Trainer:
    """A trainer at step 0; `calls` are more of its callbacks."""
    dataset = run.dataset
    notice = calls.get("notice", lambda message: None)
    teaching = build_teaching(prepared, run, method, place, notice)
    validator = Validator(
        split=dataset.validation,
        classes=dataset.classes,
        views=run.augmenter.test_views,
        arithmetic=prepared.arithmetic,
        teacher_logits=lambda: prepared.teacher_logits(run, dataset.validation),
        early_stopping=run.spec.training.early_stopping,
    )
    if run.spec.training.compile is True:
        method.context.student.compile_features(notice)
    course = _course(prepared, run, method, teaching, place)
    return Trainer(method, course, teaching, validator, tell, after_step, ranks=place.ranks, **calls)


def plan(
    prepared: Prepared, run: PreparedRun, method: Method, teaching: Teaching, place: Place
) -> tuple[PlannedStage, ...]:
    """The stages with their batches."""
    device, training = prepared.arithmetic.device, run.spec.training
    train = run.dataset.train
    split = Split(to_device_if_it_fits(train.images, device), train.labels, train.names)
    stored = None
    if training.teacher_pass == "stored" and teaching.first is not None:
        stored = open_pass(prepared, run, method, teaching.first, split, place)
    target = prepared.target_dataset(run) if method.requires("target images") else None
    batches = tuple(
        Batches(
            split=split,
            training=training,
            augmenter=run.augmenter,
            num_classes=len(run.dataset.classes),
            stage=stage,
            seed=run.run.seed,
            arithmetic=prepared.arithmetic,
            needs=method.needs,
            stored=stored,
            reads_ahead=stored is not None or _comes_from_afar(split.images, device),
            target=target.train.images if target is not None else None,
        )
        for stage in method.stages()
    )
    return plan_stages(method.stages(), batches, epochs=int(training.epochs), max_steps=training.max_steps)


def _comes_from_afar(images: Images, device: torch.device) -> bool:
    """Whether images are read from a file, or go from the host to a GPU at every step."""
    return isinstance(images, ImageFile) or images.device.type != device.type


def _course(prepared: Prepared, run: PreparedRun, method: Method, teaching: Teaching, place: Place) -> Course:
    kernels = load(place.cache) if run.spec.training.kernels == "own" else None
    return Course(
        run=run.run.name,
        training=run.spec.training,
        seed=run.run.seed,
        arithmetic=replace(prepared.arithmetic, kernels=kernels),
        stages=plan(prepared, run, method, teaching, place),
    )


def run_cost(prepared: Prepared, run: PreparedRun) -> tuple[float, int]:
    """(multiply-accumulates of a step, steps).

    A backward pass costs two forward passes; a frozen teacher has none.
    """
    size = int(run.spec.training.image_size)
    student = zoo.outline(run.spec.student.architecture, len(run.dataset.classes), image_size=size)
    macs = 3 * measure_network(student).macs
    is_live = run.spec.training.teacher_pass == "live" and "teacher" in needs_of(run.spec.method)
    if prepared.teacher is not None and is_live:
        macs += measure_network(prepared.teacher.network).macs
    return float(macs), run.steps
