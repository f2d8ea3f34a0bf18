"""One training in several processes: each computes its part of every batch, gradients are summed, weights stay equal.

A batch is cut into as many parts as there are ranks, batch norms take their statistics over all of them, each part's
loss counts by its share of the images: so the training is that of one process, up to rounding. Losses that compare the
images of a batch with each other compare those of a rank.
"""

import functools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

BUCKET_BYTES = 25 << 20  # gradients that are summed at once, as in DistributedDataParallel


class FirstFailed(Exception):
    """The first process did not get as far as this one waited for."""


@dataclass(frozen=True)
class Ranks:
    """This process among those of the training."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    """Among the processes of this host: which of its GPUs is this one's."""

    @property
    def is_first(self) -> bool:
        """Whether this process speaks, writes, evaluates and exports for all."""
        return self.rank == 0

    @contextmanager
    def first_goes_first(self) -> Iterator[None]:
        """Run the block in the first process, then in the others, which find what it left on disk.

        Where it fails there, they raise FirstFailed: nothing else would tell them, if it was the first meeting of all.
        """
        if not self.is_first:
            if self.any(False):
                raise FirstFailed("the first process failed, and says why")
            yield
            return
        try:
            yield
        except BaseException:
            self.any(True)
            raise
        self.any(False)

    def any(self, flag: bool) -> bool:
        """Whether any process says so; all must ask at the same point."""
        return self.any_of(flag)[0]

    def any_of(self, *flags: bool) -> tuple[bool, ...]:
        """The same of several flags in one meeting."""
        if self.size == 1:
            return flags
        values = torch.tensor(flags, dtype=torch.int64)
        dist.all_reduce(values, dist.ReduceOp.MAX)
        return tuple(bool(value) for value in values)

    def largest(self, number: int) -> int:
        """The largest that any process has; all must ask at the same point."""
        if self.size == 1:
            return number
        value = torch.tensor(number)
        dist.all_reduce(value, dist.ReduceOp.MAX)
        return int(value)

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes; all must ask at the same point."""
        if self.size > 1:
            values = values.clone()
            dist.all_reduce(values)
        return values

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Add up every gradient over all processes. A parameter that has none in any of them keeps none."""
        if self.size == 1:
            return
        parameters, bucket = list(parameters), []
        has_gradient = self.any_of(*(each.grad is not None for each in parameters))
        for parameter in (each for each, has in zip(parameters, has_gradient, strict=True) if has):
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            bucket.append(parameter.grad)
            if sum(each.nbytes for each in bucket) >= BUCKET_BYTES:
                _sum(bucket)
                bucket = []
        _sum(bucket)


ALONE = Ranks()


def _sum(bucket: list[Tensor]) -> None:
    if not bucket:
        return
    flat = torch.cat([each.reshape(-1) for each in bucket])
    dist.all_reduce(flat)
    for each, total in zip(bucket, flat.split([each.numel() for each in bucket]), strict=True):
        each.copy_(total.view_as(each))


class _Sum(torch.autograd.Function):
    """The sum over all ranks; its gradient is the sum of theirs."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        values = values.clone()
        dist.all_reduce(values)
        return values

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        gradient = gradient.contiguous().clone()
        dist.all_reduce(gradient)
        return gradient


class _SharedStatistics:
    """A batch norm's forward in training over the images of all ranks; torch's own SyncBatchNorm needs GPUs."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        dims = [dim for dim in range(x.ndim) if dim != 1]
        shape = [1, -1] + [1] * (x.ndim - 2)
        wide = x.float()
        count = torch.full((1,), float(x.numel() // x.shape[1]), device=x.device)
        sums = _Sum.apply(torch.cat([wide.sum(dims), wide.square().sum(dims), count]))
        total, width = sums[-1], x.shape[1]
        mean = sums[:width] / total
        # Rounding may put a channel that hardly varies below zero.
        variance = (sums[width : 2 * width] / total - mean.square()).clamp(min=0)
        self._remember(mean.detach(), variance.detach(), total.detach())
        scale = torch.rsqrt(variance + self.eps) * (self.weight if self.affine else 1)
        shift = (self.bias if self.affine else 0) - mean * scale
        return (wide * scale.view(shape) + shift.view(shape)).to(x.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, total: Tensor) -> None:
        if not self.track_running_stats:
            return
        self.num_batches_tracked.add_(1)
        momentum = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance * total / (total - 1), momentum)


@functools.cache
def _shared(plain: type[nn.Module]) -> type[nn.Module]:
    """The class of batch norm `plain` with statistics over all ranks."""
    return type(f"Shared{plain.__name__}", (_SharedStatistics, plain), {"plain": plain})


def share_statistics(module: nn.Module, ranks: Ranks) -> None:
    """Let the module's batch norms take their statistics over all ranks, in place: whoever holds one holds it still."""
    for part in module.modules():
        if ranks.size > 1 and isinstance(part, _BatchNorm) and not isinstance(part, _SharedStatistics):
            part.__class__ = _shared(type(part))


def keep_statistics(module: nn.Module) -> None:
    """Take `share_statistics` back."""
    for part in module.modules():
        if isinstance(part, _SharedStatistics):
            part.__class__ = type(part).plain
