"""Replaces `auto` in a spec: chooses every default that depends on the dataset or the machine."""

import math
from typing import Any

from core.data.augment import SMALL_INPUT
from core.errors import SpecInvalid
from core.methods import find
from core.planning.recipes import Recipe, recipe_for
from core.spec import (
    JobSpec,
    Knobs,
    ResolvedJob,
    ResolvedStudent,
    ResolvedTraining,
    TeacherSpec,
    TrainingSpec,
    needs_of,
)
from core.spec.job import StudentSpec
from core.system.device import Arithmetic, computes_in_int8

SMALL_NATIVE = 48  # pixels: up to this size the CIFAR networks get 32 x 32, above it 64 x 64
BATCH_SIZE = 64  # of the CIFAR protocols that the published figures come from
MIN_STEPS = 1500  # a few hundred images need more than 100 passes to fit; about a minute of resnet8 on two cores
# Compiling takes from ten seconds to a minute. On a CPU it gains a few percent, which is never worth that time
# (docs/explanation/performance.md).
MIN_COMPILED_STEPS = 5000
# Epochs up to which augmentation costs more than it gives (docs/explanation/performance.md).
FEW_PASSES = 8
EMA_DECAY = 0.99  # which core.training.ema reaches after 890 steps
WARMUP = 0.1  # of all steps, where weights are averaged
WEIGHT_DECAY = {"sgd": 5e-4, "muon": 0.1, "adamw": 0.05}
# Depthwise networks train at a fifth of SGD's rate (RepDistiller, mdistiller), but at Muon's full rate
# (docs/explanation/performance.md).
DELICATE = ("mobilenet", "shufflenet")


def resolve(
    spec: JobSpec,
    *,
    native_size: tuple[int, int],
    num_train: int,
    architecture: str,
    default_size: int,
    flippable: bool,
    is_kin: bool,
    has_published: bool,
    has_relative: bool,
    is_convolutional: bool,
    arithmetic: Arithmetic,
) -> ResolvedJob:
    """`spec` with the student's architecture and all of `training` chosen.

    Settings that depend on the built method (the stored teacher pass, the kernels) get their simplest value here;
    core.planning.strategy chooses them.

    `default_size`: the input size of the architecture in its library, pixels; `num_train`: images of the training
    split; `is_kin`: whether the architecture is of the teacher's family; `has_published`: whether its published
    weights are at hand; `has_relative`: whether those of a wider network of its family are;
    `is_convolutional`: whether Muon is suitable
    for it. Raises SpecInvalid for a batch larger than the training split.
    """
    training, image_size = spec.training, spec.training.image_size
    if image_size == "auto":
        image_size = _image_size(architecture, native_size, default_size)
    weights = _initial_weights(spec, is_kin=is_kin, has_published=has_published, has_relative=has_relative)
    student = _student(spec, architecture, weights, image_size)
    recipe = recipe_for(student, image_size) if spec.method.keeps_classifier else None
    training = training.model_copy(update={"optimizer": _optimizer(spec, recipe, is_convolutional)})
    batch_size = _batch_size(training, num_train)
    steps_per_epoch = num_train // batch_size
    epochs = _epochs(training, recipe, num_train, steps_per_epoch)
    steps = min(epochs * steps_per_epoch, training.max_steps or math.inf)
    few_passes = steps <= FEW_PASSES * steps_per_epoch and recipe is None
    filled = {
        "batch_size": batch_size,
        "epochs": epochs,
        "learning_rate": _learning_rate(training, recipe, spec.method, architecture, batch_size),
        "weight_decay": _weight_decay(training),
        "image_size": image_size,
        "augmentation": _augmentation(training, few_passes=few_passes, flippable=flippable),
        **_schedule(training, recipe, steps / steps_per_epoch, averages=few_passes and student.weights is None),
        "batch_norm": _batch_norm(training, student),
        "clip_gradient_norm": _clip_gradient_norm(training, spec.method),
        "precision": arithmetic.precision,
        "teacher_precision": _teacher_precision(training, arithmetic),
        "devices": (devices := _devices(training, arithmetic, batch_size)),
        "compile": _compile(training, devices, steps=steps),
        "micro_batch_size": batch_size if training.micro_batch_size == "auto" else training.micro_batch_size,
        "teacher_pass": "live",
        "stored_views": 1,
        "kernels": "torch",
    }
    method = find(spec.method.name).resolved(spec.method)
    resolved = ResolvedTraining.model_validate({**training.model_dump(), **filled})
    return ResolvedJob.of(spec, student=student, method=method, training=resolved)


def _batch_size(training: TrainingSpec, num_train: int) -> int:
    if training.batch_size == "auto":
        return min(BATCH_SIZE, num_train)
    if training.batch_size > num_train:
        detail = f"a batch of {training.batch_size} is larger than the training split of {num_train} images"
        raise SpecInvalid([("/training/batch_size", f"{detail}; allowed: 1 to {num_train}, or auto")])
    return training.batch_size


def _devices(training: TrainingSpec, arithmetic: Arithmetic, batch_size: int) -> str:
    _, colon, count = training.devices.partition(":")
    if int(count or 1) > batch_size:
        detail = f"{count} devices cannot share a batch of {batch_size}; allowed: 1 to {batch_size}"
        raise SpecInvalid([("/training/devices", detail)])
    return f"{arithmetic.device.type}{colon}{count}"


def _teacher_precision(training: TrainingSpec, arithmetic: Arithmetic) -> str:
    has_int8 = computes_in_int8(arithmetic.device)
    if training.teacher_precision == "int8" and not has_int8:
        detail = "'int8' needs a CPU with AVX-512 VNNI, and this worker trains on none; allowed here: auto, same"
        raise SpecInvalid([("/training/teacher_precision", detail)])
    if training.teacher_precision == "auto":
        return "int8" if has_int8 and training.precision == "auto" else "same"
    return training.teacher_precision


