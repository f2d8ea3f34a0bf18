"""Metrics of logits and labels: accuracy with its interval, calibration, agreement with the teacher.

Student, teacher and baselines are measured by the same code.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from core.statistics.paired import PairedCounts
from core.statistics.proportions import wilson

NUM_BINS = 15  # of the calibration error, as in Guo et al., ICML 2017
TOP_K = 5


def measure(
    logits: Tensor, labels: Tensor, classes: Sequence[str], teacher_logits: Tensor | None = None
) -> dict[str, Any]:
    """JSON facts about logits N K (float) against labels N (int64); `teacher_logits` N K are over the same classes.

    Accuracies are fractions, intervals are Wilson's at 95%; `confusion` has a row for each true class. An image with a
    NaN or infinite logit counts as wrong and as disagreement, is left out of `confusion`, and makes `loss` and `ece`
    null, because a mean over the other images would look too good. A class without images has accuracy null and
    interval [0, 1].
    """
    _check(logits, labels, classes, teacher_logits)
    finite = logits.isfinite().all(dim=1)
    ranked = _rank(logits)
    hits = (ranked == labels[:, None]) & finite[:, None]
    sound = bool(finite.all())
    bins = reliability(logits[finite], labels[finite])
    return {
        "num_images": len(labels),
        "num_nonfinite": int((~finite).sum()),
        **_top("top1", hits[:, :1]),
        **(_top("top5", hits[:, :TOP_K]) if len(classes) > TOP_K else {"top5": None, "top5_interval": None}),
        "loss": _number(nn.functional.cross_entropy(logits.double(), labels)) if sound else None,
        "ece": expected_calibration_error(bins) if sound else None,
        "reliability": bins,
        "teacher_agreement": None if teacher_logits is None else _agreement(ranked[:, 0], finite, teacher_logits),
        "per_class": _per_class(hits[:, 0], labels, classes),
        "confusion": confusion(ranked[finite, 0], labels[finite], len(classes)).tolist(),
    }


def compare(first: Tensor, second: Tensor, labels: Tensor) -> PairedCounts | None:
    """On how many images only one of two networks is right, from their logits N K and labels N; None without images.

    As in `measure`, an image with a NaN or infinite logit counts as wrong.
    """
    if not len(labels):
        return None
    ours, theirs = ((_rank(logits)[:, 0] == labels) & logits.isfinite().all(dim=1) for logits in (first, second))
    return PairedCounts(len(labels), int((ours & ~theirs).sum()), int((theirs & ~ours).sum()))


def confusion(predictions: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Counts K x K (int64): row = true class, column = predicted class."""
    cells = torch.bincount(labels * num_classes + predictions, minlength=num_classes * num_classes)
    return cells.view(num_classes, num_classes)


def reliability(logits: Tensor, labels: Tensor, num_bins: int = NUM_BINS) -> list[dict[str, Any]]:
    """Equal-width bins (lower, upper] of the confidence: how many images, their mean confidence, their accuracy."""
    confidence, prediction = logits.double().softmax(dim=1).max(dim=1)
    correct = (prediction == labels).double()
    index = (confidence * num_bins).ceil().long().sub(1).clamp(0, num_bins - 1)
    counts = torch.bincount(index, minlength=num_bins)
    sums = [torch.bincount(index, weights=weights, minlength=num_bins) for weights in (confidence, correct)]
    return [
        {
            "lower": place / num_bins,
            "upper": (place + 1) / num_bins,
            "count": count,
            "confidence": sums[0][place].item() / count if count else None,
            "accuracy": sums[1][place].item() / count if count else None,
        }
        for place, count in enumerate(counts.tolist())
    ]


def expected_calibration_error(bins: Sequence[dict[str, Any]]) -> float | None:
    """Mean distance of confidence and accuracy over the `reliability` bins, weighted by their images; None without
    images.
    """
    total = sum(bin_["count"] for bin_ in bins)
    if total == 0:
        return None
    return sum(bin_["count"] / total * abs(bin_["accuracy"] - bin_["confidence"]) for bin_ in bins if bin_["count"])


def _rank(logits: Tensor) -> Tensor:
    """Classes from most to least likely; equal logits keep class order, so that a tie falls the same way everywhere."""
    return logits.sort(dim=1, descending=True, stable=True).indices


def _top(name: str, hits: Tensor) -> dict[str, Any]:
    successes, trials = int(hits.any(dim=1).sum()), len(hits)
    return {name: successes / trials if trials else None, f"{name}_interval": list(wilson(successes, trials))}


def _agreement(predictions: Tensor, finite: Tensor, teacher_logits: Tensor) -> float | None:
    both = finite & teacher_logits.isfinite().all(dim=1)
    same = (predictions == _rank(teacher_logits)[:, 0]) & both
    return same.double().mean().item() if len(same) else None


def _per_class(hits: Tensor, labels: Tensor, classes: Sequence[str]) -> dict[str, dict[str, Any]]:
    totals = torch.bincount(labels, minlength=len(classes)).tolist()
    rights = torch.bincount(labels[hits], minlength=len(classes)).tolist()
    return {
        name: {
            "accuracy": right / total if total else None,
            "interval": list(wilson(right, total)),
            "num_images": total,
        }
        for name, right, total in zip(classes, rights, totals, strict=True)
    }


def _number(value: Tensor) -> float | None:
    number = value.item()
    return number if math.isfinite(number) else None


def _check(logits: Tensor, labels: Tensor, classes: Sequence[str], teacher_logits: Tensor | None) -> None:
    expected = (len(labels), len(classes))
    for name, given in (("logits", logits), ("teacher_logits", teacher_logits)):
        if given is not None and tuple(given.shape) != expected:
            raise ValueError(
                f"{name} are {tuple(given.shape)}; {expected[0]} labels of {expected[1]} classes need {expected}"
            )
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(classes):
        raise ValueError(
            f"labels run from {int(labels.min())} to {int(labels.max())}; there are {len(classes)} classes"
        )
