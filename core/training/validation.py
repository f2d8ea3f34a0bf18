"""What happens on the validation split while a network trains: its metrics, early stopping, the best weights."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from core.data.dataset import Split
from core.evaluation.metrics import measure
from core.evaluation.predict import Views, predict
from core.networks.network import Network
from core.spec import EarlyStopping
from core.system.device import Arithmetic

METRICS = ("loss", "top1", "top5", "ece", "teacher_agreement")


@dataclass
class Validator:
    """Validates, and remembers the best weights where early stopping wants them."""

    split: Split
    classes: tuple[str, ...]
    views: Views
    arithmetic: Arithmetic
    teacher_logits: Callable[[], Tensor | None]
    """(N, K) over the customer's classes, or None; asked when the first validation wants it."""
    early_stopping: EarlyStopping | None
    _best: float | None = field(default=None, init=False)
    _best_epoch: int = field(default=0, init=False)
    _best_weights: dict[str, Tensor] | None = field(default=None, init=False)

    def validate(self, network: Network, epoch: int) -> tuple[dict[str, float | None], bool]:
        """The validation metrics by name, and whether training should stop after this epoch."""
        with self.arithmetic.autocast():
            logits = predict(network, self.split.images, views=self.views, device=self.arithmetic.device)
        measures = measure(logits, self.split.labels, self.classes, self.teacher_logits())
        values = {f"val/{name}": measures[name] for name in METRICS if measures[name] is not None}
        return values, self._should_stop(network, values, epoch)

    def _should_stop(self, network: Network, values: dict[str, float | None], epoch: int) -> bool:
        if self.early_stopping is None:
            return False
        value = values.get(self.early_stopping.metric)
        if value is not None and self._improves(value, self.early_stopping):
            self._best, self._best_epoch = value, epoch
            self._best_weights = {name: weight.detach().clone() for name, weight in network.state_dict().items()}
        return epoch - self._best_epoch >= self.early_stopping.patience

    def _improves(self, value: float, rule: EarlyStopping) -> bool:
        if self._best is None:
            return True
        return value < self._best if rule.metric == "val/loss" else value > self._best

    def restore_best(self, network: Network) -> None:
        """Give `network` the weights of its best epoch, where early stopping kept them."""
        if self._best_weights is not None:
            network.load_state_dict(self._best_weights)

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"best": self._best, "best_epoch": self._best_epoch, "best_weights": self._best_weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._best, self._best_epoch, self._best_weights = state["best"], state["best_epoch"], state["best_weights"]
