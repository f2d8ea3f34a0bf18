"""A run whose classifier was fitted ends with the network that the validation images prefer."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from core.training.ending import LEAST_GAIN, Ending
from tests.core.conftest import Ran
from tests.core.tiny import make_network, same_weights

pytestmark = pytest.mark.slow

JOB: dict[str, Any] = {
    "dataset": {"uri": "builtin:digits", "max_per_class": 40},
    "student": {"architecture": "cifar/resnet14", "weights": "job:job_digits", "classifier": "fitted"},
    "method": "scratch",
    "exports": ["safetensors"],
}


def ended(run_job: Any, inputs: Path, **training: Any) -> tuple[Ran, str]:
    fields = {"image_size": 8, "max_steps": 4, "batch_size": 16, "devices": "cpu", "batch_norm": "frozen"}
    ran = run_job({**JOB, "training": {**fields, **training}}, inputs=inputs)
    return ran, next(event.message for event in ran.of("log") if "ends with" in event.message)


def test_a_training_that_does_harm_is_not_published(digits_teacher: Path, run_job: Any) -> None:
    ran, told = ended(run_job, digits_teacher, learning_rate=3.0, clip_gradient_norm=1.0)
    assert "ends with the network that it began with" in told
    published = load_file(ran.out / "artifacts/model.safetensors")
    begun = load_file(digits_teacher / "job_digits/model.safetensors")
    for weights in (published, begun):
        for name in ("fc.weight", "fc.bias"):
            weights.pop(name)
    assert same_weights(published, begun), "all but the fitted classifier is as it was given"


def test_frozen_statistics_are_those_of_the_given_weights(digits_teacher: Path, run_job: Any) -> None:
    begun = load_file(digits_teacher / "job_digits/model.safetensors")
    for mode, stays in (("frozen", True), ("batch", False)):
        spec = {**JOB, "student": {**JOB["student"], "classifier": "initial"}}
        fields = {"image_size": 8, "max_steps": 2, "batch_size": 16, "devices": "cpu", "batch_norm": mode}
        ran = run_job({**spec, "training": fields}, inputs=digits_teacher)
        trained = load_file(ran.out / "artifacts/model.safetensors")
        statistics = [name for name in begun if name.endswith("running_mean")]
        assert all((begun[name] == trained[name]).all() for name in statistics) == stays


def test_one_more_right_image_is_not_enough() -> None:
    def ending(*right: int) -> Ending:
        return Ending("", make_network("cifar/resnet8"), torch.tensor(right).bool())

    begun = ending(1, 1, 1, 0, 0, 0, 0)
    assert ending(1, 1, 1, 1, 0, 0, 0).gain_over(begun) == LEAST_GAIN
    assert ending(1, 1, 1, 1, 1, 0, 0).gain_over(begun) > LEAST_GAIN
    assert ending(0, 1, 1, 1, 1, 0, 0).gain_over(begun) < LEAST_GAIN, "three images differ, by one the balance"
    assert begun.gain_over(begun) == 0
