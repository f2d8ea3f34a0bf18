"""Changes of a training that the engine does not offer, tried on its trainer to learn whether it should."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch.nn import functional

from core.methods.contract import Batch
from core.training.batches import Batches
from core.training.inputs import PreparedJob
from core.training.trainer import Trainer


@dataclass(frozen=True)
class ProgressiveResolution:
    """The student sees smaller images at first: `sizes` in pixels, an equal share of the steps each; the teacher sees
    them as they are (Howard, DAWNBench 2018; Tan, Le 2021, arXiv 2104.00298, section 4)."""

    sizes: Sequence[int]

    def __call__(self, trainer: Trainer, prepared: PreparedJob) -> None:
        """Change the trainer's batches."""
        _replace_batches(trainer, _Shrunk, sizes=tuple(self.sizes), steps=trainer.plan.steps)


@dataclass(frozen=True)
class Selected:
    """Only `share` of the images, those with the largest loss of the teacher or the smallest, in as many steps (Paul et
    al. 2021, arXiv 2107.07075, for scores of a trained network)."""

    share: float
    hardest: bool

    def __call__(self, trainer: Trainer, prepared: PreparedJob) -> None:
        """Change the trainer's batches."""
        run, train = prepared.student, prepared.student.dataset.train
        losses = functional.cross_entropy(prepared.teacher_logits(run, train), train.labels, reduction="none")
        order = losses.argsort(descending=self.hardest)
        chosen = order[: round(self.share * len(order))].sort().values
        _replace_batches(trainer, _Some, chosen=chosen)


@dataclass(frozen=True)
class _Shrunk(Batches):
    sizes: tuple[int, ...] = ()
    steps: int = 0

    def batch(self, step: int) -> Batch:
        """The batch, its views resized for the student alone: what the teacher said of them is there already."""
        batch = super().batch(step)
        if batch.teacher is None:
            raise ValueError("smaller views need a stored teacher pass, or the teacher would see them too")
        size = self.sizes[min(len(self.sizes) - 1, step * len(self.sizes) // self.steps)]
        if size == batch.views.shape[-1]:
            return batch
        smaller = functional.interpolate(batch.views, size=(size, size), mode="bilinear", antialias=True)
        return replace(batch, views=self.arithmetic.laid_out(smaller))


@dataclass(frozen=True)
class _Some(Batches):
    chosen: torch.Tensor | None = None

    @property
    def members(self) -> torch.Tensor:
        """int64: the chosen images."""
        return self.chosen


def _replace_batches(trainer: Trainer, kind: type[Batches], **more: object) -> None:
    (planned,) = trainer.plan.stages
    given = {name: getattr(planned.batches, name) for name in Batches.__dataclass_fields__ if not name.startswith("_")}
    trainer.plan = replace(trainer.plan, stages=(replace(planned, batches=kind(**given, **more)),))
