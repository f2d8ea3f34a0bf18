"""Tiny networks, splits and trainings, made the same way in every test of the engine."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch._dynamo.exc import BackendCompilerFailed

from core.data.augment import Augmenter
from core.data.dataset import Split
from core.methods.contract import Batch, MethodContext
from core.methods.method import Method
from core.networks import zoo
from core.networks.network import Network
from core.spec import ResolvedTraining
from core.system.device import Arithmetic
from core.system.seeds import seeded
from core.teachers.frozen import FrozenTeacher, FrozenTeachers
from core.training.batches import Batches
from core.training.plan import TrainingPlan, plan_stages
from core.training.trainer import Trainer
from core.training.validation import Validator

CPU = Arithmetic(torch.device("cpu"), "fp32")
NUM_CLASSES = 4


def make_network(architecture: str, num_classes: int = NUM_CLASSES, *, seed: int = 0, image_size: int = 32) -> Network:
    """A network with the weights of a seed."""
    with seeded(seed, "test network"):
        return zoo.build(architecture, num_classes, image_size=image_size)


def make_context(
    *, teacher: str = "cifar/resnet14", seed: int = 0, image_size: int = 32, **changes: Any
) -> MethodContext:
    """A resnet8 of four classes; a frozen teacher of six that has them at 5, 0, 3 and 2, the last of four anchors."""
    network = make_network(teacher, 6, seed=seed + 1, image_size=image_size).eval().requires_grad_(False)
    given = {
        "student": make_network("cifar/resnet8", seed=seed, image_size=image_size),
        "teacher": network,
        "class_indices": torch.tensor([5, 0, 3, 2]),
        "num_classes": NUM_CLASSES,
        "num_train": 40,
        "anchors": (
            *(partial(_weights_of, teacher, seed + 10 + place, image_size) for place in range(3)),
            network.module.state_dict,
        ),
    }
    return MethodContext(**{**given, **changes})


def _weights_of(architecture: str, seed: int, image_size: int) -> dict[str, torch.Tensor]:
    return make_network(architecture, 6, seed=seed, image_size=image_size).module.state_dict()


def make_split(count: int, *, num_classes: int = NUM_CLASSES, size: int = 8, seed: int = 0) -> Split:
    """Noise whose brightness tells its class, so that there is something to learn."""
    labels = torch.arange(count) % num_classes
    noise = torch.randint(0, 120, (count, 3, size, size), generator=torch.Generator().manual_seed(seed))
    images = (noise + 130 * labels.view(-1, 1, 1, 1) // num_classes).to(torch.uint8)
    return Split(images, labels, tuple(f"{index}.png" for index in range(count)))


def make_training(**fields: Any) -> ResolvedTraining:
    """The settings of a short training on the CPU."""
    resolved = {
        "epochs": 2,
        "batch_size": 8,
        "micro_batch_size": 8,
        "optimizer": "sgd",
        "learning_rate": 0.05,
        "weight_decay": 5e-4,
        "batch_norm": "batch",
        "image_size": 8,
        "augmentation": "light",
        "schedule": "cosine",
        "warmup_epochs": 0.0,
        "ema_decay": None,
        "clip_gradient_norm": None,
        "precision": "fp32",
        "teacher_precision": "same",
        "kernels": "torch",
        "compile": False,
        "teacher_pass": "live",
        "stored_views": 1,
        "devices": "cpu",
    }
    return ResolvedTraining.model_validate({**resolved, **fields})


def make_trainer(
    method: Method,
    training: ResolvedTraining,
    *,
    num_train: int = 40,
    report_metrics: Callable[[int, dict[str, float | None]], None] = lambda step, values: None,
    after_step: Callable[[Trainer], None] = lambda trainer: None,
    seed: int = 0,
) -> Trainer:
    """A trainer over `make_split` images, as core.training.runs puts it together."""
    augmenter = Augmenter(training.augmentation, training.image_size)
    split, stages = make_split(num_train), method.stages()
    target = make_split(12, seed=2).images if method.requires("target images") else None
    batches = tuple(
        Batches(split, training, augmenter, NUM_CLASSES, stage, seed, CPU, method.needs, target=target)
        for stage in stages
    )
    planned = plan_stages(stages, batches, epochs=training.epochs, max_steps=training.max_steps)
    validator = Validator(
        make_split(24, seed=1), tuple("abcd"), augmenter.test_views, CPU, lambda: None, training.early_stopping
    )
    plan = TrainingPlan("student", training, seed, CPU, planned)
    return Trainer(method, plan, make_frozen_teachers(method), validator, report_metrics, after_step)


def make_frozen_teachers(method: Method) -> FrozenTeachers:
    """The frozen teachers of a method."""
    context, needs = method.context, method.needs
    if not (needs.teacher_output or needs.survey):
        return FrozenTeachers(needs)
    first, *others = (FrozenTeacher(each, needs, CPU) for each in (context.teacher, *context.more_teachers))
    return FrozenTeachers(needs, first, tuple(others), context.anchors)


def make_batch(method: Method, count: int = 6, *, seed: int = 0, size: int = 8) -> Batch:
    """Random images and all that the method's needs add to them, as the loop would."""
    draws = torch.Generator().manual_seed(seed)
    views = [torch.rand(count, 3, size, size, generator=draws) for _ in range(method.needs.num_views)]
    labels = torch.randint(0, NUM_CLASSES, (count,), generator=draws)
    context, needs = method.context, method.needs
    seen: list[Any] = [None] * len(views)
    others: list[Any] = []
    if needs.teacher_output:
        teacher = FrozenTeacher(context.teacher, needs, CPU)
        seen = [teacher.observe(view) for view in views]
        others = [FrozenTeacher(other, needs, CPU).observe(views[0]) for other in context.more_teachers]
    batch = Batch(
        views[0],
        labels,
        torch.arange(count),
        teacher=seen[0],
        more_views=tuple(views[1:]),
        more_teacher=tuple(seen[1:]) if needs.teacher_sees == "all" else (),
        other_teachers=tuple(others),
        target_views=torch.rand(count, 3, size, size, generator=draws) if method.requires("target images") else None,
    )
    if any(stage.split == "halves" for stage in method.stages()):
        other = torch.rand(count, 3, size, size, generator=draws)
        features = teacher.observe(other) if needs.teacher_output else None
        half = Batch(other, labels.roll(1), torch.arange(count) + count, teacher=features)
        batch = replace(batch, other_half=half)
    return batch


def same_weights(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Whether two state dicts are equal, bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def snapshot(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A copy of all parameters and buffers, batch-norm statistics included."""
    return {name: value.clone() for name, value in network.state_dict().items()}


def files_below(folder: Path) -> set[str]:
    """The files in a folder and below, relative to it."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def compile_without_compiler(function: Any, **how: Any) -> Any:
    """What torch.compile does where no C++ compiler is installed: it fails when the function is called."""

    def fail(*arguments: Any) -> None:
        raise BackendCompilerFailed(lambda: None, RuntimeError("no C++ compiler"), None)

    return fail
