"""The batches as a pure function of the step."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import CPU, NUM_CLASSES, make_split, make_training

from core.data.augment import Augmenter
from core.methods.contract import Needs, Stage
from core.policy import Policy
from core.training.batches import Batches
from tests.core.conftest import Ran


def make_batches(count: int = 43, *, stage: Any = None, seed: int = 0, num_views: int = 1, **fields: Any) -> Batches:
    training = make_training(**fields)
    return Batches(
        make_split(count),
        training,
        Augmenter(training.augmentation, 8),
        NUM_CLASSES,
        stage or Stage(),
        seed,
        CPU,
        Needs(num_views=num_views),
    )


def equal(one: Any, other: Any) -> Any:
    return (
        torch.equal(one.views, other.views)
        and torch.equal(one.targets, other.targets)
        and torch.equal(one.indices, other.indices)
        and all(torch.equal(a, b) for a, b in zip(one.more_views, other.more_views, strict=True))
    )


@pytest.mark.parametrize("fields", [{}, {"augmentation": "strong", "mixup_alpha": 0.4, "cutmix_alpha": 1.0}])
def test_a_batch_depends_on_the_step_alone(fields: dict[str, Any]) -> None:
    in_order = make_batches(num_views=2, **fields)
    seen = [in_order.batch(step) for step in range(12)]
    backwards = make_batches(num_views=2, **fields)
    torch.manual_seed(99)
    for step in reversed(range(12)):
        assert equal(backwards.batch(step), seen[step])
    assert not torch.equal(seen[0].views, seen[0].more_views[0])
    assert not equal(make_batches(num_views=2, seed=1, **fields).batch(0), seen[0])


@pytest.mark.parametrize("fields", [{"mixup_alpha": 1.0}, {"cutmix_alpha": 1.0}])
def test_all_views_are_mixed_alike_as_they_share_their_targets(fields: dict[str, Any]) -> None:
    batch = make_batches(num_views=3, augmentation="none", **fields).batch(0)
    plain = make_batches(num_views=3, augmentation="none").batch(0)
    assert all(torch.equal(more, batch.views) for more in batch.more_views)
    assert not torch.equal(batch.views, plain.views)


def test_every_image_comes_once_an_epoch_but_for_the_dropped_tail() -> None:
    batches = make_batches(43)
    assert batches.steps_per_epoch == 5
    epochs = [torch.cat([batches.batch(5 * epoch + i).indices for i in range(5)]).tolist() for epoch in range(4)]
    for order in epochs:
        assert len(order) == len(set(order)) == 40
    assert epochs[0] != epochs[1]
    assert {index for order in epochs for index in order} == set(range(43)), "no image is left out for long"


def test_labels_and_views_belong_to_the_indices() -> None:
    split = make_split(43)
    batch = make_batches(43, augmentation="none").batch(2)
    assert torch.equal(batch.targets, split.labels[batch.indices])
    torch.testing.assert_close(batch.views, split.images[batch.indices].float() / 255)


def test_the_halves_are_disjoint_and_whole() -> None:
    halves = [make_batches(43, stage=Stage(split=name)).members.tolist() for name in ("first_half", "second_half")]
    assert sorted(halves[0] + halves[1]) == list(range(43))
    assert abs(len(halves[0]) - len(halves[1])) <= 1
    first = make_batches(43, stage=Stage(split="first_half"))
    assert set(first.batch(0).indices.tolist()) <= set(halves[0])
    assert make_batches(43, stage=Stage(split="first_half"), seed=1).members.tolist() != halves[0]


def test_mixed_targets_are_rows_that_sum_to_one() -> None:
    for step in range(6):
        batch = make_batches(mixup_alpha=0.4, cutmix_alpha=1.0).batch(step)
        assert batch.targets.shape == (8, NUM_CLASSES)
        torch.testing.assert_close(batch.targets.sum(1), torch.ones(8))


def test_a_split_smaller_than_a_batch_is_one_batch() -> None:
    batches = make_batches(5)
    assert batches.steps_per_epoch == 1 and len(batches.batch(0).indices) == 5


def test_reading_ahead_changes_nothing() -> None:
    plain = make_batches(43)
    ahead = replace(plain, prefetches=True)
    steps = [0, 1, 2, 3, 4, 5, 6, 3, 11, 12, 0]  # in order, over an epoch's end, and back after a resume
    for step in steps:
        assert equal(ahead.batch(step), plain.batch(step))


@pytest.mark.parametrize("teacher_pass", ["live", "stored"])
def test_a_job_does_not_depend_on_whether_its_images_are_in_memory(
    run_job: Callable[..., Ran], digits_teacher: Path, teacher_pass: str
) -> None:
    def said(max_resident_bytes: Any) -> tuple[Any, ...]:
        training = {"image_size": 8, "devices": "cpu", "max_steps": 8, "teacher_pass": teacher_pass}
        document = {
            "teacher": "job:job_digits",
            "dataset": "builtin:digits",
            "student": "cifar/resnet8",
            "method": "kd",
            "exports": ["safetensors"],
            "training": training,
        }
        ran = run_job(document, inputs=digits_teacher, policy=Policy(max_resident_bytes=max_resident_bytes))
        assert ran.error is None, ran.error
        artifacts = {each.name: each.sha256 for each in ran.of("artifact")}
        return artifacts["model.safetensors"], artifacts["predictions.csv"]

    assert said(1000) == said(1 << 20)
