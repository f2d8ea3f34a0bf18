"""Training in several processes: each computes a part of every batch, gradients are summed, and weights stay equal.

A batch is cut into as many parts as there are ranks. Batch norms take their statistics over all parts, and the loss of
a part counts by its share of the images. The training is therefore that of one process, up to rounding. Losses that
compare the images of a batch with each other compare only the images of one rank.
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

BUCKET_BYTES = 25 << 20  # of gradients that are summed at once, as in DistributedDataParallel


class FirstFailed(Exception):
    """The first process failed before the point that this process waits for."""


@dataclass(frozen=True)
class Ranks:
    """The number of this process (its rank) and of all processes of the training."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    """Among the processes of this host: which of its GPUs is this one's."""

    @property
    def is_first(self) -> bool:
        """Whether this process reports, writes, evaluates and exports for all processes."""
        return self.rank == 0

    @contextmanager
    def first_goes_first(self, notes: dict[str, Any] | None = None) -> Iterator[None]:
        """Run the block in the first process, then in the others, which find its files on disk, and in `notes` what the
        block of the first process left there.

        If the block fails in the first process, the others raise FirstFailed; they have no other way to know.
        """
        if not self.is_first:
            if self.any(False):
                raise FirstFailed("the first process failed; its own error has the reason")
            self._hand_over(notes)
            yield
            return
        try:
            yield
        except BaseException:
            self.any(True)
            raise
        self.any(False)
        self._hand_over(notes)

    def _hand_over(self, notes: dict[str, Any] | None) -> None:
        """Give the notes of the first process to the others."""
        if notes is None or self.size == 1:
            return
        sent = [notes]
        dist.broadcast_object_list(sent, src=0)
        if not self.is_first:
            notes.clear()
            notes.update(sent[0])

    def any(self, flag: bool) -> bool:
        """Whether the flag is true in any process; all processes must call this at the same point."""
        return self.any_of(flag)[0]

    def any_of(self, *flags: bool) -> tuple[bool, ...]:
        """For each of several flags, whether it is true in any process; one exchange for all of them."""
        if self.size == 1:
            return flags
        values = torch.tensor(flags, dtype=torch.int64)
        dist.all_reduce(values, dist.ReduceOp.MAX)
        return tuple(bool(value) for value in values)

    def largest(self, number: int) -> int:
        """The largest value of all processes; all processes must call this at the same point."""
        if self.size == 1:
            return number
        value = torch.tensor(number)
        dist.all_reduce(value, dist.ReduceOp.MAX)
        return int(value)

    def sum(self, values: Tensor) -> Tensor:
        """The sum of the values of all processes; all processes must call this at the same point."""
        if self.size > 1:
            values = values.clone()
            dist.all_reduce(values)
        return values

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Sum every gradient over all processes. A parameter without a gradient in all of them stays without one."""
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


class _SharedStatistics(_BatchNorm):
    """A batch norm's forward in training over the images of all ranks; torch's own SyncBatchNorm needs GPUs."""

    plain: type[_BatchNorm]
    """The class of the batch norm before its statistics were shared."""

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
        weight, bias = (self.weight, self.bias) if self.affine else (1, 0)
        scale = torch.rsqrt(variance + self.eps) * weight
        shift = bias - mean * scale
        return (wide * scale.view(shape) + shift.view(shape)).to(x.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, total: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        momentum = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance * total / (total - 1), momentum)


@functools.cache
def _shared(plain: Any) -> type[_SharedStatistics]:
    """The class of batch norm `plain` with statistics over all ranks."""
    return type(f"Shared{plain.__name__}", (_SharedStatistics, plain), {"plain": plain})


def share_statistics(module: nn.Module, ranks: Ranks) -> None:
    """Let the batch norms of the module take their statistics over all ranks. They are changed in place, so that
    references to them stay valid.
    """
    for part in module.modules():
        if ranks.size > 1 and isinstance(part, _BatchNorm) and not isinstance(part, _SharedStatistics):
            kind: Any = type(part)
            part.__class__ = _shared(kind)


def keep_statistics(module: nn.Module) -> None:
    """Undo `share_statistics`: each rank takes its own statistics again."""
    for part in module.modules():
        if isinstance(part, _SharedStatistics):
            part.__class__ = part.plain  # type: ignore[assignment]  # it becomes what it was before
