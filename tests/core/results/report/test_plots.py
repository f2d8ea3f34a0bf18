import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.results.report import Outcome, write_report
from core.results.report.plots import confusion_figure, curves_figure


def test_the_plots_are_images_with_something_on_them(make_outcome: Callable[..., Outcome], tmp_path: Path) -> None:
    write_report(make_outcome(), tmp_path)
    for name in ("curves.png", "confusion.png"):
        pixels = np.asarray(Image.open(tmp_path / name).convert("L"))
        assert min(pixels.shape) > 400 and pixels.std() > 10


def test_the_confusion_plot_names_its_classes_until_they_are_too_many(make_outcome: Callable[..., Outcome]) -> None:
    few = confusion_figure(make_outcome()).axes[0]
    assert [label.get_text() for label in few.get_yticklabels()] == ["apple", "mushroom", "orange", "pear"]
    many = confusion_figure(make_outcome(tuple(f"class {index}" for index in range(100)))).axes[0]
    assert not {"class 1", "class 2"} & {label.get_text() for label in many.get_yticklabels()}


def test_the_curves_show_every_network_and_the_teachers_level(make_outcome: Callable[..., Outcome]) -> None:
    loss, top1, _ = curves_figure(make_outcome()).axes
    assert loss.get_legend_handles_labels()[1] == ["loss", "feature", "label"]
    assert top1.get_legend_handles_labels()[1] == ["student", "scratch", "finetune", "teacher"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["$\\frac{$", "苹果", "$x$ & y_1^2"])
def test_class_names_are_no_formulas_and_bring_no_chatter(
    make_outcome: Callable[..., Outcome], tmp_path: Path, name: str
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_report(make_outcome((name, "plain")), tmp_path)
