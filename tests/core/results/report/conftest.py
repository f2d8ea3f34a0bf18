"""Outcomes whose numbers were really measured, on logits drawn at random around the true class."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from core.evaluation.metrics import compare, measure
from core.events import DatasetFacts, NetworkFacts
from core.networks.network import InputFormat
from core.results.assess import paired_facts
from core.results.report import Outcome, describe_preprocessing
from core.spec import parse_job

STUDENT = NetworkFacts(
    architecture="cifar/resnet8", num_params=77_754, macs=12_501_632, bytes=313_896, input_size=32, num_classes=4
)
TEACHER = {"architecture": "cifar/resnet56", "num_params": 855_770, "macs": 126_559_000, "bytes": 3_440_000}
NAMES = ("apple", "mushroom", "orange", "pear", "sweet pepper")


def measured(classes: tuple[str, ...], skill: float, num_images: int, seed: int, with_teacher: bool = True) -> dict:
    """The measures of a network that adds `skill` to the true class's logit among noise."""
    logits, labels = drawn(classes, skill, num_images, seed)
    teacher_logits, _ = drawn(classes, 3, num_images, seed + 1000)
    return measure(logits, labels, classes, teacher_logits if with_teacher else None)


def drawn(classes: tuple[str, ...], skill: float, num_images: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that are noise and `skill` at the true class, and the labels."""
    labels = torch.arange(num_images) % len(classes)
    noise = torch.randn(num_images, len(classes), generator=torch.Generator().manual_seed(seed))
    return noise + skill * torch.nn.functional.one_hot(labels, len(classes)), labels


def against(
    classes: tuple[str, ...], num_test: int, student: tuple[float, int], baseline: tuple[float, int]
) -> dict[str, Any]:
    """The comparison of two networks, each of a skill and a seed, on the same test images."""
    ours, labels = drawn(classes, student[0], num_test, student[1])
    theirs, _ = drawn(classes, baseline[0], num_test, baseline[1])
    counts = compare(ours, theirs, labels)
    assert counts is not None
    return paired_facts(counts)


def curve(start: float, end: float, seed: int, num_points: int = 60, every: int = 20) -> list[list[float]]:
    """A noisy approach from `start` to `end`."""
    wobble = torch.randn(num_points, generator=torch.Generator().manual_seed(seed)) * abs(end - start) * 0.03
    return [[step * every, end + (start - end) * 0.93**step + float(wobble[step])] for step in range(num_points)]


def build_outcome(
    classes: tuple[str, ...] = NAMES[:4],
    *,
    num_test: int = 400,
    skill: float = 2.2,
    method: str | list = "skd",
    baselines: tuple[str, ...] = ("scratch", "finetune"),
    teacher: bool = True,
    name: str = "fruit counter",
) -> Outcome:
    def network(own_skill: float, seed: int, **facts: Any) -> dict:
        splits = {
            "validation": measured(classes, own_skill, num_test // 2, seed, teacher),
            "test": measured(classes, own_skill, num_test, seed + 1, teacher),
        }
        seeds = [
            {"seed": index, "test_top1": measured(classes, own_skill, num_test, seed + 1 + index)["top1"]}
            for index in range(3)
        ]
        return {
            **STUDENT.model_dump(),
            **splits,
            "seeds": seeds,
            "seconds": 41.5,
            "steps": 1200,
            "images_per_second": 1850.0,
            **facts,
        }

    latency = {
        "p50_ms": 0.41,
        "p95_ms": 0.52,
        "runs": 400,
        "threads": 1,
        "batch_size": 1,
        "runtime": "onnxruntime 1.31.1",
        "speedup": {"ratio": 6.44, "low": 6.1, "high": 6.93} if teacher else None,
    }
    parity = {
        "max_difference": 3.1e-6,
        "tolerance": 1e-4,
        "num_images": num_test,
        "num_ties": 0,
        "runtime": "onnxruntime 1.31.1",
    }
    spec = parse_job(
        {
            "name": name,
            "dataset": "file:///data/fruit.zip",
            "student": "nano",
            "method": method,
            "teacher": "cifar/resnet56" if teacher else None,
            "evaluation": {"baselines": list(baselines), "seeds": 3},
        }
    ).model_dump(mode="json")
    curves = {
        "train/loss": curve(2.3, 0.5, 1),
        "train/loss_label": curve(1.4, 0.2, 2),
        "train/loss_feature": curve(0.9, 0.3, 3),
        "train/top1": curve(0.25, 0.9, 4),
        "val/top1": curve(0.3, 0.86, 5, 12, 100),
        "val/loss": curve(1.4, 0.5, 6, 12, 100),
        "learning_rate": [[step * 20, 0.05 * (1 - step / 60)] for step in range(60)],
    }
    for index, baseline in enumerate(baselines):
        curves[f"baseline/{baseline}/val/top1"] = curve(0.28, 0.7 + 0.1 * index, 7 + index, 12, 100)
    return Outcome(
        spec=spec,
        dataset=DatasetFacts(
            uri="file:///data/fruit.zip",
            format="folder",
            fingerprint="9f" * 32,
            classes=list(classes),
            num_train=50 * len(classes),
            num_validation=num_test // 2,
            num_test=num_test,
            images_per_class={
                "train": dict.fromkeys(classes, 50),
                "validation": dict.fromkeys(classes, num_test // 2 // len(classes)),
                "test": dict.fromkeys(classes, num_test // len(classes)),
            },
            native_size=(32, 32),
            resident_bytes=3_000_000,
        ),
        student=STUDENT.model_copy(update={"num_classes": len(classes)}),
        teacher={**network(3.2, 31), **TEACHER, "covers_classes": True, "seeds": [], "seconds": None}
        if teacher
        else None,
        metrics=network(skill, 11, latency=latency, parity=parity),
        baselines={
            item: network(
                skill - 0.9 + 0.6 * index,
                21 + 5 * index,
                against_student=against(classes, num_test, (skill, 12), (skill - 0.9 + 0.6 * index, 22 + 5 * index)),
            )
            for index, item in enumerate(baselines)
        },
        curves=curves,
        classes=classes,
        preprocessing=describe_preprocessing(
            InputFormat(32, (0.507, 0.4865, 0.4409), (0.2673, 0.2564, 0.2761)), canvas_size=32, image_size=32
        ),
        versions={"python": "3.11", "torch": torch.__version__},
    )


@pytest.fixture(scope="session")
def make_outcome() -> Callable[..., Outcome]:
    """Makes an outcome for any class names, with or without teacher and baselines."""
    return build_outcome