def _compile(training: TrainingSpec, devices: str, *, steps: float) -> bool:
    if training.compile != "auto":
        return training.compile
    return devices in ("cuda", "cuda:1") and steps >= MIN_COMPILED_STEPS


def _image_size(architecture: str, native_size: tuple[int, int], default_size: int) -> int:
    if not architecture.startswith("cifar/"):
        return default_size
    return 32 if min(native_size) <= SMALL_NATIVE else 64


def _epochs(training: TrainingSpec, recipe: Recipe | None, num_train: int, steps_per_epoch: int) -> int:
    if training.epochs != "auto":
        return training.epochs
    if recipe is not None:
        return max(recipe.min_epochs, math.ceil(recipe.min_steps / steps_per_epoch))
    by_size = 240 if num_train > 5000 else 100  # methods.md 1(d)
    return max(by_size, math.ceil(MIN_STEPS / steps_per_epoch))


def _augmentation(training: TrainingSpec, *, few_passes: bool, flippable: bool) -> str:
    if training.augmentation != "auto":
        return training.augmentation
    if few_passes:
        return "none"
    return "light" if flippable else "crop"


def _schedule(training: TrainingSpec, recipe: Recipe | None, passes: float, *, averages: bool) -> dict[str, Any]:
    """In few epochs, random weights learn more at a constant rate with averaging; given weights do not."""
    averages = averages and training.schedule == "auto" and training.ema_decay is not None
    chosen = {
        "schedule": "constant" if averages else recipe.schedule if recipe is not None else "cosine",
        "warmup_epochs": WARMUP * passes if averages else 0.0,
        "ema_decay": EMA_DECAY if averages else None,
    }
    return {name: value if (given := getattr(training, name)) == "auto" else given for name, value in chosen.items()}


def _batch_norm(training: TrainingSpec, student: ResolvedStudent) -> str:
    if training.batch_norm != "auto":
        return training.batch_norm
    return "frozen" if student.classifier == "fitted" else "batch"


def _optimizer(spec: JobSpec, recipe: Recipe | None, is_convolutional: bool) -> str:
    """Muon where it was measured (docs/explanation/performance.md): not to fine-tune a network, and not where a teacher
    or a generator learns too.
    """
    if spec.training.optimizer != "auto":
        return spec.training.optimizer
    if recipe is not None:
        return recipe.optimizer
    is_measured = not _tunes(spec.method) and not spec.method.trained_along
    return "muon" if is_convolutional and is_measured else "sgd"


def _tunes(method: Knobs) -> bool:
    """Whether the method fine-tunes given weights instead of learning from random ones."""
    return "initial weights" in needs_of(method)


def _learning_rate(
    training: TrainingSpec, recipe: Recipe | None, method: Knobs, architecture: str, batch_size: int
) -> float:
    if training.learning_rate != "auto":
        return training.learning_rate
    if recipe is not None and training.optimizer == recipe.optimizer:
        return recipe.learning_rate * min(1.0, batch_size / BATCH_SIZE)
    if training.optimizer == "adamw":
        return 1e-4 if _tunes(method) else 1e-3
    delicate = training.optimizer == "sgd" and any(name in architecture for name in DELICATE)
    rate = 0.01 if _tunes(method) or delicate else 0.05
    return rate * min(1.0, batch_size / BATCH_SIZE)


def _weight_decay(training: TrainingSpec) -> float:
    if training.weight_decay != "auto":
        return training.weight_decay
    return WEIGHT_DECAY[training.optimizer]


def _clip_gradient_norm(training: TrainingSpec, method: Knobs) -> float | None:
    return method.clip_gradient_norm if training.clip_gradient_norm == "auto" else training.clip_gradient_norm


def _student(spec: JobSpec, architecture: str, weights: str | None, image_size: int) -> ResolvedStudent:
    """The student with its architecture and its initial weights, and how these find their layers."""
    named: StudentSpec | TeacherSpec = spec.student
    if spec.teacher is not None and weights == spec.teacher.weights and spec.student.weights in (None, "auto"):
        named = spec.teacher
    return ResolvedStudent(
        architecture=architecture,
        weights=weights,
        credentials=named.credentials,
        weights_map=named.weights_map,
        classifier=_classifier(spec, weights, image_size),
    )


def _classifier(spec: JobSpec, weights: str | None, image_size: int) -> str:
    """A network's own weights see photographs better than a few hundred of them can teach it; layers of another network
    do not, and small inputs were not measured.
    """
    if spec.student.classifier != "auto":
        return spec.student.classifier
    is_whole = weights not in (None, "teacher", "relative") and spec.method.keeps_classifier
    return "fitted" if is_whole and image_size > SMALL_INPUT else "initial"


def _initial_weights(spec: JobSpec, *, is_kin: bool, has_published: bool, has_relative: bool) -> str | None:
    """Published weights where they are at hand, else the teacher's for a student of its family, else those of a wider
    relative, else None: random.

    A method that needs given weights takes those of the student's architecture, or the teacher's own for `same`.
    """
    given = spec.student.weights
    if _tunes(spec.method) and given in (None, "auto"):
        teachers_own = spec.teacher.weights if spec.student.size == "same" and spec.teacher is not None else None
        return teachers_own or "published"
    if given != "auto":
        return given
    if has_published:
        return "published"
    if is_kin and "teacher" in needs_of(spec.method):
        return "teacher"
    return "relative" if has_relative else None
