"""Means over training steps, kept on the device so that no step has to wait for them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from core.errors import LossDiverged
from core.methods.contract import Update
from core.system.distributed import Ranks
from core.training.accumulation import Part


class RunningMeans:
    """Loss terms and accuracy since the last report, and the first step whose loss was not finite."""

    def __init__(self, device: torch.device) -> None:
        self._sums: dict[str, Tensor] = {}
        self._num_images = 0
        self._last_step = -1
        self._diverged_at = torch.full((), -1, dtype=torch.int64, device=device)

    @torch.no_grad()
    def add(self, parts: Sequence[tuple[Part, Tensor]], step: int) -> None:
        """Add one optimizer step: its parts with their losses."""
        if step != self._last_step:  # a batch may have several updates
            self._num_images += sum(len(part.targets) for part, _ in parts)
            self._last_step = step
        for part, loss in parts:
            self._add(part.update, loss, part.targets, step)

    def _add(self, update: Update, loss: Tensor, targets: Tensor, step: int) -> None:
        """`targets` are classes (N,) or rows (N, K)."""
        count = len(targets)
        values = {"train/loss": loss, **{f"train/loss_{name}": term for name, term in update.terms.items()}}
        if update.logits is not None:
            labels = targets if targets.ndim == 1 else targets.argmax(dim=1)
            values["train/top1"] = (update.logits.argmax(dim=1) == labels).double().mean()
        for name, value in values.items():
            total = value.detach().double() * count
            self._sums[name] = self._sums[name] + total if name in self._sums else total
        first = ~torch.isfinite(loss) & (self._diverged_at < 0)
        self._diverged_at = torch.where(first, step, self._diverged_at)

    def diverged_at(self) -> int:
        """The first step with a non-finite loss, -1 if there is none; waits for the device."""
        return int(self._diverged_at)

    def check_finite(self, run: str, steps_per_epoch: int, ranks: Ranks) -> None:
        """Raise LossDiverged where a loss was not finite; all ranks fail where one does, or the others would wait for
        it.
        """
        step = ranks.largest(self.diverged_at())
        if step >= 0:
            epoch = step // steps_per_epoch + 1
            raise LossDiverged(
                f"the training loss of {run} became NaN or infinite at step {step + 1} (epoch {epoch})",
                hint="lower training.learning_rate, set training.clip_gradient_norm, or use training.precision fp32",
                pointer="/training/learning_rate",
            )

    def take(self, ranks: Ranks) -> dict[str, float]:
        """The means over the images of all ranks since the last call; then the sums start again at zero. Waits for the
        device.
        """
        if not self._sums:
            return {}
        counted = torch.full((), float(self._num_images), dtype=torch.float64, device=self._diverged_at.device)
        *totals, count = ranks.sum(torch.stack([*self._sums.values(), counted])).tolist()
        means = {name: total / max(count, 1.0) for name, total in zip(self._sums, totals, strict=True)}
        self._sums, self._num_images = {}, 0
        return means

    def state_dict(self) -> dict[str, Any]:
        """The sums, for a checkpoint."""
        return {"sums": dict(self._sums), "num_images": self._num_images}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the sums from a checkpoint."""
        device = self._diverged_at.device
        self._sums = {name: value.to(device) for name, value in state["sums"].items()}
        self._num_images = state["num_images"]
