"""predictions.csv: the exported network's answer for every image of the test split, so that anyone can check it."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from core.data.dataset import Split
from core.files.atomic import write_atomically

COLUMNS = ("name", "label", "predicted", "confidence")
# With what a cell begins that spreadsheets run as a formula (OWASP, CSV injection), full-width forms included.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
TEXT_MARK = "'"


def write_predictions(path: Path, logits: Tensor, split: Split, classes: Sequence[str]) -> Path:
    """A CSV with a row for each image of `split`, in its order: name, true class, predicted class, its probability.

    `logits` is float N K over `classes`. Names are as `as_text` writes them.
    """
    confidences, predicted = logits.double().softmax(dim=1).max(dim=1)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, label, index, confidence in zip(
        split.names, split.labels.tolist(), predicted.tolist(), confidences.tolist(), strict=True
    ):
        writer.writerow([as_text(name), as_text(classes[label]), as_text(classes[index]), f"{confidence:.6f}"])
    return write_atomically(path, text.getvalue())


def as_text(name: str) -> str:
    """A name as a cell that no spreadsheet runs: `'` in front of what begins as a formula does, or with `'` itself.

    A program has the name again by `cell.removeprefix("'")`, for every cell. Numbers such as -1 stay as they are.
    """
    if not name.startswith((*FORMULA_STARTS, TEXT_MARK)) or _is_number(name):
        return name
    return TEXT_MARK + name


def _is_number(name: str) -> bool:
    """Whether the name is an integer or decimal number, which a spreadsheet shows as such."""
    return name.isascii() and name[1:].replace(".", "", 1).isdigit()
