"""The frozen teacher's pass: once a batch, for what the method asks, and nothing else."""

import torch
from torch import Tensor

from core.device import Arithmetic
from core.methods.method import Needs
from core.networks.network import Features, Network


class FrozenTeacher:
    """A teacher in eval mode whose weights and batch-norm statistics no one moves."""

    def __init__(self, network: Network, needs: Needs, arithmetic: Arithmetic) -> None:
        self._network = network.to(arithmetic.device).eval().requires_grad_(False)
        self._taps = needs.teacher_taps
        self._arithmetic = arithmetic

    def observe(self, views: Tensor) -> Features:
        """Logits, pooled features and the maps asked for, of float (N, 3, V, V) views in [0, 1]; no gradient."""
        with torch.no_grad(), self._arithmetic.autocast():
            return self._network.features(views, self._taps)
