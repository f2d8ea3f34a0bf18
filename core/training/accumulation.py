"""Gradient accumulation: a batch goes through the networks in parts that fit into memory, and their gradients are
summed.

Losses that are means over images are the same as for the whole batch. Batch-norm statistics, and losses that compare
images with each other, are computed over a part instead of the batch.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from core.methods.contract import Batch, Update
from core.networks.network import Features
from core.system.distributed import ALONE, Ranks
from core.system.memory import is_out_of_memory

Begin = Callable[[Batch, int], Iterator[Update]]


@dataclass(frozen=True)
class Part:
    """One part's update, with its share of the batch's images."""

    update: Update
    targets: Tensor
    share: float


class GradientAccumulation:
    """At most `size` images go through the networks at once; `size` is halved when memory runs out.

    With several ranks, each takes its part of the batch. Then the run ends when memory runs out, because the ranks
    would no longer take the same steps.
    """

    def __init__(self, size: int, notify: Callable[[str], None], ranks: Ranks = ALONE) -> None:
        self.size = size
        self._notify = notify
        self._ranks = ranks

    def take(self, batch: Batch, begin: Begin, apply: Callable[[Iterator[Part]], bool]) -> None:
        """Take all updates of a batch. `begin(part, place)` computes the updates of a part one by one; `apply` takes an
        optimizer step from the parts of one update and returns whether there was one.

        Raises the error of the last attempt if memory is too small for single images, or if the batch has already
        changed weights.
        """
        while not self._took(batch, begin, apply):
            before = min(self.size, len(batch.targets))
            self.size = (before + 1) // 2
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            self._notify(
                f"memory ran out with {before} images at once; training goes on with {self.size} at once, adding up "
                f"their gradients to those of a batch of {len(batch.targets)}"
            )

    def _took(self, batch: Batch, begin: Begin, apply: Callable[[Iterator[Part]], bool]) -> bool:
        total = len(batch.targets)
        rank, size = self._ranks.rank, self._ranks.size
        own = batch if size == 1 else _cut(batch, slice(total * rank // size, total * (rank + 1) // size))
        parts = split(own, self.size)
        running = [begin(part, rank * total + place) for place, part in enumerate(parts)]
        num_updates = 0
        try:
            while apply(_next_of_all(running, parts, total)):
                num_updates += 1
        except Exception as error:
            stays = num_updates or self._ranks.size > 1
            if not is_out_of_memory(error) or stays or min(self.size, len(batch.targets)) == 1:
                raise
            return False
        return True


def _next_of_all(running: list[Iterator[Update]], parts: list[Batch], total: int) -> Iterator[Part]:
    for updates, part in zip(running, parts, strict=True):
        update = next(updates, None)
        if update is not None:
            yield Part(update, part.targets, len(part.targets) / total)


def split(batch: Batch, size: int) -> list[Batch]:
    """The batch in parts of `size` images at most."""
    count = len(batch.targets)
    if size >= count:
        return [batch]
    return [_cut(batch, slice(start, start + size)) for start in range(0, count, size)]


def _cut(value: Any, rows: slice) -> Any:
    """The rows of every tensor in a Batch, Features, or tuple of them."""
    if isinstance(value, Tensor):
        return value[rows]
    if isinstance(value, tuple):
        return tuple(_cut(each, rows) for each in value)
    if isinstance(value, Batch | Features):
        return replace(value, **{field.name: _cut(getattr(value, field.name), rows) for field in fields(value)})
    return value
