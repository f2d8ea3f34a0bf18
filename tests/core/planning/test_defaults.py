"""What every `auto` becomes."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import CPU, make_training

from core.errors import SpecInvalid
from core.planning.defaults import resolve
from core.spec import TrainingSpec, parse_job
from core.system.device import Arithmetic, choose_arithmetic, computes_in_int8


def resolved(
    training: Any = None,
    *,
    num_train: int = 1000,
    native: Any = (32, 32),
    architecture: str = "cifar/resnet8",
    flippable: bool = True,
    is_kin: bool = False,
    has_published: bool = False,
    has_relative: bool = False,
    is_convolutional: bool = True,
    arithmetic: Any = CPU,
    **job: Any,
) -> Any:
    document = {"teacher": "torchvision/resnet50", "dataset": "builtin:digits", "student": "nano"}
    return resolve(
        parse_job({**document, "training": training or {}, **job}),
        native_size=native,
        num_train=num_train,
        architecture=architecture,
        default_size=224,
        flippable=flippable,
        is_kin=is_kin,
        has_published=has_published,
        has_relative=has_relative,
        is_convolutional=is_convolutional,
        arithmetic=arithmetic,
    )


def test_no_auto_is_left_and_resolving_again_changes_nothing() -> None:
    once = resolved()
    dumped = once.model_dump(mode="json")
    left = {name for name, value in dumped["training"].items() if value == "auto"}
    assert not left and "auto" not in json.dumps(dumped["method"])
    again = resolve(
        parse_job(dumped),
        native_size=(32, 32),
        num_train=1000,
        architecture=once.student.architecture,
        default_size=224,
        flippable=True,
        is_kin=True,
        has_published=True,
        has_relative=True,
        is_convolutional=False,
        arithmetic=CPU,
    )
    assert again == once


def test_what_is_given_stays() -> None:
    given = {
        "epochs": 3,
        "batch_size": 10,
        "learning_rate": 0.2,
        "weight_decay": 0.0,
        "image_size": 16,
        "augmentation": "none",
    }
    assert given.items() <= resolved(given).training.model_dump().items()


def test_small_splits_get_small_batches_and_enough_steps() -> None:
    training = resolved(num_train=40).training
    assert training.batch_size == 40
    assert training.epochs == 1500
    assert training.learning_rate == pytest.approx(0.05 * 40 / 64)


@pytest.mark.parametrize(("num_train", "epochs"), [(50_000, 240), (5_000, 100), (640, 150)])
def test_epochs_by_the_size_of_the_split(num_train: int, epochs: int) -> None:
    assert resolved(num_train=num_train).training.epochs == epochs


@pytest.mark.parametrize(
    ("architecture", "method", "optimizer", "rate"),
    [
        ("cifar/resnet8", "skd", "sgd", 0.05),
        ("cifar/mobilenetv2", "skd", "sgd", 0.01),
        ("cifar/shufflenetv2", "scratch", "sgd", 0.01),
        ("cifar/resnet8", "finetune", "sgd", 0.01),
        ("cifar/resnet8", "skd", "muon", 0.05),
        ("cifar/mobilenetv2", "skd", "muon", 0.05),
        ("cifar/resnet8", "skd", "adamw", 1e-3),
        ("cifar/resnet8", "finetune", "adamw", 1e-4),
    ],
)
def test_the_rate_by_optimizer_method_and_architecture(
    architecture: str, method: str, optimizer: str, rate: float
) -> None:
    job = resolved({"optimizer": optimizer}, architecture=architecture, method=method)
    assert job.training.learning_rate == pytest.approx(rate)
    assert job.training.weight_decay == {"sgd": 5e-4, "muon": 0.1, "adamw": 0.05}[optimizer]


@pytest.mark.parametrize(
    ("how", "optimizer"),
    [
        ({}, "muon"),
        ({"method": "scratch"}, "muon"),
        ({"method": ["kd", "skd"]}, "muon"),
        ({"is_convolutional": False}, "sgd"),
        ({"method": "finetune"}, "sgd"),
        ({"method": "prokt"}, "sgd"),
        ({"method": "simkd"}, "muon"),
        ({"method": {"name": "simkd", "data_free": True}}, "sgd"),
        ({"training": {"optimizer": "sgd"}}, "sgd"),
        ({"training": {"optimizer": "muon"}, "method": "finetune", "is_convolutional": False}, "muon"),
    ],
)
def test_muon_is_for_convolutional_students_that_learn_alone(how: dict[str, Any], optimizer: str) -> None:
    assert resolved(**how).training.optimizer == optimizer


@pytest.mark.parametrize(
    ("native", "architecture", "size"),
    [((8, 8), "cifar/resnet8", 32), ((48, 60), "cifar/resnet8", 32), ((64, 64), "cifar/resnet8", 64),
     ((500, 375), "torchvision/resnet18", 224), ((8, 8), "torchvision/resnet18", 224)],
)  # fmt: skip
def test_the_image_size_by_network_and_files(native: tuple[int, ...], architecture: str, size: int) -> None:
    assert resolved(native=native, architecture=architecture).training.image_size == size


def test_digits_are_not_mirrored() -> None:
    assert resolved(flippable=True).training.augmentation == "light"
    assert resolved(flippable=False).training.augmentation == "crop"


def schedule_of(training: Any = None, **how: Any) -> tuple[Any, ...]:
    """(schedule, epochs of warmup, decay of the average)"""
    training = resolved(training, **how).training
    return training.schedule, training.warmup_epochs, training.ema_decay


@pytest.mark.parametrize(
    ("training", "warmup"),
    [({"epochs": 8}, 0.8), ({"epochs": 1}, 0.1), ({"max_steps": 120}, 0.8), ({"epochs": 8, "batch_size": 10}, 0.8)],
)
def test_random_weights_are_averaged_in_few_passes(training: dict[str, Any], warmup: float) -> None:
    assert schedule_of(training) == ("constant", pytest.approx(warmup), 0.99)


@pytest.mark.parametrize(
    ("training", "how"),
    [
        ({"epochs": 9}, {}),
        ({}, {}),
        ({"epochs": 8, "schedule": "cosine"}, {}),
        ({"epochs": 8, "ema_decay": None}, {}),
        ({"epochs": 8}, {"is_kin": True}),
        ({"epochs": 8}, {"method": "finetune", "student": "same"}),
    ],
    ids=["more passes", "auto", "cosine", "no average", "the teacher's weights", "finetune"],
)
def test_others_have_a_rate_that_falls(training: dict[str, Any], how: dict[str, Any]) -> None:
    assert schedule_of(training, **how) == ("cosine", 0.0, None)


def test_a_schedule_that_is_given_in_part_stays() -> None:
    assert schedule_of({"epochs": 8, "ema_decay": 0.5, "warmup_epochs": 2}) == ("constant", 2.0, 0.5)
    assert schedule_of({"epochs": 80, "ema_decay": 0.5, "warmup_epochs": 2}) == ("cosine", 2.0, 0.5)
    assert schedule_of({"epochs": 8, "schedule": "constant"}) == ("constant", 0.0, None)


def test_a_batch_larger_than_the_split_is_refused_at_its_place() -> None:
    with pytest.raises(SpecInvalid) as caught:
        resolved({"batch_size": 41}, num_train=40)
    ((pointer, detail),) = caught.value.errors
    assert pointer == "/training/batch_size" and "41" in detail and "1 to 40" in detail
    assert resolved({"batch_size": 40}, num_train=40).training.batch_size == 40


@pytest.mark.parametrize(
    ("job", "weights"),
    [
        ({"method": "finetune", "student": "same"}, "published"),
        ({"method": "finetune", "student": "same", "teacher": "job:job_1"}, "job:job_1"),
        ({"method": "finetune", "student": {"architecture": "timm/resnet18", "weights": "job:a"}}, "job:a"),
        ({"method": "finetune", "student": "timm/resnet18"}, "published"),
        ({"method": "skd"}, None),
        ({"method": "skd", "is_kin": True}, "teacher"),
        ({"method": ["kd", "skd"], "is_kin": True}, "teacher"),
        ({"method": "kd", "is_kin": True, "student": {"size": "nano", "weights": None}}, None),
        ({"method": "kd", "is_kin": True, "student": {"size": "nano", "weights": "published"}}, "published"),
        ({"method": "scratch", "is_kin": True}, None),
        ({"method": "skd", "is_kin": True, "has_published": True}, "published"),
        ({"method": "scratch", "has_published": True}, "published"),
        ({"method": "skd", "has_relative": True}, "relative"),
        ({"method": "skd", "has_relative": True, "is_kin": True}, "teacher"),
        ({"method": "kd", "has_published": True, "student": {"size": "nano", "weights": None}}, None),
        ({"method": "kd", "has_published": True, "student": {"size": "nano", "weights": "teacher"}}, "teacher"),
        ({"method": "finetune", "is_kin": True, "student": "timm/resnet18"}, "published"),
    ],
)
def test_the_weights_that_a_student_begins_with(job: dict[str, Any], weights: str | None) -> None:
    assert resolved(**job).student.weights == weights


@pytest.mark.parametrize(
    ("training", "compiles"),
    [
        ({"max_steps": 5000}, True),
        ({"max_steps": 4999}, False),  # epochs would be many more
        ({"devices": "cuda:1"}, True),
        ({"devices": "cuda:2"}, False),
        ({"devices": "cuda:2", "compile": True}, True),
        ({"compile": False}, False),
    ],
)
def test_long_trainings_on_one_gpu_are_compiled(training: dict[str, Any], compiles: bool) -> None:
    gpu = Arithmetic(torch.device("cuda"), "bf16")
    given = {"epochs": 1000, **training}
    assert resolved(given, arithmetic=gpu).training.compile is compiles
    if "compile" not in training:
        assert resolved(given).training.compile is False


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what a machine without a CUDA device answers")
def test_a_device_or_precision_that_is_not_here_is_refused() -> None:
    for training, pointer in (
        ({"devices": "cuda"}, "/training/devices"),
        ({"precision": "fp16"}, "/training/precision"),
    ):
        with pytest.raises(SpecInvalid, match="allowed") as caught:
            choose_arithmetic(make_training(**{"devices": "auto", **training}))
        assert caught.value.errors[0][0] == pointer


def test_a_processor_computes_in_bfloat16_where_it_has_instructions_for_it() -> None:
    flags = Path("/proc/cpuinfo").read_text()
    has = "avx512_bf16" in flags or "amx_tile" in flags
    chosen = choose_arithmetic(TrainingSpec(devices="cpu"))
    assert chosen == Arithmetic(torch.device("cpu"), "bf16" if has else "fp32")
    for precision in ("fp32", "bf16"):
        assert choose_arithmetic(make_training(precision=precision)).precision == precision


def test_a_frozen_teacher_computes_in_integers_where_the_processor_does_and_no_precision_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for has_int8 in (True, False):
        monkeypatch.setattr("core.planning.defaults.computes_in_int8", lambda device, has_int8=has_int8: has_int8)
        assert resolved(training={}).training.teacher_precision == ("int8" if has_int8 else "same")
        assert resolved(training={"precision": "fp32"}).training.teacher_precision == "same"
        assert resolved(training={"teacher_precision": "same"}).training.teacher_precision == "same"
    with pytest.raises(SpecInvalid, match=r"AVX-512 VNNI.*allowed here: auto, same") as caught:
        resolved(training={"teacher_precision": "int8"})
    assert caught.value.errors[0][0] == "/training/teacher_precision"


def test_a_processor_has_8_bit_products_where_its_flags_say_so() -> None:
    flags = Path("/proc/cpuinfo").read_text()
    assert computes_in_int8(torch.device("cpu")) == ("avx512_vnni" in flags)
    assert not computes_in_int8(torch.device("meta"))


def photographs(training: Any = None, **changes: Any) -> Any:
    """A job on photographs whose student's published weights are at hand."""
    at_hand = {"architecture": "timm/mobilenetv3_small_100", "native": (300, 400), "has_published": True}
    return resolved(training, **{**at_hand, **changes})


