"""The optimizers of the spec."""

from collections.abc import Sequence

import torch
from torch import nn, optim

from core.spec import ResolvedTraining
from core.training.muon import Muon


def build_optimizer(training: ResolvedTraining, parameters: Sequence[nn.Parameter], rate: float) -> optim.Optimizer:
    """An optimizer with peak rate `rate`.

    AdamW decays matrices and kernels only; SGD decays batch norms and biases too, as the CIFAR protocols of the
    literature do. Both go through memory once (`fused`), which takes nearly all their time. Muon's time goes into
    matrix products, in bfloat16 if the job trains in it.
    """
    if training.optimizer == "sgd":
        decay = training.weight_decay
        return optim.SGD(parameters, lr=rate, momentum=0.9, nesterov=True, weight_decay=decay, fused=True)
    if training.optimizer == "muon":
        dtype = torch.bfloat16 if training.precision == "bf16" else torch.float32
        return Muon(parameters, rate, weight_decay=training.weight_decay, dtype=dtype)
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": training.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return optim.AdamW([group for group in groups if group["params"]], lr=rate, fused=True)


def set_rate(optimizer: optim.Optimizer, rate: float) -> None:
    """Give all parameters the learning rate `rate`."""
    for group in optimizer.param_groups:
        group["lr"] = rate
