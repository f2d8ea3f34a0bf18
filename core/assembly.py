"""From a prepared run to a trainer at step 0: the student, the method around it, the batches, the validator."""

import copy
from collections.abc import Callable

from core.batches import Batches
from core.course import Course, plan_stages
from core.data.dataset import Split
from core.methods import find
from core.methods.method import Method, Setting
from core.networks import zoo
from core.networks.facts import measure_network
from core.prepare import Place, Prepared, PreparedRun, to_device_if_it_fits
from core.students import build_student
from core.teaching import FrozenTeacher
from core.train import Trainer
from core.validation import Validator


def build_method(prepared: Prepared, run: PreparedRun, place: Place) -> Method:
    """The method of a run with its student, on the device; the run's seed decides the student's initial weights."""
    classes = run.dataset.classes
    student = build_student(
        run.spec, len(classes), seed=run.run.seed, policy=place.policy, cache=place.cache, inputs=place.inputs
    )
    device, method = prepared.arithmetic.device, find(run.spec.method.name)
    teacher = prepared.teacher.network if prepared.teacher is not None else None
    if method.needs.teacher == "training":
        # A copy: the other runs, and the run after a resume, begin with the teacher as it was given.
        teacher = copy.deepcopy(teacher)
    setting = Setting(
        student=student.to(device),
        teacher=teacher,
        class_indices=prepared.class_indices.to(device) if prepared.class_indices is not None else None,
        num_classes=len(classes),
        label_smoothing=run.spec.training.label_smoothing,
    )
    return method(run.spec.method, setting).to(device)


def build_trainer(
    prepared: Prepared,
    run: PreparedRun,
    method: Method,
    tell: Callable[[int, dict[str, float | None]], None],
    after_step: Callable[[Trainer], None],
) -> Trainer:
    """A trainer at step 0."""
    device, dataset, needs = prepared.arithmetic.device, run.dataset, method.needs
    teacher = None
    if needs.teacher == "frozen":
        teacher = FrozenTeacher(method.setting.teacher, needs, prepared.arithmetic)
    validator = Validator(
        split=dataset.validation,
        classes=dataset.classes,
        views=run.augmenter.test_views,
        device=device,
        teacher_logits=prepared.teacher_logits(run, dataset.validation.images),
        early_stopping=run.spec.training.early_stopping,
    )
    return Trainer(method, _course(prepared, run, method), teacher, validator, tell, after_step)


def _course(prepared: Prepared, run: PreparedRun, method: Method) -> Course:
    device, training = prepared.arithmetic.device, run.spec.training
    train = run.dataset.train
    split = Split(to_device_if_it_fits(train.images, device), train.labels, train.names)
    stages = method.stages()
    batches = tuple(
        Batches(
            split=split,
            training=training,
            augmenter=run.augmenter,
            num_classes=len(run.dataset.classes),
            stage=stage,
            seed=run.run.seed,
            device=device,
            num_views=method.needs.num_views,
        )
        for stage in stages
    )
    planned = plan_stages(stages, batches, epochs=int(training.epochs), max_steps=training.max_steps)
    return Course(
        run=run.run.name, training=training, seed=run.run.seed, arithmetic=prepared.arithmetic, stages=planned
    )


def num_steps(run: PreparedRun) -> int:
    """Optimizer steps of a run that is not stopped early."""
    training = run.spec.training
    steps = int(training.epochs) * max(len(run.dataset.train.labels) // int(training.batch_size), 1)
    return min(steps, training.max_steps) if training.max_steps is not None else steps


def run_cost(prepared: Prepared, run: PreparedRun) -> tuple[float, int]:
    """(multiply-accumulates of a step, steps).

    A backward pass costs two forward passes; a frozen teacher has none.
    """
    size = int(run.spec.training.image_size)
    student = zoo.outline(run.spec.student.architecture, len(run.dataset.classes), image_size=size)
    macs = 3 * measure_network(student).macs
    if prepared.teacher is not None and find(run.spec.method.name).needs.teacher != "none":
        macs += measure_network(prepared.teacher.network).macs
    return float(macs), num_steps(run)