def test_published_weights_on_photographs_get_a_fitted_classifier_and_a_gentle_training() -> None:
    chosen = photographs()
    assert chosen.student.classifier == "fitted" and chosen.training.batch_norm == "frozen"
    assert (chosen.training.optimizer, chosen.training.augmentation) == ("adamw", "light")
    small = resolved(has_published=True)
    assert small.student.classifier == "initial" and small.training.batch_norm == "batch"
    assert chosen.training.learning_rate < 0.1 * small.training.learning_rate
    assert chosen.training.epochs < 0.1 * small.training.epochs


def test_behind_a_random_classifier_published_weights_are_fine_tuned_as_practitioners_do() -> None:
    chosen = photographs(student={"size": "small", "classifier": "initial"})
    assert chosen.training.batch_norm == "batch"
    assert (chosen.training.optimizer, chosen.training.schedule) == ("sgd", "onecycle")
    assert chosen.training.epochs * (1000 // 64) >= 60


@pytest.mark.parametrize("weights", [None, "teacher", "relative"])
def test_weights_that_are_not_the_networks_own_are_not_probed(weights: str | None) -> None:
    chosen = photographs(student={"architecture": "timm/mobilenetv3_small_100", "weights": weights}, is_kin=True)
    assert chosen.student.classifier == "initial"


@pytest.mark.parametrize("method", ["simkd", "dho"])
def test_a_method_that_replaces_the_classifier_gets_none_fitted_and_trains_long(method: str) -> None:
    chosen = photographs(method=method)
    assert chosen.student.classifier == "initial" and chosen.training.batch_norm == "batch"
    assert chosen.training.epochs == photographs(method=method, has_published=False).training.epochs


def test_a_given_setting_stays_on_photographs() -> None:
    given = {"epochs": 7, "learning_rate": 0.3, "optimizer": "sgd", "schedule": "multistep", "batch_norm": "batch"}
    assert given.items() <= photographs(given).training.model_dump().items()
