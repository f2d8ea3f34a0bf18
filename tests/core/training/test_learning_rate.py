"""The learning rate against torch's own schedulers, step by step."""

from typing import Any

import numpy as np
import pytest
import torch
from tiny import make_training
from torch.optim import lr_scheduler

from core.training.learning_rate import rate_factor

STEPS, PER_EPOCH = 48, 6
WAY = np.linspace(0, 1, STEPS)


def ours(**fields: Any) -> list[Any]:
    training = make_training(**fields)
    return [rate_factor(training, step, steps=STEPS, steps_per_epoch=PER_EPOCH) for step in range(STEPS)]


def torchs(make: Any) -> Any:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0, momentum=0.9)
    scheduler, rates = make(optimizer), []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_cosine() -> None:
    expected = torchs(lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, T_max=STEPS))
    assert ours(schedule="cosine") == pytest.approx(expected, abs=1e-9)


def test_multistep_falls_first_in_the_epoch_after_the_milestone() -> None:
    milestones = [30, 36, 42]
    expected = torchs(lambda optimizer: lr_scheduler.MultiStepLR(optimizer, milestones, gamma=0.1))
    assert ours(schedule="multistep") == pytest.approx(expected, rel=1e-9)


def test_multistep_takes_its_own_milestones_and_factor() -> None:
    expected = torchs(lambda optimizer: lr_scheduler.MultiStepLR(optimizer, [24], gamma=0.5))
    assert ours(schedule="multistep", milestones=(0.5,), decay_factor=0.5) == pytest.approx(expected, rel=1e-9)


def test_onecycle() -> None:
    """torch counts its phases from first to last step, and its rise ends where the share is 0.3: so do we."""
    rise, fall = np.clip(WAY / 0.3, 0, 1), np.clip((WAY - 0.3) / 0.7, 0, 1)
    up = 1 / 25 + (1 - 1 / 25) * np.sin(np.pi * rise / 2) ** 2
    down = 1e-5 + (1 - 1e-5) * np.cos(np.pi * fall / 2) ** 2
    assert ours(schedule="onecycle") == pytest.approx(np.where(WAY < 0.3, up, down).tolist(), abs=1e-9)


def test_onecycle_is_torchs_where_its_phases_end_on_a_step() -> None:
    total = 41  # 0.3 * 41 - 1 = 11.3 there, 0.3 * 40 = 12 here: the peaks lie less than a step apart
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=total, final_div_factor=4e3, cycle_momentum=False)
    training, far = make_training(schedule="onecycle"), []
    for step in range(total):
        far.append(abs(optimizer.param_groups[0]["lr"] - rate_factor(training, step, steps=total, steps_per_epoch=6)))
        optimizer.step()
        if step < total - 1:
            scheduler.step()
    assert max(far) < 0.1 and far[0] < 1e-12 and far[-1] < 1e-12


def test_constant() -> None:
    assert ours(schedule="constant") == [1.0] * STEPS


@pytest.mark.parametrize("schedule", ["cosine", "constant", "multistep"])
def test_warm_up_rises_in_a_line_and_meets_the_schedule(schedule: str) -> None:
    rates = ours(schedule=schedule, warmup_epochs=2, milestones=(0.9,))
    rise = [rates[step + 1] - rates[step] for step in range(12)]
    assert rates[0] == pytest.approx(1 / 13) and rates[12] == 1.0
    assert rise == pytest.approx([1 / 13] * 12)


def test_cosine_after_warm_up_is_a_cosine_over_what_is_left() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = lr_scheduler.CosineAnnealingLR(optimizer, T_max=STEPS - 12)
    expected = []
    for _ in range(STEPS - 12):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert ours(schedule="cosine", warmup_epochs=2)[12:] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("schedule", ["cosine", "multistep", "onecycle", "constant"])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_shortest_trainings_have_a_rate(schedule: str, steps: int) -> None:
    training = make_training(schedule=schedule, warmup_epochs=5)
    rates = [rate_factor(training, step, steps=steps, steps_per_epoch=1) for step in range(steps)]
    assert all(0 <= rate <= 1 for rate in rates) and max(rates) > 0
