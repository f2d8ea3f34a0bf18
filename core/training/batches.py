"""The training batches: images, order and augmentation as a pure function of the step."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch

from core.data.augment import Augmenter, mix
from core.data.dataset import Split
from core.data.image_file import Images
from core.methods.contract import Batch, Needs, Stage
from core.spec import ResolvedTraining
from core.system.device import Arithmetic, images_at_once, uploaded
from core.system.seeds import derive_seed, generator
from core.teachers.stored.stored_pass import StoredPass
from core.training.prefetch import Prefetcher

NO_NEEDS = Needs()


@dataclass(frozen=True)
class Batches:
    """Batches over one stage's share of the training split. The last partial batch of an epoch is dropped: each epoch
    has a new order, so no image is missing for long, and batch norm never gets a batch of one image.
    """

    split: Split
    training: ResolvedTraining
    augmenter: Augmenter
    num_classes: int
    stage: Stage
    seed: int
    arithmetic: Arithmetic
    needs: Needs = NO_NEEDS
    stored: StoredPass | None = None
    """Views and what the teacher said of them, from disk; None: fresh views."""
    prefetches: bool = False
    """Fetch the next step's images on a side thread: for what comes from the disk, or from the host to a GPU."""
    target: Images | None = None
    """uint8 (M, 3, S, S): unlabelled images of a second domain."""
    _orders: dict[tuple[str, int], torch.Tensor] = field(default_factory=dict, init=False)

    @cached_property
    def members(self) -> torch.Tensor:
        """int64: the images of this stage, as indices into the split."""
        count = len(self.split.labels)
        if self.stage.split == "all":
            return torch.arange(count)
        order = torch.randperm(count, generator=generator(self.seed, "halves"))
        half = order[count // 2 :] if self.stage.split == "second_half" else order[: count // 2]
        return half.sort().values

    @cached_property
    def other(self) -> "Batches | None":
        """The batches of the second half, for a stage that uses both halves at once."""
        if self.stage.split != "halves":
            return None
        return replace(self, stage=replace(self.stage, split="second_half"), target=None)

    @cached_property
    def live(self) -> "Batches":
        """The same images in the same order as new views, on which the teacher has not run yet."""
        return replace(self, stored=None)

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return max(len(self.members) // self.training.batch_size, 1)

    @property
    def steps_per_whole_epoch(self) -> int:
        """Batches in an epoch over the whole split; a stage may use half of it."""
        return max(len(self.split.labels) // self.training.batch_size, 1)

    def view_of(self, step: int) -> int:
        """The number of the stored view that the epoch of a step uses."""
        return (step // self.steps_per_epoch) % self.stored.num_views if self.stored is not None else 0

    def batch(self, step: int) -> Batch:
        """The batch of a step, on the device; `step` counts from 0 over the stage."""
        indices, fetched = self._fetched(step)
        indices = uploaded(indices, self.arithmetic.device)
        batch = self._seen(step, indices, fetched, self._labels[indices])
        if self.target is not None:
            batch = replace(batch, target_views=self._target_views(self.target, step))
        if self.other is not None:
            batch = replace(batch, other_half=self.other.batch(step))
        return batch

    def survey(self) -> Iterator[Batch]:
        """Every image of the whole split once, in order, as a test view."""
        at_once = images_at_once(self.augmenter.image_size, self.arithmetic.device)
        for start in range(0, len(self.split.labels), at_once):
            indices = torch.arange(start, min(start + at_once, len(self.split.labels)))
            views = self.augmenter.test_views(self._on_device(self.split.images, indices))
            indices = uploaded(indices, self.arithmetic.device)
            yield Batch(self.arithmetic.laid_out(views), self._labels[indices], indices)

    @cached_property
    def _labels(self) -> torch.Tensor:
        return self.split.labels.to(self.arithmetic.device)

    @cached_property
    def _prefetcher(self) -> Prefetcher[tuple[torch.Tensor, torch.Tensor]]:
        return Prefetcher(self._fetch)

    def _fetched(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.prefetches:
            return self._fetch(step)
        # The next epoch's view may not be stored yet.
        return self._prefetcher.take(step, more=(step + 1) % self.steps_per_epoch != 0)

    def _fetch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The indices of a step's images, and their pixels or stored records, in host memory."""
        epoch, place = divmod(step, self.steps_per_epoch)
        size = self.training.batch_size
        indices = self._order("order", epoch, self.members)[place * size : (place + 1) * size]
        if self.stored is not None:
            fetched = self.stored.fetch(indices, self.view_of(step))
        else:
            fetched = self.split.images[uploaded(indices, self.split.images.device)]
        is_upload = self.arithmetic.device.type == "cuda" and fetched.device.type == "cpu"
        return indices, fetched.pin_memory() if is_upload else fetched

    def _seen(self, step: int, indices: torch.Tensor, fetched: torch.Tensor, labels: torch.Tensor) -> Batch:
        device = self.arithmetic.device
        if self.stored is not None:
            views, teacher = self.stored.decode(fetched, device)
            return Batch(views, labels, indices, teacher=teacher)
        images = fetched.to(device, non_blocking=True)
        fresh = [self._view(images, step, number) for number in range(self.needs.num_views)]
        # All views are mixed with the same partners and shares, because they have one set of targets.
        mixed = [self._mixed(each, labels, generator(self.seed, "mix", step)) for each in fresh]
        first, *more = (self.arithmetic.laid_out(each) for each, _ in mixed)
        return Batch(first, mixed[0][1], indices, more_views=tuple(more))

    def _on_device(self, images: Images, indices: torch.Tensor) -> torch.Tensor:
        return uploaded(images[uploaded(indices, images.device)], self.arithmetic.device)

    def _order(self, what: str, epoch: int, members: torch.Tensor) -> torch.Tensor:
        if (what, epoch) not in self._orders:
            for old in [key for key in self._orders if key[0] == what]:
                del self._orders[old]
            draws = generator(self.seed, what, epoch)
            self._orders[what, epoch] = members[torch.randperm(len(members), generator=draws)]
        return self._orders[what, epoch]

    def _target_views(self, target: Images, step: int) -> torch.Tensor:
        """As many images of the second domain as a batch has, in an order of their own that repeats."""
        size, count = self.training.batch_size, len(target)
        first = step * size
        places = range(first, first + size)
        indices = torch.stack(
            [self._order("target order", place // count, torch.arange(count))[place % count] for place in places]
        )
        return self.arithmetic.laid_out(self._view(self._on_device(target, indices), step, 0, "target view"))

    def _view(self, images: torch.Tensor, step: int, number: int, what: str = "view") -> torch.Tensor:
        draws = torch.Generator(self.arithmetic.device).manual_seed(derive_seed(self.seed, what, step, number))
        strong = number > 0 and self.needs.more_views == "strong"
        augmenter = Augmenter("strong_cutout", self.augmenter.image_size) if strong else self.augmenter
        return augmenter.train_views(images, draws)

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
