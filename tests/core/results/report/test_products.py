"""The files of what a training found besides the network: the shares of layers as JSON and picture, the teacher."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from core.methods.contract import Products
from core.results.report.aggregation import aggregation_figure
from core.results.report.products import write_products

SHARES = {tap: {f"{tap}.0": 0.25, f"{tap}.1": 0.75} for tap in ("layer1", "layer2", "layer3")}


def test_shares_are_written_for_a_later_job_and_drawn_for_people(tmp_path: Path) -> None:
    paths = write_products(Products(shares=SHARES), tmp_path)
    assert [path.name for path in paths] == ["aggregation.json", "aggregation.png"]
    assert json.loads(paths[0].read_text()) == SHARES
    picture = Image.open(paths[1])
    assert picture.format == "PNG" and np.asarray(picture.convert("L")).std() > 10


def test_a_changed_teacher_is_written_as_it_is(tmp_path: Path) -> None:
    (path,) = write_products(Products(teacher=b"weights"), tmp_path)
    assert path.name == "teacher.safetensors" and path.read_bytes() == b"weights"


def test_no_products_are_no_files(tmp_path: Path) -> None:
    assert write_products(Products(), tmp_path) == []
    assert not list(tmp_path.iterdir())


def test_the_picture_has_a_bar_for_each_layer() -> None:
    panels = aggregation_figure(SHARES).axes
    assert [panel.get_title(loc="left") for panel in panels] == list(SHARES)
    for panel, layers in zip(panels, SHARES.values(), strict=True):
        assert [label.get_text() for label in panel.get_yticklabels()] == list(layers)
        assert [bar.get_width() for bar in panel.patches] == list(layers.values())
