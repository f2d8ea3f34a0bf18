"""The frozen teachers' pass: once a batch, for what the method asks, and nothing else."""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from core.device import Arithmetic
from core.methods.method import Batch, Needs
from core.networks.inference import frozen_copy, in_layout, in_low_precision
from core.networks.network import Features, Network


class FrozenTeacher:
    """A teacher in eval mode whose weights and batch-norm statistics no one moves.

    It runs as a copy made for inference (core.networks.inference); the network that it was made from stays as it is.
    """

    def __init__(self, network: Network, needs: Needs, arithmetic: Arithmetic, *, compiled: bool = False) -> None:
        self._original = network
        self._needs = needs
        self._arithmetic = arithmetic
        self._compiled = compiled
        self._network = self._prepared(network)

    def observe(self, views: Tensor) -> Features:
        """Logits, pooled features and the maps asked for, of float (N, 3, V, V) views in [0, 1]; no gradient."""
        with torch.no_grad(), self._arithmetic.autocast():
            return self._network.features(views, self._needs.teacher_taps)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Teach with other weights of the same architecture from now on."""
        network = copy.deepcopy(self._original)
        network.module.load_state_dict(weights)
        self._network = self._prepared(network)

    def _prepared(self, network: Network) -> Network:
        """On the device, in its fastest form."""
        if self._needs.teacher_batch_statistics:
            fast = copy.deepcopy(network).requires_grad_(False)
            for module in fast.modules():
                # The batch's own statistics, while the running ones stay as they are.
                module.training = isinstance(module, torch.nn.modules.batchnorm._BatchNorm)
                if module.training:
                    module.momentum = 0.0
        else:
            fast = frozen_copy(network, self._needs.teacher_taps)
        fast = in_layout(fast.to(self._arithmetic.device))
        if self._arithmetic.precision != "fp32":
            in_low_precision(fast, self._arithmetic.dtype)
        if self._compiled:
            fast.compile_features()
        return fast


@dataclass
class Teaching:
    """All the frozen teachers of a method. `first` is None where the method asks a frozen teacher for nothing."""

    needs: Needs
    first: FrozenTeacher | None = None
    others: tuple[FrozenTeacher, ...] = ()
    anchors: Sequence[Callable[[], Mapping[str, Tensor]]] = ()
    """The first teacher's checkpoints; the last is the finished teacher."""
    _anchor: int | None = field(default=None, init=False)

    def take_anchor(self, place: int | None) -> None:
        """Let the checkpoint at `place` teach from now on; None: the finished teacher."""
        place = len(self.anchors) - 1 if place is None else place
        if self.first is not None and place != self._anchor:
            self.first.load(self.anchors[place]())
            self._anchor = place

    def surveyed(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The batches of a survey with what the first teacher sees; then it is let go, if it is asked for no more."""
        for batch in batches:
            yield replace(batch, teacher=self.first.observe(batch.views)) if self.first is not None else batch
        if not self.needs.teacher_output:
            self.first = None

    def complete(self, batch: Batch) -> Batch:
        """The batch with what the teachers see in it, as far as it is not there already."""
        if self.first is None or not self.needs.teacher_output:
            return batch
        if batch.teacher is None:
            batch = replace(batch, teacher=self.first.observe(batch.views))
        if self.needs.teacher_sees == "all":
            batch = replace(batch, more_teacher=tuple(self.first.observe(views) for views in batch.more_views))
        if self.others:
            batch = replace(batch, other_teachers=tuple(other.observe(batch.views) for other in self.others))
        if batch.other_half is not None:
            batch = replace(batch, other_half=self.complete(batch.other_half))
        return batch
