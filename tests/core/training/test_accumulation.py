"""A batch in parts: the same gradients, and memory that runs out is met with half the images."""

import copy
from typing import Any

import pytest
import torch
from tiny import make_batch, make_context, make_trainer, make_training, same_weights, snapshot
from torch import nn

from core.methods.kd import Kd
from core.methods.scratch import Scratch
from core.spec.knobs.kd import KdKnobs
from core.spec.knobs.scratch import ScratchKnobs
from core.system.memory import is_out_of_memory
from core.training.accumulation import split


def scratch() -> Scratch:
    return Scratch(ScratchKnobs(), make_context(image_size=8))


class WithoutBatchStatistics(Scratch):
    """Its batch norms stay in eval mode, so that parts add up exactly."""

    def set_training_mode(self) -> None:
        for module in self.context.student.modules():
            module.training = not isinstance(module, nn.BatchNorm2d)


class NeedsRoom(Scratch):
    """Runs out of memory with more than `room` images."""

    room = 3

    def terms(self, student: Any, batch: Any) -> Any:
        if len(batch.targets) > self.room:
            raise torch.OutOfMemoryError("out of memory")
        return super().terms(student, batch)


def test_parts_hold_every_image_once_in_order() -> None:
    method = Kd(Kd.resolved(KdKnobs()), make_context(image_size=8))
    batch = make_batch(method, 7)
    parts = split(batch, 3)
    assert [len(part.targets) for part in parts] == [3, 3, 1]
    assert torch.equal(torch.cat([part.views for part in parts]), batch.views)
    assert torch.equal(torch.cat([part.teacher.logits for part in parts]), batch.teacher.logits)
    assert torch.equal(torch.cat([part.indices for part in parts]), batch.indices)
    assert split(batch, 7) == [batch]


def test_the_parts_gradients_add_up_to_the_batchs() -> None:
    weights = []
    for size in (8, 3, 1):
        method = WithoutBatchStatistics(ScratchKnobs(), make_context(image_size=8))
        make_trainer(method, make_training(max_steps=3, micro_batch_size=size)).run()
        weights.append(torch.cat([parameter.detach().flatten() for parameter in method.deployed().parameters()]))
    for other in weights[1:]:
        torch.testing.assert_close(other, weights[0], atol=2e-5, rtol=1e-4)
    assert not torch.equal(weights[0], weights[2])


def test_the_loss_that_is_told_is_the_batchs() -> None:
    told = []
    for size in (8, 2):
        method = WithoutBatchStatistics(ScratchKnobs(), make_context(image_size=8))
        seen = {}
        make_trainer(
            method,
            make_training(max_steps=1, micro_batch_size=size),
            report_metrics=lambda step, values, seen=seen: seen.update(values),
        ).run()
        told.append(seen)
    for name in ("train/loss", "train/loss_label", "train/top1"):
        assert told[0][name] == pytest.approx(told[1][name], rel=1e-5)


def test_memory_that_runs_out_halves_the_part_until_it_fits_and_says_so() -> None:
    said = []
    trainer = make_trainer(NeedsRoom(ScratchKnobs(), make_context(image_size=8)), make_training(max_steps=3))
    trainer.accumulation._notify = said.append
    trainer.run()
    assert trainer.accumulation.size == 2 and trainer.step == 3
    assert [line.split(";")[0] for line in said] == [
        "memory ran out with 8 images at once",
        "memory ran out with 4 images at once",
    ]
    explicit = make_trainer(scratch(), make_training(max_steps=3, micro_batch_size=2))
    explicit.run()
    states = [snapshot(each.method.deployed()) for each in (trainer, explicit)]
    # The first attempts moved nothing but batch norm's running statistics.
    learned = [
        {name: state[name] for name in state if "running" not in name and "tracked" not in name} for state in states
    ]
    assert same_weights(*learned)


def test_what_was_found_to_fit_is_kept_in_the_checkpoint() -> None:
    trainer = make_trainer(NeedsRoom(ScratchKnobs(), make_context(image_size=8)), make_training(max_steps=2))
    trainer.run()
    again = make_trainer(scratch(), make_training(max_steps=4))
    again.load_state_dict(copy.deepcopy(trainer.state_dict()))
    assert again.accumulation.size == 2


def test_a_single_image_that_does_not_fit_ends_the_run() -> None:
    method = NeedsRoom(ScratchKnobs(), make_context(image_size=8))
    method.room = 0
    with pytest.raises(torch.OutOfMemoryError):
        make_trainer(method, make_training()).run()


def test_no_other_error_is_taken_for_a_lack_of_memory() -> None:
    class Breaks(Scratch):
        def terms(self, student: Any, batch: Any) -> None:
            raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        make_trainer(Breaks(ScratchKnobs(), make_context(image_size=8)), make_training()).run()
    assert is_out_of_memory(MemoryError()) and not is_out_of_memory(ValueError("memory"))
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 50)
    assert is_out_of_memory(caught.value)
