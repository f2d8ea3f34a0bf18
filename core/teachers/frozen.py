"""Runs the frozen teachers: once for each batch, and only for the outputs that the method uses."""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from core.files.result_cache import ResultCache
from core.methods.contract import Batch, Needs
from core.networks.compiled import begin_step
from core.networks.inference import frozen_copy, in_layout, in_low_precision, says_the_same
from core.networks.network import Features, Network
from core.networks.quantized import NotQuantized, quantized
from core.system.device import Arithmetic


@dataclass(frozen=True)
class Quantization:
    """The inputs for converting a teacher to 8-bit integers."""

    make_views: Callable[[], Tensor]
    """Gives (N, 3, V, V) in [0, 1]: some of what it will see."""
    batch_size: int
    result_cache: ResultCache | None = None
    """Where the outcome is kept for later jobs."""


class FrozenTeacher:
    """A teacher in eval mode; its weights and batch-norm statistics do not change.

    It runs as a copy made for inference (core.networks.inference); the original network does not change.
    """

    def __init__(
        self,
        network: Network,
        needs: Needs,
        arithmetic: Arithmetic,
        *,
        compiled: bool = False,
        quantization: Quantization | None = None,
        frozen: Network | None = None,
        notify: Callable[[str], None] = lambda message: None,
    ) -> None:
        """`frozen` is a copy for inference that exists already and may be shared. `notify` is called with the reason if
        the teacher computes in floats or uncompiled although 8-bit integers or compilation were requested.
        """
        self._given = network
        self._needs = needs
        self._arithmetic = arithmetic
        self._compiled = compiled
        self._quantization = quantization
        self._frozen = frozen
        self._notify = notify
        self._features: Callable[[Tensor], Features] | None = None

    def observe(self, views: Tensor) -> Features:
        """Logits, pooled features and the requested maps of float views (N, 3, V, V) in [0, 1], without gradient."""
        if self._features is None:  # with a stored pass the teacher may never run
            self._features = self._prepared(self._given)
        with torch.no_grad(), self._arithmetic.autocast():
            return self._features(views)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Use other weights of the same architecture from now on."""
        self._given = copy.deepcopy(self._given)
        self._given.module.load_state_dict(weights)
        self._features = self._frozen = None

    def _prepared(self, network: Network) -> Callable[[Tensor], Features]:
        """The network on the device, in its fastest form."""
        taps, own_statistics = self._needs.teacher_taps, self._needs.teacher_batch_statistics
        fast = _with_own_statistics(network) if own_statistics else self._folded(network)
        fast = in_layout(fast.to(self._arithmetic.device))
        if self._quantization is not None and not own_statistics:
            try:
                return self._in_integers(fast, self._quantization)
            except NotQuantized as reason:
                self._notify(f"the teacher {network.architecture} computes in floats: {reason}")
                self._quantization = None  # likewise with other weights
        in_floats = self._arithmetic.precision == "fp32"
        if fast is self._frozen and (self._compiled or not in_floats):
            fast = copy.deepcopy(fast)
        if not in_floats:
            in_low_precision(fast, self._arithmetic.dtype)
        if self._compiled:
            fast.compile_features(self._notify)
        return lambda views: fast.features(views, taps)

    def _folded(self, network: Network) -> Network:
        taps = self._needs.teacher_taps
        if self._frozen is not None and says_the_same(network, self._frozen, taps):
            return self._frozen
        return frozen_copy(network, taps)

    def _in_integers(self, network: Network, means: Quantization) -> Callable[[Tensor], Features]:
        taps, dtype = self._needs.teacher_taps, self._arithmetic.dtype
        views = self._arithmetic.laid_out(means.make_views())
        with torch.no_grad(), self._arithmetic.autocast():
            made = quantized(
                network, taps, views, dtype=dtype, batch_size=means.batch_size, result_cache=means.result_cache
            )
        return made.features


def _with_own_statistics(network: Network) -> Network:
    """A copy that normalizes with each batch's own statistics, while the running ones stay as they are."""
    copied = copy.deepcopy(network).requires_grad_(False)
    for module in copied.modules():
        module.training = False
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.training, module.momentum = True, 0.0
    return copied


@dataclass
class FrozenTeachers:
    """All frozen teachers of a method. `first` is None if the method uses no output of a frozen teacher."""

    needs: Needs
    first: FrozenTeacher | None = None
    others: tuple[FrozenTeacher, ...] = ()
    anchors: Sequence[Callable[[], Mapping[str, Tensor]]] = ()
    """The first teacher's checkpoints; the last is the finished teacher."""
    _anchor: int | None = field(default=None, init=False)

    def take_anchor(self, place: int | None) -> None:
        """Use the checkpoint number `place` as the teacher from now on; None: the finished teacher."""
        place = len(self.anchors) - 1 if place is None else place
        if self.first is not None and place != self._anchor:
            self.first.load(self.anchors[place]())
            self._anchor = place

    def surveyed(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The batches of a survey with the first teacher's outputs. Afterwards the teacher is released if it is not
        used again.
        """
        for batch in batches:
            begin_step()
            yield replace(batch, teacher=self.first.observe(batch.views)) if self.first is not None else batch
        if not self.needs.teacher_output:
            self.first = None

    def complete(self, batch: Batch) -> Batch:
        """The batch with the teachers' outputs, computed unless the batch has them already."""
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
