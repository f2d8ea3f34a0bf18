"""predictions.csv: what the exported network says about every image of the test split, so that anyone can check it."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from core.data.dataset import Split
from core.files.atomic import write_whole

COLUMNS = ("name", "label", "predicted", "confidence")


def write_predictions(path: Path, logits: Tensor, split: Split, classes: Sequence[str]) -> Path:
    """A CSV with a row for each image of `split`, in its order: name, true class, predicted class, its probability.

    `logits` is float N K over `classes`.
    """
    confidences, predicted = logits.double().softmax(dim=1).max(dim=1)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, label, index, confidence in zip(
        split.names, split.labels.tolist(), predicted.tolist(), confidences.tolist(), strict=True
    ):
        writer.writerow([name, classes[label], classes[index], f"{confidence:.6f}"])
    return write_whole(path, text.getvalue())
