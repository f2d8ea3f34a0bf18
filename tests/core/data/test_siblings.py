"""Datasets as people have them are read right or refused in words; none is ever read wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.data.dataset import Dataset
from core.errors import UserError
from tests.core.data.siblings import columns, files, folders, lists, tables
from tests.core.data.siblings.layouts import Layout

LAYOUTS: dict[str, Layout] = {
    f"{module.__name__.rpartition('.')[2]}: {name}": layout
    for module in (folders, lists, tables, columns, files)
    for name, layout in module.LAYOUTS.items()
}


def written(name: str, layout: Layout, folder: Path) -> Path:
    """The layout on disk."""
    root = folder / name.partition(": ")[2]
    if isinstance(layout.files, bytes):
        root.write_bytes(layout.files)
        return root
    root.mkdir()
    for path, data in layout.files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data if isinstance(data, bytes) else data.encode())
    return root


def is_right(dataset: Dataset, layout: Layout) -> bool:
    """Whether classes and numbers of images are those of a right reading."""
    trained = len(dataset.train.names) + len(dataset.validation.names)
    tested = len(dataset.test.names)
    found = (trained, tested) if layout.num_test is not None else (trained + tested, None)
    return dataset.classes == layout.classes and found == (layout.num_trained, layout.num_test)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_read_right_or_refused(name: str, tmp_path: Path, open_source: Callable[..., Any]) -> None:
    layout = LAYOUTS[name]
    try:
        dataset = open_source(written(name, layout, tmp_path), **layout.spec).decode(8)
    except UserError as error:
        assert layout.may_refuse, error.message
        assert error.message
    else:
        assert is_right(dataset, layout), (dataset.classes, dataset.facts)


def test_there_are_as_many_layouts_as_were_found() -> None:
    assert len(LAYOUTS) >= 167
