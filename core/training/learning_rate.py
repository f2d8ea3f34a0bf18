"""The learning rate as a pure function of the step, so that a resumed job uses the same rates."""

import math

from core.spec import ResolvedTraining


def rate_factor(training: ResolvedTraining, step: float, *, steps: int, steps_per_epoch: int) -> float:
    """The factor in [0, 1] of the peak learning rate for step `step` (from 0) of `steps`.

    With a deadline, `step` is a position in the schedule and may lie between two whole numbers.
    """
    if training.schedule == "onecycle":
        return _one_cycle(step / max(steps - 1, 1))
    warmup = min(training.warmup_epochs * steps_per_epoch, steps - 1)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    fraction = (step - warmup) / max(steps - warmup, 1)
    if training.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * fraction))
    if training.schedule == "multistep":
        return training.decay_factor ** sum(step / steps >= milestone for milestone in training.milestones)
    return 1.0


def _one_cycle(fraction: float, *, rise: float = 0.3, start: float = 1 / 25, end: float = 1e-5) -> float:
    """Cosine up from `start` over the share `rise`, then down to `end` (Smith, Topin 2017; torch's constants)."""
    if fraction < rise:
        low, high, part = start, 1.0, fraction / rise
        return high + (low - high) * 0.5 * (1 + math.cos(math.pi * part))
    part = (fraction - rise) / (1 - rise)
    return end + (1.0 - end) * 0.5 * (1 + math.cos(math.pi * part))
