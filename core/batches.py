"""The training batches: which images, in which order, seen how, as a pure function of the step."""

from dataclasses import dataclass, field
from functools import cached_property

import torch

from core.data.augment import Augmenter, mix
from core.data.dataset import Split
from core.methods.method import Batch, Stage
from core.seeds import derive_seed, generator
from core.spec import TrainingSpec


@dataclass(frozen=True)
class Batches:
    """Batches over one stage's share of the training split. The last partial batch of an epoch is left out: each
    epoch's
    order is new, so no image is left out for long, and batch norm never sees a batch of one."""

    split: Split
    training: TrainingSpec
    augmenter: Augmenter
    num_classes: int
    stage: Stage
    seed: int
    device: torch.device
    num_views: int = 1
    _orders: dict[int, torch.Tensor] = field(default_factory=dict, init=False)

    @cached_property
    def members(self) -> torch.Tensor:
        """int64: the images of this stage, as indices into the split."""
        count = len(self.split.labels)
        if self.stage.split == "all":
            return torch.arange(count)
        order = torch.randperm(count, generator=generator(self.seed, "halves"))
        half = order[: count // 2] if self.stage.split == "first_half" else order[count // 2 :]
        return half.sort().values

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return max(len(self.members) // self.training.batch_size, 1)

    def batch(self, step: int) -> Batch:
        """The batch of a step, on the device; `step` counts from 0 over the stage."""
        epoch, place = divmod(step, self.steps_per_epoch)
        indices = self._order(epoch)[place * self.training.batch_size : (place + 1) * self.training.batch_size]
        images = self.split.images[indices].to(self.device, non_blocking=True)
        labels = self.split.labels[indices].to(self.device, non_blocking=True)
        views = [self._view(images, step, number) for number in range(self.num_views)]
        draws = generator(self.seed, "mix", step, device=self.device)
        mixed, targets = self._mixed(views[0], labels, draws)
        return Batch(mixed, targets, indices.to(self.device), more_views=tuple(views[1:]))

    def _order(self, epoch: int) -> torch.Tensor:
        if epoch not in self._orders:
            self._orders.clear()
            draws = generator(self.seed, "order", epoch)
            self._orders[epoch] = self.members[torch.randperm(len(self.members), generator=draws)]
        return self._orders[epoch]

    def _view(self, images: torch.Tensor, step: int, number: int) -> torch.Tensor:
        draws = torch.Generator(self.device).manual_seed(derive_seed(self.seed, "view", step, number))
        return self.augmenter.train_views(images, draws)

    def _mixed(
        self, views: torch.Tensor, labels: torch.Tensor, draws: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not (self.training.mixup_alpha or self.training.cutmix_alpha):
            return views, labels
        return mix(
            views,
            labels,
            num_classes=self.num_classes,
            mixup_alpha=self.training.mixup_alpha,
            cutmix_alpha=self.training.cutmix_alpha,
            generator=draws,
        )
