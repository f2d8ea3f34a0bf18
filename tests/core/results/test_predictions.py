"""predictions.csv holds the test split row by row, whatever the names hold."""

import csv
from pathlib import Path

import pytest
import torch

from core.data.dataset import Split
from core.results.predictions import as_text, write_predictions

NAMES = ("a.png", 'odd, "quoted"\nname.png', "ü.png")


def split() -> Split:
    return Split(images=torch.zeros(3, 3, 8, 8, dtype=torch.uint8), labels=torch.tensor([0, 1, 1]), names=NAMES)


def test_every_image_has_a_row_in_order(tmp_path: Path) -> None:
    logits = torch.tensor([[3.0, 1.0], [2.0, 0.0], [-1.0, 4.0]])
    path = write_predictions(tmp_path / "predictions.csv", logits, split(), ["cup", "mug"])
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == list(NAMES)
    assert [row["label"] for row in rows] == ["cup", "mug", "mug"]
    assert [row["predicted"] for row in rows] == ["cup", "cup", "mug"]
    # 1 / (1 + e^-2) for a gap of 2 between two logits, 1 / (1 + e^-5) for one of 5
    assert [float(row["confidence"]) for row in rows] == pytest.approx([0.880797, 0.880797, 0.993307], abs=1e-6)


def test_logits_of_another_split_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"shorter|longer"):
        write_predictions(tmp_path / "predictions.csv", torch.zeros(2, 2), split(), ["cup", "mug"])
    assert not (tmp_path / "predictions.csv").exists()


NAMES_AND_CELLS = {
    "ants": "ants", "": "", "=cmd()": "'=cmd()", "@SUM(A1)": "'@SUM(A1)", "+cmd|' /C calc'!A0": "'+cmd|' /C calc'!A0",
    "-2+3": "'-2+3", "-1": "-1", "+3.5": "+3.5", "-": "'-", "\t=1": "'\t=1", "\r=1": "'\r=1", "＝1+1": "'＝1+1",
    "'quoted'": "''quoted'", "a=b": "a=b", "-١": "'-١",
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES_AND_CELLS)
def test_no_name_is_run_by_a_spreadsheet_and_a_program_has_it_again(name: str) -> None:
    cell = as_text(name)
    assert cell == NAMES_AND_CELLS[name]
    assert cell.removeprefix("'") == name
