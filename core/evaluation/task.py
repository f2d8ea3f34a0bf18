"""The task of a job: what its labels mean and which loss they give. A second kind of task would be added here.

A task decides three things: what `Batch.targets` holds, the loss of the student's outputs against them (`loss`), and
the metrics of a labelled split (core.evaluation.metrics.measure). Today there is one task: classification, with one
class for each image.
"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Classification:
    """Every image belongs to exactly one of K classes.

    Targets are int64 (N,) classes, or float (N, K) rows that sum to 1 where images were mixed.
    """

    def loss(self, logits: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        """Cross-entropy of (N, K) logits, mean over N, in float32; `label_smoothing` in [0, 1] is the share of each
        label that is spread evenly over all classes.
        """
        return functional.cross_entropy(logits.float(), targets, label_smoothing=label_smoothing)


CLASSIFICATION = Classification()
